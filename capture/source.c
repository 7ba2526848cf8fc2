#include "capture/source.h"

#include <stdarg.h>
#include <stdio.h>

int source_fail(struct source *src, enum source_end end, int rc, const char *fmt, ...)
{
	va_list args;
	int len = snprintf(src->error, sizeof(src->error), "%s: ", src->name);

	src->end = end;
	va_start(args, fmt);
	vsnprintf(src->error + len, sizeof(src->error) - (size_t)len, fmt, args);
	va_end(args);
	return rc;
}

const char *source_end_text(enum source_end end)
{
	static const char *const texts[] = {
		[SOURCE_RUNNING] = "running",
		[SOURCE_END] = "end",
		[SOURCE_TRUNCATED] = "truncated",
		[SOURCE_DAMAGED] = "damaged",
		[SOURCE_GONE] = "gone",
	};

	return (unsigned)end < sizeof(texts) / sizeof(texts[0]) ? texts[end] : "invalid";
}
