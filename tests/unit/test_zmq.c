/* The zmq sink against subscribers: slow, late, many; and what it says when it is idle. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include "events/v1/batch.pb-c.h"
#include "tests/support/publish_rig.h"

/* sub is a subscriber on this thread. */
struct sub {
	void *ctx, *socket;
};

static char endpoint[64];

static void endpoint_make(void)
{
	snprintf(endpoint, sizeof(endpoint), "ipc:///tmp/test_zmq.%d", (int)getpid());
}

static void sub_open(struct sub *sub, const char *topic, int hwm)
{
	int timeout_ms = 3000, linger = 0;

	sub->ctx = zmq_ctx_new();
	sub->socket = zmq_socket(sub->ctx, ZMQ_SUB);
	zmq_setsockopt(sub->socket, ZMQ_RCVHWM, &hwm, sizeof(hwm));
	zmq_setsockopt(sub->socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
	zmq_setsockopt(sub->socket, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_setsockopt(sub->socket, ZMQ_SUBSCRIBE, topic, strlen(topic));
	cr_assert_eq(zmq_connect(sub->socket, endpoint), 0);
}

static void sub_close(struct sub *sub)
{
	zmq_close(sub->socket);
	zmq_ctx_term(sub->ctx);
}

/* sub_next reads one message. Returns the batch, the caller's to free; NULL after the timeout */
static Events__V1__EventBatch *sub_next(struct sub *sub, char topic[128])
{
	Events__V1__EventBatch *batch;
	zmq_msg_t msg;
	int len = zmq_recv(sub->socket, topic, 127, 0);

	if (len < 0)
		return NULL;
	topic[len] = 0;
	zmq_msg_init(&msg);
	cr_assert_geq(zmq_msg_recv(&msg, sub->socket, 0), 0);
	cr_assert_not(zmq_msg_more(&msg), "two frames");
	batch = events__v1__event_batch__unpack(NULL, zmq_msg_size(&msg), zmq_msg_data(&msg));
	cr_assert_not_null(batch);
	zmq_msg_close(&msg);
	return batch;
}

static void open_zmq(struct rig *rig, const char *query, const struct rig_options *more)
{
	static char uri[160];
	struct rig_options opt = more ? *more : (struct rig_options){.batch_events = 10};

	endpoint_make();
	snprintf(uri, sizeof(uri), "zmq:%s?%s", endpoint, query);
	opt.uris[0] = uri;
	cr_assert_eq(rig_open(rig, &opt), 0, "%s", rig->error);
}

/* wait_ready works until wait=N subscribers are there. */
static void wait_ready(struct rig *rig)
{
	for (unsigned i = 0; i < 3000 && !publisher_ready(rig->pubs[0]); i++) {
		rig_work(rig);
		usleep(1000);
	}
	cr_assert(publisher_ready(rig->pubs[0]));
}

static void check(struct rig *rig)
{
	const struct ledger_report *report = rig_report(rig);

	if (!ledger_balances(report))
		ledger_print(report, stderr, true);
	cr_assert(ledger_balances(report));
	cr_assert_eq(rig_count(rig, 0).held, 0);
	cr_assert_eq(rig_close(rig), 0);
}

Test(zmq, a_subscriber_of_one_channel_gets_its_batches_in_order, .timeout = 30)
{
	struct rig rig;
	struct sub sub;
	char topic[128];
	uint64_t seq = 1;

	open_zmq(&rig, "wait=1&heartbeat_ms=0", NULL);
	cr_assert_not(publisher_ready(rig.pubs[0]));
	sub_open(&sub, "md.XNAS.1.", 1000);
	wait_ready(&rig);
	for (unsigned i = 0; i < 20; i++) {
		rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 1), 1 + i * 30, 30);
		rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 10), 1, 30);
		rig_work(&rig);
	}
	rig_finish(&rig, 0);
	for (unsigned i = 0; i < 60; i++) {
		Events__V1__EventBatch *batch = sub_next(&sub, topic);

		cr_assert_not_null(batch, "%u", i);
		cr_assert_str_eq(topic, "md.XNAS.1.");
		cr_assert_eq(batch->batch_seq, i + 1);
		for (size_t k = 0; k < batch->n_events; k++)
			cr_assert_eq(batch->events[k]->seq, seq++);
		events__v1__event_batch__free_unpacked(batch, NULL);
	}
	cr_assert_eq(seq, 601);
	sub_close(&sub);
	cr_assert_eq(rig_count(&rig, 0).left, 1200);
	check(&rig);
}

