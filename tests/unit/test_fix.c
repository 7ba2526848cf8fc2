#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/fix/fix_fields.h"
#include "tests/support/event_check.h"
#include "tests/support/fix_rig.h"

TestSuite(fix, .timeout = 60);

static struct fix_rig rig;
static uint32_t next_seq; /* of TCP */
static uint8_t bytes[131072];

static void setup(void)
{
	fix_rig_init(&rig, 4096);
	rig.check = event_check;
	next_seq = 1;
	fix_rig_send(&rig, bytes_of("", 0), 0, 2); /* SYN */
}

static void teardown(void)
{
	const struct fix_counts *c = &rig.streams.fix.counts;
	uint64_t dropped = 0;

	for (unsigned i = 0; i < REASON_COUNT; i++)
		dropped += c->dropped[i];
	cr_expect_eq(c->messages_in, c->messages_out + dropped);
	cr_expect_eq(c->bytes_in, c->bytes_out + c->bytes_skipped);
	fix_rig_free(&rig);
}

static void send_bytes(const void *p, size_t len)
{
	fix_rig_send(&rig, bytes_of(p, len), next_seq, 16);
	next_seq += (uint32_t)len;
	fix_rig_flush(&rig);
}

/* say sends a message given as text in one segment. */
static void say(const char *text)
{
	send_bytes(bytes, fix_compose(bytes, sizeof(bytes), text));
}

/* expect looks for text in what came out since the last forget. */
#define expect(text_)                                                                              \
	cr_expect_not_null(strstr(rig.text, text_), "%s is not in %s", text_, rig.text)
#define expect_not(text_) cr_expect_null(strstr(rig.text, text_), "%s is in %s", text_, rig.text)

static uint64_t dropped(enum reason reason)
{
	return rig.streams.fix.counts.dropped[reason];
}

Test(fix, an_order_has_all_its_typed_fields, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=D|49=BUYER|56=BROKER|34=7|52=20240229-14:30:05.123456789|11=C1|1=ACC|"
	    "55=ESZ6|54=2|"
	    "60=20240229-14:30:05|38=100|40=2|44=-12.5|59=0|48=123|207=XCME|97=Y|1128=9|58=hello|"
	    "10=?|");
	expect("\"msg_type\":\"D\"");
	expect("\"session\":\"BUYER-BROKER\",\"venue\":\"BUYER-BROKER\"");
	expect("\"cl_ord_id\":\"C1\"");
	expect("\"account\":\"ACC\"");
	expect("\"symbol\":\"ESZ6\",\"side\":2,\"msg_seq_num\":7");
	expect("\"sending_time_ns\":1709217005123456789");
	expect("\"transact_time_ns\":1709217005000000000");
	expect("\"order_qty\":100");
	expect("\"price_e9\":-12500000000");
	expect("\"time_in_force\":\"0\"");
	expect("\"security_id\":\"123\",\"security_exchange\":\"XCME\"");
	expect("\"poss_resend\":1");
	expect("\"appl_ver_id\":\"9\"");
	expect("\"text\":\"hello\"");
	expect("[44,\"-12.5\"]");
	expect_not("qty_scale");
	expect_not("problems");
}

Test(fix, quantities_share_the_scale_of_the_finest, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=8|49=A|56=B|34=1|38=10|32=0.250|151=9.75|14=.2500|31=1.000000001|6="
	    "000.10|10=?|");
	expect("\"order_qty\":1000,\"last_qty\":25,\"leaves_qty\":975,\"cum_qty\":25,\"qty_scale\":"
	       "2");
	expect("\"last_px_e9\":1000000001,\"avg_px_e9\":100000000");
}

Test(fix, what_is_not_exact_stays_absent_and_is_flagged, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=8|49=A|56=B|34=1|44=1.0000000001|31=9223372037|6=1e5|10=?|");
	expect("\"flags\":257"); /* LAST, PRICE_INEXACT */
	expect_not("_e9");
	expect("[44,\"1.0000000001\"]");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=8|49=A|56=B|34=2|44=1.000000000000000000000|31=9223372036.854775807|"
	    "10=?|");
	expect("\"flags\":1,");
	expect("\"price_e9\":1000000000,\"last_px_e9\":9223372036854775807");
}

