#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/feed/channel.h"

TestSuite(channel, .timeout = 20);

/* A protocol whose message is one byte, its event a SystemEvent with that byte as code and, if it
 * is a capital letter, as text; 255 is unknown, 254 makes the rest of the packet unreadable. */
static int toy_message(struct feed_state *st, struct bytes *in, struct events *out)
{
	struct event *ev;

	(void)st;
	if (in->p[0] == 254) {
		in->p = in->end;
		return -REASON_message_length;
	}
	if (*in->p++ == 255)
		return -REASON_unknown_type;
	ev = events_push(out, EVENT_SYSTEM);
	ev->system.code = in->p[-1];
	if (in->p[-1] >= 'A' && in->p[-1] <= 'Z')
		ev->system.text = (struct str){(const char *)in->p - 1, 1};
	return 1;
}

static uint32_t toy_run(
	struct feed_state *st, struct bytes *in, uint32_t max, struct events *out, int *rc)
{
	uint32_t n = 0;

	for (*rc = 0; n < max && bytes_len(*in); n++) {
		struct bytes rest = *in;

		out->sub_seq = 0;
		*rc = toy_message(st, &rest, out);
		if (*rc < 0)
			return n;
		*rc = 0;
		in->p = rest.p;
		if (st->protocol->seq_unit == SEQ_MESSAGE)
			out->base.seq++;
	}
	return n;
}

static int toy_skip(struct bytes *in)
{
	if (in->p[0] == 254)
		return -REASON_message_length;
	in->p++;
	return 0;
}

static const struct protocol toy = {.name = "toy",
	.venue = "XTOY",
	.seq_unit = SEQ_MESSAGE,
	.message = toy_message,
	.run = toy_run,
	.skip = toy_skip};
static const struct protocol weekly = {.name = "weekly",
	.venue = "XTOY",
	.seq_unit = SEQ_PACKET,
	.weekly_session = true,
	.message = toy_message,
	.run = toy_run,
	.skip = toy_skip};

struct rig {
	struct events out;
	struct channel_context ctx;
	struct channel ch;
	char log[4096]; /* "5" event with seq 5, "gap 3-4", "end", … */
	char session[64];
};

static void note(struct events *evs)
{
	struct rig *rig = evs->ctx;

	for (uint32_t i = 0; i < evs->n; i++) {
		const struct event *ev = evs->ev[i];
		size_t len = strlen(rig->log);
		char *at = rig->log + len;
		size_t room = sizeof(rig->log) - len;

		if (ev->type == EVENT_GAP)
			snprintf(at, room, "gap %lu-%lu%s ", ev->gap.first_missing,
				ev->gap.last_missing,
				ev->gap.cause == GAP_EVENT_CAUSE_LOCAL       ? " local"
				: ev->gap.cause == GAP_EVENT_CAUSE_UNDECIDED ? " undecided"
									     : "");
		else if (ev->type == EVENT_UNKNOWN)
			snprintf(at, room, "unknown ");
		else if (ev->system.code == SYSTEM_EVENT_CODE_SEQ_RESET)
			snprintf(at, room, "reset ");
		else if (ev->system.code == SYSTEM_EVENT_CODE_SESSION_END)
			snprintf(at, room, "end ");
		else
			snprintf(at, room, "%lu%s%.*s ", ev->seq,
				ev->flags & EVENT_FLAG_STALE ? "s" : "", (int)ev->system.text.len,
				ev->system.text.p ? ev->system.text.p : "");
	}
}

static void session(void *ctx, void *stream, struct str name)
{
	struct rig *rig = ctx;

	(void)stream;
	snprintf(rig->session, sizeof(rig->session), "%.*s", (int)name.len, name.p);
}

static void open_rig(struct rig *rig, const struct protocol *protocol)
{
	memset(rig, 0, sizeof(*rig));
	cr_assert_eq(events_init(&rig->out, note, rig), 0);
	cr_assert_eq(channel_context_init(&rig->ctx, 64, &rig->out), 0);
	cr_assert_eq(channel_init(&rig->ch, protocol, "XTOY", 7), 0);
	rig->ctx.opt = (struct channel_options){8, 1000, 4, 100, false};
	rig->ctx.session = session;
	rig->ctx.session_ctx = rig;
	rig->ctx.losses_known = true;
}

