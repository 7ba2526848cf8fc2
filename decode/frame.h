/* frame: Ethernet, 802.1Q/QinQ, raw IP, Linux cooked; IPv4, IPv6; UDP, TCP -> addresses and
 * payload. */
#pragma once

#include "base/bytes.h"
#include "base/reason.h"

enum link_type { /* LINKTYPE_ numbers of the pcap file formats */
	LINK_NULL = 0,
	LINK_ETHERNET = 1,
	LINK_RAW = 101,
	LINK_LOOP = 108,
	LINK_LINUX_SLL = 113,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_LINUX_SLL2 = 276,
};

enum { IP_PROTO_TCP = 6, IP_PROTO_UDP = 17 };

/* address holds IPv4 as ::ffff:a.b.c.d so that one compare serves both. */
struct address {
	uint8_t ip[16];
	uint16_t port;
};

struct frame {
	struct address src, dst;
	uint8_t ip_version; /* 4 or 6 */
	uint8_t ip_proto;   /* 17 UDP, 6 TCP: innermost after IPv6 extension headers */
	uint8_t tcp_flags;
	uint8_t vlans;     /* tags seen */
	uint16_t vlan_tci; /* outermost */
	uint32_t tcp_seq, tcp_ack;
	struct bytes payload; /* of UDP or TCP; borrowed from the packet */
};

/* frame_parse reads the headers of one packet.
 *
 * Takes    in: the captured bytes, borrowed; any length is safe
 * Returns  0 with f filled (TCP segments without payload included), or -REASON_x; a fragment or a
 *          protocol other than UDP and TCP still has addresses in f (ports 0)
 * Spec     IEEE 802.1Q; RFC 791, 8200, 768, 9293 */
int frame_parse(struct bytes in, enum link_type link, struct frame *f);
