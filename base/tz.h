/* tz: local midnight by a POSIX TZ rule, without the C library's time zones and their lock. */
#pragma once

#include <stdint.h>

/* tz_midnight says when the day of now_ns began in a zone.
 *
 * Takes    posix_tz: "EST5EDT,M3.2.0,M11.1.0", "JST-9"; offsets and times as h[:mm[:ss]], names
 * also as <+03>; rules Mm.w.d, Jn and n. NULL or a rule that cannot be read is UTC Units    ns
 * since 1970-01-01 UTC Returns  the last local midnight at or before now_ns; next (may be NULL):
 * the one after it Spec     POSIX.1-2017, 8.3 Other Environment Variables, TZ */
uint64_t tz_midnight(const char *posix_tz, uint64_t now_ns, uint64_t *next);

/* tz_check says whether tz_midnight can read a rule.
 * Returns  0, or -EINVAL */
int tz_check(const char *posix_tz);
