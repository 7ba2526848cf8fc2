/* tcp: segments of one direction -> its bytes, in order, each once. No segment waits: what comes
 * early is a hole in front of it, what comes late is refused.
 *
 *     segment ──► seq < next: a repeat, late, or its new tail ──┐
 *                 seq > next: hole, the partial unit is dropped ┼──► whole units, in place
 *                 seq = next ───────────────────────────────────┘    └──► the rest is kept
 */
#pragma once

#include "decode/events.h"
#include "decode/frame.h"

enum tcp_kind {
	TCP_UNCLAIMED, /* opened by a SYN, no bytes yet or nobody wants them */
	TCP_FIX,
	TCP_FEED,
};

/* tcp_dir is one direction of one connection.
 *
 * Owns  a buffer of the table while it holds part of a unit */
struct tcp_dir {
	struct address src, dst;
	uint32_t index;      /* position in the table, for what others keep of a direction */
	uint32_t life;       /* another number each time the entry begins a new connection */
	uint8_t kind;        /* enum tcp_kind: set by whoever claims it */
	bool to_acceptor;    /* sent by the side that opened the connection; without its SYN: to the
				lower port */
	bool resync;         /* bytes before these were lost: cleared by who found a unit again */
	bool loss;           /* a hole was met: cleared by who reported it */
	bool closed;         /* FIN or RST: the entry may be taken for another direction */
	void *owner;         /* of whoever claimed it */
	uint64_t ts_ns;      /* ts_recv_ns of its newest segment */
	uint64_t lost_bytes; /* in its holes */
	uint32_t next;       /* sequence number expected */
	uint32_t start;      /* sequence number of the first byte after its SYN */
	uint32_t hole, hole_end; /* the newest hole */
	uint32_t hash;
	uint32_t held;   /* bytes in buffer */
	uint8_t *buffer; /* NULL when nothing is held */
};

/* tcp_options: a buffer has unit_max bytes, and a direction needs one only while a unit spans
 * segments. */
struct tcp_options {
	uint32_t flows_max;   /* directions known at a time */
	uint32_t buffers_max; /* directions that hold part of a unit at a time */
	uint32_t unit_max;    /* longest unit, bytes */
	uint64_t idle_ns;     /* a direction silent for so long may be taken for another one */
};

/* tcp_counts: segments = delivered + sum(dropped). bytes = what delivered segments brought new;
 * bytes_lost is beside it: what no segment brought, and what was held when its direction lost or
 * ended. */
struct tcp_counts {
	uint64_t segments, delivered, dropped[REASON_COUNT];
	uint64_t bytes, bytes_repeated;
	uint64_t holes, bytes_lost, bytes_dropped; /* bytes_dropped: held parts of units given up */
	uint64_t no_buffer; /* parts of units given up because all buffers were in use */
	uint64_t opened, evicted;
};

/* tcp_table is every direction a worker knows.
 *
 * Owns     all of it, allocated at init
 * Thread   the worker */
struct tcp_table {
	struct tcp_options opt;
	struct tcp_counts counts;
	struct tcp_dir *dirs;
	uint32_t dirs_n;  /* ever used: below flows_max */
	uint32_t spare_n; /* entries of spare */
	uint32_t *spare;  /* indices of forgotten directions */
	uint32_t *slots;  /* open addressing: 0 = empty, else index + 1 */
	uint32_t slots_mask;
	uint32_t hand; /* where the next search for a victim begins */
	uint64_t seed;
	uint8_t *buffer_memory;
	uint8_t **buffers; /* stack of free buffers */
	uint32_t buffers_n;
};

/* tcp_segment is what one segment brought. */
struct tcp_segment {
	struct tcp_dir *dir;
	struct bytes data; /* new bytes, borrowed from the packet */
	uint32_t lost;     /* bytes missing before data */
};

/* tcp_init allocates the table. Returns 0, or -ENOMEM, or -EINVAL for an option that is 0. */
int tcp_init(struct tcp_table *table, const struct tcp_options *opt);
void tcp_free(struct tcp_table *table);

/* tcp_take puts one segment where it belongs in its direction. A SYN makes a direction known.
 *
 * Takes    f: a TCP frame, with or without payload
 * Returns  0: seg filled, its bytes to be delivered or its direction forgotten;
 *          -REASON_no_payload, -REASON_tcp_retransmit, -REASON_tcp_late: done with, counted;
 *          -REASON_no_feed: nobody has claimed this direction; the caller may do so with tcp_claim,
 * and counts */
int tcp_take(
	struct tcp_table *table, const struct frame *f, uint64_t ts_ns, struct tcp_segment *seg);

/* tcp_claim makes the direction of a segment known in mid-stream, with this segment as its first.
 *
 * Returns  0 with seg filled and its direction's resync set, or -REASON_flow_table_full (the caller
 * counts) */
int tcp_claim(
	struct tcp_table *table, const struct frame *f, uint64_t ts_ns, struct tcp_segment *seg);

/* tcp_forget takes the direction out of the table: its bytes are nobody's. */
void tcp_forget(struct tcp_table *table, struct tcp_dir *dir);

/* tcp_eat takes whole units off the front of in.
 *
 * Returns  bytes taken. What is left is less than unit_max bytes, and comes again with more behind
 * it */
typedef size_t (*tcp_eat)(void *ctx, struct tcp_dir *dir, struct bytes in);

/* tcp_deliver hands the bytes of a segment to eat, with what was held before them, and keeps what
 * eat leaves. out is flushed before memory that its events may point to is used again. Counts the
 * segment as delivered. */
void tcp_deliver(struct tcp_table *table, struct tcp_segment *seg, struct events *out, tcp_eat eat,
	void *ctx);

/* tcp_drop counts a segment that is refused for this reason. Returns -reason. */
static inline int tcp_drop(struct tcp_table *table, enum reason reason)
{
	table->counts.dropped[reason]++;
	return -(int)reason;
}

/* tcp_pass takes a drop back: somebody else had a use for the segment. */
static inline void tcp_pass(struct tcp_table *table, enum reason reason)
{
	table->counts.dropped[reason]--;
	table->counts.delivered++;
}

/* tcp_reset forgets every direction: the source begins again. */
void tcp_reset(struct tcp_table *table);
