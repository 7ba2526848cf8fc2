/* reason: why something was refused or dropped; one name for enum, counter, metric and text. */
#pragma once

enum reason {
	REASON_none = 0, /* success where a function returns 0 or -REASON_x */
#define REASON(name, text) REASON_##name,
#include "base/reasons.def"
#undef REASON
	REASON_COUNT,
};

/* reason_name returns the short name ("no_feed"), reason_text the sentence. Static text. */
const char *reason_name(enum reason reason);
const char *reason_text(enum reason reason);
