#define _GNU_SOURCE
#include "engine/worker_hooks.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "capture/dpdk/eal.h"
#include "engine/config/feed_spec.h"
#include "engine/metrics/latencies.h"
#include "publish/idle.h"

enum { LOSSES_EVERY_NS = 200000 };
enum { SPINS = 32, YIELDS = 2, LONG_IDLE = 64 }; /* bursts without a packet */
enum { UNIT_MAX = 65536 + 16 }; /* a CME message with its marker and packet header */

/* family_of_type is the family (FAMILY_x) of each event type. */
static const uint8_t family_of_type[EVENT_TYPES] = {
	[EVENT_MBO] = FAMILY_MBO,
	[EVENT_MBP] = FAMILY_MBP,
	[EVENT_BBO] = FAMILY_BBO,
	[EVENT_TRADE] = FAMILY_TRADE,
	[EVENT_FIX] = FAMILY_FIX,
	[EVENT_IMBALANCE] = FAMILY_STATUS,
	[EVENT_STATUS] = FAMILY_STATUS,
	[EVENT_DEFINITION] = FAMILY_REF,
	[EVENT_STATS] = FAMILY_REF,
	[EVENT_SYSTEM] = FAMILY_STATUS,
	[EVENT_GAP] = FAMILY_STATUS,
	[EVENT_UNKNOWN] = FAMILY_STATUS,
	[EVENT_LEDGER] = FAMILY_OPS,
	[EVENT_PACKET] = FAMILY_PACKET,
	[EVENT_ICMP] = FAMILY_APP,
	[EVENT_DNS] = FAMILY_APP,
	[EVENT_TALKER] = FAMILY_FLOW,
	[EVENT_TRAFFIC] = FAMILY_FLOW,
	[EVENT_LATENCY] = FAMILY_OPS,
};

/* types_of makes families of events their types. */
static uint64_t types_of(uint32_t families)
{
	uint64_t types = 0;

	for (unsigned type = 0; type < EVENT_TYPES; type++)
		if (event_payload_size[type] && families >> family_of_type[type] & 1)
			types |= 1ull << type;
	return types;
}

uint64_t worker_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static struct stream *open_stream(
	struct worker *w, enum domain domain, struct str venue, uint32_t channel)
{
	struct stream_spec spec = {domain, venue, channel};
	struct stream *s = stream_open(w->streams, &spec);

	if (s)
		stream_clock(w->streams, s, w->ts_quality, w->clock_error_ns);
	else
		LOG(WARN,
			"no room for another stream, its events are lost venue=%.*s channel=%u: "
			"raise "
			"engine.streams_max",
			(int)venue.len, venue.p, channel);
	return s;
}

static void *feed_stream(void *ctx, const char *venue, uint32_t channel)
{
	return open_stream(ctx, DOMAIN_MD, str_of(venue), channel);
}

static void *fix_stream(void *ctx, const struct fix_session *session)
{
	return open_stream(
		ctx, DOMAIN_FIX, (struct str){session->name, session->name_len}, session->channel);
}

static void *net_stream(void *ctx, uint32_t bucket)
{
	return open_stream(ctx, DOMAIN_NET, STR(""), bucket);
}

static void session_changed(void *ctx, void *stream, struct str session)
{
	struct worker *w = ctx;

	stream_session(w->streams, stream, session);
}

static void feed_assumed(void *ctx, const struct feed_line *line)
{
	char text[FEED_SPEC_TEXT];

	(void)ctx;
	feed_spec_print(text, line);
	LOG(NOTICE, "recognised a feed by its bytes: --feed %s", text);
}

/* look_for_losses: a channel's packets may have come through any queue, so its gaps look at the
 * losses of all. until_ns is read before what was lost until then. */
static void look_for_losses(struct worker *w, uint64_t now_ns)
{
	struct worker_losses *all = w->setup->losses, *own = &all[w->index];
	uint64_t losses = 0, until_ns = UINT64_MAX;
	struct source_stats stats = {0};

	w->source->ops->stats(w->source, &stats);
	for (int i = 0; i < REASON_COUNT; i++)
		losses += stats.dropped[i];
	losses += stats.outages;
	w->losses_ns = now_ns;
	atomic_store_explicit(&own->packets, losses, memory_order_relaxed);
	atomic_store_explicit(&own->until_ns, w->over ? UINT64_MAX : now_ns, memory_order_release);
	losses = 0;
	for (unsigned i = 0; i < w->setup->cfg->engine.workers; i++) {
		uint64_t known_ns = atomic_load_explicit(&all[i].until_ns, memory_order_acquire);

		if (known_ns < until_ns)
			until_ns = known_ns;
		losses += atomic_load_explicit(&all[i].packets, memory_order_relaxed);
	}
	channel_losses(&w->feeds.ctx, now_ns, until_ns, losses);
}

