/* worker: one thread, one source, run to completion: packets -> events -> batches -> rings. */
#pragma once

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "analyze/interval.h"
#include "capture/savefile.h"
#include "capture/source.h"
#include "decode/feed/feed.h"
#include "decode/net/net.h"
#include "decode/selection.h"
#include "decode/tcp/tcp_streams.h"
#include "engine/clock.h"
#include "engine/config/config.h"
#include "engine/placement.h"
#include "publish/ledger.h"
#include "publish/stream.h"

/* worker_counts: packets = frames_out + dropped; events_in = events_out + event_dropped. */
struct worker_counts {
	uint64_t packets, frames_out, dropped[REASON_COUNT];
	uint64_t events_in, events_out, event_dropped[REASON_COUNT];
};

/* worker_losses is what a worker's source had lost when it last looked: for the gaps of all. */
struct worker_losses {
	alignas(64) _Atomic(uint64_t) packets;
	_Atomic(uint64_t) until_ns; /* when it looked; UINT64_MAX: its source has ended */
};

/* worker_setup is what all workers share; borrowed during worker_init, the pointers are kept. */
struct worker_setup {
	const struct config *cfg;
	const struct feed_table *table;    /* the feed table: copied by each worker */
	bool recognise;                    /* recognise feeds by their bytes */
	uint32_t families;                 /* bit 1 << FAMILY_x: published */
	struct feed_line file;             /* whose messages a message file holds */
	const struct selection *selection; /* of instruments; NULL = all */
	const struct placement *placement;
	struct ledger *ledger;
	uint64_t boot_id;
	struct intervals *intervals;       /* of --stats, or NULL */
	struct savefile *savefile;         /* what packets are written to, NULL = nothing */
	struct worker_losses *losses;      /* by worker */
	const struct clock *clock;         /* how far stamps may be off; NULL = not known */
	const struct latencies *latencies; /* its samples go out behind each report */
};

/* worker is all that one thread touches.
 *
 * Owns     everything but source, which is given
 * Thread   its own from worker_start on; stop and report may be set by the control thread */
struct worker {
	unsigned index;
	const struct worker_setup *setup;
	struct source *source;
	struct events events;
	struct selector selector;
	struct feeds feeds;
	struct tcp_streams tcp;
	struct net net;
	struct interval_worker *interval; /* its own of setup's intervals, or NULL */
	struct streams *streams;
	struct stream *ops;
	struct worker_counts counts;
	struct saver saver; /* file NULL: nothing is written */
	struct hist
		taken; /* capture stamp … taken from the source: the oldest packet of each burst */
	uint64_t types;          /* bit 1 << EVENT_x: published */
	uint64_t losses_ns;      /* when the source was last asked for its losses */
	uint8_t ts_quality;      /* of the newest packet */
	uint64_t clock_error_ns; /* of its clock, as its batches say */
	bool shows;              /* packets that are nobody's become events */
	bool over;               /* the source can lose no more, or nobody cares */
	bool ended;              /* the source has ended and everything is in the rings */
	pthread_t thread;
	bool started;
	atomic_bool stop;
	atomic_int state;                              /* 0 runs, 1 finished */
	_Atomic(const struct ledger_report *) report;  /* to be sent as an event; NULL once it is */
	_Atomic(const struct interval_report *) stats; /* likewise */
	_Atomic(int64_t) clock_step_ns;                /* likewise; 0 once it is */
};

/* worker_init prepares worker index with its source (given) and one ring a sink.
 * Returns  0, or -errno: the source stays the caller's */
int worker_init(struct worker *w, unsigned index, const struct worker_setup *setup,
	struct source *source, const struct streams_options *streams);

/* worker_close frees all but what the ledger still reads. Returns batches no sink gave back. */
unsigned worker_close(struct worker *w);

/* worker_do_work takes one burst through. Returns packets handled, 0 when idle. */
unsigned worker_do_work(struct worker *w);

/* worker_finish closes holes and batches: nothing is held on the worker any more. */
void worker_finish(struct worker *w);

/* worker_start runs it on a thread; it finishes by itself at the end of its source, or when stop is
 * set. */
int worker_start(struct worker *w);
void worker_join(struct worker *w);

/* worker_stages adds the worker's stages to a cut: capture, frame, feed, message, tcp, fix, dns,
 * event.
 */
void worker_stages(const struct worker *w, struct ledger_cut *cut);
