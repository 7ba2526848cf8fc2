#include "decode/feed/protocol.h"

const struct protocol *protocol_find(struct str name)
{
	for (size_t i = 0; protocols[i]; i++) {
		if (str_equal(str_of(protocols[i]->name), name))
			return protocols[i];
	}
	return NULL;
}

int feed_state_init(struct feed_state *st, const struct protocol *protocol)
{
	*st = (struct feed_state){.protocol = protocol};
	if (!protocol->instruments_max)
		return 0;
	return symbols_init(&st->symbols, protocol->instruments_max);
}

void feed_state_free(struct feed_state *st)
{
	symbols_free(st->symbols);
	st->symbols = NULL;
}
