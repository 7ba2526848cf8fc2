/* Hot path: no allocation, lock, system call or log. */
#include "capture/afpacket/afpacket.h"

#include <linux/if_ether.h>

enum {
	MACS = 12, /* the addresses in front of it */
};

static struct tpacket_block_desc *block_at(const struct afpacket *af, unsigned i)
{
	return (struct tpacket_block_desc *)(void *)(af->socket.ring + (size_t)i * AFPACKET_BLOCK);
}

static void block_give_back(struct afpacket *af)
{
	__atomic_store_n(&block_at(af, af->current)->hdr.bh1.block_status, TP_STATUS_KERNEL,
		__ATOMIC_RELEASE);
	af->taken = false;
	if (++af->current == af->socket.blocks_n)
		af->current = 0;
}

/* block_take looks for a block that the kernel has filled. */
static bool block_take(struct afpacket *af)
{
	struct tpacket_block_desc *block = block_at(af, af->current);

	if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return false;
	af->taken = true;
	af->left = block->hdr.bh1.num_pkts;
	af->next = (const void *)((const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt);
	return true;
}

/* tag_put_back writes the VLAN tag, which the kernel took out, in front of the data again:
 * PACKET_RESERVE left room before the addresses. */
static void tag_put_back(const struct tpacket3_hdr *hdr, struct packet *pkt)
{
	uint8_t *data = (uint8_t *)(uintptr_t)pkt->data - AFPACKET_TAG;
	uint16_t tpid =
		hdr->tp_status & TP_STATUS_VLAN_TPID_VALID ? hdr->hv1.tp_vlan_tpid : ETH_P_8021Q;

	if (pkt->caplen < MACS)
		return;
	memmove(data, pkt->data, MACS);
	data[MACS] = (uint8_t)(tpid >> 8);
	data[MACS + 1] = (uint8_t)tpid;
	data[MACS + 2] = (uint8_t)(hdr->hv1.tp_vlan_tci >> 8);
	data[MACS + 3] = (uint8_t)hdr->hv1.tp_vlan_tci;
	pkt->data = data;
	pkt->caplen += AFPACKET_TAG;
	pkt->wire_len += AFPACKET_TAG;
}

static void packet_read(struct afpacket *af, const struct tpacket3_hdr *hdr, struct packet *pkt)
{
	*pkt = (struct packet){
		.data = (const uint8_t *)hdr + hdr->tp_mac,
		.caplen = hdr->tp_snaplen,
		.wire_len = hdr->tp_len,
		.ts_recv_ns = hdr->tp_sec * UINT64_C(1000000000) + hdr->tp_nsec,
		.seq = ++af->position,
		.link = af->socket.link,
		.port = (uint16_t)af->index,
		.kind = PACKET_FRAME,
		.ts_quality =
			hdr->tp_status & TP_STATUS_TS_RAW_HARDWARE ? TS_Q_HARDWARE : TS_Q_KERNEL,
	};
	if (hdr->tp_status & TP_STATUS_VLAN_VALID)
		tag_put_back(hdr, pkt);
	if (af->snaplen && pkt->caplen > af->snaplen)
		pkt->caplen = af->snaplen;
	__builtin_prefetch(pkt->data);
	af->stats.received++;
	af->stats.received_bytes += pkt->caplen;
}

int afpacket_burst(struct source *src, struct packet *pkts, unsigned max)
{
	struct afpacket *af = (struct afpacket *)src;
	unsigned n = 0;

	if (af->taken && af->left == 0)
		block_give_back(af);
	if (src->end != SOURCE_RUNNING || src->away)
		return 0;
	if (af->count_max && af->position >= af->count_max) {
		src->end = SOURCE_END;
		return 0;
	}
	if (!af->taken && !block_take(af))
		return af->gone ? afpacket_gone(af) : 0;
	if (af->count_max && max > af->count_max - af->position)
		max = (unsigned)(af->count_max - af->position);
	for (; n < max && af->left > 0; n++, af->left--) {
		packet_read(af, af->next, &pkts[n]);
		af->next = (const void *)((const uint8_t *)af->next + af->next->tp_next_offset);
	}
	return (int)n;
}
