/* Hot path: no allocation, lock, system call or log. */
#include "decode/feed/channel.h"

#include "decode/feed/session_name.h"
#include "decode/feed/short_way.h"

enum { WILD_JUMP = 1 << 20 }; /* sequence units */

/* gap_overlaps says whether any of [first, last] was given up as lost. */
static bool gap_overlaps(const struct channel *ch, uint64_t first, uint64_t last)
{
	uint32_t n = ch->gaps_n < CHANNEL_GAPS ? ch->gaps_n : CHANNEL_GAPS;

	if (first > ch->gap_last)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (first <= ch->gaps[i].last && last >= ch->gaps[i].first)
			return true;
	return false;
}

static uint64_t packet_last(const struct feed_packet *pkt)
{
	return pkt->seq + (pkt->count ? pkt->count - 1 : 0);
}

int channel_compare(const struct channel *ch, const struct feed_packet *pkt, uint8_t line)
{
	uint32_t slot = pkt->seq % CHANNEL_RECENT;
	uint8_t len = channel_head_len(pkt);

	if (pkt->kind != FEED_DATA || ch->recent[slot].seq != pkt->seq ||
		ch->recent[slot].line == line)
		return 0;
	if (len > ch->recent[slot].head_len)
		len = ch->recent[slot].head_len;
	if (!len)
		return 0;
	return memcmp(ch->recent[slot].head, pkt->messages.p, len) == 0 ? 1 : -1;
}

static void lead(struct channel *ch, const struct feed_packet *pkt, const struct arrival *at)
{
	uint32_t slot = pkt->seq % CHANNEL_RECENT;
	struct line_stats *line;
	uint64_t ahead_ns;

	ch->lines[at->line].duplicate++;
	if (pkt->kind != FEED_DATA || ch->recent[slot].seq != pkt->seq ||
		ch->recent[slot].line == at->line || at->ts_recv_ns < ch->recent[slot].ts_recv_ns)
		return;
	line = &ch->lines[ch->recent[slot].line];
	ahead_ns = at->ts_recv_ns - ch->recent[slot].ts_recv_ns;
	line->leads++;
	line->lead_sum_ns += ahead_ns;
	if (ahead_ns > line->lead_max_ns)
		line->lead_max_ns = ahead_ns;
}

enum { MOVE_NS = 10000000 }; /* losses closer than this are one move */

void channel_losses(
	struct channel_context *ctx, uint64_t now_ns, uint64_t until_ns, uint64_t losses)
{
	uint32_t newest = (ctx->moves_n - 1) % CHANNEL_MOVES;

	ctx->now_ns = now_ns;
	ctx->losses_until_ns = until_ns;
	if (losses == ctx->losses)
		return;
	if (ctx->moves_n == 0 || now_ns - ctx->moves[newest].noticed_ns > MOVE_NS) {
		newest = ctx->moves_n++ % CHANNEL_MOVES;
		ctx->moves[newest].before = ctx->losses;
		ctx->moves[newest].noticed_ns = now_ns;
	}
	ctx->losses = losses;
}

/* losses_since is how much was lost from ts_ns on, or a little more. */
static uint64_t losses_since(const struct channel_context *ctx, uint64_t ts_ns)
{
	uint32_t n = ctx->moves_n < CHANNEL_MOVES ? ctx->moves_n : CHANNEL_MOVES, i = ctx->moves_n;
	uint64_t before = ctx->losses;

	if (ts_ns > ctx->now_ns)
		ts_ns = 0; /* the clock was set back since: who knows when that was */
	while (n-- && ctx->moves[--i % CHANNEL_MOVES].noticed_ns + 2 * MOVE_NS > ts_ns)
		before = ctx->moves[i % CHANNEL_MOVES].before;
	return ctx->losses - before;
}

static struct str session_of(const struct channel *ch)
{
	return (struct str){ch->session, ch->session_len};
}

static void emit_system(
	struct channel_context *ctx, struct channel *ch, uint32_t code, uint64_t seq)
{
	struct event *ev;

	ctx->out->base.seq = seq;
	ctx->out->sub_seq = 0;
	ev = events_push(ctx->out, EVENT_SYSTEM);
	ev->flags |= EVENT_FLAG_LAST;
	ev->system.code = code;
	ev->system.session = session_of(ch);
}

