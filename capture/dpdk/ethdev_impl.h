/* ethdev: what its hot file and its cold one share. Inside capture/ only. */
#pragma once

#include <net/if.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "capture/dpdk/ethdev.h"
#include "capture/filter.h"
#include "capture/group_sockets.h"

struct join;

enum { ETHDEV_LINEAR = BURST_MAX * 16384 }; /* room to make the chained packets of a burst linear */

struct ethdev_port {
	uint16_t id, queues, readers;
	unsigned open; /* its sources, and who opened it */
	bool hides_loss;
	bool promiscuous; /* by us */
	char name[RTE_ETH_NAME_MAX_LEN];
	unsigned if_index; /* of the kernel's interface below a vdev, 0 = none */
	struct rte_mempool *pool;
	struct rte_eth_stats first; /* what the port had counted before we came */
	struct join *join;          /* NULL: nothing to answer to queries */
	struct group_sockets joins; /* join_via */
	bool stamps;                /* packets bear the card's time where stamp_flag is set */
	int stamp_offset;           /* in an mbuf */
	uint64_t stamp_flag;
};

/* ethdev_clock turns a card's ticks into time: it follows the system's clock with a rate that makes
 * good within a second what it is off, so time never steps. */
struct ethdev_clock {
	uint64_t ticks, ns;           /* the same moment, on either clock, as we have it */
	uint64_t host_ticks, host_ns; /* as read last */
	uint64_t rate;                /* ns a tick, in 2^-32 */
	uint64_t due_tsc;             /* when it is compared again */
};

struct ethdev_source {
	struct source head;
	struct ethdev_port *port;
	uint16_t reader, queue; /* queue: the next to ask */
	bool gone;
	uint32_t snaplen; /* 0 = all */
	struct filter_use filter;
	uint64_t count_max, seq;
	struct rte_mbuf *mbufs[BURST_MAX]; /* handed out */
	unsigned mbufs_n;
	uint8_t *linear;
	uint32_t linear_used;
	struct ethdev_clock clock;
	bool link_up;
	struct source_stats stats;
	uint64_t stats_tsc; /* when the port's counters were read */
	uint64_t look_tsc;  /* when the port was asked whether it is there */
};

int ethdev_burst(struct source *src, struct packet *pkts, unsigned max);

/* ethdev_release gives the mbufs of the last burst back. */
void ethdev_release(struct ethdev_source *es);

/* ethdev_clock_start measures a port's clock for 20 ms. ethdev_clock_follow compares it with the
 * system's, when that is due; a step of more than 100 ms is followed at once.
 * Returns  0, or -errno: it cannot be read */
int ethdev_clock_start(struct ethdev_clock *clock, uint16_t port);
void ethdev_clock_follow(struct ethdev_clock *clock, uint16_t port);

static inline uint64_t ethdev_clock_ns(const struct ethdev_clock *clock, uint64_t ticks)
{
	return clock->ns +
	       (uint64_t)((__int128)(int64_t)(ticks - clock->ticks) * clock->rate >> 32);
}

/* ethdev_now_ns is the receive time of a burst. ethdev_gone says in the source's error that the
 * port is lost. Returns 0 */
uint64_t ethdev_now_ns(void);
int ethdev_gone(struct ethdev_source *es);
