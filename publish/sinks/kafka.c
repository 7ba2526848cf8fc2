/* kafka: librdkafka's idempotent producer.
 *
 * In mode batch a record's value is the batch itself, lent without a copy; its delivery report
 * gives it back. In the modes single and delimited librdkafka copies, and the batch goes back at
 * once. Every record is answered by a delivery report: its events have left, or are dropped by
 * reason.
 *
 * An idempotent producer has no more than 5 records of a partition under way, and its thread spins
 * while it was given more. So batches wait here until their partition's reports come; in mode single,
 * where so few would be too slow, librdkafka gathers records for some ms instead
 * (docs/decisions/0015). */
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "publish/rows/buf.h"
#include "publish/rows/rowfile.h"
#include "publish/rows/rows.h"
#include "publish/sinks/kafka/topics.h"

enum {
	SINGLE_MAX = 256,   /* records of mode single in a row */
	CONNECT_MS = 10000, /* how long the first broker may take to answer */
	RECORD_OVERHEAD = 4096,
	FLIGHT_MAX = 5, /* librdkafka's RD_KAFKA_IDEMP_MAX_INFLIGHT */
	REPORT_WAIT_MS = 1,
};

enum mode { MODE_BATCH, MODE_SINGLE, MODE_DELIMITED };
static const char *const mode_names[] = {"batch", "single", "delimited"};

/* held is a batch that waits, or is lent. */
struct held {
	struct batch *batch;
	struct topic *topic;
	int32_t partitions; /* that lane was found for; -1: none */
	unsigned lane;      /* of its partition */
	struct held *next;  /* free ones */
};

struct sink_ctx {
	rd_kafka_t *producer;
	struct sink_counts *const *counts;
	struct hist *ack; /* NULL: not measured */
	bool down;        /* no broker, as far as known */
	enum mode mode;
	struct held *all, *free; /* as many as the quota says */
	struct held **waiting;   /* in the order they came */
	unsigned waiting_n;
	unsigned lane_max, lanes[LANES]; /* records of a partition under way, at most and now */
	struct topics topics;
	struct str source;
	uint64_t boot_id;
	/* mode single: the batch being sent */
	struct batch *current;
	struct bytes rows;
	uint64_t event_no;
	struct buf buf;
	unsigned reports; /* delivery reports seen by the last poll */
	int failed;
	char error[256];
	char broker_error[200]; /* newest thing librdkafka said */
};

/* the opaque of a record: what is held, or the worker, the lane and the events, marked by the lowest
 * bit */
static void *opaque_events(unsigned worker, unsigned lane, uint32_t events)
{
	return (void *)(uintptr_t)((uint64_t)events << 28 | lane << 16 | worker << 1 | 1);
}

static enum reason reason_of(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
		return REASON_purge_queue;
	case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
		return REASON_purge_inflight;
	default:
		return REASON_kafka_delivery;
	}
}

/* topic_hint says what to do about an error that only the operator can mend. */
static const char *topic_hint(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		return "; create the topic, or let the broker create topics";
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		return "; give this user the right to write to the topic";
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
		return "; raise the topic's max.message.bytes or make batches smaller";
	default:
		return NULL;
	}
}

static void kafka_break(struct sink_ctx *ctx, int rc, const char *topic, rd_kafka_resp_err_t err)
{
	const char *hint = topic_hint(err);

	if (ctx->failed)
		return;
	ctx->failed = rc;
	snprintf(ctx->error, sizeof(ctx->error), "kafka: topic %.100s: %s%s", topic,
		rd_kafka_err2str(err), hint ? hint : "");
}

/* held_free gives the batch back, which nobody reads any more. */
static void held_free(struct sink_ctx *ctx, struct held *h)
{
	batch_done(h->batch);
	h->next = ctx->free;
	ctx->free = h;
}

