/* The vector that decoders append events to. It flushes itself when it is full, so appending never
 * fails. */
#pragma once

#include "base/bytes.h"
#include "events/event_row.h" /* generated from proto/: struct event, every payload, and their rows */

enum {
	EVENTS_MAX = 256,             /* events in the vector before it flushes */
	EVENTS_ARENA = 1024 * 1024,   /* bytes for events and their variable parts */
	EVENT_PARTS_MAX = 768 * 1024, /* most that one event's variable parts may take */
	EVENTS_USED_MAX = EVENTS_ARENA - EVENT_PARTS_MAX - (int)sizeof(struct event) -
			  32, /* room for one more */
};

/* events holds the events of one burst, in wire order, until flush takes them.
 *
 * Owns     the arena; what the events point to is the packet (borrowed) or the arena
 * Thread   the worker that owns it */
struct events {
	struct event base; /* what the next events have in common: set per packet and per sequence
			      unit */
	uint32_t sub_seq;  /* sub_seq of the next event; whoever sets base.seq sets it to 0 */
	uint32_t n;
	struct event *ev[EVENTS_MAX];
	void (*flush)(struct events *evs); /* takes ev[0..n), then the vector is empty */
	void *ctx;                         /* for flush */
	void *stream; /* where these events go; changed by events_switch alone */
	/* select takes out what is not wanted of the events from selected on, after each message of
	 * a feed and before a flush: what a message teaches counts for it and what follows. NULL =
	 * everything is wanted */
	void (*select)(struct events *evs);
	struct selector *selector;     /* for select */
	const struct symbols *symbols; /* of the channel at hand */
	uint32_t selected;             /* events that select has let pass */
	uint64_t unwanted;             /* that it took out: flush counts and clears them */
	uint8_t *arena;
	uint32_t used;           /* bytes of the arena */
	uint64_t pushed;         /* events ever appended; rows are none */
	uint64_t types;          /* bits 1 << type of the events since the last flush */
	struct event *last_push; /* newest event still in the vector, or NULL */
	/* Where nobody looks at the events, decoders write the rows of the usual ones themselves: from
	 * row to row_end, where a window of the stream is. */
	bool direct;               /* they may, at all */
	uint8_t *row;              /* where the next one goes; NULL: no window */
	const uint8_t *row_end;    /* it may begin before here; NULL: events_row_begin first */
	uint8_t *last_row;         /* newest row */
	uint8_t *window;           /* first row */
	const uint8_t *window_end; /* what row_end will be */
	uint32_t rows;             /* in the window */
	uint64_t window_recv_ns;   /* ts_recv_ns of the first */
	struct row_head head;      /* of the packet at hand */
	void (*open)(struct events *evs); /* makes a window: sets window and window_end */
};

/* gap_counts counts GapEvents, and the messages in them, by cause (GAP_EVENT_CAUSE_x). */
enum { GAP_CAUSES = GAP_EVENT_CAUSE_UNDECIDED + 1 };

struct gap_counts {
	uint64_t gaps[GAP_CAUSES], messages_lost[GAP_CAUSES];
};

static inline void gap_count(struct gap_counts *counts, const struct ev_gap_event *gap)
{
	counts->gaps[gap->cause]++;
	counts->messages_lost[gap->cause] += gap->lost_messages;
}

_Static_assert(EVENT_TYPES <= 64, "events.types has a bit for each");

/* events_init gives evs its arena (allocates, at start only).
 * Returns  0, or -ENOMEM */
int events_init(struct events *evs, void (*flush)(struct events *evs), void *ctx);
void events_free(struct events *evs);

/* events_flush hands what is there to flush and empties the vector; nothing happens when it is
 * empty. */
void events_flush(struct events *evs);

/* events_select is called behind each message of a feed. */
static inline void events_select(struct events *evs)
{
	if (__builtin_expect(evs->select != NULL, 0))
		evs->select(evs);
}

/* events_switch says that what follows belongs to stream: all events in the vector are of one
 * stream. */
static inline void events_switch(struct events *evs, void *stream)
{
	if (evs->stream != stream) {
		events_flush(evs);
		evs->stream = stream;
	}
}

/* events_row_begin makes ready for a row: what is in the vector goes first, the head is that of base.
 * Returns  false when the next event must go to the vector */
bool events_row_begin(struct events *evs);

/* events_rows says whether the next event may be written as a row, at evs->row. */
static inline bool events_rows(struct events *evs)
{
	return __builtin_expect(evs->row < evs->row_end, 1) ||
	       (evs->direct && events_row_begin(evs));
}

/* events_row_done takes the row that has been written and ends at end. */
static inline void events_row_done(struct events *evs, uint8_t *row, uint8_t *end)
{
	evs->last_row = row;
	evs->row = end;
	evs->rows++;
	evs->sub_seq++;
}

/* events_last marks the newest event, ev or, if that is NULL, the newest row, as the last of an atomic
 * change. */
static inline void events_last(struct events *evs, struct event *ev)
{
	if (ev)
		ev->flags |= EVENT_FLAG_LAST;
	else
		evs->row = row_mark_last(&evs->head, evs->last_row, evs->row);
}

/* events_base is called when base has changed: rows begin anew. */
static inline void events_base(struct events *evs)
{
	evs->row_end = NULL;
}

/* events_push appends an event of this type, its envelope copied from base, its payload zero. With
 * a constant type it is straight stores and one test.
 *
 * Returns  the event: the caller's to fill until the next call on evs; never NULL */
static inline __attribute__((always_inline)) struct event *events_push(
	struct events *evs, enum event_type type)
{
	const size_t envelope = offsetof(struct event, mbo);
	const size_t payload = (event_payload_size[type] + 15) & ~(size_t)15;
	struct event *ev;
	uint8_t *body;

	if (__builtin_expect(evs->n == EVENTS_MAX || evs->used > EVENTS_USED_MAX, 0))
		events_flush(evs);
	ev = (struct event *)(evs->arena + evs->used);
	body = (uint8_t *)ev + envelope;
	/* In pieces: where gcc thinks that a branch is rare it makes one memcpy or memset a `rep
	 * movs` or `rep stos`, which take 30 cycles to start. */
#pragma GCC unroll 32
	for (size_t i = 0; i < envelope; i += 16)
		memcpy((uint8_t *)ev + i, (const uint8_t *)&evs->base + i, 16);
#pragma GCC unroll 32
	for (size_t i = 0; i < payload; i += 16)
		memset(body + i, 0, 16);
	ev->type = type;
	ev->sub_seq = evs->sub_seq++;
	evs->used += (uint32_t)(envelope + payload);
	evs->ev[evs->n++] = ev;
	evs->last_push = ev;
	evs->pushed++;
	evs->types |= 1ull << type;
	evs->row_end = NULL; /* rows come behind it */
	return ev;
}

/* events_alloc gives room for variable parts of the newest event (repeated fields, converted text),
 * not cleared.
 *
 * Returns  16-byte aligned room that lives until flush, or NULL when this event already has
 * EVENT_PARTS_MAX */
void *events_alloc(struct events *evs, size_t size);
