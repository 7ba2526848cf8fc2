/* latencies: the histograms of all workers and sinks, added up for people, events and metrics. */
#pragma once

#include <stdio.h>

#include "events/event.h"
#include "publish/latency.h"

/* hop is between which two points a time was taken. */
enum hop {
	HOP_CAPTURE_TO_WORKER,
	HOP_WORKER_TO_BATCH,
	HOP_BATCH_TO_PUBLISHER,
	HOP_PUBLISHER_TO_SINK,
	HOP_CAPTURE_TO_SINK,
	HOP_BATCH_TO_ACK,
	HOP_COUNT,
};

enum { PROBES_MAX = HOP_COUNT * SINKS_MAX };

/* probe is one hop, of all workers; of one sink where the hop has one. */
struct probe {
	enum hop hop;
	int sink;        /* number of the sink, -1: none */
	const char *uri; /* of the sink, "" for none; kept */
	const struct hist *hists[WORKERS_MAX];
	unsigned hists_n;
	struct hist_sum all;    /* since the start, at the last read */
	struct hist_sum before; /* the same at the last sample */
};

struct latencies {
	unsigned n;
	struct probe *probes[PROBES_MAX];
	struct ev_latency_sample samples[PROBES_MAX];
	unsigned samples_n;
};

/* latencies_add adds a histogram to the probe of (hop, sink), which is made when it is new.
 * Takes    h, uri: kept
 * Returns  0, or -ENOMEM */
int latencies_add(
	struct latencies *l, enum hop hop, int sink, const char *uri, const struct hist *h);
void latencies_free(struct latencies *l);

/* latencies_read adds up what was recorded since the start. latencies_sample does too, and makes
 * samples of what came since the last sample; probes where nothing came have none.
 * Thread   the control thread, as for all others */
void latencies_read(struct latencies *l);
void latencies_sample(struct latencies *l);

/* latencies_print writes a table of what the last read found; nothing when that is nothing. */
void latencies_print(const struct latencies *l, FILE *out);

/* hop_name is its name in metrics and events: "capture_to_worker". Static text. */
const char *hop_name(enum hop hop);