/* on_delivery answers a record. Thread: the publisher's, inside poll, flush and close. */
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct sink_ctx *ctx = opaque;
	uintptr_t mark = (uintptr_t)m->_private;
	struct held *h = mark & 1 ? NULL : m->_private;
	struct sink_counts *counts = ctx->counts[h ? h->batch->worker : mark >> 1 & 0x7fff];
	uint64_t events = h ? h->batch->events : mark >> 28;

	(void)rk;
	ctx->reports++;
	if (m->err) {
		sink_dropped(counts, reason_of(m->err), events);
		if (topic_hint(m->err))
			kafka_break(ctx, -EIO, rd_kafka_topic_name(m->rkt), m->err);
	} else {
		sink_left(counts, events);
		ctx->down = false;
		if (h && ctx->ack)
			hist_between(ctx->ack, h->batch->closed_ns, latency_now_ns());
	}
	ctx->lanes[h ? h->lane : mark >> 16 & (LANES - 1)]--;
	if (h)
		held_free(ctx, h);
}

static void on_error(rd_kafka_t *rk, int err, const char *text, void *opaque)
{
	struct sink_ctx *ctx = opaque;
	char fatal[200];

	snprintf(ctx->broker_error, sizeof(ctx->broker_error), "%s", text);
	ctx->down |= err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
	if (err != RD_KAFKA_RESP_ERR__FATAL || ctx->failed)
		return;
	rd_kafka_fatal_error(rk, fatal, sizeof(fatal));
	ctx->failed = -EIO;
	snprintf(ctx->error, sizeof(ctx->error), "kafka: the producer gave up: %s", fatal);
}

/* on_log: librdkafka's own lines would go to stderr; what matters comes through on_error. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk;
	(void)level;
	(void)facility;
	(void)text;
}

/* topic_of is topic_find; NULL: broken. */
static struct topic *topic_of(struct sink_ctx *ctx, const char *venue, const char *tail)
{
	struct topic *t = topic_find(&ctx->topics, venue, tail);

	if (!t)
		kafka_break(ctx, -EIO, tail, rd_kafka_last_error());
	return t;
}

static const char *const domain_topic[DOMAIN_COUNT] = {
	[DOMAIN_MD] = "md",
	[DOMAIN_FIX] = "fix",
	[DOMAIN_NET] = "net",
	[DOMAIN_SIGNAL] = "signal",
	[DOMAIN_OPS] = "ops",
};

/* produce hands one record over. Returns  0, -EAGAIN (its queue is full), or -errno: broken */
static int produce(struct sink_ctx *ctx, struct topic *topic, unsigned lane, int flags, void *value,
	size_t len, const void *key, size_t key_len, void *opaque)
{
	rd_kafka_resp_err_t err;

	if (rd_kafka_produce(topic->handle, RD_KAFKA_PARTITION_UA, flags, value, len, key, key_len,
		    opaque) == 0) {
		ctx->lanes[lane]++;
		return 0;
	}
	err = rd_kafka_last_error();
	if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return -EAGAIN;
	kafka_break(ctx, err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? -EMSGSIZE : -EIO,
		topic->name, err);
	return ctx->failed;
}

/* render appends the lone event, with its length in front in mode delimited. */
static void render(struct sink_ctx *ctx, const struct lone *lone)
{
	uint8_t tail[LONE_TAIL_MAX];
	size_t tail_len = lone_tail(lone, ctx->source, ctx->boot_id, tail);
	size_t len = bytes_len(lone->event) + tail_len;

	if (ctx->mode == MODE_DELIMITED) {
		for (; len >= 0x80; len >>= 7)
			buf_char(&ctx->buf, (char)(len | 0x80));
		buf_char(&ctx->buf, (char)len);
	}
	buf_put(&ctx->buf, lone->event.p, bytes_len(lone->event));
	buf_put(&ctx->buf, tail, tail_len);
}

