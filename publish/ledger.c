#include "publish/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "publish/ring.h"

enum { CUT_FREE, CUT_OUT, CUT_COMPLETE };

struct ledger {
	unsigned workers, sinks_n;
	const char *const *uris;
	uint64_t collected; /* number of the last report; wanted > collected: one is under way */
	atomic_uint_least64_t wanted;
	struct ledger_report report;
	struct ledger_cut *cuts; /* CUTS_MAX a worker */
	uint64_t
		begun[WORKERS_MAX]; /* by worker: its last cut; each written by that worker alone */
};

int ledger_open(struct ledger **out, unsigned workers, const char *const *uris, unsigned sinks_n)
{
	unsigned stages = workers * (CUT_STAGES_MAX + sinks_n);
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (!ledger)
		return -ENOMEM;
	ledger->workers = workers;
	ledger->uris = uris;
	ledger->sinks_n = sinks_n;
	ledger->cuts = calloc(workers * CUTS_MAX, sizeof(*ledger->cuts));
	ledger->report.workers = workers;
	ledger->report.stages = calloc(stages, sizeof(*ledger->report.stages));
	ledger->report.facts = calloc(workers, sizeof(*ledger->report.facts));
	ledger->report.ev_stages = calloc(stages, sizeof(*ledger->report.ev_stages));
	ledger->report.ev_drops =
		calloc((size_t)stages * REASON_COUNT, sizeof(*ledger->report.ev_drops));
	ledger->report.ev_gaps = calloc(workers * LEDGER_CAUSES, sizeof(*ledger->report.ev_gaps));
	if (!ledger->cuts || !ledger->report.stages || !ledger->report.facts ||
		!ledger->report.ev_stages || !ledger->report.ev_drops || !ledger->report.ev_gaps) {
		ledger_close(ledger);
		return -ENOMEM;
	}
	*out = ledger;
	return 0;
}

void ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return;
	free(ledger->report.ev_gaps);
	free(ledger->report.ev_drops);
	free(ledger->report.ev_stages);
	free(ledger->report.facts);
	free(ledger->report.stages);
	free(ledger->cuts);
	free(ledger);
}

uint64_t ledger_request(struct ledger *ledger)
{
	if (ledger->wanted == ledger->collected)
		ledger->wanted++;
	return ledger->wanted;
}

uint64_t ledger_request_last(struct ledger *ledger)
{
	ledger->report.last = true;
	return ledger_request(ledger);
}

/* cut_reset makes a cut of this worker empty, with a stage for each sink. */
static void cut_reset(struct ledger *ledger, struct ledger_cut *cut, unsigned worker)
{
	cut->batch = (struct batch){.cut = cut, .worker = (uint16_t)worker};
	cut->stages_n = 0;
	cut->facts = (struct ledger_facts){0};
	cut->sinks_n = ledger->sinks_n;
	for (unsigned s = 0; s < cut->sinks_n; s++)
		cut->sinks[s] = (struct ledger_stage){.stage = "sink",
			.sink = ledger->uris[s],
			.unit = "event",
			.worker = worker};
}

struct ledger_cut *ledger_cut_begin(struct ledger *ledger, unsigned worker)
{
	uint64_t wanted = atomic_load_explicit(&ledger->wanted, memory_order_relaxed);
	struct ledger_cut *cut = &ledger->cuts[worker * CUTS_MAX];

	if (wanted == ledger->begun[worker])
		return NULL;
	for (unsigned i = 0; i < CUTS_MAX; i++, cut++) {
		if (atomic_load_explicit(&cut->state, memory_order_acquire) != CUT_FREE)
			continue;
		cut_reset(ledger, cut, worker);
		cut->number = wanted;
		atomic_store_explicit(&cut->state, CUT_OUT, memory_order_relaxed);
		ledger->begun[worker] = wanted;
		return cut;
	}
	return NULL;
}

struct ledger_stage *ledger_cut_stage(struct ledger_cut *cut, const char *stage, const char *unit)
{
	struct ledger_stage *st = &cut->stages[cut->stages_n++];

