/* What is cold about AF_PACKET: opening, waiting, statistics, errors. */
#define _GNU_SOURCE
#include "capture/afpacket.h"
#include "capture/filter.h"
#include "decode/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	RING_MIB = 64, /* when nobody says: 512 blocks, so half a second of slow traffic */
	RING_MIB_MAX = 4096,
	FRAME = 2048,  /* the kernel wants one; with version 3 it limits nothing */
	RETIRE_MS = 1, /* a block with packets is handed over after this time */
	ACCEPT = 256 * 1024,
	GROUPS_PER_SOCKET = 16, /* net.ipv4.igmp_max_memberships is 20 */
	LAST_BLOCK_US = 20000,  /* after this, the last block of an interface that went is ours */
};

int afpacket_gone(struct afpacket *af)
{
	if (if_nametoindex(af->src.name) == 0)
		return source_fail(&af->src, SOURCE_GONE, 0,
			"the interface was removed; what it had received before was delivered");
	if (af->gone_errno == ENETDOWN)
		return source_fail(&af->src, SOURCE_GONE, 0,
			"the interface went down; what it had received before was delivered. "
			"Bring it up (ip link set %s up) and start again",
			af->src.name);
	return source_fail(
		&af->src, SOURCE_GONE, 0, "capturing failed: %s", strerror(af->gone_errno));
}

static void afpacket_wait(struct source *src, unsigned timeout_us)
{
	struct afpacket *af = (struct afpacket *)src;
	struct pollfd ready = {.fd = af->fd, .events = POLLIN};
	struct timespec t = {timeout_us / 1000000, (long)(timeout_us % 1000000) * 1000};
	socklen_t len = sizeof(af->gone_errno);

	if ((af->taken && af->left > 0) || af->gone || ppoll(&ready, 1, &t, NULL) <= 0)
		return;
	if (!(ready.revents & (POLLERR | POLLHUP | POLLNVAL)))
		return;
	getsockopt(af->fd, SOL_SOCKET, SO_ERROR, &af->gone_errno, &len);
	af->gone = af->gone_errno != 0;
	if (af->gone)
		usleep(LAST_BLOCK_US);
}

/* The kernel's counters start anew at each reading. */
static void afpacket_stats(struct source *src, struct source_stats *stats)
{
	struct afpacket *af = (struct afpacket *)src;
	struct tpacket_stats_v3 kernel = {0};
	socklen_t len = sizeof(kernel);

	if (getsockopt(af->fd, SOL_PACKET, PACKET_STATISTICS, &kernel, &len) == 0)
		af->stats.dropped[REASON_kernel_drop] += kernel.tp_drops;
	*stats = af->stats;
}

static void afpacket_close(struct source *src)
{
	struct afpacket *af = (struct afpacket *)src;

	for (unsigned i = 0; i < af->sockets_n; i++)
		close(af->sockets[i]);
	free(af->sockets);
	if (af->ring)
		munmap(af->ring, (size_t)af->blocks_n * AFPACKET_BLOCK);
	if (af->fd >= 0)
		close(af->fd);
	free(af);
}

static const struct source_ops afpacket_ops = {
	.name = "afpacket",
	.burst = afpacket_burst,
	.wait = afpacket_wait,
	.stats = afpacket_stats,
	.close = afpacket_close,
};

static int no_interface(struct source *src)
{
	struct if_nameindex *all = if_nameindex();
	char names[128] = "";
	size_t len = 0;

	for (struct if_nameindex *i = all; i && i->if_index && len < sizeof(names); i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, " %s", i->if_name);
	if (all)
		if_freenameindex(all);
	return source_fail(src, SOURCE_GONE, -ENODEV, "no such interface; there are:%s", names);
}

static int no_rights(struct source *src, const char *what)
{
	char self[96];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = '\0';
	return source_fail(src, SOURCE_GONE, -EPERM,
		"%s needs the capability CAP_NET_RAW: run as root, or once: sudo setcap "
		"cap_net_raw=ep %s",
		what, len > 0 ? self : "pkt-sniffer");
}

