#include "capture/ethdev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "capture/filter.h"
#include "decode/frame.h"

enum {
	RX_DESCRIPTORS = 1024,
	CACHE = 256,
	MBUF_BYTES = 9728 + RTE_PKTMBUF_HEADROOM, /* a jumbo frame in one piece */
	LINEAR_MAX = 262144, /* room to make chained packets of one burst linear */
};

struct ethdev_port {
	uint16_t id, queues;
	char name[64];
	struct rte_mempool *pool;
	struct rte_eth_stats first; /* what the port had counted before we came */
	unsigned open;              /* sources */
};

struct ethdev_source {
	struct source head;
	struct ethdev_port *port;
	uint16_t queue;
	struct filter_use filter;
	uint64_t count_max;
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned mbufs_n;
	struct source_stats stats;
	struct rte_eth_stats now;
	uint64_t stats_tsc, seq;
	uint8_t *linear;
	uint32_t linear_used;
};

static int port_configure(
	struct ethdev_port *port, const struct source_options *opt, char error[256])
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint16_t rxd = RX_DESCRIPTORS, txd = 256, tx = 1;
	unsigned mbufs;
	int socket = rte_eth_dev_socket_id(port->id), rc;

	rc = rte_eth_dev_info_get(port->id, &info);
	if (rc < 0)
		goto failed;
	if (port->queues > info.max_rx_queues || !info.flow_type_rss_offloads)
		port->queues = 1;
	if (port->queues > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = RTE_ETH_RSS_IP & info.flow_type_rss_offloads;
	}
	if (info.max_tx_queues < tx)
		tx = info.max_tx_queues;
	if (tx < port->queues && strcmp(info.driver_name, "net_af_packet") == 0)
		tx = port->queues; /* it wants pairs */
	rc = rte_eth_dev_configure(port->id, port->queues, tx, &conf);
	if (rc < 0)
		goto failed;
	rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rxd, &txd);
	mbufs = (unsigned)port->queues * (rxd + 2 * BURST_MAX + CACHE) + 1024;
	port->pool = rte_pktmbuf_pool_create(port->name, mbufs, CACHE, 0, MBUF_BYTES, socket);
	if (!port->pool)
		port->pool = rte_pktmbuf_pool_create(
			port->name, mbufs, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, socket);
	if (!port->pool) {
		snprintf(error, 256,
			"%s: no memory for %u mbufs; give EAL more with -m, or free huge pages",
			port->name, mbufs);
		return -ENOMEM;
	}
	for (uint16_t q = 0; q < port->queues && rc >= 0; q++)
		rc = rte_eth_rx_queue_setup(
			port->id, q, rxd, socket < 0 ? 0 : (unsigned)socket, NULL, port->pool);
	for (uint16_t q = 0; q < tx && rc >= 0; q++)
		rc = rte_eth_tx_queue_setup(
			port->id, q, txd, socket < 0 ? 0 : (unsigned)socket, NULL);
	if (rc >= 0)
		rc = rte_eth_dev_start(port->id);
	if (rc < 0)
		goto failed;
	if (opt->promiscuous)
		rte_eth_promiscuous_enable(port->id); /* some ports always are and cannot say so */
	rte_eth_allmulticast_enable(port->id);
	rte_eth_stats_get(port->id, &port->first);
	return 0;
failed:
	snprintf(error, 256, "%s: the port does not start: %s", port->name, strerror(-rc));
	return rc;
}

int ethdev_port_open(struct ethdev_port **out, uint16_t id, uint16_t queues,
	const struct source_options *opt, char error[256])
{
	struct ethdev_port *port = calloc(1, sizeof(*port));
	int rc;

	if (!port) {
		snprintf(error, 256, "port %u: out of memory", id);
		return -ENOMEM;
	}
	port->id = id;
	port->queues = queues;
	port->open = 1;
	if (rte_eth_dev_get_name_by_port(id, port->name) < 0)
		snprintf(port->name, sizeof(port->name), "port%u", id);
	rc = port_configure(port, opt, error);
	if (rc < 0) {
		rte_mempool_free(port->pool);
		free(port);
		return rc;
	}
	*out = port;
	return 0;
}

uint16_t ethdev_port_queues(const struct ethdev_port *port)
{
	return port->queues;
}

bool ethdev_port_hides_loss(const struct ethdev_port *port)
{
	struct rte_eth_dev_info info;

	return rte_eth_dev_info_get(port->id, &info) == 0 &&
	       (strcmp(info.driver_name, "net_af_packet") == 0 ||
		       strcmp(info.driver_name, "net_af_xdp") == 0);
}

void ethdev_port_release(struct ethdev_port *port)
{
	if (--port->open > 0)
		return;
	rte_eth_dev_stop(port->id);
	rte_eth_dev_close(port->id);
	rte_mempool_free(port->pool);
	free(port);
}

