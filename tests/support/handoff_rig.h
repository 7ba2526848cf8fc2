/* handoff_rig: queues of numbered packets, workers that hand them on, and what must hold of each
 * packet that arrives. */
#pragma once

#include "capture/handoff.h"

enum { RIG_FLOWS = 32, RIG_WORKERS_MAX = 8, RIG_FRAME_MAX = 1600 };

/* rig_queue is a source: packets of RIG_FLOWS flows in turn, numbered in each, lengths mixed. A
 * flow belongs to one queue, as with RSS. */
struct rig_queue {
	struct source head;
	unsigned index, queues, total, at;
	int rc; /* not 0: what burst returns at the end */
	enum source_end how;
	const char *why;
	unsigned waits, closed;
	uint64_t bytes;
	uint32_t next[RIG_FLOWS];
	uint8_t frames[BURST_MAX][RIG_FRAME_MAX];
};

struct rig_worker {
	struct source *src;
	unsigned index, workers, n, missing; /* missing: numbers left out */
	uint32_t next[RIG_FLOWS];
	const char *wrong; /* the first thing that did not hold */
};

struct handoff_rig {
	unsigned queues_n, workers_n;
	struct rig_queue queues[RIG_WORKERS_MAX];
	struct rig_worker workers[RIG_WORKERS_MAX];
};

/* handoff_rig_open makes workers of which the first queues_n have a queue of packets_each packets.
 */
void handoff_rig_open(
	struct handoff_rig *rig, unsigned queues_n, unsigned workers_n, unsigned packets_each);

/* handoff_rig_open_patient: one queue that waits where a lane is full, as a file can. */
void handoff_rig_open_patient(struct handoff_rig *rig, unsigned workers_n, unsigned packets);

/* rig_worker_burst takes one burst and checks it. Returns packets. Thread: the worker's */
unsigned rig_worker_burst(struct rig_worker *w, unsigned max);

/* handoff_rig_sum adds up the statistics of all workers. */
struct source_stats handoff_rig_sum(const struct handoff_rig *rig);
void handoff_rig_close(struct handoff_rig *rig);
