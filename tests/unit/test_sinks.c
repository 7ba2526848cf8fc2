/* The contract of struct sink, over every sink in the table; and what files and pipes do when they
 * take no more. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "events/v1/event.pb-c.h"
#include "tests/support/kafka_mock.h"
#include "tests/support/publish_rig.h"

static char dir[] = "/tmp/test_sinks.XXXXXX";

static void dir_make(void)
{
	cr_assert_not_null(mkdtemp(dir));
}

static void dir_remove(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

/* how to open each sink: %s is the folder, or the mock cluster */
static const struct {
	const char *sink, *uri;
} cases[] = {
	{"file", "file:%s/out.pb"},
	{"json", "json:%s/out.json"},
	{"kafka", "kafka://%s/t"},
	{"kafka", "kafka://%s/t?mode=single"},
	{"kafka", "kafka://%s/t?mode=delimited"},
	{"null", "null:"},
	{"text", "text:%s/out.txt"},
	{"zmq", "zmq:ipc://%s/socket"},
	{"zmq", "zmq:ipc://%s/socket?mode=single"},
	{"zmq", "zmq:ipc://%s/socket?when_full=drop"},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

Test(sinks, every_sink_in_the_table_is_in_this_test)
{
	for (const struct sink *const *s = sinks; *s; s++) {
		bool found = false;

		for (unsigned i = 0; i < CASES; i++)
			found |= strcmp(cases[i].sink, (*s)->name) == 0;
		cr_assert(found, "%s: say in cases[] how to open it", (*s)->name);
		cr_assert((*s)->open && (*s)->submit && (*s)->close && (*s)->help);
		cr_assert(!s[1] || strcmp((*s)->name, s[1]->name) < 0, "ordered by name");
	}
}

/* each runs body for every case, with what the case needs. */
static void each(void (*body)(const char *uri))
{
	struct kafka_mock mock;

	dir_make();
	kafka_mock_open(&mock);
	for (unsigned i = 0; i < CASES; i++) {
		bool kafka = strcmp(cases[i].sink, "kafka") == 0;
		char uri[256];

		snprintf(uri, sizeof(uri), cases[i].uri, kafka ? mock.bootstrap : dir);
		body(uri);
	}
	kafka_mock_close(&mock);
	dir_remove();
}

static void check(struct rig *rig, const char *uri, uint64_t offered)
{
	const struct ledger_report *report = rig_report(rig);
	struct ledger_stage st = rig_count(rig, 0);

	if (!ledger_balances(report))
		ledger_print(report, stderr, true);
	cr_assert(ledger_balances(report), "%s", uri);
	cr_assert_eq(st.entered, offered, "%s", uri);
	cr_assert_eq(st.held, 0, "%s still holds %lu", uri, st.held);
	cr_assert_eq(rig_close(rig), 0, "%s: batches not given back", uri);
}

static void all_is_answered(const char *uri)
{
	struct rig_options opt = {.uris = {uri}, .workers = 2, .batch_events = 10, .depth = 16};
	struct rig rig;
	uint64_t n = 0;

	cr_assert_eq(rig_open(&rig, &opt), 0, "%s: %s", uri, rig.error);
	for (unsigned i = 0; i < 60; i++)
		for (unsigned w = 0; w < 2; w++) {
			struct stream *s = rig_stream(&rig, w, DOMAIN_MD, "XNAS", w * 2 + i % 2);

			for (unsigned spin = 0; spin < 100000 && rig_work(&rig); spin++)
				;
			rig_mbo(&rig, w, s, i * 23, 23);
			n += 23;
		}
	rig_finish(&rig, 0);
	cr_assert_str_eq(publisher_error(rig.pubs[0]), "", "%s", uri);
	cr_assert_eq(rig_count(&rig, 0).left, n, "%s", uri);
	check(&rig, uri, n);
}

Test(sinks, everything_submitted_is_answered_once, .timeout = 120)
{
	each(all_is_answered);
}

static void closed_at_once(const char *uri)
{
	struct rig_options opt = {.uris = {uri}};
	struct rig rig;

	cr_assert_eq(rig_open(&rig, &opt), 0, "%s: %s", uri, rig.error);
	rig_finish(&rig, 0);
	check(&rig, uri, 0);
	cr_assert_eq(rig_open(&rig, &opt), 0, "%s a second time: %s", uri, rig.error);
	rig_finish(&rig, 1);
	check(&rig, uri, 0);
}

Test(sinks, a_sink_closes_before_anything_came, .timeout = 120)
{
	each(closed_at_once);
}

static void closed_in_a_hurry(const char *uri)
{
	struct rig_options opt = {.uris = {uri}, .batch_events = 10, .depth = 64};
	struct rig rig;

	for (unsigned rounds = 0; rounds < 4; rounds++) {
		cr_assert_eq(rig_open(&rig, &opt), 0, "%s: %s", uri, rig.error);
		rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0), 1, 400);
		for (unsigned i = 0; i < rounds; i++)
			rig_work(&rig);
		rig_finish(&rig, 1);
		check(&rig, uri, 400);
	}
}

