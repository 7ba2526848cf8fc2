#include "tests/support/fix_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void die(const char *what)
{
	fprintf(stderr, "fix_rig: %s\n", what);
	abort();
}

static void __attribute__((format(printf, 2, 3))) add(struct fix_rig *rig, const char *format, ...)
{
	va_list args;
	int len;

	if (rig->text_room - rig->text_len < 4096) {
		rig->text_room = 2 * rig->text_room + 65536;
		rig->text = realloc(rig->text, rig->text_room);
		if (!rig->text)
			die("out of memory");
	}
	va_start(args, format);
	len = vsnprintf(rig->text + rig->text_len, rig->text_room - rig->text_len, format, args);
	va_end(args);
	rig->text_len += (size_t)len;
}

/* add_text adds bytes as a JSON string, one character a byte. */
static void add_text(struct fix_rig *rig, struct bytes in)
{
	add(rig, "\"");
	for (; in.p < in.end; in.p++) {
		if (*in.p < ' ' || *in.p >= 0x7f || *in.p == '"' || *in.p == '\\')
			add(rig, "\\u%04x", *in.p);
		else
			add(rig, "%c", *in.p);
	}
	add(rig, "\"");
}

static void add_str(struct fix_rig *rig, const char *name, struct str text)
{
	if (text.len == 0)
		return;
	add(rig, ",\"%s\":", name);
	add_text(rig, bytes_of(text.p, text.len));
}

