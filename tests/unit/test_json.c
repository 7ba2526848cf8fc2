/* The json sink: exact lines here, and every kind of event against google.protobuf's own mapping.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "publish/rows/buf.h"
#include "tests/support/event_fill.h"
#include "tests/support/publish_rig.h"

#ifndef DESCRIPTORS
#error "DESCRIPTORS is the path of events.binpb"
#endif

static char dir[] = "/tmp/test_json.XXXXXX";
static char json_uri[64], file_uri[64];

static void open_both(struct rig *rig)
{
	struct rig_options opt = {.uris = {json_uri, file_uri}, .batch_bytes = 8 << 20};

	cr_assert_not_null(mkdtemp(dir));
	snprintf(json_uri, sizeof(json_uri), "json:%s/x.json", dir);
	snprintf(file_uri, sizeof(file_uri), "file:%s/x.pb", dir);
	cr_assert_eq(rig_open(rig, &opt), 0, "%s", rig->error);
}

static void close_both(struct rig *rig)
{
	char command[64];

	cr_assert(ledger_balances(rig_report(rig)));
	cr_assert_eq(rig_close(rig), 0);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

Test(json, a_line_has_proto_names_exact_numbers_and_oneofs_that_are_zero)
{
	struct event ev = {.ts_recv_ns = 1548858600123456789,
		.venue = STR("XNAS"),
		.seq = 7,
		.symbol = STR("\"\\\t\x7f \xc3\xa9"),
		.type = EVENT_MBP};
	char line[512] = "", path[64];
	struct rig rig;
	FILE *in;

	open_both(&rig);
	ev.mbp.action = MBP_UPDATE_ACTION_NEW;
	ev.mbp.has = MBP_UPDATE_HAS_PRICE_E9 | MBP_UPDATE_HAS_SIZE;
	ev.mbp.price_e9 = -1;
	ev.mbp.size = 0;
	ev.mbp.level = 3;
	ev.mbp.implied = true;
	stream_append(rig.ws[0], rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0), &ev);
	rig_finish(&rig, 0);
	snprintf(path, sizeof(path), "%s/x.json", dir);
	in = fopen(path, "r");
	cr_assert_not_null(in);
	cr_assert_not_null(fgets(line, sizeof(line), in));
	fclose(in);
	cr_assert(
		strstr(line,
			"{\"ts_recv_ns\":\"1548858600123456789\",\"venue\":\"XNAS\",\"seq\":\"7\","
			"\"symbol\":\"\\\"\\\\\\u0009\\u007f \xc3\xa9\",\"mbp\":{\"action\":"
			"\"ACTION_NEW\",\"price_e9\":\"-1\",\"size\":\"0\",\"level\":3,"
			"\"implied\":true},") == line,
		"%s", line);
	close_both(&rig);
}

Test(json, numbers_are_the_shortest_that_read_back)
{
	static const struct {
		double v;
		bool single;
		const char *text;
	} cases[] = {
		{0.1, false, "0.1"},
		{1.0 / 3, false, "0.3333333333333333"},
		{5e-324, false, "5e-324"},
		{1e22, false, "1e+22"},
		{123456789.125, false, "123456789.125"},
		{-0.0, false, "-0"},
		{(double)0.1f, true, "0.1"},
		{16777216, true, "16777216"},
	};
	struct buf buf;

	cr_assert_eq(buf_open(&buf), 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf.len = 0;
		buf_double(&buf, cases[i].v, cases[i].single);
		buf_char(&buf, 0);
		cr_assert_str_eq(buf.p, cases[i].text);
	}
	buf.len = 0;
	buf_decimal(&buf, INT64_MIN, 9);
	buf_char(&buf, ' ');
	buf_decimal(&buf, 1, 9);
	buf_char(&buf, ' ');
	buf_decimal(&buf, -50, 2);
	buf_char(&buf, 0);
	cr_assert_str_eq(buf.p, "-9223372036.854775808 0.000000001 -0.5");
	buf_close(&buf);
}

/* /usr/bin/python3 is Debian's, the one that has Debian's protobuf. */
#define PYTHON "/usr/bin/python3"

Test(json, equals_google_protobuf_for_every_kind_of_event, .timeout = 250)
{
	static const enum event_type types[] = {EVENT_MBO, EVENT_MBP, EVENT_BBO, EVENT_TRADE,
		EVENT_FIX, EVENT_SIGNAL, EVENT_FLOW, EVENT_IMBALANCE, EVENT_STATUS,
		EVENT_DEFINITION, EVENT_STATS, EVENT_SYSTEM, EVENT_GAP, EVENT_UNKNOWN, EVENT_SCORE,
		EVENT_LATENCY, EVENT_ANOMALY, EVENT_DNS, EVENT_HTTP, EVENT_TLS, EVENT_ICMP,
		EVENT_TALKER, EVENT_PACKET, EVENT_TRAFFIC, EVENT_LEDGER};
	enum { TYPES = sizeof(types) / sizeof(types[0]) };
	struct fill fill = {.seed = 7, .size = 8 << 20, .skip = 4};
	char command[512];
	struct rig rig;
	struct stream *s;

	if (system(PYTHON " -c 'import google.protobuf' 2>/dev/null") != 0)
		cr_skip_test("python3-protobuf is missing");
	open_both(&rig);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	stream_session(rig.ws[0], s, STR("S"));
	fill.room = malloc(fill.size);
	for (unsigned i = 0; i < TYPES * 20; i++) {
		struct event ev;

		fill.used = 0;
		fill.skip = i / TYPES % 5;
		fill_event(&fill, &ev, types[i % TYPES]);
		cr_assert_eq(stream_append(rig.ws[0], s, &ev), 0);
	}
	rig_finish(&rig, 0);
	cr_assert_eq(rig_count(&rig, 0).left, TYPES * 20);
	snprintf(command, sizeof(command),
		PYTHON " %s/tests/e2e/json_check.py %s %s/x.pb %s/x.json", SOURCE_DIR, DESCRIPTORS,
		dir, dir);
	cr_assert_eq(system(command), 0);
	free(fill.room);
	close_both(&rig);
}
