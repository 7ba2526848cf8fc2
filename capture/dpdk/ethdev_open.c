/* What is cold about DPDK ports: opening, waiting, statistics, closing. */
#include "capture/dpdk/ethdev_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_mbuf_dyn.h>

#include "base/log.h"
#include "capture/dpdk/join.h"

enum {
	RX_DESCRIPTORS = 1024,
	TX_DESCRIPTORS = 256,
	CACHE = 256,
	JUMBO = 9728 + RTE_PKTMBUF_HEADROOM, /* bytes of an mbuf that holds a jumbo frame */
	STATS_US = 200,                      /* on a NIC, counters are slow registers */
	LOOK_US = 100000, /* how often an idle port is asked whether it is there */
	RSS_KEY_MAX = 64,
	/* How long a port is not looked at; the kernel adds its slack of 50 us. 1024 descriptors
	 * hold what 10 million packets/s bring meanwhile. Stamps are those of the look, and so is
	 * the order between queues: longer sleeps of a quiet port would make both worse. */
	WAIT_US = 50,
};

/* hides_loss: these drivers do not count what the kernel drops below them. */
static bool hides_loss(const char *driver)
{
	return strcmp(driver, "net_af_packet") == 0 || strcmp(driver, "net_af_xdp") == 0 ||
	       strcmp(driver, "net_tap") == 0;
}

/* queues_choose: with RSS the port spreads flows over as many queues as it is told; else packets
 * lie in the queues that it was made with, whether somebody reads them or not. */
static uint16_t queues_choose(const struct rte_eth_dev_info *info, uint16_t readers)
{
	if (info->flow_type_rss_offloads)
		return RTE_MIN(readers, info->max_rx_queues);
	return RTE_MAX(info->nb_rx_queues, 1);
}

static int pool_make(struct ethdev_port *port, uint16_t rxd, int socket)
{
	static const uint16_t sizes[] = {JUMBO, RTE_MBUF_DEFAULT_BUF_SIZE};
	unsigned mbufs = (unsigned)port->queues * (rxd + 2 * BURST_MAX) + 2 * CACHE + 1024;
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "rx_port_%u", port->id);
	for (unsigned i = 0; i < RTE_DIM(sizes) && !port->pool; i++)
		port->pool = rte_pktmbuf_pool_create(name, mbufs, CACHE, 0, sizes[i], socket);
	return port->pool ? 0 : -ENOMEM;
}

static int queues_set_up(struct ethdev_port *port, uint16_t tx, char error[256])
{
	uint16_t rxd = RX_DESCRIPTORS, txd = TX_DESCRIPTORS;
	int socket = rte_eth_dev_socket_id(port->id), rc;
	unsigned node = socket < 0 ? 0 : (unsigned)socket;

	rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rxd, &txd);
	rc = pool_make(port, rxd, socket);
	if (rc < 0) {
		snprintf(error, 256,
			"no memory for the packets of %u queues; give EAL more with -m, or "
			"reserve more huge pages",
			port->queues);
		return rc;
	}
	for (uint16_t q = 0; q < port->queues && rc >= 0; q++)
		rc = rte_eth_rx_queue_setup(port->id, q, rxd, node, NULL, port->pool);
	for (uint16_t q = 0; q < tx && rc >= 0; q++)
		rc = rte_eth_tx_queue_setup(port->id, q, txd, node, NULL);
	return rc;
}

static bool link_is_up(const struct ethdev_port *port)
{
	struct rte_eth_link link = {0};

	return rte_eth_link_get_nowait(port->id, &link) < 0 || link.link_status == RTE_ETH_LINK_UP;
}

/* rss_set makes the port spread flows by both addresses, both directions alike. */
static void rss_set(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info)
{
	static uint8_t key[RSS_KEY_MAX];

	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = RTE_ETH_RSS_IP & info->flow_type_rss_offloads;
	if (info->hash_key_size == 0 || info->hash_key_size > sizeof(key))
		return; /* the driver's own */
	for (unsigned i = 0; i < sizeof(key); i += 2) {
		key[i] = 0x6d;
		key[i + 1] = 0x5a;
	}
	conf->rx_adv_conf.rss_conf.rss_key = key;
	conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
}

/* configure tries with the symmetric key, and without where a driver takes none: who has the
 * packets then hands them on. */
static int configure(struct ethdev_port *port, uint16_t tx, struct rte_eth_conf *conf)
{
	int rc = rte_eth_dev_configure(port->id, port->queues, tx, conf);

	if (rc >= 0 || !conf->rx_adv_conf.rss_conf.rss_key)
		return rc;
	LOG(WARN, "the port takes no symmetric RSS key port=%s", port->name);
	conf->rx_adv_conf.rss_conf.rss_key = NULL;
	conf->rx_adv_conf.rss_conf.rss_key_len = 0;
	return rte_eth_dev_configure(port->id, port->queues, tx, conf);
}

