#define ALLOW_EXPERIMENTAL_API /* rte_eth_read_clock */
#include <rte_cycles.h>
#include <stdlib.h>
#include <time.h>

#include "capture/dpdk/ethdev_impl.h"

enum {
	MEASURE_US = 20000,
	TRIES = 3,
	STEP_NS = 100000000,
};

/* read_both reads the card's clock between two readings of the system's, the closest of a few. */
static int read_both(uint16_t port, uint64_t *ticks, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t before = ethdev_now_ns(), t, after;
		int rc = rte_eth_read_clock(port, &t);

		if (rc < 0)
			return rc;
		after = ethdev_now_ns();
		if (after - before >= best)
			continue;
		best = after - before;
		*ticks = t;
		*ns = before + (after - before) / 2;
	}
	return 0;
}

int ethdev_clock_start(struct ethdev_clock *c, uint16_t port)
{
	uint64_t ticks = 0, ns = 0;
	int rc = read_both(port, &ticks, &ns);

	if (rc < 0)
		return rc;
	rte_delay_us_sleep(MEASURE_US);
	rc = read_both(port, &c->host_ticks, &c->host_ns);
	if (rc == 0 && c->host_ticks == ticks)
		rc = -EIO; /* it stands still */
	if (rc < 0)
		return rc;
	c->rate = (uint64_t)(((__int128)(c->host_ns - ns) << 32) / (c->host_ticks - ticks));
	c->ticks = c->host_ticks;
	c->ns = c->host_ns;
	c->due_tsc = rte_get_tsc_cycles() + rte_get_tsc_hz();
	return 0;
}

void ethdev_clock_follow(struct ethdev_clock *c, uint16_t port)
{
	uint64_t ticks, ns, passed;
	int64_t behind_ns;

	c->due_tsc = rte_get_tsc_cycles() + rte_get_tsc_hz();
	if (read_both(port, &ticks, &ns) < 0 || ticks == c->host_ticks)
		return;
	passed = ticks - c->host_ticks;
	behind_ns = (int64_t)(ns - ethdev_clock_ns(c, ticks));
	c->ns = llabs(behind_ns) > STEP_NS ? ns : ethdev_clock_ns(c, ticks);
	c->ticks = ticks;
	/* what the card's second took on the system's clock, and what we are behind */
	c->rate =
		(uint64_t)(((__int128)(int64_t)(ns - c->host_ns +
						(llabs(behind_ns) > STEP_NS ? 0
									    : (uint64_t)behind_ns))
				   << 32) /
			   passed);
	c->host_ticks = ticks;
	c->host_ns = ns;
}
