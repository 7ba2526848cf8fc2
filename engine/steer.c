/* Hot path: no allocation, lock, system call or log. */
#include "engine/steer.h"

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

/* steer_frame takes any frame. */
static __attribute__((noinline)) unsigned steer_frame(
	const struct steer *steer, const struct packet *pkt)
{
	const struct feed_line *line = NULL;
	struct frame f;
	uint32_t h;
	bool ports;
	int rc;

	rc = frame_parse(bytes_of(pkt->data, pkt->caplen), pkt->link, &f);
	ports = frame_whole(&f, rc);
	if (ports)
		line = row_of(steer->table, &f);
	if (line)
		return line->ordinal % steer->workers;
	if (ports && f.ip_proto == IP_PROTO_UDP && steer->recognise)
		return 0;
	h = f.ip_version ? frame_hash(&f) : 0;
	return (steer->buckets ? h % steer->buckets : h) % steer->workers;
}

unsigned steer_packet(const void *ctx, const struct packet *pkt)
{
	const struct steer *steer = ctx;
	const struct feed_line *line = NULL;
	struct udp4 u;

	if (pkt->kind != PACKET_FRAME)
		return 0;
	if (pkt->link == LINK_ETHERNET && frame_udp4(bytes_of(pkt->data, pkt->caplen), &u))
		line = feed_table_find4(steer->table, u.dst);
	return line && !line->tcp ? line->ordinal % steer->workers : steer_frame(steer, pkt);
}
