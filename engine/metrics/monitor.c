#include "engine/metrics/monitor.h"

#include <stdlib.h>

#include "base/log.h"
#include "engine/app.h"

int monitor_open(struct app *app)
{
	const char *listen = app->cfg->metrics.listen;
	char error[256];
	int rc;

	if (!*listen)
		return 0;
	rc = server_open(&app->monitor.server, listen, error);
	if (rc < 0)
		LOG(ERROR, "metrics.listen: %s", error);
	else
		LOG(INFO, "metrics are served address=%s", listen);
	return rc;
}

int monitor_sinks(struct app *app)
{
	struct latencies *l = &app->monitor.latencies;
	int rc = 0;

	for (unsigned s = 0; s < app->publishers_n && rc == 0; s++) {
		const struct publisher_latency *lat = publisher_latency(app->publishers[s]);
		const char *uri = app->uri_texts[s];

		snprintf(app->monitor.sinks[s].name, sizeof(app->monitor.sinks[s].name), "%s-%u",
			app->uris[s].sink->name, s);
		rc = latencies_add(l, HOP_BATCH_TO_PUBLISHER, (int)s, uri, &lat->ring);
		rc = rc < 0 ? rc
			    : latencies_add(l, HOP_PUBLISHER_TO_SINK, (int)s, uri, &lat->submit);
		rc = rc < 0 ? rc
			    : latencies_add(l, HOP_CAPTURE_TO_SINK, (int)s, uri, &lat->capture);
		rc = rc < 0 ? rc : latencies_add(l, HOP_BATCH_TO_ACK, (int)s, uri, &lat->ack);
	}
	if (rc < 0)
		LOG(ERROR, "latencies: out of memory");
	return rc;
}

int monitor_workers(struct app *app)
{
	struct latencies *l = &app->monitor.latencies;
	int rc = 0;

	for (unsigned w = 0; w < app->workers_n && rc == 0; w++) {
		rc = latencies_add(l, HOP_CAPTURE_TO_WORKER, -1, "", &app->workers[w].taken);
		rc = rc < 0 ? rc
			    : latencies_add(l, HOP_WORKER_TO_BATCH, -1, "",
				      streams_latency(app->workers[w].streams));
	}
	if (rc < 0)
		LOG(ERROR, "latencies: out of memory");
	return rc;
}

/* source_away says whether a worker waits for the interface to come back. */
static bool source_away(const struct app *app)
{
	for (unsigned w = 0; w < app->workers_n; w++)
		if (app->workers[w].source->away)
			return true;
	return false;
}

/* look refreshes what the sinks say; why: what is not ready, a line each. */
static void look(struct app *app, char why[READY_TEXT])
{
	size_t len = 0;

	why[0] = '\0';
	if (source_away(app))
		len = (size_t)snprintf(
			why, READY_TEXT, "interface %s is away\n", app->cfg->source.interface);
	for (unsigned s = 0; s < app->publishers_n; s++) {
		struct metrics_sink *sink = &app->monitor.sinks[s];
		const char *what = NULL;

		publisher_facts(app->publishers[s], &sink->facts);
		if (publisher_state(app->publishers[s]) != PUBLISHER_RUNNING)
			what = "has ended";
		else if (!sink->facts.ready)
			what = "waits for subscribers";
		else if (!sink->facts.state.connected)
			what = "is not connected";
		sink->up = !what;
		if (what && len < READY_TEXT)
			len += (size_t)snprintf(
				why + len, READY_TEXT - len, "sink %s %s\n", sink->name, what);
	}
}

/* render writes all metrics. Returns  text for free, or NULL */
static char *render(struct app *app, const struct ledger_report *report, size_t *len)
{
	struct metrics_view view = {report, &app->monitor.latencies, app->monitor.sinks,
		app->publishers_n, &app->clock};
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (!out)
		return NULL;
	metrics_write(out, &view);
	fclose(out);
	return text;
}

bool monitor_poll(struct app *app, const char *why)
{
	struct server *server = app->monitor.server;
	char asleep[READY_TEXT];

	if (!server)
		return false;
	look(app, asleep);
	server_ready(server, why ? why : asleep);
	return server_wanted(server);
}

void monitor_put(struct app *app, const struct ledger_report *report)
{
	struct server *server = app->monitor.server;
	size_t len;
	char *text;

	if (!server)
		return;
	latencies_read(&app->monitor.latencies);
	text = render(app, report, &len);
	if (text)
		server_put(server, text, len, report != NULL);
}

void monitor_close(struct app *app)
{
	server_close(app->monitor.server);
	app->monitor.server = NULL;
	latencies_free(&app->monitor.latencies);
}