static bool one_line(const struct channel *ch)
{
	uint8_t lines = ch->lines_seen | ch->lines_configured;

	return (lines & (lines - 1)) == 0;
}

/* gap_cause says whose loss the gap is that is given up now; moved: what was lost here meanwhile.
 * What other queues lost must be known at least until the copies of a missing packet were due, for
 * which half the time that a hole is waited for is plenty. */
static uint32_t gap_cause(struct channel_context *ctx, const struct channel *ch, uint64_t *moved)
{
	uint64_t due_ns = ch->hole_opened_ns + (one_line(ch) ? 0 : ctx->opt.window_us * 500ull);

	if (ctx->ask_losses)
		ctx->ask_losses(ctx->ask_losses_ctx);
	*moved = losses_since(ctx, ch->ts_next_ns);
	if (!ctx->losses_known)
		return GAP_EVENT_CAUSE_UNDECIDED;
	if (*moved)
		return GAP_EVENT_CAUSE_LOCAL;
	if (due_ns > ch->ts_recv_ns)
		due_ns = ch->ts_recv_ns;
	return ctx->losses_until_ns < due_ns && ctx->losses_until_ns < ctx->now_ns
		       ? GAP_EVENT_CAUSE_UNDECIDED
		       : GAP_EVENT_CAUSE_UPSTREAM;
}

/* give_up declares [ch->next, until) lost with exactly one GapEvent. */
static void give_up(struct channel_context *ctx, struct channel *ch, uint64_t until)
{
	uint64_t moved;
	uint32_t cause = gap_cause(ctx, ch, &moved);
	struct event *ev;

	channel_base(ctx, ch, ch->next, ch->ts_recv_ns, 0, 0);
	ev = events_push(ctx->out, EVENT_GAP);
	ev->flags |= EVENT_FLAG_LAST;
	ev->gap.first_missing = ch->next;
	ev->gap.last_missing = until - 1;
	ev->gap.resolution = GAP_EVENT_RESOLUTION_DECLARED_LOST;
	if (ch->state.protocol->seq_unit == SEQ_MESSAGE)
		ev->gap.lost_messages = until - ch->next;
	ev->gap.ts_opened_ns = ch->hole_opened_ns;
	ev->gap.session = session_of(ch);
	ev->gap.local_drops = moved;
	ev->gap.cause = cause;
	gap_count(&ctx->counts.gaps, &ev->gap);
	ch->gaps[ch->gaps_n % CHANNEL_GAPS].first = ch->next;
	ch->gaps[ch->gaps_n++ % CHANNEL_GAPS].last = until - 1;
	ch->gap_last = until - 1;
	ch->next = until;
	ch->stale = true;
}

/* report_unknown tells of a message that could not be decoded: the first of its kind, then each
 * time that their number doubles, so a flood of them stays small and the same on every host. */
static void report_unknown(
	struct channel_context *ctx, struct channel *ch, struct bytes msg, int reason)
{
	uint32_t key = (uint32_t)reason << 16 | (ctx->out->base.template_id & 0xffff), i;
	struct event *ev;
	size_t len = bytes_len(msg);

	for (i = 0; i < CHANNEL_UNKNOWN - 1; i++)
		if (ch->unknown[i].key == key || ch->unknown[i].count == 0)
			break;
	ch->unknown[i].key = key;
	ch->unknown[i].count++;
	if (ch->unknown[i].count & (ch->unknown[i].count - 1))
		return;
	ev = events_push(ctx->out, EVENT_UNKNOWN);
	ev->flags |= EVENT_FLAG_LAST;
	ev->unknown.protocol = str_of(ch->state.protocol->name);
	ev->unknown.length = (uint32_t)len;
	ev->unknown.head = bytes_of(msg.p, len < 32 ? len : 32);
	ev->unknown.count = ch->unknown[i].count;
	switch (reason) {
	case REASON_unknown_type:
	case REASON_unknown_schema:
		ev->unknown.reason = UNKNOWN_MESSAGE_REASON_UNKNOWN_TYPE;
		break;
	case REASON_too_short:
		ev->unknown.reason = UNKNOWN_MESSAGE_REASON_TOO_SHORT;
		break;
	default:
		ev->unknown.reason = UNKNOWN_MESSAGE_REASON_BAD_FRAMING;
	}
}

