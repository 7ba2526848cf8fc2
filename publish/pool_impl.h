/* pool_impl: what pool.c and pool_init.c share. */
#pragma once

#include <stdalign.h>

#include "publish/pool.h"

struct batch_pool {
	struct batch *free; /* came back, in this order */
	unsigned n, out;
	unsigned fresh, spread; /* the first that was never used; so many circulate at least */
	uint8_t *memory;
	size_t memory_len;
	struct batch *batches;
	alignas(64) _Atomic(struct batch *) returned;
};
