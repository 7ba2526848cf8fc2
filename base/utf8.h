/* utf8: text from outside, one code point after the other. */
#pragma once

#include "base/bytes.h"

enum { UTF8_WRONG = 0xffffffff };

/* utf8_take cuts the first code point off text (RFC 3629: no overlong forms, no surrogates, at most
 * 10FFFF). Takes    text: at least one byte Returns  the code point, or UTF8_WRONG with text
 * unchanged */
static inline uint32_t utf8_take(struct str *text)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *p = (const uint8_t *)text->p;
	uint32_t len = p[0] < 0x80       ? 1
		       : p[0] >> 5 == 6  ? 2
		       : p[0] >> 4 == 14 ? 3
		       : p[0] >> 3 == 30 ? 4
					 : 0;
	uint32_t code = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));

	if (len == 0 || len > text->len)
		return UTF8_WRONG;
	for (uint32_t i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return UTF8_WRONG;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || code >> 11 == 0xd800 >> 11)
		return UTF8_WRONG;
	text->p += len;
	text->len -= len;
	return code;
}

/* utf8_text says whether all of text is UTF-8 and free of NUL. */
static inline bool utf8_text(struct str text)
{
	uint32_t code;

	while (text.len) {
		code = utf8_take(&text);
		if (code == 0 || code == UTF8_WRONG)
			return false;
	}
	return true;
}