/* count_lie counts a message that is announced and is not there, or is there unannounced. */
static void count_lie(struct channel_context *ctx, struct channel *ch, struct bytes in)
{
	ctx->counts.messages_in++;
	ctx->counts.message_dropped[REASON_count_mismatch]++;
	ctx->out->base.template_id = 0;
	report_unknown(ctx, ch, in, REASON_count_mismatch);
}

/* decode_refused counts and tells of the message that in begins with, and steps over it.
 * Returns  false when its length is not known: the rest of the packet cannot be read */
static __attribute__((noinline)) bool decode_refused(
	struct channel_context *ctx, struct channel *ch, struct bytes *in, enum reason reason)
{
	struct bytes msg = *in;
	bool whole;

	ctx->counts.messages_in++;
	ctx->counts.message_dropped[reason]++;
	whole = ch->state.protocol->skip(in) == 0;
	if (whole)
		msg.end = in->p;
	report_unknown(ctx, ch, msg, (int)reason);
	ctx->out->base.template_id = 0;
	return whole;
}

/* decode_run reads up to max messages: until one is refused, which is stepped over where its length
 * is known.
 * Returns  messages read or refused; *whole: false when the rest of the packet cannot be read */
static inline uint32_t decode_run(struct channel_context *ctx, struct channel *ch, struct bytes *in,
	uint32_t max, bool *whole)
{
	int rc;
	uint32_t n = ch->state.protocol->run(&ch->state, in, max, ctx->out, &rc);

	ctx->counts.messages_in += n;
	ctx->counts.messages_out += n;
	*whole = true;
	if (__builtin_expect(rc == 0, 1))
		return n;
	*whole = decode_refused(ctx, ch, in, (enum reason) - rc);
	return n + 1;
}

/* decode_numbered decodes messages from seq on, which is next. A packet that ends early leaves next
 * at what is missing. */
static inline void decode_numbered(struct channel_context *ctx, struct channel *ch, struct bytes in,
	uint64_t seq, uint64_t end)
{
	bool whole;

	while (seq < end) {
		ctx->out->base.seq = seq;
		ctx->out->sub_seq = 0;
		if (bytes_len(in) == 0) {
			count_lie(ctx, ch, in);
			return;
		}
		seq += decode_run(ctx, ch, &in, (uint32_t)(end - seq), &whole);
		ch->next = whole ? seq : seq - 1;
		if (!whole)
			return;
	}
	ctx->out->base.seq = end - 1;
	if (bytes_len(in) > 0)
		count_lie(ctx, ch, in);
}

void channel_rest(struct channel_context *ctx, struct channel *ch, struct bytes in, uint64_t seq,
	uint64_t end, uint32_t n, int rc)
{
	bool whole = rc == 0 || decode_refused(ctx, ch, &in, (enum reason) - rc);

	if (ch->state.protocol->seq_unit == SEQ_PACKET) {
		while (whole && bytes_len(in) > 0)
			decode_run(ctx, ch, &in, UINT32_MAX, &whole);
		ch->next = end;
		return;
	}
	seq += n + (rc < 0);
	ch->next = whole ? seq : seq - 1;
	if (whole)
		decode_numbered(ctx, ch, in, seq, end);
}

/* decode_new delivers of a packet that is not ahead the part that is new. */
static void decode_new(
	struct channel_context *ctx, struct channel *ch, const struct feed_packet *pkt)
{
	struct bytes in = pkt->messages;
	uint64_t seq = pkt->seq;

	for (; seq < ch->next; seq++) {
		ctx->counts.messages_in++;
		ctx->counts.message_dropped[gap_overlaps(ch, seq, seq) ? REASON_late
								       : REASON_duplicate]++;
		if (ch->state.protocol->skip(&in) < 0)
			return;
	}
	channel_rest(ctx, ch, in, seq, pkt->seq + pkt->count, 0, 0);
}

