/* ledger: entered = left + dropped + held, for every stage, sink and worker, at one consistent cut.
 *
 *   control thread      worker                       publisher of each sink
 *   ledger_request ──►  ledger_cut_begin             (ring_absorb)
 *                       stages of its own ──►  rings ──►  its counts for this worker,
 *                       streams_cut                        as of what came before the cut
 *   ledger_collect  ◄────────────── batch_done of the last sink
 *
 * held is counted where things are held, never computed as a difference, so a stage that loses
 * something does not balance. */
#pragma once

#include <stdio.h>

#include "events/event.h"
#include "publish/batch.h"
#include "publish/sink.h"

enum { CUTS_MAX = 2, CUT_STAGES_MAX = 16, LEDGER_CAUSES = 4 };

struct ring;

struct ledger_stage {
	const char *stage; /* static text: "packet", "decode", "batch", "sink" */
	const char *sink;  /* URI, "" for stages without; lives as long as the ledger */
	const char *unit;  /* "packet", "message", "event" */
	unsigned worker;
	uint64_t entered, left, held;
	uint64_t dropped[REASON_COUNT];
};

/* ledger_facts is what a worker knows beside its stages, as of the same cut. */
struct ledger_facts {
	uint64_t received_bytes;
	uint64_t outages;                      /* times that its source was away */
	uint64_t gaps[LEDGER_CAUSES];          /* by GapEvent.Cause */
	uint64_t messages_lost[LEDGER_CAUSES]; /* in these gaps, as far as known */
	uint64_t batches;                      /* closed */
	uint32_t streams;                      /* open */
	struct ledger_ring {
		uint64_t waits;        /* pushes that had to sleep */
		uint32_t queued, size; /* batches not taken by the sink; how many there may be */
	} rings[SINKS_MAX];
};

/* ledger_cut is one worker's side of a report, and what the publishers add to it. */
struct ledger_cut {
	struct batch batch; /* travels through the rings */
	uint64_t number;
	unsigned stages_n, sinks_n;
	struct ledger_stage stages[CUT_STAGES_MAX]; /* the worker's own */
	struct ledger_stage sinks[SINKS_MAX]; /* entered: by the worker; the rest: by publishers */
	struct ledger_facts facts;
	atomic_int state;
};

/* ledger_report is a complete cut of all workers. */
struct ledger_report {
	uint64_t number;
	bool last; /* of the run */
	unsigned n, workers;
	struct ledger_stage *stages;
	struct ledger_facts *facts; /* by worker */
	/* for ledger_report_event */
	struct ev_ledger_report_stage *ev_stages;
	struct ev_dropped *ev_drops;
	struct ev_ledger_report_gap_count *ev_gaps;
};

struct ledger;

/* ledger_open makes the accounts of all workers; sinks: their URIs, kept.
 * Returns  0, or -ENOMEM */
int ledger_open(
	struct ledger **ledger, unsigned workers, const char *const *uris, unsigned sinks_n);
void ledger_close(struct ledger *ledger);

/* ledger_request asks every worker for a cut. Nothing happens while one is under way.
 * Thread   the control thread, as for ledger_collect
 * Returns  number of the report that will come */
uint64_t ledger_request(struct ledger *ledger);
/* ledger_request_last does so for the last time: the report will say that it is the last. */
uint64_t ledger_request_last(struct ledger *ledger);

/* ledger_cut_begin gives the worker an empty cut when one is asked for. It fills in its stages
 * (ledger_cut_stage) and sends it off with streams_cut. Cheap when none is: one load.
 * Thread   the worker
 * Returns  NULL when there is nothing to do */
struct ledger_cut *ledger_cut_begin(struct ledger *ledger, unsigned worker);

/* ledger_cut_stage adds a zeroed stage to fill in; at most CUT_STAGES_MAX, "batch" included. */
struct ledger_stage *ledger_cut_stage(struct ledger_cut *cut, const char *stage, const char *unit);

/* ledger_cut_sink adds what the publisher counted for this worker; ledger_cut_done says that all
 * publishers did. Called by ring_absorb and batch_done. */
void ledger_cut_sink(struct ledger_cut *cut, unsigned sink, const struct sink_counts *counts);
void ledger_cut_done(struct ledger_cut *cut);

/* ledger_collect looks whether all workers have answered.
 * Returns  the report, borrowed until the next request; NULL while one is missing */
const struct ledger_report *ledger_collect(struct ledger *ledger);

/* ledger_final is the report at exit, taken without rings: no worker or publisher runs any more.
 * worker_stages fills in the stages of worker w as it would before streams_cut.
 * Takes    rings: by worker, then sink: rings[w * sinks + s] */
const struct ledger_report *ledger_final(struct ledger *ledger, struct ring *const *rings,
	void (*worker_stages)(void *ctx, unsigned w, struct ledger_cut *cut), void *ctx);

/* ledger_difference is entered - left - dropped - held of a stage: 0 when it balances. */
int64_t ledger_difference(const struct ledger_stage *stage);
/* ledger_balances says whether every stage does. */
bool ledger_balances(const struct ledger_report *report);

/* ledger_total adds up all workers of a stage (sink: "" or the URI).
 * Returns  stages added up */
unsigned ledger_total(const struct ledger_report *report, const char *stage, const char *sink,
	struct ledger_stage *total);

/* ledger_print writes the report as a table: one line a stage (workers added up unless by_worker),
 * its drops below it by reason, and whether it balances. */
void ledger_print(const struct ledger_report *report, FILE *out, bool by_worker);

/* ledger_report_event makes it a LedgerReport: sets type and payload of ev, which borrows from
 * report. */
void ledger_report_event(const struct ledger_report *report, struct event *ev);
