/* verbs: the few things that generated decoders do beyond loading an integer at a fixed offset. */
/* Hot path: no allocation, lock, system call or log. */
#pragma once

#include "decode/feed/protocol.h"

static inline uint32_t load_be24(const uint8_t *p)
{
	return (uint32_t)load_be16(p) << 8 | p[2];
}

static inline uint32_t load_le24(const uint8_t *p)
{
	return load_le16(p) | (uint32_t)p[2] << 16;
}

static inline uint64_t load_le48(const uint8_t *p)
{
	return load_le32(p) | (uint64_t)load_le16(p + 4) << 32;
}

/* text_clean makes a str of text that has bytes which a protobuf string of C cannot hold: it ends
 * at the first NUL, and a byte that is not ASCII becomes the UTF-8 of its Latin-1 meaning.
 *
 * Takes    out: the newest event gets the room */
struct str text_clean(struct events *out, const uint8_t *p, uint32_t len);

/* text_decimal writes value in decimal, for a number that goes to a string; text_exact a number
 * with implied decimals, without trailing zeros: 155000 with 4 is "15.5". decimals: 0 to 18 */
struct str text_decimal(struct events *out, int64_t value);
struct str text_decimal_u(struct events *out, uint64_t value);
struct str text_exact(struct events *out, int64_t value, unsigned int decimals);

/* text_numbered is "name.n", text_join "a/b" (or the one that is not empty), text_note "text
 * name=value" (or "name=value" when text is empty). They make texts of the newest event, in the
 * arena of out.
 *
 * Returns  the text; empty when the event has no room left */
struct str text_numbered(struct events *out, struct str name, uint32_t n);
struct str text_join(struct events *out, struct str a, struct str b);
struct str text_note(struct events *out, struct str text, struct str name, struct str value);

/* text_is_plain says whether a byte may stand in the name of a session: letter, digit or blank. */
static inline bool text_is_plain(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == ' ';
}

/* date_of_days turns days since 1970-01-01 into yyyymmdd. days <= 65535 */
uint32_t date_of_days(uint32_t days);

/* text_is_odd says whether text has a byte that is not ASCII, or NUL: text_clean makes it new. */
static inline bool text_is_odd(const uint8_t *p, uint32_t len)
{
	uint8_t odd = 0;

	if (len == 8) {
		uint64_t text = load_le64(p);

		return ((text | (text - 0x0101010101010101u)) & 0x8080808080808080u) != 0;
	}
	for (uint32_t i = 0; i < len; i++)
		odd |= (uint8_t)(p[i] | (p[i] - 1));
	return odd & 0x80;
}

/* text_ascii makes a str of bytes that are ASCII and not NUL, as nearly all are. */
static inline struct str text_ascii(struct events *out, const uint8_t *p, uint32_t len)
{
	if (__builtin_expect(text_is_odd(p, len), 0))
		return text_clean(out, p, len);
	return (struct str){(const char *)p, len};
}

/* text_space reads text of fixed length whose trailing spaces are padding. len: a constant */
static inline struct str text_space(struct events *out, const uint8_t *p, uint32_t len)
{
	if (len == 8) {
		uint64_t ink = load_le64(p) ^ 0x2020202020202020u;
		bool odd = text_is_odd(p, 8);

		len = ink ? 8 - (uint32_t)__builtin_clzll(ink) / 8 : 0;
		return __builtin_expect(odd, 0) ? text_clean(out, p, len)
						: (struct str){(const char *)p, len};
	}
	while (len && p[len - 1] == ' ')
		len--;
	return text_ascii(out, p, len);
}

/* text_nul reads text of fixed length that ends at the first NUL; trailing spaces are padding too.
 */
static inline struct str text_nul(struct events *out, const uint8_t *p, uint32_t len)
{
	const uint8_t *nul = memchr(p, 0, len);

	if (nul)
		len = (uint32_t)(nul - p);
	while (len && p[len - 1] == ' ')
		len--;
	return text_ascii(out, p, len);
}

/* text_char reads one character; blank and NUL are no text. */
static inline struct str text_char(struct events *out, const uint8_t *p)
{
	return text_ascii(out, p, *p != ' ' && *p != 0);
}

/* price_times turns a wire price into 1e-9 units.
 * Returns  false when it does not fit: out is unchanged then */
static inline __attribute__((always_inline)) bool price_times(
	int64_t value, int64_t factor, int64_t *out)
{
	int64_t scaled;

	if (__builtin_mul_overflow(value, factor, &scaled))
		return false;
	*out = scaled;
	return true;
}

/* price_over is price_times for formats finer than 1e-9. factor: a constant */
static inline __attribute__((always_inline)) bool price_over(
	int64_t value, int64_t factor, int64_t *out)
{
	if (value % factor)
		return false;
	*out = value / factor;
	return true;
}

/* or_else is bits, or other when there are none. */
static inline uint32_t or_else(uint32_t bits, uint32_t other)
{
	return bits ? bits : other;
}

/* group is a repeating group of SBE: n entries of block bytes at p. */
struct group {
	const uint8_t *p;
	uint32_t block, n;
};

/* group_dimension is where the dimension header of a group has what, in bytes; all constant. */
struct group_dimension {
	uint8_t size, block_at, block_size, count_at, count_size;
	bool big;
};

/* rows_left is how many of the rows that are left an event takes that wants so many. */
static inline uint32_t rows_left(uint32_t want, uint32_t left)
{
	return want < left ? want : left;
}

static inline uint32_t load_small(const uint8_t *p, uint8_t size, bool big)
{
	return size == 1 ? *p : big ? load_be16(p) : load_le16(p);
}

/* group_read takes a group off rest.
 *
 * Takes    least: bytes an entry must have (> 0); most: entries at most
 * Returns  false when it does not fit: rest is unchanged then
 * Spec     SBE 1.0, repeating groups: entry i is at start + i * blockLength of the wire */
static inline bool group_read(struct bytes *rest, struct group_dimension dim, uint32_t least,
	uint32_t most, struct group *group)
{
	struct bytes in = *rest;
	uint32_t block, n;

	if (!bytes_has(in, dim.size))
		return false;
	block = load_small(in.p + dim.block_at, dim.block_size, dim.big);
	n = load_small(in.p + dim.count_at, dim.count_size, dim.big);
	in.p += dim.size;
	if (n > most || (n && block < least) || !bytes_has(in, (uint64_t)n * block))
		return false;
	*group = (struct group){in.p, block, n};
	in.p += (size_t)n * block;
	*rest = in;
	return true;
}
