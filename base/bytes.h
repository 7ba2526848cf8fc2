/* Slices of bytes that came from outside, and the only ways to read them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* bytes is a borrowed slice: p <= end always; passed by value. */
struct bytes {
	const uint8_t *p, *end;
};

/* str is borrowed text without a terminator; len 0 means absent, p may then be NULL. */
struct str {
	const char *p;
	uint32_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

static inline struct bytes bytes_of(const void *p, size_t len)
{
	return (struct bytes){p, (const uint8_t *)p + len};
}

static inline size_t bytes_len(struct bytes in)
{
	return (size_t)(in.end - in.p);
}

static inline bool bytes_has(struct bytes in, size_t len)
{
	return bytes_len(in) >= len;
}

/* bytes_take cuts the first len bytes off in. The caller has checked bytes_has. */
static inline struct bytes bytes_take(struct bytes *in, size_t len)
{
	struct bytes head = {in->p, in->p + len};

	in->p += len;
	return head;
}

static inline struct str str_of(const char *text)
{
	return (struct str){text, text ? (uint32_t)strlen(text) : 0};
}

static inline bool str_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* load_* read an integer of stated byte order at p; the caller has checked the length. */
static inline uint8_t load_u8(const uint8_t *p)
{
	return *p;
}

#define LOAD_FUNCTIONS(bits)                                                                       \
	static inline uint##bits##_t load_le##bits(const uint8_t *p)                               \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
                                                                                                   \
		memcpy(&v, p, sizeof(v));                                                          \
		return v;                                                                          \
	}                                                                                          \
	static inline uint##bits##_t load_be##bits(const uint8_t *p)                               \
	{                                                                                          \
		return __builtin_bswap##bits(load_le##bits(p));                                    \
	}
LOAD_FUNCTIONS(16)
LOAD_FUNCTIONS(32)
LOAD_FUNCTIONS(64)
#undef LOAD_FUNCTIONS

static inline uint64_t load_be48(const uint8_t *p)
{
	return (uint64_t)load_be16(p) << 32 | load_be32(p + 2);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "load_le* assume a little-endian host");
