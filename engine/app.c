#include "engine/app.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "capture/dpdk/eal.h"
#include "engine/config/config_rows.h"
#include "engine/config/feed_spec.h"
#include "engine/sources.h"
#include "engine/worker_hooks.h"
#include "publish/block.h"

/* file_line says whose messages a message file holds: the first feed's named, else Nasdaq's. */
static struct feed_line file_line(const struct feed_table *table)
{
	struct feed_line line = {.protocol = protocol_find(STR("itch50"))};

	if (table->rows_n)
		return table->rows[0];
	snprintf(line.venue, sizeof(line.venue), "%s", line.protocol->venue);
	return line;
}

int app_feeds(struct app *app, const struct config *cfg)
{
	struct feed_line *lines = calloc(cfg->feeds_n + 1, sizeof(*lines));
	char error[CONFIG_ERROR];
	uint32_t families;
	int rc = -ENOMEM;

	app->cfg = cfg;
	app->boot_id = worker_now_ns();
	app->workers_n = (unsigned)cfg->engine.workers;
	for (unsigned i = 0; lines && i < cfg->feeds_n; i++) {
		rc = feed_spec_from_config(&lines[i], &cfg->feeds[i], error);
		if (rc < 0) {
			LOG(ERROR, "feeds.%u: %s", i, error);
			goto free_lines;
		}
	}
	if (lines)
		rc = feed_table_init(&app->table, lines, cfg->feeds_n);
	if (rc < 0)
		LOG(ERROR, "feed table of %u rows: %s", cfg->feeds_n, strerror(-rc));
	if (rc == 0 && cfg->source.filter[0] != '\0') {
		rc = filter_open(&app->filter, cfg->source.filter, error);
		if (rc < 0)
			LOG(ERROR, "%s", error);
	}
	if (rc == 0 && cfg->decode.symbols[0] != '\0') {
		rc = selection_open(&app->selection, cfg->decode.symbols, error);
		if (rc < 0)
			LOG(ERROR, "decode.symbols: %s", error);
	}
	families = config_families(cfg);
	app->setup = (struct worker_setup){
		.cfg = cfg,
		.table = &app->table,
		.selection = app->selection,
		.placement = &app->placement,
		.families = families,
		.recognise = cfg->decode.recognise == RECOGNISE_ON ||
			     (cfg->decode.recognise == RECOGNISE_AUTO && cfg->feeds_n == 0 &&
				     families & FAMILIES_MD),
		.file = file_line(&app->table),
		.boot_id = app->boot_id,
	};
	app->steer = (struct steer){&app->table, app->setup.recognise, app->workers_n,
		families & (1u << FAMILY_PACKET | 1u << FAMILY_APP) ? (uint32_t)cfg->decode.buckets
								    : 0};
free_lines:
	free(lines);
	return rc;
}

/* text_params gives text: sinks what the section show says, unless their URI does. */
static int text_params(struct sink_uri *uri, const struct config *cfg, char error[256])
{
	static const char *const details[] = {"normal", "normal", "quiet", "verbose"};
	static const char *const dumps[] = {"none", "hex", "ascii"};
	const char *const params[][2] = {{"detail", details[config_detail(cfg)]},
		{"dump", dumps[cfg->show.dump]}, {"link", cfg->show.link ? "yes" : "no"}};
	int rc = 0;

	if (strcmp(uri->sink->name, "text") != 0)
		return 0;
	for (unsigned i = 0; rc == 0 && i < sizeof(params) / sizeof(params[0]); i++)
		if (!sink_param(&uri->opt, params[i][0], NULL))
			rc = sink_uri_add(uri, params[i][0], params[i][1], error);
	return rc;
}

static int sink_open(struct app *app, unsigned i)
{
	const struct config_sink *conf = &app->cfg->sinks[i];
	struct sink_uri *uri = &app->uris[i];
	char error[256];
	int rc;

	config_uri_mask(app->uri_shown[i], sizeof(app->uri_shown[i]), conf->uri);
	app->uri_texts[i] = app->uri_shown[i];
	rc = sink_uri_parse(uri, conf->uri, error);

	for (unsigned k = 0; rc == 0 && k < conf->params.n; k++)
		rc = sink_uri_add(uri, conf->params.v[k][0], conf->params.v[k][1], error);
	if (rc == 0)
		rc = text_params(uri, app->cfg, error);
	if (rc < 0) {
		LOG(ERROR, "sink %s: %s", app->uri_shown[i], error);
		return rc;
	}
	if (uri->opt.when_full == WHEN_FULL_DEFAULT)
		uri->opt.when_full = (enum when_full)conf->when_full;
	if (uri->opt.quota == 0)
		uri->opt.quota = (unsigned)conf->quota;
	uri->opt.live = config_source_kind(app->cfg) != CONFIG_FILE;
	uri->opt.batch_bytes = (uint32_t)app->cfg->batch.bytes;
	uri->opt.boot_id = app->boot_id;
	uri->opt.source = app->cfg->engine.name;
	uri->opt.workers = app->workers_n;
	rc = publisher_open(&app->publishers[i], uri, i, 0, &app->give_up, error);
	if (rc < 0) {
		LOG(ERROR, "sink %s: %s", app->uri_shown[i], error);
		return rc;
	}
	app->publishers_n++;
	return 0;
}

int app_sinks(struct app *app)
{
	int rc = monitor_open(app);

	for (unsigned i = 0; i < app->cfg->sinks_n && rc == 0; i++)
		rc = sink_open(app, i);
	if (rc < 0)
		return rc;
	rc = ledger_open(&app->ledger, app->workers_n, app->uri_texts, app->publishers_n);
	if (rc < 0)
		LOG(ERROR, "ledger: %s", strerror(-rc));
	app->setup.ledger = app->ledger;
	app->setup.latencies = &app->monitor.latencies;
	return rc < 0 ? rc : monitor_sinks(app);
}

