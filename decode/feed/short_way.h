/* Hot path: no allocation, lock, system call or log. */
/* short_way: from the frame to its messages in one piece, for the worker's loop: a whole datagram, to
 * where one of a feed went before, that brings its channel just what it waits for. Nearly every packet of
 * a feed does; all others take the long way, feeds_datagram and channel_packet. */
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
	uint8_t len = channel_head_len(pkt);

	ch->lines[line].first++;
	if (ch->alone)
		return;
	recent->seq = pkt->seq;
	recent->ts_recv_ns = ts_recv_ns;
	if (len == CHANNEL_HEAD)
		memcpy(recent->head, pkt->messages.p, CHANNEL_HEAD);
	else if (len)
		memcpy(recent->head, pkt->messages.p, len);
	recent->head_len = len;
	recent->line = line;
}

/* channel_base says what the events of a packet have in common. */
static inline void channel_base(struct channel_context *ctx, struct channel *ch, uint64_t seq,
	uint64_t ts_recv_ns, uint64_t ts_send_ns, uint16_t feed)
{
	struct event *base = &ctx->out->base;

	events_switch(ctx->out, ch->stream);
	ctx->out->symbols = ch->state.symbols;
	base->ts_recv_ns = ts_recv_ns;
	base->ts_send_ns = ts_send_ns;
	base->venue = (struct str){ch->venue, ch->venue_len};
	base->channel = ch->number;
	base->seq = seq;
	base->flags = ch->stale ? EVENT_FLAG_STALE : 0;
	base->feed = feed;
	ctx->out->sub_seq = 0;
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

/* channel_continues says whether pkt is what ch waits for: the next of its session, while no hole is
 * open. */
static inline bool channel_continues(
	const struct channel *ch, const struct protocol *protocol, const struct feed_packet *pkt)
{
	return pkt->seq == ch->next && pkt->count > 0 && pkt->kind == FEED_DATA && ch->started &&
	       !ch->first && pkt->ts_send_ns >= ch->reset_ts_send_ns &&
	       (protocol->weekly_session ? pkt->ts_send_ns < ch->week_until_ns
					 : wire_session_equal(ch->wire_session, pkt));
}

/* channel_next takes a packet that continues ch, as channel_packet does.
 * Takes  pkt: its messages are read off in place, for a copy would be loaded before the halves of it
 *        are stored */
static inline void channel_next(struct channel_context *ctx, struct channel *ch,
	struct feed_packet *pkt, const struct feed_line *line, uint64_t ts_recv_ns)
{
	struct bytes *in = &pkt->messages;
	uint32_t n;
	int rc;

	ch->ts_recv_ns = ts_recv_ns;
	if (pkt->ts_send_ns > ch->ts_send_ns)
		ch->ts_send_ns = pkt->ts_send_ns;
	channel_day(ch, ts_recv_ns);
	channel_base(ctx, ch, pkt->seq, ts_recv_ns, pkt->ts_send_ns, line->feed);
	channel_remember(ch, pkt, ts_recv_ns, line->line);
	n = line->protocol->run(&ch->state, in, pkt->count, ctx->out, &rc);
	ctx->counts.packets_out++;
	ctx->counts.messages_in += n;
	ctx->counts.messages_out += n;
	ch->next = pkt->seq + pkt->count;
	if (__builtin_expect(in->p != in->end || n < pkt->count, 0))
		channel_rest(ctx, ch, *in, pkt->seq, pkt->seq + pkt->count, n, rc);
	ch->ts_next_ns = ts_recv_ns < ctx->now_ns ? ts_recv_ns : ctx->now_ns;
}

/* feeds_frame takes an Ethernet frame, if it is a plain datagram to where one of a feed went before.
 * Returns  true when it was taken, as feeds_datagram does; false: nothing happened */
static inline bool feeds_frame(struct feeds *fs, struct bytes frame, uint64_t ts_recv_ns)
{
	const struct feed_known *known;
	struct feed_line *line;
	struct channel *ch;
	struct feed_packet pkt;
	struct udp4 u;

	if (!frame_udp4(frame, &u))
		return false;
	known = feeds_known(fs, u.dst);
	if (known->dst != u.dst)
		return false;
	line = known->line;
	ch = line->state;
	/* what continues a channel needs no look whether an assumed line stays: nobody had it before */
	if (ch && line->protocol->packet(u.payload, &pkt) == 0 &&
		(!pkt.has_channel || pkt.channel == ch->number) &&
		channel_continues(ch, line->protocol, &pkt)) {
		fs->ctx.counts.packets_in++;
		channel_next(&fs->ctx, ch, &pkt, line, ts_recv_ns);
	} else {
		feeds_packet(fs, line, u.payload, ts_recv_ns);
	}
	return true;
}
