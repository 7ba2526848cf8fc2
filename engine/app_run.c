#include "engine/app.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "engine/signals.h"

enum { HURRY_NS = 200000000 }; /* that sinks get after a second Ctrl-C */

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* sinks_ready waits for those that want subscribers first. Returns 0, or -EINTR when a signal came.
 */
static int sinks_ready(struct app *app)
{
	bool told = false;

	for (unsigned i = 0; i < app->publishers_n; i++) {
		while (!publisher_ready(app->publishers[i])) {
			if (!told)
				LOG(INFO, "waiting for subscribers sink=%s", app->uri_texts[i]);
			told = true;
			monitor_poll(app, NULL);
			switch (signals_next(10)) {
			case SIGINT:
			case SIGTERM:
				return -EINTR;
			}
		}
	}
	return 0;
}

int app_start(struct app *app)
{
	int rc = sinks_ready(app);

	if (rc < 0) {
		LOG(NOTICE, "stopped while waiting for subscribers");
		return rc;
	}
	for (; app->publishers_started < app->publishers_n; app->publishers_started++) {
		rc = publisher_start(app->publishers[app->publishers_started]);
		if (rc < 0)
			goto failed;
	}
	for (unsigned w = 0; w < app->workers_n; w++) {
		rc = worker_start(&app->workers[w]);
		if (rc < 0)
			goto failed;
	}
	return 0;
failed:
	LOG(ERROR, "thread: %s", strerror(-rc));
	for (unsigned w = 0; w < app->workers_n; w++) {
		atomic_store(&app->workers[w].stop, true);
		worker_join(&app->workers[w]);
	}
	return rc;
}

/* sources_status looks whether all sources have ended. Returns -1 while one runs, else an
 * exit_status. */
static int sources_status(struct app *app)
{
	int status = STATUS_OK;

	for (unsigned w = 0; w < app->workers_n; w++) {
		const struct source *src = app->workers[w].source;

		if (atomic_load_explicit(&app->workers[w].state, memory_order_acquire) == 0)
			return -1;
		if (src->end == SOURCE_TRUNCATED || src->end == SOURCE_DAMAGED)
			status = STATUS_INPUT;
		else if (src->end != SOURCE_END)
			status = STATUS_FAILED;
		if (status != STATUS_OK && !app->source_told)
			LOG(ERROR, "%s", src->error);
		app->source_told |= status != STATUS_OK;
	}
	return status;
}

/* sinks_status says whether a sink has broken. */
static int sinks_status(struct app *app)
{
	int status = STATUS_OK;

	for (unsigned i = 0; i < app->publishers_n; i++) {
		if (publisher_state(app->publishers[i]) != PUBLISHER_BROKEN)
			continue;
		if (!app->sink_told[i])
			LOG(ERROR, "sink %s: %s", app->uri_texts[i],
				publisher_error(app->publishers[i]));
		app->sink_told[i] = true;
		status = STATUS_FAILED;
	}
	return status;
}

/* save_status says whether -w could write everything. */
static int save_status(struct app *app)
{
	const char *error = app->savefile ? savefile_error(app->savefile) : "";

	if (!*error)
		return STATUS_OK;
	if (!app->save_told)
		LOG(ERROR, "%s", error);
	app->save_told = true;
	return STATUS_FAILED;
}

static bool ring_stopped(struct app *app)
{
	for (unsigned w = 0; w < app->workers_n; w++)
		if (streams_stopped(app->workers[w].streams))
			return true;
	return false;
}

static void print_accounts(struct app *app, const struct ledger_report *report)
{
	ledger_print(report, stderr, false);
	latencies_read(&app->monitor.latencies);
	latencies_print(&app->monitor.latencies, stderr);
}

/* take_report does with a complete report what is due: metrics, an event, print. Returns whether
 * there was one. */
static bool take_report(struct app *app)
{
	const struct ledger_report *report = ledger_collect(app->ledger);

	if (!report || report->number == app->reported)
		return false;
	app->reported = report->number;
	if (!ledger_balances(report))
		LOG(ERROR, "the ledger does not add up: this is a fault of the program, please "
			   "report it");
	monitor_put(app, report);
	if (app->print_due)
		print_accounts(app, report);
	if (app->event_due) {
		latencies_sample(&app->monitor.latencies);
		atomic_store_explicit(&app->workers[0].report, report, memory_order_release);
	}
	app->print_due = app->event_due = false;
	return true;
}

/* sent says that no report waits to be sent: only then may another be asked for. */
static bool sent(struct app *app)
{
	return !atomic_load_explicit(&app->workers[0].report, memory_order_acquire);
}

/* asked notes that a signal wants the end: the first one gives sinks the time to flush, each other
 * hurries. */
static void asked(struct app *app)
{
	uint64_t more_ns = app->cfg->stop.flush_ms * 1000000ull + 1;

	app->deadline_ns = monotonic_ns() + (app->asked++ ? HURRY_NS : more_ns);
}

