/* Hot path: no allocation, lock, system call or log. */
#include "engine/steer.h"

static uint32_t flow_hash(const struct frame *f)
{
	uint64_t h = (load_le64(f->src.ip) ^ load_le64(f->dst.ip)) * 31 +
		     (load_le64(f->src.ip + 8) + load_le64(f->dst.ip + 8));

	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 32);
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

unsigned steer_packet(const void *ctx, const struct packet *pkt)
{
	const struct steer *steer = ctx;
	const struct feed_line *line;
	struct frame f;
	int rc;

	if (pkt->kind != PACKET_FRAME)
		return 0;
	rc = frame_parse(bytes_of(pkt->data, pkt->caplen), pkt->link, &f);
	line = rc == 0 ? row_of(steer->table, &f) : NULL;
	if (line)
		return line->ordinal % steer->workers;
	if (rc == 0 && f.ip_proto == IP_PROTO_UDP && steer->recognise)
		return 0;
	return f.ip_version ? flow_hash(&f) % steer->workers : 0;
}
