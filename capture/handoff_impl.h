/* handoff: what its hot file and its cold one share. Inside capture/ only. */
#pragma once

#include "capture/handoff.h"
#include "capture/lane.h"

struct handoff {
	unsigned workers;
	unsigned users; /* sources, and who opened it */
	bool patient;   /* a full lane makes its writer wait */
	steer_fn steer;
	const void *steer_ctx;
	struct lane *lanes;  /* [from * workers + to] */
	atomic_uint running; /* queues that have not ended */
};

struct handoff_worker {
	struct source head;
	struct handoff *handoff;
	struct source *inner; /* NULL: no queue of its own */
	bool inner_runs;
	unsigned index;
	unsigned turn;                 /* the worker whose lane is read first */
	struct packet pkts[BURST_MAX]; /* of inner */
	unsigned at, got;              /* of pkts, those from at on wait for room in a lane */
	uint64_t taken, taken_bytes, given, given_bytes, full;
};

static inline struct lane *handoff_lane(struct handoff *h, unsigned from, unsigned to)
{
	return &h->lanes[from * h->workers + to];
}

int handoff_burst(struct source *src, struct packet *pkts, unsigned max);
