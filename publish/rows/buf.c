#include "publish/rows/buf.h"

#include <errno.h>
#include <float.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int buf_open(struct buf *buf)
{
	void *p = mmap(NULL, BUF_ROOM, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	*buf = (struct buf){.p = p};
	return 0;
}

void buf_close(struct buf *buf)
{
	if (buf->p)
		munmap(buf->p, BUF_ROOM);
	buf->p = NULL;
}

void buf_u64(struct buf *buf, uint64_t v)
{
	char text[20];
	unsigned at = sizeof(text);

	do {
		text[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_put(buf, text + at, sizeof(text) - at);
}

void buf_i64(struct buf *buf, int64_t v)
{
	if (v < 0)
		buf_char(buf, '-');
	buf_u64(buf, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_double(struct buf *buf, double v, bool single)
{
	char text[32];
	double whole = single ? FLT_MIN : DBL_MIN; /* below, fewer digits may do */
	int digits = v > -whole && v < whole ? 1 : single ? 6 : 15, most = single ? 9 : 17;

	do {
		snprintf(text, sizeof(text), "%.*g", digits, v);
	} while (
		(single ? (double)strtof(text, NULL) : strtod(text, NULL)) != v && digits++ < most);
	buf_text(buf, text);
}

void buf_decimal(struct buf *buf, int64_t v, unsigned decimals)
{
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v, scale = 1;
	char digits[20];
	unsigned n = 0;

	for (unsigned i = 0; i < decimals; i++)
		scale *= 10;
	if (v < 0)
		buf_char(buf, '-');
	buf_u64(buf, u / scale);
	for (u %= scale; u; u = u * 10 % scale)
		digits[n++] = (char)('0' + u * 10 / scale);
	if (n) {
		buf_char(buf, '.');
		buf_put(buf, digits, n);
	}
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	char text[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0)
		buf_put(buf, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}
