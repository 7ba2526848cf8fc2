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

enum {
	IP_PROTO_ICMP = 1,
	IP_PROTO_IGMP = 2,
	IP_PROTO_TCP = 6,
	IP_PROTO_UDP = 17,
	IP_PROTO_ICMP6 = 58,
	IP_PROTO_SCTP = 132,
};

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
	bool more_fragments;
	uint16_t frag_offset; /* bytes; of a fragment */
	uint32_t tcp_seq, tcp_ack;
	struct bytes payload; /* of UDP or TCP; borrowed from the packet, as all that follows */
	struct bytes
		transport;  /* what IP carries, as far as it was captured; p NULL: not reached */
	const uint8_t *net; /* what the link carries: IP, ARP …; NULL: not reached */
};

/* frame_has_ports says whether what IP carries begins with two ports. */
static inline bool frame_has_ports(const struct frame *f)
{
	return f->frag_offset == 0 && (f->ip_proto == IP_PROTO_UDP || f->ip_proto == IP_PROTO_TCP ||
					      f->ip_proto == IP_PROTO_SCTP);
}

/* frame_ethertype is the type behind all VLAN tags; 0: the link has none, or an 802.3 length. */
static inline uint32_t frame_ethertype(const struct frame *f, enum link_type link)
{
	uint32_t type;

	if (!f->net || (link != LINK_ETHERNET && link != LINK_LINUX_SLL && link != LINK_LINUX_SLL2))
		return 0;
	/* LINUX_SLL2 begins with the type, the others end with it */
	type = load_be16(f->net - (link == LINK_LINUX_SLL2 && !f->vlans ? 20 : 2));
	return type < 0x0600 ? 0 : type;
}

/* frame_ip_len is how many bytes the IP packet had on the wire, by its header.
 * Takes    f: with ip_version not 0; left: bytes on the wire from the IP header on, which counts for a
 *          jumbogram and for a length left to the NIC */
static inline uint32_t frame_ip_len(const struct frame *f, uint32_t left)
{
	uint32_t len = load_be16(f->net + (f->ip_version == 6 ? 4 : 2));

	if (len == 0)
		return left;
	return f->ip_version == 6 ? 40 + len : len;
}

/* frame_whole says whether a datagram or segment is there with its ports, though it may be damaged
 * or cut behind them. Takes  rc: what frame_parse returned for it */
static inline bool frame_whole(const struct frame *f, int rc)
{
	if (f->ip_proto == IP_PROTO_UDP)
		return rc == 0 || rc == -REASON_bad_udp_length || rc == -REASON_truncated;
	return f->ip_proto == IP_PROTO_TCP && rc == 0;
}

#define FRAME_HASH_MIX 0x9e3779b1u /* odd: its multiplier */

/* frame_hash is a hash of the two addresses, both directions alike. It is made of 32-bit words
 * alone, so that a program of the kernel can make it as well. */
uint32_t frame_hash(const struct frame *f);

/* udp4 is what nearly every packet of a feed is. */
struct udp4 {
	uint64_t dst; /* address and port as they lie on the wire */
	struct bytes payload;
};

/* frame_dst4 is the dst of struct udp4 of a parsed frame. */
static inline uint64_t frame_dst4(const struct frame *f)
{
	return load_le32(f->dst.ip + 12) | (uint64_t)__builtin_bswap16(f->dst.port) << 32;
}

/* frame_udp4 reads a frame that is Ethernet without tags, IPv4 without options, and a whole UDP
 * datagram: the short way to what frame_parse says of it.
 * Returns  false for any other frame */
static inline bool frame_udp4(struct bytes in, struct udp4 *u)
{
	const uint8_t *ip = in.p + 14;
	size_t total_len, len;

	if (!bytes_has(in, 42) || load_be16(in.p + 12) != 0x0800 || ip[0] != 0x45 ||
		(load_be32(ip + 6) & 0x3fff00ff) != IP_PROTO_UDP) /* fragment, TTL, protocol */
		return false;
	total_len = load_be16(ip + 2);
	len = load_be16(ip + 24);
	if (len < 8 || 20 + len > total_len || 14 + total_len > bytes_len(in))
		return false;
	u->dst = load_le32(ip + 16) | (uint64_t)load_le16(ip + 22) << 32;
	u->payload = (struct bytes){ip + 28, ip + 20 + len};
	return true;
}

/* frame_parse reads the headers of one packet.
 *
 * Takes    in: the captured bytes, borrowed; any length is safe
 * Returns  0 with f filled (TCP segments without payload included), or -REASON_x with f filled as
 *          far as the headers went: ip_version not 0 says that there are addresses (ports 0)
 * Spec     IEEE 802.1Q; RFC 791, 8200, 768, 9293 */
int frame_parse(struct bytes in, enum link_type link, struct frame *f);
