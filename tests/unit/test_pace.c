/* Replay at the speed of the recording. */
#include <criterion/criterion.h>
#include <time.h>

#include "tests/support/capture_files.h"

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* paced reads two rounds of 11 packets 10 ms apart, and one whose clock went back. Returns ms */
static uint64_t paced(double speed, unsigned *empty_bursts)
{
	struct file f = file_new(false);
	struct source_options opt = read_once;
	struct packet pkts[BURST_MAX];
	struct source_stats stats;
	struct source *src;
	char error[256];
	uint64_t start = now_ms(), got = 0, last_ts = 0;

	pcap_header(&f, 0xa1b2c3d4, LINK_ETHERNET);
	for (uint32_t i = 0; i < 11; i++)
		pcap_packet(&f, 1000, i * 10000, "x", 1, 1);
	pcap_packet(&f, 900, 0, "y", 1, 1);
	opt.speed = speed;
	opt.loops = 2;
	cr_assert_eq(replay_open_memory(&src, bytes_of(f.bytes, f.len), false, &opt, error), 0);
	*empty_bursts = 0;
	while (src->end == SOURCE_RUNNING) {
		int n = src->ops->burst(src, pkts, BURST_MAX);

		cr_assert_geq(n, 0);
		got += (unsigned)n;
		src->ops->stats(src, &stats);
		cr_assert_eq(stats.received, got + stats.held, "read, not due yet: held");
		if (n > 0)
			last_ts = pkts[n - 1].ts_recv_ns;
		else if (src->end == SOURCE_RUNNING)
			src->ops->wait(src, 100000);
		*empty_bursts += n == 0;
	}
	src->ops->close(src);
	file_free(&f);
	cr_assert_eq(got, 24);
	cr_assert_eq(last_ts, 900000000000, "times stay the file's");
	return now_ms() - start;
}

Test(pace, replay_keeps_the_recorded_time_between_packets_and_bursts_never_sleep)
{
	unsigned empty;
	uint64_t real = paced(1, &empty), fast;

	cr_assert_geq(real, 100, "%llu ms", (unsigned long long)real);
	cr_assert_geq(empty, 10, "bursts that waited instead: %u of 10", empty);
	fast = paced(10, &empty);
	cr_assert_geq(fast, 10, "%llu ms", (unsigned long long)fast);
	cr_assert_lt(fast, real);
	cr_assert_lt(paced(0, &empty), real);
}
