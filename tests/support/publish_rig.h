/* publish_rig: workers, rings and publishers without threads, for tests of publish/. */
#pragma once

#include "publish/ledger.h"
#include "publish/publisher.h"
#include "publish/stream.h"

enum { RIG_SINKS = 4, RIG_WORKERS = 4 };

struct rig_options {
	const char *uris[RIG_SINKS];         /* NULL at the end */
	const struct sink *sinks[RIG_SINKS]; /* not NULL: instead of what the URI names */
	enum when_full when_full[RIG_SINKS];
	unsigned workers;            /* 0 = 1 */
	unsigned depth, streams_max; /* 0 = default */
	uint32_t batch_bytes, batch_events;
	uint64_t linger_ns;
	bool live;
};

struct rig {
	struct rig_options opt;
	unsigned sinks_n, workers;
	struct sink_uri uris[RIG_SINKS];
	struct publisher *pubs[RIG_SINKS];
	struct ring *rings[RIG_WORKERS * RIG_SINKS]; /* [w * sinks_n + s] */
	struct streams *ws[RIG_WORKERS];
	struct ledger *ledger;
	const char *uri_texts[RIG_SINKS];
	atomic_bool give_up;
	uint64_t now_ns;
	char error[256];
};

/* rig_open opens everything. Returns  0, or -errno with rig->error and nothing left open */
int rig_open(struct rig *rig, const struct rig_options *opt);

/* rig_stream is the stream of (domain, venue, channel) at worker w. */
struct stream *rig_stream(
	struct rig *rig, unsigned w, enum domain domain, const char *venue, uint32_t channel);

/* rig_work lets every publisher do one round. Returns what they did. */
unsigned rig_work(struct rig *rig);

/* rig_mbo appends n numbered MBO events to s, seq from first; symbols vary. */
void rig_mbo(struct rig *rig, unsigned w, struct stream *s, uint64_t first, unsigned n);

/* rig_finish flushes the streams and lets all publishers finish. deadline_ms 0 = none. */
void rig_finish(struct rig *rig, unsigned deadline_ms);

/* rig_report is the final ledger; after rig_finish. rig_count adds up one sink of it. */
const struct ledger_report *rig_report(struct rig *rig);
struct ledger_stage rig_count(struct rig *rig, unsigned sink);

/* rig_close frees all. Returns batches that were not given back. */
unsigned rig_close(struct rig *rig);

/* rig_cut takes a cut of every worker and lets publishers work until it is complete, at most
 * rounds. Returns  NULL when it is not */
const struct ledger_report *rig_cut(struct rig *rig, unsigned rounds);
