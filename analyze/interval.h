/* interval: what each worker counts between two reports, and the reports that are made of it.
 *
 *   control thread                    worker
 *   turn = t ───────────────────────► counts into side t & 1 from here on, says done = t
 *   done == t of all ◄──────────────
 *   reads side (t - 1) & 1 of all; only then the next turn
 */
#pragma once

#include <stdatomic.h>

#include "analyze/talkers.h"
#include "analyze/traffic.h"
#include "decode/events.h"

enum { TALKERS_SHOWN_MAX = 100 };

/* interval_side is what was counted in one interval. */
struct interval_side {
	struct traffic traffic;
	struct talkers src, dst;
};

/* interval_worker is one worker's.
 * Thread   sides: the worker, but for the one that done has left behind */
struct interval_worker {
	struct interval_side sides[2];
	const atomic_uint *wanted; /* of intervals: the turn */
	unsigned turn;
	_Atomic(unsigned) done;
};

/* interval_report is one interval of all workers, as events. */
struct interval_report {
	struct ev_traffic_report traffic;
	struct ev_talker_report src, dst;
	struct ev_traffic_report_row rows[TRAFFIC_ROWS + 64];
	struct ev_talker_report_talker talkers[2][TALKERS_SHOWN_MAX];
	char names[TRAFFIC_ROWS + 64][TRAFFIC_NAME];
	char addresses[2][TALKERS_SHOWN_MAX][48];
};

/* intervals are those of all workers.
 * Owns     its memory, allocated at open
 * Thread   the control thread */
struct intervals {
	unsigned workers_n, shown;
	atomic_uint turn;
	uint64_t start_ns; /* of the interval that is being counted */
	bool by_packets;   /* bounds are the times of packets, not of the clock */
	bool pending;      /* a turn is under way */
	uint64_t end_ns;   /* of the interval that the turn ended */
	struct interval_worker *workers;
	struct interval_side all;
	struct interval_report report;
};

/* intervals_init makes room for talkers_max addresses a worker and direction.
 * Takes    shown: talkers in a report, at most TALKERS_SHOWN_MAX
 * Returns  0, or -ENOMEM */
int intervals_init(struct intervals *iv, unsigned workers, uint32_t talkers_max, unsigned shown,
	bool by_packets, uint64_t now_ns);
void intervals_free(struct intervals *iv);

/* intervals_turn ends an interval: every worker counts on elsewhere. */
void intervals_turn(struct intervals *iv, uint64_t now_ns);

/* intervals_collect makes the report of what ended, once all workers have answered.
 * Returns  the report, valid until the next turn; NULL: not yet, or no turn is under way */
const struct interval_report *intervals_collect(struct intervals *iv);

/* interval_begin follows a turn; the worker calls it once a burst. */
static inline void interval_begin(struct interval_worker *w)
{
	unsigned turn = atomic_load_explicit(w->wanted, memory_order_acquire);
	struct interval_side *side = &w->sides[turn & 1];

	if (__builtin_expect(turn == w->turn, 1))
		return;
	side->traffic = (struct traffic){0};
	talkers_clear(&side->src);
	talkers_clear(&side->dst);
	w->turn = turn;
	atomic_store_explicit(&w->done, turn, memory_order_release);
}

/* interval_count counts one frame. */
static inline void interval_count(struct interval_worker *w, const struct frame *f,
	enum link_type link, uint32_t wire_len, uint32_t net_offset, uint64_t ts_ns)
{
	struct interval_side *side = &w->sides[w->turn & 1];
	uint32_t len;

	traffic_add(&side->traffic, traffic_row(f, link), wire_len, ts_ns);
	if (!f->ip_version)
		return;
	len = frame_ip_len(f, wire_len - net_offset);
	talkers_add(&side->src, f->src.ip, 1, len);
	talkers_add(&side->dst, f->dst.ip, 1, len);
}
