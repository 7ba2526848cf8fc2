/* Hot path: no allocation, lock, system call or log. */
#include "decode/fix/fix_fields.h"
#include "decode/feed/session_name.h"

_Static_assert((int)FIX_NAME_MAX == (int)SESSION_NAME_MAX, "names of sessions are cut alike");

static uint64_t mix(uint64_t h, const void *p, size_t len)
{
	const uint8_t *c = p;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ c[i]) * 0x100000001b3u;
	return (h ^ len ^ 0xff) * 0x100000001b3u; /* so that "AB","C" is not "A","BC" */
}

static uint64_t hash_of(
	const struct tcp_dir *dir, struct str begin, struct str sender, struct str target)
{
	uint64_t h = 0xcbf29ce484222325u;

	h = mix(h, dir->src.ip, sizeof(dir->src.ip));
	h = mix(h, dir->dst.ip, sizeof(dir->dst.ip));
	h = mix(h, begin.p, begin.len);
	h = mix(h, sender.p, sender.len);
	h = mix(h, target.p, target.len);
	h ^= h >> 32;
	return h ? h : 1;
}

/* keeps says whether kept is what fits of text. */
static bool keeps(const char *kept, uint8_t kept_len, struct str text)
{
	uint32_t len = text.len < FIX_COMP_MAX ? text.len : FIX_COMP_MAX;

	return kept_len == len && memcmp(kept, text.p, len) == 0;
}

static uint8_t keep(char *kept, struct str text)
{
	uint32_t len = text.len < FIX_COMP_MAX ? text.len : FIX_COMP_MAX;

	memcpy(kept, text.p, len);
	return (uint8_t)len;
}

/* name_append adds text to name as printable ASCII without the characters that keys and topics are
 * made of. */
static uint32_t name_append(char *name, uint32_t len, struct str text)
{
	uint32_t i;

	for (i = 0; i < text.len && len < FIX_NAME_MAX - 1; i++)
		name[len++] =
			text.p[i] > ' ' && text.p[i] < 0x7f && text.p[i] != '/' ? text.p[i] : '_';
	return len;
}

static struct str session_text(const struct fix_session *s)
{
	return (struct str){s->session, s->session_len};
}

static bool session_open(
	struct fix *fx, struct fix_session *s, uint64_t hash, struct str sender, struct str target)
{
	uint32_t len = 0;

	*s = (struct fix_session){
		.channel = (uint16_t)hash, .resets = fx->round, .round = fx->round};
	s->sender_len = keep(s->sender, sender);
	s->target_len = keep(s->target, target);
	if (sender.len || target.len) {
		len = name_append(s->name, len, sender);
		len = name_append(s->name, len, STR("-"));
		len = name_append(s->name, len, target);
	} else {
		len = name_append(s->name, len, STR("FIX"));
	}
	s->name_len = (uint8_t)len;
	s->session_len = session_name(s->session, s->name, s->resets);
	s->stream = fx->hooks.stream_for(fx->hooks.ctx, s);
	if (!s->stream)
		return false;
	s->hash = hash;
	fx->sessions_n++;
	events_switch(fx->out, s->stream);
	fx->hooks.session(fx->hooks.ctx, s->stream, session_text(s));
	return true;
}

struct fix_session *fix_session_of(struct fix *fx, const struct tcp_dir *dir, struct str begin,
	struct str sender, struct str target)
{
	uint64_t hash = hash_of(dir, begin, sender, target);
	uint32_t slot = (uint32_t)(hash >> 16) & fx->sessions_mask;

	for (; fx->sessions[slot].hash; slot = (slot + 1) & fx->sessions_mask) {
		struct fix_session *s = &fx->sessions[slot];

		if (s->hash == hash && keeps(s->sender, s->sender_len, sender) &&
			keeps(s->target, s->target_len, target))
			return s;
	}
	if (fx->sessions_n >= fx->opt.sessions_max ||
		!session_open(fx, &fx->sessions[slot], hash, sender, target))
		return NULL;
	return &fx->sessions[slot];
}

