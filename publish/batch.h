/* batch: one buffer of encoded events of one stream, on its way from a worker to the sinks. */
#pragma once

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/reason.h"

enum domain { DOMAIN_MD, DOMAIN_FIX, DOMAIN_NET, DOMAIN_SIGNAL, DOMAIN_OPS, DOMAIN_COUNT };

/* stream_facts is what every batch of a stream shares; immutable once the stream is open, kept until exit. */
struct stream_facts {
	enum domain domain;
	uint64_t number;      /* hash of domain, venue, channel (and FIX session): equal in every run */
	char venue[24];       /* MIC; FIX: session name "SENDER-TARGET" cut to fit */
	uint32_t channel;
	char key[96];         /* Kafka key: "XNAS/0" */
	char topic[96];       /* ZeroMQ topic: "md.XNAS.0." */
	uint8_t key_len, topic_len;
};

struct batch_pool;

/* batch: rows [0, rows_len) are repeated field 1 of EventBatch, then the batch facts up to len.
 *
 * Owns     data, from the worker's pool; given back by batch_done of the last sink
 * Thread   written by the worker until it is pushed; read-only from then on */
struct batch {
	uint8_t *data;
	uint32_t rows_len, len, cap;
	uint32_t events;             /* rows */
	uint16_t worker;
	uint8_t cut;                 /* 1: no data, a ledger cut (see ledger.h) */
	uint64_t batch_seq, first_event;
	uint64_t ts_first_ns;        /* ts_recv_ns of the first event */
	const struct stream_facts *stream;
	char session[24];            /* session the events belong to */
	struct stream_open *owner;   /* to know when a stream has no batch outstanding */
	struct batch_pool *pool;
	atomic_uint refs;            /* sinks that still hold it */
	struct batch *next;          /* free list of the pool */
	void *cut_data;
};

/* batch_done says that a sink is done with the batch; the last one gives it back to the worker's pool.
 * Thread   any; lock-free; may run inside submit */
void batch_done(struct batch *b);
