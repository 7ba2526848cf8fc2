#include "tests/sim/mdp3/sbe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME 10 /* size, header */

static void too_long(void)
{
	fputs("feed-sim: an SBE message is longer than its room\n", stderr);
	abort();
}

static void le(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

__attribute__((format(printf, 2, 3))) static void say(struct sbe *m, const char *format, ...)
{
	va_list args;

	if (m->mute)
		return;
	va_start(args, format);
	int n = vsnprintf(m->text + m->text_len, sizeof(m->text) - m->text_len, format, args);

	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(m->text) - m->text_len)
		too_long();
	m->text_len += (size_t)n;
}

static void extend(struct sbe *m, size_t n)
{
	if (m->len + n > sizeof(m->bytes))
		too_long();
	memset(m->bytes + m->len, 0, n);
	m->len += n;
}

void sbe_begin(struct sbe *m, uint16_t template_id, uint16_t block, uint16_t version)
{
	m->len = m->text_len = m->count_at = m->bits_at = 0;
	m->bits = 0;
	m->template_id = template_id;
	extend(m, FRAME + block);
	le(m->bytes + 2, block, 2);
	le(m->bytes + 4, template_id, 2);
	le(m->bytes + 6, 1, 2); /* schema 1: market data */
	le(m->bytes + 8, version, 2);
	m->block = FRAME;
	m->comma = true;
	say(m, ",\"template\":%u,\"version\":%u", template_id, version);
}

static void name_it(struct sbe *m, const char *name)
{
	say(m, "%s\"%s\":", m->comma ? "," : "", name);
	m->comma = true;
}

void sbe_put(struct sbe *m, size_t offset, enum sbe_type type, const char *name, int64_t value)
{
	/* CME's templates: bytes, and the value that says there is none */
	static const struct {
		size_t len;
		uint64_t null;
	} types[] = {[SBE_CHAR] = {1, 0},
		[SBE_U8] = {1, UINT8_MAX},
		[SBE_U16] = {2, UINT16_MAX},
		[SBE_U32] = {4, UINT32_MAX},
		[SBE_U64] = {8, UINT64_MAX},
		[SBE_I8] = {1, INT8_MAX},
		[SBE_I16] = {2, INT16_MAX},
		[SBE_I32] = {4, INT32_MAX},
		[SBE_I64] = {8, INT64_MAX}};
	uint8_t *at = m->bytes + m->block + offset;

	if (m->block + offset + types[type].len > m->len)
		too_long();
	if (value == SBE_NULL) {
		le(at, types[type].null, types[type].len);
		return;
	}
	le(at, (uint64_t)value, types[type].len);
	name_it(m, name);
	if (type == SBE_CHAR)
		say(m, "\"%c\"", (char)value);
	else
		say(m, "%ld", value);
}

void sbe_text(struct sbe *m, size_t offset, size_t len, const char *name, const char *text)
{
	size_t used = strnlen(text, len);

	if (m->block + offset + len > m->len)
		too_long();
	memcpy(m->bytes + m->block + offset, text, used);
	if (!used)
		return;
	name_it(m, name);
	say(m, "\"%.*s\"", (int)used, text);
}

static void group_close(struct sbe *m)
{
	if (!m->count_at)
		return;
	say(m, m->bytes[m->count_at] ? "}]" : "]");
	m->comma = true;
}

void sbe_group(struct sbe *m, const char *name, uint16_t block, bool wide)
{
	group_close(m);
	extend(m, wide ? 8 : 3);
	/* the number stands in the last byte of both dimensions */
	m->count_at = m->len - 1;
	le(m->bytes + m->len - (wide ? 8 : 3), block, 2);
	name_it(m, name);
	say(m, "[");
}

void sbe_entry(struct sbe *m, uint16_t block)
{
	if (m->bytes[m->count_at] == 254)
		too_long();
	say(m, m->bytes[m->count_at]++ ? "},{" : "{");
	m->comma = false;
	m->block = m->len;
	extend(m, block);
}

void sbe_end(struct sbe *m)
{
	group_close(m);
	m->count_at = 0;
	le(m->bytes, m->len, 2);
	if (m->bits_at)
		m->bytes[m->bits_at] = m->bits;
}
