/* Hot path: no allocation, lock, system call or log. */
#include "decode/net/packet.h"

enum {
	ETHERNET_LEN = 14,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_RARP = 0x8035,
	ARP_HEAD = 8,
};

static uint64_t end_hash(const struct address *a, uint16_t port)
{
	uint64_t h = load_le64(a->ip) * 0x9e3779b97f4a7c15ull ^ load_le64(a->ip + 8);

	h = (h ^ h >> 32 ^ port) * 0xd6e8feb86659fd93ull;
	return h ^ h >> 32;
}

/* ports_of reads the ports where there are any. */
static bool ports_of(const struct frame *f, uint16_t *src, uint16_t *dst)
{
	*src = *dst = 0;
	if (!frame_has_ports(f) || !f->transport.p || !bytes_has(f->transport, 4))
		return false;
	*src = load_be16(f->transport.p);
	*dst = load_be16(f->transport.p + 2);
	return true;
}

uint64_t packet_flow_id(const struct frame *f)
{
	uint16_t src, dst;
	uint64_t h;

	if (!f->ip_version)
		return 0;
	ports_of(f, &src, &dst);
	h = end_hash(&f->src, src) + end_hash(&f->dst, dst) + f->ip_proto;
	h *= 0x9e3779b97f4a7c15ull;
	return (h ^ h >> 32) | 1;
}

static const char *protocol_of(const struct frame *f)
{
	switch (f->ip_proto) {
	case IP_PROTO_TCP:
		return "tcp";
	case IP_PROTO_UDP:
		return "udp";
	case IP_PROTO_ICMP:
		return "icmp";
	case IP_PROTO_ICMP6:
		return "icmp6";
	case IP_PROTO_IGMP:
		return "igmp";
	case IP_PROTO_SCTP:
		return "sctp";
	}
	return "ip";
}

static void link_fill(struct events *out, struct ev_packet *pk, struct bytes in,
	const struct frame *f, enum link_type link)
{
	uint32_t *tags;

	if (link == LINK_ETHERNET && bytes_has(in, ETHERNET_LEN)) {
		pk->eth_dst = bytes_of(in.p, 6);
		pk->eth_src = bytes_of(in.p + 6, 6);
	}
	pk->ethertype = frame_ethertype(f, link);
	pk->net_offset = f->net ? (uint32_t)(f->net - in.p) : 0;
	tags = f->net && f->vlans ? events_alloc(out, f->vlans * sizeof(*tags)) : NULL;
	for (unsigned i = 0; tags && i < f->vlans; i++)
		tags[i] = load_be16(f->net - 4 * (f->vlans - i));
	pk->vlan_tci = tags;
	pk->vlan_tci_n = tags ? f->vlans : 0;
}

static void ip_fill(struct ev_packet *pk, const struct frame *f)
{
	const uint8_t *ip = f->net;
	bool v6 = f->ip_version == 6;

	pk->has = PACKET_HAS_SRC | PACKET_HAS_DST;
	pk->src.ip = v6 ? bytes_of(ip + 8, 16) : bytes_of(ip + 12, 4);
	pk->dst.ip = v6 ? bytes_of(ip + 24, 16) : bytes_of(ip + 16, 4);
	pk->ip_proto = f->ip_proto;
	pk->ttl = v6 ? ip[7] : ip[8];
	pk->dscp_ecn = v6 ? load_be16(ip) >> 4 & 255 : ip[1];
	pk->frag_offset = f->frag_offset;
	pk->more_fragments = f->more_fragments;
	if (!v6) {
		pk->ip_id = load_be16(ip + 4);
		pk->dont_fragment = ip[6] >> 6 & 1;
	} else if (f->frag_offset || f->more_fragments) {
		pk->ip_id = load_be32(f->transport.p - 4); /* of the fragment header */
	}
}

/* tcp_fill reads what was captured of the TCP header; len is TCP's on the wire. */
static void tcp_fill(struct ev_packet *pk, struct bytes in, uint32_t len)
{
	uint32_t header_len;

	if (bytes_has(in, 8))
		pk->tcp_seq = load_be32(in.p + 4);
	if (bytes_has(in, 12))
		pk->tcp_ack = load_be32(in.p + 8);
	if (bytes_has(in, 14)) {
		pk->tcp_flags = load_be16(in.p + 12) & 0x0fff;
		header_len = (uint32_t)(in.p[12] >> 4) * 4;
		pk->payload_len = len > header_len ? len - header_len : 0;
	}
	if (bytes_has(in, 16))
		pk->tcp_window = load_be16(in.p + 14);
}

