/* stream: one channel of a feed, one FIX session or one bucket of flows, on its worker: where its
 * events become rows, and rows become batches.
 *
 *   event ─► block: 4 KiB of its own, stays in L1 ─► buffer from the pool ─► facts ─► rings
 *            (a quiet stream's block is copied to a buffer when its batch closes)
 *
 * A batch closes when the next row does not fit, when it has batch_events, when linger has passed
 * since its first event, at the end of a burst if no batch of its stream is outstanding, and before
 * its session changes. So an idle system has the latency of a burst and a busy one full batches. */
#pragma once

#include "events/event.h"
#include "publish/batch.h"
#include "publish/ring.h"

struct streams; /* all streams of one worker */
struct stream;

struct streams_options {
	unsigned worker;
	unsigned streams_max;  /* open at a time, at most 65536 */
	uint32_t batch_bytes;  /* largest batch with its facts, 4 KiB … 16 MiB */
	uint32_t batch_events; /* 0 = as many as fit */
	uint64_t linger_ns;
	uint64_t boot_id;
	const char *source;        /* host or instance name, at most 63 characters; kept */
	struct ring *const *rings; /* one a sink; kept; may be none */
	unsigned rings_n;
	unsigned sinks_hold; /* batches of this worker that all sinks and rings may hold together:
			      * sum of depth + quota + 1 */
};

/* stream_spec names a stream. venue: MIC; FIX: session name; at most VENUE_MAX - 1 are kept. */
struct stream_spec {
	enum domain domain;
	struct str venue;
	uint32_t channel; /* net: bucket */
};

/* streams_open makes the table and the pool of buffers.
 * Returns  0, -EINVAL, or -ENOMEM */
int streams_open(struct streams **ws, const struct streams_options *opt);

/* streams_close frees all. streams_flush was called and the sinks are closed.
 * Returns  batches that no sink gave back: 0 unless a sink is wrong */
unsigned streams_close(struct streams *ws);

/* stream_open finds the stream of this name, or makes it. For the cold path: callers keep the
 * pointer in their channel or session; it is valid until streams_close.
 * Thread   the worker, as for all that follows
 * Returns  the stream, or NULL when the table is full (count it: REASON_stream_table_full) */
struct stream *stream_open(struct streams *ws, const struct stream_spec *spec);
const struct stream_facts *stream_facts(const struct stream *s);

/* stream_session closes the open batch if the session changes; later events belong to session.
 * Takes    session: copied, at most SESSION_MAX - 1 characters */
void stream_session(struct streams *ws, struct stream *s, struct str session);

/* stream_clock says which clock stamps the packets of s (TsQuality) and how far it may be off. */
void stream_clock(struct streams *ws, struct stream *s, uint8_t source, uint64_t error_ns);
/* streams_clock does so for every open stream that holds packets' events: all but DOMAIN_OPS. */
void streams_clock(struct streams *ws, uint8_t source, uint64_t error_ns);

/* stream_append encodes one event, stream_append_all n of them in order.
 * Takes    ev: borrowed
 * Returns  0 or -REASON_event_too_big (counted); events appended */
int stream_append(struct streams *ws, struct stream *s, const struct event *ev);
unsigned stream_append_all(
	struct streams *ws, struct stream *s, struct event *const *evs, unsigned n);

/* stream_window gives room for rows that the caller writes itself: one may begin before *end, and have
 * EVENT_ROW_MAX bytes. Nothing else is called on s before stream_rows, which takes the n rows that
 * stand from the window's begin to end; recv_ns: ts_recv_ns of the first.
 * Not where batch_events bounds a batch.
 * Returns  where the first row goes */
uint8_t *stream_window(struct streams *ws, struct stream *s, const uint8_t **end);
void stream_rows(
	struct streams *ws, struct stream *s, const uint8_t *end, uint32_t n, uint64_t recv_ns);

/* stream_dropped tells the consumers of s, in its batches from now on, that events were shed. */
void stream_dropped(struct stream *s, enum reason reason, uint64_t events);

/* streams_time sets the clock (CLOCK_REALTIME ns) for what follows: once a burst, after it came. */
void streams_time(struct streams *ws, uint64_t now_ns);

/* streams_poll closes what is due; call it at the end of each burst and when idle. Sets the clock.
 * Cheap when nothing is open; looks at no more than 64 open batches, the oldest.
 * Returns  batches closed */
unsigned streams_poll(struct streams *ws, uint64_t now_ns);

/* streams_flush closes every open batch. */
void streams_flush(struct streams *ws);

/* streams_cut adds the stage "batch" and the sinks' worker side to the cut and sends it off. */
void streams_cut(struct streams *ws, struct ledger_cut *cut);
/* streams_stage adds the stage "batch" alone (for ledger_final). */
void streams_stage(const struct streams *ws, struct ledger_cut *cut);

/* streams_latency is what batches took from their first event to their close. Read by any thread. */
const struct hist *streams_latency(const struct streams *ws);

/* streams_quiet says that no batch is open: nothing becomes due by time alone. */
bool streams_quiet(const struct streams *ws);

/* streams_stopped says that a ring with when_full stop was full: the program must end. */
bool streams_stopped(const struct streams *ws);

/* stream_batch_done counts a batch of s as no longer outstanding. Called by batch_done, any thread.
 */
void stream_batch_done(struct stream *s);
