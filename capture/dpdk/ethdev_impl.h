/* ethdev: what its hot file and its cold one share. Inside capture/ only. */
#pragma once

#include <net/if.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "capture/dpdk/ethdev.h"
#include "capture/filter.h"

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
	struct source_stats stats;
	uint64_t stats_tsc; /* when the port's counters were read */
	unsigned idle_us;   /* since the port was last asked whether it is there */
};

int ethdev_burst(struct source *src, struct packet *pkts, unsigned max);

/* ethdev_release gives the mbufs of the last burst back. */
void ethdev_release(struct ethdev_source *es);

/* ethdev_now_ns is the receive time of a burst. ethdev_gone says in the source's error that the
 * port is lost. Returns 0 */
uint64_t ethdev_now_ns(void);
int ethdev_gone(struct ethdev_source *es);
