/* What is cold about AF_PACKET sockets: what is set before the first packet comes. */
#define _GNU_SOURCE
#include "capture/afpacket/afpacket.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/filter.h"
#include "decode/frame.h"

enum {
	RING_MIB = 64, /* when nobody says: 512 blocks, so half a second below 128 MB/s. Blocks
			* cannot be smaller, or merged frames are cut, nor stay open for longer */
	RING_MIB_MAX = 4096,
	FRAME = 2048,  /* the kernel wants one; with version 3 it limits nothing */
	RETIRE_MS = 1, /* a block with packets is handed over after this time */
	ACCEPT = 256 * 1024,
};

/* opening is one socket on its way, and where its error goes. */
struct opening {
	const char *name;
	const struct source_options *opt;
	struct afpacket_socket *socket;
	char *error;
	bool outgoing; /* wanted, and not seen coming in anyway */
};

static int fail(struct opening *o, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct opening *o, int rc, const char *fmt, ...)
{
	int len = snprintf(o->error, 256, "%s: ", o->name);
	va_list args;

	va_start(args, fmt);
	vsnprintf(o->error + len, 256 - (size_t)len, fmt, args);
	va_end(args);
	return rc;
}

static int no_interface(struct opening *o)
{
	struct if_nameindex *all = if_nameindex();
	char names[128] = "";
	size_t len = 0;

	for (struct if_nameindex *i = all; i && i->if_index && len < sizeof(names); i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, " %s", i->if_name);
	if (all)
		if_freenameindex(all);
	return fail(o, -ENODEV, "no such interface; there are:%s", names);
}

static int no_rights(struct opening *o)
{
	char self[96];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = '\0';
	return fail(o, -EPERM,
		"capturing needs the capability CAP_NET_RAW: run as root, or once: sudo setcap "
		"cap_net_raw=ep %s",
		len > 0 ? self : "pkt-sniffer");
}

/* iface_check finds the interface's number and link type. Returns the number, or -errno */
static int iface_check(struct opening *o)
{
	struct ifreq req = {0};
	int index, fd = o->socket->fd;

	if (strlen(o->name) >= sizeof(req.ifr_name))
		return no_interface(o);
	memcpy(req.ifr_name, o->name, strlen(o->name));
	if (ioctl(fd, SIOCGIFINDEX, &req) < 0)
		return no_interface(o);
	index = req.ifr_ifindex;
	if (ioctl(fd, SIOCGIFFLAGS, &req) < 0 || !(req.ifr_flags & IFF_UP))
		return fail(o, -ENETDOWN, "the interface is down: ip link set %s up", o->name);
	o->socket->ifindex = (unsigned)index;
	if (ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		return no_interface(o);
	o->outgoing = o->opt->outgoing && req.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK;
	switch (req.ifr_hwaddr.sa_family) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		o->socket->link = LINK_ETHERNET;
		return index;
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
		o->socket->link = LINK_RAW;
		return index;
	default:
		return fail(o, -EPROTONOSUPPORT,
			"interfaces of type %u are not read, only Ethernet and raw IP; capture "
			"with tcpdump and pipe it in: -r -",
			req.ifr_hwaddr.sa_family);
	}
}

/* filter_make compiles the filter, and puts in front what drops our own host's packets, unless they
 * are wanted: kernels before 6.7 give them to a fan-out. */
static int filter_make(struct opening *o, struct sock_fprog *out)
{
	static const struct sock_filter incoming[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	enum { INCOMING = sizeof(incoming) / sizeof(incoming[0]) };
	size_t in_front = o->outgoing ? 0 : INCOMING;
	uint32_t accept = o->opt->snaplen ? o->opt->snaplen : ACCEPT;
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, accept);
	struct sock_fprog prog = {1, &all};
	char why[256];
	int rc;

	if (o->opt->filter) {
		rc = filter_kernel(o->opt->filter, o->name, o->socket->link, accept, &prog, why);
		if (rc < 0) {
			snprintf(o->error, 256, "%s", why);
			return rc;
		}
	}
	out->len = (unsigned short)(in_front + prog.len);
	out->filter = malloc(out->len * sizeof(*out->filter));
	if (out->filter) {
		memcpy(out->filter, incoming, in_front * sizeof(*incoming));
		memcpy(out->filter + in_front, prog.filter, prog.len * sizeof(*prog.filter));
	}
	if (o->opt->filter)
		free(prog.filter);
	return out->filter ? 0 : fail(o, -ENOMEM, "no memory");
}

static int filter_attach(struct opening *o, const struct sock_fprog *prog)
{
	if (setsockopt(o->socket->fd, SOL_SOCKET, SO_ATTACH_FILTER, prog, sizeof(*prog)) == 0)
		return 0;
	return fail(o, -errno,
		"the kernel refuses the filter of %u instructions: %s; make it shorter, or raise "
		"net.core.optmem_max",
		prog->len, strerror(errno));
}

static int option_set(
	struct opening *o, int option, const void *value, socklen_t len, const char *name)
{
	if (setsockopt(o->socket->fd, SOL_PACKET, option, value, len) == 0)
		return 0;
	return fail(o, -errno, "the kernel refuses %s: %s", name, strerror(errno));
}

