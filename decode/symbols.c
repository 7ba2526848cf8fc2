/* Hot path: no allocation, lock, system call or log. */
#include "decode/symbols.h"

#include <errno.h>
#include <stdlib.h>

/* A slot whose text was replaced stays, dead: events in flight may still point at it. Texts change
 * at a session's start if ever; a table that sees more of it than this learns no more, so that
 * probes stay short. */
#define ID_DEAD UINT64_MAX
enum { DEAD_MAX = 256 };

/* Slots are at most half full, so a probe ends. */
int symbols_init(struct symbols **table, uint32_t instruments_max)
{
	struct symbols *made;
	uint32_t size = 16;

	if (instruments_max > SYMBOLS_MAX)
		return -EINVAL;
	while (size < 2 * instruments_max)
		size *= 2;
	made = calloc(1, sizeof(*made) + (size_t)size * sizeof(made->slot[0]));
	if (!made)
		return -ENOMEM;
	made->mask = size - 1;
	made->room = size / 2;
	*table = made;
	return 0;
}

void symbols_free(struct symbols *table)
{
	free(table);
}

/* symbol_slot returns the slot of id, or the free slot where it would be. */
static inline uint32_t symbol_slot(const struct symbols *table, uint64_t id)
{
	uint32_t at = (uint32_t)(symbols_home(table, id) - table->slot);

	while (table->slot[at].len && table->slot[at].id != id)
		at = (at + 1) & table->mask;
	return at;
}

void symbols_learn(struct symbols *table, uint64_t id, struct str text)
{
	struct symbol *slot = &table->slot[symbol_slot(table, id)];

	if (!text.len || text.len > sizeof(slot->text) || id == ID_DEAD)
		return;
	if (slot->len == text.len && memcmp(slot->text, text.p, text.len) == 0)
		return;
	if (slot->len) {
		slot->id = ID_DEAD;
		slot = &table->slot[symbol_slot(table, id)];
		if (++table->dead == DEAD_MAX)
			table->room = 0;
	}
	if (!table->room)
		return;
	table->room--;
	slot->id = id;
	slot->len = (uint8_t)text.len;
	memcpy(slot->text, text.p, text.len);
}

struct str symbols_find_far(const struct symbols *table, uint64_t id)
{
	const struct symbol *slot = &table->slot[symbol_slot(table, id)];

	return (struct str){slot->text, slot->len};
}