Test(zmq, wait_counts_subscribers_and_not_subscriptions, .timeout = 30)
{
	struct rig rig;
	struct sub a, b;

	open_zmq(&rig, "wait=2", NULL);
	sub_open(&a, "md.", 10);
	zmq_setsockopt(a.socket, ZMQ_SUBSCRIBE, "fix.", 4);
	zmq_setsockopt(a.socket, ZMQ_SUBSCRIBE, "ops.", 4);
	for (unsigned i = 0; i < 200; i++) {
		rig_work(&rig);
		usleep(1000);
	}
	cr_assert_not(publisher_ready(rig.pubs[0]));
	sub_open(&b, "md.", 10);
	wait_ready(&rig);
	rig_finish(&rig, 0);
	sub_close(&a);
	sub_close(&b);
	check(&rig);
}

Test(zmq, mode_single_sends_each_event_under_family_venue_and_symbol, .timeout = 30)
{
	struct rig rig;
	struct sub sub;
	char topic[128];
	unsigned got = 0;

	open_zmq(&rig, "wait=1&mode=single&heartbeat_ms=0", NULL);
	sub_open(&sub, "md.mbo.XNAS.A.", 1000);
	wait_ready(&rig);
	rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 1), 1, 200);
	rig_finish(&rig, 0);
	for (; got < 50; got++) {
		Events__V1__EventBatch *batch = sub_next(&sub, topic);

		cr_assert_not_null(batch);
		cr_assert_str_eq(topic, "md.mbo.XNAS.A.");
		cr_assert_eq(batch->n_events, 1);
		cr_assert_eq(batch->events[0]->seq, got * 4 + 3);
		cr_assert_eq(batch->first_event, batch->events[0]->seq, "numbered in its stream");
		cr_assert_str_eq(batch->source, "rig");
		cr_assert_eq(batch->boot_id, 0x1122334455667788);
		events__v1__event_batch__free_unpacked(batch, NULL);
	}
	sub_close(&sub);
	cr_assert_eq(rig_count(&rig, 0).left, 200);
	check(&rig);
}

/* big is for tests that fill queues: 16 KiB batches of about 230 events. */
static const struct rig_options big = {
	.batch_bytes = 16384, .depth = 8, .live = true, .uris = {NULL, "null:"}};

Test(zmq, a_stalled_subscriber_loses_alone_and_sees_what_it_lost, .timeout = 60)
{
	struct rig rig;
	struct sub slow, quick;
	struct stream *s;
	char topic[128];
	unsigned quick_got = 0, slow_got = 0, holes = 0;
	uint64_t next = 1;

	open_zmq(&rig, "wait=2&quota=16&hwm=12&heartbeat_ms=0", &big);
	sub_open(&slow, "md.", 1);
	sub_open(&quick, "md.", 1000);
	wait_ready(&rig);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 1);
	for (unsigned i = 0; i < 400; i++) {
		rig_mbo(&rig, 0, s, 1 + i * 500, 500);
		rig_work(&rig);
		usleep(500);
	}
	cr_assert_eq(rig_count(&rig, 1).dropped[REASON_ring_full], 0, "null never waits");
	zmq_setsockopt(quick.socket, ZMQ_RCVTIMEO, &(int){200}, sizeof(int));
	zmq_setsockopt(slow.socket, ZMQ_RCVTIMEO, &(int){200}, sizeof(int));
	for (Events__V1__EventBatch *b; (b = sub_next(&quick, topic)); quick_got++)
		events__v1__event_batch__free_unpacked(b, NULL);
	for (unsigned round = 0; round < 2; round++) {
		for (Events__V1__EventBatch *b; (b = sub_next(&slow, topic)); slow_got++) {
			holes += b->batch_seq != next;
			next = b->batch_seq + 1;
			events__v1__event_batch__free_unpacked(b, NULL);
		}
		if (round == 0)
			cr_assert(slow_got > 0 && slow_got < quick_got / 2, "slow %u quick %u",
				slow_got, quick_got);
		rig_mbo(&rig, 0, s, 1000000, 500); /* now that it reads again, it sees the hole */
		rig_work(&rig);
	}
	cr_assert_geq(holes, 1);
	rig_finish(&rig, 200);
	sub_close(&slow);
	sub_close(&quick);
	cr_assert_eq(rig_count(&rig, 0).entered, 201000);
	cr_assert_eq(rig_count(&rig, 1).left, 201000);
	check(&rig);
}

/* reader takes everything, slowly, on a thread of its own. */
struct reader {
	struct sub sub;
	uint64_t events, holes;
};

static void *read_slowly(void *arg)
{
	struct reader *reader = arg;
	char topic[128];
	uint64_t next = 1;
	Events__V1__EventBatch *b;

	while ((b = sub_next(&reader->sub, topic))) {
		reader->holes += b->batch_seq != next;
		next = b->batch_seq + 1;
		reader->events += b->n_events;
		events__v1__event_batch__free_unpacked(b, NULL);
		usleep(1000);
	}
	return NULL;
}