Test(sinks, a_sink_closes_in_any_state_and_counts_what_it_gave_up, .timeout = 120)
{
	each(closed_in_a_hurry);
}

static void many_small_quotas(const char *uri)
{
	char tight[300];
	struct rig_options opt = {.uris = {tight}, .batch_events = 3, .depth = 2, .streams_max = 1};
	struct rig rig;
	unsigned n = 0;

	snprintf(tight, sizeof(tight), "%s%cquota=2", uri, strchr(uri, '?') ? '&' : '?');
	cr_assert_eq(rig_open(&rig, &opt), 0, "%s: %s", uri, rig.error);
	cr_assert_eq(publisher_start(rig.pubs[0]), 0);
	for (; n < 900; n += 9)
		rig_mbo(&rig, 0, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0), n, 9);
	streams_flush(rig.ws[0]);
	publisher_stop(rig.pubs[0], 0);
	publisher_join(rig.pubs[0]);
	cr_assert_eq(rig_count(&rig, 0).left, n, "%s", tight);
	check(&rig, tight, n);
}

Test(sinks, a_quota_of_two_batches_is_enough_on_a_thread, .timeout = 120)
{
	each(many_small_quotas);
}

/* file_text reads a whole file; the caller's to free. */
static char *file_text(const char *path, size_t *len)
{
	FILE *in = fopen(path, "rb");
	char *text = malloc(1 << 20);

	cr_assert_not_null(in, "%s", path);
	*len = fread(text, 1, (1 << 20) - 1, in);
	text[*len] = 0;
	fclose(in);
	return text;
}

Test(file, holds_delimited_events_with_what_a_lone_event_needs)
{
	char uri[128], path[64];
	struct rig_options opt = {.uris = {uri}, .batch_events = 4};
	struct rig rig;
	struct stream *s;
	uint64_t n = 0;
	size_t len, at = 0;
	char *text;

	dir_make();
	snprintf(path, sizeof(path), "%s/x.pb", dir);
	snprintf(uri, sizeof(uri), "file:%s", path);
	cr_assert_eq(rig_open(&rig, &opt), 0, "%s", rig.error);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 5);
	stream_session(rig.ws[0], s, STR("20190130"));
	stream_clock(rig.ws[0], s, 4, 0);
	rig_mbo(&rig, 0, s, 100, 30);
	rig_finish(&rig, 0);
	text = file_text(path, &len);
	while (at < len) {
		size_t size = (uint8_t)text[at] & 0x7f;
		Events__V1__Event *ev;

		if (text[at++] & 0x80)
			size |= (size_t)(uint8_t)text[at++] << 7;
		ev = events__v1__event__unpack(NULL, size, (uint8_t *)text + at);
		at += size;
		cr_assert_not_null(ev);
		cr_assert_eq(ev->seq, 100 + n);
		cr_assert_eq(ev->event_no, ++n);
		cr_assert_str_eq(ev->source, "rig");
		cr_assert_eq(ev->schema_version, SCHEMA_VERSION);
		cr_assert_str_eq(ev->session, "20190130");
		cr_assert_eq(ev->boot_id, 0x1122334455667788);
		cr_assert_eq(ev->stream, stream_facts(s)->number);
		cr_assert_eq(ev->ts_quality, 4);
		events__v1__event__free_unpacked(ev, NULL);
	}
	cr_assert_eq(at, len);
	cr_assert_eq(n, 30);
	free(text);
	check(&rig, uri, 30);
	dir_remove();
}

Test(text, a_line_says_when_where_which_and_what)
{
	char uri[128], path[64];
	struct rig_options opt = {.uris = {uri}};
	struct event ev = {.ts_recv_ns = 1548858600123456789,
		.venue = STR("XNAS"),
		.channel = 2,
		.seq = 7,
		.sub_seq = 1,
		.symbol = STR("A B\n"),
		.flags = 3,
		.type = EVENT_MBO};
	struct rig rig;
	struct stream *s;
	size_t len;
	char *text;

	dir_make();
	snprintf(path, sizeof(path), "%s/x.txt", dir);
	snprintf(uri, sizeof(uri), "text:%s", path);
	cr_assert_eq(rig_open(&rig, &opt), 0, "%s", rig.error);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 2);
	ev.mbo.action = MBO_ACTION_ADD;
	ev.mbo.side = SIDE_BUY;
	ev.mbo.order_id = 55;
	ev.mbo.has = MBO_HAS_PRICE_E9;
	ev.mbo.price_e9 = -1870050000000;
	ev.mbo.size = 100;
	stream_append(rig.ws[0], s, &ev);
	memset(&ev.mbo, 0, sizeof(ev.mbo));
	ev.venue = ev.symbol = (struct str){NULL, 0};
	ev.flags = ev.sub_seq = 0;
	stream_append(rig.ws[0], s, &ev);
	rig_finish(&rig, 0);
	text = file_text(path, &len);
	cr_assert_str_eq(text,
		"14:30:00.123456789 XNAS/2 7.1 \"A B\\x0a\" mbo ADD BUY order_id=55 price=-1870.05 "
		"size=100 [LAST SNAPSHOT]\n"
		"14:30:00.123456789 -/2 7 - mbo\n");
	free(text);
	check(&rig, uri, 2);
	dir_remove();
}