Test(fix, secrets_leave_tag_and_length_only, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=A|49=A|56=B|34=1|98=0|108=30|95=12|96=raw=hunter2a|553=user|554="
	    "hunter2b|925=hunter2c|"
	    "1401=10|1402=hunter2d|z|1403=8|1404=hunter2e|10=?|");
	expect("[96,{\"redacted\":12}]");
	expect("[554,{\"redacted\":8}]");
	expect("[925,{\"redacted\":8}]");
	expect("[1402,{\"redacted\":10}]");
	expect("[1404,{\"redacted\":8}]");
	expect("[553,\"user\"]");
	expect_not("hunter");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=B|49=A|56=B|34=2|95=3|96=raw|10=?|");
	expect("[96,\"raw\"]");
	fix_rig_clear(&rig);
	/* a wrong checksum: nothing of it may be seen */
	say("8=FIX.4.4|9=?|35=A|49=A|56=B|34=3|554=hunter2|10=000|");
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=3|10=?|");
	expect("\"event\":\"unknown\",\"length\":54,\"count\":1,\"head\":\"8=FIX.4.4\\u00019="
	       "32\\u0001\"");
	expect_not("hunter");
}

Test(fix, a_secret_of_unknown_length_takes_what_follows_with_it, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=A|49=A|56=B|34=1|95=3|96=hunt|58=er2|553=user|10=?|");
	expect("[96,{\"redacted\":20}]");
	expect("\"seq\":1");
	expect_not("hunt");
	expect_not("er2");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=BE|49=A|56=B|34=2|1401=99|1402=hunt|58=er2|10=?|");
	expect("\"seq\":2");
	expect_not("hunt");
	expect_not("er2");
}

Test(fix, data_fields_may_hold_delimiters, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=B|49=A|56=B|34=1|95=17|96=a|10=000|8=FIX.4.|58=t|10=?|");
	expect("[96,\"a\\u000110=000\\u00018=FIX.4.\"],[58,\"t\"]");
	expect("\"text\":\"t\"");
	expect_not("problems");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=B|49=A|56=B|34=2|93=1|89=\001|10=?|"); /* the data is one SOH; 93 ->
									89 */
	expect("[93,\"1\"],[89,\"\\u0001\"],[10,");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=B|49=A|56=B|34=3|95=9|96=ab|58=t|10=?|");
	expect("[96,\"ab\"],[58,\"t\"]");
	expect("\"problems\":64");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=B|49=A|56=B|34=4|95=4294967295|96=ab|10=?|");
	expect("\"problems\":64");
}

Test(fix, problems_of_a_well_framed_message_are_bits, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=1|058=x|10=?|");
	expect("\"problems\":8");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|58=|10=?|");
	expect("\"problems\":8");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=3|35=1|10=?|");
	expect("\"msg_type\":\"0\"");
	expect("\"problems\":4");
}

Test(fix, garbled_messages_make_no_event_and_cost_nothing_else, .init = setup, .fini = teardown)
{
	static const char *const garbled[] = {
		"8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|10=12|",      /* checksum of two digits */
		"8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|10=256|",     /* no checksum at all */
		"8=FIX.4.4|9=29|35=0|49=A|56=B|34=2|10=?|",      /* body length too large */
		"8=FIX.4.4|9=3|35=0|49=A|56=B|34=2|10=?|",       /* too small */
		"8=FIX.4.4|9=x|35=0|49=A|56=B|34=2|10=?|",       /* not a number */
		"8=FIX.4.4|35=0|9=?|49=A|56=B|34=2|10=?|",       /* wrong order */
		"8=FIX.4.4|9=?|49=A|35=0|56=B|34=2|10=?|",       /* 35 not third */
		"8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|hello|10=?|", /* field without '=' */
		"8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|x9=1|10=?|",  /* tag not a number */
		"8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|=1|10=?|",    /* no tag */
		"8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|=1=2|10=?|",  /* no tag, and another delimiter */
		"8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|99999999999=1|10=?|", /* tag beyond 32 bits */
		"8=FIXCOMP|9=10|0123456789",
		"8=O|9=0010|35=P|01234",
		"9=5|",
		"GET / HTTP/1.1\r\n\r\n",
	};
	char text[64];
	unsigned i;

	for (i = 0; i < sizeof(garbled) / sizeof(*garbled); i++) {
		say(garbled[i]);
		snprintf(text, sizeof(text), "8=FIX.4.4|9=?|35=0|49=A|56=B|34=%u|10=?|", i + 1);
		fix_rig_clear(&rig);
		say(text);
		snprintf(text, sizeof(text), "\"msg_seq_num\":%u,", i + 1);
		expect(text);
		expect_not("\"event\":\"gap\"");
	}
	cr_expect_geq(dropped(REASON_garbled), i);
	cr_expect_eq(rig.streams.fix.counts.messages_out, i);
}