void fix_session_switch(struct fix *fx, struct fix_session *s)
{
	struct event *base = &fx->out->base;

	events_switch(fx->out, s->stream);
	base->ts_recv_ns = fx->ts_ns;
	base->ts_send_ns = 0;
	base->ts_event_ns = 0;
	base->venue = (struct str){s->name, s->name_len};
	base->channel = s->channel;
	base->flags = 0;
	base->feed = 0;
	base->seq = 0;
	base->template_id = 0;
	fx->out->sub_seq = 0;
}

static struct event *push_at(struct fix *fx, enum event_type type, uint64_t seq)
{
	struct event *ev;

	fx->out->base.seq = seq;
	fx->out->sub_seq = 0;
	ev = events_push(fx->out, type);
	ev->flags |= EVENT_FLAG_LAST;
	return ev;
}

void fix_session_restart(struct fix *fx, struct fix_session *s, uint32_t n, uint64_t next)
{
	struct event *ev;

	s->expected = next;
	s->low_next = 0;
	s->resets += n;
	s->round = fx->round;
	fx->counts.resets++;
	events_flush(fx->out);
	s->session_len = session_name(s->session, s->name, s->resets);
	fx->hooks.session(fx->hooks.ctx, s->stream, session_text(s));
	ev = push_at(fx, EVENT_SYSTEM, 0);
	ev->system.code = SYSTEM_EVENT_CODE_SEQ_RESET;
	ev->system.session = session_text(s);
}

/* session_gap tells of the numbers [s->expected, seq). Bytes lost here may hold them; else they
 * never came. */
static void session_gap(struct fix *fx, struct fix_session *s, uint64_t seq)
{
	struct event *ev = push_at(fx, EVENT_GAP, s->expected);

	ev->gap.first_missing = s->expected;
	ev->gap.last_missing = seq - 1;
	ev->gap.resolution = GAP_EVENT_RESOLUTION_DECLARED_LOST;
	ev->gap.lost_messages = seq - s->expected;
	ev->gap.lost_bytes = s->lost_bytes;
	ev->gap.ts_opened_ns = fx->ts_ns;
	ev->gap.session = session_text(s);
	ev->gap.cause = s->loss ? GAP_EVENT_CAUSE_UNDECIDED : GAP_EVENT_CAUSE_UPSTREAM;
	gap_count(&fx->counts.gaps, &ev->gap);
}

uint32_t fix_sequence(struct fix *fx, struct fix_session *s, const struct fix_message *msg)
{
	struct str type = fix_type(fx->fields);
	bool poss_dup = fix_is(fix_text(msg, FIX_SLOT_poss_dup), 'Y');
	bool gap_fill = fix_is(fix_text(msg, FIX_SLOT_gap_fill), 'Y');
	bool reset = fix_is(fix_text(msg, FIX_SLOT_reset_seq_num), 'Y');
	uint32_t flags = poss_dup ? EVENT_FLAG_RETRANSMIT : 0;
	uint64_t seq, next = 0;

	fx->counts.poss_dups += poss_dup;
	if (!s->sender_len || !fix_uint(fix_text(msg, FIX_SLOT_msg_seq_num), &seq))
		return flags;
	if (fix_is(type, '4'))
		fix_uint(fix_text(msg, FIX_SLOT_new_seq_no), &next);
	if (fix_is(type, '4') && !gap_fill) {
		if (next > s->expected || (next && !poss_dup)) {
			if (s->expected && next != s->expected)
				fix_session_restart(fx, s, 1, next);
			s->expected = next;
		}
		return flags;
	}
	if (fix_is(type, 'A') && !poss_dup && (reset || seq == 1)) {
		if (s->expected > seq)
			fix_session_restart(fx, s, 1, seq);
		s->expected = seq; /* what a reset leaves behind is not missing */
	}
	if (poss_dup && s->expected == 0)
		return flags;
	if (s->expected && seq > s->expected)
		session_gap(fx, s, seq);
	if (seq >= s->expected) {
		s->expected = seq + 1;
		s->low_next = 0;
	} else if (!poss_dup) {
		fx->counts.low_numbers++;
		if (seq == s->low_next)
			fix_session_restart(
				fx, s, 1, seq + 1); /* two in a row: the numbers did begin anew */
		else
			s->low_next = seq + 1;
	}
	if (gap_fill && next > s->expected)
		s->expected = next;
	return flags;
}
