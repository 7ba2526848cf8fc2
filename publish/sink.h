/* sink: a destination. One file in sinks/ ends in `const struct sink NAME_sink`; the build lists them. */
#pragma once

#include "publish/batch.h"

/* sink_counts is one worker's side of a sink, in events; written by the publisher thread alone.
 * entered = left + sum(dropped) + held at every moment that the publisher thread looks. */
struct sink_counts {
	uint64_t entered, left, held;
	uint64_t dropped[REASON_COUNT];
};

enum when_full { WHEN_FULL_DEFAULT, WHEN_FULL_BLOCK, WHEN_FULL_DROP_NEWEST, WHEN_FULL_DROP_OLDEST, WHEN_FULL_STOP,
	WHEN_FULL_SUBSCRIBER, WHEN_FULL_DROP /* the last two: ZeroMQ */ };

/* sink_options: URI "kind:rest?key=value&…" split up; sinks parse rest and their own keys. */
struct sink_options {
	const char *uri;               /* whole, for messages */
	const char *target;            /* behind "kind:" or "kind://", without the query */
	const char *const (*params)[2]; /* NULL-terminated pairs key, value of the query, and of the configuration */
	bool live;                     /* live source: the default of when_full differs */
	enum when_full when_full;
	uint64_t boot_id;
	const char *source;            /* host or instance name */
	unsigned workers;
};

struct sink_ctx; /* the sink's own state */

struct sink {
	const char *name;   /* URI scheme: "kafka" */
	const char *help;   /* one line for --help: form of the URI and its keys */

	/* open connects or creates.
	 * Returns  0, or -errno with error filled: what, where, what to do */
	int (*open)(struct sink_ctx **ctx, const struct sink_options *opt, struct sink_counts *counts, char error[256]);

	/* ready says whether the source may start (zmq wait=N). NULL = always. */
	bool (*ready)(struct sink_ctx *ctx);

	/* submit takes the batch: sink-side counters move now or later, batch_done is called once, now or later.
	 * Returns  0 taken; -EAGAIN not now: the same batch is offered again after poll; -errno: broken, the
	 *          batch was not taken and the sink will take no more (it is then counted as write_failed) */
	int (*submit)(struct sink_ctx *ctx, struct batch *b);

	/* poll does what is due: delivery reports, heartbeats, reconnects. Returns what it did, 0 = idle. */
	int (*poll)(struct sink_ctx *ctx);

	/* flush waits until nothing is held, at most until the deadline (CLOCK_MONOTONIC ns, 0 = none).
	 * Returns  0, or -ETIMEDOUT with events still held */
	int (*flush)(struct sink_ctx *ctx, uint64_t deadline_ns);

	/* close purges what is held (purge_queue, purge_inflight) and frees everything. */
	void (*close)(struct sink_ctx *ctx);
};

extern const struct sink *const sinks[]; /* by name, NULL at the end; written by the build */
