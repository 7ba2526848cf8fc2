/* zmq: an XPUB socket, two frames a message: topic and EventBatch.
 *
 * Payloads are lent to libzmq without a copy; it gives them back on its I/O thread, or at once when
 * nobody subscribes. A stalled subscriber pins what is queued for it, so beyond the quota payloads
 * are copied into memory of our own, and when that is used up too, when_full says what happens.
 * The ledger ends at libzmq: what it drops for one slow subscriber is seen by that subscriber
 * alone, as a hole in batch_seq, at the latest with the next heartbeat. */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <zmq.h>

#include "publish/pulse.h"
#include "publish/rows/rows.h"
#include "publish/sink.h"
#include "publish/slots.h"

enum {
	COPY_BELOW = 512,       /* smaller payloads are copied: lending them costs more */
	SUBSCRIBERS_MAX = 1024, /* connections that are told apart */
	DRAINED_ROUNDS = 40,    /* of 0.5 ms */
	SINGLE_MAX = 64,        /* events of mode single in a row */
	PULSES_MAX = 64,        /* heartbeats in a row */
	LINGER_MS = 1000,
};

/* subscriber is a connection; fd alone may be another one by now. */
struct subscriber {
	int fd;
	ino_t ino;
};

static const char no_memory[] = "no memory for a message";