int app_placement(struct app *app)
{
	return placement_make(&app->placement, app->cfg);
}

int app_sources(struct app *app)
{
	char error[256];
	int rc = 0;

	if (*app->cfg->source.write)
		rc = savefile_open(&app->savefile, app->cfg->source.write, error);
	if (rc < 0) {
		LOG(ERROR, "%s", error);
		return rc;
	}
	app->setup.savefile = app->savefile;
	rc = sources_open(app->sources, app->workers_n, app->cfg, app->filter, &app->steer);

	if (rc == 0)
		app->sources_n = app->workers_n;
	return rc;
}

/* intervals_open makes the accounts of --stats. A file is counted by its own time. */
static int intervals_open(struct app *app, unsigned workers)
{
	const struct config *cfg = app->cfg;
	int rc;

	if (!cfg->stats.interval_s)
		return 0;
	app->intervals = calloc(1, sizeof(*app->intervals));
	rc = app->intervals
		     ? intervals_init(app->intervals, workers, (uint32_t)cfg->stats.talkers_max,
			       (unsigned)cfg->stats.talkers, config_source_kind(cfg) == CONFIG_FILE,
			       worker_now_ns())
		     : -ENOMEM;
	if (rc < 0) {
		free(app->intervals);
		app->intervals = NULL;
	}
	app->setup.intervals = app->intervals;
	return rc;
}

/* choose_block settles how rows get to the publishers' cores. */
static void choose_block(const struct app *app)
{
	static const char *const ways[] = {"auto", "streamed", "copied", "in_place"};
	struct block_choice choice;
	int cores[2];

	placement_pair(&app->placement, cores);
	block_choose(&choice, (enum block_way)app->cfg->batch.block, cores);
	LOG(INFO,
		"rows go to batches block=%s: %s cores=%d,%d streamed_ns=%lu copied_ns=%lu "
		"in_place_ns=%lu",
		ways[choice.way], choice.why, cores[0], cores[1], choice.ns[BLOCK_STREAMED],
		choice.ns[BLOCK_COPIED], choice.ns[BLOCK_IN_PLACE]);
}

int app_workers(struct app *app)
{
	const struct config *cfg = app->cfg;
	struct streams_options opt = {
		.streams_max = (unsigned)cfg->engine.streams_max,
		.batch_bytes = (uint32_t)cfg->batch.bytes,
		.batch_events = (uint32_t)cfg->batch.events,
		.linger_ns = cfg->batch.linger_us * 1000,
		.boot_id = app->boot_id,
		.source = cfg->engine.name,
		.rings_n = app->publishers_n,
	};
	unsigned n = app->workers_n;
	int rc;

	choose_block(app);
	app->workers_n = 0;
	app->setup.losses = aligned_alloc(64, n * sizeof(*app->setup.losses));
	app->rings = calloc((size_t)n * (app->publishers_n + 1), sizeof(*app->rings));
	app->workers = aligned_alloc(64, n * ((sizeof(*app->workers) + 63) / 64 * 64));
	if (!app->rings || !app->workers || !app->setup.losses || intervals_open(app, n) < 0) {
		LOG(ERROR, "%u workers: out of memory", n);
		return -ENOMEM;
	}
	clock_open(&app->clock, &clock_system, cfg->source.interface);
	app->setup.clock = &app->clock;
	memset(app->setup.losses, 0, n * sizeof(*app->setup.losses));
	for (unsigned s = 0; s < app->publishers_n; s++)
		opt.sinks_hold += publisher_hold(app->publishers[s]);
	for (unsigned w = 0; w < n; w++) {
		struct ring **rings = &app->rings[w * app->publishers_n];

		for (unsigned s = 0; s < app->publishers_n; s++)
			rings[s] = publisher_ring(app->publishers[s], w);
		opt.worker = w;
		opt.rings = rings;
		rc = worker_init(&app->workers[w], w, &app->setup, app->sources[w], &opt);
		if (rc < 0) {
			LOG(ERROR, "worker %u: %s", w, strerror(-rc));
			return rc;
		}
		app->workers_n++;
	}
	return monitor_workers(app);
}

void app_close(struct app *app)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < app->publishers_n && !app->finished;
		i++) { /* a start that failed */
		if (i >= app->publishers_started) {
			publisher_finish(app->publishers[i], 1);
			continue;
		}
		publisher_stop(app->publishers[i], 1);
		publisher_join(app->publishers[i]);
	}
	monitor_close(app);
	for (unsigned w = 0; app->workers && w < app->workers_n; w++)
		lost += worker_close(&app->workers[w]);
	if (lost)
		LOG(ERROR, "%u batches did not come back from the sinks", lost);
	for (unsigned w = app->workers ? app->workers_n : 0; w < app->sources_n; w++)
		app->sources[w]->ops->close(app->sources[w]);
	if (app->intervals)
		intervals_free(app->intervals);
	free(app->intervals);
	if (app->savefile)
		savefile_close(app->savefile);
	ledger_close(app->ledger);
	for (unsigned i = 0; i < app->publishers_n; i++)
		publisher_close(app->publishers[i]);
	filter_close(app->filter);
	selection_close(app->selection);
	feed_table_free(&app->table);
	eal_stop();
	if (app->setup.clock)
		clock_close(&app->clock);
	free(app->setup.losses);
	free(app->rings);
	free(app->workers);
}
