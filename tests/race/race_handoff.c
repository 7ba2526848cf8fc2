/* Race: four workers on threads of their own hand packets on, two of them without a queue; lanes
 * are small enough to fill and to wrap. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/handoff_rig.h"

enum { QUEUES = 2, WORKERS = 4, PACKETS = 60000 };

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	printf("not ok - %s\n", what);
	exit(1);
}

static void *work(void *arg)
{
	struct rig_worker *w = arg;
	struct source_stats stats;

	while (w->src->end == SOURCE_RUNNING) {
		if (rig_worker_burst(w, BURST_MAX) == 0)
			w->src->ops->wait(w->src, 500);
		w->src->ops->stats(w->src, &stats);
		if (w->index == WORKERS - 1 && w->n < 2000)
			usleep(20000); /* late enough to find its lanes full */
	}
	return NULL;
}

int main(void)
{
	static struct handoff_rig rig;
	pthread_t threads[WORKERS];
	struct source_stats sum;
	unsigned arrived = 0, missing = 0;

	handoff_rig_open(&rig, QUEUES, WORKERS, PACKETS);
	for (unsigned w = 0; w < WORKERS; w++)
		must(pthread_create(&threads[w], NULL, work, &rig.workers[w]) == 0, "a thread");
	for (unsigned w = 0; w < WORKERS; w++)
		pthread_join(threads[w], NULL);
	for (unsigned w = 0; w < WORKERS; w++) {
		must(rig.workers[w].wrong == NULL, rig.workers[w].wrong);
		must(rig.workers[w].src->end == SOURCE_END, "every worker ends");
		must(rig.workers[w].n > 0, "every worker gets packets");
		arrived += rig.workers[w].n;
		missing += rig.workers[w].missing;
	}
	sum = handoff_rig_sum(&rig);
	must(sum.received == arrived, "packets are counted where they arrive");
	must(arrived + sum.dropped[REASON_handoff_full] == QUEUES * PACKETS,
		"a packet arrives or is counted");
	must(missing <= sum.dropped[REASON_handoff_full], "numbers left out are what was dropped");
	handoff_rig_close(&rig);
	printf("ok - %u packets arrived, %lu found a lane full\n", arrived,
		sum.dropped[REASON_handoff_full]);
	return 0;
}
