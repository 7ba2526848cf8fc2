/* Hot path: no allocation, lock, system call or log. */
#include "decode/fix/fix_fields.h"

/* utf8 says whether text may stand in a protobuf string, for readers in C too: no NUL. */
static __attribute__((noinline)) bool utf8(struct str text)
{
	const uint8_t *p = (const uint8_t *)text.p, *end = p + text.len;

	while (p < end) {
		uint32_t more, low = 0x80, high = 0xbf;
		uint8_t c = *p++;

		if (c == 0)
			return false;
		if (c < 0x80)
			continue;
		if (c >= 0xc2 && c <= 0xdf)
			more = 1;
		else if (c >= 0xe0 && c <= 0xef)
			more = 2;
		else if (c >= 0xf0 && c <= 0xf4)
			more = 3;
		else
			return false;
		if (c == 0xe0)
			low = 0xa0; /* shorter forms exist */
		else if (c == 0xed)
			high = 0x9f; /* surrogates */
		else if (c == 0xf0)
			low = 0x90;
		else if (c == 0xf4)
			high = 0x8f; /* beyond 0x10ffff */
		for (; more; more--, low = 0x80, high = 0xbf)
			if (p >= end || *p < low || *p++ > high)
				return false;
	}
	return true;
}

/* reader is a message and its event, for the getters of typed values. */
struct reader {
	const struct fix_message *msg;
	struct event *ev;
};

/* text is a typed text, absent when it is none that a string may hold (its bytes are in tags). */
static inline __attribute__((always_inline)) struct str text(
	const struct reader *r, enum fix_slot slot)
{
	struct str t = fix_text(r->msg, slot);

	return __builtin_expect(r->msg->ascii, 1) || utf8(t) ? t : (struct str){0};
}

/* price sets *e9 and its has bit; a price that does not fit exactly stays absent and is flagged. */
static void price(const struct reader *r, enum fix_slot slot, int64_t *e9, uint32_t has)
{
	struct str t = fix_text(r->msg, slot);
	struct fix_number number;

	if (t.len == 0)
		return;
	if (fix_number(t, &number) && fix_e9(&number, e9))
		r->ev->fix.has |= has;
	else
		r->ev->flags |= EVENT_FLAG_PRICE_INEXACT;
}

/* quantities brings all quantities to one scale, that of the finest. */
static void quantities(const struct reader *r)
{
	static const enum fix_slot slots[4] = {
		FIX_SLOT_order_qty, FIX_SLOT_last_qty, FIX_SLOT_leaves_qty, FIX_SLOT_cum_qty};
	uint64_t *values[4] = {&r->ev->fix.order_qty, &r->ev->fix.last_qty, &r->ev->fix.leaves_qty,
		&r->ev->fix.cum_qty};
	struct fix_number numbers[4];
	uint32_t scale = 0, present = 0;
	unsigned i;

	for (i = 0; i < 4; i++) {
		struct str t = fix_text(r->msg, slots[i]);

		if (t.len == 0)
			continue;
		if (!fix_number(t, &numbers[i]) || numbers[i].scale > 19) {
			r->ev->flags |= EVENT_FLAG_PRICE_INEXACT;
			continue;
		}
		present |= 1u << i;
		scale = numbers[i].scale > scale ? numbers[i].scale : scale;
	}
	for (i = 0; i < 4; i++)
		if (present & 1u << i && !fix_scaled(&numbers[i], scale, values[i])) {
			*values[i] = 0;
			r->ev->flags |= EVENT_FLAG_PRICE_INEXACT;
		}
	r->ev->qty_scale = scale;
}

/* template_of packs MsgType into a number: "8" is 0x38, "AE" is 0x4145. */
static uint32_t template_of(struct str type)
{
	uint32_t i, v = 0;

	for (i = 0; i < type.len && i < 4; i++)
		v = v << 8 | (uint8_t)type.p[i];
	return v;
}

/* tags lends the event every field, in wire order. */
static void tags(struct fix *fx, const struct fix_message *msg, struct ev_fix_message *fix)
{
	enum { MOST = EVENT_PARTS_MAX / sizeof(*fix->tags) };

	fix->tags = fx->fields;
	fix->tags_n = msg->fields_n;
	if (fix->tags_n > MOST) {
		fix->problems |= FIX_PROBLEM_TRUNCATED;
		fix->tags_n = MOST / 2;
	}
	fx->fields += msg->fields_n;
}

