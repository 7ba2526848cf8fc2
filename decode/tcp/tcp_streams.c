/* Hot path: no allocation, lock, system call or log. */
#include "decode/tcp/tcp_streams.h"

/* tcp_streams_init and tcp_streams_free are the cold part of this file. */
int tcp_streams_init(struct tcp_streams *ss, const struct tcp_streams_options *opt,
	const struct fix_hooks *hooks, struct feeds *feeds, struct events *out)
{
	struct fix_options fix = {opt->message_max ? opt->message_max : opt->tcp.unit_max,
		opt->sessions_max, opt->tcp.flows_max};
	int rc;

	*ss = (struct tcp_streams){.feeds = feeds,
		.out = out,
		.fix_on = opt->fix,
		.fix_ports = opt->fix_ports,
		.fix_ports_n = opt->fix_ports_n};
	rc = tcp_init(&ss->tcp, &opt->tcp);
	if (rc < 0)
		return rc;
	rc = fix_init(&ss->fix, &fix, hooks, out);
	if (rc < 0)
		tcp_free(&ss->tcp);
	return rc;
}

void tcp_streams_free(struct tcp_streams *ss)
{
	fix_free(&ss->fix);
	tcp_free(&ss->tcp);
}

/* unit_at says how long the unit at the front of in is: 0 when its rest is still to come, -1 when
 * there is none. After a hole only what the protocol recognises counts: a length alone may be any
 * two bytes. */
static int64_t unit_at(
	const struct tcp_streams *ss, const struct feed_line *line, bool resync, struct bytes in)
{
	int64_t len = line->protocol->unit(in);

	if (len < 0 || len >= (int64_t)ss->tcp.opt.unit_max)
		return -1;
	if (len == 0 || !bytes_has(in, (size_t)len))
		return resync || bytes_len(in) >= ss->tcp.opt.unit_max - 1 ? -1 : 0;
	if (resync && !line->protocol->recognise((struct bytes){in.p, in.p + len}))
		return -1;
	return len;
}

/* feed_eat hands whole units of a feed on, and steps over bytes that are none. */
static size_t feed_eat(void *ctx, struct tcp_dir *dir, struct bytes in)
{
	struct tcp_streams *ss = ctx;
	struct feed_line *line = dir->owner;
	const uint8_t *begin = in.p;

	while (in.p < in.end) {
		int64_t len = unit_at(ss, line, dir->resync, in);

		if (len == 0)
			break;
		dir->resync = len < 0;
		if (len < 0) {
			ss->units_skipped_bytes++;
			in.p++;
			continue;
		}
		feeds_packet(ss->feeds, line, bytes_take(&in, (size_t)len), ss->ts_ns);
	}
	return (size_t)(in.p - begin);
}

static bool fix_port(const struct tcp_streams *ss, const struct frame *f)
{
	for (unsigned i = 0; i < ss->fix_ports_n; i++)
		if (ss->fix_ports[i] == f->src.port || ss->fix_ports[i] == f->dst.port)
			return true;
	return false;
}

/* starts_fix says whether these bytes may be FIX. The first ones of a connection may be cut short.
 */
static bool starts_fix(struct bytes in, bool first)
{
	static const char begin[5] = {'8', '=', 'F', 'I', 'X'};
	size_t len = bytes_len(in);

	return fix_recognise(in) || (first && len < sizeof(begin) && memcmp(in.p, begin, len) == 0);
}

/* claim decides whose the bytes of a direction are: by its addresses or ports, or by how they
 * begin. */
static enum tcp_kind claim(struct tcp_streams *ss, const struct frame *f, bool first, void **owner)
{
	struct feed_line *line = ss->feeds ? feeds_tcp_line(ss->feeds, f) : NULL;

	*owner = line;
	if (line)
		return TCP_FEED;
	if (!ss->fix_on)
		return TCP_UNCLAIMED;
	return (ss->fix_ports_n ? fix_port(ss, f) : starts_fix(f->payload, first)) ? TCP_FIX
										   : TCP_UNCLAIMED;
}

static int deliver(struct tcp_streams *ss, struct tcp_segment *seg, uint64_t ts_ns)
{
	ss->ts_ns = ss->fix.ts_ns = ts_ns;
	if (seg->dir->kind == TCP_FIX)
		tcp_deliver(&ss->tcp, seg, ss->out, fix_eat, &ss->fix);
	else
		tcp_deliver(&ss->tcp, seg, ss->out, feed_eat, ss);
	return 0;
}

int tcp_streams_segment(struct tcp_streams *ss, const struct frame *f, uint64_t ts_ns)
{
	struct tcp_segment seg;
	enum tcp_kind kind;
	void *owner;
	int rc = tcp_take(&ss->tcp, f, ts_ns, &seg);

	if (rc < 0 && rc != -REASON_no_feed)
		return rc;
	if (rc == 0 && seg.dir->kind != TCP_UNCLAIMED)
		return deliver(ss, &seg, ts_ns);
	kind = claim(ss, f, rc == 0, &owner);
	if (kind == TCP_UNCLAIMED) {
		if (rc == 0)
			tcp_forget(&ss->tcp, seg.dir);
		return tcp_drop(&ss->tcp, REASON_no_feed);
	}
	if (rc < 0) {
		rc = tcp_claim(&ss->tcp, f, ts_ns, &seg);
		if (rc < 0)
			return tcp_drop(&ss->tcp, (enum reason) - rc);
	}
	seg.dir->kind = (uint8_t)kind;
	seg.dir->owner = owner;
	return deliver(ss, &seg, ts_ns);
}

int tcp_streams_text(
	struct tcp_streams *ss, struct bytes in, uint16_t file, uint64_t offset, uint64_t ts_ns)
{
	struct frame f = {.payload = in, .tcp_seq = (uint32_t)offset};
	struct tcp_segment seg;
	int rc;

	f.src.port = f.dst.port = file;
	rc = tcp_take(&ss->tcp, &f, ts_ns, &seg);
	if (rc == -REASON_no_feed) {
		rc = tcp_claim(&ss->tcp, &f, ts_ns, &seg);
		if (rc < 0)
			return tcp_drop(&ss->tcp, (enum reason) - rc);
		seg.dir->kind = TCP_FIX;
		seg.dir->resync = offset != 0;
	}
	return rc < 0 ? rc : deliver(ss, &seg, ts_ns);
}

void tcp_streams_round(struct tcp_streams *ss, uint32_t round)
{
	if (ss->tcp.dirs_n > 0) /* else it is as tcp_reset left it */
		tcp_reset(&ss->tcp);
	ss->fix.round = round;
}

void tcp_streams_end(struct tcp_streams *ss)
{
	events_flush(ss->out);
	fix_end(&ss->fix, &ss->tcp);
	events_flush(ss->out);
}
