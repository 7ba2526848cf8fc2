#include <criterion/criterion.h>

#include "decode/frame.h"
#include "engine/steer.h"

TestSuite(steer, .timeout = 20);

enum { TCP = 6, UDP = 17, FRAME_LEN = 14 + 20 + 20, WORKERS = 61 };

static struct feed_table table;
static struct steer steer = {&table, false, WORKERS, 0};

/* owner_of steers a frame of 10.0.0.FROM:FROM_PORT to 10.0.0.TO:TO_PORT without payload. */
static unsigned owner_of(
	uint8_t proto, uint8_t from, uint16_t from_port, uint8_t to, uint16_t to_port)
{
	uint8_t bytes[FRAME_LEN] = {[12] = 8, [14] = 0x45, [17] = 40, [22] = 64, [23] = proto};
	struct packet pkt = {.data = bytes, .caplen = FRAME_LEN, .link = LINK_ETHERNET};
	uint8_t *ip = bytes + 14, *l4 = ip + 20;

	ip[12] = ip[16] = 10;
	ip[15] = from;
	ip[19] = to;
	l4[0] = (uint8_t)(from_port >> 8);
	l4[1] = (uint8_t)from_port;
	l4[2] = (uint8_t)(to_port >> 8);
	l4[3] = (uint8_t)to_port;
	if (proto == TCP)
		l4[12] = 5 << 4;
	else
		l4[5] = 20;
	unsigned owner = steer_packet(&steer, &pkt);

	pkt = (struct packet){.data = ip, .caplen = FRAME_LEN - 14, .link = LINK_RAW};
	cr_assert_eq(steer_packet(&steer, &pkt), owner, "without Ethernet there is no short way");
	return owner;
}

static struct feed_line row(uint8_t host, uint16_t port, uint32_t channel, bool tcp)
{
	struct feed_line line = {.venue = "XTST", .channel = channel, .tcp = tcp};

	line.dst.ip[10] = line.dst.ip[11] = 0xff;
	line.dst.ip[12] = 10;
	line.dst.ip[15] = host;
	line.dst.port = port;
	return line;
}

static void setup(void)
{
	struct feed_line rows[] = {row(1, 500, 3, false), row(2, 600, 3, true),
		row(3, 700, 3, true), row(6, 0, 4, false)};

	cr_assert_eq(feed_table_init(&table, rows, 4), 0);
}

static void teardown(void)
{
	feed_table_free(&table);
}

Test(steer, lines_of_a_channel_meet_whatever_carries_them, .init = setup, .fini = teardown)
{
	unsigned owner = owner_of(UDP, 9, 40000, 1, 500);

	cr_assert_eq(owner_of(UDP, 9, 40000, 1, 500), owner);
	for (uint8_t client = 20; client < 30; client++) {
		cr_assert_eq(owner_of(TCP, 2, 600, client, 40000), owner);
		cr_assert_eq(owner_of(TCP, client, 40000, 2, 600), owner);
		cr_assert_eq(owner_of(TCP, 3, 700, client, 40000), owner);
	}
}

Test(steer, a_row_of_any_port_takes_all_that_no_other_takes, .init = setup, .fini = teardown)
{
	cr_assert_eq(owner_of(UDP, 9, 40000, 6, 1), 1, "the second channel");
	cr_assert_eq(owner_of(UDP, 8, 40000, 6, 500), 1);
	cr_assert_eq(owner_of(UDP, 8, 40000, 1, 500), 0);
}

Test(steer, both_directions_of_a_flow_meet_and_flows_spread, .init = setup, .fini = teardown)
{
	uint64_t seen = 0;

	for (uint8_t client = 20; client < 200; client++) {
		unsigned owner = owner_of(TCP, client, 40000, 4, 9876);

		cr_assert_eq(owner_of(TCP, 4, 9876, client, 40000), owner);
		cr_assert_eq(owner_of(TCP, client, 50000, 4, 9876), owner, "ports do not count");
		seen |= UINT64_C(1) << owner;
	}
	cr_assert_gt(__builtin_popcountll(seen), WORKERS / 2);
}

Test(steer, a_row_of_one_transport_is_not_the_other_s, .init = setup, .fini = teardown)
{
	cr_assert_eq(owner_of(UDP, 9, 40000, 2, 600), owner_of(UDP, 9, 40000, 2, 601));
	steer.recognise = true;
	cr_assert_eq(owner_of(UDP, 9, 40000, 5, 600), 0, "recognised feeds stay together");
}

Test(steer, channels_of_the_table_are_spread_evenly)
{
	struct feed_line rows[2 * 3 * WORKERS];
	unsigned n = sizeof(rows) / sizeof(*rows), owned[WORKERS] = {0};

	for (unsigned i = 0; i < n; i++) /* all lines A, then all lines B */
		rows[i] = row(1, (uint16_t)(500 + i), i % (n / 2), false);
	cr_assert_eq(feed_table_init(&table, rows, n), 0);
	for (unsigned i = 0; i < n / 2; i++) {
		unsigned owner = owner_of(UDP, 99, 40000, 1, (uint16_t)(500 + i));

		owned[owner]++;
		cr_assert_eq(owner_of(UDP, 99, 40000, 1, (uint16_t)(500 + i + n / 2)), owner);
	}
	for (unsigned w = 0; w < WORKERS; w++)
		cr_assert_eq(owned[w], 3);
	feed_table_free(&table);
}
