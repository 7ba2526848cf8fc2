/* Hot path: no allocation, lock, system call or log. */
#include "decode/fix/fix_fields.h"

/* start_in returns where the next "8=FIX" begins, or may begin when its first bytes are the last of
 * in. */
static const uint8_t *start_in(struct bytes in)
{
	static const char start[] = "8=FIX";
	enum { START_LEN = sizeof(start) - 1 };
	const uint8_t *p = in.p;

	while ((p = memchr(p, start[0], (size_t)(in.end - p)))) {
		size_t len = (size_t)(in.end - p);

		if (memcmp(p, start, len < START_LEN ? len : START_LEN) == 0)
			return p;
		p++;
	}
	return in.end;
}

bool fix_recognise(struct bytes in)
{
	const uint8_t *p = in.p;

	if (in.p == in.end)
		return false;
	for (;;) {
		p = start_in((struct bytes){p, in.end});
		if (p == in.end)
			return false;
		if (p == in.p || (p[-1] == FIX_SOH && in.end - p >= 5))
			return true;
		p++;
	}
}

/* head_of returns how many bytes at in are a BeginString and a BodyLength, which hold no secret;
 * else 0. */
static size_t head_of(struct bytes in)
{
	enum { BEGIN_MAX = 10, LENGTH_MAX = 9 };
	const uint8_t *p = in.p + 2, *begin = p;

	if (!bytes_has(in, 2) || in.p[0] != '8' || in.p[1] != '=')
		return 0;
	while (p < in.end && ((*p >= 'A' && *p <= 'Z') || *p == '.' || (*p >= '0' && *p <= '9')))
		p++;
	if (p == begin || p > begin + BEGIN_MAX || in.end - p < 4 || memcmp(p, "\0019=", 3) != 0)
		return 0;
	begin = p += 3;
	while (p < in.end && *p >= '0' && *p <= '9')
		p++;
	if (p == begin || p > begin + LENGTH_MAX || p == in.end || *p != FIX_SOH)
		return 0;
	return (size_t)(p + 1 - in.p);
}

/* run_begin notes that what comes next is no message. */
static void run_begin(struct fix *fx, struct fix_dir *fd, enum reason reason)
{
	fx->counts.messages_in++;
	fx->counts.dropped[reason]++;
	fd->runs++;
	fd->garbled = true;
	fd->run = 0;
	fd->head_len = 0;
}

/* run_end tells of a run of garbled bytes: the first of a connection, then each time that their
 * number doubles, so that a flood of them stays small and is the same on every host. */
static void run_end(struct fix *fx, const struct tcp_dir *dir, struct fix_dir *fd)
{
	static const struct str none = {"", 0};
	struct fix_session *s = fd->session;
	size_t head_len = head_of(bytes_of(fd->head, fd->head_len));
	struct event *ev;
	uint8_t *head;

	if (!fd->garbled)
		return;
	fd->garbled = false;
	if (fd->runs & (fd->runs - 1))
		return;
	if (!s)
		s = fix_session_of(fx, dir, none, none, none);
	if (!s)
		return;
	fix_session_switch(fx, s);
	ev = events_push(fx->out, EVENT_UNKNOWN);
	ev->flags |= EVENT_FLAG_LAST;
	ev->unknown.protocol = STR("FIX");
	ev->unknown.length = fd->run < UINT32_MAX ? (uint32_t)fd->run : UINT32_MAX;
	ev->unknown.reason = UNKNOWN_MESSAGE_REASON_BAD_FRAMING;
	ev->unknown.count = fd->runs;
	head = head_len ? events_alloc(fx->out, head_len) : NULL;
	if (head) {
		memcpy(head, fd->head, head_len);
		ev->unknown.head = bytes_of(head, head_len);
	}
}

static void skip(struct fix *fx, struct fix_dir *fd, struct bytes *in, const uint8_t *to)
{
	const uint8_t *p;

	for (p = in->p; p < to && fd->head_len < FIX_HEAD_MAX; p++)
		fd->head[fd->head_len++] = *p;
	fd->run += (uint64_t)(to - in->p);
	fx->counts.bytes_in += (uint64_t)(to - in->p);
	fx->counts.bytes_skipped += (uint64_t)(to - in->p);
	in->p = to;
}

