/* Hot path: no allocation, lock, system call or log. */
#include "decode/streams.h"

/* streams_init and streams_free are the cold part of this file. */
int streams_init(struct streams *ss, const struct streams_options *opt,
	const struct fix_hooks *hooks, struct feeds *feeds, struct events *out)
{
	struct fix_options fix = {opt->tcp.unit_max, opt->sessions_max, opt->tcp.flows_max};
	int rc;

	*ss = (struct streams){.feeds = feeds, .out = out, .fix_on = opt->fix};
	rc = tcp_init(&ss->tcp, &opt->tcp);
	if (rc < 0)
		return rc;
	rc = fix_init(&ss->fix, &fix, hooks, out);
	if (rc < 0)
		tcp_free(&ss->tcp);
	return rc;
}

void streams_free(struct streams *ss)
{
	fix_free(&ss->fix);
	tcp_free(&ss->tcp);
}

/* feed_eat hands whole units of a feed on. A unit that cannot be one ends what can be read of this
 * segment: such framings have no mark to find the next one by. */
static size_t feed_eat(void *ctx, struct tcp_dir *dir, struct bytes in)
{
	struct streams *ss = ctx;
	struct feed_line *line = dir->owner;
	const uint8_t *begin = in.p;

	dir->resync = false;
	while (in.p < in.end) {
		int64_t len = line->protocol->unit(in);

		if (len == 0 && bytes_len(in) < ss->tcp.opt.unit_max - 1)
			break;
		if (len <= 0 || len >= (int64_t)ss->tcp.opt.unit_max) {
			ss->units_skipped_bytes += bytes_len(in);
			in.p = in.end;
			break;
		}
		if (!bytes_has(in, (size_t)len))
			break;
		feeds_unit(ss->feeds, line, bytes_take(&in, (size_t)len), ss->ts_ns);
	}
	return (size_t)(in.p - begin);
}

/* claim decides whose the bytes of a direction are, by its addresses or by how they begin. */
static enum tcp_kind claim(struct streams *ss, const struct frame *f, void **owner)
{
	struct feed_line *line = ss->feeds ? feeds_tcp_line(ss->feeds, f) : NULL;

	*owner = line;
	if (line)
		return TCP_FEED;
	return ss->fix_on && fix_recognise(f->payload) ? TCP_FIX : TCP_UNCLAIMED;
}

static int deliver(struct streams *ss, struct tcp_segment *seg, uint64_t ts_ns)
{
	ss->ts_ns = ss->fix.ts_ns = ts_ns;
	if (seg->dir->kind == TCP_FIX)
		tcp_deliver(&ss->tcp, seg, ss->out, fix_eat, &ss->fix);
	else
		tcp_deliver(&ss->tcp, seg, ss->out, feed_eat, ss);
	return 0;
}

int streams_segment(struct streams *ss, const struct frame *f, uint64_t ts_ns)
{
	struct tcp_segment seg;
	enum tcp_kind kind;
	void *owner;
	int rc = tcp_take(&ss->tcp, f, ts_ns, &seg);

	if (rc < 0 && rc != -REASON_no_feed)
		return rc;
	if (rc == 0 && seg.dir->kind != TCP_UNCLAIMED)
		return deliver(ss, &seg, ts_ns);
	kind = claim(ss, f, &owner);
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

int streams_text(
	struct streams *ss, struct bytes in, uint16_t file, uint64_t offset, uint64_t ts_ns)
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

void streams_round(struct streams *ss, uint32_t round)
{
	tcp_reset(&ss->tcp);
	ss->fix.round = round;
}

void streams_end(struct streams *ss)
{
	events_flush(ss->out);
	fix_end(&ss->fix, &ss->tcp);
	events_flush(ss->out);
}
