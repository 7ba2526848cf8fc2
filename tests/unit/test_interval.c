#include <criterion/criterion.h>

#include "analyze/interval.h"

TestSuite(interval, .timeout = 20);

enum { TALKERS = 4, SHOWN = 3 };

static struct intervals iv;

static void setup(void)
{
	cr_assert_eq(intervals_init(&iv, 2, TALKERS, SHOWN, false, 1000), 0);
}

static void teardown(void)
{
	intervals_free(&iv);
}

/* sent counts a UDP packet of len IP bytes from 10.0.0.FROM to 10.0.0.9 on worker w. */
static void sent(unsigned w, uint8_t from, uint16_t len)
{
	uint8_t bytes[14 + 20 + 8] = {[12] = 8,
		[14] = 0x45,
		[23] = IP_PROTO_UDP,
		[26] = 10,
		[29] = from,
		[30] = 10,
		[33] = 9,
		[39] = 8};
	struct frame f;

	bytes[16] = (uint8_t)(len >> 8);
	bytes[17] = (uint8_t)len;
	frame_parse(bytes_of(bytes, sizeof(bytes)), LINK_ETHERNET, &f);
	interval_count(&iv.workers[w], &f, LINK_ETHERNET, len + 14u, 14, 5000);
}

static const struct interval_report *report(uint64_t now_ns)
{
	intervals_turn(&iv, now_ns);
	cr_assert_null(intervals_collect(&iv), "no worker has answered");
	interval_begin(&iv.workers[0]);
	cr_assert_null(intervals_collect(&iv), "one worker has not answered");
	interval_begin(&iv.workers[1]);
	return intervals_collect(&iv);
}

Test(interval, a_report_adds_up_all_workers, .init = setup, .fini = teardown)
{
	const struct interval_report *r;

	sent(0, 1, 100);
	sent(1, 1, 50);
	sent(1, 2, 200);
	sent(0, 3, 30);
	sent(0, 4, 40);
	r = report(2000);
	cr_assert_not_null(r);
	cr_assert_eq(r->traffic.packets, 5);
	cr_assert_eq(r->traffic.bytes, 420 + 5 * 14);
	cr_assert_eq(r->traffic.ts_start_ns, 1000);
	cr_assert_eq(r->traffic.ts_end_ns, 2000);
	cr_assert_eq(r->traffic.rows_n, 3, "UDP and two workers");
	cr_assert_str_eq(r->rows[0].key.p, "proto/udp");
	cr_assert_str_eq(r->rows[2].key.p, "worker/1");
	cr_assert_eq(r->rows[2].packets, 2);
	cr_assert_eq(r->src.talkers_n, SHOWN, "the most alone are shown");
	cr_assert_str_eq(r->talkers[0][0].key.p, "10.0.0.2");
	cr_assert_str_eq(r->talkers[0][1].key.p, "10.0.0.1");
	cr_assert_eq(r->talkers[0][1].bytes, 150);
	cr_assert_eq(r->talkers[0][1].packets, 2);
	cr_assert_str_eq(r->talkers[0][2].key.p, "10.0.0.4");
	cr_assert_eq(r->dst.talkers_n, 1);
	cr_assert_eq(r->dst.total_bytes, 420);
	cr_assert(!r->src.approximate);
}

Test(interval, what_comes_after_a_turn_is_in_the_next_report, .init = setup, .fini = teardown)
{
	const struct interval_report *r;

	sent(0, 1, 100);
	intervals_turn(&iv, 2000);
	sent(0, 1, 60); /* the worker has not seen the turn yet */
	interval_begin(&iv.workers[0]);
	interval_begin(&iv.workers[1]);
	sent(0, 2, 70);
	r = intervals_collect(&iv);
	cr_assert_eq(r->src.total_bytes, 160);
	r = report(3000);
	cr_assert_eq(r->src.total_bytes, 70);
	cr_assert_eq(r->traffic.ts_start_ns, 2000);
	r = report(4000);
	cr_assert_eq(r->traffic.packets, 0);
	cr_assert_eq(r->src.talkers_n, 0);
}

Test(interval, addresses_without_room_are_counted_and_said, .init = setup, .fini = teardown)
{
	const struct interval_report *r;

	for (uint8_t from = 1; from <= TALKERS + 2; from++)
		sent(0, from, 100);
	r = report(2000);
	cr_assert(r->src.approximate);
	cr_assert_eq(r->src.total_packets, TALKERS + 2);
	cr_assert_eq(r->src.total_bytes, 100 * (TALKERS + 2));
	cr_assert(!r->dst.approximate);
}
