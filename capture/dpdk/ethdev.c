/* Hot path: no allocation, lock, system call or log. */
#include "capture/dpdk/ethdev_impl.h"

#include "decode/frame.h"

void ethdev_release(struct ethdev_source *es)
{
	for (unsigned i = 0; i < es->mbufs_n; i++)
		rte_pktmbuf_free(es->mbufs[i]);
	es->mbufs_n = 0;
	es->linear_used = 0;
}

/* receive asks the reader's queues by turns. Returns how many packets the first that has some gave.
 */
static unsigned receive(struct ethdev_source *es, unsigned max)
{
	const struct ethdev_port *port = es->port;
	uint16_t first = es->queue;

	do {
		unsigned n = rte_eth_rx_burst(port->id, es->queue, es->mbufs, (uint16_t)max);

		es->queue += port->readers;
		if (es->queue >= port->queues)
			es->queue = es->reader;
		if (n > 0)
			return n;
	} while (es->queue != first);
	return 0;
}

/* linearise copies a chained packet into one piece. NULL: there is no room left in this burst. */
static const uint8_t *linearise(struct ethdev_source *es, const struct rte_mbuf *m)
{
	const void *p;

	if (m->pkt_len > ETHDEV_LINEAR - es->linear_used)
		return NULL;
	p = rte_pktmbuf_read(m, 0, m->pkt_len, es->linear + es->linear_used);
	es->linear_used += m->pkt_len;
	return p;
}

/* packet_read makes a packet of an mbuf. Returns false when it is lost: counted. */
static bool packet_read(struct ethdev_source *es, struct rte_mbuf **mbuf, struct packet *pkt)
{
	struct rte_mbuf *m;

	if ((*mbuf)->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		rte_vlan_insert(mbuf);
	m = *mbuf;
	pkt->data = m->nb_segs == 1 ? rte_pktmbuf_mtod(m, const uint8_t *) : linearise(es, m);
	pkt->caplen = pkt->wire_len = m->pkt_len;
	if (!pkt->data) {
		es->stats.dropped[REASON_mbuf_chain]++;
		return false;
	}
	return true;
}

/* A driver may give nothing at all when asked for fewer than four packets, so a burst is whole even
 * when -c wants fewer: what is above is not taken. */
int ethdev_burst(struct source *src, struct packet *pkts, unsigned max)
{
	struct ethdev_source *es = (struct ethdev_source *)src;
	uint64_t left = es->count_max ? es->count_max - es->seq : UINT64_MAX;
	struct packet pkt = {.link = LINK_ETHERNET, .ts_quality = TS_Q_USER};
	unsigned n = 0;

	ethdev_release(es);
	if (left == 0)
		src->end = SOURCE_END;
	if (es->gone)
		return ethdev_gone(es);
	if (src->end != SOURCE_RUNNING)
		return 0;
	pkt.port = es->queue;
	es->mbufs_n = receive(es, max < BURST_MAX ? max : BURST_MAX);
	if (es->mbufs_n == 0)
		return 0;
	for (unsigned i = 0; i < es->mbufs_n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(es->mbufs[i], void *));
	pkt.ts_recv_ns = ethdev_now_ns();
	for (unsigned i = 0; i < es->mbufs_n && n < left; i++) {
		if (!packet_read(es, &es->mbufs[i], &pkt))
			continue;
		es->stats.received++;
		es->stats.received_bytes += pkt.wire_len;
		if (!filter_pass(&es->filter, &pkt)) {
			es->stats.filtered++;
			continue;
		}
		if (es->snaplen && pkt.caplen > es->snaplen)
			pkt.caplen = es->snaplen;
		pkt.seq = ++es->seq;
		pkts[n++] = pkt;
	}
	return (int)n;
}
