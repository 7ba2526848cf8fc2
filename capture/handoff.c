/* Hot path: no allocation, lock, system call or log. */
#include "capture/handoff_impl.h"

/* ask_own gets packets from the worker's own queue, once the last ones have found their place. */
static void ask_own(struct handoff_worker *hw, unsigned max)
{
	int got = hw->inner->ops->burst(hw->inner, hw->pkts, max);

	hw->at = 0;
	hw->got = got > 0 ? (unsigned)got : 0;
	if (got < 0 || (got == 0 && hw->inner->end != SOURCE_RUNNING)) {
		hw->inner_runs = false;
		memcpy(hw->head.error, hw->inner->error, sizeof(hw->head.error));
		atomic_fetch_sub_explicit(&hw->handoff->running, 1, memory_order_release);
	}
}

/* take_own keeps what is this worker's own and hands on the rest. Returns how many were kept. */
static unsigned take_own(struct handoff_worker *hw, struct packet *pkts, unsigned max)
{
	struct handoff *h = hw->handoff;
	unsigned own = 0;

	if (hw->at == hw->got)
		ask_own(hw, max);
	for (; hw->at < hw->got && own < max; hw->at++) {
		const struct packet *pkt = &hw->pkts[hw->at];
		unsigned owner = h->steer(h->steer_ctx, pkt);

		if (owner == hw->index) {
			pkts[own++] = *pkt;
			continue;
		}
		if (!lane_push(handoff_lane(h, hw->index, owner), pkt)) {
			if (h->patient)
				break;
			hw->full++;
		}
		hw->given++;
		hw->given_bytes += pkt->wire_len;
	}
	return own;
}

/* take_lanes reads every lane to this worker, each burst another one first. Returns packets. */
static unsigned take_lanes(struct handoff_worker *hw, struct packet *pkts, unsigned max)
{
	struct handoff *h = hw->handoff;
	unsigned n = 0, from = hw->turn;

	for (unsigned i = 0; i < h->workers; i++) {
		unsigned got = lane_peek(handoff_lane(h, from, hw->index), pkts + n, max - n);

		for (; got > 0; got--, n++)
			hw->taken_bytes += pkts[n].wire_len;
		if (++from == h->workers)
			from = 0;
	}
	if (++hw->turn == h->workers)
		hw->turn = 0;
	hw->taken += n;
	return n;
}

/* Half a burst is the own queue's at most, so that lanes are never left waiting. */
int handoff_burst(struct source *src, struct packet *pkts, unsigned max)
{
	struct handoff_worker *hw = (struct handoff_worker *)src;
	struct handoff *h = hw->handoff;
	unsigned n = 0, running;

	for (unsigned from = 0; from < h->workers; from++)
		lane_release(handoff_lane(h, from, hw->index));
	if (src->end != SOURCE_RUNNING)
		return 0;
	if (hw->inner_runs)
		n = take_own(hw, pkts, (max + 1) / 2);
	/* read before the lanes: when nothing runs any more, what they hold is all there will be */
	running = atomic_load_explicit(&h->running, memory_order_acquire);
	n += take_lanes(hw, pkts + n, max - n);
	if (n == 0 && running == 0) {
		src->end = SOURCE_END;
		if (hw->inner && hw->inner->end != SOURCE_END)
			src->end = hw->inner->end == SOURCE_RUNNING ? SOURCE_GONE : hw->inner->end;
	}
	return (int)n;
}
