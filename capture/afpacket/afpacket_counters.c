/* Counters of an interface, by netlink. */
#include "capture/afpacket/afpacket.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

/* link_ask asks for the counters of the interface. Returns  0, or -errno */
static int link_ask(int fd, unsigned index)
{
	struct {
		struct nlmsghdr head;
		struct if_stats_msg stats;
	} ask = {
		.head = {.nlmsg_len = sizeof(ask),
			.nlmsg_type = RTM_GETSTATS,
			.nlmsg_flags = NLM_F_REQUEST},
		.stats = {.ifindex = index,
			.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)},
	};

	return send(fd, &ask, sizeof(ask), 0) < 0 ? -errno : 0;
}

int afpacket_link_missed(int fd, const char *iface, uint64_t *missed)
{
	union {
		struct nlmsghdr head;
		uint8_t bytes[4096];
	} answer;
	const struct rtattr *attr;
	struct rtnl_link_stats64 stats;
	int rc = link_ask(fd, if_nametoindex(iface));
	ssize_t len = rc == 0 ? recv(fd, &answer, sizeof(answer), 0) : 0;

	if (rc < 0 || len < 0)
		return rc < 0 ? rc : -errno;
	if ((size_t)len < NLMSG_LENGTH(sizeof(struct if_stats_msg)) + RTA_LENGTH(0) ||
		answer.head.nlmsg_type != RTM_NEWSTATS)
		return -ENODATA;
	attr = (const void *)(answer.bytes + NLMSG_LENGTH(sizeof(struct if_stats_msg)));
	if (attr->rta_type != IFLA_STATS_LINK_64 ||
		RTA_PAYLOAD(attr) < offsetof(struct rtnl_link_stats64, rx_compressed))
		return -ENODATA;
	memset(&stats, 0, sizeof(stats));
	memcpy(&stats, RTA_DATA(attr),
		RTA_PAYLOAD(attr) < sizeof(stats) ? RTA_PAYLOAD(attr) : sizeof(stats));
	*missed = stats.rx_missed_errors + stats.rx_fifo_errors;
	return 0;
}
