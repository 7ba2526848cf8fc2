/* bench_rx EAL-ARGUMENTS: what DPDK's first port gives when nothing is done with it: ns of CPU a
 * packet. The floor of replay, with --vdev=net_pcap0,rx_pcap=FILE,infinite_rx=1. */
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

enum { BURST = 64, DESCRIPTORS = 1024, MBUFS = 32767, PACKETS = 1 << 16 };

static uint64_t receive(void *ctx)
{
	struct rte_mbuf *pkts[BURST];
	uint64_t n = 0, sum = 0;

	(void)ctx;
	while (n < PACKETS) {
		uint16_t got = rte_eth_rx_burst(0, 0, pkts, BURST);

		for (uint16_t i = 0; i < got; i++)
			sum += pkts[i]->data_len;
		rte_pktmbuf_free_bulk(pkts, got);
		n += got;
	}
	BENCH_KEEP(sum);
	return n;
}

int main(int argc, char **argv)
{
	const struct bench_way way = {"receive", receive, NULL};
	struct rte_eth_conf conf = {0};
	struct rte_mempool *pool;

	if (rte_eal_init(argc, argv) < 0)
		return 1;
	pool = rte_pktmbuf_pool_create(
		"mbufs", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool || rte_eth_dev_configure(0, 1, 1, &conf) < 0 ||
		rte_eth_rx_queue_setup(0, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL, pool) < 0 ||
		rte_eth_tx_queue_setup(0, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL) < 0 ||
		rte_eth_dev_start(0) < 0) {
		fprintf(stderr, "bench: the port does not start\n");
		return 1;
	}
	bench_run(&way, 1);
	rte_eal_cleanup();
	return 0;
}