/* iface_check finds the interface's number and link type. Returns the number, or -errno */
static int iface_check(struct afpacket *af)
{
	struct ifreq req = {0};
	int index;

	if (strlen(af->src.name) >= sizeof(req.ifr_name))
		return no_interface(&af->src);
	memcpy(req.ifr_name, af->src.name, strlen(af->src.name));
	if (ioctl(af->fd, SIOCGIFINDEX, &req) < 0)
		return no_interface(&af->src);
	index = req.ifr_ifindex;
	if (ioctl(af->fd, SIOCGIFFLAGS, &req) < 0 || !(req.ifr_flags & IFF_UP))
		return source_fail(&af->src, SOURCE_GONE, -ENETDOWN,
			"the interface is down: ip link set %s up", af->src.name);
	if (ioctl(af->fd, SIOCGIFHWADDR, &req) < 0)
		return no_interface(&af->src);
	switch (req.ifr_hwaddr.sa_family) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		af->link = LINK_ETHERNET;
		return index;
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
		af->link = LINK_RAW;
		return index;
	default:
		return source_fail(&af->src, SOURCE_GONE, -EPROTONOSUPPORT,
			"interfaces of type %u are not read, only Ethernet and raw IP; capture "
			"with tcpdump "
			"and pipe it in: -r -",
			req.ifr_hwaddr.sa_family);
	}
}

/* filter_attach gives the kernel the filter before it gives us a packet. */
static int filter_attach(struct afpacket *af, const struct source_options *opt)
{
	uint32_t accept = opt->snaplen ? opt->snaplen : ACCEPT;
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, accept);
	struct sock_fprog prog = {1, &all};
	char error[256];
	int rc = 0;

	if (opt->filter) {
		rc = filter_kernel(opt->filter, af->src.name, af->link, accept, &prog, error);
		if (rc < 0)
			return source_fail(&af->src, SOURCE_GONE, rc, "%s", error);
	}
	if (setsockopt(af->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		rc = source_fail(&af->src, SOURCE_GONE, -errno,
			"the kernel refuses the filter of %u instructions: %s; make it shorter, or "
			"raise "
			"net.core.optmem_max",
			prog.len, strerror(errno));
	if (opt->filter)
		free(prog.filter);
	return rc;
}

static int option_set(
	struct afpacket *af, int option, const void *value, socklen_t len, const char *name)
{
	if (setsockopt(af->fd, SOL_PACKET, option, value, len) == 0)
		return 0;
	return source_fail(
		&af->src, SOURCE_GONE, -errno, "the kernel refuses %s: %s", name, strerror(errno));
}

static int ring_map(struct afpacket *af, const struct source_options *opt)
{
	uint32_t mib = opt->ring_mib ? opt->ring_mib : RING_MIB;
	struct tpacket_req3 req = {.tp_block_size = AFPACKET_BLOCK,
		.tp_frame_size = FRAME,
		.tp_retire_blk_tov = RETIRE_MS};
	int version = TPACKET_V3, reserve = AFPACKET_TAG, one = 1, rc;
	size_t len;

	if (mib > RING_MIB_MAX)
		return source_fail(&af->src, SOURCE_GONE, -EINVAL,
			"a ring of %u MiB is more than %d", mib, RING_MIB_MAX);
	len = (size_t)mib << 20;
	req.tp_block_nr = (unsigned)(len / AFPACKET_BLOCK);
	req.tp_frame_nr = (unsigned)(len / FRAME);
	rc = option_set(af, PACKET_VERSION, &version, sizeof(version), "TPACKET_V3");
	if (rc == 0)
		rc = option_set(
			af, PACKET_RESERVE, &reserve, sizeof(reserve), "room for VLAN tags");
	if (rc == 0)
		rc = option_set(
			af, PACKET_IGNORE_OUTGOING, &one, sizeof(one), "PACKET_IGNORE_OUTGOING");
	if (rc < 0)
		return rc;
	setsockopt(
		af->fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)); /* stamps nearer the wire */
	if (setsockopt(af->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0)
		return source_fail(&af->src, SOURCE_GONE, -errno,
			"no memory for a ring of %u MiB: %s; make ring_mib smaller", mib,
			strerror(errno));
	af->blocks_n = req.tp_block_nr;
	af->ring = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, af->fd, 0);
	if (af->ring == MAP_FAILED) {
		af->ring = NULL;
		return source_fail(&af->src, SOURCE_GONE, -errno, "the ring cannot be mapped: %s",
			strerror(errno));
	}
	return 0;
}