/* run_until_broken appends and works until the publisher says that the sink broke. */
static void run_until_broken(struct rig *rig, struct stream *s)
{
	for (unsigned i = 0; i < 2000 && publisher_state(rig->pubs[0]) != PUBLISHER_BROKEN; i++) {
		rig_mbo(rig, 0, s, i * 10, 10);
		rig_work(rig);
	}
	cr_assert_eq(publisher_state(rig->pubs[0]), PUBLISHER_BROKEN);
	rig_mbo(rig, 0, s, 1, 10);
}

Test(file, that_outgrows_its_limit_is_cut_back_to_whole_batches)
{
	char uri[128], path[64];
	struct rig_options opt = {.uris = {uri}, .batch_events = 10};
	struct rlimit limit = {20000, 20000};
	struct ledger_stage st;
	struct rig rig;
	size_t len, at = 0;
	uint64_t n = 0;
	char *text;

	dir_make();
	snprintf(path, sizeof(path), "%s/x.pb", dir);
	snprintf(uri, sizeof(uri), "file:%s", path);
	cr_assert_eq(rig_open(&rig, &opt), 0, "%s", rig.error);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	run_until_broken(&rig, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0));
	cr_assert_eq(publisher_errno(rig.pubs[0]), EFBIG);
	cr_assert(strstr(publisher_error(rig.pubs[0]), "cannot write the file"));
	rig_finish(&rig, 0);
	st = rig_count(&rig, 0);
	text = file_text(path, &len);
	while (at < len) {
		size_t size = (uint8_t)text[at] & 0x7f;

		if (text[at++] & 0x80)
			size |= (size_t)(uint8_t)text[at++] << 7;
		at += size;
		n++;
	}
	cr_assert_eq(at, len, "whole events only");
	cr_assert_eq(n, st.left, "what is counted as left is in the file, and nothing else");
	cr_assert_gt(n, 100);
	cr_assert_eq(st.dropped[REASON_write_failed], st.entered - n);
	free(text);
	check(&rig, uri, st.entered);
	dir_remove();
}

Test(file, a_full_disk_is_an_error_that_says_so)
{
	struct rig_options opt = {.uris = {"file:/dev/full"}, .batch_events = 10};
	struct rig rig;

	cr_assert_eq(rig_open(&rig, &opt), 0, "%s", rig.error);
	run_until_broken(&rig, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0));
	cr_assert_eq(publisher_errno(rig.pubs[0]), ENOSPC);
	cr_assert(strstr(publisher_error(rig.pubs[0]), "No space left"));
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, 0);
	check(&rig, "file:/dev/full", rig_count(&rig, 0).entered);
}

Test(file, that_cannot_be_opened_says_why)
{
	struct rig_options opt = {.uris = {"file:/nowhere/at/all.pb"}};
	struct rig rig;

	cr_assert_eq(rig_open(&rig, &opt), -ENOENT);
	cr_assert(strstr(rig.error, "/nowhere/at/all.pb"), "%s", rig.error);
	opt.uris[0] = "json:";
	cr_assert_eq(rig_open(&rig, &opt), -EINVAL);
	cr_assert(strstr(rig.error, "names no file"), "%s", rig.error);
}

Test(pipe, a_reader_that_goes_away_is_an_error_and_not_a_signal)
{
	struct rig_options opt = {.uris = {"json:-"}, .batch_events = 10};
	struct rig rig;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
	cr_assert_eq(rig_open(&rig, &opt), 0, "%s", rig.error);
	close(ends[0]);
	close(ends[1]);
	run_until_broken(&rig, rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0));
	cr_assert_eq(publisher_errno(rig.pubs[0]), EPIPE);
	cr_assert(strstr(publisher_error(rig.pubs[0]), "went away"));
	rig_finish(&rig, 0);
	check(&rig, "json:-", rig_count(&rig, 0).entered);
}

Test(pipe, a_reader_that_does_not_read_blocks_no_cut_and_no_stop, .timeout = 20)
{
	struct rig_options opt = {.uris = {"text:-"}, .batch_events = 10, .depth = 8, .live = true};
	const struct ledger_report *report;
	struct rig rig;
	struct stream *s;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
	cr_assert_eq(rig_open(&rig, &opt), 0, "%s", rig.error);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	for (unsigned i = 0; i < 500; i++) {
		rig_mbo(&rig, 0, s, i * 10, 10);
		rig_work(&rig);
	}
	report = rig_cut(&rig, 3);
	cr_assert_not_null(report);
	cr_assert(ledger_balances(report));
	cr_assert_gt(rig_count(&rig, 0).dropped[REASON_ring_full], 0);
	rig_finish(&rig, 50);
	cr_assert_eq(
		publisher_purged(rig.pubs[0]), 90, "eight in the ring, one begun or about to be");
	check(&rig, "text:-", 5000);
	close(ends[0]);
	close(ends[1]);
}
