#include "base/reason.h"

static const char *const names[REASON_COUNT] = {
	[REASON_none] = "none",
#define REASON(name, text) [REASON_##name] = #name,
#include "base/reasons.def"
#undef REASON
};

static const char *const texts[REASON_COUNT] = {
	[REASON_none] = "no reason",
#define REASON(name, text) [REASON_##name] = text,
#include "base/reasons.def"
#undef REASON
};

const char *reason_name(enum reason reason)
{
	return (unsigned)reason < REASON_COUNT ? names[reason] : "invalid";
}

const char *reason_text(enum reason reason)
{
	return (unsigned)reason < REASON_COUNT ? texts[reason] : "invalid";
}
