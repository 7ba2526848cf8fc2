/* join: the multicast groups of a port that no kernel owns. A thread of its own sends the reports
 * of a membership through the port's first transmit queue, which nobody else uses. */
#pragma once

#include "capture/source.h"

struct join;
struct rte_mempool;

/* join_start tells the network that the port wants opt->groups.
 *
 * Takes    pool: kept, frames come out of it; the port runs, with a transmit queue
 * Thread   the main thread, as for join_stop
 * Returns  0, with *join NULL when there is no group, or -errno */
int join_start(struct join **join, uint16_t port, struct rte_mempool *pool,
	const struct source_options *opt);

/* join_query takes a frame that membership_is_query said may be one. Rare. Thread: any */
void join_query(struct join *join, const uint8_t *frame, uint32_t len);

/* join_stop leaves the groups, which takes up to 20 ms, or 150, and frees join. NULL is allowed. */
void join_stop(struct join *join);