static const uint8_t ones[64] = {[0 ... 63] = 100};

/* give sends count messages from seq on a line; at in ns. */
static void give_bytes(struct rig *rig, int line, uint64_t seq, const uint8_t *p, uint32_t count,
	uint64_t ns, const char *name)
{
	struct feed_packet pkt = {.kind = FEED_DATA,
		.seq = seq,
		.count = count,
		.session = str_of(name),
		.messages = bytes_of(p, count)};
	struct arrival at = {ns, 1, (uint8_t)line};

	rig->ctx.counts.packets_in++;
	channel_packet(&rig->ctx, &rig->ch, &pkt, &at);
}

static void give(struct rig *rig, int line, uint64_t seq, uint32_t count, uint64_t ns)
{
	give_bytes(rig, line, seq, ones, count, ns, "S1");
}

static void give_kind(struct rig *rig, enum feed_packet_kind kind, uint64_t seq, uint64_t ns)
{
	struct feed_packet pkt = {.kind = kind, .seq = seq, .session = STR("S1")};
	struct arrival at = {ns, 1, 0};

	rig->ctx.counts.packets_in++;
	channel_packet(&rig->ctx, &rig->ch, &pkt, &at);
}

static void expect(struct rig *rig, const char *log)
{
	const struct feed_counts *c = &rig->ctx.counts;
	uint64_t packets = c->packets_out + c->packets_held, messages = c->messages_out;

	events_flush(&rig->out);
	cr_assert_str_eq(rig->log, log);
	for (int i = 0; i < REASON_COUNT; i++) {
		packets += c->packet_dropped[i];
		messages += c->message_dropped[i];
	}
	cr_assert_eq(c->packets_in, packets, "packets %lu of %lu", packets, c->packets_in);
	cr_assert_eq(c->messages_in, messages, "messages %lu of %lu", messages, c->messages_in);
}

static void close_rig(struct rig *rig)
{
	channel_free(&rig->ch);
	channel_context_free(&rig->ctx);
	events_free(&rig->out);
}

#define RIG_TEST(name, protocol)                                                                   \
	static void name##_body(struct rig *rig);                                                  \
	Test(channel, name)                                                                        \
	{                                                                                          \
		struct rig *rig = malloc(sizeof(*rig));                                            \
                                                                                                   \
		open_rig(rig, protocol);                                                           \
		name##_body(rig);                                                                  \
		close_rig(rig);                                                                    \
		free(rig);                                                                         \
	}                                                                                          \
	static void name##_body(struct rig *rig)

RIG_TEST(first_copy_wins_and_the_other_is_counted, &toy)
{
	give(rig, 0, 1, 2, 100);
	give(rig, 1, 1, 2, 350);
	give(rig, 1, 3, 1, 400);
	give(rig, 0, 3, 1, 450);
	expect(rig, "1 2 3 ");
	cr_assert_eq(rig->ctx.counts.packet_dropped[REASON_duplicate], 2);
	cr_assert_eq(rig->ch.lines[0].lead_sum_ns, 250);
	cr_assert_eq(rig->ch.lines[1].lead_sum_ns, 50);
}

RIG_TEST(a_hole_filled_in_time_makes_no_event, &toy)
{
	give(rig, 0, 1, 1, 0);
	give(rig, 0, 3, 2, 10);
	give(rig, 0, 6, 1, 20);
	expect(rig, "1 ");
	give(rig, 1, 2, 1, 30);
	expect(rig, "1 2 3 4 ");
	give(rig, 1, 5, 1, 40);
	expect(rig, "1 2 3 4 5 6 ");
	cr_assert_eq(rig->ctx.counts.gaps.gaps[GAP_EVENT_CAUSE_UPSTREAM], 0);
}

