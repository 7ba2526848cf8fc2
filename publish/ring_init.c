#include <errno.h>
#include <rte_ring.h>
#include <stdlib.h>
#include <time.h>

#include "publish/ledger.h"
#include "publish/ring_impl.h"

static uint32_t power_of_two(uint32_t n)
{
	return n <= 1 ? 1 : 1u << (32 - __builtin_clz(n - 1));
}

int ring_open(struct ring **out, const struct ring_options *opt)
{
	uint32_t slots = power_of_two(opt->depth + CUTS_MAX + 1);
	struct ring *ring;
	ssize_t size;

	if (opt->depth < 2 || opt->depth > 65536)
		return -EINVAL;
	ring = aligned_alloc(64, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	*ring = (struct ring){
		.depth = opt->depth,
		.when_full = opt->when_full,
		.give_up = opt->give_up,
		.mask = power_of_two(opt->depth) - 1,
	};
	ring->fifo = calloc(ring->mask + 1, sizeof(*ring->fifo));
	if (!ring->fifo)
		goto free_ring;
	size = rte_ring_get_memsize(slots);
	ring->queue = aligned_alloc(RTE_CACHE_LINE_SIZE, (size_t)size);
	if (!ring->queue)
		goto free_fifo;
	if (rte_ring_init(ring->queue, "batches", slots, RING_F_SP_ENQ | RING_F_SC_DEQ) < 0)
		goto free_queue;
	*out = ring;
	return 0;

free_queue:
	free(ring->queue);
free_fifo:
	free(ring->fifo);
free_ring:
	free(ring);
	return -ENOMEM;
}

void ring_close(struct ring *ring)
{
	void *left;

	if (!ring)
		return;
	while (ring_first(ring)) {
		batch_done(ring_first(ring));
		ring_taken(ring);
	}
	while (rte_ring_sc_dequeue(ring->queue, &left) == 0)
		batch_done(left);
	free(ring->queue);
	free(ring->fifo);
	free(ring);
}

bool ring_wait(struct ring *ring)
{
	struct timespec ts = {0, 20000};

	ring->waits++;
	while (ring_full(ring)) {
		if (ring->give_up && atomic_load_explicit(ring->give_up, memory_order_relaxed))
			return false;
		nanosleep(&ts, NULL);
		if (ts.tv_nsec < 1000000)
			ts.tv_nsec += ts.tv_nsec / 2;
	}
	return true;
}
