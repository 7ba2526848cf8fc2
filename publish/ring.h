/* ring: the way from one worker to one publisher: an rte_ring with a policy for when it is full.
 *
 * It holds at most depth batches that the sink has not taken. The publisher moves what comes into
 * its own fifo at once, so a ledger cut never waits behind a slow sink. */
#pragma once

#include <stdalign.h>

#include "publish/latency.h"
#include "publish/sink.h"

struct ring_options {
	unsigned depth;           /* batches, 2 … 65536 */
	enum when_full when_full; /* BLOCK, DROP_NEWEST, DROP_OLDEST or STOP */
	const atomic_bool
		*give_up; /* a blocked push drops instead once this is true; NULL = never */
};

struct ring {
	/* fixed */
	struct rte_ring *queue;
	uint32_t depth;
	enum when_full when_full;
	const atomic_bool *give_up;

	/* the worker */
	alignas(64) uint64_t pushed;    /* batches */
	uint64_t offered;               /* events offered to this sink, dropped ones included */
	uint64_t dropped[REASON_COUNT]; /* of them, events dropped here */
	uint64_t waits;                 /* pushes that had to sleep */
	bool stopped;                   /* when_full stop: it was full */

	/* the publisher */
	alignas(64) atomic_uint_least64_t taken; /* batches that left the fifo */
	struct ring_slot {
		struct batch *batch;
		uint64_t absorbed_ns; /* latency_now_ns */
	} * fifo;                     /* power of two >= depth */
	struct hist *latency;         /* batch closed … absorbed; NULL: not measured */
	uint32_t mask, head, tail;
	struct sink_counts counts;
};

/* ring_open allocates; works without EAL. Returns  0, -EINVAL (depth), or -ENOMEM */
int ring_open(struct ring **ring, const struct ring_options *opt);
/* ring_close frees; whatever is still inside is given back, uncounted. */
void ring_close(struct ring *ring);

/* ring_push hands a batch to the publisher; a full ring follows when_full: sleep with back-off
 * until there is room (block), drop it (drop_newest; drop_oldest when the publisher cannot), or
 * drop it and set stopped (stop).
 *
 * Takes    b: given on 0; still the caller's on failure, its events counted as dropped
 * Thread   the worker
 * Returns  0, or -REASON_ring_full, -REASON_purge_queue (gave up) */
int ring_push(struct ring *ring, struct batch *b);

/* ring_cut puts the worker's side of this sink into a stage: what was offered, what was dropped. */
struct ledger_stage;
void ring_cut(const struct ring *ring, struct ledger_stage *stage);
/* ring_facts says how full it is, as the worker sees it. */
struct ledger_ring;
void ring_facts(const struct ring *ring, struct ledger_ring *facts);

/* ring_push_cut hands a ledger cut over; CUTS_MAX have room beside the batches. */
void ring_push_cut(struct ring *ring, struct batch *cut);

/* ring_absorb moves what has come into the fifo, counts it as entered and held, and answers cuts.
 * Thread   the publisher
 * Returns  elements moved */
unsigned ring_absorb(struct ring *ring, unsigned sink);

/* ring_first is the oldest batch that the sink has not taken, NULL if there is none;
 * ring_absorbed_ns is when it came. ring_taken takes it off. ring_crowded: drop_oldest and three quarters full.
 * Thread   the publisher */
struct batch *ring_first(const struct ring *ring);
static inline uint64_t ring_absorbed_ns(const struct ring *ring)
{
	return ring->fifo[ring->head & ring->mask].absorbed_ns;
}
void ring_taken(struct ring *ring);
bool ring_crowded(const struct ring *ring);

/* ring_evict drops the batch behind the oldest (the oldest was already offered to the sink), or
 * the oldest itself if offered is false, and counts it.
 * Thread   the publisher
 * Returns  1, or 0 when there is none */
unsigned ring_evict(struct ring *ring, bool offered, enum reason reason);
