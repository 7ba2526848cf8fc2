/* The clock of this host: how far it may be off, when it is set, and what batches say of it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/source.h"
#include "engine/clock.h"
#include "engine/metrics/metrics.h"
#include "tests/support/publish_rig.h"

static struct {
	int64_t real_ns, boot_ns, phc_offset_ns;
	int adjtime_rc, status, phc_rc;
	long maxerror_us;
	unsigned asked;
	int64_t slow_ns; /* a read takes so long */
} host;

static int fake_gettime(clockid_t id, struct timespec *ts)
{
	int64_t ns = id == CLOCK_REALTIME ? host.real_ns : host.boot_ns;

	cr_assert(id == CLOCK_REALTIME || id == CLOCK_BOOTTIME);
	*ts = (struct timespec){ns / 1000000000, ns % 1000000000};
	host.real_ns += host.slow_ns;
	host.boot_ns += host.slow_ns;
	return 0;
}

static int fake_adjtime(struct timex *tx)
{
	cr_assert_eq(tx->modes, 0, "it is only read");
	tx->status = host.status;
	tx->maxerror = host.maxerror_us;
	host.asked++;
	return host.adjtime_rc;
}

static int fake_phc(int fd, int64_t *offset_ns, uint64_t *window_ns)
{
	cr_assert_eq(fd, 77);
	*offset_ns = host.phc_offset_ns;
	*window_ns = 500;
	return host.phc_rc;
}

static const struct clock_ops ops = {fake_gettime, fake_adjtime, fake_phc};

static void pass(int64_t ns)
{
	host.real_ns += ns;
	host.boot_ns += ns;
}

static void setup(void)
{
	memset(&host, 0, sizeof(host));
	host.real_ns = 1700000000000000000;
	host.boot_ns = 5000000000;
	host.maxerror_us = 250;
	host.slow_ns = 100;
}

TestSuite(clock, .init = setup);

Test(clock, the_error_is_the_kernels_bound_and_a_file_has_none)
{
	struct clock clk;

	clock_open(&clk, &ops, "");
	cr_assert_eq(clock_error(&clk, TS_Q_KERNEL), 250000);
	cr_assert_eq(clock_error(&clk, TS_Q_USER), 250000);
	cr_assert_eq(clock_error(&clk, TS_Q_HARDWARE), 0, "no card's clock is known");
	cr_assert_eq(clock_error(&clk, TS_Q_FILE), 0);
	cr_assert_eq(clock_error(&clk, TS_Q_UNKNOWN), 0);
	cr_assert_eq(clock_error(NULL, TS_Q_KERNEL), 0);
	clock_close(&clk);
}

Test(clock, an_unsynchronised_clock_says_so_and_a_kernel_that_does_not_tell_is_unknown)
{
	struct clock clk;

	host.status = STA_UNSYNC;
	clock_open(&clk, &ops, NULL);
	cr_assert_eq(clock_error(&clk, TS_Q_KERNEL), CLOCK_UNSYNCHRONISED_NS);
	host.status = 0;
	cr_assert_eq(clock_look(&clk), 0);
	cr_assert_eq(clock_error(&clk, TS_Q_KERNEL), CLOCK_UNSYNCHRONISED_NS, "once a second");
	pass(1000000000);
	cr_assert_eq(clock_look(&clk), 0);
	cr_assert_eq(clock_error(&clk, TS_Q_KERNEL), 250000);
	host.adjtime_rc = -1;
	pass(1000000000);
	clock_look(&clk);
	cr_assert_eq(clock_error(&clk, TS_Q_KERNEL), 0);
	clock_close(&clk);
}

Test(clock, a_card_is_as_wrong_as_the_system_and_its_distance_from_it)
{
	struct clock clk;

	clock_open(&clk, &ops, NULL);
	clk.phc_fd = 77;
	host.phc_offset_ns = -3000;
	pass(1000000000);
	clock_look(&clk);
	cr_assert_eq(clock_error(&clk, TS_Q_HARDWARE), 250000 + 3000 + 500);
	cr_assert_eq(clock_error(&clk, TS_Q_KERNEL), 250000);
	host.phc_rc = -5;
	pass(1000000000);
	clock_look(&clk);
	cr_assert_eq(clock_error(&clk, TS_Q_HARDWARE), 0);
}

/* errors_shown writes the samples of metrics for the error of the clocks. */
static void errors_shown(const struct clock *clk, char shown[256])
{
	struct metrics_view view = {.clock = clk};
	char *text, *at;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	metrics_write(out, &view);
	fclose(out);
	shown[0] = '\0';
	for (at = text; (at = strstr(at, "\npkt_sniffer_clock_error_seconds{")); at++)
		sscanf(at + 33, "%60[^\n]", shown + strlen(shown));
	free(text);
}

Test(clock, metrics_have_no_sample_of_an_error_that_is_not_known)
{
	struct clock clk;
	char shown[256];

	clock_open(&clk, &ops, NULL);
	errors_shown(&clk, shown);
	cr_assert_str_eq(shown, "clock=\"system\"} 0.000250000");
	clk.phc_fd = 77;
	pass(1000000000);
	clock_look(&clk);
	errors_shown(&clk, shown);
	cr_assert_str_eq(shown, "clock=\"system\"} 0.000250000clock=\"card\"} 0.000250500");
	host.adjtime_rc = -1;
	pass(1000000000);
	clock_look(&clk);
	errors_shown(&clk, shown);
	cr_assert_str_eq(shown, "");
}

Test(clock, a_step_is_told_once_with_its_sign_and_counted)
{
	struct clock clk;

	clock_open(&clk, &ops, NULL);
	host.real_ns += 1500000000;
	cr_assert_eq(clock_look(&clk), 1500000000);
	cr_assert_eq(clock_look(&clk), 0);
	pass(20000000);
	host.real_ns -= 40000;
	cr_assert_eq(clock_look(&clk), -40000);
	cr_assert_eq(atomic_load(&clk.steps), 2);
}

Test(clock, slewing_and_slow_readings_are_no_steps)
{
	struct clock clk;

	clock_open(&clk, &ops, NULL);
	for (int i = 0; i < 1000; i++) {
		pass(20000000 + 20000000 * 5 / 10000); /* 500 ppm fast: both clocks are */
		host.slow_ns = i % 7 == 0 ? 400000 : 100;
		cr_assert_eq(clock_look(&clk), 0);
	}
	cr_assert_eq(atomic_load(&clk.steps), 0);
	cr_assert_lt(host.asked, 25, "once a second");
}

Test(clock, a_batch_closes_when_its_clock_changes)
{
	struct rig_options opt = {.uris = {"null:"}, .linger_ns = 1000000000};
	struct rig rig;
	struct stream *s;

	cr_assert_eq(rig_open(&rig, &opt), 0);
	s = rig_stream(&rig, 0, DOMAIN_MD, "XNAS", 0);
	rig_mbo(&rig, 0, s, 1, 5);
	streams_clock(rig.ws[0], TS_Q_KERNEL, 250000); /* closes */
	rig_mbo(&rig, 0, s, 6, 5);
	streams_clock(rig.ws[0], TS_Q_KERNEL, 250000); /* nothing changed */
	rig_mbo(&rig, 0, s, 11, 5);
	streams_clock(rig.ws[0], TS_Q_KERNEL, 251000); /* closes */
	rig_mbo(&rig, 0, s, 16, 5);
	rig_work(&rig);
	cr_assert_eq(rig_cut(&rig, 4)->stages[1].left, 15, "what came before each change is sent");
	rig_finish(&rig, 0);
	cr_assert_eq(rig_close(&rig), 0);
}
