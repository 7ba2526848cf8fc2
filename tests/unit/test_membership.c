/* Membership without a port: what is told when. That a switch takes it: tests/e2e/test_join.py. */
#include <criterion/criterion.h>

#include "capture/membership.h"

TestSuite(membership, .timeout = 20);

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

static const struct membership_port port = {{2, 0, 0, 0, 0, 1}, {10, 0, 0, 1}};
static struct membership *m;

static struct address ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct address){
		.ip = {[10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d}};
}

static void open_groups(const struct address *groups, unsigned n, uint64_t now_ns)
{
	cr_assert_eq(membership_open(&m, groups, n, &port, 12345, now_ns), 0);
}

/* drain takes all frames that are due. Returns how many; adds their records to records */
static unsigned drain(uint64_t now_ns, unsigned *records)
{
	uint8_t frame[MEMBERSHIP_FRAME];
	unsigned n = 0, len;

	while ((len = membership_next(m, now_ns, frame)) > 0) {
		cr_assert(len >= 60 && len <= MEMBERSHIP_FRAME);
		n++;
		if (frame[12] == 8 && frame[38] == 0x22)
			*records += load_be16(frame + 38 + 6);
		else if (frame[12] == 0x86 && frame[62] == 143)
			*records += load_be16(frame + 62 + 6);
		else
			++*records;
	}
	return n;
}

/* IGMPv3 general query from 10.0.0.9, at most code / 10 s, QRV 3 */
static void ask(uint8_t code, uint64_t now_ns)
{
	uint8_t q[60] = {1, 0, 0x5e, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 1,
		2, 0, 0, 10, 0, 0, 9, 224, 0, 0, 1, 0x11, code, 0, 0, 0, 0, 0, 0, 3, 125};
	uint32_t header = 0, body = 0;

	for (unsigned i = 14; i < 34; i += 2)
		header += load_be16(q + i);
	for (unsigned i = 34; i < 46; i += 2)
		body += load_be16(q + i);
	header = ~((header & 0xffff) + (header >> 16));
	body = ~((body & 0xffff) + (body >> 16));
	q[24] = (uint8_t)(header >> 8);
	q[25] = (uint8_t)header;
	q[36] = (uint8_t)(body >> 8);
	q[37] = (uint8_t)body;
	cr_assert(membership_is_query(q, sizeof(q)));
	membership_take(m, bytes_of(q, sizeof(q)), now_ns);
}

Test(membership, addresses_that_are_no_groups_are_left_out)
{
	struct address some[] = {ipv4(10, 0, 0, 1), ipv4(224, 0, 0, 1), ipv4(233, 1, 1, 1),
		ipv4(233, 1, 1, 1), {.ip = {0xff, 2, [15] = 1}}, {.ip = {0xff, 1, [15] = 9}},
		{.ip = {0xff, 5, [15] = 9}}};
	unsigned records = 0;

	open_groups(some, 7, S);
	cr_assert_eq(membership_due_ns(m), S);
	cr_assert_eq(drain(S, &records), 2);
	cr_assert_eq(records, 2);
	membership_close(m);
	open_groups(some, 2, S);
	cr_assert_eq(membership_due_ns(m), UINT64_MAX, "nothing to tell");
	membership_close(m);
}

Test(membership, many_groups_take_several_reports_each_within_a_frame)
{
	static struct address many[1000];
	unsigned records = 0;

	for (unsigned i = 0; i < 1000; i++) {
		many[i] = ipv4(233, 1, (uint8_t)(i >> 8), (uint8_t)i);
		if (i >= 500)
			many[i] = (struct address){
				.ip = {0xff, 5, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i}};
	}
	open_groups(many, 1000, S);
	cr_assert_eq(drain(S, &records), 3 + 7); /* 183 records of IPv4, 72 of IPv6 fit */
	cr_assert_eq(records, 1000);
	cr_assert(membership_due_ns(m) > S && membership_due_ns(m) <= 2 * S);
	cr_assert_gt(drain(2 * S, &records), 0);
	cr_assert_eq(records, 2000);
	cr_assert_eq(membership_due_ns(m), UINT64_MAX, "joins are told twice");
	ask(20, 10 * S);
	cr_assert(membership_due_ns(m) > 10 * S && membership_due_ns(m) <= 12 * S);
	records = 0;
	cr_assert_eq(drain(12 * S, &records), 3);
	cr_assert_eq(records, 500);
	membership_close(m);
}

Test(membership, times_of_queries_above_12_8_s_are_in_floating_form)
{
	struct address group = ipv4(233, 1, 1, 1);
	uint64_t longest = 0;
	unsigned records = 0;

	open_groups(&group, 1, S);
	drain(S, &records);
	drain(3 * S, &records);
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t now_ns = (100 + 2000 * i) * S, due_ns;

		ask(0x9f, now_ns); /* (15 | 16) << (1 + 3) = 496 tenths */
		due_ns = membership_due_ns(m) - now_ns;
		cr_assert(due_ns > 0 && due_ns <= 49600 * MS);
		longest = due_ns > longest ? due_ns : longest;
		drain(now_ns + 50 * S, &records);
	}
	cr_assert_gt(longest, 45 * S);
	membership_close(m);
}

Test(membership, an_earlier_answer_is_not_put_off_and_none_is_given_while_leaving)
{
	struct address group = ipv4(233, 1, 1, 1);
	unsigned records = 0;
	uint64_t due_ns;

	open_groups(&group, 1, S);
	drain(S, &records);
	drain(3 * S, &records);
	ask(1, 10 * S);
	due_ns = membership_due_ns(m);
	for (unsigned i = 0; i < 50; i++)
		ask(100, 10 * S);
	cr_assert_leq(membership_due_ns(m), due_ns);
	membership_leave(m, 10 * S);
	ask(1, 10 * S);
	records = 0;
	for (unsigned i = 0; i < 3; i++) { /* as often as the querier wants things said: QRV 3 */
		cr_assert(membership_due_ns(m) <= 10 * S + i * 20 * MS);
		cr_assert_eq(drain(10 * S + i * 20 * MS, &records), 1);
	}
	cr_assert_eq(records, 3);
	cr_assert_eq(membership_due_ns(m), UINT64_MAX);
	membership_close(m);
}