RIG_TEST(a_hole_given_up_makes_exactly_one_event_and_late_copies_are_late, &toy)
{
	give(rig, 0, 1, 1, 0);
	give(rig, 1, 1, 1, 0);
	give(rig, 0, 4, 1, 10);
	give(rig, 0, 5, 1, 1000 * 1000 + 9);
	expect(rig, "1 ");
	give(rig, 0, 6, 1, 1000 * 1000 + 10);
	expect(rig, "1 gap 2-3 4s 5s 6s ");
	give(rig, 1, 2, 2, 1000 * 1000 + 20);
	expect(rig, "1 gap 2-3 4s 5s 6s ");
	cr_assert_eq(rig->ctx.counts.packet_dropped[REASON_late], 1);
	cr_assert_eq(rig->ctx.counts.gaps.messages_lost[GAP_EVENT_CAUSE_UPSTREAM], 2);
}

RIG_TEST(one_line_waits_for_fewer_packets, &toy)
{
	give(rig, 0, 1, 1, 0);
	for (uint64_t i = 0; i < 4; i++)
		give(rig, 0, 3 + i, 1, 1);
	expect(rig, "1 gap 2-2 3s 4s 5s 6s ");
}

RIG_TEST(lines_may_cut_the_sequence_differently, &toy)
{
	give(rig, 0, 1, 3, 0);
	give(rig, 1, 1, 5, 1);
	give(rig, 0, 4, 3, 2);
	expect(rig, "1 2 3 4 5 6 ");
	cr_assert_eq(rig->ctx.counts.message_dropped[REASON_duplicate], 3 + 2);
}

RIG_TEST(two_holes_make_two_events, &toy)
{
	give(rig, 0, 1, 1, 0);
	give(rig, 0, 3, 1, 0);
	give(rig, 0, 5, 1, 0);
	channel_end(&rig->ctx, &rig->ch);
	expect(rig, "1 gap 2-2 3s gap 4-4 5s ");
}

RIG_TEST(a_heartbeat_reveals_the_loss_of_the_tail, &toy)
{
	give(rig, 0, 1, 1, 0);
	give_kind(rig, FEED_HEARTBEAT, 4, 10);
	expect(rig, "1 ");
	channel_end(&rig->ctx, &rig->ch);
	expect(rig, "1 gap 2-3 ");
}

RIG_TEST(a_session_ends_once, &toy)
{
	give(rig, 0, 1, 1, 0);
	give_kind(rig, FEED_END_OF_SESSION, 2, 1);
	give_kind(rig, FEED_END_OF_SESSION, 2, 2);
	expect(rig, "1 end ");
}

RIG_TEST(a_new_session_begins_at_one_and_the_old_one_is_refused, &toy)
{
	give(rig, 0, 10, 1, 0);
	cr_assert_str_eq(rig->session, "S1");
	give_bytes(rig, 0, 1, ones, 1, 10, "S2");
	cr_assert_str_eq(rig->session, "S2");
	give(rig, 1, 11, 1, 20);
	give_bytes(rig, 1, 1, ones, 2, 30, "S2");
	expect(rig, "10 reset 1 2 ");
	cr_assert_eq(rig->ctx.counts.packet_dropped[REASON_old_session], 1);
}

RIG_TEST(a_message_that_cannot_be_read_takes_its_number, &toy)
{
	give_bytes(rig, 0, 1, (const uint8_t[]){1, 255, 2}, 3, 0, "S1");
	give(rig, 0, 4, 1, 1);
	expect(rig, "1 unknown 3 4 ");
}

RIG_TEST(the_rest_of_a_broken_packet_may_come_from_the_other_line, &toy)
{
	give_bytes(rig, 0, 1, (const uint8_t[]){1, 254, 2}, 3, 0, "S1");
	give(rig, 0, 4, 1, 1);
	give(rig, 1, 1, 3, 2);
	expect(rig, "1 unknown 2 3 4 ");
}

RIG_TEST(a_loss_counted_here_makes_the_gap_local, &toy)
{
	give(rig, 0, 1, 1, 0);
	give(rig, 0, 3, 1, 0);
	channel_losses(&rig->ctx, 10, UINT64_MAX, 5);
	channel_end(&rig->ctx, &rig->ch);
	expect(rig, "1 gap 2-2 local 3s ");
}

/* The kernel counts a packet that its ring has no room for long before the worker gets to those
 * that are in the ring. */
