/* Hot path: no allocation, lock, system call or log. */
#include "decode/fix/fix_value.h"

static const uint64_t power_of_ten[20] = {1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u,
	10000000u, 100000000u, 1000000000u, 10000000000u, 100000000000u, 1000000000000u,
	10000000000000u, 100000000000000u, 1000000000000000u, 10000000000000000u,
	100000000000000000u, 1000000000000000000u, 10000000000000000000u};

static bool is_digit(char c)
{
	return (uint8_t)(c - '0') < 10;
}

enum { DIGITS_SAFE = 19 }; /* so many cannot overflow 64 bits */

bool fix_uint(struct str text, uint64_t *value)
{
	uint64_t v = 0;
	uint32_t i;

	if (text.len == 0)
		return false;
	for (i = 0; i < text.len && i < DIGITS_SAFE; i++) {
		if (!is_digit(text.p[i]))
			return false;
		v = v * 10 + (uint64_t)(text.p[i] - '0');
	}
	for (; i < text.len; i++) {
		if (!is_digit(text.p[i]) || __builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(text.p[i] - '0'), &v))
			return false;
	}
	*value = v;
	return true;
}

/* number_long reads a decimal without sign that may not fit; as fix_number. */
static bool number_long(const char *p, const char *end, struct fix_number *number)
{
	const char *point = NULL;
	uint64_t v = 0;
	bool any = false;

	if (memchr(p, '.', (size_t)(end - p)))
		for (; end[-1] == '0'; end--) /* zeros behind the point say nothing */
			any = true;
	for (; p < end; p++) {
		if (*p == '.' && !point) {
			point = p + 1;
			continue;
		}
		if (!is_digit(*p) || __builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
		any = true;
	}
	number->digits = v;
	number->scale = point ? (uint32_t)(end - point) : 0;
	return any;
}

bool fix_number(struct str text, struct fix_number *number)
{
	const char *p = text.p, *end = text.p + text.len, *point = NULL, *said = NULL;
	uint64_t v = 0, digits = 0;
	bool any = false;

	*number = (struct fix_number){0};
	if (p < end && (*p == '-' || *p == '+'))
		number->negative = *p++ == '-';
	if (__builtin_expect(end - p > DIGITS_SAFE, 0))
		return number_long(p, end, number);
	for (; p < end; p++) {
		uint8_t digit = (uint8_t)(*p - '0');

		if (digit > 9) {
			if (*p != '.' || point)
				return false;
			said = point = p + 1;
			continue;
		}
		any = true;
		v = v * 10 + digit;
		if (!point || digit) { /* zeros at the end say nothing */
			digits = v;
			said = p + 1;
		}
	}
	number->digits = digits;
	number->scale = point ? (uint32_t)(said - point) : 0;
	return any;
}

bool fix_scaled(const struct fix_number *number, uint32_t scale, uint64_t *value)
{
	if (number->digits == 0) {
		*value = 0;
		return true;
	}
	return !number->negative && number->scale <= scale && scale - number->scale < 20 &&
	       !__builtin_mul_overflow(number->digits, power_of_ten[scale - number->scale], value);
}

bool fix_e9(const struct fix_number *number, int64_t *e9)
{
	struct fix_number size = {number->digits, number->scale, false};
	uint64_t v;

	if (!fix_scaled(&size, 9, &v) || v > INT64_MAX)
		return false;
	*e9 = number->negative ? -(int64_t)v : (int64_t)v;
	return true;
}

/* number_of reads n digits; *bad is set when one is none. */
static uint32_t number_of(const char *p, unsigned n, bool *bad)
{
	uint32_t v = 0;

	for (; n; n--, p++) {
		*bad |= !is_digit(*p);
		v = v * 10 + (uint8_t)(*p - '0');
	}
	return v;
}

/* days_from_civil counts days from 1970-01-01 in the Gregorian calendar; year from 1970, month
 * from 1. */
static uint32_t days_from_civil(uint32_t year, uint32_t month, uint32_t day)
{
	uint32_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool set_date(struct fix_clock *clock, const char *p)
{
	static const uint8_t month_days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool bad = false;
	uint32_t year = number_of(p, 4, &bad), month = number_of(p + 4, 2, &bad),
		 day = number_of(p + 6, 2, &bad);

	if (bad || year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 ||
		day > month_days[month - 1])
		return false;
	if (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0)))
		return false;
	clock->date_ns = days_from_civil(year, month, day) * UINT64_C(86400000000000);
	memcpy(&clock->date, p, sizeof(clock->date));
	return true;
}

/* time_of_day reads "hh:mm:ss", loaded as one number. */
static bool time_of_day(uint64_t text, uint32_t *hour, uint32_t *minute, uint32_t *second)
{
	/* digits become 0 to 9 and colons 0; what is none of both gets bit 7, or had it */
	uint64_t v = text - 0x30303a30303a3030;

	if (((v + 0x76767f76767f7676) | v) & 0x8080808080808080)
		return false;
	v = v * 10 + (v >> 8);
	*hour = v & 0xff;
	*minute = v >> 24 & 0xff;
	*second = v >> 48 & 0xff;
	return true;
}

uint64_t fix_time(struct fix_clock *clock, struct str text)
{
	static const uint32_t nanos[10] = {
		1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
	const char *p = text.p;
	uint32_t hour, minute, second, fraction = 0, digits;
	uint64_t date, clock_text;
	bool bad = false;

	if (text.len < 17 || p[8] != '-')
		return 0;
	memcpy(&date, p, sizeof(date));
	if (date != clock->date && !set_date(clock, p))
		return 0;
	memcpy(&clock_text, p + 9, sizeof(clock_text));
	if (!time_of_day(clock_text, &hour, &minute, &second))
		return 0;
	if (text.len > 17) {
		digits = text.len - 18;
		if (p[17] != '.' || digits < 1 || digits > 12)
			return 0;
		fraction = number_of(p + 18, digits < 9 ? digits : 9, &bad) *
			   nanos[digits < 9 ? digits : 9];
		if (digits > 9)
			number_of(p + 27, digits - 9, &bad);
	}
	if (bad || hour > 23 || minute > 59 || second > 60)
		return 0;
	return clock->date_ns + (hour * 3600 + minute * 60 + second) * UINT64_C(1000000000) +
	       fraction;
}