Test(zmq, block_waits_for_a_slow_subscriber_and_loses_nothing, .timeout = 60)
{
	struct rig rig;
	struct reader reader = {0};
	pthread_t thread;
	struct rig_options opt = big;

	opt.live = false;
	open_zmq(&rig, "wait=1&quota=4&hwm=2&heartbeat_ms=0", &opt);
	sub_open(&reader.sub, "md.", 1);
	wait_ready(&rig);
	cr_assert_eq(pthread_create(&thread, NULL, read_slowly, &reader), 0);
	cr_assert_eq(publisher_start(rig.pubs[0]), 0);
	cr_assert_eq(publisher_start(rig.pubs[1]), 0);
	rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 1), 1, 100000);
	streams_flush(rig.ws[0]);
	for (unsigned i = 0; i < 2; i++)
		publisher_stop(rig.pubs[i], 0);
	for (unsigned i = 0; i < 2; i++)
		publisher_join(rig.pubs[i]);
	zmq_setsockopt(reader.sub.socket, ZMQ_RCVTIMEO, &(int){500}, sizeof(int));
	pthread_join(thread, NULL);
	cr_assert_eq(reader.events, 100000, "got %lu", reader.events);
	cr_assert_eq(reader.holes, 0);
	sub_close(&reader.sub);
	cr_assert_eq(rig_count(&rig, 0).left, 100000);
	check(&rig);
}

Test(zmq, drop_counts_what_the_mark_refused, .timeout = 30)
{
	struct rig rig;
	struct sub sub;

	open_zmq(&rig, "wait=1&quota=64&hwm=4&when_full=drop&heartbeat_ms=0", &big);
	sub_open(&sub, "md.", 1);
	wait_ready(&rig);
	for (unsigned i = 0; i < 200; i++) {
		rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 1), 1 + i * 500, 500);
		rig_work(&rig);
	}
	rig_finish(&rig, 50);
	sub_close(&sub);
	cr_assert_gt(rig_count(&rig, 0).dropped[REASON_subscriber_full], 0);
	check(&rig);
}

Test(zmq, a_quiet_stream_says_which_batch_comes_next, .timeout = 30)
{
	struct rig rig;
	struct sub sub;
	struct stream *s;
	char topic[128];
	unsigned beats = 0;

	open_zmq(&rig, "wait=1&heartbeat_ms=50", NULL);
	sub_open(&sub, "md.XNAS.1.", 1000);
	wait_ready(&rig);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 1);
	stream_session(rig.ws[0], s, STR("S7"));
	rig_mbo(&rig, 0, s, 1, 30);
	for (unsigned i = 0; i < 300; i++) {
		rig_work(&rig);
		usleep(1000);
	}
	rig_finish(&rig, 0);
	for (unsigned i = 0; i < 6; i++) {
		Events__V1__EventBatch *b = sub_next(&sub, topic);

		cr_assert_not_null(b);
		cr_assert_eq(b->batch_seq, i < 3 ? i + 1 : 4);
		cr_assert_eq(b->first_event, i < 3 ? i * 10 + 1 : 31);
		cr_assert_str_eq(b->session, "S7");
		cr_assert_eq(b->stream, stream_facts(s)->number);
		beats += b->n_events == 0;
		events__v1__event_batch__free_unpacked(b, NULL);
	}
	cr_assert_eq(beats, 3);
	sub_close(&sub);
	check(&rig);
}

Test(zmq, an_address_in_use_and_a_wrong_one_are_told_apart)
{
	struct rig_options opt = {.uris = {"zmq://127.0.0.1:*", "zmq://nowhere"}};
	struct rig rig;
	void *ctx = zmq_ctx_new(), *socket = zmq_socket(ctx, ZMQ_PUB);
	char last[64], uri[80];
	size_t len = sizeof(last);

	cr_assert_eq(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
	zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, last, &len);
	snprintf(uri, sizeof(uri), "zmq:%s", last);
	opt.uris[0] = uri;
	opt.uris[1] = NULL;
	cr_assert_eq(rig_open(&rig, &opt), -EADDRINUSE);
	cr_assert(strstr(rig.error, "another port"), "%s", rig.error);
	opt.uris[0] = "zmq://nowhere";
	cr_assert_lt(rig_open(&rig, &opt), 0);
	cr_assert(strstr(rig.error, "tcp://nowhere"), "%s", rig.error);
	opt.uris[0] = "zmq://127.0.0.1:*?mode=all";
	cr_assert_eq(rig_open(&rig, &opt), -EINVAL);
	cr_assert(strstr(rig.error, "batch or single"), "%s", rig.error);
	zmq_close(socket);
	zmq_ctx_term(ctx);
}
