/* Hot path: no allocation, lock, system call or log. */
#include "capture/dpdk/ethdev_impl.h"

#include <rte_mbuf_dyn.h>

#include "capture/dpdk/join.h"
#include "capture/membership.h"
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

/* stamp gives a packet the card's time, where it has one, or the burst's. */
static void stamp(const struct ethdev_source *es, const struct rte_mbuf *m, uint64_t burst_ns,
	struct packet *pkt)
{
	const struct ethdev_port *port = es->port;
	bool has = port->stamps && (m->ol_flags & port->stamp_flag);

	pkt->ts_quality = has ? TS_Q_HARDWARE : TS_Q_USER;
	pkt->ts_recv_ns =
		has ? ethdev_clock_ns(&es->clock, *RTE_MBUF_DYNFIELD(m, port->stamp_offset,
							  const rte_mbuf_timestamp_t *))
		    : burst_ns;
}

/* A driver may give nothing at all when asked for fewer than four packets, so a burst is whole even
 * when -c wants fewer: what is above is not taken. */
int ethdev_burst(struct source *src, struct packet *pkts, unsigned max)
{
	struct ethdev_source *es = (struct ethdev_source *)src;
	uint64_t left = es->count_max ? es->count_max - es->seq : UINT64_MAX;
	struct packet pkt = {.link = LINK_ETHERNET};
	uint64_t burst_ns;
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
	burst_ns = ethdev_now_ns();
	for (unsigned i = 0; i < es->mbufs_n && n < left; i++) {
		if (!packet_read(es, &es->mbufs[i], &pkt))
			continue;
		stamp(es, es->mbufs[i], burst_ns, &pkt);
		if (es->port->join && membership_is_query(pkt.data, pkt.caplen))
			join_query(es->port->join, pkt.data, pkt.caplen);
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
