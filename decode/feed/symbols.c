/* Hot path: no allocation, lock, system call or log. */
#include "decode/feed/symbols.h"

#include "decode/selection.h"

/* A slot whose text was replaced stays: events in flight may still point at it. Texts change at a
 * session's start if ever; a table that sees more of it than this learns no more. */
enum { DEAD_MAX = 256 };

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
			*entry = SYMBOL_FORGOTTEN; /* no text is better than the old one */
		return;
	}
	table->room--;
	*entry = table->used++;
	made = &table->slot[*entry];
	made->id = id;
	made->len = (uint8_t)text.len;
	memcpy(made->text, text.p, text.len);
	made->wanted = table->selection && selection_wants(table->selection, id, text);
}

struct str symbols_find_far(const struct symbols *table, uint64_t id)
{
	const struct symbol *slot = &table->slot[table->index[symbol_entry(table, id)]];

	return (struct str){slot->text, slot->len};
}

bool symbols_wanted(const struct symbols *table, uint64_t id)
{
	const struct symbol *slot = &table->slot[table->index[symbols_home(table, id)]];

	if (slot->id != id || !slot->len)
		slot = &table->slot[table->index[symbol_entry(table, id)]];
	return slot->len ? slot->wanted : selection_has_id(table->selection, id);
}
