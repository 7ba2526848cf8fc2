/* Rings, publishers and the ledger, with a sink that does what the test says. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "events/event_write.h"
#include "tests/support/publish_rig.h"

enum { HELD_MAX = 512 };

/* script is what the scripted sink does next, and what it saw. */
struct sink_ctx {
	struct sink_counts *const *counts;
	bool refuse, hold, broken, closed;
	struct batch *held[HELD_MAX];
	unsigned held_n;
	uint64_t seen[HELD_MAX]; /* batch_seq in the order taken */
	unsigned seen_n;
	const struct batch *refused; /* must be offered again first */
};

static struct sink_ctx script;

static int script_open(struct sink_ctx **ctx, const struct sink_options *opt, char error[256])
{
	(void)error;
	script.counts = opt->counts;
	*ctx = &script;
	return 0;
}

static int script_submit(struct sink_ctx *ctx, struct batch *b)
{
	if (ctx->broken)
		return -EIO;
	cr_assert(!ctx->refused || ctx->refused == b, "the same batch is offered again");
	ctx->refused = ctx->refuse ? b : NULL;
	if (ctx->refuse)
		return -EAGAIN;
	ctx->seen[ctx->seen_n++ % HELD_MAX] = b->batch_seq;
	if (ctx->hold) {
		ctx->held[ctx->held_n++] = b;
		return 0;
	}
	sink_left(ctx->counts[b->worker], b->events);
	batch_done(b);
	return 0;
}

static void script_release(enum reason reason)
{
	for (unsigned i = 0; i < script.held_n; i++) {
		struct batch *b = script.held[i];

		if (reason)
			sink_dropped(script.counts[b->worker], reason, b->events);
		else
			sink_left(script.counts[b->worker], b->events);
		batch_done(b);
	}
	script.held_n = 0;
}

static int script_flush(struct sink_ctx *ctx, uint64_t deadline_ns)
{
	(void)deadline_ns;
	return ctx->held_n ? -ETIMEDOUT : 0;
}

static const char *script_error(struct sink_ctx *ctx)
{
	return ctx->broken ? "script: it broke; mend it" : "";
}

static int script_close(struct sink_ctx *ctx)
{
	script_release(REASON_purge_inflight);
	ctx->closed = true;
	return 0;
}

static const struct sink script_sink = {
	.name = "script",
	.help = "script:",
	.live_when_full = WHEN_FULL_DROP_NEWEST,
	.open = script_open,
	.submit = script_submit,
	.flush = script_flush,
	.error = script_error,
	.close = script_close,
};

static void open_script(struct rig *rig, enum when_full when_full, unsigned depth)
{
	struct rig_options opt = {
		.uris = {"script:"},
		.sinks = {&script_sink},
		.when_full = {when_full},
		.depth = depth,
		.batch_events = 10,
	};

	cr_assert_eq(rig_open(rig, &opt), 0, "%s", rig->error);
}

static void check_balance(struct rig *rig)
{
	const struct ledger_report *report = rig_report(rig);

	if (!ledger_balances(report))
		ledger_print(report, stderr, true);
	cr_assert(ledger_balances(report));
}

Test(publisher, batches_reach_the_sink_in_order)
{
	struct rig rig;
	struct stream *s;

	open_script(&rig, WHEN_FULL_BLOCK, 64);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	rig_mbo(&rig, 0, s, 1, 305);
	rig_finish(&rig, 0);
	cr_assert_eq(script.seen_n, 31);
	for (unsigned i = 0; i < 31; i++)
		cr_assert_eq(script.seen[i], i + 1);
	cr_assert_eq(rig_count(&rig, 0).left, 305);
	cr_assert(script.closed);
	check_balance(&rig);
	cr_assert_eq(rig_close(&rig), 0);
}

static uint64_t measured(const struct hist *h, struct hist_sum *sum)
{
	*sum = (struct hist_sum){0};
	hist_read(sum, h);
	return sum->count;
}

