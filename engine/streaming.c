/* Hot path: no allocation, lock, system call or log. */
#include "engine/streaming.h"

/* feed_eat cuts units of a feed out of a byte stream. After a hole it looks for the next place
 * where a unit begins that the protocol recognises. */
static size_t feed_eat(void *ctx, struct tcp_dir *dir, struct bytes in)
{
	struct worker *w = ctx;
	struct feed_line *line = dir->owner;
	const uint8_t *start = in.p;

	while (in.p < in.end) {
		int64_t len = line->protocol->unit(in);
		struct bytes unit;

		if (len == 0 && !dir->resync)
			break; /* its rest comes with the next segment */
		if (len <= 0 || (uint64_t)len > bytes_len(in)) {
			if (len > 0 && !dir->resync)
				break;
			dir->resync = true;
			in.p++;
			continue;
		}
		unit = (struct bytes){in.p, in.p + len};
		if (dir->resync && !line->protocol->recognise(unit)) {
			in.p++;
			continue;
		}
		dir->resync = false;
		feeds_unit(&w->feeds, line, unit, dir->ts_ns);
		in.p += len;
	}
	return (size_t)(in.p - start);
}

/* starts_fix says whether these first bytes of a connection may be FIX, cut as short as they may
 * be. */
static bool starts_fix(struct bytes in, bool first)
{
	static const char begin[5] = "8=FIX";
	size_t len = bytes_len(in);

	return fix_recognise(in) || (first && len < sizeof(begin) && memcmp(in.p, begin, len) == 0);
}

static bool fix_port(const struct config_ports *ports, const struct frame *f)
{
	for (unsigned i = 0; i < ports->n; i++)
		if (ports->v[i] == f->src.port || ports->v[i] == f->dst.port)
			return true;
	return false;
}

/* kind_of says what a direction carries by its first bytes or its ports. */
static enum tcp_kind kind_of(
	struct worker *w, const struct frame *f, bool first, struct feed_line **line)
{
	const struct config_ports *ports = &w->setup->cfg->fix.ports;

	*line = feeds_tcp_line(&w->feeds, f);
	if (*line)
		return TCP_FEED;
	if (!w->setup->fix)
		return TCP_UNCLAIMED;
	return (ports->n ? fix_port(ports, f) : starts_fix(f->payload, first)) ? TCP_FIX
									       : TCP_UNCLAIMED;
}

static void deliver(struct worker *w, struct tcp_segment *seg)
{
	w->fix.ts_ns = seg->dir->ts_ns;
	if (seg->dir->kind == TCP_FIX)
		tcp_deliver(&w->tcp, seg, &w->events, fix_eat, &w->fix);
	else
		tcp_deliver(&w->tcp, seg, &w->events, feed_eat, w);
}

void streaming_segment(struct worker *w, const struct frame *f, uint64_t ts_recv_ns)
{
	struct tcp_segment seg;
	struct feed_line *line = NULL;
	enum tcp_kind kind = TCP_UNCLAIMED;
	int rc = tcp_take(&w->tcp, f, ts_recv_ns, &seg);

	if (rc == -REASON_no_feed) {
		kind = kind_of(w, f, false, &line);
		if (kind == TCP_UNCLAIMED) {
			tcp_drop(&w->tcp, REASON_no_feed);
			return;
		}
		rc = tcp_claim(&w->tcp, f, ts_recv_ns, &seg);
		if (rc == -REASON_flow_table_full)
			tcp_drop(&w->tcp, REASON_flow_table_full);
	}
	if (rc < 0)
		return;
	if (seg.dir->kind == TCP_UNCLAIMED) {
		if (kind == TCP_UNCLAIMED)
			kind = kind_of(w, f, true, &line);
		if (kind == TCP_UNCLAIMED) {
			tcp_forget(&w->tcp, seg.dir);
			tcp_drop(&w->tcp, REASON_no_feed);
			return;
		}
		seg.dir->kind = (uint8_t)kind;
		seg.dir->owner = line;
	}
	deliver(w, &seg);
}

void streaming_text(struct worker *w, struct bytes in)
{
	/* as a connection from port 2 to port 1 of nowhere, its sequence numbers those of the bytes
	 */
	struct frame f = {.ip_version = 4, .ip_proto = IP_PROTO_TCP, .src.port = 2, .dst.port = 1};
	struct tcp_segment seg;

	f.tcp_seq = w->text_next;
	f.payload = in;
	if (tcp_take(&w->tcp, &f, 0, &seg) == -REASON_no_feed &&
		tcp_claim(&w->tcp, &f, 0, &seg) < 0) {
		tcp_drop(&w->tcp, REASON_flow_table_full);
		return;
	}
	w->text_next += (uint32_t)bytes_len(in);
	seg.dir->kind = TCP_FIX;
	deliver(w, &seg);
}
