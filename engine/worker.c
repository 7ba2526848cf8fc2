/* Hot path: no allocation, lock, system call or log. */
#include "engine/worker.h"

#include "decode/feed/short_way.h"
#include "engine/worker_hooks.h"

/* show makes events of a packet that is nobody's. Returns 0, or rc when there was nothing to say. */
static int show(struct worker *w, const struct packet *pkt, const struct frame *f, int rc)
{
	struct packet_facts facts = {pkt->seq, pkt->ts_recv_ns, pkt->wire_len, pkt->link};

	return net_frame(&w->net, bytes_of(pkt->data, pkt->caplen), f, rc, &facts);
}

/* take_segment: what a segment is refused for is counted by tcp_streams. */
static void take_segment(struct worker *w, const struct packet *pkt, const struct frame *f)
{
	int rc = tcp_streams_segment(&w->tcp, f, pkt->ts_recv_ns);

	if (rc < 0 && w->shows && show(w, pkt, f, rc) == 0)
		tcp_pass(&w->tcp.tcp, (enum reason) - rc);
}

/* The way of a packet. */
static __attribute__((noinline)) void take_packet(struct worker *w, const struct packet *pkt)
{
	struct bytes in = bytes_of(pkt->data, pkt->caplen);
	struct frame f;
	int rc = 0;

	if (pkt->round != w->feeds.ctx.round)
		worker_round(w, pkt->round);
	switch (pkt->kind) {
	case PACKET_FRAME:
		rc = frame_parse(in, pkt->link, &f);
		if (w->interval)
			interval_count(w->interval, &f, pkt->link, pkt->wire_len,
				f.net ? (uint32_t)(f.net - pkt->data) : 0, pkt->ts_recv_ns);
		if (rc == 0 && f.ip_proto == IP_PROTO_UDP)
			rc = feeds_datagram(&w->feeds, &f, pkt->ts_recv_ns);
		else if (rc == 0)
			take_segment(w, pkt, &f);
		if (rc < 0 && w->shows)
			rc = show(w, pkt, &f, rc);
		break;
	case PACKET_MESSAGE:
		rc = feeds_body(&w->feeds, &w->setup->file, in, pkt->seq, pkt->ts_recv_ns);
		break;
	case PACKET_STREAM:
		tcp_streams_text(&w->tcp, in, pkt->port, pkt->seq, 0);
		break;
	}
	if (rc < 0)
		w->counts.dropped[-rc]++;
	else
		w->counts.frames_out++;
}

/* take_packets: those of feeds go the short way where they can. */
static void take_packets(struct worker *w, const struct packet *pkts, int n)
{
	bool counted = w->interval; /* each is, with its addresses */
	uint64_t taken = 0;

	for (const struct packet *pkt = pkts; pkt < pkts + n; pkt++) {
		if (!counted && pkt->kind == PACKET_FRAME && pkt->link == LINK_ETHERNET &&
			pkt->round == w->feeds.ctx.round &&
			feeds_frame(&w->feeds, bytes_of(pkt->data, pkt->caplen), pkt->ts_recv_ns))
			taken++;
		else
			take_packet(w, pkt);
	}
	w->counts.packets += (unsigned)n;
	w->counts.frames_out += taken;
}

/* select_types takes out events of other types. Returns how many are left. */
static unsigned select_types(struct events *evs, uint64_t types)
{
	unsigned n = 0;

	for (unsigned i = 0; i < evs->n; i++)
		if (types >> evs->ev[i]->type & 1)
			evs->ev[n++] = evs->ev[i];
	return n;
}

void worker_open(struct events *evs)
{
	struct worker *w = evs->ctx;

	evs->window = stream_window(w->streams, evs->stream, &evs->window_end);
}

/* worker_flush takes rows and vector: selected families go to their stream. */
void worker_flush(struct events *evs)
{
	struct worker *w = evs->ctx;
	unsigned n = evs->n;

	if (evs->row) {
		w->counts.events_in += evs->rows;
		w->counts.events_out += evs->rows;
		stream_rows(w->streams, evs->stream, evs->row, evs->rows, evs->window_recv_ns);
	}
	if (evs->types & ~w->types)
		n = select_types(evs, w->types);
	w->counts.events_in += evs->n + evs->unwanted;
	w->counts.events_out += n;
	w->counts.event_dropped[REASON_not_selected] += evs->n - n + evs->unwanted;
	evs->unwanted = 0;
	stream_append_all(w->streams, evs->stream, evs->ev, n);
}

unsigned worker_do_work(struct worker *w)
{
	struct packet pkts[BURST_MAX];
	struct ledger_cut *cut;
	uint64_t now_ns;
	int n;

	n = w->source->ops->burst(w->source, pkts, BURST_MAX);
	now_ns = worker_now_ns();
	streams_time(w->streams, now_ns);
	if (n > 0) {
		if (pkts[0].ts_quality != w->ts_quality ||
			clock_error(w->setup->clock, w->ts_quality) != w->clock_error_ns)
			worker_clock(w, pkts[0].ts_quality);
		if (stamped_now(pkts[0].ts_quality))
			hist_between(&w->taken, pkts[0].ts_recv_ns, now_ns);
	}
	worker_note_losses(w, now_ns);
	if (w->interval)
		worker_interval(w);
	if (w->saver.file)
		worker_save(w, pkts, n, now_ns);
	if (n > 0)
		take_packets(w, pkts, n);
	if (n > 0 && w->shows)
		net_poll(&w->net, pkts[n - 1].ts_recv_ns);
	events_flush(&w->events);
	if (n <= 0 && !w->ended && (n < 0 || w->source->end != SOURCE_RUNNING)) {
		worker_finish(w);
		w->ended = true;
	}
	worker_send_report(w);
	worker_send_step(w);
	streams_poll(w->streams, worker_now_ns());
	cut = ledger_cut_begin(w->setup->ledger, w->index);
	if (cut) {
		worker_stages(w, cut);
		streams_cut(w->streams, cut);
	}
	return n > 0 ? (unsigned)n : 0;
}
