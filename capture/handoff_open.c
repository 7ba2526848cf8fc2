/* What is cold about handing packets on: opening, waiting, statistics, closing. */
#include "capture/handoff_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { WAIT_US = 1000 };

/* Other queues may hand on what cannot wake this worker: with them it sleeps for a short time, a
 * tenth of what a source that can wake it may. */
static void handoff_wait(struct source *src, unsigned timeout_us)
{
	struct handoff_worker *hw = (struct handoff_worker *)src;
	unsigned others =
		atomic_load_explicit(&hw->handoff->running, memory_order_relaxed) - hw->inner_runs;
	unsigned tenth = timeout_us / 10 < WAIT_US ? timeout_us / 10 : WAIT_US;
	unsigned us = others || hw->at < hw->got ? tenth : timeout_us;
	struct timespec ts = {us / 1000000, us % 1000000 * 1000L};

	if (hw->inner_runs && hw->at == hw->got) {
		hw->inner->ops->wait(hw->inner, us);
		src->away = hw->inner->away;
	} else {
		nanosleep(&ts, NULL);
	}
}

/* A packet that was handed on is the owner's once it took it, and held here until then: over all
 * workers each is counted once. */
static void handoff_stats(struct source *src, struct source_stats *stats)
{
	struct handoff_worker *hw = (struct handoff_worker *)src;
	struct handoff *h = hw->handoff;

	*stats = (struct source_stats){0};
	if (hw->inner)
		hw->inner->ops->stats(hw->inner, stats);
	stats->held = hw->given - hw->full;
	for (unsigned to = 0; to < h->workers; to++)
		stats->held -= atomic_load_explicit(
			&handoff_lane(h, hw->index, to)->taken, memory_order_relaxed);
	stats->resteered = hw->given - hw->full;
	stats->resteered_held = stats->held;
	stats->received += hw->taken - hw->given + stats->held;
	stats->held += hw->got - hw->at;
	stats->received_bytes += hw->taken_bytes - hw->given_bytes;
	stats->dropped[REASON_handoff_full] += hw->full;
}

void handoff_release(struct handoff *h)
{
	if (--h->users > 0)
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
	handoff_release(hw->handoff);
	free(hw);
}

static const struct source_ops handoff_ops = {
	.name = "handoff",
	.burst = handoff_burst,
	.wait = handoff_wait,
	.stats = handoff_stats,
	.close = handoff_close,
};

int handoff_open(struct handoff **out, unsigned workers, uint64_t lane_bytes, steer_fn steer,
	const void *steer_ctx, bool patient)
{
	struct handoff *h = calloc(1, sizeof(*h));
	size_t len = sizeof(struct lane) * workers * workers;

	if (!h)
		return -ENOMEM;
	*h = (struct handoff){.workers = workers,
		.users = 1,
		.steer = steer,
		.steer_ctx = steer_ctx,
		.patient = patient};
	h->lanes = aligned_alloc(64, len);
	if (!h->lanes)
		goto no_memory;
	memset(h->lanes, 0, len);
	for (unsigned i = 0; i < workers * workers; i++) {
		h->lanes[i].size = lane_bytes;
		h->lanes[i].bytes = aligned_alloc(64, lane_bytes); /* pages come with use */
		if (!h->lanes[i].bytes)
			goto no_memory;
	}
	*out = h;
	return 0;
no_memory:
	handoff_release(h);
	return -ENOMEM;
}

int handoff_source(struct source **src, struct handoff *h, unsigned w, struct source *inner)
{
	struct handoff_worker *hw = calloc(1, sizeof(*hw));

	if (!hw)
		return -ENOMEM;
	hw->head.ops = &handoff_ops;
	if (inner) {
		memcpy(hw->head.name, inner->name, sizeof(hw->head.name));
		hw->head.hides_loss = inner->hides_loss;
	}
	hw->handoff = h;
	hw->index = w;
	hw->inner = inner;
	hw->inner_runs = inner != NULL;
	h->users++;
	h->running += inner != NULL;
	*src = &hw->head;
	return 0;
}
