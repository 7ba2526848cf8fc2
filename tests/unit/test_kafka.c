/* The kafka sink against librdkafka's mock cluster: what arrives, and what is said when it cannot.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "events/v1/batch.pb-c.h"
#include "tests/support/kafka_mock.h"
#include "tests/support/publish_rig.h"

static struct kafka_mock mock;
static char uri[512];

static void open_kafka(struct rig *rig, const char *rest, unsigned depth)
{
	struct rig_options opt = {
		.uris = {uri}, .batch_events = 10, .depth = depth, .streams_max = 64};

	snprintf(uri, sizeof(uri), "kafka://%s/%s", mock.bootstrap, rest);
	cr_assert_eq(rig_open(rig, &opt), 0, "%s", rig->error);
}

static void check(struct rig *rig)
{
	const struct ledger_report *report = rig_report(rig);

	if (!ledger_balances(report))
		ledger_print(report, stderr, true);
	cr_assert(ledger_balances(report));
	cr_assert_eq(rig_count(rig, 0).held, 0);
	cr_assert_eq(rig_close(rig), 0, "batches not given back");
}

/* append makes n events on each of two channels. */
static void append(struct rig *rig, uint64_t first, unsigned n)
{
	rig_mbo(rig, 0, rig_stream(rig, 0, DOMAIN_MD, "XNAS", 1), first, n);
	rig_mbo(rig, 0, rig_stream(rig, 0, DOMAIN_MD, "XNAS", 2), first, n);
}

static Events__V1__EventBatch *batch_of(const struct kafka_record *record)
{
	Events__V1__EventBatch *batch =
		events__v1__event_batch__unpack(NULL, record->len, record->value);

	cr_assert_not_null(batch);
	return batch;
}

/* check_batches reads n records of a topic: every batch of both channels once, in order. */
static void check_batches(const char *topic, unsigned n)
{
	struct kafka_record records[256];
	uint64_t next[3] = {1, 1, 1};
	unsigned got = kafka_mock_read(&mock, topic, records, n + 1, 1000);

	if (got < n) { /* a loaded machine: now wait for those that are due */
		while (got > 0)
			free(records[--got].value);
		got = kafka_mock_read(&mock, topic, records, n, 20000);
	}
	cr_assert_eq(got, n, "%u records instead of %u", got, n);
	for (unsigned i = 0; i < got; i++) {
		Events__V1__EventBatch *batch = batch_of(&records[i]);
		char key[16];

		snprintf(key, sizeof(key), "XNAS/%u", batch->channel);
		cr_assert_str_eq(records[i].key, key);
		cr_assert_eq(batch->batch_seq, next[batch->channel]++);
		events__v1__event_batch__free_unpacked(batch, NULL);
		free(records[i].value);
	}
}

Test(kafka, a_batch_is_a_record_keyed_by_its_stream, .timeout = 60)
{
	struct rig rig;

	kafka_mock_open(&mock);
	open_kafka(&rig, "feed", 64);
	for (unsigned i = 0; i < 10; i++) {
		append(&rig, 1 + i * 100, 100);
		rig_work(&rig);
	}
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, 2000);
	check_batches("feed.md", 200);
	check(&rig);
	kafka_mock_close(&mock);
}

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* slow sends 40 batches, of some streams in turn, to the one partition of a broker that takes 200 ms.
 * Returns ms of CPU a batch, the broker's included */
static double slow(const char *rest, unsigned streams)
{
	static struct hist_sum ack;
	struct rig rig;
	double cpu, wall;

	memset(&ack, 0, sizeof(ack));
	kafka_mock_open(&mock);
	rd_kafka_mock_topic_create(mock.cluster, "feed.md", 1, 1);
	open_kafka(&rig, rest, 256);
	rd_kafka_mock_broker_set_rtt(mock.cluster, -1, 200);
	for (unsigned i = 0; i < 40; i++)
		rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", i % streams),
			1 + i / streams * 10, 10);
	wall = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	rig_finish(&rig, 0);
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	cr_expect_gt(wall, 1, "%s: 40 records in %.2f s: they did not wait", rest, wall);
	hist_read(&ack, &publisher_latency(rig.pubs[0])->ack);
	if (!strstr(rest, "mode=")) {
		cr_expect_eq(ack.count, 40, "each batch has its acknowledgement measured");
		cr_expect_gt(hist_min(&ack), 190000000, "the broker's 200 ms are in it");
	}
	cr_expect_eq(rig_count(&rig, 0).left, 400);
	check(&rig);
	kafka_mock_close(&mock);
	return cpu * 1e3 / 40;
}

