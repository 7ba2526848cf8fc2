#include "tests/bench/market.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/feed/short_way.h"
#include "events/event_write.h"
#include "tests/bench/bench.h"

enum { BLOCK = 4096, ROW_MAX = 4096, MEMORY = 32 << 20, PACKETS_MAX = 65536 };
static const uint64_t received_ns = 1478961025968272358;

enum { MOLD_SEQ = 10, MOLD_COUNT = 18, MOLD_HEADER = 20, INSTRUMENTS = 1000 };

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(1);
}

static void *stream_for(void *ctx, const char *venue, uint32_t channel)
{
	(void)venue;
	(void)channel;
	return &((struct market *)ctx)->streams;
}

static void session(void *ctx, void *stream, struct str name)
{
	(void)ctx;
	(void)stream;
	(void)name;
}

void market_drop(struct events *evs)
{
	(void)evs;
}

static void market_window(struct events *evs)
{
	struct market *m = evs->ctx;

	evs->window = m->block + m->block_used;
	evs->window_end = m->block + BLOCK;
}

void market_encode(struct events *evs)
{
	struct market *m = evs->ctx;

	if (evs->row) {
		m->block_used = (uint32_t)(evs->row - m->block);
		m->rows += evs->rows;
		if (m->block_used >= BLOCK)
			m->block_used = 0;
	}
	for (uint32_t i = 0; i < evs->n;) {
		unsigned done;

		m->block_used += (uint32_t)event_rows_write(
			m->block + m->block_used, m->block + BLOCK, evs->ev + i, evs->n - i, &done);
		i += done ? done : 1; /* too long an event for a block: none here */
		if (m->block_used >= BLOCK)
			m->block_used = 0;
	}
}

static void market_init(struct market *m, const char *protocol)
{
	*m = (struct market){.size = MEMORY, .room = PACKETS_MAX};
	m->protocol = protocol_find(str_of(protocol));
	m->memory = malloc(m->size);
	m->packets = calloc(m->room, sizeof(*m->packets));
	m->block = malloc(BLOCK + ROW_MAX);
	if (!m->memory || !m->packets || !m->block || !m->protocol)
		die(protocol, "no memory, or no such protocol");
}

static void market_add(struct market *m, const uint8_t *data, uint32_t len)
{
	struct market_packet *pkt = &m->packets[m->packets_n];
	struct frame f;

	if (m->packets_n == m->room || m->used + len > m->size)
		return;
	pkt->data = memcpy(m->memory + m->used, data, len);
	pkt->len = len;
	if (frame_parse(bytes_of(pkt->data, len), LINK_ETHERNET, &f) < 0 ||
		f.ip_proto != IP_PROTO_UDP)
		return;
	pkt->payload = (uint32_t)(f.payload.p - pkt->data);
	pkt->payload_len = (uint32_t)bytes_len(f.payload);
	m->used += (len + 63) / 64 * 64;
	m->packets_n++;
}

/* market_open makes the channel that the first packet is of. */
static void market_open(struct market *m)
{
	struct feed_options opt = {.channel = {1024, 10000, 64, 1000, false}, .channels_max = 1};
	struct feed_hooks hooks = {m, stream_for, session, NULL};
	struct feed_line line = {.protocol = m->protocol, .venue = "XCME", .channel = 310};
	struct frame f;

	if (!m->packets_n)
		die(m->protocol->name, "no packets");
	frame_parse(bytes_of(m->packets[0].data, m->packets[0].len), LINK_ETHERNET, &f);
	line.dst = f.dst;
	if (events_init(&m->events, market_drop, m) < 0 ||
		feeds_init(&m->feeds, &opt, &hooks, &line, 1, &m->events) < 0)
		die(m->protocol->name, "no memory");
	m->seq = 1;
}

void market_cme(struct market *m, const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, error);
	struct pcap_pkthdr *head;
	const uint8_t *data;

	if (!pcap)
		die(path, error);
	market_init(m, "cme_mdp3");
	while (pcap_next_ex(pcap, &head, &data) == 1)
		market_add(m, data, head->caplen);
	pcap_close(pcap);
	market_open(m);
}

static void put_be(uint8_t *p, uint64_t v, unsigned len)
{
	while (len--) {
		p[len] = (uint8_t)v;
		v >>= 8;
	}
}

/* itch_message writes one message with its length in front; the mix is that of a busy day of
 * equities: A and F 44 %, D 42, U 8, E 3.5, the rest X, P, C.
 * Returns  bytes */
