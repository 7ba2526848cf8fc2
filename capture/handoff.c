#include "capture/handoff.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "capture/lane.h"

struct handoff {
	unsigned workers;
	steer_fn steer;
	const void *steer_ctx;
	struct lane *lanes;  /* [from * workers + to] */
	atomic_uint sources; /* not closed yet */
	atomic_uint running; /* queues that have not ended */
};

struct handoff_worker {
	struct source head;
	struct handoff *handoff;
	struct source *inner;
	unsigned index;
	struct packet pkts[BURST_MAX]; /* of inner */
	uint64_t taken, taken_bytes, given, given_bytes, full;
};

static struct lane *lane_of(struct handoff *h, unsigned from, unsigned to)
{
	return &h->lanes[from * h->workers + to];
}

/* sort_inner keeps this worker's packets and hands on the others. Returns how many were kept. */
static unsigned sort_inner(struct handoff_worker *hw, struct packet *pkts, int n)
{
	struct handoff *h = hw->handoff;
	unsigned own = 0;

	for (int i = 0; i < n; i++) {
		const struct packet *pkt = &hw->pkts[i];
		unsigned owner = h->steer(h->steer_ctx, pkt);

		if (owner == hw->index) {
			pkts[own++] = *pkt;
			continue;
		}
		hw->given++;
		hw->given_bytes += pkt->caplen;
		hw->full += !lane_push(lane_of(h, hw->index, owner), pkt);
	}
	return own;
}

static int handoff_burst(struct source *src, struct packet *pkts, unsigned max)
{
	struct handoff_worker *hw = (struct handoff_worker *)src;
	struct handoff *h = hw->handoff;
	unsigned n = 0, running;

	for (unsigned from = 0; from < h->workers; from++)
		lane_release(lane_of(h, from, hw->index));
	if (hw->inner && hw->inner->end == SOURCE_RUNNING) {
		int rc = hw->inner->ops->burst(hw->inner, hw->pkts, (max + 1) / 2);

		if (rc > 0)
			n = sort_inner(hw, pkts, rc);
		if (rc < 0 || hw->inner->end != SOURCE_RUNNING) {
			memcpy(src->error, hw->inner->error, sizeof(src->error));
			atomic_fetch_sub_explicit(&h->running, 1, memory_order_release);
		}
		if (rc < 0)
			return rc;
	}
	running = atomic_load_explicit(&h->running, memory_order_acquire);
	for (unsigned from = 0; from < h->workers; from++) {
		unsigned got = lane_peek(lane_of(h, from, hw->index), pkts + n, max - n);

		for (unsigned i = n; i < n + got; i++)
			hw->taken_bytes += pkts[i].caplen;
		hw->taken += got;
		n += got;
	}
	if (n == 0 &&
		running == 0) /* nobody hands on any more, and the lanes were empty after that */
		src->end = hw->inner ? hw->inner->end : SOURCE_END;
	return (int)n;
}

static void handoff_wait(struct source *src, unsigned timeout_us)
{
	struct handoff_worker *hw = (struct handoff_worker *)src;
	struct timespec ts = {0, (timeout_us < 100 ? timeout_us : 100) * 1000L};

	if (hw->inner && hw->inner->end == SOURCE_RUNNING)
		hw->inner->ops->wait(hw->inner, timeout_us);
	else
		nanosleep(&ts, NULL);
}

/* A packet that was handed on is the owner's: over all workers each is counted once. */
static void handoff_stats(struct source *src, struct source_stats *stats)
{
	struct handoff_worker *hw = (struct handoff_worker *)src;

	if (hw->inner)
		hw->inner->ops->stats(hw->inner, stats);
	stats->received += hw->taken - hw->given;
	stats->received_bytes += hw->taken_bytes - hw->given_bytes;
	stats->dropped[REASON_handoff_full] += hw->full;
}

static void handoff_put(struct handoff *h)
{
	if (atomic_fetch_sub(&h->sources, 1) != 1)
		return;
	for (unsigned i = 0; h->lanes && i < h->workers * h->workers; i++)
		free(h->lanes[i].bytes);
	free(h->lanes);
	free(h);
}

static void handoff_close(struct source *src)
{
	struct handoff_worker *hw = (struct handoff_worker *)src;

	if (hw->inner)
		hw->inner->ops->close(hw->inner);
	handoff_put(hw->handoff);
	free(hw);
}

static const struct source_ops handoff_ops = {
	.name = "handoff",
	.burst = handoff_burst,
	.wait = handoff_wait,
	.stats = handoff_stats,
	.close = handoff_close,
};

int handoff_open(struct handoff **out, unsigned workers, steer_fn steer, const void *steer_ctx)
{
	struct handoff *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	*h = (struct handoff){
		.workers = workers, .steer = steer, .steer_ctx = steer_ctx, .sources = 1};
	h->lanes = aligned_alloc(64, sizeof(*h->lanes) * workers * workers);
	if (!h->lanes)
		goto no_memory;
	memset(h->lanes, 0, sizeof(*h->lanes) * workers * workers);
	for (unsigned i = 0; i < workers * workers; i++) {
		h->lanes[i].size = HANDOFF_LANE_BYTES;
		h->lanes[i].bytes = aligned_alloc(64, HANDOFF_LANE_BYTES); /* pages come with use */
		if (!h->lanes[i].bytes)
			goto no_memory;
	}
	*out = h;
	return 0;
no_memory:
	handoff_put(h);
	return -ENOMEM;
}

void handoff_release(struct handoff *h)
{
	handoff_put(h);
}

int handoff_source(struct source **src, struct handoff *h, unsigned w, struct source *inner)
{
	struct handoff_worker *hw = calloc(1, sizeof(*hw));

	if (!hw)
		return -ENOMEM;
	hw->head.ops = &handoff_ops;
	if (inner)
		memcpy(hw->head.name, inner->name, sizeof(hw->head.name));
	hw->handoff = h;
	hw->index = w;
	hw->inner = inner;
	atomic_fetch_add(&h->sources, 1);
	if (inner)
		atomic_fetch_add(&h->running, 1);
	*src = &hw->head;
	return 0;
}
