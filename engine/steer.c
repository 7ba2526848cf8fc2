/* Hot path: no allocation, lock, system call or log. */
#include "engine/steer.h"

/* flow_hash is made of 32-bit words alone, so that a program of the kernel can make it as well
 * (steer_program.c). */
static uint32_t flow_hash(const struct frame *f)
{
	uint32_t h = 0;

	for (unsigned i = f->ip_version == 4 ? 12 : 0; i < 16; i += 4) {
		uint32_t src = load_be32(f->src.ip + i), dst = load_be32(f->dst.ip + i);

		h = (h ^ src ^ dst) * STEER_MIX + src + dst;
	}
	h ^= h >> 15;
	h *= STEER_MIX;
	return h ^ h >> 13;
}

/* row_of finds the row of a feed's packet: by where it goes, over TCP by either end, as
 * feeds_tcp_line does. */
static const struct feed_line *row_of(const struct feed_table *table, const struct frame *f)
{
	bool tcp = f->ip_proto == IP_PROTO_TCP;
	const struct feed_line *line = feed_table_find(table, &f->dst);

	if (!line && tcp)
		line = feed_table_find(table, &f->src);
	return line && line->tcp == tcp ? line : NULL;
}

/* has_ports: a datagram that is damaged or cut behind its ports goes where whole ones go. */
static bool has_ports(const struct frame *f, int rc)
{
	if (f->ip_proto == IP_PROTO_UDP)
		return rc == 0 || rc == -REASON_bad_udp_length || rc == -REASON_truncated;
	return f->ip_proto == IP_PROTO_TCP && rc == 0;
}

unsigned steer_packet(const void *ctx, const struct packet *pkt)
{
	const struct steer *steer = ctx;
	const struct feed_line *line = NULL;
	struct frame f;
	bool ports;
	int rc;

	if (pkt->kind != PACKET_FRAME)
		return 0;
	rc = frame_parse(bytes_of(pkt->data, pkt->caplen), pkt->link, &f);
	ports = has_ports(&f, rc);
	if (ports)
		line = row_of(steer->table, &f);
	if (line)
		return line->ordinal % steer->workers;
	if (ports && f.ip_proto == IP_PROTO_UDP && steer->recognise)
		return 0;
	return f.ip_version ? flow_hash(&f) % steer->workers : 0;
}