static void transport_fill(struct ev_packet *pk, const struct frame *f)
{
	uint32_t before = (uint32_t)(f->transport.p - f->net), len;
	uint16_t src, dst;

	len = pk->ip_len > before ? pk->ip_len - before : 0;
	pk->payload_len = len;
	if (!ports_of(f, &src, &dst))
		return;
	pk->src.port = src;
	pk->dst.port = dst;
	if (f->ip_proto == IP_PROTO_TCP)
		tcp_fill(pk, f->transport, len);
	else if (f->ip_proto == IP_PROTO_UDP && bytes_has(f->transport, 6)) {
		uint32_t udp_len = load_be16(f->transport.p + 4);

		if (udp_len == 0)
			udp_len = len;
		pk->payload_len = udp_len > 8 ? udp_len - 8 : 0;
	}
}

/* arp_fill reads ARP for IPv4. */
static void arp_fill(struct events *out, struct ev_packet *pk, struct bytes in)
{
	char room[128];
	struct text t = TEXT_ON(room);
	unsigned op, hardware;

	pk->protocol = STR("arp");
	if (!bytes_has(in, ARP_HEAD) || load_be16(in.p + 2) != 0x0800 || in.p[5] != 4)
		return;
	hardware = in.p[4]; /* bytes of a link address */
	if (!bytes_has(in, ARP_HEAD + 2 * (hardware + 4)))
		return;
	op = load_be16(in.p + 6);
	pk->has = PACKET_HAS_SRC | PACKET_HAS_DST;
	pk->src.ip = bytes_of(in.p + ARP_HEAD + hardware, 4);
	pk->dst.ip = bytes_of(in.p + ARP_HEAD + 2 * hardware + 4, 4);
	if (op == 1) {
		text_put(&t, "Request who-has ");
		text_ip(&t, pk->dst.ip);
		text_put(&t, " tell ");
		text_ip(&t, pk->src.ip);
	} else if (op == 2) {
		text_put(&t, "Reply ");
		text_ip(&t, pk->src.ip);
		text_put(&t, " is-at ");
		if (hardware == 6)
			text_mac(&t, in.p + ARP_HEAD);
	} else {
		text_put(&t, "op ");
		text_u32(&t, op);
	}
	packet_say(out, pk, "arp", &t);
}

static void igmp_info(struct text *t, struct bytes in)
{
	static const struct {
		uint8_t type;
		const char *name;
	} names[] = {{0x11, "query "}, {0x12, "v1 report "}, {0x16, "v2 report "}, {0x17, "leave "},
		{0x22, "v3 report, "}};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (names[i].type != in.p[0])
			continue;
		text_put(t, names[i].name);
		if (in.p[0] != 0x22) {
			text_ip(t, bytes_of(in.p + 4, 4));
			return;
		}
		text_u32(t, load_be16(in.p + 6));
		text_put(t, " group record(s)");
		return;
	}
	text_put(t, "type ");
	text_hex(t, in.p[0], 2);
}

void packet_say(
	struct events *out, struct ev_packet *pk, const char *protocol, const struct text *info)
{
	char *kept = info->len ? events_alloc(out, info->len) : NULL;

	pk->protocol = str_of(protocol);
	if (!kept)
		return;
	memcpy(kept, info->p, info->len);
	pk->info = (struct str){kept, info->len};
}

struct ev_packet *packet_event(struct events *out, struct bytes in, const struct frame *f,
	const struct packet_facts *facts, uint32_t data_max)
{
	struct ev_packet *pk = &events_push(out, EVENT_PACKET)->packet;
	size_t cap_len = bytes_len(in);

	pk->number = facts->number;
	pk->cap_len = (uint32_t)cap_len;
	pk->wire_len = facts->wire_len;
	pk->flow_id = packet_flow_id(f);
	if (data_max)
		pk->data = bytes_of(in.p, cap_len < data_max ? cap_len : data_max);
	link_fill(out, pk, in, f, facts->link);
	if (!f->ip_version) {
		if (pk->ethertype == ETHERTYPE_ARP || pk->ethertype == ETHERTYPE_RARP)
			arp_fill(out, pk, (struct bytes){in.p + pk->net_offset, in.end});
		return pk;
	}
	ip_fill(pk, f);
	pk->ip_len = frame_ip_len(f, facts->wire_len - pk->net_offset);
	pk->protocol = str_of(protocol_of(f));
	if (f->transport.p)
		transport_fill(pk, f);
	if (f->ip_proto == IP_PROTO_IGMP && f->transport.p && !f->frag_offset &&
		bytes_has(f->transport, 8)) {
		char room[64];
		struct text t = TEXT_ON(room);

		igmp_info(&t, f->transport);
		packet_say(out, pk, "igmp", &t);
	}
	return pk;
}