static bool is_ipv4(const struct address *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a->ip, mapped, sizeof(mapped)) == 0;
}

/* group_join makes one membership on a socket. Returns 0, also when it is there already, or -errno
 */
static int group_join(int fd, const struct address *group, int index)
{
	struct ipv6_mreq mreq6 = {.ipv6mr_interface = (unsigned)index};
	struct ip_mreqn mreq4 = {.imr_ifindex = index};
	int rc;

	if (is_ipv4(group)) {
		memcpy(&mreq4.imr_multiaddr, group->ip + 12, 4);
		rc = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq4, sizeof(mreq4));
	} else {
		memcpy(&mreq6.ipv6mr_multiaddr, group->ip, 16);
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &mreq6, sizeof(mreq6));
	}
	return rc == 0 || errno == EADDRINUSE ? 0 : -errno;
}

/* groups_join makes the host a member of the multicast groups, on sockets that receive nothing
 * themselves. */
static int groups_join(struct afpacket *af, const struct source_options *opt, int index)
{
	unsigned room = 0;
	int rc, family = 0;

	af->sockets = calloc(opt->groups_n + 1, sizeof(*af->sockets));
	if (af->sockets == NULL)
		return source_fail(&af->src, SOURCE_GONE, -ENOMEM, "no memory");
	for (unsigned i = 0; i < opt->groups_n; i++) {
		const struct address *group = &opt->groups[i];
		char text[INET6_ADDRSTRLEN];

		if (is_ipv4(group) ? group->ip[12] >> 4 != 0xe : group->ip[0] != 0xff)
			continue; /* unicast comes by itself */
		if (room-- == 0 || family != (is_ipv4(group) ? AF_INET : AF_INET6)) {
			family = is_ipv4(group) ? AF_INET : AF_INET6;
			room = GROUPS_PER_SOCKET - 1;
			af->sockets[af->sockets_n] = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
			if (af->sockets[af->sockets_n] < 0)
				return source_fail(&af->src, SOURCE_GONE, -errno, "no socket: %s",
					strerror(errno));
			af->sockets_n++;
		}
		rc = group_join(af->sockets[af->sockets_n - 1], group, index);
		if (rc < 0)
			return source_fail(&af->src, SOURCE_GONE, rc,
				"cannot join group %s: %s; does the interface have an address?",
				inet_ntop(AF_INET6, group->ip, text, sizeof(text)), strerror(-rc));
	}
	return 0;
}

/* start sets everything before bind lets the first packet in. */
static int start(struct afpacket *af, const struct source_options *opt)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq promisc = {.mr_type = PACKET_MR_PROMISC};
	int index, rc;

	af->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (af->fd < 0)
		return errno == EPERM || errno == EACCES
			       ? no_rights(&af->src, "capturing")
			       : source_fail(&af->src, SOURCE_GONE, -errno, "no packet socket: %s",
					 strerror(errno));
	index = iface_check(af);
	if (index < 0)
		return index;
	rc = filter_attach(af, opt);
	if (rc == 0)
		rc = ring_map(af, opt);
	if (rc == 0)
		rc = groups_join(af, opt, index);
	if (rc == 0 && opt->promiscuous) {
		promisc.mr_ifindex = index;
		rc = option_set(
			af, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc), "promiscuous mode");
	}
	if (rc < 0)
		return rc;
	where.sll_ifindex = index;
	if (bind(af->fd, (struct sockaddr *)&where, sizeof(where)) < 0)
		return source_fail(
			&af->src, SOURCE_GONE, -errno, "cannot be bound: %s", strerror(errno));
	return 0;
}

int source_open_afpacket(
	struct source **src, const char *iface, const struct source_options *opt, char error[256])
{
	struct afpacket *af = calloc(1, sizeof(*af));
	int rc;

	if (af == NULL) {
		snprintf(error, 256, "%.64s: no memory", iface);
		return -ENOMEM;
	}
	af->src.ops = &afpacket_ops;
	af->fd = -1;
	af->count_max = opt->count_max;
	af->snaplen = opt->snaplen;
	snprintf(af->src.name, sizeof(af->src.name), "%s", iface);
	rc = start(af, opt);
	if (rc < 0) {
		snprintf(error, 256, "%s", af->src.error);
		afpacket_close(&af->src);
		return rc;
	}
	*src = &af->src;
	return 0;
}