static uint32_t itch_message(uint8_t *p, uint64_t *random, uint64_t *ref)
{
	static const struct {
		unsigned upto;
		char type;
		uint8_t len;
	} mix[] = {{430, 'A', 36}, {440, 'F', 40}, {860, 'D', 19}, {940, 'U', 35}, {975, 'E', 31},
		{985, 'X', 23}, {995, 'P', 44}, {1000, 'C', 36}};
	uint64_t shares = (1 + bench_random(random) % 9) * 100;
	uint64_t price = 100000 + bench_random(random) % 4000000;
	unsigned dice = (unsigned)(bench_random(random) % 1000), i = 0;
	unsigned locate = 1 + (unsigned)(bench_random(random) % INSTRUMENTS);
	char stock[9];
	uint8_t *m = p + 2;

	while (dice >= mix[i].upto)
		i++;
	memset(m, 0, mix[i].len);
	put_be(p, mix[i].len, 2);
	m[0] = (uint8_t)mix[i].type;
	put_be(m + 1, locate, 2);
	put_be(m + 5, 34200000000000ull + *ref * 1000, 6);
	*ref += 1 + bench_random(random) % 4;
	put_be(m + 11, *ref, 8);
	switch (m[0]) {
	case 'A':
	case 'F':
	case 'P':
		m[19] = bench_random(random) & 1 ? 'B' : 'S';
		put_be(m + 20, shares, 4);
		snprintf(stock, sizeof(stock), "S%07u", locate);
		memcpy(m + 24, stock, 8);
		put_be(m + 32, price, 4);
		if (m[0] == 'F')
			memcpy(m + 36, "MPID", 4);
		break;
	case 'U':
		put_be(m + 19, *ref + 3, 8);
		put_be(m + 27, shares, 4);
		put_be(m + 31, price, 4);
		break;
	default: /* X has no match number behind its shares, D not even these */
		if (mix[i].len >= 23)
			put_be(m + 19, shares, 4);
		if (mix[i].len >= 31)
			put_be(m + 23, *ref + 5, 8);
		if (m[0] == 'C') {
			m[31] = 'Y';
			put_be(m + 32, price, 4);
		}
	}
	return 2u + mix[i].len;
}

/* itch_directory writes the definition of one instrument. */
static uint32_t itch_directory(uint8_t *p, unsigned locate)
{
	enum { LEN = 39 };
	uint8_t *m = p + 2;

	memset(m, ' ', LEN);
	put_be(p, LEN, 2);
	m[0] = 'R';
	put_be(m + 1, locate, 2);
	put_be(m + 3, 0, 2);
	put_be(m + 5, 30000000000000ull, 6);
	snprintf((char *)m + 11, 9, "S%07u", locate);
	m[19] = 'Q';
	m[20] = 'N';
	put_be(m + 21, 100, 4);
	m[25] = 'N';
	m[26] = 'C';
	m[29] = 'P';
	m[30] = 'N';
	m[31] = 'N';
	m[32] = '1';
	m[33] = 'N';
	put_be(m + 34, 0, 4);
	m[38] = 'N';
	return 2 + LEN;
}

/* itch_packet puts the headers in front of n messages, len bytes behind MOLD_HEADER. */
static void itch_packet(struct market *m, uint8_t *frame, uint32_t len, unsigned n)
{
	static const uint8_t head[42] = {1, 0, 0x5e, 0x36, 12, 111, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0,
		0, 0, 0, 0, 0x40, 0, 16, 17, 0, 0, 10, 200, 1, 1, 233, 54, 12, 111, 0x75, 0x30,
		0x67, 0x6d};
	uint32_t udp = 8 + MOLD_HEADER + len;

	memcpy(frame, head, sizeof(head));
	put_be(frame + 16, 20 + udp, 2);
	put_be(frame + 38, udp, 2);
	memcpy(frame + 42, "BENCH00001", 10);
	put_be(frame + 42 + MOLD_COUNT, n, 2);
	market_add(m, frame, 42 + MOLD_HEADER + len);
}

void market_itch(struct market *m, uint32_t packets)
{
	enum { FIRST = 42 + MOLD_HEADER, MESSAGES_MAX = 64, LEN_MAX = 1450 };
	uint64_t random = 0x9e3779b97f4a7c15, ref = 1000000;
	uint8_t frame[2048];
	uint32_t len;

	market_init(m, "itch50");
	m->itch = true;
	for (unsigned locate = 1; locate <= INSTRUMENTS; locate += 20) {
		len = 0;
		for (unsigned i = 0; i < 20; i++)
			len += itch_directory(frame + FIRST + len, locate + i);
		itch_packet(m, frame, len, 20);
	}
	market_open(m);
	market_play(m, market_drop); /* the definitions are learnt */
	m->packets_n = 0;
	m->used = 0;
	while (m->packets_n < packets) {
		unsigned n = 0, want = 1 + (unsigned)(bench_random(&random) % MESSAGES_MAX);

		for (len = 0; n < want && FIRST + len < LEN_MAX - 46; n++)
			len += itch_message(frame + FIRST + len, &random, &ref);
		itch_packet(m, frame, len, n);
	}
}

void market_play(struct market *m, void (*flush)(struct events *evs))
{
	m->events.flush = flush;
	m->events.open = market_window;
	m->events.direct = flush == market_encode; /* rows where nobody looks at events */
	for (uint32_t i = 0; i < m->packets_n; i++) {
		struct market_packet *pkt = &m->packets[i];
		uint8_t *payload = pkt->data + pkt->payload;
		struct frame f;

		if (m->itch) {
			uint64_t seq = __builtin_bswap64(m->seq);

			memcpy(payload + MOLD_SEQ, &seq, 8);
			m->seq += load_be16(payload + MOLD_COUNT);
		} else {
			uint32_t seq = (uint32_t)m->seq++;

			memcpy(payload, &seq, 4);
		}
		if (!feeds_frame(&m->feeds, bytes_of(pkt->data, pkt->len), received_ns) &&
			frame_parse(bytes_of(pkt->data, pkt->len), LINK_ETHERNET, &f) == 0)
			feeds_datagram(&m->feeds, &f, received_ns);
		if (i % MARKET_BURST == MARKET_BURST - 1)
			events_flush(&m->events);
	}
	events_flush(&m->events);
}
