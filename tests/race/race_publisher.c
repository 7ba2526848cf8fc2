/* Race: two workers, two publishers and ledger cuts, all on threads of their own; then stop, hurry
 * and give up while they run. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/publish_rig.h"

enum { WORKERS = 2, EVENTS = 40000 };

struct worker {
	struct rig *rig;
	unsigned w;
	atomic_bool done;
};

static atomic_bool end; /* workers go on answering cuts until then */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	printf("not ok - %s\n", what);
	exit(1);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct rig *rig = worker->rig;
	struct streams *ws = rig->ws[worker->w];
	uint64_t now_ns = 1;

	for (unsigned i = 0; i < EVENTS || !atomic_load(&end); i += 8) {
		struct ledger_cut *cut = ledger_cut_begin(rig->ledger, worker->w);

		if (i < EVENTS) {
			struct stream *s = rig_stream(
				rig, worker->w, DOMAIN_MD, "XNAS", worker->w * 4 + i / 8 % 4);

			streams_time(ws, now_ns += 1000);
			rig_mbo(rig, worker->w, s, i, 8);
		} else {
			atomic_store(&worker->done, true);
			usleep(100);
		}
		streams_poll(ws, now_ns);
		if (cut)
			streams_cut(ws, cut);
	}
	streams_flush(ws);
	return NULL;
}

static uint64_t soon_ns(uint64_t more_ns)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec + more_ns;
}

/* run starts all, takes cuts while they run, and stops them; early: in the middle. */
static void run(const struct rig_options *opt, bool early, const char *what)
{
	struct worker workers[WORKERS] = {0};
	pthread_t threads[WORKERS];
	unsigned cuts = 0;
	struct rig rig;

	atomic_store(&end, false);
	must(rig_open(&rig, opt) == 0, rig.error);
	for (unsigned s = 0; s < rig.sinks_n; s++)
		must(publisher_start(rig.pubs[s]) == 0, "publisher_start");
	for (unsigned w = 0; w < WORKERS; w++) {
		workers[w].rig = &rig;
		workers[w].w = w;
		must(pthread_create(&threads[w], NULL, work, &workers[w]) == 0, "thread");
	}
	while (cuts < 50 || !atomic_load(&workers[0].done) || !atomic_load(&workers[1].done)) {
		const struct ledger_report *report;

		ledger_request(rig.ledger);
		while (!(report = ledger_collect(rig.ledger)))
			usleep(50);
		must(ledger_balances(report), "a cut balances");
		cuts++;
		if (early && cuts == 20)
			break;
	}
	atomic_store(&end, true);
	if (early)
		atomic_store(&rig.give_up, true);
	for (unsigned w = 0; w < WORKERS; w++)
		pthread_join(threads[w], NULL);
	for (unsigned s = 0; s < rig.sinks_n; s++)
		publisher_stop(rig.pubs[s], early ? soon_ns(500000000) : 0);
	if (early)
		for (unsigned s = 0; s < rig.sinks_n; s++)
			publisher_hurry(rig.pubs[s], soon_ns(1000000));
	for (unsigned s = 0; s < rig.sinks_n; s++)
		publisher_join(rig.pubs[s]);
	must(ledger_balances(rig_report(&rig)), "the final report balances");
	for (unsigned s = 0; s < rig.sinks_n; s++) {
		struct ledger_stage st = rig_count(&rig, s);

		must(st.entered == WORKERS * EVENTS && st.held == 0,
			"all events are accounted for");
		must(early || st.left + st.dropped[REASON_ring_full] +
						st.dropped[REASON_ring_evicted] ==
					st.entered,
			"nothing is lost otherwise");
	}
	must(rig_close(&rig) == 0, "every batch comes back");
	printf("ok - publisher: %s, %u cuts\n", what, cuts);
}

int main(void)
{
	struct rig_options opt = {
		.uris = {"null:", "file:/dev/null"},
		.workers = WORKERS,
		.batch_events = 11,
		.depth = 4,
	};

	run(&opt, false, "block");
	run(&opt, true, "block, stopped early");
	opt.when_full[0] = WHEN_FULL_DROP_NEWEST;
	opt.when_full[1] = WHEN_FULL_DROP_OLDEST;
	run(&opt, false, "drop");
	run(&opt, true, "drop, stopped early");
	return 0;
}
