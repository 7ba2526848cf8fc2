/* Hot path: no allocation, lock, system call or log. */
/* wire: protobuf's wire format as the generated writers need it. Every function writes at p and
 * returns the end of what it wrote; it may scribble on up to WIRE_SLACK bytes behind that, which
 * the bounds of event_write.h include. Field numbers are constants below 2048, so a key folds to
 * one store.
 *
 * wire_KIND writes a value, put_KIND_set a field; put_KIND leaves out zero and empty, as proto3
 * does, and put_KIND_opt what is not present. Those of a kind that ends in `usual` do so without a
 * branch: for fields that most events have.
 *
 * Spec     protobuf.dev, "Encoding" */
#pragma once

#ifdef __SSSE3__
#include <tmmintrin.h>
#endif

#include "base/bytes.h"

/* WIRE_CLONES makes the compiler translate a function twice, for this processor family and for every
 * one; the loader takes the one that runs here. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIRE_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define WIRE_CLONES
#endif

enum { WIRE_SLACK = 16 };
enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LEN = 2, WIRE_32 = 5 };

/* Text that is not UTF-8, cold: see put_str. */
void wire_repair_utf8(uint8_t *text, uint32_t len);

/* A message of 128 bytes or more, cold: makes room for a longer length in front of it. */
uint8_t *wire_widen_length(uint8_t *at, uint8_t *end);

/* A varint of any length by a loop, cold: for nine and ten bytes. */
uint8_t *wire_varint_long(uint8_t *p, uint64_t v);

static inline __attribute__((always_inline)) unsigned key_len(uint32_t number)
{
	return number < 16 ? 1 : 2;
}

static inline __attribute__((always_inline)) uint8_t *put_key(
	uint8_t *p, uint32_t number, enum wire_type type)
{
	uint32_t key = number << 3 | type;
	uint16_t two = (uint16_t)((key & 0x7f) | 0x80 | key >> 7 << 8);

	if (key < 0x80) {
		*p = (uint8_t)key;
		return p + 1;
	}
	memcpy(p, &two, sizeof(two));
	return p + 2;
}

/* What a varint of a value with so many leading zeros looks like (counted in 2 v + 1, so 63 means the
 * value zero): the bits that say "more follows", and its bytes. */
#define WIRE_SEVEN(x) x, x, x, x, x, x, x
static const uint64_t wire_more[64] = {WIRE_SEVEN(0), WIRE_SEVEN(0x80808080808080),
	WIRE_SEVEN(0x808080808080), WIRE_SEVEN(0x8080808080), WIRE_SEVEN(0x80808080),
	WIRE_SEVEN(0x808080), WIRE_SEVEN(0x8080), WIRE_SEVEN(0x80), WIRE_SEVEN(0), 0};
static const uint8_t wire_length[64] = {WIRE_SEVEN(0), WIRE_SEVEN(8), WIRE_SEVEN(7), WIRE_SEVEN(6),
	WIRE_SEVEN(5), WIRE_SEVEN(4), WIRE_SEVEN(3), WIRE_SEVEN(2), WIRE_SEVEN(1), 1};
/* The same with a key of one byte in front; nothing for zero. */
static const uint8_t wire_step[64] = {WIRE_SEVEN(0), WIRE_SEVEN(9), WIRE_SEVEN(8), WIRE_SEVEN(7),
	WIRE_SEVEN(6), WIRE_SEVEN(5), WIRE_SEVEN(4), WIRE_SEVEN(3), WIRE_SEVEN(2), 0};
/* The same where zero is a value. */
static const uint8_t wire_step_opt[64] = {WIRE_SEVEN(0), WIRE_SEVEN(9), WIRE_SEVEN(8),
	WIRE_SEVEN(7), WIRE_SEVEN(6), WIRE_SEVEN(5), WIRE_SEVEN(4), WIRE_SEVEN(3), WIRE_SEVEN(2),
	2};
#undef WIRE_SEVEN

static inline unsigned wire_zeros(uint64_t v)
{
	return (unsigned)__builtin_clzll(2 * v + 1);
}

/* wire_spread makes groups of seven bits of v bytes. v < 2^56. Each group is brought to a word of
 * its own, multiplied to its upper end and shifted down: pdep does it in one instruction, but takes
 * hundreds of cycles on some processors. wire_spread_plain is the same without vectors: moving y up
 * by n bits adds (2^n - 1) y. */
