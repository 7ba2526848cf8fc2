/* Hot path: no allocation, lock, system call or log. */
#include "decode/frame.h"

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_QINQ_OLD = 0x9100,
	VLANS_MAX = 4,
	EXTENSIONS_MAX = 8,
	PROTO_HOPOPTS = 0,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AH = 51,
	PROTO_DSTOPTS = 60,
};

static int parse_udp(struct bytes in, struct frame *f)
{
	size_t len;

	if (!bytes_has(in, 8))
		return -REASON_truncated;
	f->src.port = load_be16(in.p);
	f->dst.port = load_be16(in.p + 2);
	len = load_be16(in.p + 4);
	if (len == 0 && f->ip_version == 6) /* RFC 2675: jumbogram */
		len = bytes_len(in);
	if (len < 8)
		return -REASON_bad_udp_length;
	if (len > bytes_len(in))
		return -REASON_truncated;
	f->payload = (struct bytes){in.p + 8, in.p + len};
	return 0;
}

static int parse_tcp(struct bytes in, struct frame *f)
{
	size_t header_len;

	if (!bytes_has(in, 20))
		return -REASON_truncated;
	header_len = (size_t)(in.p[12] >> 4) * 4;
	if (header_len < 20)
		return -REASON_bad_tcp_header;
	if (header_len > bytes_len(in))
		return -REASON_truncated;
	f->src.port = load_be16(in.p);
	f->dst.port = load_be16(in.p + 2);
	f->tcp_seq = load_be32(in.p + 4);
	f->tcp_ack = load_be32(in.p + 8);
	f->tcp_flags = in.p[13];
	f->payload = (struct bytes){in.p + header_len, in.end};
	return 0;
}

/* cut is true when the packet has fewer bytes than its IP length says: the payload is then not
 * whole. */
static int parse_transport(struct bytes in, bool cut, struct frame *f)
{
	if (f->ip_proto == IP_PROTO_UDP)
		return parse_udp(in, f);
	if (f->ip_proto != IP_PROTO_TCP)
		return -REASON_not_udp_tcp;
	return cut ? -REASON_truncated : parse_tcp(in, f);
}

static void map_ipv4(struct address *a, const uint8_t *ip)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(a->ip, prefix, 12);
	memcpy(a->ip + 12, ip, 4);
}

static int parse_ipv4(struct bytes in, struct frame *f)
{
	size_t header_len, total_len;
	uint16_t fragment;

	f->net = in.p;
	if (!bytes_has(in, 20))
		return -REASON_too_short;
	header_len = (size_t)(in.p[0] & 15) * 4;
	total_len = load_be16(in.p + 2);
	fragment = load_be16(in.p + 6) & 0x3fff; /* more fragments, or an offset */
	if (in.p[0] >> 4 != 4 || header_len < 20)
		return -REASON_bad_ip_header;
	f->ip_version = 4;
	f->ip_proto = in.p[9];
	map_ipv4(&f->src, in.p + 12);
	map_ipv4(&f->dst, in.p + 16);
	if (header_len > bytes_len(in))
		return -REASON_truncated;
	if (total_len == 0) /* left to the NIC by segmentation offload */
		total_len = bytes_len(in);
	if (total_len < header_len)
		return -REASON_bad_ip_header;

	bool cut = total_len > bytes_len(in);

	if (!cut) /* what is behind is padding of the link */
		in.end = in.p + total_len;
	in.p += header_len;
	f->transport = in;
	if (fragment) {
		f->frag_offset = (uint16_t)(fragment << 3);
		f->more_fragments = fragment >> 13;
		return -REASON_fragment;
	}
	return parse_transport(in, cut, f);
}

