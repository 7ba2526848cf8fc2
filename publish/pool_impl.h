/* pool_impl: what pool.c and pool_init.c share. */
#pragma once

#include <stdalign.h>

#include "publish/pool.h"

struct batch_pool {
	struct batch *free; /* the owner's */
	unsigned n, out;
	uint8_t *memory;
	size_t memory_len;
	struct batch *batches;
	alignas(64) _Atomic(struct batch *) returned;
};
