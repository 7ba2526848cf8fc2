/* What a packet does is the same whether it may take the short way or not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/feed/short_way.h"
#include "events/event_write.h"

TestSuite(short_way, .timeout = 60);

enum { PACKETS = 3000, BURST = 16, GROUPS = 2, FRAME_MAX = 512, CHANNELS = 8 };

/* way is one of the two that are compared, and the hash of all that it said. */
struct way {
	struct events out;
	struct feeds feeds;
	int streams[CHANNELS];
	unsigned streams_n, short_n;
	uint64_t hash, events;
};

static uint64_t seed;
static unsigned number; /* of the next packet's channel, where its header says it */

static unsigned any(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void hash(struct way *way, const void *data, size_t len)
{
	for (const uint8_t *p = data; len--; p++)
		way->hash = (way->hash ^ *p) * 0x100000001b3;
}

static void take_events(struct events *evs)
{
	struct way *way = evs->ctx;
	static uint8_t row[1 << 20];
	ptrdiff_t stream = (int *)evs->stream - way->streams;

	for (uint32_t i = 0; i < evs->n; i++) {
		hash(way, &stream, sizeof(stream));
		hash(way, row, event_row_write(row, evs->ev[i]));
	}
	way->events += evs->n;
}

static void *stream_for(void *ctx, const char *venue, uint32_t channel)
{
	struct way *way = ctx;

	hash(way, venue, strlen(venue));
	hash(way, &channel, sizeof(channel));
	return &way->streams[way->streams_n++];
}

static void session(void *ctx, void *stream, struct str name)
{
	(void)stream;
	hash(ctx, name.p, name.len);
}

/* A protocol's packets: how its header is written, and one message that makes an event. */
struct maker {
	const char *protocol;
	size_t (*header)(uint8_t *p, unsigned session, uint64_t seq, unsigned count, size_t len,
		uint64_t ts_ns);
	size_t (*message)(uint8_t *p);
	bool packets; /* are what is numbered */
};

static void put_le(uint8_t *p, uint64_t v, unsigned size)
{
	memcpy(p, &v, size);
}

static void put_be(uint8_t *p, uint64_t v, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		p[i] = (uint8_t)(v >> 8 * (size - 1 - i));
}

static size_t mold(
	uint8_t *p, unsigned session, uint64_t seq, unsigned count, size_t len, uint64_t ts_ns)
{
	(void)len;
	(void)ts_ns;
	memcpy(p, "SESSION00 ", 10);
	p[8] = (uint8_t)('0' + session);
	put_be(p + 10, seq, 8);
	put_be(p + 18, count, 2);
	return 20;
}

static size_t itch(uint8_t *p)
{
	memset(p, 0, 14);
	p[1] = 12;
	p[2] = 'S';
	p[12] = (uint8_t)any(256);
	p[13] = 'Q';
	return 14;
}

static size_t iex(
	uint8_t *p, unsigned session, uint64_t seq, unsigned count, size_t len, uint64_t ts_ns)
{
	memset(p, 0, 40);
	p[0] = 1;
	put_le(p + 2, 0x8004, 2);
	put_le(p + 4, number, 4);
	put_le(p + 8, 1150000 + session, 4);
	put_le(p + 12, len, 2);
	put_le(p + 14, count, 2);
	put_le(p + 24, seq, 8);
	put_le(p + 32, ts_ns, 8);
	return 40;
}

static size_t deep(uint8_t *p)
{
	memset(p, 0, 12);
	p[0] = 10;
	p[2] = 'S';
	p[3] = 'O';
	p[4] = (uint8_t)any(256);
	return 12;
}

static size_t cme(
	uint8_t *p, unsigned session, uint64_t seq, unsigned count, size_t len, uint64_t ts_ns)
{
	(void)count;
	(void)len;
	put_le(p, seq, 4);
	put_le(p + 4, ts_ns + session * 7ull * 86400 * 1000000000, 8);
	return 12;
}

static size_t status(uint8_t *p) /* SecurityStatus30 */
{
	memset(p, 0, 40);
	p[0] = 40;
	p[2] = 30;
	p[4] = 30;
	p[6] = 1;
	p[8] = 9;
	p[10] = (uint8_t)any(256);
	return 40;
}

static const struct maker makers[] = {{"itch50", mold, itch, false}, {"iex_deep", iex, deep, false},
	{"cme_mdp3", cme, status, true}};

/* frame_make writes an Ethernet frame of a datagram to one of the groups. Returns its length. */
static size_t frame_make(uint8_t *p, unsigned group, const uint8_t *payload, size_t len)
{
	memset(p, 0, 42);
	p[12] = 8;
	p[14] = 0x45;
	put_be(p + 16, 28 + len, 2);
	p[23] = IP_PROTO_UDP;
	p[30] = 224;
	p[33] = (uint8_t)(1 + group);
	put_be(p + 36, 5000, 2);
	put_be(p + 38, 8 + len, 2);
	memcpy(p + 42, payload, len);
	return 42 + len;
}

static void give(struct way *way, bool may, struct bytes frame, uint64_t ns)
{
	struct frame f;

	channel_losses(&way->feeds.ctx, ns, UINT64_MAX, 0);
	if (may && feeds_frame(&way->feeds, frame, ns)) {
		way->short_n++;
		return;
	}
	if (frame_parse(frame, LINK_ETHERNET, &f) == 0)
		feeds_datagram(&way->feeds, &f, ns);
}

static void way_open(struct way *way, const struct protocol *protocol, unsigned lines)
{
	struct feed_options opt = {.channel = {16, 500, 4, 100, true},
		.channels_max = CHANNELS,
		.recognise = lines == 0};
	struct feed_hooks hooks = {way, stream_for, session, NULL};
	struct feed_line table[GROUPS] = {0};

	for (unsigned i = 0; i < lines; i++) {
		table[i].protocol = protocol;
		memcpy(table[i].dst.ip + 10, (uint8_t[]){255, 255, 224, 0, 0, (uint8_t)(1 + i)}, 6);
		table[i].dst.port = 5000;
		snprintf(table[i].venue, sizeof(table[i].venue), "%s", protocol->venue);
		table[i].channel = 1;
		table[i].line = (uint8_t)i;
	}
	memset(way, 0, sizeof(*way));
	cr_assert_eq(events_init(&way->out, take_events, way), 0);
	cr_assert_eq(feeds_init(&way->feeds, &opt, &hooks, table, lines, &way->out), 0);
	way->feeds.ctx.losses_known = true;
}

/* alike looks at what a packet leaves behind. */
static void alike(const struct way *a, const struct way *b)
{
	cr_assert_eq(a->feeds.channels_n, b->feeds.channels_n);
	for (uint32_t i = 0; i < a->feeds.channels_n; i++) {
		const struct channel *x = &a->feeds.channels[i], *y = &b->feeds.channels[i];

		cr_assert_eq(x->next, y->next);
		cr_assert_eq(x->ts_next_ns, y->ts_next_ns);
		cr_assert_eq(x->lines_seen, y->lines_seen);
		cr_assert_eq(memcmp(x->lines, y->lines, sizeof(x->lines)), 0);
	}
}

static void equal(const struct way *a, const struct way *b, const char *what, unsigned lines)
{
	const struct feed_counts *counts = &a->feeds.ctx.counts;

	cr_assert_eq(a->events, b->events, "%s of %u lines: %lu events, %lu", what, lines,
		a->events, b->events);
	cr_assert_eq(a->hash, b->hash, "%s of %u lines: other events", what, lines);
	cr_assert_arr_eq(counts, &b->feeds.ctx.counts, sizeof(*counts));
}

/* play gives both ways packets that are mostly next, and lost, late, twice, cut, of another session
 * or of the first one again now and then. */
static void play(const struct maker *m, unsigned lines, struct way *a, struct way *b)
{
	const struct protocol *protocol =
		protocol_find((struct str){m->protocol, (uint32_t)strlen(m->protocol)});
	uint64_t seq = any(2), ns = 1700000000000000000;
	static uint8_t frames[BURST][FRAME_MAX]; /* events point into them until the next burst */
	unsigned round = 0;

	way_open(a, protocol, lines);
	way_open(b, protocol, lines);
	for (unsigned group = 0; group < GROUPS; group++) { /* no header: the first of a line */
		uint8_t *bytes = frames[group];
		struct bytes frame = bytes_of(bytes, frame_make(bytes, group, (uint8_t[3]){0}, 3));

		give(a, true, frame, ns);
		give(b, false, frame, ns);
	}
	for (unsigned i = 0; i < PACKETS; i++) {
		uint8_t payload[FRAME_MAX - 42], *bytes = frames[i % BURST];
		unsigned count = any(40) ? 1 + any(3) : 0, odd = any(30), head, group = any(GROUPS);
		size_t len = m->header(payload, 0, 0, 0, 0, 0);
		struct bytes frame;

		for (unsigned k = 0; k < count; k++)
			len += m->message(payload + len);
		if (odd == 1) /* unknown, or another length */
			payload[m->header(payload, 0, 0, 0, 0, 0) + any(6)] ^= 1;
		if (odd == 2)
			len -= any(12);
		if (odd == 3)
			count += any(3) - 1;
		if (odd == 4 && any(8) == 0) {
			round++;
			seq = 1;
		}
		if (odd == 7 && any(8) == 0)
			ns += 7ull * 86400 * 1000000000;
		if (odd == 9 && any(8) == 0) {
			feeds_round(&a->feeds, i);
			feeds_round(&b->feeds, i);
			seq = 0;
		}
		number = odd == 8 ? 2 : 1;
		ns += any(50) ? 1000 : 200000;
		head = odd == 5 ? any(6) : 0;
		m->header(payload, odd == 6 && any(4) == 0 && round ? round - 1 : round, seq + head,
			count, len - m->header((uint8_t[64]){0}, 0, 0, 0, 0, 0), ns);
		frame = bytes_of(bytes, frame_make(bytes, group, payload, len));
		for (unsigned copy = 0; copy < 1 + (any(4) == 0); copy++) {
			give(a, true, frame, ns);
			give(b, false, frame, ns);
			bytes[33] = (uint8_t)(1 + any(GROUPS));
		}
		alike(a, b);
		if (any(40))
			seq += m->packets ? 1 : count;
		if (i % BURST == BURST - 1) {
			events_flush(&a->out);
			events_flush(&b->out);
		}
	}
	feeds_end(&a->feeds);
	feeds_end(&b->feeds);
}

Test(short_way, makes_what_the_long_way_makes)
{
	static struct way a, b;

	for (unsigned i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		for (unsigned lines = 0; lines <= GROUPS; lines++) {
			seed = 1 + i * 3 + lines;
			play(&makers[i], lines, &a, &b);
			equal(&a, &b, makers[i].protocol, lines);
			cr_assert_gt(a.short_n, PACKETS / 4,
				"%s of %u lines: %u took the short way", makers[i].protocol, lines,
				a.short_n);
			cr_assert_gt(a.feeds.ctx.counts.messages_out, PACKETS / 2);
			cr_assert_gt(a.feeds.ctx.counts.gaps.gaps[GAP_EVENT_CAUSE_UPSTREAM], 5);
			cr_assert_gt(a.feeds.ctx.counts.resets, 1);
			feeds_free(&a.feeds);
			feeds_free(&b.feeds);
			events_free(&a.out);
			events_free(&b.out);
		}
	}
}
