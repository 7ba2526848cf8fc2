/* fix_value: texts of FIX fields -> exact numbers and times. */
#pragma once

#include "base/bytes.h"

/* fix_number is a decimal without trailing zeros: (negative ? -1 : 1) * digits / 10^scale. */
struct fix_number {
	uint64_t digits;
	uint32_t scale;
	bool negative;
};

/* fix_uint reads a number without sign or fraction; leading zeros are legal. False: not one, or
 * beyond 64 bits. */
bool fix_uint(struct str text, uint64_t *value);

/* fix_number reads a decimal with optional sign and fraction. False: not one, or not exact in 64
 * bits. */
bool fix_number(struct str text, struct fix_number *number);

/* fix_e9 gives number in units of 1e-9. False: not exact there. */
bool fix_e9(const struct fix_number *number, int64_t *e9);

/* fix_scaled gives digits of number at this scale. False: it has more decimals, is negative or too
 * large. */
bool fix_scaled(const struct fix_number *number, uint32_t scale, uint64_t *value);

/* fix_clock remembers the last date it has seen, because messages of a stream share it. */
struct fix_clock {
	uint64_t date; /* its eight digits as loaded */
	uint64_t date_ns;
};

/* fix_time reads a UTCTimestamp with 0 to 12 digits of fraction; what is below 1 ns is cut off.
 * Returns  ns since 1970-01-01 UTC, or 0 when text is none */
uint64_t fix_time(struct fix_clock *clock, struct str text);
