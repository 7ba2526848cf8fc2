/* symbols: what definitions taught us of instruments, by the venue's number. Fixed size: an index
 * with open addressing, and the texts in the order they were learnt, so that what a feed uses lies
 * close together. */
#pragma once

#include "base/bytes.h"

enum { SYMBOL_TEXT_MAX = 32, SYMBOLS_MAX = 1 << 24 };
enum { SYMBOL_UNKNOWN, SYMBOL_FORGOTTEN, SYMBOL_FIRST }; /* slots */

struct selection; /* decode/selection.h */

struct symbol {
	uint64_t id;
	uint8_t len;
	bool wanted; /* by the table's selection */
	char text[SYMBOL_TEXT_MAX];
};

/* symbols is one channel's table.
 *
 * Owns     its slots, one allocation
 * Thread   the worker that owns the channel */
struct symbols {
	struct symbol *slot;               /* two that stand for no text, then what was learnt */
	uint32_t mask;                     /* size of index - 1 */
	uint32_t used;                     /* slots */
	uint32_t room;                     /* texts that may still be learnt */
	uint32_t dead;                     /* texts that were replaced */
	const struct selection *selection; /* decides what is wanted; NULL: nobody asks */
	uint32_t index[];                  /* number of a slot; 0 = free */
};

/* symbols_init makes room for this many instruments.
 *
 * Returns  0, -EINVAL above SYMBOLS_MAX, or -ENOMEM */
int symbols_init(struct symbols **table, uint32_t instruments_max);
void symbols_free(struct symbols *table);

/* symbols_learn remembers text for id; the newest text wins. A full table forgets nothing and takes
 * no more. Texts that are empty or longer than SYMBOL_TEXT_MAX are not learnt. */
void symbols_learn(struct symbols *table, uint64_t id, struct str text);

/* symbols_home is where in the index the search for id begins. Ids that are small and dense (locate
 * codes) get an entry each, in order; others spread. */
static inline uint32_t symbols_home(const struct symbols *table, uint64_t id)
{
	return (uint32_t)(id ^ (id >> 17) * 0x9e3779b1u) & table->mask;
}

struct str symbols_find_far(const struct symbols *table, uint64_t id);

/* symbols_find returns the text of id, empty when unknown. It lives as long as the table. */
static inline struct str symbols_find(const struct symbols *table, uint64_t id)
{
	uint32_t number = table->index[symbols_home(table, id)];
	const struct symbol *slot;

	if (!number)
		return (struct str){NULL, 0};
	slot = &table->slot[number];
	if (__builtin_expect(slot->id != id, 0))
		return symbols_find_far(table, id);
	return (struct str){slot->text, slot->len};
}

/* symbols_wanted says whether the table's selection keeps events of id; the selection matched its
 * text when it was learnt. An id without a text is kept by its number alone. */
bool symbols_wanted(const struct symbols *table, uint64_t id);
