#include <criterion/criterion.h>
#include <stdio.h>

#include "decode/feed/feed.h"

TestSuite(feed, .timeout = 20);

static struct events out;
static struct feeds feeds;
static char log_text[4096]; /* "CHANNEL:SEQ " of each event */
static int streams[8];
static unsigned streams_n;

static void note(struct events *evs)
{
	for (uint32_t i = 0; i < evs->n; i++) {
		size_t len = strlen(log_text);

		snprintf(log_text + len, sizeof(log_text) - len, "%u:%lu ", evs->ev[i]->channel,
			evs->ev[i]->seq);
	}
}

static void *stream_for(void *ctx, const char *venue, uint32_t channel)
{
	(void)ctx;
	(void)venue;
	(void)channel;
	return &streams[streams_n++];
}

static void session(void *ctx, void *stream, struct str name)
{
	(void)ctx;
	(void)stream;
	(void)name;
}

static void setup(void)
{
	struct feed_options opt = {
		.channel = {1024, 10000, 64, 1000, false}, .channels_max = 8, .recognise = true};
	struct feed_hooks hooks = {.stream_for = stream_for, .session = session};

	cr_assert_eq(events_init(&out, note, NULL), 0);
	cr_assert_eq(feeds_init(&feeds, &opt, &hooks, NULL, 0, &out), 0);
}

static void teardown(void)
{
	feeds_free(&feeds);
	events_free(&out);
}

/* give sends one ITCH system event, whose time of day says what channel it is really of, to a
 * group. */
static void give(uint8_t group, uint64_t seq, uint8_t time)
{
	uint8_t bytes[20 + 2 + 12] = "SESSION001"; /* MoldUDP64 header, length, message */
	struct frame f = {.payload = bytes_of(bytes, sizeof(bytes)), .ip_proto = IP_PROTO_UDP};

	bytes[17] = (uint8_t)seq;
	bytes[19] = 1;
	bytes[21] = 12;
	bytes[22] = 'S';
	bytes[31] = time;
	bytes[33] = 'Q';
	f.dst.ip[15] = group;
	f.dst.port = 5000;
	cr_assert_eq(feeds_datagram(&feeds, &f, seq), 0);
}

static void expect(const char *text)
{
	events_flush(&out);
	cr_assert_str_eq(log_text, text);
	log_text[0] = '\0';
}

Test(feed, channels_of_one_session_name_are_told_apart_by_what_they_say, .init = setup,
	.fini = teardown)
{
	give(1, 1, 10);
	give(2, 1, 20); /* the same name and number, another message */
	give(3, 1, 10); /* line B of the first */
	give(4, 1, 20);
	give(1, 2, 11);
	give(2, 2, 21);
	give(4, 3, 22);
	expect("0:1 1:1 0:2 1:2 1:3 ");
	cr_assert_eq(feeds.channels_n, 2);
	cr_assert_eq(feeds.ctx.counts.packet_dropped[REASON_duplicate], 2);
}

Test(feed, a_line_moves_when_it_proves_to_be_another_channel, .init = setup, .fini = teardown)
{
	give(1, 1, 10);
	give(2, 1, 10); /* begins like it */
	give(1, 2, 11);
	give(2, 2, 21);
	give(1, 3, 12);
	give(2, 3, 22);
	give(2, 4, 23);
	give(1, 4, 13);
	expect("0:1 0:2 0:3 1:3 1:4 0:4 ");
	cr_assert_eq(feeds.channels_n, 2);
}

Test(feed, one_damaged_packet_moves_no_line, .init = setup, .fini = teardown)
{
	for (uint64_t seq = 1; seq < 9; seq++) {
		give(1, seq, (uint8_t)seq);
		give(2, seq, seq == 3 || seq == 6 ? 99 : (uint8_t)seq);
	}
	expect("0:1 0:2 0:3 0:4 0:5 0:6 0:7 0:8 ");
	cr_assert_eq(feeds.channels_n, 1);
}