Test(fix, a_lying_body_length_hides_no_message_behind_it, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=130|35=0|49=A|56=B|34=1|10=?|");
	for (unsigned i = 2; i < 7; i++) {
		char text[64];

		snprintf(text, sizeof(text), "8=FIX.4.4|9=?|35=0|49=A|56=B|34=%u|10=?|", i);
		say(text);
	}
	cr_expect_eq(rig.streams.fix.counts.messages_out, 5);
	cr_expect_eq(dropped(REASON_garbled), 1);
}

Test(fix, a_message_beyond_the_limit_is_skipped_by_name, .init = setup, .fini = teardown)
{
	char *text = malloc(8192);
	size_t n = (size_t)snprintf(text, 8192, "8=FIX.4.4|9=?|35=B|49=A|56=B|34=1|58=");

	memset(text + n, 'x', 5000);
	memcpy(text + n + 5000, "|10=?|", 7);
	say(text);
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|10=?|");
	cr_expect_eq(dropped(REASON_message_too_long), 1);
	cr_expect_eq(rig.streams.fix.counts.messages_out, 1);
	free(text);
}

Test(fix, missing_numbers_are_one_gap_and_marked_repeats_are_none, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=1|10=?|");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=5|10=?|");
	expect("\"seq\":2,\"sub_seq\":0,\"flags\":1,\"session\":\"A-B\",\"venue\":\"A-B\","
	       "\"event\":\"gap\",\"first\":2,"
	       "\"last\":4,\"cause\":1");
	expect("\"seq\":5,\"sub_seq\":0");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=3|43=Y|10=?|");
	expect("\"flags\":5"); /* LAST, RETRANSMIT */
	expect("\"poss_dup\":1");
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=6|10=?|");
	say("8=FIX.4.4|9=?|35=0|49=B|56=A|34=900|10=?|"); /* the other way round: another session */
	expect_not("\"event\":\"gap\"");
	cr_expect_eq(rig.streams.fix.counts.gaps.gaps[GAP_EVENT_CAUSE_UPSTREAM], 1);
	cr_expect_eq(rig.streams.fix.counts.gaps.messages_lost[GAP_EVENT_CAUSE_UPSTREAM], 3);
}

Test(fix, a_hole_in_the_bytes_leaves_the_cause_open, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=1|10=?|");
	next_seq += 50;
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=3|10=?|");
	expect("\"event\":\"gap\",\"first\":2,\"last\":2,\"lost_bytes\":50,\"cause\":3");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=5|10=?|");
	expect("\"event\":\"gap\",\"first\":4,\"last\":4,\"cause\":1");
}

Test(fix, sequence_resets_and_gap_fills_are_no_gaps, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=A|49=A|56=B|34=1|10=?|");
	say("8=FIX.4.4|9=?|35=4|49=A|56=B|34=2|123=Y|36=10|10=?|");
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=10|10=?|");
	expect_not("\"event\":\"system\"");
	say("8=FIX.4.4|9=?|35=4|49=A|56=B|34=77|36=100|10=?|");
	expect("\"session\":\"A-B.1\",\"venue\":\"A-B\",\"event\":\"system\",\"code\":7,\"session_"
	       "new\":\"A-B.1\"");
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=100|10=?|");
	/* a fill that answers a resend request does not move what is expected back */
	say("8=FIX.4.4|9=?|35=4|49=A|56=B|34=3|43=Y|123=Y|36=50|10=?|");
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=101|10=?|");
	say("8=FIX.4.4|9=?|35=A|49=A|56=B|34=1|141=Y|10=?|");
	expect("\"session_new\":\"A-B.2\"");
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|10=?|");
	expect_not("\"event\":\"gap\"");
	cr_expect_eq(rig.streams.fix.counts.resets, 2);
	/* one number too low is an error of theirs, two in a row are a new beginning */
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=3|10=?|");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=1|10=?|");
	expect_not("\"event\":\"system\"");
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|10=?|");
	expect("\"session_new\":\"A-B.3\"");
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=3|10=?|");
	expect_not("\"event\":\"gap\"");
}

