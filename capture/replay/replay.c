/* Hot path: no allocation, lock, system call or log. */
/* The burst of a replayed file: records, pace, owner, filter, count. replay_open.c is the cold
 * part. */
#include "capture/replay/replay.h"

#include <errno.h>

enum {
	RECORDS_PER_BURST = 4096, /* looked at, own or not, so that a burst returns */
};

/* pace_note follows the recorded clock, by foreign packets too: all workers keep one time. */
static void pace_note(struct replay *r, const struct packet *pkt)
{
	if (pkt->ts_quality != TS_Q_FILE)
		return;
	if (!r->origin_set) { /* a round goes on where the last one ended */
		if (r->origin_wall_ns == 0)
			r->origin_wall_ns = replay_clock_ns();
		else if (r->last_ts_ns > r->origin_ts_ns)
			r->origin_wall_ns +=
				(uint64_t)((double)(r->last_ts_ns - r->origin_ts_ns) * r->pace);
		r->origin_ts_ns = pkt->ts_recv_ns;
		r->origin_set = true;
	}
	r->last_ts_ns = pkt->ts_recv_ns;
}

/* pace_early says whether pkt is not due yet; it is then kept for later. */
static bool pace_early(struct replay *r, const struct packet *pkt, uint64_t now_ns)
{
	if (!r->origin_set || pkt->ts_recv_ns <= r->origin_ts_ns)
		return false;
	r->due_ns = r->origin_wall_ns +
		    (uint64_t)((double)(pkt->ts_recv_ns - r->origin_ts_ns) * r->pace);
	if (r->due_ns <= now_ns)
		return false;
	r->held = *pkt;
	r->held_some = true;
	return true;
}

/* selected counts a packet just read. Returns 1: hand it out, 0: do not, or -errno */
static int selected(struct replay *r, struct packet *pkt)
{
	bool own = r->opt.workers <= 1 || r->opt.steer == NULL ||
		   r->opt.steer(r->opt.steer_ctx, pkt) == r->opt.worker;

	r->records++;
	if (r->pace > 0)
		pace_note(r, pkt);
	if (!own && r->opt.count_max == 0)
		return 0;
	if (r->use.filter && r->use.link_next == 0 && replay_link_check(r, pkt) < 0)
		return -EINVAL; /* it was not taken */
	r->stats.received += own;
	r->stats.received_bytes += own ? pkt->caplen : 0;
	if (!filter_pass(&r->use, pkt)) {
		r->stats.filtered += own;
		return 0;
	}
	r->position++;
	if (r->opt.snaplen && pkt->caplen > r->opt.snaplen && pkt->kind == PACKET_FRAME)
		pkt->caplen = r->opt.snaplen;
	return own;
}

static enum source_end read_end(const struct replay *r)
{
	return r->directory ? r->directory->end : r->file.end;
}

/* next reads on until a packet is to be handed out.
 *
 * Takes    may_refill: no packet of this burst points into a block
 * Returns  1 with pkt, 0 when there is none now, or -errno */
static int next(struct replay *r, struct packet *pkt, bool may_refill, unsigned *budget)
{
	int rc;

	do {
		if (r->opt.count_max && r->position >= r->opt.count_max) {
			r->src.end = SOURCE_END;
			return 0;
		}
		*pkt = (struct packet){.seq = r->records + 1, .round = r->round};
		rc = r->directory ? directory_next(r->directory, pkt, may_refill, budget)
				  : reader_next(&r->file, pkt, may_refill, budget);
		if (rc > 0)
			rc = selected(r, pkt);
		else if (read_end(r) == SOURCE_RUNNING || replay_ended(r, rc))
			return rc;
	} while (rc == 0);
	return rc;
}

/* runs says whether packets may be read many at a time: none is kept for later, or the last. */
static bool runs(const struct replay *r)
{
	return !r->directory && !r->opt.count_max && r->pace == 0;
}

/* run reads packets in a row. Returns how many of them are handed out, or -errno */
static int run(struct replay *r, struct packet *pkts, unsigned max, unsigned *budget)
{
	unsigned n = reader_records(&r->file, pkts, max, r->records + 1, r->round), kept = 0;
	bool all = !r->use.filter && !r->opt.snaplen && (r->opt.workers <= 1 || !r->opt.steer);
	uint64_t bytes = 0;

	*budget = n < *budget ? *budget - n : 0;
	if (!all) {
		for (unsigned i = 0; i < n; i++) {
			int rc = selected(r, &pkts[i]);

			if (rc < 0)
				return rc;
			if (rc > 0)
				pkts[kept++] = pkts[i];
		}
		return (int)kept;
	}
	for (unsigned i = 0; i < n; i++)
		bytes += pkts[i].caplen;
	r->stats.received_bytes += bytes;
	r->stats.received += n;
	r->position += n;
	r->records += n;
	return (int)n;
}

/* The end of the source is told by the burst after its last packet. */
int replay_burst(struct source *src, struct packet *pkts, unsigned max)
{
	struct replay *r = (struct replay *)src;
	uint64_t now_ns = r->pace > 0 ? replay_clock_ns() : 0;
	unsigned n = 0, budget = RECORDS_PER_BURST, before;
	int rc = 0;

	if (r->held_some) {
		if (r->due_ns > now_ns || max == 0)
			return 0;
		pkts[n++] = r->held;
		r->held_some = false;
	} else {
		src->end = r->end;
	}
	if (n == 0 && r->end == SOURCE_RUNNING && runs(r)) {
		do {
			before = budget;
			rc = run(r, pkts, max, &budget);
		} while (rc == 0 && budget > 0 && budget < before);
		if (rc > 0)
			return rc;
	}
	while (rc >= 0 && n < max && r->end == SOURCE_RUNNING) {
		rc = next(r, &pkts[n], n == 0, &budget);
		if (rc <= 0 || (r->pace > 0 && pace_early(r, &pkts[n], now_ns)))
			break;
		n++;
	}
	if (src->end != SOURCE_RUNNING) {
		r->end = src->end;
		if (n > 0)
			src->end = SOURCE_RUNNING;
	}
	return n > 0 || rc > 0 ? (int)n : rc;
}