/* session_for returns the session of a message, most often that of the last one on its direction.
 */
static struct fix_session *session_for(struct fix *fx, const struct tcp_dir *dir,
	struct fix_dir *fd, const struct fix_message *msg)
{
	struct str sender = fix_text(msg, FIX_SLOT_sender);
	struct str target = fix_text(msg, FIX_SLOT_target);
	struct fix_session *s = fd->session;

	if (s && sender.len < FIX_COMP_MAX && target.len < FIX_COMP_MAX &&
		str_equal(sender, (struct str){s->sender, s->sender_len}) &&
		str_equal(target, (struct str){s->target, s->target_len}))
		return s;
	return fix_session_of(fx, dir, (struct str){(const char *)msg->bytes.p + 2, msg->begin_len},
		sender, target);
}

/* take makes the events of a framed message. Returns 0, or -REASON_x with nothing pushed. */
static int take(struct fix *fx, struct tcp_dir *dir, struct fix_dir *fd, struct fix_message *msg)
{
	struct fix_session *s;
	uint64_t seq = 0;
	uint32_t flags;

	if (fx->fields - fx->fields_begin >= FIX_FIELDS_KEPT)
		events_flush(fx->out);
	if (fx->out->n == 0)
		fx->fields = fx->fields_begin;
	if (fix_fields(msg, fx->soh, fx->fields) < 0)
		return -REASON_garbled;
	fx->counts.messages_in++;
	fx->counts.bytes_in += bytes_len(msg->bytes);
	fx->counts.bytes_out += bytes_len(msg->bytes);
	s = session_for(fx, dir, fd, msg);
	if (!s) {
		fx->counts.dropped[REASON_session_table_full]++;
		return 0;
	}
	fd->session = s;
	fix_session_switch(fx, s);
	if (s->round != fx->round)
		fix_session_restart(fx, s, fx->round - s->round, 0);
	if (dir->loss) {
		s->loss = true;
		s->lost_bytes = dir->lost_bytes - fd->lost_bytes;
		fd->lost_bytes = dir->lost_bytes;
		dir->loss = false;
	}
	flags = fix_sequence(fx, s, msg);
	fix_uint(fix_text(msg, FIX_SLOT_msg_seq_num), &seq);
	fix_push(fx, dir, msg, seq, flags);
	s->loss = false;
	s->lost_bytes = 0;
	fx->counts.messages_out++;
	return 0;
}

size_t fix_eat(void *ctx, struct tcp_dir *dir, struct bytes in)
{
	struct fix *fx = ctx;
	struct fix_dir *fd = &fx->dirs[dir->index];
	const uint8_t *begin = in.p;
	struct fix_message msg;

	if (fd->life != dir->life)
		*fd = (struct fix_dir){.life = dir->life};
	if (dir->resync) {
		dir->resync = false;
		fd->skipping = true;
	}
	while (in.p < in.end) {
		int64_t rc;

		if (fd->skipping)
			skip(fx, fd, &in, start_in(in));
		rc = fix_frame(in, fx->opt.message_max, &msg);
		if (rc == 0)
			break;
		if (!fd->skipping &&
			(*in.p == '\r' || *in.p == '\n')) { /* between the lines of a text file */
			skip(fx, fd, &in, in.p + 1);
			continue;
		}
		run_end(fx, dir, fd);
		if (rc > 0 && take(fx, dir, fd, &msg) == 0) {
			fd->skipping = false;
			in.p += rc;
			continue;
		}
		run_begin(fx, fd,
			rc == -REASON_message_too_long ? REASON_message_too_long : REASON_garbled);
		skip(fx, fd, &in, in.p + 1);
		fd->skipping = true;
	}
	return (size_t)(in.p - begin);
}

void fix_end(struct fix *fx, const struct tcp_table *table)
{
	uint32_t i;

	for (i = 0; i < table->dirs_n; i++)
		if (table->dirs[i].kind == TCP_FIX && fx->dirs[i].life == table->dirs[i].life) {
			fx->ts_ns = table->dirs[i].ts_ns; /* not that of whoever came last */
			run_end(fx, &table->dirs[i], &fx->dirs[i]);
		}
}