static inline uint64_t wire_spread_plain(uint64_t v)
{
	v += 15 * (v & 0x00fffffff0000000);
	v += 3 * (v & 0x0fffc0000fffc000);
	return v + (v & 0x3f803f803f803f80);
}

static inline uint64_t wire_spread(uint64_t v)
{
#ifdef __SSSE3__
	const __m128i from = _mm_setr_epi8(-1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, -1);
	const __m128i times =
		_mm_setr_epi16(1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8);
	__m128i x = _mm_shuffle_epi8(_mm_cvtsi64_si128((int64_t)v), from);

	x = _mm_srli_epi16(_mm_mullo_epi16(x, times), 9);
	return (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(x, x));
#else
	return wire_spread_plain(v);
#endif
}

/* wire_varint stores a varint without saying where it ends. v < 2^56; zeros: wire_zeros of v */
static inline void wire_varint(uint8_t *p, uint64_t v, unsigned zeros)
{
	v = wire_spread(v) | wire_more[zeros];
	memcpy(p, &v, sizeof(v));
}

static inline uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	unsigned zeros;

	if (__builtin_expect(v >> 56 != 0, 0))
		return wire_varint_long(p, v);
	zeros = wire_zeros(v);
	wire_varint(p, v, zeros);
	return p + wire_length[zeros];
}

/* put_varint_small is for what is nearly always below 128: enums, flags, levels, lengths. */
static inline uint8_t *put_varint_small(uint8_t *p, uint64_t v)
{
	if (__builtin_expect(v < 0x80, 1)) {
		*p = (uint8_t)v;
		return p + 1;
	}
	return put_varint(p, v);
}

static inline uint64_t wire_zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline uint8_t *wire_uint64(uint8_t *p, uint64_t v)
{
	return put_varint(p, v);
}

static inline uint8_t *wire_uint32(uint8_t *p, uint32_t v)
{
	return put_varint_small(p, v);
}

static inline uint8_t *wire_sint64(uint8_t *p, int64_t v)
{
	return put_varint(p, wire_zigzag(v));
}
static inline uint8_t *wire_bool(uint8_t *p, bool v)
{
	*p = v;
	return p + 1;
}

