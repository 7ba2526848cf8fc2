/* batch: one buffer of encoded events of one stream, on its way from a worker to the sinks. */
#pragma once

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/reason.h"

enum { SINKS_MAX = 16, WORKERS_MAX = 64, VENUE_MAX = 64, SESSION_MAX = 64, SCHEMA_VERSION = 1000 };

enum domain { DOMAIN_MD, DOMAIN_FIX, DOMAIN_NET, DOMAIN_SIGNAL, DOMAIN_OPS, DOMAIN_COUNT };

/* stream_facts is what every batch of a stream shares; immutable once the stream is open, kept
 * until the worker's streams are closed. Texts end in NUL. */
struct stream_facts {
	enum domain domain;
	uint64_t number; /* hash of domain, venue, channel (and FIX session): equal in every run */
	char venue[VENUE_MAX]; /* MIC; FIX: session name "SENDER-TARGET" */
	uint32_t channel;
	char key[VENUE_MAX + 16];   /* Kafka key: "XNAS/0"; FIX: the session name */
	char topic[VENUE_MAX + 24]; /* ZeroMQ topic: "md.XNAS.0." */
	uint8_t key_len, topic_len, venue_len;
};

struct batch_pool;
struct stream;
struct ledger_cut;

/* batch: rows [0, rows_len) are repeated field 1 of EventBatch, then the batch facts up to len.
 *
 * Owns     data, from the worker's pool; given back by batch_done of the last sink
 * Thread   written by the worker until it is pushed; read-only from then on */
struct batch {
	uint8_t *data;
	uint32_t rows_len, len;
	uint32_t events; /* rows */
	uint16_t worker;
	uint8_t clock_source; /* TsQuality of its events */
	uint8_t session_len;
	uint64_t batch_seq, first_event;
	uint64_t clock_error_ns;           /* of clock_source */
	uint64_t first_recv_ns, closed_ns; /* capture stamp of the oldest event; latency_now_ns */
	const struct stream_facts *stream;
	struct ledger_cut *cut;    /* not NULL: no data and no events, a ledger cut (ledger.h) */
	struct stream *owner;      /* told when the last sink is done */
	struct batch_pool *pool;   /* NULL: nobody's, batch_done only counts */
	atomic_uint refs;          /* sinks that still hold it */
	struct batch *next;        /* free list of the pool */
	char session[SESSION_MAX]; /* session the events belong to */
};

/* batch_done says that a sink is done with the batch; the last one gives it back to its worker.
 * Takes    b: given
 * Thread   any; lock-free; may run inside submit */
void batch_done(struct batch *b);

/* batch_row cuts the first row off rows: the bytes of one Event, without key and length.
 * Takes    rows: made by this program, {b->data, b->data + b->rows_len} at first; checked all the
 * same Returns  1, 0 at the end, or -REASON_garbled with rows empty */
int batch_row(struct bytes *rows, struct bytes *event);

static inline struct bytes batch_rows(const struct batch *b)
{
	return bytes_of(b->data, b->rows_len);
}
