#include "engine/metrics/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "capture/source.h"
#include "engine/metrics/process.h"
#include "engine/revision.h"

#define PREFIX "pkt_sniffer_"

enum metric {
#define METRIC(id, name, type, labels, help) M_##id,
#include "engine/metrics/metrics.def"
	M_COUNT,
};

static const struct {
	const char *name, *type, *labels, *help;
} metrics[M_COUNT] = {
#define METRIC(id, name, type, labels, help) {PREFIX name, type, labels, help},
#include "engine/metrics/metrics.def"
};

/* Upper ends of the buckets of every latency, in ns. */
static const uint64_t bounds_ns[] = {1000, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
	1000000, 2500000, 5000000, 10000000, 50000000, 250000000, 1000000000, 10000000000};

/* Losses that an alarm waits for are there from the start, as 0: the first one is an increase. */
static const struct {
	const char *stage;
	enum reason reason;
} always[] = {
	{"capture", REASON_kernel_drop},
	{"capture", REASON_nic_missed},
	{"capture", REASON_no_mbuf},
	{"capture", REASON_handoff_full},
	{"feed", REASON_late},
	{"message", REASON_unknown_type},
	{"sink", REASON_ring_full},
	{"sink", REASON_quota},
	{"sink", REASON_subscriber_full},
	{"sink", REASON_kafka_delivery},
	{"sink", REASON_write_failed},
};

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static void head(FILE *out, enum metric m)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[m].name, metrics[m].help,
		metrics[m].name, metrics[m].type);
}

/* sample writes one line: its labels in the order of the row's, each a text. */
static void sample(FILE *out, enum metric m, const char *const labels[], uint64_t value)
{
	const char *at = metrics[m].labels;

	fputs(metrics[m].name, out);
	for (unsigned i = 0; *at; i++) {
		int len = (int)strcspn(at, ",");

		fprintf(out, "%c%.*s=\"%s\"", i ? ',' : '{', len, at, labels[i]);
		at += len + (at[len] == ',');
	}
	fprintf(out, "%s %" PRIu64 "\n", *metrics[m].labels ? "}" : "", value);
}

static const char *number(char text[24], uint64_t n)
{
	snprintf(text, 24, "%" PRIu64, n);
	return text;
}

/* stage_sink is the name of the sink that stage i of the report belongs to; a worker's sinks stand
 * behind its stages, in their order. */
static const char *stage_sink(const struct metrics_view *view, unsigned i)
{
	const struct ledger_stage *stages = view->ledger->stages;
	unsigned first = i;

	if (!*stages[i].sink)
		return "";
	while (first > 0 && *stages[first - 1].sink && stages[first - 1].worker == stages[i].worker)
		first--;
	return view->sinks[i - first].name;
}

static bool shown(const struct ledger_stage *st, enum reason reason)
{
	if (st->dropped[reason])
		return true;
	for (unsigned i = 0; i < COUNT(always); i++)
		if (always[i].reason == reason && strcmp(always[i].stage, st->stage) == 0)
			return true;
	return false;
}

static void write_stages(FILE *out, const struct metrics_view *view, enum metric m)
{
	const struct ledger_report *report = view->ledger;
	char worker[24];

	head(out, m);
	for (unsigned i = 0; i < report->n; i++) {
		const struct ledger_stage *st = &report->stages[i];
		const char *labels[] = {
			st->stage, st->unit, number(worker, st->worker), stage_sink(view, i), ""};

		if (m != M_STAGE_DROPPED)
			sample(out, m, labels,
				m == M_STAGE_ENTERED ? st->entered
				: m == M_STAGE_LEFT  ? st->left
						     : st->held);
		for (enum reason r = 0; m == M_STAGE_DROPPED && r < REASON_COUNT; r++) {
			labels[4] = reason_name(r);
			if (shown(st, r))
				sample(out, m, labels, st->dropped[r]);
		}
	}
}