static inline uint8_t *wire_fixed64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline uint8_t *wire_double(uint8_t *p, double v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline uint8_t *wire_float(uint8_t *p, float v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

/* wire_odd says whether any byte of eight is NUL or above 0x7f (a borrow comes from a NUL alone).
 */
static inline uint64_t wire_odd(uint64_t x)
{
	return ((x - 0x0101010101010101) | x) & 0x8080808080808080;
}

/* wire_copy copies short pieces without a call. Returns what wire_odd says of them. */
static inline uint64_t wire_copy(uint8_t *p, const void *from, size_t len)
{
	const uint8_t *src = from;
	uint64_t a, b;
	uint32_t c, d;

	if (len >= 8) {
		uint64_t odd = 0;

		for (size_t i = 0; i + 8 < len; i += 8) {
			memcpy(&a, src + i, 8);
			memcpy(p + i, &a, 8);
			odd |= wire_odd(a);
		}
		memcpy(&b, src + len - 8, 8);
		memcpy(p + len - 8, &b, 8);
		return odd | wire_odd(b);
	}
	if (len >= 4) {
		memcpy(&c, src, 4);
		memcpy(&d, src + len - 4, 4);
		memcpy(p, &c, 4);
		memcpy(p + len - 4, &d, 4);
		return wire_odd((uint64_t)d << 32 | c);
	}
	if (len == 0)
		return 0;
	c = src[0] | (uint32_t)src[len / 2] << 8 | (uint32_t)src[len - 1] << 16;
	p[0] = (uint8_t)c;
	p[len / 2] = (uint8_t)(c >> 8);
	p[len - 1] = (uint8_t)(c >> 16);
	return wire_odd(c | 0x0101010101000000);
}

/* wire_str copies text, its length in front. A reader refuses a whole batch for one string that is
 * not UTF-8, and a C reader cuts a string at NUL, so such bytes, which hostile packets may hold,
 * become '?' (one by one, the length stays). Who needs the bytes as they are uses a bytes field. */
static inline uint8_t *wire_str(uint8_t *p, struct str v)
{
	p = put_varint_small(p, v.len);
	if (__builtin_expect(wire_copy(p, v.p, v.len) != 0, 0))
		wire_repair_utf8(p, v.len);
	return p + v.len;
}

static inline uint8_t *wire_bytes(uint8_t *p, struct bytes v)
{
	size_t len = bytes_len(v);

	p = put_varint_small(p, len);
	if (len <= 32)
		wire_copy(p, v.p, len);
	else
		memcpy(p, v.p, len);
	return p + len;
}

#define WIRE_PUT(kind, wire_type, type, present)                                                   \
	static inline uint8_t *put_##kind##_set(uint8_t *p, uint32_t number, type v)               \
	{                                                                                          \
		return wire_##kind(put_key(p, number, wire_type), v);                              \
	}                                                                                          \
	static inline uint8_t *put_##kind(uint8_t *p, uint32_t number, type v)                     \
	{                                                                                          \
		return (present) ? put_##kind##_set(p, number, v) : p;                             \
	}
WIRE_PUT(uint64, WIRE_VARINT, uint64_t, v != 0)
WIRE_PUT(uint32, WIRE_VARINT, uint32_t, v != 0)
WIRE_PUT(sint64, WIRE_VARINT, int64_t, v != 0)
WIRE_PUT(bool, WIRE_VARINT, bool, v)
WIRE_PUT(fixed64, WIRE_64, uint64_t, v != 0)
WIRE_PUT(double, WIRE_64, double, v != 0)
WIRE_PUT(float, WIRE_32, float, v != 0)
WIRE_PUT(str, WIRE_LEN, struct str, v.len != 0)
WIRE_PUT(bytes, WIRE_LEN, struct bytes, bytes_len(v) != 0)
#undef WIRE_PUT

/* put_KIND_usual: as put_KIND. */
static inline __attribute__((always_inline)) uint8_t *put_uint64_usual(
	uint8_t *p, uint32_t number, uint64_t v)
{
	unsigned zeros;

	if (__builtin_expect(v >> 56 != 0, 0))
		return put_uint64_set(p, number, v);
	zeros = wire_zeros(v);
	wire_varint(put_key(p, number, WIRE_VARINT), v, zeros);
	return p + wire_step[zeros] + (v ? key_len(number) - 1 : 0);
}

static inline __attribute__((always_inline)) uint8_t *put_uint32_usual(
	uint8_t *p, uint32_t number, uint32_t v)
{
	if (__builtin_expect(v > 0x7f, 0))
		return put_uint64_usual(p, number, v);
	*put_key(p, number, WIRE_VARINT) = (uint8_t)v;
	return p + ((v + 0x7f) >> 7) * (key_len(number) + 1); /* one, or none for zero */
}

/* put_small is for what is below 128. */
static inline __attribute__((always_inline)) uint8_t *put_small(
	uint8_t *p, uint32_t number, uint32_t v)
{
	*put_key(p, number, WIRE_VARINT) = (uint8_t)v;
	return p + ((v + 0x7f) >> 7) * (key_len(number) + 1);
}

/* put_KIND_opt: has says whether the field is there (1 or 0); zero is a value. */
static inline __attribute__((always_inline)) uint8_t *put_uint64_opt(
	uint8_t *p, uint32_t number, uint64_t v, uint32_t has)
{
	unsigned zeros;

	if (__builtin_expect(v >> 56 != 0, 0))
		return has ? put_uint64_set(p, number, v) : p;
	zeros = wire_zeros(v);
	wire_varint(put_key(p, number, WIRE_VARINT), v, zeros);
	return p + ((wire_step_opt[zeros] + key_len(number) - 1) & -(size_t)has);
}

static inline __attribute__((always_inline)) uint8_t *put_uint32_opt(
	uint8_t *p, uint32_t number, uint32_t v, uint32_t has)
{
	if (__builtin_expect(v > 0x7f, 0))
		return put_uint64_opt(p, number, v, has);
	*put_key(p, number, WIRE_VARINT) = (uint8_t)v;
	return p + ((key_len(number) + 1) & -(size_t)has);
}

static inline __attribute__((always_inline)) uint8_t *put_sint64_opt(
	uint8_t *p, uint32_t number, int64_t v, uint32_t has)
{
	return put_uint64_opt(p, number, wire_zigzag(v), has);
}

/* A message inside a message: at = nest_begin(p, number), its fields from at + 1, p = nest_end(at,
 * p). One byte is kept for the length; what is longer is moved. */
static inline uint8_t *nest_begin(uint8_t *p, uint32_t number)
{
	return put_key(p, number, WIRE_LEN);
}

static inline uint8_t *nest_end(uint8_t *at, uint8_t *p)
{
	size_t len = (size_t)(p - at - 1);

	if (__builtin_expect(len >= 0x80, 0))
		return wire_widen_length(at, p);
	*at = (uint8_t)len;
	return p;
}
