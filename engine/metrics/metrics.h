/* metrics: what the program counts, in the text format that Prometheus reads (0.0.4).
 *
 * A label never holds an address or a symbol: sinks are called "kafka-0", kind and number. */
#pragma once

#include "engine/clock.h"
#include "engine/metrics/latencies.h"
#include "publish/ledger.h"
#include "publish/publisher.h"

struct metrics_sink {
	char name[32]; /* "kafka-0" */
	bool up;
	struct publisher_facts facts;
};

/* metrics_view is what one scrape shows; borrowed. */
struct metrics_view {
	const struct ledger_report *ledger; /* NULL before the first cut */
	const struct latencies *latencies;
	const struct metrics_sink *sinks; /* in the order of the ledger */
	unsigned sinks_n;
	const struct clock *clock;
};

/* metrics_write writes all metrics but those of the moment; metrics_write_now those: age of the
 * cut, scrapes served, the process. */
void metrics_write(FILE *out, const struct metrics_view *view);
void metrics_write_now(FILE *out, double ledger_age_s, uint64_t scrapes);

/* metrics_reference writes docs/metrics.md. */
void metrics_reference(FILE *out);