	*st = (struct ledger_stage){
		.stage = stage, .sink = "", .unit = unit, .worker = cut->batch.worker};
	return st;
}

void ledger_cut_sink(struct ledger_cut *cut, unsigned sink, const struct sink_counts *counts)
{
	struct ledger_stage *st = &cut->sinks[sink];

	st->left = counts->left;
	st->held = counts->held;
	for (unsigned r = 0; r < REASON_COUNT; r++)
		st->dropped[r] += counts->dropped[r];
}

void ledger_cut_done(struct ledger_cut *cut)
{
	atomic_store_explicit(&cut->state, CUT_COMPLETE, memory_order_release);
}

static void report_add(struct ledger_report *report, const struct ledger_cut *cut)
{
	for (unsigned i = 0; i < cut->stages_n; i++)
		report->stages[report->n++] = cut->stages[i];
	for (unsigned i = 0; i < cut->sinks_n; i++)
		report->stages[report->n++] = cut->sinks[i];
	report->facts[cut->batch.worker] = cut->facts;
}

const struct ledger_report *ledger_collect(struct ledger *ledger)
{
	struct ledger_cut *cuts[WORKERS_MAX];

	if (ledger->wanted == ledger->collected)
		return NULL;
	for (unsigned w = 0; w < ledger->workers; w++) {
		cuts[w] = NULL;
		for (unsigned i = 0; i < CUTS_MAX; i++) {
			struct ledger_cut *cut = &ledger->cuts[w * CUTS_MAX + i];

			if (atomic_load_explicit(&cut->state, memory_order_acquire) == CUT_COMPLETE)
				cuts[w] = cut;
		}
		if (!cuts[w])
			return NULL;
	}
	ledger->report.n = 0;
	ledger->report.number = ledger->wanted;
	for (unsigned w = 0; w < ledger->workers; w++) {
		report_add(&ledger->report, cuts[w]);
		atomic_store_explicit(&cuts[w]->state, CUT_FREE, memory_order_release);
	}
	ledger->collected = ledger->wanted;
	return &ledger->report;
}

const struct ledger_report *ledger_final(struct ledger *ledger, struct ring *const *rings,
	void (*worker_stages)(void *ctx, unsigned w, struct ledger_cut *cut), void *ctx)
{
	struct ledger_cut *cut = ledger->cuts; /* any will do: nobody uses them any more */

	ledger->report.n = 0;
	ledger->report.number = ledger->wanted + 1;
	for (unsigned w = 0; w < ledger->workers; w++) {
		cut_reset(ledger, cut, w);
		worker_stages(ctx, w, cut);
		for (unsigned s = 0; s < ledger->sinks_n; s++) {
			const struct ring *ring = rings[w * ledger->sinks_n + s];

			ring_cut(ring, &cut->sinks[s]);
			ring_facts(ring, &cut->facts.rings[s]);
			ledger_cut_sink(cut, s, &ring->counts);
		}
		report_add(&ledger->report, cut);
	}
	return &ledger->report;
}

int64_t ledger_difference(const struct ledger_stage *stage)
{
	uint64_t out = stage->left + stage->held;

	for (unsigned r = 0; r < REASON_COUNT; r++)
		out += stage->dropped[r];
	return (int64_t)(stage->entered - out);
}

bool ledger_balances(const struct ledger_report *report)
{
	for (unsigned i = 0; i < report->n; i++)
		if (ledger_difference(&report->stages[i]) != 0)
			return false;
	return true;
}

static bool same_stage(const struct ledger_stage *a, const char *stage, const char *sink)
{
	return strcmp(a->stage, stage) == 0 && strcmp(a->sink, sink) == 0;
}

unsigned ledger_total(const struct ledger_report *report, const char *stage, const char *sink,
	struct ledger_stage *total)
{
	unsigned n = 0;