static void ask_losses(void *ctx)
{
	look_for_losses(ctx, worker_now_ns());
}

void worker_note_losses(struct worker *w, uint64_t now_ns)
{
	if (now_ns - w->losses_ns >= LOSSES_EVERY_NS)
		look_for_losses(w, now_ns);
}

void worker_interval(struct worker *w)
{
	const struct interval_report *report =
		atomic_load_explicit(&w->stats, memory_order_acquire);
	void *stream;

	interval_begin(w->interval);
	if (!report)
		return;
	stream = net_stream(w, 0);
	if (stream && w->setup->families >> FAMILY_FLOW & 1) {
		events_switch(&w->events, stream);
		w->events.base = (struct event){.ts_recv_ns = report->traffic.ts_end_ns};
		w->events.sub_seq = 0;
		events_push(&w->events, EVENT_TRAFFIC)->traffic = report->traffic;
		events_push(&w->events, EVENT_TALKER)->talker = report->src;
		events_push(&w->events, EVENT_TALKER)->talker = report->dst;
		events_flush(&w->events);
	}
	atomic_store_explicit(&w->stats, NULL, memory_order_release);
}

void worker_save(struct worker *w, const struct packet *pkts, int n, uint64_t now_ns)
{
	if (n > 0)
		saver_take(&w->saver, pkts, (unsigned)n);
	else
		saver_idle(&w->saver, now_ns);
}

/* The streams of a feed table were opened before the first packet came. */
void worker_clock(struct worker *w, uint8_t ts_quality)
{
	w->ts_quality = ts_quality;
	w->clock_error_ns = clock_error(w->setup->clock, ts_quality);
	streams_clock(w->streams, ts_quality, w->clock_error_ns);
}

void worker_round(struct worker *w, uint32_t round)
{
	feeds_round(&w->feeds, round);
	tcp_streams_end(&w->tcp);
	tcp_streams_round(&w->tcp, round);
}

/* begin_ops begins an event of the program itself. */
static void begin_ops(struct worker *w, uint64_t seq)
{
	events_switch(&w->events, w->ops);
	stream_clock(w->streams, w->ops, TS_Q_USER, clock_error(w->setup->clock, TS_Q_USER));
	w->events.base = (struct event){.ts_recv_ns = worker_now_ns(), .seq = seq};
	w->events.base.venue = str_of(w->setup->cfg->engine.name);
	w->events.sub_seq = 0;
}

void worker_send_step(struct worker *w)
{
	int64_t step_ns = atomic_load_explicit(&w->clock_step_ns, memory_order_relaxed);
	struct event *ev;

	if (!step_ns)
		return;
	atomic_fetch_sub_explicit(&w->clock_step_ns, step_ns, memory_order_relaxed);
	if (!w->ops)
		return;
	begin_ops(w, 0);
	ev = events_push(&w->events, EVENT_SYSTEM);
	ev->flags |= EVENT_FLAG_LAST;
	ev->system.code = SYSTEM_EVENT_CODE_CLOCK_STEP;
	ev->system.clock_step_ns = step_ns;
	events_flush(&w->events);
}

void worker_send_report(struct worker *w)
{
	const struct ledger_report *report = atomic_load_explicit(&w->report, memory_order_acquire);
	const struct latencies *latencies = w->setup->latencies;
	struct event *ev;

	if (!report)
		return;
	if (!w->ops) { /* no stream was left for it */
		atomic_store_explicit(&w->report, NULL, memory_order_release);
		return;
	}
	begin_ops(w, report->number);
	ev = events_push(&w->events, EVENT_LEDGER);
	ledger_report_event(report, ev);
	for (unsigned i = 0; latencies && i < latencies->samples_n; i++) {
		ev = events_push(&w->events, EVENT_LATENCY);
		ev->latency = latencies->samples[i];
	}
	events_flush(&w->events);
	atomic_store_explicit(&w->report, NULL, memory_order_release);
}

static uint32_t power_of_two(uint64_t least)
{
	uint32_t size = 1;

	while (size < least)
		size *= 2;
	return size;
}