void fix_push(struct fix *fx, const struct tcp_dir *dir, const struct fix_message *msg,
	uint64_t seq, uint32_t flags)
{
	struct str type = fix_type(fx->fields), t;
	struct ev_fix_message *fix;
	struct event *ev;
	struct reader r;

	fx->out->base.seq = seq;
	fx->out->sub_seq = 0;
	ev = events_push(fx->out, EVENT_FIX);
	r = (struct reader){msg, ev};
	fix = &ev->fix;
	ev->flags |= flags | EVENT_FLAG_LAST;
	ev->template_id = template_of(type);
	ev->symbol = text(&r, FIX_SLOT_symbol);
	ev->ts_event_ns = fix_time(&fx->clock, fix_text(msg, FIX_SLOT_sending_time));
	fix->msg_type = msg->ascii || utf8(type) ? type : (struct str){0};
	fix->begin_string = (struct str){(const char *)msg->bytes.p + 2, msg->begin_len};
	fix->body_length = msg->body_length;
	fix->msg_seq_num = seq;
	fix->sending_time_ns = ev->ts_event_ns;
	fix->transact_time_ns = fix_time(&fx->clock, fix_text(msg, FIX_SLOT_transact_time));
	fix->sender = text(&r, FIX_SLOT_sender);
	fix->target = text(&r, FIX_SLOT_target);
	fix->account = text(&r, FIX_SLOT_account);
	fix->cl_ord_id = text(&r, FIX_SLOT_cl_ord_id);
	fix->orig_cl_ord_id = text(&r, FIX_SLOT_orig_cl_ord_id);
	fix->order_id = text(&r, FIX_SLOT_order_id);
	fix->exec_id = text(&r, FIX_SLOT_exec_id);
	fix->exec_ref_id = text(&r, FIX_SLOT_exec_ref_id);
	fix->exec_type = text(&r, FIX_SLOT_exec_type);
	fix->ord_status = text(&r, FIX_SLOT_ord_status);
	fix->ord_type = text(&r, FIX_SLOT_ord_type);
	fix->time_in_force = text(&r, FIX_SLOT_time_in_force);
	fix->security_id = text(&r, FIX_SLOT_security_id);
	fix->security_exchange = text(&r, FIX_SLOT_security_exchange);
	fix->text = text(&r, FIX_SLOT_text);
	fix->appl_ver_id = text(&r, FIX_SLOT_appl_ver_id);
	fix->side_raw = text(&r, FIX_SLOT_side);
	if (fix_is(fix->side_raw, '1'))
		fix->side = SIDE_BUY;
	else if (fix_is(fix->side_raw, '2') || fix_is(fix->side_raw, '5') ||
		 fix_is(fix->side_raw, '6'))
		fix->side = SIDE_SELL;
	fix->reject_reason = text(&r, FIX_SLOT_ord_rej_reason);
	if (fix->reject_reason.len == 0 && (t = text(&r, FIX_SLOT_cxl_rej_reason)).len)
		fix->reject_reason = t;
	if (fix->reject_reason.len == 0 && (t = text(&r, FIX_SLOT_session_reject_reason)).len)
		fix->reject_reason = t;
	if (fix->reject_reason.len == 0 && (t = text(&r, FIX_SLOT_business_reject_reason)).len)
		fix->reject_reason = t;
	fix->poss_dup = fix_is(fix_text(msg, FIX_SLOT_poss_dup), 'Y');
	fix->poss_resend = fix_is(fix_text(msg, FIX_SLOT_poss_resend), 'Y');
	fix->direction_to_acceptor = dir->to_acceptor;
	fix->problems = msg->problems;
	price(&r, FIX_SLOT_price, &fix->price_e9, FIX_MESSAGE_HAS_PRICE_E9);
	price(&r, FIX_SLOT_last_px, &fix->last_px_e9, FIX_MESSAGE_HAS_LAST_PX_E9);
	price(&r, FIX_SLOT_avg_px, &fix->avg_px_e9, FIX_MESSAGE_HAS_AVG_PX_E9);
	quantities(&r);
	tags(fx, msg, fix);
}
