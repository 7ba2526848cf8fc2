/* Hot path: no allocation, lock, system call or log. */
/* short_way: a whole datagram, to where one of a feed went before, that brings its channel just what it
 * waits for. Nearly every packet of a feed does; all others take the long way, feeds_datagram and
 * channel_packet. It is two pieces: feeds_frame in the worker's loop, and protocol->next, which each
 * generated decoder makes of channel_next with its own header and messages. */
#pragma once

#include "decode/feed/feed.h"
#include "decode/feed/session_name.h"

static inline uint8_t channel_head_len(const struct feed_packet *pkt)
{
	size_t len = bytes_len(pkt->messages);

	return len < CHANNEL_HEAD ? (uint8_t)len : CHANNEL_HEAD;
}

/* channel_remember keeps when and on which line a packet first came. */
static inline void channel_remember(
	struct channel *ch, const struct feed_packet *pkt, uint64_t ts_recv_ns, uint8_t line)
{
	struct recent *recent = &ch->recent[pkt->seq % CHANNEL_RECENT];

	ch->lines[line].first++;
	if (ch->alone)
		return;
	recent->seq = pkt->seq;
	recent->ts_recv_ns = ts_recv_ns;
	recent->line = line;
	recent->head_len = channel_head_len(pkt);
	if (recent->head_len == CHANNEL_HEAD)
		memcpy(recent->head, pkt->messages.p, CHANNEL_HEAD);
	else if (recent->head_len)
		memcpy(recent->head, pkt->messages.p, recent->head_len);
}

/* channel_base says what the events of a packet have in common. */
static inline void channel_base(struct channel_context *ctx, struct channel *ch, uint64_t seq,
	uint64_t ts_recv_ns, uint64_t ts_send_ns, uint16_t feed)
{
	struct events *out = ctx->out;
	struct event *base = &out->base;

	events_switch(out, ch->stream);
	out->symbols = ch->state.symbols;
	base->ts_recv_ns = ts_recv_ns;
	base->ts_send_ns = ts_send_ns;
	base->venue = (struct str){ch->venue, ch->venue_len};
	base->channel = ch->number;
	base->seq = seq;
	base->flags = ch->stale ? EVENT_FLAG_STALE : 0;
	base->feed = feed;
	out->sub_seq = 0;
	events_base(out);
}

/* channel_day moves the venue's midnight on when ts_recv_ns has left the day it was computed for. */
static inline void channel_day(struct channel *ch, uint64_t ts_recv_ns)
{
	struct feed_state *st = &ch->state;

	if (st->protocol->timezone &&
		(ts_recv_ns >= st->next_midnight_ns || ts_recv_ns < st->midnight_ns))
		st->midnight_ns =
			tz_midnight(st->protocol->timezone, ts_recv_ns, &st->next_midnight_ns);
}

/* channel_next takes a packet if it is what ch waits for: the next of its session, while no hole is
 * open.
 * Takes    run: of protocol, inlined as all of this is
 * Returns  1, or 0 if it is not: nothing happened */
static inline __attribute__((always_inline)) int channel_next(struct channel_context *ctx,
	struct channel *ch, struct feed_packet *pkt, const struct feed_line *line,
	uint64_t ts_recv_ns, const struct protocol *protocol,
	uint32_t (*run)(
		struct feed_state *st, struct bytes *in, uint32_t max, struct events *out, int *rc))
{
	uint32_t n;
	int rc;

	if (pkt->seq != ch->next || pkt->count == 0 || pkt->kind != FEED_DATA || !ch->started ||
		ch->first || pkt->ts_send_ns < ch->reset_ts_send_ns)
		return 0;
	if (protocol->weekly_session
			? pkt->ts_send_ns >= ch->week_until_ns
			: !wire_session_equal(ch->wire_session, pkt->session, pkt->session_id))
		return 0;
	if (pkt->has_channel && pkt->channel != ch->number)
		return 0;
	ctx->counts.packets_in++;
	ctx->counts.packets_out++;
	ch->ts_recv_ns = ts_recv_ns;
	if (pkt->ts_send_ns > ch->ts_send_ns)
		ch->ts_send_ns = pkt->ts_send_ns;
	channel_day(ch, ts_recv_ns);
	channel_base(ctx, ch, pkt->seq, ts_recv_ns, pkt->ts_send_ns, line->feed);
	channel_remember(ch, pkt, ts_recv_ns, line->line);
	n = run(&ch->state, &pkt->messages, pkt->count, ctx->out, &rc);
	ctx->counts.messages_in += n;
	ctx->counts.messages_out += n;
	if (__builtin_expect(bytes_len(pkt->messages) == 0 && n >= pkt->count, 1))
		ch->next += pkt->count;
	else
		channel_rest(ctx, ch, pkt->messages, ch->next, ch->next + pkt->count, n, rc);
	ch->ts_next_ns = ch->ts_recv_ns < ctx->now_ns ? ch->ts_recv_ns : ctx->now_ns;
	return 1;
}

/* feeds_frame takes an Ethernet frame, if it is a plain datagram to where one of a feed went before.
 * Returns  true when it was taken, as feeds_datagram does; false: nothing happened */
static inline bool feeds_frame(struct feeds *fs, struct bytes frame, uint64_t ts_recv_ns)
{
	const struct feed_known *known;
	struct feed_line *line;
	struct udp4 u;

	if (!frame_udp4(frame, &u))
		return false;
	known = feeds_known(fs, u.dst);
	if (known->dst != u.dst)
		return false;
	line = known->line;
	/* of what continues a channel nobody asks whether an assumed line stays: it is new to all */
	if (!line->state ||
		line->protocol->next(&fs->ctx, line->state, u.payload, line, ts_recv_ns) == 0)
		feeds_packet(fs, line, u.payload, ts_recv_ns);
	return true;
}