/* asked_again waits for a signal. Returns whether one came that wants the end */
static bool asked_again(struct app *app, int timeout_ms)
{
	int sig = signals_next(timeout_ms);

	if (sig != SIGINT && sig != SIGTERM)
		return false;
	asked(app);
	return true;
}

/* stats_poll ends an interval of --stats when it is time, or when last says so, and hands its report
 * to worker 0. Returns whether there is nothing more to come. */
static bool stats_poll(struct app *app, bool last)
{
	struct intervals *iv = app->intervals;
	const struct interval_report *report;
	uint64_t now_ns;

	if (!iv || atomic_load_explicit(&app->workers[0].stats, memory_order_acquire))
		return !iv;
	now_ns = realtime_ns();
	if (!iv->pending &&
		(last || now_ns - iv->start_ns >= app->cfg->stats.interval_s * 1000000000ull))
		intervals_turn(iv, now_ns);
	report = intervals_collect(iv);
	if (report)
		atomic_store_explicit(&app->workers[0].stats, report, memory_order_release);
	return !iv->pending;
}

/* stopping says whether the last report should wait no longer: at a stop it has little time, at the
 * end of a source all it needs, unless a signal comes. */
static bool stopping(struct app *app, uint64_t deadline_ns)
{
	return asked_again(app, 1) || (deadline_ns && monotonic_ns() >= deadline_ns);
}

/* settle waits until no cut is under way and no report waits to be sent. Returns false when there is
 * no time left for it. */
static bool settle(struct app *app, uint64_t deadline_ns)
{
	while (app->requested != app->reported || !sent(app)) {
		if (stopping(app, deadline_ns))
			return false;
		take_report(app);
	}
	return true;
}

/* last_stats makes a report of what the last interval has so far. */
static void last_stats(struct app *app, uint64_t deadline_ns)
{
	bool turned = false;

	while (app->intervals && !stopping(app, deadline_ns)) {
		bool idle = !atomic_load_explicit(&app->workers[0].stats, memory_order_acquire) &&
			    !app->intervals->pending;

		if (idle && turned)
			return;
		stats_poll(app, !turned);
		turned |= idle;
	}
}

/* last_report sends the accounts once more as the last event. deadline_ns: 0 = none */
static void last_report(struct app *app, uint64_t deadline_ns)
{
	if (!settle(app, deadline_ns))
		return;
	app->event_due = true;
	app->requested = ledger_request_last(app->ledger);
	settle(app, deadline_ns);
}

/* watch_clock tells of a step of the clock: in the log, and as an event. */
static void watch_clock(struct app *app)
{
	int64_t step_ns = clock_look(&app->clock);

	if (!step_ns)
		return;
	LOG(WARN,
		"the system clock was set: receive times before and after are not comparable "
		"step_ns=%ld",
		step_ns);
	atomic_fetch_add_explicit(&app->workers[0].clock_step_ns, step_ns, memory_order_relaxed);
}

int app_wait(struct app *app)
{
	uint64_t interval_ns = app->cfg->ledger.interval_s * 1000000000ull;
	uint64_t due_ns = monotonic_ns() + interval_ns;
	bool wanted = false;

	monitor_put(app, NULL);
	for (;;) {
		uint64_t deadline_ns = 0;
		int status = -1;

		switch (signals_next(wanted ? 1 : 20)) {
		case SIGINT:
		case SIGTERM:
			asked(app);
			status = sinks_status(app);
			deadline_ns = monotonic_ns() + 200000000ull;
			break;
		case SIGUSR1:
			app->print_due = true;
			break;
		}
		if (status < 0)
			status = sources_status(app);
		watch_clock(app);
		save_status(app); /* the events go on */
		stats_poll(app, false);
		if (sinks_status(app) != STATUS_OK)
			return STATUS_FAILED;
		if (ring_stopped(app)) {
			LOG(ERROR, "a sink was full and its when_full says stop");
			return STATUS_FAILED;
		}
		if (status >= 0) {
			last_stats(app, deadline_ns);
			last_report(app, deadline_ns);
			return status;
		}
		wanted = monitor_poll(app, NULL);
		if (interval_ns && monotonic_ns() >= due_ns) {
			app->event_due = true;
			due_ns += interval_ns;
		}
		if ((wanted || app->print_due || app->event_due) && sent(app))
			app->requested = ledger_request(app->ledger);
		take_report(app);
	}
}

static void stages_of(void *ctx, unsigned w, struct ledger_cut *cut)
{
	struct app *app = ctx;

	worker_stages(&app->workers[w], cut);
	streams_stage(app->workers[w].streams, cut);
}