static void deliver(struct channel_context *ctx, struct channel *ch, const struct feed_packet *pkt,
	const struct arrival *at)
{
	channel_base(ctx, ch, pkt->seq, at->ts_recv_ns, pkt->ts_send_ns, at->feed);
	channel_day(ch, at->ts_recv_ns);
	ctx->counts.packets_out++;
	switch (pkt->kind) {
	case FEED_DATA:
		channel_remember(ch, pkt, at->ts_recv_ns, at->line);
		decode_new(ctx, ch, pkt);
		break;
	case FEED_HEARTBEAT:
		if (bytes_len(pkt->messages) > 0)
			count_lie(ctx, ch, pkt->messages);
		if (ctx->opt.heartbeats)
			emit_system(ctx, ch, SYSTEM_EVENT_CODE_HEARTBEAT, 0);
		break;
	case FEED_END_OF_SESSION:
		emit_system(ctx, ch, SYSTEM_EVENT_CODE_SESSION_END, pkt->seq);
		ch->ended = true;
		break;
	}
	if (pkt->seq + pkt->count >= ch->next)
		ch->ts_next_ns = at->ts_recv_ns < ctx->now_ns ? at->ts_recv_ns : ctx->now_ns;
}

static bool held_any(const struct channel_context *ctx)
{
	return ctx->held_free || ctx->held_used < ctx->held_n;
}

static struct held *held_take(struct channel_context *ctx)
{
	struct held *h = ctx->held_free;

	if (!h)
		return &ctx->held[ctx->held_used++];
	ctx->held_free = h->next;
	return h;
}

static void held_release(struct channel_context *ctx, struct channel *ch, struct held *h)
{
	ch->first = h->next;
	if (ch->first)
		ch->first->prev = NULL;
	else
		ch->last = NULL;
	ch->window--;
	ctx->counts.packets_held--;
	h->next = ctx->held_free;
	ctx->held_free = h;
	ctx->released = true;
}

static int drop_packet(struct channel_context *ctx, enum reason reason)
{
	ctx->counts.packet_dropped[reason]++;
	return -(int)reason;
}

/* behind counts a packet that brings nothing new. */
static void behind(struct channel_context *ctx, struct channel *ch, const struct feed_packet *pkt,
	const struct arrival *at)
{
	if (pkt->count && gap_overlaps(ch, pkt->seq, packet_last(pkt))) {
		drop_packet(ctx, REASON_late);
		return;
	}
	lead(ch, pkt, at);
	drop_packet(ctx, REASON_duplicate);
}

/* in_order takes a packet that is not ahead of a hole. */
static void in_order(struct channel_context *ctx, struct channel *ch, const struct feed_packet *pkt,
	const struct arrival *at)
{
	bool fresh = pkt->kind == FEED_DATA        ? pkt->seq + pkt->count > ch->next
		     : pkt->kind == FEED_HEARTBEAT ? true
						   : !ch->ended;

	if (fresh)
		deliver(ctx, ch, pkt, at);
	else
		behind(ctx, ch, pkt, at);
}

/* drain delivers what the window holds up to the next hole. */
static void drain(struct channel_context *ctx, struct channel *ch)
{
	while (ch->first && ch->first->pkt.seq <= ch->next) {
		struct held *h = ch->first;
		struct arrival at = {h->ts_recv_ns, h->feed, h->line};

		in_order(ctx, ch, &h->pkt, &at);
		held_release(ctx, ch, h);
	}
	if (ch->first)
		ch->hole_opened_ns = ch->first->ts_recv_ns;
}

/* give_up_first gives up the hole in front of the window. A packet far ahead with no other near it
 * is more likely damaged than all before it lost: it is refused, or one flipped bit would end its
 * channel (docs/decisions/0007). */
static void give_up_first(struct channel_context *ctx, struct channel *ch)
{
	if (ch->first == ch->last && ch->first->pkt.seq - ch->next > WILD_JUMP) {
		drop_packet(ctx, REASON_wild_sequence);
		held_release(ctx, ch, ch->first);
		return;
	}
	give_up(ctx, ch, ch->first->pkt.seq);
	drain(ctx, ch);
}

/* expire gives up holes whose time or room is over. */
static void expire(struct channel_context *ctx, struct channel *ch)
{
	bool single = one_line(ch);
	uint64_t limit_ns = (single ? ctx->opt.single_line_us : ctx->opt.window_us) * 1000ull;
	uint32_t limit = single ? ctx->opt.single_line_packets : ctx->opt.window_packets;

	while (ch->first &&
		(ch->window >= limit || ch->ts_recv_ns >= ch->hole_opened_ns + limit_ns))
		give_up_first(ctx, ch);
}

