/* group_sockets: multicast groups that the kernel joins for us on one of its interfaces, on sockets
 * that receive nothing themselves. */
#pragma once

#include "decode/frame.h"

struct group_sockets {
	unsigned n;
	int *fds;
};

/* group_sockets_join joins the multicast addresses among groups; unicast comes by itself.
 *
 * Owns     sockets->fds until group_sockets_close, also after a failure
 * Returns  0, or -errno with error filled */
int group_sockets_join(struct group_sockets *sockets, const char *iface,
	const struct address *groups, unsigned groups_n, char error[256]);
void group_sockets_close(struct group_sockets *sockets);
