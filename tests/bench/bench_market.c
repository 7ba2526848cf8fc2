/* bench_market CAPTURE: decoding and encoding of market data in memory. CAPTURE has one line of a
 * CME channel. Floors: MDP3 none (instructions are counted), a bare walk over the messages (ITCH),
 * protobuf-c's pack of the same event (writer). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events/event_write.h"
#include "events/v1/event.pb-c.h"
#include "tests/bench/bench.h"
#include "tests/bench/market.h"

enum { ITCH_PACKETS = 256, EVENTS = 1024 };

/* done counts what was decoded: MDP3 in events, of which a book entry makes one; ITCH in messages.
 */
static uint64_t done(const struct market *m)
{
	return m->itch ? m->feeds.ctx.counts.messages_out : m->events.pushed + m->rows;
}

static uint64_t play(struct market *m, void (*flush)(struct events *evs))
{
	uint64_t before = done(m);

	market_play(m, flush);
	return done(m) - before;
}

static uint64_t decode(void *ctx)
{
	return play(ctx, market_drop);
}

static uint64_t decode_encode(void *ctx)
{
	return play(ctx, market_encode);
}

/* decoder is the generated decoder alone: from payload to events. */
static uint64_t decoder(void *ctx)
{
	struct market *m = ctx;
	struct feed_state *st = &m->feeds.channels[0].state;
	uint64_t before = m->events.pushed;

	m->events.flush = market_drop;
	m->events.direct = false;
	for (uint32_t i = 0; i < m->packets_n; i++) {
		const struct market_packet *p = &m->packets[i];
		struct feed_packet pkt;

		if (m->protocol->packet(bytes_of(p->data + p->payload, p->payload_len), &pkt) < 0)
			continue;
		while (bytes_len(pkt.messages))
			if (m->protocol->message(st, &pkt.messages, &m->events) < 0)
				break;
		if (i % MARKET_BURST == MARKET_BURST - 1)
			events_flush(&m->events);
	}
	events_flush(&m->events);
	return m->events.pushed - before;
}

/* walk only steps over the messages of a packet and reads the first byte of each. */
static uint64_t walk(void *ctx)
{
	const struct market *m = ctx;
	uint64_t messages = 0, sum = 0;

	for (uint32_t i = 0; i < m->packets_n; i++) {
		const struct market_packet *pkt = &m->packets[i];
		const uint8_t *p = pkt->data, *end = p + pkt->len;
		unsigned n;

		if (pkt->len < 62 || load_be16(p + 12) != 0x0800 || p[14] != 0x45 || p[23] != 17)
			continue;
		n = load_be16(p + 60);
		for (p += 62; n && end - p >= 2; n--, messages++) {
			unsigned len = load_be16(p);

			if (!len || len > end - p - 2)
				break;
			sum += p[2];
			p += 2 + len;
		}
	}
	BENCH_KEEP(sum);
	return messages;
}

/* sample is real events, each with its bytes and as protobuf-c's message. */
struct sample {
	unsigned n;
	const struct event *ev[EVENTS];
	ProtobufCMessage *msg[EVENTS];
	uint8_t out[4096];
};

static struct sample sample;

/* keep takes the events of a burst with the arena they are in. */
static void keep(struct events *evs)
{
	if (sample.n == EVENTS)
		return;
	for (uint32_t i = 0; i < evs->n && sample.n < EVENTS; i++)
		sample.ev[sample.n++] = evs->ev[i];
	evs->arena = aligned_alloc(64, EVENTS_ARENA);
	if (!evs->arena)
		abort();
}

/* sample_take fills the sample; the bytes of both writers are compared once. */
static void sample_take(struct market *m)
{
	static uint8_t again[4096];

	market_play(m, keep);
	for (unsigned i = 0; i < sample.n; i++) {
		size_t len = event_bound(sample.ev[i]) <= sizeof(sample.out)
				     ? event_write(sample.out, sample.ev[i])
				     : 0;

		sample.msg[i] = protobuf_c_message_unpack(
			&events__v1__event__descriptor, NULL, len, sample.out);
		if (!len || !sample.msg[i] ||
			protobuf_c_message_pack(sample.msg[i], again) != len ||
			memcmp(again, sample.out, len) != 0) {
			fprintf(stderr, "bench: protobuf-c packs event %u otherwise\n", i);
			exit(1);
		}
	}
}

static uint64_t write_all(void *ctx)
{
	struct sample *s = ctx;

	for (unsigned i = 0; i < s->n; i++) {
		event_write(s->out, s->ev[i]);
		BENCH_KEEP(s->out);
	}
	return s->n;
}

static uint64_t pack_all(void *ctx)
{
	struct sample *s = ctx;

	for (unsigned i = 0; i < s->n; i++) {
		protobuf_c_message_pack(s->msg[i], s->out);
		BENCH_KEEP(s->out);
	}
	return s->n;
}

int main(int argc, char **argv)
{
	static struct market cme, itch;
	const struct bench_way mdp3[] = {
		{"mdp3 decoder", decoder, &cme},
		{"mdp3 decode", decode, &cme},
		{"mdp3 decode+encode", decode_encode, &cme},
	};
	const struct bench_way mold[] = {
		{"itch walk", walk, &itch},
		{"itch decode", decode, &itch},
		{"itch decode+encode", decode_encode, &itch},
	};
	const struct bench_way writer[] = {
		{"writer", write_all, &sample},
		{"protobuf-c pack", pack_all, &sample},
	};

	if (argc != 2) {
		fprintf(stderr, "usage: bench_market CAPTURE\n");
		return 2;
	}
	market_cme(&cme, argv[1]);
	market_itch(&itch, ITCH_PACKETS);
	sample_take(&cme);
	bench_run(mdp3, sizeof(mdp3) / sizeof(mdp3[0]));
	bench_run(mold, sizeof(mold) / sizeof(mold[0]));
	bench_run(writer, sizeof(writer) / sizeof(writer[0]));
	return 0;
}