RIG_TEST(a_loss_counted_before_the_hole_was_seen_makes_the_gap_local, &toy)
{
	const uint64_t s = 1000000000;

	channel_losses(&rig->ctx, 1 * s, UINT64_MAX, 0);
	give(rig, 0, 1, 1, 1 * s);
	channel_losses(&rig->ctx, 2 * s, UINT64_MAX, 5);
	give(rig, 0, 2, 1, 1 * s + 1); /* was in the ring */
	channel_losses(&rig->ctx, 3 * s, UINT64_MAX, 5);
	give(rig, 0, 4, 1, 3 * s);
	channel_end(&rig->ctx, &rig->ch);
	expect(rig, "1 2 gap 3-3 local 4s ");
}

RIG_TEST(a_loss_counted_long_before_a_gap_is_not_its_cause, &toy)
{
	const uint64_t s = 1000000000;

	channel_losses(&rig->ctx, 1 * s, UINT64_MAX, 5);
	channel_losses(&rig->ctx, 3 * s, UINT64_MAX, 5);
	give(rig, 0, 1, 1, 3 * s);
	give(rig, 0, 3, 1, 4 * s);
	channel_end(&rig->ctx, &rig->ch);
	expect(rig, "1 gap 2-2 3s ");
}

static void one_was_lost(void *ctx)
{
	struct rig *rig = ctx;

	channel_losses(&rig->ctx, 30, UINT64_MAX, rig->ctx.losses + 1);
}

RIG_TEST(losses_are_asked_for_when_a_gap_is_given_up, &toy)
{
	rig->ctx.ask_losses = one_was_lost;
	rig->ctx.ask_losses_ctx = rig;
	give(rig, 0, 1, 1, 10);
	give(rig, 0, 3, 1, 20);
	channel_end(&rig->ctx, &rig->ch);
	expect(rig, "1 gap 2-2 local 3s ");
	cr_assert_eq(rig->ctx.counts.gaps.gaps[GAP_EVENT_CAUSE_LOCAL], 1);
	cr_assert_eq(rig->ctx.counts.gaps.messages_lost[GAP_EVENT_CAUSE_LOCAL], 1);
}

RIG_TEST(a_gap_is_undecided_until_every_queue_said_what_it_lost, &toy)
{
	const uint64_t s = 1000000000;

	channel_losses(&rig->ctx, 1 * s, 1 * s, 0);
	give(rig, 0, 1, 1, 2 * s);
	give(rig, 0, 3, 1, 3 * s);
	channel_losses(&rig->ctx, 4 * s, 3 * s - 1, 0);
	channel_end(&rig->ctx, &rig->ch);
	give(rig, 0, 5, 1, 5 * s);
	channel_losses(&rig->ctx, 6 * s, 5 * s, 0);
	channel_end(&rig->ctx, &rig->ch);
	expect(rig, "1 gap 2-2 undecided 3s gap 4-4 5s ");
}

RIG_TEST(a_gap_after_the_clock_was_set_back_is_not_called_upstream, &toy)
{
	const uint64_t s = 1000000000;

	channel_losses(&rig->ctx, 9 * s, UINT64_MAX, 0);
	give(rig, 0, 1, 1, 9 * s);
	channel_losses(&rig->ctx, 2 * s, UINT64_MAX, 5);
	give(rig, 0, 3, 1, 2 * s);
	channel_end(&rig->ctx, &rig->ch);
	expect(rig, "1 gap 2-2 local 3s ");
}

RIG_TEST(a_loop_round_is_a_session_of_its_own_without_a_gap, &toy)
{
	give(rig, 0, 5, 1, 0);
	rig->ctx.round = 1;
	channel_round(&rig->ctx, &rig->ch);
	give(rig, 0, 5, 1, 1);
	cr_assert_str_eq(rig->session, "S1.1");
	expect(rig, "5 reset 5 ");
}

static void note_names(void *ctx, void *stream, struct str name)
{
	struct rig *rig = ctx;
	size_t len = strlen(rig->log);

	(void)stream;
	snprintf(rig->log + len, sizeof(rig->log) - len, "%.*s: ", (int)name.len, name.p);
}