	*total = (struct ledger_stage){.stage = stage, .sink = sink, .unit = ""};
	for (unsigned i = 0; i < report->n; i++) {
		const struct ledger_stage *st = &report->stages[i];

		if (!same_stage(st, stage, sink))
			continue;
		n++;
		total->unit = st->unit;
		total->entered += st->entered;
		total->left += st->left;
		total->held += st->held;
		for (unsigned r = 0; r < REASON_COUNT; r++)
			total->dropped[r] += st->dropped[r];
	}
	return n;
}

static void print_stage(const struct ledger_stage *st, int worker, FILE *out)
{
	uint64_t dropped = 0;
	int64_t difference = ledger_difference(st);
	char who[16] = "";

	for (unsigned r = 0; r < REASON_COUNT; r++)
		dropped += st->dropped[r];
	if (worker >= 0)
		snprintf(who, sizeof(who), "%d", worker);
	fprintf(out, "%-10s %-8s %6s %16" PRIu64 " %16" PRIu64 " %14" PRIu64 " %10" PRIu64 "  ",
		st->stage, st->unit, who, st->entered, st->left, dropped, st->held);
	if (difference)
		fprintf(out, "DIFFERENCE %" PRId64, difference);
	else
		fputs("balanced", out);
	fprintf(out, "%s%s\n", st->sink[0] ? "  " : "", st->sink);
	for (unsigned r = 0; r < REASON_COUNT; r++)
		if (st->dropped[r])
			fprintf(out, "%77" PRIu64 "  dropped: %s (%s)\n", st->dropped[r],
				reason_name(r), reason_text(r));
}

void ledger_print(const struct ledger_report *report, FILE *out, bool by_worker)
{
	fprintf(out, "%-10s %-8s %6s %16s %16s %14s %10s\n", "stage", "unit",
		by_worker ? "worker" : "", "entered", "left", "dropped", "held");
	for (unsigned i = 0; i < report->n; i++) {
		const struct ledger_stage *st = &report->stages[i];
		struct ledger_stage total;
		bool seen = false;

		if (by_worker) {
			print_stage(st, (int)st->worker, out);
			continue;
		}
		for (unsigned j = 0; j < i && !seen; j++)
			seen = same_stage(&report->stages[j], st->stage, st->sink);
		if (!seen) {
			ledger_total(report, st->stage, st->sink, &total);
			print_stage(&total, -1, out);
		}
	}
}

/* gaps_write writes what never came, by worker and cause. Returns how many of these there are. */
static uint32_t gaps_write(const struct ledger_report *report)
{
	uint32_t n = 0;

	for (unsigned w = 0; w < report->workers; w++)
		for (uint32_t cause = 0; cause < LEDGER_CAUSES; cause++)
			if (report->facts[w].gaps[cause])
				report->ev_gaps[n++] = (struct ev_ledger_report_gap_count){
					.worker = w,
					.cause = cause,
					.gaps = report->facts[w].gaps[cause],
					.lost_messages = report->facts[w].messages_lost[cause]};
	return n;
}

void ledger_report_event(const struct ledger_report *report, struct event *ev)
{
	unsigned used = 0;

	for (unsigned i = 0; i < report->n; i++) {
		const struct ledger_stage *st = &report->stages[i];
		struct ev_ledger_report_stage *to = &report->ev_stages[i];

		*to = (struct ev_ledger_report_stage){
			.stage = str_of(st->stage),
			.sink = str_of(st->sink),
			.worker = st->worker,
			.unit = str_of(st->unit),
			.entered = st->entered,
			.left = st->left,
			.held = st->held,
			.dropped = &report->ev_drops[used],
		};
		for (unsigned r = 0; r < REASON_COUNT; r++) {
			if (!st->dropped[r])
				continue;
			report->ev_drops[used++] =
				(struct ev_dropped){str_of(reason_name(r)), st->dropped[r]};
			to->dropped_n++;
		}
	}
	ev->type = EVENT_LEDGER;
	ev->ledger.gaps = report->ev_gaps;
	ev->ledger.gaps_n = gaps_write(report);
	ev->ledger.last = report->last;
	ev->ledger.stages = report->ev_stages;
	ev->ledger.stages_n = report->n;
}