/* stamps_wanted says whether to ask the port for its time stamps. Returns 1, 0, or -errno */
static int stamps_wanted(
	const struct rte_eth_dev_info *info, const struct source_options *opt, char error[256])
{
	if (opt->timestamps == TIMESTAMPS_KERNEL)
		return 0;
	if (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP)
		return 1;
	if (opt->timestamps == TIMESTAMPS_AUTO)
		return 0;
	snprintf(error, 256, "it offers no time stamps; leave source.timestamps at auto");
	return -ENXIO;
}

/* stamps_start finds where the driver puts its time stamps, and whether its clock can be read. */
static int stamps_start(struct ethdev_port *port, const struct source_options *opt, char error[256])
{
	struct ethdev_clock clock;
	int rc = rte_mbuf_dyn_rx_timestamp_register(&port->stamp_offset, &port->stamp_flag);

	if (rc == 0)
		rc = ethdev_clock_start(&clock, port->id);
	port->stamps = rc == 0;
	if (rc == 0 || opt->timestamps == TIMESTAMPS_AUTO) {
		LOG(NOTICE, "%s port=%s",
			rc == 0 ? "hardware time stamps are used"
				: "hardware time stamps are not used: the card's clock cannot be "
				  "read",
			port->name);
		return 0;
	}
	snprintf(error, 256, "its clock cannot be read: %s", strerror(-rc));
	return rc;
}

/* groups_want makes the network send us the multicast groups. */
static int groups_want(
	struct ethdev_port *port, uint16_t tx, const struct source_options *opt, char error[256])
{
	int rc;

	if (opt->groups_n == 0)
		return 0;
	if (opt->join_via && *opt->join_via)
		return group_sockets_join(
			&port->joins, opt->join_via, opt->groups, opt->groups_n, error);
	if (tx == 0) {
		LOG(WARN,
			"the port cannot send: it joins no multicast groups; say --join-via "
			"INTERFACE port=%s",
			port->name);
		return 0;
	}
	rc = join_start(&port->join, port->id, port->pool, opt);
	if (rc < 0)
		snprintf(error, 256, "no multicast membership: %s", strerror(-rc));
	return rc;
}

static int port_start(struct ethdev_port *port, const struct source_options *opt, char error[256])
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint16_t tx; /* a pair of queues each: some drivers want it, and never used it costs nothing
		      */
	int rc, stamps;

	rc = rte_eth_dev_info_get(port->id, &info);
	if (rc < 0)
		return rc;
	port->hides_loss = hides_loss(info.driver_name);
	port->if_index = info.if_index;
	port->readers = opt->count_max || opt->workers == 0 ? 1 : (uint16_t)opt->workers;
	port->queues = queues_choose(&info, port->readers);
	port->readers = RTE_MIN(port->readers, port->queues);
	tx = RTE_MIN(port->queues, info.max_tx_queues);
	if (port->queues > 1 && info.flow_type_rss_offloads)
		rss_set(&conf, &info);
	stamps = stamps_wanted(&info, opt, error);
	if (stamps < 0)
		return stamps;
	if (stamps)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	rc = configure(port, tx, &conf);
	if (rc >= 0)
		rc = queues_set_up(port, tx, error);
	if (rc >= 0)
		rc = rte_eth_dev_start(port->id);
	if (rc >= 0 && stamps)
		rc = stamps_start(port, opt, error);
	if (rc < 0)
		return rc;
	if (opt->promiscuous && rte_eth_promiscuous_get(port->id) == 0)
		port->promiscuous = rte_eth_promiscuous_enable(port->id) == 0;
	rte_eth_allmulticast_enable(port->id); /* not every driver knows the word */
	rc = rte_eth_stats_get(port->id, &port->first);
	if (!link_is_up(port))
		LOG(WARN, "the link is down, packets come when it is up port=%s", port->name);
	return rc < 0 ? rc : groups_want(port, tx, opt, error);
}

int ethdev_port_open(
	struct ethdev_port **out, uint16_t id, const struct source_options *opt, char error[256])
{
	struct ethdev_port *port = calloc(1, sizeof(*port));
	char why[256] = "";
	int rc;

