/* clock: how far time stamps may be from UTC, and whether the system clock was set.
 *
 * Kernel and user stamps are the system clock's: the kernel keeps a bound of its error (adjtimex).
 * Hardware stamps are the card's own clock (PHC): its distance from the system clock adds to it.
 * The clock of a capture file is not known.
 *
 * A step is a change of CLOCK_REALTIME against CLOCK_BOOTTIME: slewing moves both alike, and so does
 * a machine that slept (docs/decisions/0009). */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/timex.h>
#include <time.h>

/* The error of a clock that nobody keeps: the kernel's own limit (NTP_PHASE_LIMIT), 16 s. */
#define CLOCK_UNSYNCHRONISED_NS UINT64_C(16000000000)

enum { CLOCK_SOURCES = 5 }; /* enum ts_quality */

/* clock_ops is the system that is asked; a test gives its own. */
struct clock_ops {
	int (*gettime)(clockid_t id, struct timespec *ts);
	int (*adjtime)(struct timex *tx);
	/* phc_offset reads the PHC behind fd: it is ahead of CLOCK_REALTIME by *offset_ns, give or
	 * take *window_ns. Returns 0, or -errno */
	int (*phc_offset)(int fd, int64_t *offset_ns, uint64_t *window_ns);
};

extern const struct clock_ops clock_system;

struct clock {
	const struct clock_ops *ops;
	int phc_fd; /* -1: none */
	bool synchronised;
	uint64_t asked_ns;                         /* CLOCK_BOOTTIME: when adjtimex was */
	int64_t offset_ns;                         /* CLOCK_REALTIME - CLOCK_BOOTTIME */
	_Atomic(uint64_t) error_ns[CLOCK_SOURCES]; /* 0 = unknown; read by any thread */
	_Atomic(uint64_t) steps;                   /* counted; read by any thread */
};

/* clock_open looks for the first time.
 * Takes    ops: kept; iface: whose PHC stamps packets, NULL or "" = none
 * Thread   the control thread, as for clock_look and clock_close */
void clock_open(struct clock *clk, const struct clock_ops *ops, const char *iface);
void clock_close(struct clock *clk);

/* clock_look looks for a step, and once a second for the errors. Cheap: a few reads of the clock.
 * Returns  ns by which the clock was set forward (negative: back), 0 = it was not */
int64_t clock_look(struct clock *clk);

static inline uint64_t clock_error(const struct clock *clk, unsigned source)
{
	return clk && source < CLOCK_SOURCES
		       ? atomic_load_explicit(&clk->error_ns[source], memory_order_relaxed)
		       : 0;
}