Test(fix, numbers_go_on_over_a_new_connection, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=8|10=?|");
	next_seq = 70001;
	fix_rig_send(&rig, bytes_of("", 0), 70000, 2);
	say("8=FIX.4.4|9=?|35=A|49=A|56=B|34=9|10=?|");
	expect_not("\"event\":\"gap\"");
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=11|10=?|");
	expect("\"first\":10,\"last\":10");
}

Test(fix, another_loop_round_is_another_session_without_gap, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=8|10=?|");
	tcp_streams_round(&rig.streams, 1);
	next_seq = 1;
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=0|49=A|56=B|34=8|10=?|");
	expect("\"event\":\"system\",\"code\":7,\"session_new\":\"A-B.1\"");
	expect("\"session\":\"A-B.1\",\"venue\":\"A-B\",\"event\":\"fix\"");
	expect_not("\"event\":\"gap\"");
}

Test(fix, decoding_begins_in_mid_stream_at_the_next_message, .init = setup, .fini = teardown)
{
	next_seq += 1000; /* the beginning was not captured */
	memcpy(bytes, "5=0\00149=A\00134=1\00110=003\001", 21);
	send_bytes(bytes,
		21 + fix_compose(bytes + 21, 512, "8=FIX.4.4|9=?|35=0|49=A|56=B|34=2|10=?|"));
	cr_expect_eq(rig.streams.fix.counts.messages_out, 1);
	cr_expect_eq(rig.streams.fix.counts.bytes_skipped, 21);
	cr_expect_eq(dropped(REASON_garbled), 0, "what was lost is not their fault");
	expect_not("unknown");
}

Test(fix, names_are_printable_and_sessions_of_equal_names_differ_in_channel, .init = setup,
	.fini = teardown)
{
	say("8=FIX.4.4|9=?|35=0|49=A/ \xc3\xa9|56=VERYLONGTARGETCOMPANYNAME|34=1|10=?|");
	expect("\"venue\":\"A____-VERYLONGTARGETCOM\"");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=0|34=1|10=?|");
	expect("\"venue\":\"FIX\"");
}

Test(fix, text_that_no_string_may_hold_stays_in_tags, .init = setup, .fini = teardown)
{
	say("8=FIX.4.4|9=?|35=D|49=A|56=B|34=1|58=caf\xe9|11=caf\xc3\xa9|10=?|");
	expect_not("\"text\"");
	expect("[58,\"caf\\u00e9\"]");
	expect("\"cl_ord_id\":\"caf\\u00c3\\u00a9\"");
	fix_rig_clear(&rig);
	say("8=FIX.4.4|9=?|35=D|49=A|56=B|34=2|58=a^b|10=?|");
	expect("[58,\"a\\u0000b\"]");
	expect_not("\"text\"");
}

Test(fix, a_table_of_sessions_that_is_full_refuses_by_name, .init = setup, .fini = teardown)
{
	char text[80];

	for (unsigned i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "8=FIX.4.4|9=?|35=0|49=S%u|56=B|34=1|10=?|", i);
		say(text);
	}
	cr_expect_eq(rig.streams.fix.counts.messages_out, 256);
	cr_expect_eq(dropped(REASON_session_table_full), 44);
}

Test(fix, any_cut_into_segments_gives_the_same_events)
{
	static const char *const text = "8=FIX.4.4|9=?|35=A|49=A|56=B|34=1|554=secret|10=?|";
	static const char *const more =
		"8=FIX.4.4|9=?|35=B|49=A|56=B|34=2|95=9|96=8=FIX.4.4|58=x|10=?|";
	uint8_t stream[512];
	char *whole = NULL;
	size_t len = fix_compose(stream, sizeof(stream), text);

	memcpy(stream + len, "junk|8=FIX", 10);
	len += 10;
	len += fix_compose(stream + len, sizeof(stream) - len, more);
	len += fix_compose(
		stream + len, sizeof(stream) - len, "8=FIX.4.4|9=?|35=0|49=A|56=B|34=5|10=?|");
	for (size_t first = 0; first <= len; first++) {
		for (size_t step = 1; step < 4; step++) {
			setup();
			send_bytes(stream, first);
			for (size_t at = first; at < len; at += step + first % 61)
				send_bytes(stream + at, len - at < step + first % 61
								? len - at
								: step + first % 61);
			if (!whole)
				whole = strdup(rig.text);
			cr_assert_str_eq(rig.text, whole);
			teardown();
		}
	}
	cr_expect_not_null(strstr(whole, "\"first\":3,\"last\":4"));
	free(whole);
}

