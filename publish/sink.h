/* sink: a destination. One file in sinks/ ends in `const struct sink NAME_sink`; the build lists
 * them. */
#pragma once

#include "publish/latency.h"

/* sink_counts is one worker's side of a sink, in events; written by the publisher thread alone.
 * The publisher counts a batch as entered and held when it comes; the sink moves it from held to
 * left or dropped (sink_left, sink_dropped).
 * entered = left + sum(dropped) + held at every moment that the publisher thread looks. */
struct sink_counts {
	uint64_t entered, left, held;
	uint64_t dropped[REASON_COUNT];
};

static inline void sink_left(struct sink_counts *c, uint64_t events)
{
	c->held -= events;
	c->left += events;
}

static inline void sink_dropped(struct sink_counts *c, enum reason reason, uint64_t events)
{
	c->held -= events;
	c->dropped[reason] += events;
}

enum when_full {
	WHEN_FULL_DEFAULT,
	WHEN_FULL_BLOCK,
	WHEN_FULL_DROP_NEWEST,
	WHEN_FULL_DROP_OLDEST,
	WHEN_FULL_STOP,
	WHEN_FULL_SUBSCRIBER, /* ZeroMQ: libzmq drops for the slow subscriber alone */
	WHEN_FULL_DROP,       /* ZeroMQ: dropped for all */
};

/* sink_state is what a sink says of its other end. */
struct sink_state {
	bool connected;
	uint32_t peers;  /* subscribers */
	uint64_t queued; /* messages in the client library */
};

struct sink_param {
	const char *key, *value;
};

/* sink_options: what a sink is opened with; made by sink_uri_parse and completed by the engine.
 * Borrowed during open. */
struct sink_options {
	const char *uri;                 /* whole, for messages */
	const char *target;              /* behind "kind:" or "kind://", without the query */
	const struct sink_param *params; /* of the query, then of the configuration */
	unsigned params_n;
	bool live;                /* live source: the default of when_full differs */
	enum when_full when_full; /* never DEFAULT when open is called */
	unsigned quota;           /* batches it may hold beyond submit */
	uint32_t batch_bytes;     /* largest batch */
	uint64_t boot_id;
	const char *source; /* host or instance name; at most 63 characters are used */
	unsigned workers;
	struct sink_counts *const *counts; /* by worker; kept */
	struct hist *ack; /* batch closed … acknowledged: for a sink that hears of it; kept */
};

struct sink_ctx; /* the sink's own state */

struct sink {
	const char *name;              /* URI scheme: "kafka" */
	const char *help;              /* one line for --help: form of the URI and its keys */
	const char *const *keys;       /* of the query, NULL at the end; "kafka.*" is a prefix */
	enum when_full live_when_full; /* default for live sources; for replay it is BLOCK */

	/* open connects or creates. Library threads inherit the caller's CPU affinity: call it
	 * before EAL pins anything. Returns  0, or -errno with error filled: what, where, what to
	 * do */
	int (*open)(struct sink_ctx **ctx, const struct sink_options *opt, char error[256]);

	/* ready says whether the source may start (zmq wait=N). NULL = always. */
	bool (*ready)(struct sink_ctx *ctx);

	/* submit takes the batch: its events go from held to left or dropped now or later (in poll,
	 * flush or close), batch_done is called once, now or later.
	 * Returns  0 taken; -EAGAIN not now, nothing happened: it is offered again after poll;
	 *          -errno: broken, the batch was not taken and the sink will take no more */
	int (*submit)(struct sink_ctx *ctx, struct batch *b);

	/* poll does what is due: delivery reports, heartbeats, reconnects. NULL = nothing ever.
	 * Returns what it did, 0 = idle; -errno: broken */
	int (*poll)(struct sink_ctx *ctx);

	/* flush waits until nothing is held, at most until deadline_ns (CLOCK_MONOTONIC); the
	 * publisher calls it again while there is time. NULL = nothing is ever held. Returns  0,
	 * -ETIMEDOUT with events still held, or -errno: broken */
	int (*flush)(struct sink_ctx *ctx, uint64_t deadline_ns);

	/* state says how its other end is. NULL = always there. */
	void (*state)(struct sink_ctx *ctx, struct sink_state *state);

	/* error says what broke: what, where, what to do. "" while nothing did. Borrowed until
	 * close. */
	const char *(*error)(struct sink_ctx *ctx);

	/* close purges what is held (purge_queue, purge_inflight) and frees everything.
	 * Returns  0, or -errno when what was counted as left may be lost (fsync, close) */
	int (*close)(struct sink_ctx *ctx);
};

extern const struct sink *const sinks[]; /* by name, NULL at the end; written by the build */

/* sink_uri is a parsed URI; opt.params and opt.target point into text.  */
struct sink_uri {
	const struct sink *sink;
	struct sink_options opt;
	char text[4096];
	struct sink_param params[160];
};

/* sink_uri_parse splits "kind:rest?key=value&…", finds the sink and checks the keys against its
 * own. when_full, quota and live may stand in the query too: when_full=…&quota=….
 *
 * Takes    uri: kept (opt.uri)
 * Returns  0, or -EINVAL with error filled: it names the nearest known kind or key */
int sink_uri_parse(struct sink_uri *out, const char *uri, char error[256]);

/* sink_uri_add adds one key that came from elsewhere (configuration: "kafka.acks", "1"); kept.
 * Returns  0, or -EINVAL as above, -E2BIG */
int sink_uri_add(struct sink_uri *out, const char *key, const char *value, char error[256]);

/* sink_param returns the last value of key, or fallback. sink_param_number reads it as a number.
 * Returns  0, or -EINVAL with error filled */
const char *sink_param(const struct sink_options *opt, const char *key, const char *fallback);
int sink_param_number(const struct sink_options *opt, const char *key, unsigned min, unsigned max,
	unsigned *value, char error[256]);

/* when_full_parse reads "block", "drop_newest" … ; -EINVAL. when_full_name is its inverse. */
int when_full_parse(const char *text, enum when_full *when_full);
const char *when_full_name(enum when_full when_full);
