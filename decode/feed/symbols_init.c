/* Memory of the table of symbols: at start and at the end. */
#include "decode/feed/symbols.h"

#include <errno.h>
#include <stdlib.h>

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
	made = calloc(1, index + (SYMBOL_FIRST + (size_t)size / 2) * sizeof(made->slot[0]));
	if (!made)
		return -ENOMEM;
	made->slot = (struct symbol *)((uint8_t *)made + index);
	made->slot[SYMBOL_FORGOTTEN].id = UINT64_MAX; /* which no instrument has */
	made->mask = size - 1;
	made->used = SYMBOL_FIRST;
	made->room = size / 2;
	*table = made;
	return 0;
}

void symbols_free(struct symbols *table)
{
	free(table);
}
