/* The link of an interface that stays up: a cable that is pulled, a switch that starts anew. The
 * kernel may tell of down and up at once, so what counts is how often it went down. */
#include "capture/afpacket/afpacket.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
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

void afpacket_link_ask(int fd, unsigned ifindex)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} request = {
		.head = {.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_index = (int)ifindex},
	};

	if (fd >= 0 && send(fd, &request, sizeof(request), 0) < 0)
		LOG(DEBUG, "links cannot be watched");
}

/* change notes what one message says; the first one only says how it was. */
static void change(struct afpacket *af, struct nlmsghdr *m)
{
	struct ifinfomsg *link = NLMSG_DATA(m);
	unsigned left = (unsigned)IFLA_PAYLOAD(m);
	uint32_t downs;

	if ((unsigned)link->ifi_index != af->socket.ifindex)
		return;
	for (struct rtattr *a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type != IFLA_CARRIER_DOWN_COUNT || RTA_PAYLOAD(a) < sizeof(downs))
			continue;
		memcpy(&downs, RTA_DATA(a), sizeof(downs));
		if (af->socket.link_known && downs != af->socket.link_downs) {
			af->stats.outages++;
			LOG(WARN, "the link went down: gaps of that time are local interface=%s",
				af->src.name);
		}
		af->socket.link_known = true;
		af->socket.link_downs = downs;
	}
}

void afpacket_link_read(struct afpacket *af)
{
	union {
		struct nlmsghdr head;
		char bytes[32768];
	} buffer;
	ssize_t len;

	while ((len = recv(af->socket.link_fd, &buffer, sizeof(buffer), 0)) > 0) {
		unsigned left = (unsigned)len;

		for (struct nlmsghdr *m = &buffer.head; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left))
			if (m->nlmsg_type == RTM_NEWLINK)
				change(af, m);
	}
}