/* log_lines tells how the lines of each channel did against each other. */
static void log_lines(const struct app *app)
{
	for (unsigned w = 0; w < app->workers_n; w++) {
		const struct feeds *fs = &app->workers[w].feeds;

		for (uint32_t c = 0; c < fs->channels_n; c++) {
			const struct channel *ch = &fs->channels[c];

			if ((ch->lines_seen & (ch->lines_seen - 1)) == 0)
				continue;
			for (int l = 0; l < CHANNEL_LINES_MAX; l++) {
				const struct line_stats *line = &ch->lines[l];

				if (ch->lines_seen >> l & 1)
					LOG(INFO,
						"line venue=%s channel=%u line=%c first=%lu "
						"again=%lu ahead=%lu "
						"lead_mean_ns=%lu lead_max_ns=%lu",
						ch->venue, ch->number, 'A' + l, line->first,
						line->duplicate, line->leads,
						line->leads ? line->lead_sum_ns / line->leads : 0,
						line->lead_max_ns);
			}
		}
	}
}

/* log_gaps tells how much never came, which no stage of the ledger can count. */
static void log_gaps(const struct ledger_report *report)
{
	uint64_t by_cause[LEDGER_CAUSES] = {0}, gaps = 0, lost = 0;

	for (unsigned w = 0; w < report->workers; w++)
		for (unsigned c = 0; c < LEDGER_CAUSES; c++) {
			by_cause[c] += report->facts[w].gaps[c];
			gaps += report->facts[w].gaps[c];
			lost += report->facts[w].messages_lost[c];
		}
	if (gaps)
		LOG(NOTICE,
			"sequences had gaps, each of which is a GapEvent gaps=%lu "
			"messages_lost=%lu upstream=%lu local=%lu undecided=%lu",
			gaps, lost, by_cause[GAP_EVENT_CAUSE_UPSTREAM],
			by_cause[GAP_EVENT_CAUSE_LOCAL], by_cause[GAP_EVENT_CAUSE_UNDECIDED]);
}

/* print_numbers writes the three that tcpdump ends with. */
static void print_numbers(const struct app *app)
{
	uint64_t captured = 0, received = 0, lost = 0;

	for (unsigned w = 0; w < app->workers_n; w++) {
		struct source *src = app->workers[w].source;
		struct source_stats stats = {0};

		src->ops->stats(src, &stats);
		captured += app->workers[w].counts.packets;
		received += stats.received - stats.filtered;
		lost += stats.dropped[REASON_kernel_drop] + stats.dropped[REASON_nic_missed] +
			stats.dropped[REASON_nic_error] + stats.dropped[REASON_no_mbuf];
	}
	fprintf(stderr,
		"%lu packets captured\n%lu packets received by filter\n"
		"%lu packets dropped by kernel\n",
		captured, received + lost, lost);
}

/* join_workers lets them bring what they have into the rings; a second Ctrl-C or the deadline makes
 * blocked pushes drop. */
static void join_workers(struct app *app)
{
	for (unsigned w = 0; w < app->workers_n; w++)
		atomic_store(&app->workers[w].stop, true);
	for (unsigned w = 0; w < app->workers_n; w++) {
		while (atomic_load_explicit(&app->workers[w].state, memory_order_acquire) == 0) {
			asked_again(app, 2);
			if (app->asked > 1 ||
				(app->deadline_ns && monotonic_ns() >= app->deadline_ns))
				atomic_store(&app->give_up, true);
		}
		worker_join(&app->workers[w]);
	}
}

int app_stop(struct app *app, int status)
{
	const struct ledger_report *report;
	uint64_t purged = 0, undelivered;

	monitor_poll(app, "stopping\n");
	if (sources_status(app) < 0 && !app->deadline_ns) /* a sink or a policy ends it */
		app->deadline_ns = monotonic_ns() + app->cfg->stop.flush_ms * 1000000ull + 1;
	join_workers(app);
	for (unsigned i = 0; i < app->publishers_n; i++)
		publisher_stop(app->publishers[i], app->deadline_ns);
	for (unsigned i = 0; i < app->publishers_n; i++) {
		while (publisher_state(app->publishers[i]) == PUBLISHER_RUNNING) {
			if (asked_again(app, 10))
				for (unsigned k = 0; k < app->publishers_n; k++)
					publisher_hurry(app->publishers[k], app->deadline_ns);
		}
		publisher_join(app->publishers[i]);
		purged += publisher_purged(app->publishers[i]);
		undelivered = publisher_undelivered(app->publishers[i]);
		if (undelivered) {
			LOG(ERROR,
				"sink %s: events were refused or not taken in time, see its drops "
				"in "
				"the ledger events=%lu",
				app->uri_texts[i], undelivered);
			status = STATUS_FAILED;
		}
	}
	app->finished = true;
	if (sinks_status(app) != STATUS_OK || save_status(app) != STATUS_OK)
		status = STATUS_FAILED;
	log_lines(app);
	report = ledger_final(app->ledger, app->rings, stages_of, app);
	log_gaps(report);
	monitor_put(app, report);
	if (log_wanted(LOG_LEVEL_INFO)) {
		print_numbers(app);
		print_accounts(app, report);
	}
	if (!ledger_balances(report)) {
		LOG(ERROR, "the ledger does not add up: this is a fault of the program, please "
			   "report it");
		status = STATUS_FAILED;
	}
	if (purged && status == STATUS_OK)
		status = STATUS_PURGED;
	return status;
}