/* lend gives a batch to librdkafka. Returns as produce */
static int lend(struct sink_ctx *ctx, struct held *h)
{
	const struct stream_facts *stream = h->batch->stream;

	return produce(ctx, h->topic, h->lane, 0, h->batch->data, h->batch->len, stream->key,
		stream->key_len, h);
}

/* send_delimited sends a batch as a record of lone events, and is done with it. Returns as produce */
static int send_delimited(struct sink_ctx *ctx, struct held *h)
{
	const struct stream_facts *stream = h->batch->stream;
	struct lone lone = {.batch = h->batch, .event_no = h->batch->first_event};
	struct bytes rows = batch_rows(h->batch);
	uint32_t events = 0;
	int rc;

	ctx->buf.len = 0;
	for (; batch_row(&rows, &lone.event) > 0; lone.event_no++, events++)
		render(ctx, &lone);
	rc = produce(ctx, h->topic, h->lane, RD_KAFKA_MSG_F_COPY, ctx->buf.p, ctx->buf.len,
		stream->key, stream->key_len, opaque_events(h->batch->worker, h->lane, events));
	if (rc < 0)
		return rc;
	if (events < h->batch->events)
		sink_dropped(
			ctx->counts[h->batch->worker], REASON_garbled, h->batch->events - events);
	held_free(ctx, h);
	return 0;
}

/* lane_of follows the number of partitions while the batch waits. */
static unsigned lane_of(const struct sink_ctx *ctx, struct held *h)
{
	int32_t partitions = atomic_load_explicit(&h->topic->partitions, memory_order_relaxed);

	if (partitions != h->partitions) {
		const struct stream_facts *stream = h->batch->stream;

		h->partitions = partitions;
		h->lane = topic_lane(
			&ctx->topics, h->topic, partitions, stream->key, stream->key_len);
	}
	return h->lane;
}

/* lend_waiting lends what may be under way, each partition's in order. Returns how many. */
static int lend_waiting(struct sink_ctx *ctx)
{
	unsigned n = ctx->waiting_n, kept = 0;
	int rc = ctx->failed;

	for (unsigned i = 0; i < n; i++) {
		struct held *h = ctx->waiting[i];

		if (rc == 0 && ctx->lanes[lane_of(ctx, h)] < ctx->lane_max) {
			rc = ctx->mode == MODE_BATCH ? lend(ctx, h) : send_delimited(ctx, h);
			if (rc == 0)
				continue;
		}
		ctx->waiting[kept++] = h;
	}
	ctx->waiting_n = kept;
	return (int)(n - kept);
}

static int send_batch(struct sink_ctx *ctx, struct batch *b)
{
	struct topic *topic = topic_of(ctx, b->stream->venue, domain_topic[b->stream->domain]);
	struct held *h = ctx->free;

	if (!topic)
		return ctx->failed;
	if (!h)
		return -EAGAIN;
	ctx->free = h->next;
	*h = (struct held){.batch = b, .topic = topic, .partitions = -1};
	ctx->waiting[ctx->waiting_n++] = h;
	lend_waiting(ctx); /* what breaks now is said by the next call */
	return 0;
}

/* waiting_drop gives up what was not lent. */
static void waiting_drop(struct sink_ctx *ctx)
{
	for (unsigned i = 0; i < ctx->waiting_n; i++) {
		struct batch *b = ctx->waiting[i]->batch;

		sink_dropped(ctx->counts[b->worker],
			ctx->failed ? REASON_write_failed : REASON_purge_queue, b->events);
		held_free(ctx, ctx->waiting[i]);
	}
	ctx->waiting_n = 0;
}