/* librdkafka's idempotent producer spins while it has records that it may not send yet. */
Test(kafka, waiting_for_a_slow_broker_takes_no_cpu, .timeout = 120)
{
	static const struct {
		const char *rest;
		unsigned streams;
	} cases[] = {
		{"feed?kafka.batch.num.messages=2", 1},
		{"feed?kafka.batch.num.messages=2", 8},
		{"feed?kafka.batch.num.messages=2&kafka.partitioner=random", 8},
		{"feed?kafka.batch.num.messages=2&mode=delimited", 8},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double ms = slow(cases[i].rest, cases[i].streams);

		cr_expect_lt(ms, 3, "%s, %u streams: %.1f ms of CPU a batch", cases[i].rest,
			cases[i].streams, ms);
	}
}

/* The sink's idea of which partition a key goes to is librdkafka's. */
static void five_in_each_partition(const char *rest)
{
	enum { STREAMS = 24, PARTITIONS = 4, FIVE = 5 };
	struct kafka_record records[1 + PARTITIONS * FIVE + 1];
	unsigned in[PARTITIONS] = {0}, got, first;
	struct rig rig;

	kafka_mock_open(&mock);
	open_kafka(&rig, rest, 512);
	rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0), 1, 10);
	for (double end = seconds(CLOCK_MONOTONIC) + .5; seconds(CLOCK_MONOTONIC) < end;)
		rig_work(&rig);
	rd_kafka_mock_broker_set_rtt(mock.cluster, -1, 500);
	for (unsigned i = 0; i < STREAMS; i++)
		rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", i), 11, 100);
	for (double end = seconds(CLOCK_MONOTONIC) + .3; seconds(CLOCK_MONOTONIC) < end;)
		rig_work(&rig);
	rd_kafka_mock_broker_set_rtt(mock.cluster, -1, 1);
	/* nothing works on now: what is there is what was lent */
	got = kafka_mock_read(&mock, "feed.md", records, 1 + PARTITIONS * FIVE + 1, 3000);
	first = (unsigned)records[0].partition; /* of the one that was answered */
	for (unsigned i = 0; i < got; i++) {
		first = strcmp(records[i].key, "XNAS/0") == 0 ? (unsigned)records[i].partition
							      : first;
		in[records[i].partition]++;
		free(records[i].value);
	}
	for (unsigned p = 0; p < PARTITIONS; p++)
		cr_expect_eq(in[p], FIVE + (p == first), "%s: partition %u has %u", rest, p, in[p]);
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, 10 + STREAMS * 100);
	check(&rig);
	kafka_mock_close(&mock);
}

Test(kafka, five_records_of_each_partition_are_under_way_whatever_the_partitioner, .timeout = 120)
{
	five_in_each_partition("feed");
	five_in_each_partition("feed?kafka.partitioner=fnv1a");
	five_in_each_partition("feed?kafka.partitioner=consistent");
	five_in_each_partition("feed?mode=delimited&kafka.partitioner=murmur2");
}

/* What waits for one stream's reports holds no other stream up, and the ring takes what comes. */
Test(kafka, a_stream_at_its_limit_does_not_hold_up_the_others, .timeout = 60)
{
	struct kafka_record record;
	struct rig rig;

	kafka_mock_open(&mock);
	open_kafka(&rig, "feed", 16);
	rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XONE", 1), 1, 10);
	rig_work(&rig);
	rd_kafka_mock_broker_set_rtt(mock.cluster, -1, 300);
	for (unsigned i = 0; i < 20; i++) { /* 200 batches, far more than the ring has room for */
		rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XONE", 1), 11 + i * 100, 100);
		rig_work(&rig);
	}
	rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_FIX, "A-B", 1), 1, 10);
	for (double end = seconds(CLOCK_MONOTONIC) + 1; seconds(CLOCK_MONOTONIC) < end;)
		rig_work(&rig);
	rd_kafka_mock_broker_set_rtt(mock.cluster, -1, 1);
	/* nothing works on now: what is there is what was lent beside the 200 */
	cr_assert_eq(kafka_mock_read(&mock, "feed.fix", &record, 1, 10000), 1);
	cr_assert_str_eq(record.key, "A-B");
	free(record.value);
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, 2020);
	check(&rig);
	kafka_mock_close(&mock);
}