static int parse_ipv6(struct bytes in, struct frame *f)
{
	size_t payload_len;

	f->net = in.p;
	if (!bytes_has(in, 40))
		return -REASON_too_short;
	if (in.p[0] >> 4 != 6)
		return -REASON_bad_ip_header;
	payload_len = load_be16(in.p + 4);
	f->ip_version = 6;
	f->ip_proto = in.p[6];
	memcpy(f->src.ip, in.p + 8, 16);
	memcpy(f->dst.ip, in.p + 24, 16);
	in.p += 40;

	bool cut = payload_len > bytes_len(in);

	if (!cut && payload_len != 0) /* 0: jumbogram or segmentation offload */
		in.end = in.p + payload_len;
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		size_t len;

		switch (f->ip_proto) {
		case PROTO_HOPOPTS:
		case PROTO_ROUTING:
		case PROTO_DSTOPTS:
			if (!bytes_has(in, 8))
				return -REASON_truncated;
			len = ((size_t)in.p[1] + 1) * 8;
			break;
		case PROTO_AH: /* RFC 4302: counts 4-byte words, minus 2 */
			if (!bytes_has(in, 8))
				return -REASON_truncated;
			len = ((size_t)in.p[1] + 2) * 4;
			break;
		case PROTO_FRAGMENT:
			if (!bytes_has(in, 8))
				return -REASON_truncated;
			if (load_be16(in.p + 2) & 0xfff9) { /* not an atomic fragment (RFC 6946) */
				f->ip_proto = in.p[0];
				f->frag_offset = load_be16(in.p + 2) & 0xfff8;
				f->more_fragments = in.p[3] & 1;
				f->transport = (struct bytes){in.p + 8, in.end};
				return -REASON_fragment;
			}
			len = 8;
			break;
		default:
			f->transport = in;
			return parse_transport(in, cut, f);
		}
		if (len > bytes_len(in))
			return -REASON_truncated;
		f->ip_proto = in.p[0];
		in.p += len;
	}
	return -REASON_bad_ip_header;
}

static int parse_ip(struct bytes in, struct frame *f)
{
	if (!bytes_has(in, 1))
		return -REASON_too_short;
	return in.p[0] >> 4 == 6 ? parse_ipv6(in, f) : parse_ipv4(in, f);
}

static int parse_ethertype(struct bytes in, uint16_t type, struct frame *f)
{
	while (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_QINQ_OLD) {
		f->net = in.p;
		if (!bytes_has(in, 4))
			return -REASON_too_short;
		if (f->vlans == VLANS_MAX)
			return -REASON_not_ip;
		if (f->vlans++ == 0)
			f->vlan_tci = load_be16(in.p);
		type = load_be16(in.p + 2);
		in.p += 4;
	}
	if (type == ETHERTYPE_IPV4)
		return parse_ipv4(in, f);
	if (type == ETHERTYPE_IPV6)
		return parse_ipv6(in, f);
	f->net = in.p;
	return -REASON_not_ip;
}

uint32_t frame_hash(const struct frame *f)
{
	uint32_t h = 0;

	for (unsigned i = f->ip_version == 4 ? 12 : 0; i < 16; i += 4) {
		uint32_t src = load_be32(f->src.ip + i), dst = load_be32(f->dst.ip + i);

		h = (h ^ src ^ dst) * FRAME_HASH_MIX + src + dst;
	}
	h ^= h >> 15;
	h *= FRAME_HASH_MIX;
	return h ^ h >> 13;
}

_Static_assert(sizeof(struct frame) % 16 == 0, "frame_parse clears it in pieces of 16");

int frame_parse(struct bytes in, enum link_type link, struct frame *f)
{
	size_t header_len;

	/* In pieces: as one assignment gcc makes it a `rep stos`, which takes 30 cycles to start. */
#pragma GCC unroll 16
	for (size_t i = 0; i < sizeof(*f); i += 16)
		memset((uint8_t *)f + i, 0, 16);
	switch (link) {
	case LINK_ETHERNET:
		if (!bytes_has(in, 14))
			return -REASON_too_short;
		in.p += 14;
		return parse_ethertype(in, load_be16(in.p - 2), f);
	case LINK_RAW:
	case LINK_IPV4:
	case LINK_IPV6:
		return parse_ip(in, f);
	case LINK_LINUX_SLL:
		header_len = 16;
		if (!bytes_has(in, header_len))
			return -REASON_too_short;
		in.p += header_len;
		return parse_ethertype(in, load_be16(in.p - 2), f);
	case LINK_LINUX_SLL2:
		header_len = 20;
		if (!bytes_has(in, header_len))
			return -REASON_too_short;
		in.p += header_len;
		return parse_ethertype(in, load_be16(in.p - header_len), f);
	case LINK_NULL:
	case LINK_LOOP: /* the address family's value differs by system: the version nibble does not
			 */
		if (!bytes_has(in, 4))
			return -REASON_too_short;
		in.p += 4;
		return parse_ip(in, f);
	}
	return -REASON_unknown_link_type;
}
