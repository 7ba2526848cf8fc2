/* Hot path: no allocation, lock or log (but for open and close); sleeps only when full and told to.
 */
#include "publish/ring.h"

#include <errno.h>
#include <rte_ring.h>
#include <stdlib.h>
#include <time.h>

#include "publish/ledger.h"

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

static bool ring_full(const struct ring *ring)
{
	return ring->pushed - atomic_load_explicit(&ring->taken, memory_order_acquire) >=
	       ring->depth;
}

/* ring_wait sleeps, 20 µs at first and up to 1 ms, until there is room. A worker that spins takes
 * the core that the publisher needs. */
static bool ring_wait(struct ring *ring)
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

int ring_push(struct ring *ring, struct batch *b)
{
	enum reason reason = REASON_ring_full;

	ring->offered += b->events;
	if (ring_full(ring)) {
		if (ring->when_full != WHEN_FULL_BLOCK) {
			ring->stopped |= ring->when_full == WHEN_FULL_STOP;
			goto drop;
		}
		if (!ring_wait(ring)) {
			reason = REASON_purge_queue;
			goto drop;
		}
	}
	ring->pushed++;
	rte_ring_sp_enqueue(ring->queue, b); /* has more slots than depth and cuts together */
	return 0;

drop:
	ring->dropped[reason] += b->events;
	return -(int)reason;
}

void ring_cut(const struct ring *ring, struct ledger_stage *stage)
{
	stage->entered = ring->offered;
	memcpy(stage->dropped, ring->dropped, sizeof(stage->dropped));
}

void ring_push_cut(struct ring *ring, struct batch *cut)
{
	rte_ring_sp_enqueue(ring->queue, cut);
}

unsigned ring_absorb(struct ring *ring, unsigned sink)
{
	struct batch *got[32];
	unsigned n, all = 0;

	while ((n = rte_ring_sc_dequeue_burst(ring->queue, (void **)got, 32, NULL)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			struct batch *b = got[i];

			if (b->cut) {
				ledger_cut_sink(b->cut, sink, &ring->counts);
				batch_done(b);
				continue;
			}
			ring->counts.entered += b->events;
			ring->counts.held += b->events;
			ring->fifo[ring->tail++ & ring->mask] = b;
		}
		all += n;
		if (n < 32)
			break;
	}
	return all;
}

struct batch *ring_first(const struct ring *ring)
{
	return ring->head == ring->tail ? NULL : ring->fifo[ring->head & ring->mask];
}

void ring_taken(struct ring *ring)
{
	ring->head++;
	atomic_store_explicit(&ring->taken,
		atomic_load_explicit(&ring->taken, memory_order_relaxed) + 1, memory_order_release);
}

bool ring_crowded(const struct ring *ring)
{
	return ring->when_full == WHEN_FULL_DROP_OLDEST &&
	       ring->tail - ring->head > ring->depth - ring->depth / 4;
}

unsigned ring_evict(struct ring *ring, bool offered, enum reason reason)
{
	struct batch *b;

	if (ring->tail - ring->head < 1 + (unsigned)offered)
		return 0;
	b = ring->fifo[(ring->head + offered) & ring->mask];
	if (offered)
		ring->fifo[(ring->head + 1) & ring->mask] = ring->fifo[ring->head & ring->mask];
	sink_dropped(&ring->counts, reason, b->events);
	ring_taken(ring);
	batch_done(b);
	return 1;
}