Test(kafka, the_prefix_may_hold_the_venue, .timeout = 60)
{
	struct kafka_record record;
	struct rig rig;

	kafka_mock_open(&mock);
	open_kafka(&rig, "p.{venue}", 64);
	rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "X NAS", 1), 1, 5);
	rig_finish(&rig, 0);
	cr_assert_eq(kafka_mock_read(&mock, "p.X_NAS.md", &record, 1, 3000), 1);
	cr_assert_str_eq(record.key, "X NAS/1");
	free(record.value);
	check(&rig);
	kafka_mock_close(&mock);
}

Test(kafka, mode_single_is_a_record_an_event_by_family_keyed_by_instrument, .timeout = 60)
{
	static struct kafka_record records[512];
	static const char *const keys[] = {"XNAS/AAPL", "XNAS/MSFT", "XNAS/BRK.B", "XNAS/A"};
	struct event gap = {.seq = 5, .venue = STR("XNAS"), .channel = 1, .type = EVENT_GAP};
	struct rig rig;
	struct stream *s;
	uint64_t last[4] = {0};
	unsigned got;

	kafka_mock_open(&mock);
	open_kafka(&rig, "feed?mode=single", 64);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 1);
	rig_mbo(&rig, 0, s, 1, 300);
	gap.gap.first_missing = 5;
	gap.symbol = STR("AAPL");
	stream_append(rig.ws[0], s, &gap);
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, 301);
	got = kafka_mock_read(&mock, "feed.md.mbo", records, 301, 3000);
	cr_assert_eq(got, 300);
	for (unsigned i = 0; i < got; i++) {
		Events__V1__Event *ev =
			events__v1__event__unpack(NULL, records[i].len, records[i].value);

		cr_assert_not_null(ev);
		cr_assert_str_eq(records[i].key, keys[ev->seq % 4]);
		cr_assert_gt(ev->seq, last[ev->seq % 4], "in order by key");
		last[ev->seq % 4] = ev->seq;
		cr_assert_eq(ev->event_no, ev->seq);
		cr_assert_str_eq(ev->source, "rig");
		events__v1__event__free_unpacked(ev, NULL);
		free(records[i].value);
	}
	cr_assert_eq(kafka_mock_read(&mock, "feed.md.status", records, 1, 3000), 1);
	cr_assert_str_eq(records[0].key, "XNAS/1");
	free(records[0].value);
	check(&rig);
	kafka_mock_close(&mock);
}

Test(kafka, mode_delimited_is_a_record_a_batch, .timeout = 60)
{
	static struct kafka_record records[64];
	unsigned events = 0, got;
	struct rig rig;

	kafka_mock_open(&mock);
	open_kafka(&rig, "feed?mode=delimited", 64);
	append(&rig, 1, 95);
	rig_finish(&rig, 0);
	got = kafka_mock_read(&mock, "feed.md", records, 21, 3000);
	cr_assert_eq(got, 20);
	for (unsigned i = 0; i < got; i++) {
		size_t at = 0;

		while (at < records[i].len) {
			size_t size = records[i].value[at] & 0x7f;
			Events__V1__Event *ev;

			if (records[i].value[at++] & 0x80)
				size |= (size_t)records[i].value[at++] << 7;
			ev = events__v1__event__unpack(NULL, size, records[i].value + at);
			cr_assert_not_null(ev);
			events += ev->event_no > 0;
			events__v1__event__free_unpacked(ev, NULL);
			at += size;
		}
		free(records[i].value);
	}
	cr_assert_eq(events, 190);
	check(&rig);
	kafka_mock_close(&mock);
}

Test(kafka, a_broker_that_goes_away_and_comes_back_loses_and_repeats_nothing, .timeout = 120)
{
	struct rig rig;

	kafka_mock_open(&mock);
	open_kafka(&rig, "feed", 256);
	append(&rig, 1, 200);
	for (unsigned i = 0; i < 200; i++) {
		rig_work(&rig);
		usleep(1000);
	}
	rd_kafka_mock_broker_set_down(mock.cluster, 1);
	append(&rig, 201, 500);
	for (unsigned i = 0; i < 500; i++) {
		rig_work(&rig);
		usleep(1000);
	}
	cr_assert_eq(publisher_state(rig.pubs[0]), PUBLISHER_RUNNING);
	cr_assert_gt(rig_count(&rig, 0).held, 0);
	rd_kafka_mock_broker_set_up(mock.cluster, 1);
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, 1400);
	check_batches("feed.md", 140);
	check(&rig);
	kafka_mock_close(&mock);
}