struct sink_ctx {
	void *zmq, *socket;
	struct sink_counts *const *counts;
	struct slots slots;
	struct pulse pulse;
	enum when_full when_full;
	bool single;
	unsigned wait; /* subscribers that must be there first */
	struct subscriber subscribers[SUBSCRIBERS_MAX];
	unsigned subscribers_n; /* connections that subscribed to something */
	uint64_t heartbeat_ns;  /* 0 = none */
	uint64_t now_ns;        /* CLOCK_MONOTONIC, of the last poll */
	struct str source;
	uint64_t boot_id;
	/* mode single: messages that libzmq has still to write, the batch that is being sent */
	atomic_uint single_out;
	struct batch *current;
	struct bytes rows;
	uint64_t event_no;
	int failed;
	char error[256];
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int zmq_break(struct sink_ctx *ctx, const char *what)
{
	ctx->failed = -errno;
	snprintf(ctx->error, sizeof(ctx->error), "zmq: %s: %s", what, zmq_strerror(errno));
	return ctx->failed;
}

/* socket_ino is the number of the socket behind fd; 0 when fd is none any more. */
static ino_t socket_ino(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

/* subscriber_seen counts connections, not subscriptions: one subscriber may have many. */
static void subscriber_seen(struct sink_ctx *ctx, int fd)
{
	unsigned i = 0;

	while (i < ctx->subscribers_n && ctx->subscribers[i].fd != fd)
		i++;
	if (i == SUBSCRIBERS_MAX)
		return;
	ctx->subscribers[i] = (struct subscriber){fd, socket_ino(fd)};
	if (i == ctx->subscribers_n)
		ctx->subscribers_n++;
}

/* subscribers_drained says whether the kernel has passed on what was sent. Until then the socket
 * stays open: a subscriber at its own mark that sees the connection end (libzmq, ipc) does not read
 * what is left in it. */
static bool subscribers_drained(const struct sink_ctx *ctx)
{
	for (unsigned i = 0; i < ctx->subscribers_n; i++) {
		const struct subscriber *sub = &ctx->subscribers[i];
		int queued = 0;

		if (sub->ino && socket_ino(sub->fd) == sub->ino &&
			ioctl(sub->fd, SIOCOUTQ, &queued) == 0 && queued > 0)
			return false;
	}
	return true;
}

/* subscriptions_read takes what subscribers asked for off the socket. Returns how many. */
static int subscriptions_read(struct sink_ctx *ctx)
{
	int n = 0;

	for (; n < 256; n++) {
		zmq_msg_t msg;

		zmq_msg_init(&msg);
		if (zmq_msg_recv(&msg, ctx->socket, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(&msg);
			break;
		}
		if (zmq_msg_size(&msg) > 0 && *(uint8_t *)zmq_msg_data(&msg) == 1)
			subscriber_seen(ctx, zmq_msg_get(&msg, ZMQ_SRCFD));
		zmq_msg_close(&msg);
	}
	return n;
}

static bool zmq_ready(struct sink_ctx *ctx)
{
	subscriptions_read(ctx);
	return ctx->subscribers_n >= ctx->wait;
}

static void slot_free_cb(void *data, void *hint)
{
	(void)data;
	slot_return(hint);
}

/* payload_small makes a message with a copy that libzmq owns. Returns  0, or -ENOMEM */
static int payload_small(zmq_msg_t *msg, const void *p, size_t len)
{
	if (zmq_msg_init_size(msg, len) < 0)
		return -ENOMEM;
	memcpy(zmq_msg_data(msg), p, len);
	return 0;
}

/* send_frames sends topic and payload.
 * Takes    payload: given on 0
 * Returns  0, -EAGAIN (nothing was sent), or -errno: broken */
static int send_frames(
	struct sink_ctx *ctx, const char *topic, size_t topic_len, zmq_msg_t *payload)
{
	if (zmq_send(ctx->socket, topic, topic_len, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
		return errno == EAGAIN ? -EAGAIN : zmq_break(ctx, "cannot send");
	/* the second frame of a message is never refused: libzmq counts whole messages */
	while (zmq_msg_send(payload, ctx->socket, 0) < 0)
		if (errno != EINTR)
			return zmq_break(ctx, "cannot send");
	return 0;
}

/* full follows when_full for a batch or event that libzmq does not take now.
 * Returns  0 dropped and counted, or -EAGAIN */
static int full(struct sink_ctx *ctx, unsigned worker, uint64_t events, enum reason reason)
{
	if (ctx->when_full != WHEN_FULL_SUBSCRIBER && ctx->when_full != WHEN_FULL_DROP)
		return -EAGAIN;
	sink_dropped(ctx->counts[worker], reason, events);
	return 0;
}

/* payload_make makes the second frame of a batch: a copy if it is small, else lent, else a copy in
 * a slot of ours.
 * Returns  0, -EAGAIN when there is no slot, or -errno: broken */
static int payload_make(struct sink_ctx *ctx, struct batch *b, zmq_msg_t *msg)
{
	struct slot *slot;
	void *p = b->data;

	if (b->len < COPY_BELOW)
		return payload_small(msg, p, b->len) < 0 ? zmq_break(ctx, no_memory) : 0;
	slot = slots_take(&ctx->slots);
	if (!slot)
		return -EAGAIN;
	if (slot->copy)
		p = memcpy(slot->copy, p, b->len);
	if (zmq_msg_init_data(msg, p, b->len, slot_free_cb, slot) < 0) {
		slot_return(slot);
		return zmq_break(ctx, no_memory);
	}
	if (!slot->copy) {
		/* two holds: libzmq's, and ours until we know that it was sent */
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
		slot->batch = b;
	}
	return 0;
}

/* send_batch sends topic and batch. Returns as submit does */
static int send_batch(struct sink_ctx *ctx, struct batch *b)
{
	enum reason reason = REASON_subscriber_full;
	zmq_msg_t msg;
	int rc = payload_make(ctx, b, &msg);

	if (rc == 0) {
		rc = send_frames(ctx, b->stream->topic, b->stream->topic_len, &msg);
		if (rc < 0)
			zmq_msg_close(&msg); /* gives the slot back, and its hold on the batch */
		else
			sink_left(ctx->counts[b->worker], b->events);
	} else if (ctx->when_full == WHEN_FULL_SUBSCRIBER) {
		reason = REASON_quota;
	}
	if (rc == -EAGAIN)
		rc = full(ctx, b->worker, b->events, reason);
	if (rc < 0)
		return rc;
	pulse_sent(
		&ctx->pulse, b, ctx->now_ns); /* dropped ones too: the heartbeat shows the hole */
	batch_done(b);
	return 0;
}

static size_t topic_single(
	const struct batch *b, const struct row_facts *facts, char *topic, size_t room)
{
	const struct stream_facts *stream = b->stream;
	int len = snprintf(topic, room, "%s.%s.%.*s%s", event_family(stream->domain, facts->type),
		stream->venue, (int)(facts->symbol.len < 64 ? facts->symbol.len : 64),
		facts->symbol.len ? facts->symbol.p : "", facts->symbol.len ? "." : "");

	return (size_t)len < room ? (size_t)len : room - 1;
}

/* single_free counts a message that libzmq has written. Thread: any. */
static void single_free(void *data, void *hint)
{
	struct sink_ctx *ctx = hint;

	free(data);
	atomic_fetch_sub_explicit(&ctx->single_out, 1, memory_order_release);
}

/* send_event sends one row of current as a batch of one: the row, the facts of its batch, and its
 * own first_event behind them (of a field that stands twice, the last one holds). */
static int send_event(struct sink_ctx *ctx, const uint8_t *row, struct bytes event)
{
	const struct batch *b = ctx->current;
	size_t row_len = (size_t)(event.end - row), facts_len = b->len - b->rows_len;
	struct row_facts facts;
	uint8_t own[11], *p;
	unsigned own_len = 0;
	char topic[256];
	zmq_msg_t msg;
	int rc;

	own[own_len++] = 10 << 3; /* EventBatch.first_event, a varint */
	for (uint64_t v = ctx->event_no;; v >>= 7) {
		own[own_len++] = (uint8_t)(v < 0x80 ? v : v | 0x80);
		if (v < 0x80)
			break;
	}
	row_read(event, &facts);
	p = malloc(row_len + facts_len + own_len);
	if (!p || zmq_msg_init_data(&msg, p, row_len + facts_len + own_len, single_free, ctx) < 0) {
		free(p);
		return zmq_break(ctx, no_memory);
	}
	atomic_fetch_add_explicit(&ctx->single_out, 1, memory_order_relaxed);
	memcpy(p, row, row_len);
	memcpy(p + row_len, b->data + b->rows_len, facts_len);
	memcpy(p + row_len + facts_len, own, own_len);
	rc = send_frames(ctx, topic, topic_single(b, &facts, topic, sizeof(topic)), &msg);
	if (rc == 0)
		sink_left(ctx->counts[b->worker], 1);
	else
		zmq_msg_close(&msg);
	return rc == -EAGAIN ? full(ctx, b->worker, 1, REASON_subscriber_full) : rc;
}

/* current_drop gives up what is left of current. */
static void current_drop(struct sink_ctx *ctx, enum reason reason)
{
	struct batch *b = ctx->current;

	if (!b)
		return;
	sink_dropped(ctx->counts[b->worker], reason, b->first_event + b->events - ctx->event_no);
	ctx->current = NULL;
	batch_done(b);
}

/* advance sends rows of current. Returns events sent, or -errno: broken */
static int advance(struct sink_ctx *ctx)
{
	int n = 0;

	for (; ctx->current && n < SINGLE_MAX; n++) {
		const uint8_t *row = ctx->rows.p;
		struct bytes event;
		int rc = batch_row(&ctx->rows, &event);

		if (rc <= 0) {
			struct batch *b = ctx->current;

			ctx->current = NULL;
			batch_done(b);
			break;
		}
		rc = send_event(ctx, row, event);
		if (rc == -EAGAIN) {
			ctx->rows.p = row;
			break;
		}
		if (rc < 0) {
			current_drop(ctx, REASON_write_failed);
			return rc;
		}
		ctx->event_no++;
	}
	return n;
}

static int zmq_submit(struct sink_ctx *ctx, struct batch *b)
{
	if (ctx->failed)
		return ctx->failed;
	if (!ctx->single)
		return send_batch(ctx, b);
	if (ctx->current)
		return -EAGAIN;
	ctx->current = b;
	ctx->rows = batch_rows(b);
	ctx->event_no = b->first_event;
	pulse_sent(&ctx->pulse, b, ctx->now_ns);
	advance(ctx); /* what breaks now was counted, and is said by the next call */
	return 0;
}

/* heartbeats sends one for each stream that has been quiet. Returns how many. */
static int heartbeats(struct sink_ctx *ctx)
{
	const struct pulse_stream *ps;
	uint8_t facts[PULSE_MAX];
	int n = 0;

	while (n < PULSES_MAX && (ps = pulse_due(&ctx->pulse, ctx->now_ns, ctx->heartbeat_ns))) {
		size_t len =
			pulse_write(ps, ctx->source, ctx->boot_id, clock_ns(CLOCK_REALTIME), facts);
		zmq_msg_t msg;

		if (payload_small(&msg, facts, len) < 0)
			break;
		if (send_frames(ctx, ps->facts->topic, ps->facts->topic_len, &msg) < 0)
			zmq_msg_close(&msg);
		n++;
	}
	return n;
}

static int zmq_work(struct sink_ctx *ctx)
{
	int n = subscriptions_read(ctx), sent;

	ctx->now_ns = clock_ns(CLOCK_MONOTONIC);
	slots_reclaim(&ctx->slots);
	sent = ctx->current ? advance(ctx) : 0;
	if (ctx->failed)
		return ctx->failed;
	if (ctx->heartbeat_ns && !ctx->current)
		n += heartbeats(ctx);
	return n + sent;
}

static int zmq_flush(struct sink_ctx *ctx, uint64_t deadline_ns)
{
	struct timespec ts = {0, 500000};

	/* drained for a while: meanwhile libzmq writes what the kernel had no room for, however
	 * late its thread comes to run */
	for (unsigned drained = 0; !ctx->failed && drained < DRAINED_ROUNDS;) {
		bool busy = ctx->current || slots_reclaim(&ctx->slots) ||
			    atomic_load_explicit(&ctx->single_out, memory_order_acquire);

		drained = busy || !subscribers_drained(ctx) ? 0 : drained + 1;
		if (!drained && clock_ns(CLOCK_MONOTONIC) >= deadline_ns)
			return -ETIMEDOUT;
		if (zmq_work(ctx) == 0)
			nanosleep(&ts, NULL);
	}
	return ctx->failed;
}

static void zmq_state(struct sink_ctx *ctx, struct sink_state *state)
{
	for (unsigned i = 0; i < ctx->subscribers_n; i++) {
		const struct subscriber *sub = &ctx->subscribers[i];

		state->peers += sub->ino && socket_ino(sub->fd) == sub->ino;
	}
}

static const char *zmq_error(struct sink_ctx *ctx)
{
	return ctx->error;
}

static int zmq_close_sink(struct sink_ctx *ctx)
{
	int linger = slots_reclaim(&ctx->slots) || ctx->current ? 0 : LINGER_MS;

	current_drop(ctx, REASON_purge_queue);
	if (ctx->socket) {
		zmq_setsockopt(ctx->socket, ZMQ_LINGER, &linger, sizeof(linger));
		zmq_close(ctx->socket);
	}
	if (ctx->zmq)
		zmq_ctx_term(ctx->zmq); /* all that was lent has come back when this returns */
	slots_close(&ctx->slots);
	pulse_close(&ctx->pulse);
	free(ctx);
	return 0;
}

/* socket_open binds. Returns  0, or -errno with error filled */
static int socket_open(
	struct sink_ctx *ctx, const struct sink_options *opt, unsigned hwm, char error[256])
{
	int on = 1, mark = (int)hwm;
	char endpoint[256];

	snprintf(endpoint, sizeof(endpoint), "%s%s", strstr(opt->target, "://") ? "" : "tcp://",
		opt->target);
	ctx->zmq = zmq_ctx_new();
	ctx->socket = ctx->zmq ? zmq_socket(ctx->zmq, ZMQ_XPUB) : NULL;
	if (!ctx->socket)
		goto failed;
	zmq_setsockopt(ctx->socket, ZMQ_SNDHWM, &mark, sizeof(mark));
	zmq_setsockopt(ctx->socket, ZMQ_XPUB_VERBOSER, &on, sizeof(on));
	zmq_setsockopt(ctx->socket, ZMQ_TCP_KEEPALIVE, &on, sizeof(on));
	if (ctx->when_full != WHEN_FULL_SUBSCRIBER)
		zmq_setsockopt(ctx->socket, ZMQ_XPUB_NODROP, &on, sizeof(on));
	if (zmq_bind(ctx->socket, endpoint) == 0)
		return 0;
failed:
	snprintf(error, 256, "zmq: cannot bind %.140s: %s%s", endpoint, zmq_strerror(errno),
		errno == EADDRINUSE ? "; stop what listens there or choose another port"
				    : "; give an address of this host, or * for all");
	return errno ? -errno : -EINVAL;
}

static int zmq_open(struct sink_ctx **out, const struct sink_options *opt, char error[256])
{
	const char *mode = sink_param(opt, "mode", "batch");
	bool single = strcmp(mode, "single") == 0;
	unsigned hwm = single ? 100000 : opt->quota, heartbeat_ms = 1000, wait = 0;
	struct sink_ctx *ctx;
	int rc;

	if (!single && strcmp(mode, "batch") != 0) {
		snprintf(error, 256, "zmq: mode=%.60s is not known: batch or single", mode);
		return -EINVAL;
	}
	rc = sink_param_number(opt, "hwm", 1, 100000000, &hwm, error);
	if (rc == 0)
		rc = sink_param_number(opt, "wait", 0, SUBSCRIBERS_MAX, &wait, error);
	if (rc == 0)
		rc = sink_param_number(opt, "heartbeat_ms", 0, 3600000, &heartbeat_ms, error);
	if (rc < 0)
		return rc;
	snprintf(error, 256, "zmq: no memory");
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return -ENOMEM;
	ctx->counts = opt->counts;
	ctx->when_full = opt->when_full;
	ctx->single = single;
	ctx->wait = wait;
	ctx->heartbeat_ns = heartbeat_ms * 1000000ull;
	ctx->now_ns = clock_ns(CLOCK_MONOTONIC);
	ctx->source = (struct str){opt->source, (uint32_t)strnlen(opt->source, 63)};
	ctx->boot_id = opt->boot_id;
	rc = slots_open(&ctx->slots, opt->quota, single ? 1 : opt->quota, opt->batch_bytes);
	if (rc == 0)
		rc = pulse_open(&ctx->pulse);
	if (rc == 0)
		rc = socket_open(ctx, opt, hwm, error);
	if (rc < 0) {
		zmq_close_sink(ctx);
		return rc;
	}
	*out = ctx;
	return 0;
}

static const char *const zmq_keys[] = {"mode", "wait", "hwm", "heartbeat_ms", NULL};

const struct sink zmq_sink = {
	.name = "zmq",
	.help = "zmq://HOST:PORT or zmq:ipc://PATH "
		"[?mode=batch|single&wait=N&hwm=N&heartbeat_ms=N]",
	.keys = zmq_keys,
	.live_when_full = WHEN_FULL_SUBSCRIBER,
	.open = zmq_open,
	.ready = zmq_ready,
	.submit = zmq_submit,
	.poll = zmq_work,
	.flush = zmq_flush,
	.state = zmq_state,
	.error = zmq_error,
	.close = zmq_close_sink,
};
