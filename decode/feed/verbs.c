#include "decode/feed/verbs.h"

enum { DIGITS_MAX = 24 };

struct str text_clean(struct events *out, const uint8_t *p, uint32_t len)
{
	const uint8_t *nul = memchr(p, 0, len);
	uint32_t n = 0;
	char *text;

	if (nul)
		len = (uint32_t)(nul - p);
	while (len && p[len - 1] == ' ')
		len--;
	text = events_alloc(out, 2 * (size_t)len);
	if (!text)
		return (struct str){0};
	for (uint32_t i = 0; i < len; i++) {
		if (p[i] < 0x80) {
			text[n++] = (char)p[i];
		} else {
			text[n++] = (char)(0xc0 | p[i] >> 6);
			text[n++] = (char)(0x80 | (p[i] & 0x3f));
		}
	}
	return (struct str){text, n};
}

/* text_copy puts parts one behind the other. */
static struct str text_copy(struct events *out, const struct str *part, unsigned int parts)
{
	uint32_t len = 0;
	char *text;

	for (unsigned int i = 0; i < parts; i++)
		len += part[i].len;
	text = events_alloc(out, len);
	if (!text)
		return (struct str){0};
	len = 0;
	for (unsigned int i = 0; i < parts; i++) {
		if (part[i].len)
			memcpy(text + len, part[i].p, part[i].len);
		len += part[i].len;
	}
	return (struct str){text, len};
}

/* digits writes value at the end of buf. Returns its first digit. */
static char *digits(char buf[static DIGITS_MAX], uint64_t value)
{
	char *p = buf + DIGITS_MAX;

	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return p;
}

struct str text_decimal_u(struct events *out, uint64_t value)
{
	char buf[DIGITS_MAX], *p = digits(buf, value);

	return text_copy(out, &(struct str){p, (uint32_t)(buf + DIGITS_MAX - p)}, 1);
}

struct str text_decimal(struct events *out, int64_t value)
{
	return text_exact(out, value, 0);
}

struct str text_exact(struct events *out, int64_t value, unsigned int decimals)
{
	char buf[DIGITS_MAX + 20], *p, *end = buf + sizeof(buf);
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	bool fraction = false;

	p = end;
	for (unsigned int i = 0; i < decimals; i++, left /= 10) {
		if (!fraction && left % 10 == 0)
			continue;
		fraction = true;
		*--p = (char)('0' + left % 10);
	}
	if (fraction)
		*--p = '.';
	do {
		*--p = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (value < 0)
		*--p = '-';
	return text_copy(out, &(struct str){p, (uint32_t)(end - p)}, 1);
}

struct str text_numbered(struct events *out, struct str name, uint32_t n)
{
	char buf[DIGITS_MAX], *p = digits(buf, n);
	struct str part[] = {name, STR("."), {p, (uint32_t)(buf + DIGITS_MAX - p)}};

	return text_copy(out, part, 3);
}

struct str text_join(struct events *out, struct str a, struct str b)
{
	struct str part[] = {a, STR("/"), b};

	if (!a.len || !b.len)
		return a.len ? a : b;
	return text_copy(out, part, 3);
}

struct str text_note(struct events *out, struct str text, struct str name, struct str value)
{
	struct str part[] = {text, STR(" "), name, STR("="), value};
	unsigned int skip = text.len ? 0 : 2;

	return text_copy(out, part + skip, 5 - skip);
}

uint32_t date_of_days(uint32_t days)
{
	/* Civil date of days since 1970: years begin in March, so that the leap day is the last. */
	uint32_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	uint32_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;

	return (yoe + era * 400 + (month <= 2)) * 10000 + month * 100 + day;
}
