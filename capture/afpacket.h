/* afpacket: what its hot file and its cold one share. Inside capture/ only.
 *
 * A ring of blocks (TPACKET_V3) that the kernel fills and we give back:
 *
 *    block: status | packet, packet, ...
 *    ring:  [user] [user] [kernel] [kernel]
 *              ^ current
 *
 * The kernel hands a block to us (TP_STATUS_USER) when it is full or 1 ms old. A burst hands out
 * packets of one block; the block goes back in the burst after its last packet was handed out. */
#pragma once

#include "capture/source.h"

#include <linux/if_packet.h>

enum {
	AFPACKET_BLOCK = 128 * 1024, /* holds the largest merged frame */
	AFPACKET_TAG = 4,            /* 802.1Q */
};

struct afpacket {
	struct source src;
	int fd;
	uint16_t link;
	uint8_t *ring;
	unsigned blocks_n, current; /* current: the block we read or wait for */
	unsigned left;              /* packets of current not handed out yet */
	bool taken;                 /* current is ours: give it back when left is 0 */
	const struct tpacket3_hdr *next;
	uint64_t position, count_max;
	uint32_t snaplen; /* 0 = all */
	bool gone;        /* the kernel reported an error */
	int gone_errno;
	struct source_stats stats;
	unsigned sockets_n; /* that hold group memberships */
	int *sockets;
};

int afpacket_burst(struct source *src, struct packet *pkts, unsigned max);

/* afpacket_gone says in src->error why the interface is lost. Returns 0 */
int afpacket_gone(struct afpacket *af);
