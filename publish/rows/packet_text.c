#include "publish/rows/packet_text.h"

#include <arpa/inet.h>

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_RARP = 0x8035,
	TYPE_IPV6 = 0x86dd,
	PROTO_ICMP = 1,
	PROTO_IGMP = 2,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMP6 = 58,
	PROTO_SCTP = 132,
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_ACK = 16,
};

static const char *ethertype_name(uint32_t type)
{
	static const struct {
		uint32_t type;
		const char *name;
	} names[] = {{TYPE_IPV4, "IPv4"}, {TYPE_ARP, "ARP"}, {TYPE_IPV6, "IPv6"},
		{0x8100, "802.1Q"}, {0x88a8, "802.1Q-QinQ"}, {0x8847, "MPLS unicast"},
		{0x8863, "PPPoE D"}, {0x8864, "PPPoE S"}, {0x888e, "EAPOL"}, {0x88cc, "LLDP"},
		{0x88f7, "PTP"}, {TYPE_RARP, "Reverse ARP"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].type == type)
			return names[i].name;
	return "Unknown";
}

static const char *proto_name(uint32_t proto)
{
	switch (proto) {
	case PROTO_ICMP:
		return "ICMP";
	case PROTO_IGMP:
		return "IGMP";
	case PROTO_TCP:
		return "TCP";
	case PROTO_UDP:
		return "UDP";
	case 41:
		return "IPv6";
	case 47:
		return "GRE";
	case 50:
		return "ESP";
	case 51:
		return "AH";
	case PROTO_ICMP6:
		return "ICMPv6";
	case 89:
		return "OSPF";
	case 103:
		return "PIM";
	case 112:
		return "VRRP";
	case PROTO_SCTP:
		return "SCTP";
	}
	return "unknown";
}

static void put_mac(struct buf *out, const ProtobufCBinaryData *mac)
{
	for (size_t i = 0; i < mac->len; i++)
		buf_printf(out, i ? ":%02x" : "%02x", mac->data[i]);
}

static void put_ip(struct buf *out, const Events__V1__Endpoint *end)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (end && (end->ip.len == 4 || end->ip.len == 16))
		inet_ntop(end->ip.len == 4 ? AF_INET : AF_INET6, end->ip.data, text, sizeof(text));
	buf_text(out, text);
}

static void put_link(struct buf *out, const Events__V1__Packet *pk)
{
	if (pk->eth_src.len) {
		put_mac(out, &pk->eth_src);
		buf_text(out, " > ");
		put_mac(out, &pk->eth_dst);
		buf_text(out, ", ");
	}
	for (size_t i = 0; i < pk->n_vlan_tci; i++)
		buf_printf(out, "vlan %u, p %u, ", pk->vlan_tci[i] & 0xfff, pk->vlan_tci[i] >> 13);
	if (pk->ethertype)
		buf_printf(out, "ethertype %s (0x%04x), ", ethertype_name(pk->ethertype),
			pk->ethertype);
	buf_printf(out, "length %u: ", pk->wire_len);
}

static bool has_ports(const Events__V1__Packet *pk)
{
	return pk->frag_offset == 0 && (pk->ip_proto == PROTO_TCP || pk->ip_proto == PROTO_UDP ||
					       pk->ip_proto == PROTO_SCTP);
}

static void put_ip_header(struct buf *out, const Events__V1__Packet *pk)
{
	buf_printf(out,
		"(tos 0x%x, ttl %u, id %u, offset %u, flags [%s%s%s], proto %s (%u), length %u) ",
		pk->dscp_ecn, pk->ttl, pk->ip_id, pk->frag_offset, pk->more_fragments ? "+" : "",
		pk->more_fragments && pk->dont_fragment ? ", " : "",
		pk->dont_fragment    ? "DF"
		: pk->more_fragments ? ""
				     : "none",
		proto_name(pk->ip_proto), pk->ip_proto, pk->ip_len);
}

static void put_tcp_flags(struct buf *out, uint32_t flags)
{
	static const char letters[] = "FSRP.UEWe";

	if (!(flags & 0x1ff))
		buf_text(out, "none");
	for (unsigned i = 0; i < sizeof(letters) - 1; i++)
		if (flags >> i & 1)
			buf_char(out, letters[i]);
}