/* hold copies a packet that is ahead of a hole into the window. */
static void hold(struct channel_context *ctx, struct channel *ch, const struct feed_packet *pkt,
	const struct arrival *at)
{
	struct held *after = ch->last, *h;
	size_t len = bytes_len(pkt->messages);

	while (after && after->pkt.seq > pkt->seq)
		after = after->prev;
	for (h = after; h && h->pkt.seq == pkt->seq; h = h->prev) {
		if (h->pkt.count >= pkt->count && h->pkt.kind == pkt->kind) {
			if (h->line != at->line)
				ch->lines[at->line].duplicate++;
			drop_packet(ctx, REASON_duplicate);
			return;
		}
	}
	if (len > HELD_BYTES ||
		!held_any(ctx)) { /* no room: what is missing will not be waited for */
		while (ch->first)
			give_up_first(ctx, ch);
		if (pkt->seq > ch->next) {
			ch->hole_opened_ns = at->ts_recv_ns;
			give_up(ctx, ch, pkt->seq);
		}
		in_order(ctx, ch, pkt, at);
		return;
	}
	if (ctx->released) { /* the vector may still point into the slot that is overwritten */
		events_flush(ctx->out);
		ctx->released = false;
	}
	h = held_take(ctx);
	h->pkt = *pkt;
	if (len)
		memcpy(h->bytes, pkt->messages.p, len);
	h->pkt.messages = bytes_of(h->bytes, len);
	h->pkt.session = (struct str){0};
	h->ts_recv_ns = at->ts_recv_ns;
	h->feed = at->feed;
	h->line = at->line;
	if (!ch->first)
		ch->hole_opened_ns = at->ts_recv_ns;
	h->prev = after;
	h->next = after ? after->next : ch->first;
	*(h->next ? &h->next->prev : &ch->last) = h;
	*(after ? &after->next : &ch->first) = h;
	ch->window++;
	ctx->counts.packets_held++;
}

/* name_session writes the session's name, with the number of resets inside it, and tells the
 * stream. A round begins above all numbers of those before it, so no name comes twice. */
static void name_session(struct channel_context *ctx, struct channel *ch)
{
	uint32_t suffix = ch->suffix_first + ch->resets;

	if (suffix > ch->suffix_last)
		ch->suffix_last = suffix;
	events_switch(ctx->out, ch->stream);
	events_flush(ctx->out);
	ch->session_len = session_name(ch->session, ch->wire_session, suffix);
	ctx->session(ctx->session_ctx, ch->stream, session_of(ch));
}

static void take_wire_session(struct channel *ch, const struct feed_packet *pkt)
{
	ch->week_until_ns = wire_session(ch->wire_session, ch->state.protocol, pkt);
}

/* reset starts a session, which pkt told of: the old one's open holes are given up, sequences
 * begin at 1 again. */
static void reset(struct channel_context *ctx, struct channel *ch, uint64_t next,
	const struct feed_packet *pkt)
{
	while (ch->first)
		give_up_first(ctx, ch);
	name_session(ctx, ch);
	ch->next = next;
	ch->stale = ch->ended = false;
	ch->gaps_n = 0;
	ch->gap_last = 0;
	ch->reset_seq = pkt->seq;
	ch->reset_ts_send_ns = pkt->ts_send_ns;
	if (!ch->alone)
		memset(ch->recent, 0, sizeof(ch->recent));
	ctx->counts.resets++;
	channel_base(ctx, ch, 0, ch->ts_recv_ns, pkt->ts_send_ns, 0);
	emit_system(ctx, ch, SYSTEM_EVENT_CODE_SEQ_RESET, 0);
}

static void retire_session(struct channel *ch)
{
	memcpy(ch->old_session[ch->old_sessions++ % CHANNEL_OLD_SESSIONS], ch->wire_session,
		CHANNEL_SESSION_MAX);
}

static bool session_is_old(const struct channel *ch, const char *name)
{
	uint32_t n =
		ch->old_sessions < CHANNEL_OLD_SESSIONS ? ch->old_sessions : CHANNEL_OLD_SESSIONS;

	for (uint32_t i = 0; i < n; i++)
		if (strncmp(ch->old_session[i], name, CHANNEL_SESSION_MAX) == 0)
			return true;
	return false;
}