Test(fix, every_prefix_of_a_message_waits_and_makes_nothing, .init = setup, .fini = teardown)
{
	size_t len = fix_compose(
		bytes, sizeof(bytes), "8=FIX.4.4|9=?|35=0|49=A|56=B|34=1|95=2|96=xy|10=?|");
	struct fix_message msg;

	for (size_t n = 0; n < len; n++) {
		uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees one byte too many */

		memcpy(exact, bytes, n);
		cr_assert_eq(fix_frame(bytes_of(exact, n), 4096, &msg), 0);
		free(exact);
	}
	cr_expect_eq(fix_frame(bytes_of(bytes, len), 4096, &msg), (int64_t)len);
}

Test(fix, times_have_up_to_twelve_digits_of_fraction)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} times[] = {
		{"19700101-00:00:00", 0},
		{"19700101-00:00:01", 1000000000},
		{"20000229-23:59:60", 951868800000000000},
		{"20240229-14:30:05.1", 1709217005100000000},
		{"20240229-14:30:05.123456789", 1709217005123456789},
		{"20240229-14:30:05.123456789999", 1709217005123456789},
		{"22611231-23:59:59.999999999", 9214646399999999999u},
		{"20230229-14:30:05", 0},
		{"21000229-14:30:05", 0},
		{"20241301-14:30:05", 0},
		{"20240229-24:30:05", 0},
		{"20240229-14:30:05.", 0},
		{"20240229-14:30:05.1234567890123", 0},
		{"20240229-14:30:05.12x", 0},
		{"20240229 14:30:05", 0},
		{"20240229-14:30", 0},
		{"", 0},
	};
	struct fix_clock clock = {0};

	for (unsigned i = 0; i < sizeof(times) / sizeof(*times); i++)
		cr_expect_eq(
			fix_time(&clock, str_of(times[i].text)), times[i].ns, "%s", times[i].text);
}

Test(fix, numbers_are_exact_or_refused)
{
	static const char *const wrong[] = {"", "-", ".", "+.", "1.2.3", "1e5", " 1", "1 ", "0x1",
		"--1", "18446744073709551616"};
	struct fix_number n;
	uint64_t v;
	int64_t e9;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		cr_expect_not(fix_number(str_of(wrong[i]), &n), "%s", wrong[i]);
	cr_expect(fix_number(STR("-0012.3400"), &n) && n.negative && n.digits == 1234 &&
		  n.scale == 2);
	cr_expect(fix_number(STR("0.000"), &n) && n.digits == 0 && fix_e9(&n, &e9) && e9 == 0);
	cr_expect(fix_number(STR("5."), &n) && n.digits == 5 && n.scale == 0);
	cr_expect(fix_number(STR("0.0000000001"), &n) && !fix_e9(&n, &e9));
	cr_expect(fix_number(STR("-9223372036.854775807"), &n) && fix_e9(&n, &e9) &&
		  e9 == -INT64_MAX);
	cr_expect(fix_number(STR("9223372036.854775808"), &n) && !fix_e9(&n, &e9));
	cr_expect(fix_number(STR("18446744073709551615"), &n) && fix_scaled(&n, 0, &v) &&
		  v == UINT64_MAX);
	cr_expect_not(fix_scaled(&n, 1, &v));
	cr_expect(fix_uint(STR("00007"), &v) && v == 7);
	cr_expect_not(fix_uint(STR("18446744073709551616"), &v));
	cr_expect_not(fix_uint(STR("7a"), &v));
}

Test(fix, the_wide_scan_sees_what_the_scalar_one_sees)
{
	uint32_t wide[1024 + FIX_SCAN_SLACK], plain[1024 + FIX_SCAN_SLACK];
	uint64_t seed = 3;

	for (unsigned round = 0; round < 3000; round++) {
		size_t len = round % 300;
		uint8_t *p = malloc(len + 1);
		struct fix_scan a, b;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			p[i] = round % 3 == 0    ? (uint8_t)(seed >> 56)
			       : seed >> 61 == 0 ? FIX_SOH
						 : (uint8_t)(seed >> 57);
		}
		p = realloc(p, len ? len : 1);
		fix_scan(bytes_of(p, len), wide, &a);
		fix_scan_scalar(bytes_of(p, len), plain, &b);
		cr_assert_eq(a.sum, b.sum);
		cr_assert_eq(a.soh_n, b.soh_n);
		cr_assert_eq(a.ascii, b.ascii);
		cr_assert_arr_eq(wide, plain, a.soh_n * sizeof(*wide));
		free(p);
	}
}
