/* What the card lost before the kernel had it: the interface counts it. */
#include "capture/afpacket/afpacket.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { READ_EVERY_NS = 1000000 };

void afpacket_missed_open(struct afpacket_missed *m, const char *iface)
{
	struct timeval patience = {.tv_usec = 10000}; /* the kernel answers at once */

	m->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (m->fd >= 0 &&
		(setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
			afpacket_link_missed(m->fd, iface, &m->seen) < 0))
		afpacket_missed_close(m); /* an old kernel: the card's losses stay unknown */
}

void afpacket_missed_close(struct afpacket_missed *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

uint64_t afpacket_missed_read(struct afpacket_missed *m, const char *iface, uint64_t now_ns)
{
	uint64_t missed, more;

	if (m->fd < 0 || now_ns - m->read_ns < READ_EVERY_NS)
		return 0;
	m->read_ns = now_ns;
	if (afpacket_link_missed(m->fd, iface, &missed) < 0)
		return 0;
	more = missed >= m->seen ? missed - m->seen
				 : missed; /* an interface made anew counts from 0 */
	m->seen = missed;
	return more;
}