/* send_event sends one event as a record of its family's topic. */
static int send_event(struct sink_ctx *ctx, const struct lone *lone)
{
	const struct stream_facts *stream = lone->batch->stream;
	char key[ROW_KEY_MAX];
	struct row_facts facts;
	struct topic *topic;

	row_read(lone->event, &facts);
	topic = topic_of(ctx, stream->venue, event_family(stream->domain, facts.type));
	if (!topic)
		return ctx->failed;
	ctx->buf.len = 0;
	render(ctx, lone);
	return produce(ctx, topic, 0, RD_KAFKA_MSG_F_COPY, ctx->buf.p, ctx->buf.len, key,
		row_key(stream, &facts, key), opaque_events(lone->batch->worker, 0, 1));
}

/* current_end lets go of the batch; what of it was not sent is dropped. */
static void current_end(struct sink_ctx *ctx, enum reason reason)
{
	struct batch *b = ctx->current;
	uint64_t left;

	if (!b)
		return;
	left = b->first_event + b->events - ctx->event_no;
	if (left)
		sink_dropped(ctx->counts[b->worker], reason, left);
	ctx->current = NULL;
	batch_done(b);
}

/* advance sends rows of current. Returns records sent, or -errno: broken */
static int advance(struct sink_ctx *ctx)
{
	int n = 0, rc = 0;

	while (ctx->current && n < SINGLE_MAX) {
		struct lone lone = {.batch = ctx->current, .event_no = ctx->event_no};
		const uint8_t *row = ctx->rows.p;

		if (ctx->rows.p == ctx->rows.end) {
			current_end(ctx, REASON_garbled);
			break;
		}
		if (batch_row(&ctx->rows, &lone.event) > 0) {
			rc = send_event(ctx, &lone);
			if (rc == 0)
				ctx->event_no++;
			else
				ctx->rows.p = row;
		}
		if (rc == -EAGAIN)
			return n;
		if (rc < 0) {
			current_end(ctx, REASON_write_failed);
			return rc;
		}
		n++;
	}
	return n;
}

static int kafka_submit(struct sink_ctx *ctx, struct batch *b)
{
	if (ctx->failed)
		return ctx->failed;
	if (ctx->mode != MODE_SINGLE)
		return send_batch(ctx, b);
	if (ctx->current)
		return -EAGAIN;
	ctx->current = b;
	ctx->rows = batch_rows(b);
	ctx->event_no = b->first_event;
	advance(ctx); /* what breaks now was counted, and is said by the next call */
	return 0;
}

