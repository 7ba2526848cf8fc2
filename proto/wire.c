#include "proto/wire.h"

uint8_t *wire_varint_long(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

uint8_t *wire_widen_length(uint8_t *at, uint8_t *end)
{
	size_t len = (size_t)(end - at - 1);
	unsigned bytes = 2;

	while (bytes < 5 && len >> (7 * bytes))
		bytes++;
	memmove(at + bytes, at + 1, len);
	wire_varint_long(at, len);
	return at + bytes + len;
}

/* utf8_len says how many bytes the sequence at p has, or 0 when it is none (overlong forms,
 * surrogates and what is above U+10FFFF are none; NUL is treated as none). Spec     RFC 3629,
 * section 4 */
static uint32_t utf8_len(const uint8_t *p, uint32_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	uint32_t len;

	if (p[0] != 0 && p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (left < len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (uint32_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

void wire_repair_utf8(uint8_t *text, uint32_t len)
{
	for (uint32_t i = 0; i < len;) {
		uint32_t step = utf8_len(text + i, len - i);

		if (step == 0) {
			text[i] = '?';
			step = 1;
		}
		i += step;
	}
}
