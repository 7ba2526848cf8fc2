#include <criterion/criterion.h>
#include <stdlib.h>

#include "decode/tcp/tcp.h"

TestSuite(tcp, .timeout = 20);

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, UNIT_MAX = 16 };

static struct tcp_table table;
static struct events out;
static char got[512]; /* what eat took, units one behind the other */
static size_t got_n;
static uint64_t now = 1000;

static void flush(struct events *evs)
{
	(void)evs;
}

/* Units of this test begin with '#' and end with ';'. */
static size_t eat(void *ctx, struct tcp_dir *dir, struct bytes in)
{
	const uint8_t *begin = in.p, *end = in.end;

	(void)ctx;
	if (dir->resync) {
		in.p = memchr(in.p, '#', bytes_len(in));
		if (!in.p)
			return (size_t)(end - begin);
		dir->resync = false;
	}
	while (end > in.p && end[-1] != ';')
		end--;
	memcpy(got + got_n, in.p, (size_t)(end - in.p));
	got_n += (size_t)(end - in.p);
	got[got_n] = 0;
	return (size_t)(end - begin);
}

static struct frame frame(const char *text, uint32_t seq, uint8_t flags)
{
	struct frame f = {.tcp_seq = seq, .tcp_flags = flags, .ip_proto = 6};

	f.src.ip[15] = 1;
	f.src.port = 40000;
	f.dst.ip[15] = 2;
	f.dst.port = 9000;
	f.payload = bytes_of(text, strlen(text));
	return f;
}

/* send does what a worker does. */
static int send_frame(const struct frame *f)
{
	struct tcp_segment seg;
	int rc = tcp_take(&table, f, now, &seg);

	if (rc == -REASON_no_feed) {
		rc = tcp_claim(&table, f, now, &seg);
		if (rc < 0)
			return tcp_drop(&table, (enum reason) - rc);
	}
	if (rc < 0)
		return rc;
	seg.dir->kind = TCP_FIX;
	tcp_deliver(&table, &seg, &out, eat, NULL);
	return 0;
}

static int send_text(const char *text, uint32_t seq, uint8_t flags)
{
	struct frame f = frame(text, seq, flags);

	return send_frame(&f);
}

static void start(uint32_t flows_max, uint32_t buffers_max)
{
	struct tcp_options opt = {flows_max, buffers_max, UNIT_MAX, 1000};

	cr_assert_eq(tcp_init(&table, &opt), 0);
	cr_assert_eq(events_init(&out, flush, NULL), 0);
	got_n = 0;
	got[0] = 0;
}

static uint64_t dropped(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < REASON_COUNT; i++)
		n += table.counts.dropped[i];
	return n;
}

static void stop(void)
{
	cr_expect_eq(table.counts.segments, table.counts.delivered + dropped(),
		"every segment ends once");
	tcp_free(&table);
	events_free(&out);
}

Test(tcp, bytes_come_out_in_order_and_units_may_span_segments)
{
	start(4, 2);
	cr_expect_eq(send_text("", 99, SYN), -REASON_no_payload);
	cr_expect_eq(send_text("#a;#b", 100, ACK), 0);
	cr_expect_str_eq(got, "#a;");
	cr_expect_eq(send_text("b", 105, ACK), 0);
	cr_expect_eq(send_text("b;#c;", 106, ACK), 0);
	cr_expect_str_eq(got, "#a;#bbb;#c;");
	cr_expect_eq(table.buffers_n, 2, "no buffer is kept when nothing is held");
	cr_expect_eq(table.counts.bytes, 11);
	stop();
}

Test(tcp, retransmits_are_refused_and_only_new_bytes_of_an_overlap_count)
{
	start(4, 2);
	send_text("", 99, SYN);
	send_text("#a;#b;", 100, ACK);
	cr_expect_eq(send_text("#a;#b;", 100, ACK), -REASON_tcp_retransmit);
	cr_expect_eq(send_text("#b;", 103, ACK), -REASON_tcp_retransmit);
	cr_expect_eq(send_text(";", 105, ACK), -REASON_tcp_retransmit, "a keep-alive of one byte");
	cr_expect_eq(send_text("#b;#c;", 103, ACK), 0);
	cr_expect_str_eq(got, "#a;#b;#c;");
	cr_expect_eq(table.counts.bytes_repeated, 6 + 3 + 1 + 3);
	stop();
}

