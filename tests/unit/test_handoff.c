/* Packets handed on between workers: without threads, step by step; with them in tests/race. */
#include <criterion/criterion.h>
#include <errno.h>
#include <time.h>

#include "tests/support/handoff_rig.h"

static struct handoff_rig rig;

static bool all_ended(void)
{
	for (unsigned w = 0; w < rig.workers_n; w++)
		if (rig.workers[w].src->end == SOURCE_RUNNING)
			return false;
	return true;
}

/* turns lets each worker take a burst by turns until all have ended. */
static void turns(unsigned max)
{
	for (unsigned i = 0; i < 100000 && !all_ended(); i++)
		for (unsigned w = 0; w < rig.workers_n; w++)
			rig_worker_burst(&rig.workers[w], max);
	cr_assert(all_ended());
}

static unsigned arrived(void)
{
	unsigned n = 0;

	for (unsigned w = 0; w < rig.workers_n; w++) {
		cr_assert_null(rig.workers[w].wrong, "worker %u: %s", w, rig.workers[w].wrong);
		n += rig.workers[w].n;
	}
	return n;
}

static unsigned missing(void)
{
	unsigned n = 0;

	for (unsigned w = 0; w < rig.workers_n; w++)
		n += rig.workers[w].missing;
	return n;
}

Test(handoff, every_packet_arrives_once_at_its_owner_in_order)
{
	for (unsigned workers = 1; workers <= 5; workers++) {
		for (unsigned queues = 1; queues <= workers && queues <= 4; queues *= 2) {
			struct source_stats sum;

			handoff_rig_open(&rig, queues, workers, 5000);
			turns(workers == 3 ? 7 : BURST_MAX);
			sum = handoff_rig_sum(&rig);
			cr_assert_eq(arrived(), queues * 5000,
				"%u workers, %u queues: %u arrived, %lu found a lane full", workers,
				queues, arrived(), sum.dropped[REASON_handoff_full]);
			cr_assert_eq(missing(), 0);
			cr_assert_eq(sum.received, queues * 5000);
			cr_assert_eq(sum.dropped[REASON_handoff_full], 0);
			cr_assert_eq(sum.dropped[REASON_kernel_drop],
				queues * 10 + queues * (queues - 1) / 2, "the queues' own losses");
			for (unsigned w = 0; w < queues; w++)
				sum.received_bytes -= rig.queues[w].bytes;
			cr_assert_eq(sum.received_bytes, 0);
			for (unsigned w = 0; w < workers; w++)
				cr_assert_eq(rig.workers[w].src->end, SOURCE_END);
			handoff_rig_close(&rig);
			for (unsigned w = 0; w < workers; w++)
				cr_assert_eq(rig.queues[w].closed, w < queues);
		}
	}
}

Test(handoff, a_full_lane_loses_new_packets_and_counts_them)
{
	struct source_stats sum, first;
	unsigned early;

	handoff_rig_open(&rig, 1, 2, 20000); /* 16 MB for worker 0 and 1, a lane of 1 MiB */
	while (rig_worker_burst(&rig.workers[0], BURST_MAX) > 0)
		cr_assert_eq(rig.workers[1].n, 0);
	rig.workers[0].src->ops->stats(rig.workers[0].src, &first);
	cr_assert_gt(first.dropped[REASON_handoff_full], 0);
	cr_assert_gt(first.held, 500, "what waits in the lane is held, not forgotten");
	cr_assert_eq(first.held, first.received - rig.workers[0].n);
	cr_assert_eq(first.received + first.dropped[REASON_handoff_full], 20000);
	cr_assert_eq(rig.workers[0].src->end, SOURCE_END);
	turns(BURST_MAX);
	sum = handoff_rig_sum(&rig);
	early = rig.workers[1].n;
	cr_assert_gt(early, 500, "what fitted is kept: %u", early);
	cr_assert_eq(arrived() + sum.dropped[REASON_handoff_full], 20000);
	cr_assert_eq(sum.received, arrived());
	cr_assert_eq(sum.held, 0);
	for (unsigned f = 0; f < RIG_FLOWS; f++)
		cr_assert(rig.workers[1].next[f] < 100, "the oldest ones were kept");
	handoff_rig_close(&rig);
}

