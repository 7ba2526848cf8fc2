/* traffic: packets and bytes on the wire, by protocol. */
#pragma once

#include "decode/frame.h"

enum {
	TRAFFIC_ARP = 256, /* rows below it are IP protocols */
	TRAFFIC_NOT_IP,
	TRAFFIC_ROWS,
	TRAFFIC_NAME = 24,
};

struct traffic_count {
	uint64_t packets, bytes;
};

/* traffic: total is the sum of rows. */
struct traffic {
	struct traffic_count total, rows[TRAFFIC_ROWS];
	uint64_t first_ns, last_ns; /* of the packets; 0 = none */
};

/* traffic_row names the row of a frame.
 * Takes    f: frame_parse's, whatever it returned */
static inline unsigned traffic_row(const struct frame *f, enum link_type link)
{
	if (f->ip_version)
		return f->ip_proto;
	return frame_ethertype(f, link) == 0x0806 ? TRAFFIC_ARP : TRAFFIC_NOT_IP;
}

static inline void traffic_add(struct traffic *t, unsigned row, uint32_t bytes, uint64_t ts_ns)
{
	t->total.packets++;
	t->total.bytes += bytes;
	t->rows[row].packets++;
	t->rows[row].bytes += bytes;
	if (t->first_ns == 0 || ts_ns < t->first_ns)
		t->first_ns = ts_ns;
	if (ts_ns > t->last_ns)
		t->last_ns = ts_ns;
}

/* traffic_merge adds from to into. */
void traffic_merge(struct traffic *into, const struct traffic *from);

/* traffic_name writes the name of a row: "proto/udp", "proto/89", "proto/arp", "proto/not-ip". */
void traffic_name(unsigned row, char name[TRAFFIC_NAME]);