/* 2016-11-12 is the Saturday of ISO week 45; the trading week after it begins on Sunday 00:00 UTC.
 */
static void give_weekly(struct rig *rig, uint64_t seq, uint64_t ts_send_s)
{
	struct feed_packet pkt = {.kind = FEED_DATA,
		.seq = seq,
		.count = 1,
		.ts_send_ns = ts_send_s * 1000000000ull,
		.messages = bytes_of(ones, 1)};
	struct arrival at = {ts_send_s * 1000000000ull, 1, 0};

	rig->ctx.counts.packets_in++;
	channel_packet(&rig->ctx, &rig->ch, &pkt, &at);
}

RIG_TEST(a_weekly_feed_is_named_by_its_trading_week, &weekly)
{
	uint64_t saturday = 1478961025, sunday_evening = 1479078000;

	give_weekly(rig, 5000, saturday);
	cr_assert_str_eq(rig->session, "2016-W45");
	give_weekly(rig, 1, sunday_evening);
	cr_assert_str_eq(rig->session, "2016-W46");
	give_weekly(rig, 2, sunday_evening + 3600 * 3); /* Monday: the same week */
	cr_assert_str_eq(rig->session, "2016-W46");
	expect(rig, "5000 reset 1 2 ");
	give_weekly(rig, 5001, saturday + 1);
	cr_assert_eq(rig->ctx.counts.packet_dropped[REASON_old_session], 1);
}

RIG_TEST(the_first_packet_after_a_reset_may_come_from_the_slower_line, &weekly)
{
	give_weekly(rig, 5000, 1478961025);
	give_weekly(rig, 2, 1478961031); /* 1 was lost on this line */
	give_weekly(rig, 1, 1478961030);
	give_weekly(rig, 5001, 1478961026);
	expect(rig, "5000 reset 1 2 ");
	cr_assert_eq(rig->ctx.counts.packet_dropped[REASON_old_session], 1);
}

RIG_TEST(a_window_below_with_a_later_time_is_a_reset_and_less_is_a_copy, &weekly)
{
	give_weekly(rig, 20, 1478961025);
	give_weekly(rig, 14, 1478961026); /* the window is 8 */
	give_weekly(rig, 13, 1478961027);
	channel_end(&rig->ctx, &rig->ch);
	expect(rig, "20 reset gap 1-12 13s ");
	cr_assert_eq(rig->ctx.counts.packet_dropped[REASON_duplicate], 1);
}

RIG_TEST(a_short_loop_that_begins_again_is_a_reset_and_a_copy_is_none, &weekly)
{
	for (uint64_t seq = 1; seq <= 4; seq++)
		give_weekly(rig, seq, 1478961020 + seq);
	give_weekly(rig, 2, 1478961022); /* of the other line: sent when the first was */
	give_weekly(rig, 2, 1478961032); /* the next loop; its first packet was overtaken */
	give_weekly(rig, 1, 1478961031);
	give_weekly(rig, 4, 1478961024);
	give_weekly(rig, 3, 1478961033);
	expect(rig, "1 2 3 4 reset 1 2 3 ");
	cr_assert_eq(rig->ctx.counts.packet_dropped[REASON_duplicate], 1);
	cr_assert_eq(rig->ctx.counts.packet_dropped[REASON_old_session], 1);
}

RIG_TEST(a_reset_inside_the_week_gets_a_suffix, &weekly)
{
	give_weekly(rig, 5000, 1478961025);
	give_weekly(rig, 1, 1478961030);
	cr_assert_str_eq(rig->session, "2016-W45.1");
	expect(rig, "5000 reset 1 ");
}

RIG_TEST(no_round_takes_a_name_that_a_reset_has_had, &weekly)
{
	rig->ctx.session = note_names;
	for (rig->ctx.round = 0; rig->ctx.round < 2; rig->ctx.round++) {
		if (rig->ctx.round)
			channel_round(&rig->ctx, &rig->ch);
		give_weekly(rig, 5000, 1478961025);
		give_weekly(rig, 1, 1478961030);
		give_weekly(rig, 2, 1479078000); /* the next week */
	}
	rig->ctx.round = 1;
	expect(rig, "2016-W45: 5000 2016-W45.1: reset 1 2016-W46: 2 "
		    "2016-W46.2: reset 2016-W45.2: 5000 2016-W45.3: reset 1 2016-W46.2: 2 ");
}