	if (!port) {
		snprintf(error, 256, "port %u: out of memory", id);
		return -ENOMEM;
	}
	port->id = id;
	port->open = 1;
	if (rte_eth_dev_get_name_by_port(id, port->name) < 0)
		snprintf(port->name, sizeof(port->name), "port %u", id);
	rc = port_start(port, opt, why);
	if (rc < 0) {
		snprintf(error, 256, "%s: the port does not start: %.160s", port->name,
			why[0] ? why : strerror(-rc));
		ethdev_port_release(port);
		return rc;
	}
	*out = port;
	return 0;
}

uint16_t ethdev_port_queues(const struct ethdev_port *port)
{
	return port->queues;
}

uint16_t ethdev_port_readers(const struct ethdev_port *port)
{
	return port->readers;
}

void ethdev_port_release(struct ethdev_port *port)
{
	if (--port->open > 0)
		return;
	join_stop(port->join);
	group_sockets_close(&port->joins);
	if (port->promiscuous)
		rte_eth_promiscuous_disable(port->id);
	rte_eth_dev_stop(port->id);
	rte_eth_dev_close(port->id);
	rte_mempool_free(port->pool);
	free(port);
}

uint64_t ethdev_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

int ethdev_gone(struct ethdev_source *es)
{
	return source_fail(&es->head, SOURCE_GONE, 0,
		"the port was removed; what it had received before was delivered");
}

/* link_look notes an outage: what came while the link was down is not known. */
static void link_look(struct ethdev_source *es)
{
	bool up = link_is_up(es->port);

	if (up == es->link_up)
		return;
	es->link_up = up;
	if (up) {
		LOG(NOTICE, "the link is up port=%s", es->port->name);
		return;
	}
	es->stats.outages++;
	LOG(WARN, "the link is down: gaps until it is up are local port=%s", es->port->name);
}

/* A virtual port has no receive interrupt: this sleeps. A port that is away is an idle one. */
static void ethdev_wait(struct source *src, unsigned timeout_us)
{
	struct ethdev_source *es = (struct ethdev_source *)src;
	uint64_t tsc = rte_get_tsc_cycles();
	struct timespec ts = {0, (timeout_us < WAIT_US ? timeout_us : WAIT_US) * 1000L};
	char name[IF_NAMESIZE];

	nanosleep(&ts, NULL);
	if (tsc - es->look_tsc < rte_get_tsc_hz() / 1000000 * LOOK_US)
		return;
	es->look_tsc = tsc;
	es->gone = rte_eth_dev_is_removed(es->port->id) ||
		   (es->port->if_index && !if_indextoname(es->port->if_index, name));
	if (es->reader == 0 && !es->gone)
		link_look(es);
}

static void ethdev_stats(struct source *src, struct source_stats *stats)
{
	struct ethdev_source *es = (struct ethdev_source *)src;
	const struct rte_eth_stats *first = &es->port->first;
	uint64_t tsc = rte_get_tsc_cycles();
	struct rte_eth_stats now;

	if (es->reader == 0 && tsc - es->stats_tsc > rte_get_tsc_hz() / 1000000 * STATS_US &&
		rte_eth_stats_get(es->port->id, &now) == 0) {
		es->stats_tsc = tsc;
		es->stats.dropped[REASON_nic_missed] = now.imissed - first->imissed;
		es->stats.dropped[REASON_nic_error] = now.ierrors - first->ierrors;
		es->stats.dropped[REASON_no_mbuf] = now.rx_nombuf - first->rx_nombuf;
	}
	if (es->port->stamps && tsc >= es->clock.due_tsc)
		ethdev_clock_follow(&es->clock, es->port->id);
	*stats = es->stats;
}

static void ethdev_close(struct source *src)
{
	struct ethdev_source *es = (struct ethdev_source *)src;

	ethdev_release(es);
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

int source_open_ethdev(struct source **src, struct ethdev_port *port, uint16_t reader,
	const struct source_options *opt, char error[256])
{
	struct ethdev_source *es = calloc(1, sizeof(*es));

	if (es)
		es->linear = malloc(ETHDEV_LINEAR); /* pages come with use */
	if (!es || !es->linear) {
		free(es);
		snprintf(error, 256, "%s: out of memory", port->name);
		return -ENOMEM;
	}
	es->head.ops = &ethdev_ops;
	es->head.hides_loss = port->hides_loss;
	snprintf(es->head.name, sizeof(es->head.name), "%s", port->name);
	es->port = port;
	es->reader = es->queue = reader;
	es->snaplen = opt->snaplen;
	es->filter.filter = opt->filter;
	es->count_max = opt->count_max;
	es->link_up = link_is_up(port);
	if (port->stamps)
		ethdev_clock_start(&es->clock, port->id);
	port->open++;
	*src = &es->head;
	return 0;
}