int worker_init(struct worker *w, unsigned index, const struct worker_setup *setup,
	struct source *source, const struct streams_options *streams)
{
	const struct config *cfg = setup->cfg;
	struct feed_options feeds = {
		.channel =
			{
				.window_packets = (uint32_t)cfg->arbitration.window_packets,
				.window_us = (uint32_t)cfg->arbitration.window_ms * 1000,
				.single_line_packets =
					(uint32_t)cfg->arbitration.single_line_packets,
				.single_line_us = (uint32_t)cfg->arbitration.single_line_ms * 1000,
				.heartbeats = cfg->decode.heartbeats,
			},
		.channels_max = (uint32_t)cfg->engine.channels_max,
		.recognise = setup->recognise,
		.selection = setup->selection,
	};
	uint32_t message_max = (uint32_t)cfg->fix.message_max_kib * 1024;
	struct tcp_streams_options tcp = {
		.tcp =
			{
				.flows_max = (uint32_t)cfg->tcp.flows_max,
				.buffers_max = 1024,
				.unit_max = message_max > UNIT_MAX ? message_max : UNIT_MAX,
				.idle_ns = 300ull * 1000000000ull,
			},
		.message_max = message_max,
		.sessions_max = (uint32_t)cfg->fix.sessions_max,
		.fix = setup->families >> FAMILY_FIX & 1 &&
		       (cfg->decode.recognise != RECOGNISE_OFF || cfg->fix.ports.n),
		.fix_ports = cfg->fix.ports.v,
		.fix_ports_n = cfg->fix.ports.n,
	};
	struct net_options net = {
		.packets = setup->families >> FAMILY_PACKET & 1,
		.transactions = setup->families >> FAMILY_APP & 1,
		.data_max = config_packet_bytes(cfg),
		.buckets = (uint32_t)cfg->decode.buckets,
		.questions_max = power_of_two(cfg->decode.questions_max),
		.udp_first = setup->recognise,
	};
	struct feed_hooks feed_hooks = {w, feed_stream, session_changed, feed_assumed};
	struct fix_hooks fix_hooks = {w, fix_stream, session_changed};
	int rc;

	*w = (struct worker){
		.index = index,
		.setup = setup,
		.source = source,
		.types = types_of(setup->families),
		.shows = net.packets || net.transactions,
		.over = config_source_kind(cfg) == CONFIG_FILE, /* it loses nothing meanwhile */
	};
	rc = streams_open(&w->streams, streams);
	if (rc < 0)
		return rc;
	rc = events_init(&w->events, worker_flush, w);
	if (rc < 0)
		goto close_streams;
	rc = selector_init(&w->selector, setup->selection, &w->events);
	if (rc < 0)
		goto free_events;
	w->events.open = worker_open;
	w->events.direct =
		!w->events.select && !streams->batch_events && !(event_row_types & ~w->types);
	rc = feeds_init(&w->feeds, &feeds, &feed_hooks, setup->table->rows, setup->table->rows_n,
		&w->events);
	if (rc < 0)
		goto free_selector;
	if (w->over)
		atomic_store_explicit(
			&setup->losses[index].until_ns, UINT64_MAX, memory_order_relaxed);
	w->feeds.ctx.losses_known = !source->hides_loss;
	w->feeds.ctx.ask_losses = ask_losses;
	w->feeds.ctx.ask_losses_ctx = w;
	rc = tcp_streams_init(&w->tcp, &tcp, &fix_hooks, &w->feeds, &w->events);
	if (rc < 0)
		goto free_feeds;
	rc = net_init(&w->net, &net, net_stream, w, &w->events);
	if (rc < 0)
		goto free_tcp;
	if (setup->intervals)
		w->interval = &setup->intervals->workers[index];
	if (setup->savefile)
		rc = saver_open(&w->saver, setup->savefile);
	if (rc < 0)
		goto free_net;
	if (index == 0)
		w->ops = open_stream(w, DOMAIN_OPS, str_of(cfg->engine.name), 0);
	if (w->ops)
		stream_clock(w->streams, w->ops, TS_Q_USER, clock_error(setup->clock, TS_Q_USER));
	return 0;

free_net:
	net_free(&w->net);
free_tcp:
	tcp_streams_free(&w->tcp);
free_feeds:
	feeds_free(&w->feeds);
free_selector:
	selector_free(&w->selector);
free_events:
	events_free(&w->events);
close_streams:
	streams_close(w->streams);
	return rc;
}

unsigned worker_close(struct worker *w)
{
	if (w->saver.file)
		saver_close(&w->saver);
	net_free(&w->net);
	tcp_streams_free(&w->tcp);
	feeds_free(&w->feeds);
	selector_free(&w->selector);
	events_free(&w->events);
	w->source->ops->close(w->source);
	return streams_close(w->streams);
}