static struct ethdev_source *source_of(struct source *src)
{
	return (struct ethdev_source *)src;
}

/* linearise copies a chained packet into one piece. NULL: there is no room left in this burst. */
static const uint8_t *linearise(struct ethdev_source *es, const struct rte_mbuf *m)
{
	const void *p;

	if (m->pkt_len > LINEAR_MAX - es->linear_used)
		return NULL;
	p = rte_pktmbuf_read(m, 0, m->pkt_len, es->linear + es->linear_used);
	es->linear_used += m->pkt_len;
	return p;
}

static void release(struct ethdev_source *es)
{
	for (unsigned i = 0; i < es->mbufs_n; i++)
		rte_pktmbuf_free(es->mbufs[i]);
	es->mbufs_n = 0;
	es->linear_used = 0;
}

static int ethdev_burst(struct source *src, struct packet *pkts, unsigned max)
{
	struct ethdev_source *es = source_of(src);
	struct timespec ts;
	unsigned n = 0;

	release(es);
	if (es->count_max && es->seq >= es->count_max) {
		src->end = SOURCE_END;
		return 0;
	}
	es->mbufs_n = rte_eth_rx_burst(es->port->id, es->queue, es->mbufs, (uint16_t)max);
	if (es->mbufs_n == 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &ts);
	for (unsigned i = 0; i < es->mbufs_n; i++) {
		const struct rte_mbuf *m = es->mbufs[i];
		struct packet *pkt = &pkts[n];

		*pkt = (struct packet){
			.data = m->nb_segs == 1 ? rte_pktmbuf_mtod(m, const uint8_t *)
						: linearise(es, m),
			.caplen = m->pkt_len,
			.wire_len = m->pkt_len,
			.ts_recv_ns = (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec,
			.link = LINK_ETHERNET,
			.port = es->queue,
			.ts_quality = TS_Q_USER,
		};
		if (!pkt->data) {
			es->stats.dropped[REASON_mbuf_chain]++;
			continue;
		}
		es->stats.received++;
		es->stats.received_bytes += pkt->wire_len;
		if (!filter_pass(&es->filter, pkt)) {
			es->stats.filtered++;
			continue;
		}
		if (es->count_max &&
			es->seq == es->count_max) { /* what came in the same burst is not taken */
			es->stats.received--;
			es->stats.received_bytes -= pkt->wire_len;
			continue;
		}
		pkt->seq = ++es->seq;
		n++;
	}
	return (int)n;
}

static void ethdev_wait(struct source *src, unsigned timeout_us)
{
	struct timespec ts = {0, (timeout_us < 50 ? timeout_us : 50) * 1000L};

	(void)src; /* virtual ports have no receive interrupt */
	nanosleep(&ts, NULL);
}

/* The port's counters are read at most every 200 us: on a NIC that costs register reads. They
 * belong to the port: queue 0 tells them. */
static void ethdev_stats(struct source *src, struct source_stats *stats)
{
	struct ethdev_source *es = source_of(src);
	uint64_t tsc = rte_get_tsc_cycles();

	if (es->queue == 0 && tsc - es->stats_tsc > rte_get_tsc_hz() / 5000) {
		rte_eth_stats_get(es->port->id, &es->now);
		es->stats_tsc = tsc;
		es->stats.dropped[REASON_nic_missed] = es->now.imissed - es->port->first.imissed;
		es->stats.dropped[REASON_nic_error] = es->now.ierrors - es->port->first.ierrors;
		es->stats.dropped[REASON_no_mbuf] = es->now.rx_nombuf - es->port->first.rx_nombuf;
	}
	*stats = es->stats;
}

static void ethdev_close(struct source *src)
{
	struct ethdev_source *es = source_of(src);

	release(es);
	ethdev_port_release(es->port);
	free(es->linear);
	free(es);
}

static const struct source_ops ethdev_ops = {
	.name = "ethdev",
	.burst = ethdev_burst,
	.wait = ethdev_wait,
	.stats = ethdev_stats,
	.close = ethdev_close,
};

int source_open_ethdev(struct source **src, struct ethdev_port *port, uint16_t queue,
	const struct source_options *opt, char error[256])
{
	struct ethdev_source *es = calloc(1, sizeof(*es));

	if (es)
		es->linear = malloc(LINEAR_MAX);
	if (!es || !es->linear) {
		free(es);
		snprintf(error, 256, "%s: out of memory", port->name);
		return -ENOMEM;
	}
	es->head.ops = &ethdev_ops;
	snprintf(es->head.name, sizeof(es->head.name), "%s", port->name);
	es->port = port;
	es->queue = queue;
	es->filter.filter = opt->filter;
	es->count_max = opt->count_max;
	port->open++;
	*src = &es->head;
	return 0;
}