Test(kafka, errors_that_pass_are_retried_in_order, .timeout = 120)
{
	struct rig rig;

	kafka_mock_open(&mock);
	/* one at a time: the mock looks at no sequence number, and would take what is under way
	 * behind a refused request */
	open_kafka(&rig, "feed?kafka.max.in.flight=1", 64);
	rd_kafka_mock_push_request_errors(mock.cluster, 0 /* Produce */, 4,
		RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
		RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
	append(&rig, 1, 200);
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, 400);
	check_batches("feed.md", 40);
	check(&rig);
	kafka_mock_close(&mock);
}

Test(kafka, what_times_out_is_counted_as_kafka_delivery, .timeout = 60)
{
	struct rig rig;

	kafka_mock_open(&mock);
	open_kafka(&rig, "feed?kafka.message.timeout.ms=300", 64);
	rd_kafka_mock_broker_set_down(mock.cluster, 1);
	append(&rig, 1, 100);
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).dropped[REASON_kafka_delivery], 200);
	check(&rig);
	kafka_mock_close(&mock);
}

Test(kafka, at_the_deadline_everything_held_is_purged_and_counted, .timeout = 60)
{
	struct rig rig;

	kafka_mock_open(&mock);
	open_kafka(&rig, "feed?quota=8", 16);
	rd_kafka_mock_broker_set_rtt(mock.cluster, 1, 20000);
	append(&rig, 1, 80);
	for (unsigned i = 0; i < 100; i++) {
		rig_work(&rig);
		usleep(1000);
	}
	cr_assert_eq(rig_count(&rig, 0).held, 160);
	rig_finish(&rig, 200);
	cr_assert_eq(publisher_purged(rig.pubs[0]), 160);
	cr_assert_geq(rig_count(&rig, 0).dropped[REASON_purge_queue], 80, "beyond the quota");
	check(&rig);
	kafka_mock_close(&mock);
}

Test(kafka, an_unknown_topic_says_what_to_do, .timeout = 60)
{
	struct rig rig;

	kafka_mock_open(&mock);
	rd_kafka_mock_topic_set_error(
		mock.cluster, "feed.md", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	open_kafka(&rig, "feed?kafka.topic.metadata.propagation.max.ms=500", 64);
	append(&rig, 1, 50);
	for (unsigned i = 0; i < 8000 && publisher_state(rig.pubs[0]) == PUBLISHER_RUNNING; i++) {
		rig_work(&rig);
		usleep(1000);
	}
	cr_assert_eq(publisher_state(rig.pubs[0]), PUBLISHER_BROKEN);
	cr_assert(strstr(publisher_error(rig.pubs[0]), "feed.md"), "%s",
		publisher_error(rig.pubs[0]));
	cr_assert(strstr(publisher_error(rig.pubs[0]), "create the topic"));
	append(&rig, 51, 10);
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, 0);
	check(&rig);
	kafka_mock_close(&mock);
}

static void refused(const char *target, int rc, const char *says)
{
	struct rig_options opt = {.uris = {target}};
	struct rig rig;
	int got = rig_open(&rig, &opt);

	cr_assert_eq(got, rc, "%s: %d %s", target, got, rig.error);
	cr_assert(strstr(rig.error, says), "%s: %s", target, rig.error);
}

Test(kafka, what_cannot_work_is_refused_at_the_start, .timeout = 60)
{
	refused("kafka://127.0.0.1:1/p?connect_ms=600", -ECONNREFUSED, "127.0.0.1:1");
	refused("kafka://127.0.0.1:1/p?connect_ms=600", -ECONNREFUSED, "refused");
	refused("kafka://127.0.0.1:1/p?kafka.nonsense=1", -EINVAL, "nonsense");
	refused("kafka://127.0.0.1:1/p?kafka.acks=many", -EINVAL, "acks");
	refused("kafka://127.0.0.1:1/p?mode=all", -EINVAL, "batch, single or delimited");
	refused("kafka:///p", -EINVAL, "HOST:PORT");
}