static int kafka_poll(struct sink_ctx *ctx)
{
	int n = 0;

	ctx->reports = 0;
	/* with batches that wait for a report there is nothing to do before it */
	rd_kafka_poll(ctx->producer, ctx->waiting_n ? REPORT_WAIT_MS : 0);
	n = lend_waiting(ctx);
	if (ctx->current && !ctx->failed)
		n += advance(ctx);
	return ctx->failed ? ctx->failed : n + (int)ctx->reports;
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int kafka_flush(struct sink_ctx *ctx, uint64_t deadline_ns)
{
	while (ctx->current || ctx->waiting_n || rd_kafka_outq_len(ctx->producer) > 0) {
		if (ctx->failed)
			return ctx->failed;
		if (monotonic_ns() >= deadline_ns)
			return -ETIMEDOUT;
		if (kafka_poll(ctx) == 0)
			rd_kafka_poll(ctx->producer, 5);
	}
	return ctx->failed;
}

static void kafka_state(struct sink_ctx *ctx, struct sink_state *state)
{
	state->connected = !ctx->down;
	state->queued = (uint64_t)rd_kafka_outq_len(ctx->producer) + ctx->waiting_n;
}

static const char *kafka_error(struct sink_ctx *ctx)
{
	return ctx->error;
}

static int kafka_close(struct sink_ctx *ctx)
{
	current_end(ctx, REASON_purge_queue);
	waiting_drop(ctx);
	if (ctx->producer) {
		rd_kafka_purge(ctx->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		/* every record gets its report now; nothing is sent any more */
		while (rd_kafka_outq_len(ctx->producer) > 0)
			rd_kafka_poll(ctx->producer, 10);
	}
	topics_close(&ctx->topics);
	if (ctx->producer)
		rd_kafka_destroy(ctx->producer);
	buf_close(&ctx->buf);
	free(ctx->waiting);
	free(ctx->all);
	free(ctx);
	return 0;
}

/* conf_set sets one property. Returns  0, or -EINVAL with error filled */
static int conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, char error[256])
{
	char why[160];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
		return 0;
	snprintf(error, 256, "kafka: librdkafka refuses %.60s: %.150s", name, why);
	return -EINVAL;
}

/* conf_fill sets ours, then the user's, which win. */
static int conf_fill(rd_kafka_conf_t *conf, const struct sink_options *opt, const char *brokers,
	enum mode mode, char error[256])
{
	char bytes[16];
	const char *const ours[][2] = {
		{"bootstrap.servers", brokers},
		{"client.id", "pkt-sniffer"},
		{"enable.idempotence", "true"},
		{"acks", "all"},
		{"linger.ms", mode == MODE_SINGLE ? "5" : "0"}, /* we have gathered already */
		{"partitioner", "murmur2_random"},
		{"message.max.bytes", bytes},
		{"queue.buffering.max.messages", "1000000"},
		{"topic.metadata.propagation.max.ms", "5000"},
		{"reconnect.backoff.max.ms", "500"},
	};
	int rc = 0;

	snprintf(bytes, sizeof(bytes), "%u",
		opt->batch_bytes < 1000000 - RECORD_OVERHEAD ? 1000000
							     : opt->batch_bytes + RECORD_OVERHEAD);
	for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]) && rc == 0; i++)
		rc = conf_set(conf, ours[i][0], ours[i][1], error);
	for (unsigned i = 0; i < opt->params_n && rc == 0; i++)
		if (strncmp(opt->params[i].key, "kafka.", 6) == 0)
			rc = conf_set(conf, opt->params[i].key + 6, opt->params[i].value, error);
	return rc;
}

/* brokers_check asks for metadata, so that a wrong address is said at once. */
static int brokers_check(
	struct sink_ctx *ctx, const char *brokers, unsigned connect_ms, char error[256])
{
	const struct rd_kafka_metadata *metadata;
	uint64_t deadline_ns = monotonic_ns() + connect_ms * 1000000ull;
	rd_kafka_resp_err_t err;

	if (!connect_ms)
		return 0;
	do {
		err = rd_kafka_metadata(ctx->producer, 0, NULL, &metadata, 500);
		rd_kafka_poll(ctx->producer, 0); /* on_error */
		if (!err) {
			rd_kafka_metadata_destroy(metadata);
			return 0;
		}
	} while (monotonic_ns() < deadline_ns);
	snprintf(error, 256,
		"kafka: no broker answers at %.70s within %u ms (%.90s); check the "
		"address or start it",
		brokers, connect_ms,
		ctx->broker_error[0] ? ctx->broker_error : rd_kafka_err2str(err));
	return -ECONNREFUSED;
}

/* producer_open makes the producer. Returns  0, or -errno with error filled */
static int producer_open(
	struct sink_ctx *ctx, const struct sink_options *opt, const char *brokers, char error[256])
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[160], value[32] = "";
	size_t room = sizeof(value);
	int rc = conf_fill(conf, opt, brokers, ctx->mode, error);

	if (rc < 0) {
		rd_kafka_conf_destroy(conf);
		return rc;
	}
	rd_kafka_conf_get(conf, "enable.idempotence", value, &room);
	ctx->lane_max = strcmp(value, "true") == 0 ? FLIGHT_MAX : UINT_MAX;
	room = sizeof(value);
	rd_kafka_conf_get(conf, "partitioner", value, &room);
	if (!topics_partitioner(&ctx->topics, value)) {
		snprintf(error, 256, "kafka: partitioner %.60s is not known", value);
		rd_kafka_conf_destroy(conf);
		return -EINVAL;
	}
	rd_kafka_conf_set_opaque(conf, ctx);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_log_cb(conf, on_log);
	ctx->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	ctx->topics.producer = ctx->producer;
	if (ctx->producer)
		return 0;
	rd_kafka_conf_destroy(conf);
	snprintf(error, 256, "kafka: %.200s", why);
	return -EINVAL;
}