/* fact is what of a worker's facts metric m shows. */
static uint64_t fact(const struct ledger_facts *facts, enum metric m)
{
	switch (m) {
	case M_CAPTURE_BYTES:
		return facts->received_bytes;
	case M_OUTAGES:
		return facts->outages;
	case M_STREAMS:
		return facts->streams;
	default:
		return facts->batches;
	}
}

static void write_facts(FILE *out, const struct metrics_view *view, enum metric m)
{
	char worker[24];
	const char *const labels[] = {worker};

	head(out, m);
	for (unsigned w = 0; w < view->ledger->workers; w++) {
		number(worker, w);
		sample(out, m, labels, fact(&view->ledger->facts[w], m));
	}
}

static void write_gaps(FILE *out, const struct metrics_view *view, enum metric m)
{
	static const char *const causes[LEDGER_CAUSES] = {
		"unspecified", "upstream", "local", "undecided"};
	char worker[24];

	head(out, m);
	for (unsigned w = 0; w < view->ledger->workers; w++)
		for (unsigned c = 1; c < LEDGER_CAUSES; c++) {
			const struct ledger_facts *facts = &view->ledger->facts[w];
			const char *const labels[] = {causes[c], number(worker, w)};

			sample(out, m, labels,
				m == M_GAPS ? facts->gaps[c] : facts->messages_lost[c]);
		}
}

static void write_rings(FILE *out, const struct metrics_view *view, enum metric m)
{
	char worker[24];

	head(out, m);
	for (unsigned w = 0; w < view->ledger->workers; w++)
		for (unsigned s = 0; s < view->sinks_n; s++) {
			const struct ledger_ring *ring = &view->ledger->facts[w].rings[s];
			const char *const labels[] = {view->sinks[s].name, number(worker, w)};

			sample(out, m, labels,
				m == M_RING_BATCHES ? ring->queued
				: m == M_RING_SIZE  ? ring->size
						    : ring->waits);
		}
}

static void write_sinks(FILE *out, const struct metrics_view *view, enum metric m)
{
	head(out, m);
	for (unsigned s = 0; s < view->sinks_n; s++) {
		const struct metrics_sink *sink = &view->sinks[s];
		const char *const labels[] = {sink->name};

		sample(out, m, labels,
			m == M_SINK_UP      ? sink->up
			: m == M_SINK_QUEUE ? sink->facts.state.queued
					    : sink->facts.state.peers);
	}
}

static void write_histogram(FILE *out, const struct probe *p, const char *sink)
{
	const char *name = metrics[M_LATENCY].name, *hop = hop_name(p->hop);

	for (unsigned i = 0; i < COUNT(bounds_ns); i++)
		fprintf(out, "%s_bucket{hop=\"%s\",sink=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, hop,
			sink, (double)bounds_ns[i] / 1e9, hist_not_above(&p->all, bounds_ns[i]));
	fprintf(out, "%s_bucket{hop=\"%s\",sink=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, hop, sink,
		p->all.count);
	fprintf(out, "%s_sum{hop=\"%s\",sink=\"%s\"} %.9f\n", name, hop, sink,
		(double)p->all.sum / 1e9);
	fprintf(out, "%s_count{hop=\"%s\",sink=\"%s\"} %" PRIu64 "\n", name, hop, sink,
		p->all.count);
}

static void write_latencies(FILE *out, const struct metrics_view *view)
{
	const struct latencies *l = view->latencies;

	head(out, M_LATENCY);
	for (unsigned i = 0; i < l->n; i++)
		if (l->probes[i]->all.count)
			write_histogram(out, l->probes[i],
				l->probes[i]->sink < 0 ? "" : view->sinks[l->probes[i]->sink].name);
	head(out, M_LATENCY_BEHIND);
	for (unsigned i = 0; i < l->n; i++) {
		const struct probe *p = l->probes[i];
		const char *const labels[] = {
			hop_name(p->hop), p->sink < 0 ? "" : view->sinks[p->sink].name};

		if (p->all.count || p->all.behind)
			sample(out, M_LATENCY_BEHIND, labels, p->all.behind);
	}
}

