/* app: the program put together from its rooms. main.c calls these in the order of the data, and
 * back. */
#pragma once

#include "analyze/interval.h"
#include "capture/filter.h"
#include "engine/config/cli.h"
#include "engine/metrics/monitor.h"
#include "engine/placement.h"
#include "engine/steer.h"
#include "engine/worker.h"
#include "publish/publisher.h"

struct app {
	const struct config *cfg;
	uint64_t boot_id;
	struct feed_table table;
	struct steer steer;
	struct filter *filter;
	struct placement placement;
	struct selection *selection; /* of instruments; NULL = all */
	struct sink_uri uris[SINKS_MAX];
	char uri_shown[SINKS_MAX][256]; /* without passwords: for logs and the ledger */
	const char *uri_texts[SINKS_MAX];
	struct publisher *publishers[SINKS_MAX];
	unsigned publishers_n, publishers_started;
	struct ledger *ledger;
	struct savefile *savefile;   /* -w, or NULL */
	struct intervals *intervals; /* --stats, or NULL */
	struct worker_setup setup;
	struct clock clock;
	struct source *sources[WORKERS_MAX];
	struct ring **rings; /* [worker * publishers_n + sink] */
	struct worker *workers;
	unsigned workers_n, sources_n;
	atomic_bool give_up;          /* a blocked push drops instead */
	uint64_t requested, reported; /* numbers of the newest ledger report asked for, and seen */
	bool event_due, print_due;    /* what becomes of the next one */
	struct monitor monitor;
	bool source_told, save_told, sink_told[SINKS_MAX]; /* their error was logged */
	unsigned asked;                                    /* how often signals asked it to end */
	uint64_t deadline_ns; /* until when sinks may flush; 0 = as long as they need */
	bool finished;        /* app_stop has been through */
};

/* Each returns 0, or -errno with one line logged that says what, where and what to do. app_close
 * undoes whatever was done. */
int app_feeds(struct app *app, const struct config *cfg); /* the feed table, the filter */
int app_sources(struct app *app);                         /* starts EAL, where it is wanted */
int app_placement(struct app *app); /* before rights are dropped: EAL's threads keep theirs */
int app_sinks(struct app *app);     /* its threads have the rights that are left by then */
int app_workers(struct app *app);
int app_start(struct app *app);

/* app_wait runs until the source ends, a sink breaks or a signal says stop; reports the ledger
 * meanwhile. Returns  exit_status so far */
int app_wait(struct app *app);

/* app_stop joins the workers, flushes the sinks and prints the ledger. Returns the final
 * exit_status. */
int app_stop(struct app *app, int status);
void app_close(struct app *app);