/* target_split takes "host:port,…/prefix" apart. Returns  0, or -EINVAL with error filled */
static int target_split(
	struct sink_ctx *ctx, const char *target, char brokers[1024], char error[256])
{
	const char *slash = strchr(target, '/');
	size_t len = slash ? (size_t)(slash - target) : strlen(target);

	if (!len || len >= 1024 || (slash && strlen(slash + 1) >= sizeof(ctx->topics.prefix))) {
		snprintf(error, 256,
			"kafka://%.120s: expected kafka://HOST:PORT[,HOST:PORT…]/PREFIX", target);
		return -EINVAL;
	}
	memcpy(brokers, target, len);
	brokers[len] = 0;
	if (slash)
		snprintf(ctx->topics.prefix, sizeof(ctx->topics.prefix), "%s", slash + 1);
	return 0;
}

static int kafka_open(struct sink_ctx **out, const struct sink_options *opt, char error[256])
{
	const char *mode = sink_param(opt, "mode", "batch");
	struct sink_ctx *ctx = calloc(1, sizeof(*ctx));
	unsigned connect_ms = CONNECT_MS;
	char brokers[1024];
	int rc = -ENOMEM;

	snprintf(error, 256, "kafka: no memory");
	if (!ctx || buf_open(&ctx->buf) < 0)
		goto failed;
	ctx->waiting = calloc(opt->quota, sizeof(*ctx->waiting));
	ctx->all = calloc(opt->quota, sizeof(*ctx->all));
	if (!ctx->waiting || !ctx->all)
		goto failed;
	for (unsigned i = 0; i < opt->quota; i++) {
		ctx->all[i].next = ctx->free;
		ctx->free = &ctx->all[i];
	}
	ctx->counts = opt->counts;
	ctx->ack = opt->ack;
	ctx->boot_id = opt->boot_id;
	ctx->source = (struct str){opt->source, (uint32_t)strnlen(opt->source, 63)};
	while (ctx->mode <= MODE_DELIMITED && strcmp(mode, mode_names[ctx->mode]) != 0)
		ctx->mode++;
	if (ctx->mode > MODE_DELIMITED) {
		snprintf(error, 256, "kafka: mode=%.60s is not known: batch, single or delimited",
			mode);
		rc = -EINVAL;
		goto failed;
	}
	rc = sink_param_number(opt, "connect_ms", 0, 3600000, &connect_ms, error);
	ctx->down = !connect_ms; /* else brokers_check has seen one */
	if (rc == 0)
		rc = target_split(ctx, opt->target, brokers, error);
	if (rc == 0)
		rc = producer_open(ctx, opt, brokers, error);
	if (rc == 0)
		rc = brokers_check(ctx, brokers, connect_ms, error);
	if (rc < 0)
		goto failed;
	*out = ctx;
	return 0;

failed:
	if (ctx)
		kafka_close(ctx);
	return rc;
}

static const char *const kafka_keys[] = {"mode", "connect_ms", "kafka.*", NULL};

const struct sink kafka_sink = {
	.name = "kafka",
	.help = "kafka://HOST:PORT[,…]/PREFIX "
		"[?mode=batch|single|delimited&connect_ms=N&kafka.NAME=VALUE]",
	.keys = kafka_keys,
	.live_when_full = WHEN_FULL_DROP_NEWEST,
	.open = kafka_open,
	.submit = kafka_submit,
	.poll = kafka_poll,
	.flush = kafka_flush,
	.state = kafka_state,
	.error = kafka_error,
	.close = kafka_close,
};