void worker_finish(struct worker *w)
{
	w->over = true;
	look_for_losses(w, worker_now_ns());
	feeds_end(&w->feeds);
	tcp_streams_end(&w->tcp);
	net_end(&w->net);
	if (w->saver.file)
		saver_flush(&w->saver);
	events_flush(&w->events);
	streams_flush(w->streams);
}

/* rest is how a worker waits for packets: it spins for some microseconds, yields, then sleeps until
 * packets come or something else is due. A source that cannot wake it bounds the sleep itself. */
static void rest(struct worker *w, unsigned rounds)
{
	unsigned most_us = !streams_quiet(w->streams) ? 500 : rounds < LONG_IDLE ? 1000 : 10000;

	if (rounds <= SPINS || w->setup->cfg->engine.busy_poll)
		spin_pause();
	else if (rounds <= SPINS + YIELDS)
		sched_yield();
	else
		w->source->ops->wait(w->source, most_us);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct idle idle = {0};
	char name[16];

	snprintf(name, sizeof(name), "worker-%u", w->index);
	pthread_setname_np(pthread_self(), name);
	placement_take(w->setup->placement, w->index);
	if (eal_started())
		eal_worker();
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		unsigned did = worker_do_work(w);

		if (w->ended)
			atomic_store_explicit(&w->state, 1, memory_order_release);
		if (w->ended)
			idle_wait(&idle, did);
		else if (did == 0)
			rest(w, ++idle.rounds);
		else
			idle.rounds = 0;
	}
	if (!w->ended)
		worker_finish(w);
	streams_flush(w->streams);
	atomic_store_explicit(&w->state, 1, memory_order_release);
	return NULL;
}

int worker_start(struct worker *w)
{
	int rc = pthread_create(&w->thread, NULL, run, w);

	w->started = rc == 0;
	return -rc;
}

void worker_join(struct worker *w)
{
	if (w->started)
		pthread_join(w->thread, NULL);
	w->started = false;
}

static struct ledger_stage *stage(struct ledger_cut *cut, const char *name, const char *unit,
	uint64_t entered, uint64_t left, uint64_t held, const uint64_t dropped[REASON_COUNT])
{
	struct ledger_stage *s = ledger_cut_stage(cut, name, unit);

	s->entered = entered;
	s->left = left;
	s->held = held;
	memcpy(s->dropped, dropped, sizeof(s->dropped));
	return s;
}

void worker_stages(const struct worker *w, struct ledger_cut *cut)
{
	const struct feed_counts *feed = &w->feeds.ctx.counts;
	const struct tcp_counts *tcp = &w->tcp.tcp.counts;
	const struct fix_counts *fix = &w->tcp.fix.counts;
	struct source_stats src = {0};
	uint64_t entered;

	w->source->ops->stats(w->source, &src);
	entered = src.received;
	for (int i = 0; i < REASON_COUNT; i++)
		entered += src.dropped[i];
	src.dropped[REASON_filtered] += src.filtered;
	stage(cut, "capture", "packet", entered, w->counts.packets, src.held, src.dropped);
	if (w->setup->cfg->engine.workers > 1) /* packets that came to another worker first */
		stage(cut, "resteer", "packet", src.resteered, src.resteered - src.resteered_held,
			src.resteered_held, (uint64_t[REASON_COUNT]){0});
	if (w->saver.file)
		stage(cut, "write", "packet", w->saver.entered, w->saver.written, w->saver.held,
			w->saver.dropped);
	stage(cut, "frame", "packet", w->counts.packets, w->counts.frames_out, 0,
		w->counts.dropped);
	stage(cut, "feed", "packet", feed->packets_in, feed->packets_out, feed->packets_held,
		feed->packet_dropped);
	stage(cut, "message", "message", feed->messages_in, feed->messages_out, 0,
		feed->message_dropped);
	stage(cut, "tcp", "segment", tcp->segments, tcp->delivered, 0, tcp->dropped);
	stage(cut, "fix", "message", fix->messages_in, fix->messages_out, 0, fix->dropped);
	if (w->net.opt.transactions)
		stage(cut, "dns", "message", w->net.dns.counts.messages, w->net.dns.counts.joined,
			w->net.dns.waiting, w->net.dns.counts.dropped);
	cut->facts.received_bytes = src.received_bytes;
	cut->facts.outages = src.outages;
	for (unsigned c = 0; c < LEDGER_CAUSES; c++) {
		cut->facts.gaps[c] = feed->gaps.gaps[c] + fix->gaps.gaps[c];
		cut->facts.messages_lost[c] =
			feed->gaps.messages_lost[c] + fix->gaps.messages_lost[c];
	}
	stage(cut, "event", "event", w->counts.events_in, w->counts.events_out, 0,
		w->counts.event_dropped);
}