Test(tcp, a_lost_segment_is_counted_and_its_late_copy_refused)
{
	start(4, 2);
	send_text("", 99, SYN);
	send_text("#a;#b", 100, ACK);
	cr_expect_eq(send_text("x;#d;", 115, ACK), 0); /* 105..114 are missing */
	cr_expect_str_eq(
		got, "#a;#d;", "the part of b is dropped, x is the end of a unit that was lost");
	cr_expect_eq(table.counts.holes, 1);
	cr_expect_eq(table.counts.bytes_lost, 10);
	cr_expect_eq(table.counts.bytes_dropped, 2);
	cr_expect_eq(send_text("bb;#cccccc", 105, ACK), -REASON_tcp_late);
	cr_expect_eq(send_text("#a;", 100, ACK), -REASON_tcp_retransmit);
	cr_expect_eq(send_text("#e;", 120, ACK), 0);
	cr_expect_str_eq(got, "#a;#d;#e;");
	stop();
}

Test(tcp, sequence_numbers_wrap)
{
	start(4, 2);
	send_text("", 0xfffffffc, SYN);
	cr_expect_eq(send_text("#a;", 0xfffffffd, ACK), 0);
	cr_expect_eq(send_text("#b;", 0, ACK), 0);
	cr_expect_eq(send_text("#a;#b;", 0xfffffffd, ACK), -REASON_tcp_retransmit);
	cr_expect_str_eq(got, "#a;#b;");
	stop();
}

Test(tcp, a_syn_begins_anew_but_its_copy_does_not)
{
	start(4, 2);
	send_text("", 99, SYN);
	send_text("#a;", 100, ACK);
	send_text("", 99, SYN);
	cr_expect_eq(send_text("#a;", 100, ACK), -REASON_tcp_retransmit);
	send_text("", 4999, SYN);
	cr_expect_eq(send_text("#z;", 5000, ACK), 0);
	cr_expect_str_eq(got, "#a;#z;");
	stop();
}

Test(tcp, after_fin_and_rst_an_entry_may_be_taken)
{
	struct frame f;

	start(1, 1);
	send_text("#a;", 100, ACK);
	f = frame("#q;", 700, ACK);
	f.src.port = 41000;
	cr_expect_eq(send_frame(&f), -REASON_flow_table_full);
	cr_expect_eq(send_text("#b;#c", 103, ACK | FIN), 0);
	cr_expect_eq(table.buffers_n, 1, "the part of c will never be whole");
	cr_expect_eq(send_frame(&f), 0);
	cr_expect_eq(table.counts.evicted, 1);
	cr_expect_str_eq(got, "#a;#b;#q;");
	stop();
}

Test(tcp, a_silent_direction_may_be_taken_and_begins_anew)
{
	struct frame f = frame("#q;", 700, ACK);

	start(1, 1);
	f.src.port = 41000;
	send_text("#a;", 100, ACK);
	now += 1001;
	cr_expect_eq(
		send_text("#b;", 77, ACK), 0, "the same ports, long after: another connection");
	cr_expect_eq(send_frame(&f), -REASON_flow_table_full);
	now += 1001;
	cr_expect_eq(send_frame(&f), 0);
	stop();
}

Test(tcp, without_a_buffer_the_part_is_given_up_and_named)
{
	struct frame f = frame("#q;#r", 700, ACK);

	start(4, 1);
	f.src.port = 41000;
	send_text("#a;#b", 100, ACK);
	send_frame(&f);
	cr_expect_eq(table.counts.no_buffer, 1);
	cr_expect_eq(table.counts.bytes_dropped, 2);
	f = frame("r;#s;", 705, ACK);
	f.src.port = 41000;
	cr_expect_eq(send_frame(&f), 0);
	cr_expect_eq(send_text("b;", 105, ACK), 0);
	cr_expect_str_eq(got, "#a;#q;#s;#bb;");
	stop();
}

Test(tcp, directions_are_found_again_whatever_was_forgotten_between)
{
	static bool known[512];
	uint64_t seed = 7;

	start(256, 4);
	for (unsigned i = 0; i < 20000; i++) {
		struct frame f = frame("#;", 0, ACK);
		struct tcp_segment seg;
		unsigned port;
		int rc;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		port = seed >> 55;
		f.src.port = (uint16_t)port;
		rc = tcp_take(&table, &f, now, &seg);
		if (rc == -REASON_no_feed) {
			cr_assert_not(known[port]);
			rc = tcp_claim(&table, &f, now, &seg);
			if (rc == -REASON_flow_table_full) {
				cr_assert_eq(table.dirs_n - table.spare_n, 256);
				continue;
			}
			cr_assert_eq(rc, 0);
			seg.dir->kind = TCP_FEED;
			known[port] = true;
		} else {
			cr_assert(known[port]);
			cr_assert_not_null(seg.dir);
			cr_assert_eq(seg.dir->src.port, port);
			if (seed >> 40 & 1) {
				tcp_forget(&table, seg.dir);
				known[port] = false;
			}
		}
	}
	tcp_free(&table);
	events_free(&out);
}