Test(publisher, each_batch_is_one_value_of_each_hop)
{
	static struct hist_sum sum;
	const struct publisher_latency *latency;
	struct stream *kernel, *file, *ops;
	struct rig rig;

	open_script(&rig, WHEN_FULL_BLOCK, 64);
	latency = publisher_latency(rig.pubs[0]);
	kernel = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	file = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 1);
	ops = rig_stream(&rig, 0, DOMAIN_OPS, "rig", 0);
	stream_clock(rig.ws[0], kernel, 2, 0);
	stream_clock(rig.ws[0], file, 4, 0);
	stream_clock(rig.ws[0], ops, 3, 0);
	script.refuse = true;
	rig_mbo(&rig, 0, kernel, 1, 70);
	rig_mbo(&rig, 0, file, 1, 50);
	rig_mbo(&rig, 0, ops, 1, 30);
	rig_work(&rig);
	usleep(20000);
	cr_assert_eq(measured(streams_latency(rig.ws[0]), &sum), 15);
	cr_assert_eq(measured(&latency->ring, &sum), 15, "absorbed, though the sink refuses");
	cr_assert_eq(measured(&latency->submit, &sum), 0);
	script.refuse = false;
	rig_finish(&rig, 0);
	cr_assert_eq(measured(&latency->submit, &sum), 15);
	cr_assert_gt(hist_min(&sum), 19000000, "the sink's 20 ms are in it");
	cr_assert_eq(measured(&latency->capture, &sum), 7, "stamps of now alone, no reports");
	cr_assert_gt(hist_min(&sum), 100000000000000000, "packets of 2019");
	cr_assert_eq(measured(&latency->ack, &sum), 0);
	check_balance(&rig);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(publisher, drop_newest_is_counted_and_is_a_hole_in_batch_seq)
{
	struct rig rig;
	struct stream *s;

	open_script(&rig, WHEN_FULL_DROP_NEWEST, 8);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	script.refuse = true;
	rig_mbo(&rig, 0, s, 1, 80);
	rig_work(&rig);
	rig_mbo(&rig, 0, s, 81, 50);
	cr_assert_eq(rig_count(&rig, 0).dropped[REASON_ring_full], 50);
	cr_assert_eq(rig_count(&rig, 0).held, 80);
	check_balance(&rig);
	script.refuse = false;
	rig_work(&rig);
	rig_mbo(&rig, 0, s, 131, 10);
	rig_finish(&rig, 0);
	cr_assert_eq(script.seen_n, 9);
	cr_assert_eq(script.seen[7], 8);
	cr_assert_eq(script.seen[8], 14);
	check_balance(&rig);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(publisher, drop_oldest_keeps_the_newest_and_the_batch_that_was_offered)
{
	struct rig rig;
	struct stream *s;

	open_script(&rig, WHEN_FULL_DROP_OLDEST, 8);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	script.refuse = true;
	for (unsigned i = 0; i < 20; i++) {
		rig_mbo(&rig, 0, s, 1 + i * 10, 10);
		rig_work(&rig);
	}
	cr_assert_eq(rig_count(&rig, 0).dropped[REASON_ring_evicted], 140);
	cr_assert_eq(rig_count(&rig, 0).dropped[REASON_ring_full], 0);
	cr_assert_eq(rig_count(&rig, 0).held, 60);
	check_balance(&rig);
	script.refuse = false;
	rig_finish(&rig, 0);
	cr_assert_eq(script.seen_n, 6);
	cr_assert_eq(script.seen[0], 1);
	cr_assert_eq(script.seen[1], 16);
	cr_assert_eq(script.seen[5], 20);
	check_balance(&rig);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(publisher, stop_says_that_the_ring_was_full)
{
	struct rig rig;
	struct stream *s;

	open_script(&rig, WHEN_FULL_STOP, 4);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	rig_mbo(&rig, 0, s, 1, 40);
	cr_assert_not(streams_stopped(rig.ws[0]));
	rig_mbo(&rig, 0, s, 41, 10);
	cr_assert(streams_stopped(rig.ws[0]));
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).dropped[REASON_ring_full], 10);
	check_balance(&rig);
	cr_assert_eq(rig_close(&rig), 0);
}

static void *give_up_soon(void *arg)
{
	struct rig *rig = arg;

	usleep(30000);
	atomic_store(&rig->give_up, true);
	return NULL;
}

