/* text: words put together in memory of a fixed size. What does not fit is left out. */
#pragma once

#include "base/bytes.h"

struct text {
	char *p;
	uint32_t len, room;
};

/* TEXT_ON is a text in an array. */
#define TEXT_ON(array) ((struct text){(array), 0, sizeof(array)})

static inline struct str text_str(const struct text *t)
{
	return (struct str){t->p, t->len};
}

static inline void text_char(struct text *t, char c)
{
	if (t->len < t->room)
		t->p[t->len++] = c;
}

static inline void text_put(struct text *t, const char *words)
{
	while (*words)
		text_char(t, *words++);
}

/* text_u32 writes decimal, text_hex at least digits hexadecimal ones. */
void text_u32(struct text *t, uint32_t v);
void text_hex(struct text *t, uint32_t v, unsigned digits);
void text_ip(struct text *t, struct bytes ip);   /* 4 or 16 bytes; RFC 5952 */
void text_mac(struct text *t, const uint8_t *p); /* 6 bytes */
