#include "capture/group_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GROUPS_PER_SOCKET = 16 }; /* net.ipv4.igmp_max_memberships is 20 */

static bool is_ipv4(const struct address *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a->ip, mapped, sizeof(mapped)) == 0;
}

/* group_join makes one membership on a socket. Returns 0, also when it is there already, or -errno
 */
static int group_join(int fd, const struct address *group, unsigned index)
{
	struct ipv6_mreq mreq6 = {.ipv6mr_interface = index};
	struct ip_mreqn mreq4 = {.imr_ifindex = (int)index};
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

int group_sockets_join(struct group_sockets *s, const char *iface, const struct address *groups,
	unsigned groups_n, char error[256])
{
	unsigned room = 0, index = if_nametoindex(iface);
	int rc, family = 0;

	*s = (struct group_sockets){.fds = calloc(groups_n + 1, sizeof(*s->fds))};
	if (index == 0 || !s->fds) {
		rc = s->fds ? -ENODEV : -ENOMEM;
		snprintf(error, 256, "%.64s: cannot join groups: %s", iface, strerror(-rc));
		return rc;
	}
	for (unsigned i = 0; i < groups_n; i++) {
		const struct address *group = &groups[i];
		char text[INET6_ADDRSTRLEN];

		if (is_ipv4(group) ? group->ip[12] >> 4 != 0xe : group->ip[0] != 0xff)
			continue;
		if (room-- == 0 || family != (is_ipv4(group) ? AF_INET : AF_INET6)) {
			family = is_ipv4(group) ? AF_INET : AF_INET6;
			room = GROUPS_PER_SOCKET - 1;
			s->fds[s->n] = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
			if (s->fds[s->n] < 0) {
				rc = -errno;
				snprintf(error, 256, "%.64s: no socket: %s", iface, strerror(-rc));
				return rc;
			}
			s->n++;
		}
		rc = group_join(s->fds[s->n - 1], group, index);
		if (rc < 0) {
			snprintf(error, 256,
				"%.64s: cannot join group %s: %s; does the interface have an "
				"address?",
				iface, inet_ntop(AF_INET6, group->ip, text, sizeof(text)),
				strerror(-rc));
			return rc;
		}
	}
	return 0;
}

void group_sockets_close(struct group_sockets *s)
{
	for (unsigned i = 0; i < s->n; i++)
		close(s->fds[i]);
	free(s->fds);
	*s = (struct group_sockets){0};
}
