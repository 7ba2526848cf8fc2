/* ring_impl: what ring.c and ring_init.c share. */
#pragma once

#include "publish/ring.h"

static inline bool ring_full(const struct ring *ring)
{
	return ring->pushed - atomic_load_explicit(&ring->taken, memory_order_acquire) >=
	       ring->depth;
}

/* ring_wait sleeps, 20 µs at first and up to 1 ms, until there is room. A worker that spins takes
 * the core that the publisher needs.
 * Returns  false when told to give up */
bool ring_wait(struct ring *ring);