static void add_number(struct fix_rig *rig, const char *name, uint64_t value)
{
	if (value)
		add(rig, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void add_price(struct fix_rig *rig, const char *name, bool has, int64_t e9)
{
	if (has)
		add(rig, ",\"%s\":%lld", name, (long long)e9);
}

static void add_fix(struct fix_rig *rig, const struct event *ev)
{
	const struct ev_fix_message *f = &ev->fix;
	uint32_t i;

	add_str(rig, "msg_type", f->msg_type);
	add_str(rig, "begin_string", f->begin_string);
	add_str(rig, "sender", f->sender);
	add_str(rig, "target", f->target);
	add_str(rig, "cl_ord_id", f->cl_ord_id);
	add_str(rig, "orig_cl_ord_id", f->orig_cl_ord_id);
	add_str(rig, "order_id", f->order_id);
	add_str(rig, "exec_id", f->exec_id);
	add_str(rig, "exec_type", f->exec_type);
	add_str(rig, "ord_status", f->ord_status);
	add_str(rig, "ord_type", f->ord_type);
	add_str(rig, "time_in_force", f->time_in_force);
	add_str(rig, "account", f->account);
	add_str(rig, "text", f->text);
	add_str(rig, "appl_ver_id", f->appl_ver_id);
	add_str(rig, "security_id", f->security_id);
	add_str(rig, "security_exchange", f->security_exchange);
	add_str(rig, "side_raw", f->side_raw);
	add_str(rig, "reject_reason", f->reject_reason);
	add_str(rig, "exec_ref_id", f->exec_ref_id);
	add_str(rig, "symbol", ev->symbol);
	add_number(rig, "side", f->side);
	add_number(rig, "msg_seq_num", f->msg_seq_num);
	add_number(rig, "sending_time_ns", f->sending_time_ns);
	add_number(rig, "transact_time_ns", f->transact_time_ns);
	add_number(rig, "order_qty", f->order_qty);
	add_number(rig, "last_qty", f->last_qty);
	add_number(rig, "leaves_qty", f->leaves_qty);
	add_number(rig, "cum_qty", f->cum_qty);
	add_number(rig, "qty_scale", ev->qty_scale);
	add_number(rig, "poss_dup", f->poss_dup);
	add_number(rig, "poss_resend", f->poss_resend);
	add_number(rig, "to_acceptor", f->direction_to_acceptor);
	add_number(rig, "body_length", f->body_length);
	add_number(rig, "problems", f->problems);
	add_price(rig, "price_e9", f->has & FIX_MESSAGE_HAS_PRICE_E9, f->price_e9);
	add_price(rig, "last_px_e9", f->has & FIX_MESSAGE_HAS_LAST_PX_E9, f->last_px_e9);
	add_price(rig, "avg_px_e9", f->has & FIX_MESSAGE_HAS_AVG_PX_E9, f->avg_px_e9);
	add(rig, ",\"tags\":[");
	for (i = 0; i < f->tags_n; i++) {
		add(rig, "%s[%u,", i ? "," : "", f->tags[i].tag);
		if (f->tags[i].redacted)
			add(rig, "{\"redacted\":%u}", f->tags[i].length);
		else
			add_text(rig, f->tags[i].value);
		add(rig, "]");
		if (f->tags[i].redacted ? bytes_len(f->tags[i].value) != 0
					: bytes_len(f->tags[i].value) != f->tags[i].length)
			die("length of a tag is not that of its value");
	}
	add(rig, "]");
}

static void add_event(struct fix_rig *rig, const struct event *ev)
{
	uint32_t stream = (uint32_t)((const uint8_t *)rig->out.stream - rig->streams_made);

	if (rig->check && rig->check(ev) != 0)
		die("an event does not survive its encoding");
	add(rig, "{\"packet\":%llu,\"seq\":%llu,\"sub_seq\":%u,\"flags\":%u,\"session\":\"%s\"",
		(unsigned long long)rig->packet, (unsigned long long)ev->seq, ev->sub_seq,
		ev->flags, rig->session[stream]);
	add_str(rig, "venue", ev->venue);
	if (ev->type == EVENT_FIX) {
		add(rig, ",\"event\":\"fix\"");
		add_fix(rig, ev);
	} else if (ev->type == EVENT_GAP) {
		add(rig, ",\"event\":\"gap\"");
		add_number(rig, "first", ev->gap.first_missing);
		add_number(rig, "last", ev->gap.last_missing);
		add_number(rig, "lost_bytes", ev->gap.lost_bytes);
		add_number(rig, "cause", ev->gap.cause);
	} else if (ev->type == EVENT_SYSTEM) {
		add(rig, ",\"event\":\"system\"");
		add_number(rig, "code", ev->system.code);
		add_str(rig, "session_new", ev->system.session);
	} else if (ev->type == EVENT_UNKNOWN) {
		add(rig, ",\"event\":\"unknown\"");
		add_number(rig, "length", ev->unknown.length);
		add_number(rig, "count", ev->unknown.count);
		add_str(rig, "head",
			(struct str){(const char *)ev->unknown.head.p,
				(uint32_t)bytes_len(ev->unknown.head)});
	} else {
		die("an event that FIX does not make");
	}
	add(rig, "}\n");
	rig->events++;
}

static void flush(struct events *out)
{
	struct fix_rig *rig = out->ctx;
	uint32_t i;

	for (i = 0; i < out->n; i++)
		add_event(rig, out->ev[i]);
}

static void *stream_for(void *ctx, const struct fix_session *session)
{
	struct fix_rig *rig = ctx;

	(void)session;
	return rig->streams_n < RIG_STREAMS ? &rig->streams_made[rig->streams_n++] : NULL;
}

static void session_is(void *ctx, void *stream, struct str session)
{
	struct fix_rig *rig = ctx;
	char *name = rig->session[(uint8_t *)stream - rig->streams_made];

	if (rig->out.n)
		die("session changed under events");
	memcpy(name, session.p, session.len);
	name[session.len] = 0;
}

void fix_rig_init(struct fix_rig *rig, uint32_t message_max)
{
	struct tcp_streams_options opt = {
		.tcp = {.flows_max = 64,
			.buffers_max = 16,
			.unit_max = message_max,
			.idle_ns = 600000000000},
		.sessions_max = 256,
		.fix = true,
	};
	struct fix_hooks hooks = {rig, stream_for, session_is};

	memset(rig, 0, sizeof(*rig));
	if (events_init(&rig->out, flush, rig) < 0 ||
		tcp_streams_init(&rig->streams, &opt, &hooks, NULL, &rig->out) < 0)
		die("out of memory");
	fix_rig_clear(rig);
}

void fix_rig_free(struct fix_rig *rig)
{
	tcp_streams_free(&rig->streams);
	events_free(&rig->out);
	free(rig->text);
	rig->text = NULL;
}

void fix_rig_clear(struct fix_rig *rig)
{
	rig->text_len = 0;
	add(rig, "%s", "");
}

int fix_rig_send(struct fix_rig *rig, struct bytes payload, uint32_t seq, uint8_t flags)
{
	struct frame f = {
		.src = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}, .port = 1000},
		.dst = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2}, .port = 2000},
		.ip_proto = 6,
		.ip_version = 4,
		.tcp_seq = seq,
		.tcp_flags = flags,
		.payload = payload,
	};

	return tcp_streams_segment(&rig->streams, &f, UINT64_C(1700000000000000000));
}

void fix_rig_flush(struct fix_rig *rig)
{
	events_flush(&rig->out);
}

size_t fix_compose(uint8_t *out, size_t room, const char *text)
{
	size_t n = 0, body = 0, i;
	char number[16];
	uint32_t sum = 0;
	const char *p;

	for (p = text; *p; p++) {
		if (n + 16 > room)
			die("message longer than its room");
		if (strncmp(p, "9=?|", 4) == 0 && p > text && p[-1] == '|') {
			const char *q = strstr(p + 4, "10=");

			while (q && strstr(q + 1, "|10="))
				q = strstr(q + 1, "|10=") + 1;
			body = q ? (size_t)(q - (p + 4)) : strlen(p + 4);
			n += (size_t)snprintf((char *)out + n, 16, "9=%zu", body);
			p += 2;
		} else if (strncmp(p, "10=?|", 5) == 0) {
			for (sum = 0, i = 0; i < n; i++)
				sum += out[i];
			snprintf(number, sizeof(number), "10=%03u", sum & 255);
			memcpy(out + n, number, 6);
			n += 6;
			p += 3;
		} else {
			out[n++] = *p == '|' ? FIX_SOH : *p == '^' ? 0 : (uint8_t)*p;
		}
	}
	return n;
}