/* follow_session finds session changes and resets. Returns 0, or -REASON_old_session. */
static int follow_session(
	struct channel_context *ctx, struct channel *ch, const struct feed_packet *pkt)
{
	bool weekly = ch->state.protocol->weekly_session;
	bool back = ch->next >= ctx->opt.window_packets &&
		    pkt->seq <= ch->next - ctx->opt.window_packets;

	/* a loop of snapshots numbers its packets from 1 again, however short it was */
	back = back || (weekly && pkt->seq < ch->next && pkt->seq <= ctx->opt.window_packets);
	if (!weekly && !wire_session_equal(ch->wire_session, pkt->session, pkt->session_id)) {
		char name[CHANNEL_SESSION_MAX];

		wire_session(name, ch->state.protocol, pkt);
		if (session_is_old(ch, name))
			return -REASON_old_session;
		retire_session(ch);
		take_wire_session(ch, pkt);
		ch->resets = 0;
		reset(ctx, ch, 1, pkt);
		return 0;
	}
	if (!pkt->ts_send_ns)
		return 0;
	/* what was sent before the reset's packet and stands before it may fill its hole */
	if (pkt->ts_send_ns < ch->reset_ts_send_ns && pkt->seq >= ch->reset_seq)
		return -REASON_old_session;
	if (back && pkt->ts_send_ns > ch->ts_send_ns) {
		bool new_week = weekly && pkt->ts_send_ns >= ch->week_until_ns;

		ch->resets = new_week ? 0 : ch->resets + 1;
		if (new_week)
			take_wire_session(ch, pkt);
		reset(ctx, ch, 1, pkt);
	} else if (weekly && pkt->ts_send_ns >= ch->week_until_ns) {
		take_wire_session(ch, pkt); /* the week's name changes, its sequence goes on */
		ch->resets = 0;
		name_session(ctx, ch);
	}
	return 0;
}

static void start(struct channel_context *ctx, struct channel *ch, const struct feed_packet *pkt)
{
	ch->started = true;
	if (ch->suffix_first < ctx->round)
		ch->suffix_first = ctx->round;
	ch->next = pkt->seq;
	ch->ts_send_ns = pkt->ts_send_ns;
	take_wire_session(ch, pkt);
	name_session(ctx, ch);
}

void channel_packet(struct channel_context *ctx, struct channel *ch, const struct feed_packet *pkt,
	const struct arrival *at)
{
	ch->ts_recv_ns = at->ts_recv_ns;
	ch->lines_seen |= (uint8_t)(1 << at->line);
	if (!ch->started) {
		start(ctx, ch, pkt);
	} else if (follow_session(ctx, ch, pkt) < 0) {
		drop_packet(ctx, REASON_old_session);
		return;
	}
	if (pkt->ts_send_ns > ch->ts_send_ns)
		ch->ts_send_ns = pkt->ts_send_ns;
	if (pkt->seq > ch->next) {
		hold(ctx, ch, pkt, at);
	} else {
		in_order(ctx, ch, pkt, at);
		if (ch->first)
			drain(ctx, ch);
	}
	if (ch->first)
		expire(ctx, ch);
}

void channel_body(struct channel_context *ctx, struct channel *ch, struct bytes in, uint64_t seq,
	uint64_t noon_ns)
{
	int rc;

	if (!ch->started)
		start(ctx, ch, &(struct feed_packet){.seq = seq});
	if (noon_ns)
		channel_day(ch, noon_ns);
	channel_base(ctx, ch, seq, 0, 0, 0);
	ctx->counts.messages_in++;
	rc = ch->state.protocol->body(&ch->state, in, ctx->out);
	events_select(ctx->out);
	if (rc >= 0) {
		ctx->counts.messages_out++;
	} else {
		ctx->counts.message_dropped[-rc]++;
		report_unknown(ctx, ch, in, -rc);
		ctx->out->base.template_id = 0;
	}
	ch->next = seq + 1;
}

void channel_end(struct channel_context *ctx, struct channel *ch)
{
	while (ch->first)
		give_up_first(ctx, ch);
}

void channel_round(struct channel_context *ctx, struct channel *ch)
{
	if (!ch->started)
		return;
	ch->suffix_first = ch->suffix_last + 1;
	ch->resets = 0;
	reset(ctx, ch, 0, &(struct feed_packet){0});
	ch->started = false; /* the next packet says where the round begins */
	ch->ts_send_ns = 0;
	ch->old_sessions = 0;
}
