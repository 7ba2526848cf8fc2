/* stream_impl: what stream.c and stream_init.c share. */
#pragma once

#include "events/event_write.h"
#include "publish/block.h"
#include "publish/pool.h"
#include "publish/stream.h"

enum {
	SLACK = EVENT_ROW_MAX, /* room behind the block: a row that starts in the block may end here */
	FACTS_MAX = 1024, /* batch facts at most: 3 texts of 64, numbers, FACTS_DROPS reasons */
	FACTS_DROPS = 16,
	POLL_MAX = 64,
	SCRATCH = 16 << 20, /* most bytes of one row; untouched pages cost nothing */
};
_Static_assert(FACTS_MAX <= SLACK, "facts are written behind less than a block of rows");
_Static_assert(
	SLACK <= FACTS_MAX, "a row that is too much for the batch lies where its facts will");

struct stream {
	alignas(64) uint8_t own[BLOCK + SLACK];
	uint8_t *block;               /* that rows are written to: own, or in batch behind copied */
	uint32_t used;                /* bytes in block; < BLOCK between calls */
	uint32_t copied;              /* bytes of full blocks, in batch */
	uint32_t events;              /* rows in block and batch */
	struct batch *batch;          /* NULL until the first block is full */
	uint64_t events_before;       /* events in earlier batches */
	uint64_t batches;             /* closed so far */
	uint64_t opened_ns;           /* clock when the first row came */
	uint64_t first_recv_ns;       /* capture stamp of the first row */
	struct stream *older, *newer; /* list of streams with an open batch */
	uint8_t clock_source, session_len;
	bool shed; /* dropped[] has something */
	char session[SESSION_MAX];
	uint64_t clock_error_ns;
	struct stream_facts facts;
	uint64_t dropped[REASON_COUNT];
	alignas(64) atomic_uint outstanding; /* batches that some sink still has */
};

struct streams {
	uint64_t now_ns, linger_ns;
	uint32_t room; /* bytes for rows in a batch */
	uint32_t batch_events;
	struct stream *oldest, *newest; /* streams with an open batch, by opened_ns */
	struct batch_pool *pool;
	struct ring *const *rings;
	unsigned rings_n;
	uint16_t worker;
	struct str source;
	uint64_t boot_id;
	uint8_t *scratch; /* for one row that is larger than SLACK */
	size_t scratch_size;
	uint64_t appended, batched, too_big; /* events */
	uint64_t batches;
	struct hist latency; /* first row … closed */
	unsigned streams_n, streams_max;
	struct stream *streams;
};

/* batch_wait takes a batch from an empty pool, which only a sink beyond its quota can cause: sleeps
 * until one comes back. */
struct batch *batch_wait(struct batch_pool *pool);