Test(handoff, a_patient_queue_waits_where_a_lane_is_full)
{
	struct source_stats first;

	handoff_rig_open_patient(&rig, 2, 20000);
	for (unsigned i = 0; i < 3000; i++) /* worker 1 does not read: the lane fills */
		rig_worker_burst(&rig.workers[0], BURST_MAX);
	rig.workers[0].src->ops->stats(rig.workers[0].src, &first);
	cr_assert_lt(rig.queues[0].at, 20000, "it went on asking");
	cr_assert_eq(first.dropped[REASON_handoff_full], 0);
	cr_assert_eq(first.held, first.received - rig.workers[0].n);
	turns(BURST_MAX);
	cr_assert_eq(arrived(), 20000);
	cr_assert_eq(missing(), 0);
	cr_assert_eq(handoff_rig_sum(&rig).held, 0);
	handoff_rig_close(&rig);
}

Test(handoff, a_lane_takes_again_when_it_was_read)
{
	handoff_rig_open(&rig, 1, 2, 200000);
	for (unsigned round = 0; !all_ended(); round++) {
		for (unsigned i = 0; i < 5 + round % 30; i++)
			rig_worker_burst(&rig.workers[0], BURST_MAX);
		while (rig_worker_burst(&rig.workers[1], 1 + round % BURST_MAX) > 0)
			;
	}
	cr_assert_eq(arrived(), 200000);
	cr_assert_eq(missing(), 0);
	handoff_rig_close(&rig);
}

Test(handoff, no_lane_is_left_waiting_by_a_busy_one)
{
	handoff_rig_open(&rig, 4, 5, 4000); /* worker 4 has lanes alone */
	for (unsigned i = 0; i < 20; i++)
		for (unsigned w = 0; w < 4; w++)
			rig_worker_burst(&rig.workers[w], BURST_MAX);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(rig_worker_burst(&rig.workers[4], 20), 20);
	for (unsigned q = 0; q < 4; q++) {
		unsigned got = 0;

		for (unsigned f = q; f < RIG_FLOWS; f += 4)
			got += rig.workers[4].next[f];
		cr_assert_gt(got, 0, "nothing of queue %u", q);
	}
	handoff_rig_close(&rig);
}

Test(handoff, how_a_queue_ended_is_said_by_its_worker)
{
	static const struct {
		enum source_end how, said;
		int rc;
	} cases[] = {{SOURCE_GONE, SOURCE_GONE, 0}, {SOURCE_TRUNCATED, SOURCE_TRUNCATED, 0},
		{SOURCE_GONE, SOURCE_GONE, -EIO}, {SOURCE_RUNNING, SOURCE_GONE, -EIO}};

	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		handoff_rig_open(&rig, 2, 3, 1000);
		rig.queues[1].how = cases[c].how;
		rig.queues[1].rc = cases[c].rc;
		rig.queues[1].why = "eth1: went away";
		turns(BURST_MAX);
		cr_assert_eq(arrived(), 2000);
		cr_assert_eq(rig.workers[0].src->end, SOURCE_END);
		cr_assert_eq(rig.workers[1].src->end, cases[c].said);
		cr_assert_str_eq(rig.workers[1].src->error, "eth1: went away");
		cr_assert_eq(rig.workers[2].src->end, SOURCE_END);
		handoff_rig_close(&rig);
	}
}

Test(handoff, nobody_ends_while_a_queue_runs)
{
	handoff_rig_open(&rig, 2, 3, 1000);
	rig.queues[1].how = SOURCE_RUNNING; /* quiet, not at its end */
	for (unsigned i = 0; i < 1000; i++)
		for (unsigned w = 0; w < 3; w++)
			rig_worker_burst(&rig.workers[w], BURST_MAX);
	cr_assert_eq(arrived(), 2000);
	for (unsigned w = 0; w < 3; w++)
		cr_assert_eq(rig.workers[w].src->end, SOURCE_RUNNING);
	rig.queues[1].how = SOURCE_END;
	turns(BURST_MAX);
	handoff_rig_close(&rig);
}

Test(handoff, waiting_is_the_queues_and_short_where_others_hand_on)
{
	struct timespec before, after;

	handoff_rig_open(&rig, 1, 2, 100);
	rig.queues[0].how = SOURCE_RUNNING;
	rig.workers[0].src->ops->wait(rig.workers[0].src, 1000);
	cr_assert_eq(rig.queues[0].waits, 1);
	clock_gettime(CLOCK_MONOTONIC, &before);
	rig.workers[1].src->ops->wait(rig.workers[1].src, 900000);
	clock_gettime(CLOCK_MONOTONIC, &after);
	cr_assert_lt(
		(after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000,
		500, "it may be handed a packet at any time");
	handoff_rig_close(&rig);
}