static void put_tcp(struct buf *out, const struct packet_style *style, const Events__V1__Packet *pk)
{
	if (style->detail == PACKET_QUIET) {
		buf_printf(out, "tcp %u", pk->payload_len);
		return;
	}
	buf_text(out, "Flags [");
	put_tcp_flags(out, pk->tcp_flags);
	buf_char(out, ']');
	if (pk->payload_len)
		buf_printf(out, ", seq %u:%u", pk->tcp_seq, pk->tcp_seq + pk->payload_len);
	else if (pk->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST))
		buf_printf(out, ", seq %u", pk->tcp_seq);
	if (pk->tcp_flags & TCP_ACK)
		buf_printf(out, ", ack %u", pk->tcp_ack);
	buf_printf(out, ", win %u, length %u", pk->tcp_window, pk->payload_len);
	if (pk->info[0])
		buf_printf(out, ": %s", pk->info);
}

static void put_transport(
	struct buf *out, const struct packet_style *style, const Events__V1__Packet *pk)
{
	bool said = pk->info[0] != '\0';

	if (pk->frag_offset)
		buf_printf(out, "%s fragment, offset %u, length %u", proto_name(pk->ip_proto),
			pk->frag_offset, pk->payload_len);
	else if (pk->ip_proto == PROTO_TCP)
		put_tcp(out, style, pk);
	else if (pk->ip_proto == PROTO_UDP && said && style->detail != PACKET_QUIET)
		buf_printf(out, "%s (%u)", pk->info, pk->payload_len);
	else if (pk->ip_proto == PROTO_UDP)
		buf_printf(out, "UDP, length %u", pk->payload_len);
	else if (pk->ip_proto == PROTO_ICMP)
		buf_printf(out, "ICMP %s, length %u", said ? pk->info : "[|icmp]", pk->payload_len);
	else if (pk->ip_proto == PROTO_ICMP6)
		buf_printf(
			out, "ICMP6, %s, length %u", said ? pk->info : "[|icmp6]", pk->payload_len);
	else if (pk->ip_proto == PROTO_IGMP)
		buf_printf(out, style->detail == PACKET_QUIET ? "igmp" : "igmp %s", pk->info);
	else
		buf_printf(out, "ip-proto-%u (%s), length %u", pk->ip_proto,
			proto_name(pk->ip_proto), pk->payload_len);
}

static void put_network(
	struct buf *out, const struct packet_style *style, const Events__V1__Packet *pk)
{
	if (!style->link)
		buf_text(out, pk->src->ip.len == 16 ? "IP6 " : "IP ");
	if (style->detail == PACKET_VERBOSE)
		put_ip_header(out, pk);
	put_ip(out, pk->src);
	if (has_ports(pk))
		buf_printf(out, ".%u", pk->src->port);
	buf_text(out, " > ");
	put_ip(out, pk->dst);
	if (has_ports(pk))
		buf_printf(out, ".%u", pk->dst->port);
	buf_text(out, ": ");
	put_transport(out, style, pk);
}

static void put_dump(struct buf *out, const struct packet_style *style,
	const ProtobufCBinaryData *data, size_t from)
{
	for (size_t at = 0; from + at < data->len; at += 16) {
		const uint8_t *p = data->data + from + at;
		size_t n = data->len - from - at < 16 ? data->len - from - at : 16;

		buf_printf(out, "\n\t0x%04zx: ", at);
		for (size_t i = 0; i < n; i++)
			buf_printf(out, i % 2 ? "%02x" : " %02x", p[i]);
		if (style->dump != PACKET_ASCII)
			continue;
		buf_printf(out, "%*s", (int)(2 + (16 - n) * 2 + (16 - n) / 2), "");
		for (size_t i = 0; i < n; i++)
			buf_char(out, p[i] > 0x20 && p[i] < 0x7f ? (char)p[i] : '.');
	}
}

void packet_text_put(
	struct buf *out, const struct packet_style *style, const Events__V1__Packet *pk)
{
	if (style->link)
		put_link(out, pk);
	if (pk->src && pk->dst && (pk->ethertype == TYPE_ARP || pk->ethertype == TYPE_RARP))
		buf_printf(out, "ARP, %s, length %u", pk->info, pk->wire_len - pk->net_offset);
	else if (pk->src && pk->dst)
		put_network(out, style, pk);
	else if (pk->ethertype)
		buf_printf(out, "ethertype %s (0x%04x), length %u", ethertype_name(pk->ethertype),
			pk->ethertype, pk->wire_len - pk->net_offset);
	else if (pk->eth_src.len)
		buf_printf(out, "802.3, length %u", pk->wire_len - pk->net_offset);
	else
		buf_printf(out, "link layer that is not decoded, length %u", pk->wire_len);
	if (style->detail == PACKET_VERBOSE && pk->cap_len < pk->wire_len)
		buf_printf(out, " [captured %u of %u]", pk->cap_len, pk->wire_len);
	if (style->dump)
		put_dump(out, style, &pk->data, style->link ? 0 : pk->net_offset);
}
