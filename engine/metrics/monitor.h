/* monitor: what ties latencies and the metrics server to the running program. All of it is done by
 * the control thread. */
#pragma once

#include "engine/metrics/latencies.h"
#include "engine/metrics/metrics.h"
#include "engine/metrics/server.h"

struct app;

struct monitor {
	struct latencies latencies;
	struct server *server; /* NULL without metrics.listen */
	struct metrics_sink sinks[SINKS_MAX];
};

/* monitor_open starts the server, if one is wanted; before EAL pins threads. monitor_sinks and
 * monitor_workers tell it of what there is to measure.
 * Returns  0, or -errno with one line logged */
int monitor_open(struct app *app);
int monitor_sinks(struct app *app);
int monitor_workers(struct app *app);

/* monitor_poll says whether a scrape waits for a cut; call it a few times a second. why: what
 * /readyz says instead of looking at the sinks ("starting"), NULL = look. */
bool monitor_poll(struct app *app, const char *why);

/* monitor_put shows a cut of the ledger from now on. */
void monitor_put(struct app *app, const struct ledger_report *report);

void monitor_close(struct app *app);
