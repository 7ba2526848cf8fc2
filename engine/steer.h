/* steer: which worker owns a packet. One pure function, the same on every worker and for every
 * source. */
#pragma once

#include "capture/source.h"
#include "decode/feed/feed.h"

/* steer is what the function looks at; read-only once workers run. */
struct steer {
	const struct feed_table *table; /* kept */
	bool recognise; /* feeds without a row stay on worker 0, so that lines A and B meet */
	unsigned workers;
	uint32_t
		buckets; /* of packets that become events: bucket b is worker b % workers; 0 = none do */
};

/* steer_packet names the owner of a packet: a packet of the feed table by its channel, else a flow
 * by its two addresses, both directions alike. Ports do not count: fragments have none, and a FIX
 * session that connects again from another port stays where it was
 * (docs/decisions/0003-steering.md, 0011-packets.md).
 *
 * Takes    ctx: struct steer
 * Returns  0 … workers - 1 */
unsigned steer_packet(const void *ctx, const struct packet *pkt);