RIG_TEST(text_of_a_packet_that_waited_is_its_own, &toy)
{
	static const uint8_t letters[] = "BCDE";

	give(rig, 0, 1, 1, 0);
	give_bytes(rig, 0, 3, letters + 1, 1, 10, "S1");
	give_bytes(rig, 1, 2, letters, 1, 20, "S1");
	give_bytes(rig, 0, 5, letters + 3, 1, 30, "S1"); /* in the slot where 3 was */
	give_bytes(rig, 1, 4, letters + 2, 1, 40, "S1");
	expect(rig, "1 2B 3C 4D 5E ");
}

RIG_TEST(messages_of_a_gap_are_late_in_a_packet_that_brings_new_ones_too, &toy)
{
	give(rig, 0, 1, 2, 0);
	give(rig, 0, 5, 1, 10);
	give(rig, 0, 6, 1, 1000 * 1000);
	expect(rig, "1 2 gap 3-4 5s 6s ");
	give(rig, 0, 2, 6, 1000 * 1000 + 1); /* 2, 5, 6: copies; 3, 4: late; 7: new */
	expect(rig, "1 2 gap 3-4 5s 6s 7s ");
	cr_assert_eq(rig->ctx.counts.message_dropped[REASON_late], 2);
	cr_assert_eq(rig->ctx.counts.message_dropped[REASON_duplicate], 3);
}

RIG_TEST(counts_that_disagree_with_the_packet_are_counted, &toy)
{
	struct arrival at = {0, 1, 0};
	struct feed_packet pkt = {.kind = FEED_DATA,
		.seq = 1,
		.count = 3,
		.session = STR("S1"),
		.messages = bytes_of(ones, 2)};

	channel_packet(&rig->ctx, &rig->ch, &pkt, &at); /* one too few */
	pkt.seq = 3;
	pkt.count = 1;
	channel_packet(&rig->ctx, &rig->ch, &pkt, &at); /* one too many */
	pkt.seq = 4;
	pkt.count = 0;
	pkt.kind = FEED_HEARTBEAT;
	channel_packet(&rig->ctx, &rig->ch, &pkt, &at); /* none announced */
	rig->ctx.counts.packets_in = 3;
	expect(rig, "1 2 unknown 3 unknown ");
	cr_assert_eq(rig->ctx.counts.message_dropped[REASON_count_mismatch], 3);
}

RIG_TEST(memory_of_the_window_is_bounded, &toy)
{
	rig->ctx.opt.window_packets = 1000;
	rig->ctx.opt.single_line_packets = 1000;
	give(rig, 0, 1, 1, 0);
	for (uint64_t i = 0; i < 70; i++) /* 64 slots */
		give(rig, 0, 3 + 2 * i, 1, 0);
	events_flush(&rig->out);
	cr_assert_eq(
		rig->ctx.counts.gaps.gaps[GAP_EVENT_CAUSE_UPSTREAM] + rig->ctx.counts.packets_held,
		70);
	cr_assert_leq(rig->ctx.counts.packets_held, 64);
}

RIG_TEST(one_wild_sequence_does_not_end_a_channel, &toy)
{
	give(rig, 0, 1, 1, 0);
	give(rig, 1, 1ull << 40, 1, 1000);
	give(rig, 0, 2, 1, 2000);
	give(rig, 0, 3, 1, 20 * 1000 * 1000);
	give(rig, 0, 4, 1, 20 * 1000 * 1000 + 1);
	expect(rig, "1 2 3 4 ");
	cr_assert_eq(rig->ctx.counts.packet_dropped[REASON_wild_sequence], 1);
}

RIG_TEST(a_long_outage_is_a_gap_once_a_second_packet_says_so, &toy)
{
	give(rig, 0, 1, 1, 0);
	give(rig, 0, 10000000, 1, 1000);
	give(rig, 0, 10000001, 1, 20 * 1000 * 1000);
	expect(rig, "1 gap 2-9999999 10000000s 10000001s ");
}
