/* Hot path: no allocation, lock, system call or log. */
#include "decode/symbols.h"

#include <errno.h>
#include <stdlib.h>

/* A slot whose text was replaced stays: events in flight may still point at it. Texts change at a
 * session's start if ever; a table that sees more of it than this learns no more. */
enum { UNKNOWN, FORGOTTEN, FIRST, DEAD_MAX = 256 };

/* The index is at most half full, so a probe ends. */
int symbols_init(struct symbols **table, uint32_t instruments_max)
{
	struct symbols *made;
	uint32_t size = 16;
	size_t index;

	if (instruments_max > SYMBOLS_MAX)
		return -EINVAL;
	while (size < 2 * instruments_max)
		size *= 2;
	index = sizeof(*made) + (size_t)size * sizeof(made->index[0]);
	made = calloc(1, index + (FIRST + (size_t)size / 2) * sizeof(made->slot[0]));
	if (!made)
		return -ENOMEM;
	made->slot = (struct symbol *)((uint8_t *)made + index);
	made->slot[FORGOTTEN].id = UINT64_MAX; /* which no instrument has */
	made->mask = size - 1;
	made->used = FIRST;
	made->room = size / 2;
	*table = made;
	return 0;
}

void symbols_free(struct symbols *table)
{
	free(table);
}

/* symbol_entry returns where in the index id is, or where it would be. */
static uint32_t symbol_entry(const struct symbols *table, uint64_t id)
{
	uint32_t at = symbols_home(table, id);

	while (table->index[at] && table->slot[table->index[at]].id != id)
		at = (at + 1) & table->mask;
	return at;
}

void symbols_learn(struct symbols *table, uint64_t id, struct str text)
{
	uint32_t *entry = &table->index[symbol_entry(table, id)];
	const struct symbol *old = &table->slot[*entry];
	struct symbol *made;

	if (!text.len || text.len > sizeof(made->text) || id == UINT64_MAX)
		return;
	if (old->len == text.len && memcmp(old->text, text.p, text.len) == 0)
		return;
	if (*entry && ++table->dead == DEAD_MAX)
		table->room = 0;
	if (!table->room) {
		if (*entry)
			*entry = FORGOTTEN; /* no text is better than the old one */
		return;
	}
	table->room--;
	*entry = table->used++;
	made = &table->slot[*entry];
	made->id = id;
	made->len = (uint8_t)text.len;
	memcpy(made->text, text.p, text.len);
}

struct str symbols_find_far(const struct symbols *table, uint64_t id)
{
	const struct symbol *slot = &table->slot[table->index[symbol_entry(table, id)]];

	return (struct str){slot->text, slot->len};
}
