/* The link of an interface that stays up: a cable that is pulled, a switch that starts anew. */
#include "capture/afpacket/afpacket.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

int afpacket_link_open(void)
{
	struct sockaddr_nl where = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&where, sizeof(where)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* change notes what one message says. Down without IFF_UP is an interface that goes: the packet
 * socket tells of that. */
static void change(struct afpacket *af, const struct ifinfomsg *link)
{
	bool up = link->ifi_flags & IFF_RUNNING;

	if ((unsigned)link->ifi_index != af->socket.ifindex || up == af->socket.link_up ||
		!(link->ifi_flags & IFF_UP))
		return;
	af->socket.link_up = up;
	if (up) {
		LOG(NOTICE, "the link is up interface=%s", af->src.name);
		return;
	}
	af->stats.outages++;
	LOG(WARN, "the link is down: gaps until it is up are local interface=%s", af->src.name);
}

void afpacket_link_read(struct afpacket *af)
{
	union {
		struct nlmsghdr head;
		char bytes[16384];
	} buffer;
	ssize_t len;

	while ((len = recv(af->socket.link_fd, &buffer, sizeof(buffer), 0)) > 0) {
		unsigned left = (unsigned)len;

		for (struct nlmsghdr *m = &buffer.head; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left))
			if (m->nlmsg_type == RTM_NEWLINK)
				change(af, NLMSG_DATA(m));
	}
}
