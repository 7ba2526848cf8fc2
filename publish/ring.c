/* Hot path: no allocation, lock, system call or log. */
#include "publish/ring_impl.h"

#include <rte_ring.h>

#include "publish/ledger.h"

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

void ring_facts(const struct ring *ring, struct ledger_ring *facts)
{
	facts->waits = ring->waits;
	facts->queued =
		(uint32_t)(ring->pushed - atomic_load_explicit(&ring->taken, memory_order_relaxed));
	facts->size = ring->depth;
}

void ring_push_cut(struct ring *ring, struct batch *cut)
{
	rte_ring_sp_enqueue(ring->queue, cut);
}

unsigned ring_absorb(struct ring *ring, unsigned sink)
{
	struct batch *got[32];
	unsigned n, all = 0;
	uint64_t now_ns;

	while ((n = rte_ring_sc_dequeue_burst(ring->queue, (void **)got, 32, NULL)) > 0) {
		now_ns = latency_now_ns();
		for (unsigned i = 0; i < n; i++) {
			struct batch *b = got[i];

			if (b->cut) {
				ledger_cut_sink(b->cut, sink, &ring->counts);
				batch_done(b);
				continue;
			}
			ring->counts.entered += b->events;
			ring->counts.held += b->events;
			if (ring->latency)
				hist_between(ring->latency, b->closed_ns, now_ns);
			ring->fifo[ring->tail++ & ring->mask] = (struct ring_slot){b, now_ns};
		}
		all += n;
		if (n < 32)
			break;
	}
	return all;
}

struct batch *ring_first(const struct ring *ring)
{
	return ring->head == ring->tail ? NULL : ring->fifo[ring->head & ring->mask].batch;
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
	b = ring->fifo[(ring->head + offered) & ring->mask].batch;
	if (offered)
		ring->fifo[(ring->head + 1) & ring->mask] = ring->fifo[ring->head & ring->mask];
	sink_dropped(&ring->counts, reason, b->events);
	ring_taken(ring);
	batch_done(b);
	return 1;
}