static int ring_map(struct opening *o)
{
	uint32_t mib = o->opt->ring_mib ? o->opt->ring_mib : RING_MIB;
	struct tpacket_req3 req = {.tp_block_size = AFPACKET_BLOCK,
		.tp_frame_size = FRAME,
		.tp_retire_blk_tov = RETIRE_MS};
	int version = TPACKET_V3, reserve = AFPACKET_TAG, one = 1, rc, fd = o->socket->fd;
	size_t len = (size_t)mib << 20;
	uint8_t *ring;

	if (mib > RING_MIB_MAX)
		return fail(o, -EINVAL, "a ring of %u MiB is more than %d", mib, RING_MIB_MAX);
	req.tp_block_nr = (unsigned)(len / AFPACKET_BLOCK);
	req.tp_frame_nr = (unsigned)(len / FRAME);
	rc = option_set(o, PACKET_VERSION, &version, sizeof(version), "TPACKET_V3");
	if (rc == 0)
		rc = option_set(o, PACKET_RESERVE, &reserve, sizeof(reserve), "room for VLAN tags");
	if (rc == 0 && !o->outgoing)
		rc = option_set(
			o, PACKET_IGNORE_OUTGOING, &one, sizeof(one), "PACKET_IGNORE_OUTGOING");
	if (rc < 0)
		return rc;
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)); /* stamps nearer the wire */
	if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0)
		return fail(o, -errno, "no memory for a ring of %u MiB: %s; make ring_mib smaller",
			mib, strerror(errno));
	ring = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (ring == MAP_FAILED)
		return fail(o, -errno, "the ring cannot be mapped: %s", strerror(errno));
	o->socket->blocks_n = req.tp_block_nr;
	o->socket->ring = ring;
	return 0;
}

/* socket_open sets everything before bind lets the first packet in. first: this one joins groups
 * and sets what is the interface's. */
static int socket_open(struct opening *o, struct afpacket_group *g, bool first)
{
	static struct sock_filter closed = BPF_STMT(BPF_RET | BPF_K, 0);
	static const struct sock_fprog nothing = {1, &closed};
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq promisc = {.mr_type = PACKET_MR_PROMISC};
	int index, rc = 0;

	o->socket->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (o->socket->fd < 0)
		return errno == EPERM || errno == EACCES
			       ? no_rights(o)
			       : fail(o, -errno, "no packet socket: %s", strerror(errno));
	if (first)
		o->socket->link_fd = afpacket_link_open();
	index = iface_check(o);
	if (index < 0)
		return index;
	afpacket_link_ask(o->socket->link_fd, (unsigned)index);
	if (!g->filter.filter) {
		rc = filter_make(o, &g->filter);
		g->link = o->socket->link;
	}
	if (rc == 0 && g->link != o->socket->link)
		return fail(o, -EPROTONOSUPPORT,
			"the interface came back as one of another kind; start again");
	/* in a group nothing comes in until all members are there: what its first members got
	 * would come to the others too */
	if (rc == 0)
		rc = filter_attach(o, g->n > 1 ? &nothing : &g->filter);
	if (rc == 0)
		rc = ring_map(o);
	if (rc == 0)
		rc = afpacket_stamps(o->socket->fd, o->name, o->opt->timestamps, o->error);
	if (rc == 0 && first)
		rc = group_sockets_join(&o->socket->joins,
			o->opt->join_via && *o->opt->join_via ? o->opt->join_via : o->name,
			o->opt->groups, o->opt->groups_n, o->error);
	if (rc == 0 && first && o->opt->promiscuous) {
		promisc.mr_ifindex = index;
		rc = option_set(
			o, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc), "promiscuous mode");
	}
	if (rc < 0)
		return rc;
	where.sll_ifindex = index;
	if (bind(o->socket->fd, (struct sockaddr *)&where, sizeof(where)) < 0)
		return fail(o, -errno, "cannot be bound: %s", strerror(errno));
	return 0;
}

/* fanout_join makes the sockets one group; the number of a member is its place. */
static int fanout_join(struct opening *o, struct afpacket_socket sockets[], unsigned n)
{
	const struct sock_fprog *prog = o->opt->fanout;
	int group = (PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
	socklen_t len = sizeof(group);

	for (unsigned i = 0; i < n; i++) {
		if (setsockopt(sockets[i].fd, SOL_PACKET, PACKET_FANOUT, &group, sizeof(group)) < 0)
			goto refused;
		if (i > 0)
			continue;
		if (getsockopt(sockets[0].fd, SOL_PACKET, PACKET_FANOUT, &group, &len) < 0 ||
			setsockopt(sockets[0].fd, SOL_PACKET, PACKET_FANOUT_DATA, prog,
				sizeof(*prog)) < 0)
			goto refused;
		group &= ~(PACKET_FANOUT_FLAG_UNIQUEID << 16);
	}
	return 0;
refused:
	return fail(o, -EOPNOTSUPP,
		"the kernel refuses to spread packets by a program of %u instructions: %s",
		prog->len, strerror(errno));
}

void afpacket_socket_close(struct afpacket_socket *s)
{
	group_sockets_close(&s->joins);
	if (s->ring)
		munmap(s->ring, (size_t)s->blocks_n * AFPACKET_BLOCK);
	if (s->link_fd >= 0)
		close(s->link_fd);
	if (s->fd >= 0)
		close(s->fd);
	*s = AFPACKET_NO_SOCKET;
}

int afpacket_sockets_open(
	struct afpacket_group *g, struct afpacket_socket sockets[], char error[256])
{
	struct opening o = {.name = g->name, .opt = &g->opt, .error = error};
	unsigned n = 0;
	int rc = 0;

	while (n < g->n && rc == 0) {
		sockets[n] = AFPACKET_NO_SOCKET;
		o.socket = &sockets[n];
		rc = socket_open(&o, g, n == 0);
		n++;
	}
	if (rc == 0 && g->n > 1)
		rc = fanout_join(&o, sockets, g->n);
	for (unsigned i = 0; i < g->n && g->n > 1 && rc == 0; i++) {
		o.socket = &sockets[i];
		rc = filter_attach(&o, &g->filter);
	}
	while (rc < 0 && n-- > 0)
		afpacket_socket_close(&sockets[n]);
	return rc;
}