static uint64_t differences(const struct ledger_report *report)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < report->n; i++) {
		int64_t difference = ledger_difference(&report->stages[i]);

		sum += (uint64_t)(difference < 0 ? -difference : difference);
	}
	return sum;
}

static void write_clock(FILE *out, const struct clock *clk)
{
	static const struct {
		unsigned source;
		const char *name;
	} clocks[] = {{TS_Q_KERNEL, "system"}, {TS_Q_HARDWARE, "card"}};

	head(out, M_CLOCK_STEPS);
	sample(out, M_CLOCK_STEPS, NULL, atomic_load(&clk->steps));
	head(out, M_CLOCK_ERROR);
	for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		uint64_t error_ns = clock_error(clk, clocks[i].source);

		if (error_ns)
			fprintf(out, "%s{%s=\"%s\"} %.9f\n", metrics[M_CLOCK_ERROR].name,
				metrics[M_CLOCK_ERROR].labels, clocks[i].name,
				(double)error_ns / 1e9);
	}
}

void metrics_write(FILE *out, const struct metrics_view *view)
{
	static const char *const build[] = {VERSION, REVISION};

	head(out, M_BUILD_INFO);
	sample(out, M_BUILD_INFO, build, 1);
	for (enum metric m = M_SINK_UP; m <= M_SINK_PEERS; m++)
		write_sinks(out, view, m);
	write_clock(out, view->clock);
	if (!view->ledger)
		return;
	head(out, M_LEDGER_DIFFERENCE);
	sample(out, M_LEDGER_DIFFERENCE, NULL, differences(view->ledger));
	for (enum metric m = M_STAGE_ENTERED; m <= M_STAGE_HELD; m++)
		write_stages(out, view, m);
	write_facts(out, view, M_CAPTURE_BYTES);
	write_facts(out, view, M_OUTAGES);
	write_gaps(out, view, M_GAPS);
	write_gaps(out, view, M_GAP_MESSAGES);
	write_facts(out, view, M_STREAMS);
	write_facts(out, view, M_BATCHES);
	for (enum metric m = M_RING_BATCHES; m <= M_RING_WAITS; m++)
		write_rings(out, view, m);
	write_latencies(out, view);
}

void metrics_write_now(FILE *out, double ledger_age_s, uint64_t scrapes)
{
	if (ledger_age_s >= 0) {
		head(out, M_LEDGER_AGE);
		fprintf(out, "%s %.6f\n", metrics[M_LEDGER_AGE].name, ledger_age_s);
	}
	head(out, M_SCRAPES);
	sample(out, M_SCRAPES, NULL, scrapes);
	process_write(out);
}

void metrics_reference(FILE *out)
{
	fputs("# Metrics\n\nWritten by `pkt-sniffer --help=metrics`; do not edit.\n\n"
	      "What `--metrics ADDR:PORT` serves under `/metrics`. All counters of a scrape belong "
	      "to one "
	      "moment: the cut\nthat the ledger takes through workers and sinks. `sink` is kind "
	      "and number, "
	      "`kafka-0`; it is empty for\nstages of a worker. `/healthz` and `/readyz` are in "
	      "[operations.md](operations.md).\n\n| name | type | labels | meaning "
	      "|\n|---|---|---|---|\n",
		out);
	for (unsigned m = 0; m < M_COUNT; m++) {
		const char *at = metrics[m].labels;

		fprintf(out, "| `%s` | %s | ", metrics[m].name, metrics[m].type);
		while (*at) {
			int len = (int)strcspn(at, ",");

			fprintf(out, "`%.*s`%s", len, at, at[len] ? ", " : "");
			at += len + (at[len] == ',');
		}
		fprintf(out, " | %s |\n", metrics[m].help);
	}
	process_reference(out);
	fputs("\n`stage_dropped_total` has a series for each reason that occurred, and from the "
	      "start, as 0, for the "
	      "losses that\nalarms wait for. Reasons and what they mean:\n\n| reason | means "
	      "|\n|---|---|\n",
		out);
	for (enum reason r = 1; r < REASON_COUNT; r++)
		fprintf(out, "| `%s` | %s |\n", reason_name(r), reason_text(r));
}