Test(publisher, a_blocked_worker_gives_up_when_told, .timeout = 20)
{
	struct rig rig;
	struct stream *s;
	pthread_t thread;

	open_script(&rig, WHEN_FULL_BLOCK, 4);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	cr_assert_eq(pthread_create(&thread, NULL, give_up_soon, &rig), 0);
	rig_mbo(&rig, 0, s, 1, 60);
	pthread_join(thread, NULL);
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, 40);
	cr_assert_eq(rig_count(&rig, 0).dropped[REASON_purge_queue], 20);
	cr_assert_eq(publisher_purged(rig.pubs[0]), 20);
	check_balance(&rig);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(publisher, block_loses_nothing_between_threads, .timeout = 60)
{
	struct rig rig;
	struct stream *s;

	open_script(&rig, WHEN_FULL_BLOCK, 4);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	cr_assert_eq(publisher_start(rig.pubs[0]), 0);
	rig_mbo(&rig, 0, s, 1, 5000);
	streams_flush(rig.ws[0]);
	publisher_stop(rig.pubs[0], 0);
	publisher_join(rig.pubs[0]);
	cr_assert_eq(publisher_state(rig.pubs[0]), PUBLISHER_FINISHED);
	cr_assert_eq(rig_count(&rig, 0).left, 5000);
	check_balance(&rig);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(publisher, a_sink_that_breaks_is_told_once_and_the_rest_is_write_failed)
{
	struct rig rig;
	struct stream *s;

	open_script(&rig, WHEN_FULL_BLOCK, 8);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	rig_mbo(&rig, 0, s, 1, 20);
	rig_work(&rig);
	script.broken = true;
	for (unsigned i = 0; i < 10; i++) {
		rig_mbo(&rig, 0, s, 21 + i * 20, 20);
		rig_work(&rig);
	}
	cr_assert_eq(publisher_state(rig.pubs[0]), PUBLISHER_BROKEN);
	cr_assert_str_eq(publisher_error(rig.pubs[0]), "script: it broke; mend it");
	cr_assert_eq(publisher_errno(rig.pubs[0]), EIO);
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, 20);
	cr_assert_eq(rig_count(&rig, 0).dropped[REASON_write_failed], 200);
	check_balance(&rig);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(publisher, at_the_deadline_what_is_left_is_purged, .timeout = 20)
{
	struct rig rig;
	struct stream *s;

	open_script(&rig, WHEN_FULL_BLOCK, 16);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	script.hold = true;
	rig_mbo(&rig, 0, s, 1, 50);
	rig_work(&rig);
	script.refuse = true;
	rig_mbo(&rig, 0, s, 51, 70);
	rig_finish(&rig, 60);
	cr_assert_eq(rig_count(&rig, 0).dropped[REASON_purge_inflight], 50);
	cr_assert_eq(rig_count(&rig, 0).dropped[REASON_purge_queue], 70);
	cr_assert_eq(rig_count(&rig, 0).held, 0);
	cr_assert_eq(publisher_purged(rig.pubs[0]), 120);
	check_balance(&rig);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(publisher, a_slow_sink_does_not_keep_the_others_waiting)
{
	struct rig rig;
	struct stream *s;
	struct rig_options opt = {
		.uris = {"script:", "null:"},
		.sinks = {&script_sink},
		.when_full = {WHEN_FULL_DROP_NEWEST, WHEN_FULL_BLOCK},
		.depth = 8,
		.batch_events = 10,
	};

	cr_assert_eq(rig_open(&rig, &opt), 0);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	script.refuse = true;
	for (unsigned i = 0; i < 50; i++) {
		rig_mbo(&rig, 0, s, 1 + i * 10, 10);
		rig_work(&rig);
	}
	cr_assert_eq(rig_count(&rig, 1).left, 500);
	cr_assert_eq(rig_count(&rig, 0).held, 80);
	cr_assert_eq(rig_count(&rig, 0).dropped[REASON_ring_full], 420);
	check_balance(&rig);
	rig_finish(&rig, 10);
	check_balance(&rig);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(ledger, a_cut_passes_a_sink_that_takes_nothing)
{
	const struct ledger_report *report;
	struct ledger_stage total;
	struct rig rig;
	struct stream *s;

	open_script(&rig, WHEN_FULL_DROP_NEWEST, 8);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	script.refuse = true;
	rig_mbo(&rig, 0, s, 1, 205);
	report = rig_cut(&rig, 3);
	cr_assert_not_null(report);
	cr_assert(ledger_balances(report));
	cr_assert_eq(ledger_total(report, "batch", "", &total), 1);
	cr_assert_eq(total.entered, 205);
	cr_assert_eq(total.left, 200);
	cr_assert_eq(total.held, 5);
	cr_assert_eq(ledger_total(report, "sink", "script:", &total), 1);
	cr_assert_eq(total.entered, 200);
	cr_assert_eq(total.held, 80);
	cr_assert_eq(total.dropped[REASON_ring_full], 120);
	rig_finish(&rig, 10);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(ledger, every_cut_balances_whatever_happens_between, .timeout = 60)
{
	struct rig_options opt = {
		.uris = {"script:", "null:"},
		.sinks = {&script_sink},
		.when_full = {WHEN_FULL_DROP_OLDEST, WHEN_FULL_BLOCK},
		.workers = 3,
		.depth = 8,
		.batch_events = 7,
	};
	unsigned state = 12345, cuts = 0;
	uint64_t seq = 1;
	struct rig rig;

	cr_assert_eq(rig_open(&rig, &opt), 0);
	for (unsigned i = 0; i < 4000; i++) {
		unsigned roll = (state = state * 1664525 + 1013904223) >> 16, w = roll % 3;
		struct stream *s = rig_stream(&rig, w, DOMAIN_MD, "XNAS", w * 4 + roll % 4);

		script.refuse = roll % 5 == 0;
		script.hold = roll % 7 == 0 && script.held_n < 100;
		if (script.refuse && !script.refused)
			script.hold = false;
		rig_mbo(&rig, w, s, seq, roll % 40);
		seq += roll % 40;
		rig_work(&rig);
		if (roll % 11 == 0)
			script_release(roll % 2 ? REASON_kafka_delivery : REASON_none);
		if (roll % 13 == 0) {
			const struct ledger_report *report = rig_cut(&rig, 4);

			cr_assert_not_null(report);
			if (!ledger_balances(report))
				ledger_print(report, stderr, true);
			cr_assert(ledger_balances(report));
			cuts++;
		}
	}
	cr_assert_gt(cuts, 200);
	script_release(REASON_none);
	script.refuse = script.hold = false;
	rig_finish(&rig, 0);
	check_balance(&rig);
	cr_assert_eq(rig_count(&rig, 1).left, seq - 1);
	cr_assert_eq(rig_count(&rig, 0).held, 0);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(ledger, a_stage_that_loses_something_does_not_balance)
{
	struct ledger_stage st = {.entered = 10, .left = 6, .held = 3};

	cr_assert_eq(ledger_difference(&st), 1);
	st.dropped[REASON_late] = 1;
	cr_assert_eq(ledger_difference(&st), 0);
	st.left = 7;
	cr_assert_eq(ledger_difference(&st), -1);
}

Test(ledger, the_report_is_an_event_and_a_table)
{
	char *text = NULL;
	size_t text_len = 0;
	FILE *out = open_memstream(&text, &text_len);
	struct event ev = {0};
	struct rig rig;
	struct stream *s;

	open_script(&rig, WHEN_FULL_STOP, 2);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	rig_mbo(&rig, 0, s, 1, 50);
	rig_finish(&rig, 0);
	ledger_report_event(rig_report(&rig), &ev);
	cr_assert_eq(ev.type, EVENT_LEDGER);
	cr_assert_eq(ev.ledger.stages_n, 2);
	cr_assert(str_equal(ev.ledger.stages[1].sink, STR("script:")));
	cr_assert_eq(ev.ledger.stages[1].entered, 50);
	cr_assert_eq(ev.ledger.stages[1].left, 20);
	cr_assert_eq(ev.ledger.stages[1].dropped_n, 1);
	cr_assert(str_equal(ev.ledger.stages[1].dropped[0].reason, STR("ring_full")));
	cr_assert_eq(ev.ledger.stages[1].dropped[0].count, 30);
	ledger_print(rig_report(&rig), out, true);
	fclose(out);
	cr_assert(strstr(text, "dropped: ring_full"));
	cr_assert(strstr(text, "balanced  script:"));
	cr_assert_null(strstr(text, "DIFFERENCE"));
	free(text);
	cr_assert_eq(rig_close(&rig), 0);
}

Test(ledger, what_never_came_is_in_the_report_by_worker_and_cause)
{
	struct rig_options opt = {.uris = {"null:"}, .workers = 2};
	const struct ledger_report *report;
	struct event ev = {0};
	struct rig rig;

	cr_assert_eq(rig_open(&rig, &opt), 0);
	ledger_request_last(rig.ledger);
	for (unsigned w = 0; w < 2; w++) {
		struct ledger_cut *cut = ledger_cut_begin(rig.ledger, w);

		cut->facts.gaps[GAP_EVENT_CAUSE_UPSTREAM] = 3 + w;
		cut->facts.messages_lost[GAP_EVENT_CAUSE_UPSTREAM] = 40;
		cut->facts.gaps[GAP_EVENT_CAUSE_LOCAL] = w;
		cut->facts.messages_lost[GAP_EVENT_CAUSE_LOCAL] = 7 * w;
		streams_cut(rig.ws[w], cut);
	}
	rig_work(&rig);
	report = ledger_collect(rig.ledger);
	cr_assert_not_null(report);
	ledger_report_event(report, &ev);
	cr_assert(ev.ledger.last);
	cr_assert_eq(ev.ledger.gaps_n, 3, "a cause that did not occur is left out");
	cr_assert_eq(ev.ledger.gaps[1].worker, 1);
	cr_assert_eq(ev.ledger.gaps[1].cause, GAP_EVENT_CAUSE_UPSTREAM);
	cr_assert_eq(ev.ledger.gaps[1].gaps, 4);
	cr_assert_eq(ev.ledger.gaps[1].lost_messages, 40);
	cr_assert_eq(ev.ledger.gaps[2].cause, GAP_EVENT_CAUSE_LOCAL);
	cr_assert_eq(ev.ledger.gaps[2].lost_messages, 7);
	rig_finish(&rig, 0);
	cr_assert_eq(rig_close(&rig), 0);
}

static void refused(const char *uri, const char *says)
{
	struct sink_uri parsed;
	char error[256] = "";

	cr_assert_eq(sink_uri_parse(&parsed, uri, error), -EINVAL, "%s", uri);
	cr_assert(strstr(error, says), "%s: %s", uri, error);
}

Test(uri, is_split_and_wrong_ones_name_the_nearest_word)
{
	struct sink_uri u;
	char error[256];
	unsigned n = 1;

	cr_assert_eq(sink_uri_parse(&u,
			     "kafka://a:1,b:2/p?mode=single&kafka.acks=1&when_full=block", error),
		0, "%s", error);
	cr_assert_str_eq(u.sink->name, "kafka");
	cr_assert_str_eq(u.opt.target, "a:1,b:2/p");
	cr_assert_str_eq(sink_param(&u.opt, "kafka.acks", ""), "1");
	cr_assert_eq(u.opt.when_full, WHEN_FULL_BLOCK);
	cr_assert_eq(sink_uri_add(&u, "kafka.acks", "all", error), 0);
	cr_assert_str_eq(sink_param(&u.opt, "kafka.acks", ""), "all");
	cr_assert_eq(sink_uri_parse(&u, "zmq:ipc:///run/x?quota=7&wait=3", error), 0);
	cr_assert_str_eq(u.opt.target, "ipc:///run/x");
	cr_assert_eq(u.opt.quota, 7);
	cr_assert_eq(sink_param_number(&u.opt, "wait", 0, 10, &n, error), 0);
	cr_assert_eq(n, 3);
	cr_assert_eq(sink_param_number(&u.opt, "wait", 4, 10, &n, error), -EINVAL);
	refused("kafak://a:1", "did you mean kafka");
	refused("zmq://*:1?wiat=1", "did you mean wait");
	refused("zmq://*:1?wait", "no =value");
	refused("zmq://*:1?quota=many", "expected a number");
	refused("file:x?mode=batch", "unknown key mode");
	refused("file:x?when_full=subscriber", "not known here");
	refused("day.pb", "KIND:TARGET");
	refused("kafka://a:1?kafka.=1", "unknown key");
}
