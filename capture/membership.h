/* membership: a host's part in multicast group management, as Ethernet frames: it tells switches
 * and routers which groups a port wants. For ports that no kernel speaks for.
 *
 *    start ── join, again within 1 s ──► query ── answer within its time ──► stop ── leave, again
 *
 * Speaks IGMPv3 and MLDv2, and what an older querier of the link understands (IGMPv2, v1, MLDv1)
 * until it was not heard for 260 s. A query for sources of a group is answered as one for the
 * group: we want all sources.
 *
 * Owns     nothing of the port: frames go in and out as bytes
 * Thread   any one at a time
 * Spec     RFC 3376, 2236, 3810, 2710; router alert: RFC 2113, 2711; RFC 4541 on 0.0.0.0 */
#pragma once

#include "base/bytes.h"
#include "decode/frame.h"

enum { MEMBERSHIP_FRAME = 1514 };

struct membership;

/* membership_port is who we are. IPv6 reports come from the link-local address of the MAC (RFC
 * 4291, appendix A). */
struct membership_port {
	uint8_t mac[6];
	uint8_t ipv4[4]; /* 0.0.0.0: none, which reports may come from (RFC 3376, 4.2.13) */
};

/* membership_open wants the multicast groups among addresses; the first reports are due at once.
 * Those that are never reported (224.0.0.1, ff02::1, and scope of the host alone) are left out.
 *
 * Takes    addresses: borrowed; seed: of random delays
 * Returns  0, or -ENOMEM */
int membership_open(struct membership **m, const struct address *addresses, unsigned n,
	const struct membership_port *port, uint64_t seed, uint64_t now_ns);
void membership_close(struct membership *m);

/* membership_is_query: whether a frame may be a query, for every packet of a port. */
static inline bool membership_is_query(const uint8_t *frame, uint32_t len)
{
	if (len < 42)
		return false;
	if (frame[12] == 0x08 && frame[13] == 0x00)
		return frame[23] == 2; /* IGMP */
	return len >= 86 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 0 &&
	       frame[54] == 58; /* hop by hop, ICMPv6 */
}

/* membership_take takes a received frame; what is no valid query is ignored. */
void membership_take(struct membership *m, struct bytes frame, uint64_t now_ns);

/* membership_leave says that no group is wanted any more: the leaves are due at once, and repeated
 * within 20 ms each. */
void membership_leave(struct membership *m, uint64_t now_ns);

/* membership_due_ns is when membership_next has a frame next; UINT64_MAX: when a query comes. */
uint64_t membership_due_ns(const struct membership *m);

/* membership_next writes a frame that is due. Returns its length, 0: none is */
unsigned membership_next(struct membership *m, uint64_t now_ns, uint8_t frame[MEMBERSHIP_FRAME]);
