/* Packets of one channel in any order, on any line. Property: from the first sequence on, each
 * number is either delivered exactly once, in order, or inside exactly one GapEvent; the counters
 * add up. */
#include <stdlib.h>
#include <string.h>

#include "decode/feed/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next; /* number that must come next: 0 = none came yet */

static void check(int condition)
{
	if (!condition)
		abort();
}

static uint32_t toy_run(
	struct feed_state *st, struct bytes *in, uint32_t max, struct events *out, int *rc)
{
	uint32_t n = 0;

	(void)st;
	*rc = 0;
	for (; n < max && bytes_len(*in); n++) {
		in->p++;
		out->sub_seq = 0;
		events_push(out, EVENT_MBO);
		out->base.seq++;
	}
	return n;
}

static int toy_skip(struct bytes *in)
{
	in->p++;
	return 0;
}

static const struct protocol toy = {
	.name = "toy", .venue = "XTOY", .seq_unit = SEQ_MESSAGE, .run = toy_run, .skip = toy_skip};

static void follow(struct events *evs)
{
	for (uint32_t i = 0; i < evs->n; i++) {
		const struct event *ev = evs->ev[i];

		if (ev->type == EVENT_GAP) {
			check(next == 0 || ev->gap.first_missing == next);
			check(ev->gap.lost_messages ==
				ev->gap.last_missing - ev->gap.first_missing + 1);
			next = ev->gap.last_missing + 1;
		} else if (ev->type == EVENT_MBO) {
			check(next == 0 || ev->seq == next);
			next = ev->seq + 1;
		}
	}
}

static void session(void *ctx, void *stream, struct str name)
{
	(void)ctx;
	(void)stream;
	(void)name;
}

/* Each four bytes are a packet: line and kind, sequence relative to a walk, count, time since the
 * last. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct channel_context ctx;
	static struct events out;
	static struct channel ch;
	static const uint8_t ones[16];
	uint64_t seq = 1000, ns = 1000000000, packets, messages;

	if (!out.arena) {
		check(events_init(&out, follow, NULL) == 0);
		check(channel_context_init(&ctx, 32, &out) == 0);
		ctx.opt = (struct channel_options){16, 500, 4, 100, true};
		ctx.session = session;
	}
	memset(&ctx.counts, 0, sizeof(ctx.counts));
	check(channel_init(&ch, &toy, "XTOY", 1) == 0);
	next = 0;
	for (; size >= 4; data += 4, size -= 4) {
		int step = (int8_t)data[1];
		struct feed_packet pkt = {.kind = FEED_DATA, .session = STR("S")};
		struct arrival at = {.line = data[0] & 1};

		seq += (uint64_t)(int64_t)(step > 40 || step < -40 ? step : step / 16);
		ns += (uint64_t)data[3] * 4000;
		pkt.seq = seq;
		pkt.count = data[2] % 16;
		if (pkt.count == 0)
			pkt.kind = FEED_HEARTBEAT;
		pkt.messages = bytes_of(ones, pkt.count);
		at.ts_recv_ns = ns;
		ctx.counts.packets_in++;
		channel_packet(&ctx, &ch, &pkt, &at);
		seq += pkt.count;
	}
	channel_end(&ctx, &ch);
	events_flush(&out);
	packets = ctx.counts.packets_out + ctx.counts.packets_held;
	messages = ctx.counts.messages_out;
	for (int i = 0; i < REASON_COUNT; i++) {
		packets += ctx.counts.packet_dropped[i];
		messages += ctx.counts.message_dropped[i];
	}
	check(ctx.counts.packets_held == 0 && packets == ctx.counts.packets_in);
	check(messages == ctx.counts.messages_in);
	channel_free(&ch);
	return 0;
}
