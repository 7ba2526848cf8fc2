/* lane: packets copied from one worker to another; one writer, one reader, bytes in a circle.
 *
 *     tail ─► [record][record][record] ◄─ head
 *
 * A record never wraps: where it does not fit before the end of the circle, the end is marked and
 * left out. Head and tail only grow; the place in the circle is their remainder.
 *
 * Hot path: no allocation, lock, system call or log. */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include "capture/source.h"

enum { LANE_UNIT = 64 }; /* records start at its multiples */

struct lane {
	uint8_t *bytes;
	uint64_t size;                      /* power of two, more than twice the longest record */
	alignas(64) _Atomic(uint64_t) head; /* written by the writer */
	uint64_t tail_seen;                 /* the writer's copy of tail, old perhaps */
	alignas(64) _Atomic(uint64_t) tail; /* written by the reader: what it no longer needs */
	uint64_t read;                      /* up to here records were handed out */
	_Atomic(uint64_t) taken;            /* packets handed out: written by the reader */
};

struct lane_record {
	uint64_t len; /* of the record; 0: nothing more before the end of the circle */
	struct packet pkt;
};

static inline struct lane_record *lane_at(const struct lane *lane, uint64_t position)
{
	return (struct lane_record *)(lane->bytes + (position & (lane->size - 1)));
}

/* lane_push copies a packet in. Thread: the writer. Returns false when there is no room. */
static inline bool lane_push(struct lane *lane, const struct packet *pkt)
{
	uint64_t need = (sizeof(struct lane_record) + pkt->caplen + LANE_UNIT - 1) &
			~(uint64_t)(LANE_UNIT - 1);
	uint64_t head = atomic_load_explicit(&lane->head, memory_order_relaxed);
	uint64_t to_end = lane->size - (head & (lane->size - 1));
	uint64_t start = to_end < need ? head + to_end : head;
	struct lane_record *rec;

	if (start + need - lane->tail_seen > lane->size) {
		lane->tail_seen = atomic_load_explicit(&lane->tail, memory_order_acquire);
		if (start + need - lane->tail_seen > lane->size)
			return false;
	}
	if (start != head)
		lane_at(lane, head)->len = 0;
	rec = lane_at(lane, start);
	rec->len = need;
	rec->pkt = *pkt;
	rec->pkt.data = (uint8_t *)(rec + 1);
	memcpy(rec + 1, pkt->data, pkt->caplen);
	atomic_store_explicit(&lane->head, start + need, memory_order_release);
	return true;
}

/* lane_peek hands out up to max packets, borrowed until lane_release. Thread: the reader. */
static inline unsigned lane_peek(struct lane *lane, struct packet *pkts, unsigned max)
{
	uint64_t head = atomic_load_explicit(&lane->head, memory_order_acquire);
	unsigned n = 0;

	while (n < max && lane->read != head) {
		const struct lane_record *rec = lane_at(lane, lane->read);

		if (rec->len == 0) {
			lane->read += lane->size - (lane->read & (lane->size - 1));
			continue;
		}
		pkts[n++] = rec->pkt;
		lane->read += rec->len;
	}
	if (n)
		atomic_store_explicit(&lane->taken,
			atomic_load_explicit(&lane->taken, memory_order_relaxed) + n,
			memory_order_relaxed);
	return n;
}

/* lane_release gives the room of everything handed out back to the writer. Thread: the reader. */
static inline void lane_release(struct lane *lane)
{
	atomic_store_explicit(&lane->tail, lane->read, memory_order_release);
}
