/* What is cold about AF_PACKET: opening, waiting, statistics, an interface that goes. */
#define _GNU_SOURCE
#include "capture/afpacket/afpacket.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "decode/frame.h"

enum {
	LAST_BLOCK_US = 20000, /* after this, the last block of an interface that went is ours */
	TRY_EVERY_NS = 50000000,
	AWAY_POLL_US = 5000,
};

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void kernel_drops_add(struct afpacket *af)
{
	struct tpacket_stats_v3 kernel = {0};
	socklen_t len = sizeof(kernel);

	/* the kernel's counters start anew at each reading */
	if (af->socket.fd >= 0 &&
		getsockopt(af->socket.fd, SOL_PACKET, PACKET_STATISTICS, &kernel, &len) == 0)
		af->stats.dropped[REASON_kernel_drop] += kernel.tp_drops;
}

/* leave closes the member's socket and waits for the interface. The first one counts the outage. */
static void leave(struct afpacket *af)
{
	struct afpacket_group *g = af->group;

	kernel_drops_add(af);
	afpacket_socket_close(&af->socket);
	af->gone = false;
	af->src.away = true;
	af->current = af->left = 0;
	pthread_mutex_lock(&g->lock);
	if (g->away_n++ == 0) {
		af->stats.outages++;
		g->away_since_ns = monotonic_ns();
		LOG(WARN,
			"the interface went away, waiting for it: gaps until it is back are "
			"local interface=%s reason=\"%s\"",
			g->name, strerror(af->gone_errno));
	}
	pthread_mutex_unlock(&g->lock);
}

int afpacket_gone(struct afpacket *af)
{
	if (af->group->opt.wait_when_gone) {
		leave(af);
		return 0;
	}
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

/* come_back takes the member's new socket, or opens one for each when all are away. */
static void come_back(struct afpacket *af)
{
	struct afpacket_group *g = af->group;
	uint64_t now_ns = monotonic_ns();
	char error[256];

	pthread_mutex_lock(&g->lock);
	if (g->generation == af->generation && g->away_n == g->n &&
		now_ns - g->tried_ns >= TRY_EVERY_NS) {
		g->tried_ns = now_ns;
		if (afpacket_sockets_open(g, g->next, error) == 0) {
			g->generation++;
			g->away_n = 0;
			LOG(NOTICE, "the interface is back interface=%s away_ms=%llu", g->name,
				(unsigned long long)(now_ns - g->away_since_ns) / 1000000);
		}
	}
	if (g->generation != af->generation) {
		af->generation = g->generation;
		af->socket = g->next[af->index];
		g->next[af->index] = AFPACKET_NO_SOCKET;
		af->src.away = false;
	}
	pthread_mutex_unlock(&g->lock);
}

static void afpacket_wait(struct source *src, unsigned timeout_us)
{
	struct afpacket *af = (struct afpacket *)src;
	struct pollfd ready[] = {{.fd = af->socket.fd, .events = POLLIN},
		{.fd = af->socket.link_fd, .events = POLLIN}};
	struct timespec t = {timeout_us / 1000000, (long)(timeout_us % 1000000) * 1000};
	socklen_t len = sizeof(af->gone_errno);

	if (af->src.away) {
		come_back(af);
		if (af->src.away)
			usleep(timeout_us < AWAY_POLL_US ? timeout_us : AWAY_POLL_US);
		return;
	}
	if ((af->taken && af->left > 0) || af->gone || ppoll(ready, 2, &t, NULL) <= 0)
		return;
	if (ready[1].revents & POLLIN)
		afpacket_link_read(af);
	if (!(ready[0].revents & (POLLERR | POLLHUP | POLLNVAL)))
		return;
	getsockopt(af->socket.fd, SOL_SOCKET, SO_ERROR, &af->gone_errno, &len);
	af->gone = af->gone_errno != 0;
	if (af->gone)
		usleep(LAST_BLOCK_US);
}

static void afpacket_stats(struct source *src, struct source_stats *stats)
{
	struct afpacket *af = (struct afpacket *)src;

	kernel_drops_add(af);
	if (af->missed.fd >= 0)
		af->stats.dropped[REASON_nic_missed] +=
			afpacket_missed_read(&af->missed, af->group->name, monotonic_ns());
	*stats = af->stats;
}

static void group_release(struct afpacket_group *g)
{
	if (--g->users > 0)
		return;
	for (unsigned i = 0; i < g->n; i++)
		afpacket_socket_close(&g->next[i]);
	pthread_mutex_destroy(&g->lock);
	free((void *)(uintptr_t)g->opt.groups);
	free((void *)(uintptr_t)g->opt.fanout);
	free(g->filter.filter);
	free(g);
}

static void afpacket_close(struct source *src)
{
	struct afpacket *af = (struct afpacket *)src;

	afpacket_socket_close(&af->socket);
	afpacket_missed_close(&af->missed);
	group_release(af->group);
	free(af);
}

static const struct source_ops afpacket_ops = {
	.name = "afpacket",
	.burst = afpacket_burst,
	.wait = afpacket_wait,
	.stats = afpacket_stats,
	.close = afpacket_close,
};

/* fanout_copy copies a program and its instructions into one piece. */
static const struct sock_fprog *fanout_copy(const struct sock_fprog *prog)
{
	size_t len = prog->len * sizeof(*prog->filter);
	struct sock_fprog *copy = malloc(sizeof(*copy) + len);

	if (copy) {
		copy->len = prog->len;
		copy->filter = memcpy(copy + 1, prog->filter, len);
	}
	return copy;
}

static struct afpacket_group *group_make(
	const char *iface, unsigned n, const struct source_options *opt)
{
	struct afpacket_group *g = calloc(1, sizeof(*g));
	struct address *groups = calloc(opt->groups_n + 1, sizeof(*groups));
	const struct sock_fprog *fanout = opt->fanout ? fanout_copy(opt->fanout) : NULL;

	if (!g || !groups || (opt->fanout && !fanout)) {
		free((void *)(uintptr_t)fanout);
		free(groups);
		free(g);
		return NULL;
	}
	if (opt->groups_n)
		memcpy(groups, opt->groups, opt->groups_n * sizeof(*groups));
	g->opt = *opt;
	g->opt.fanout = fanout;
	g->opt.groups = groups;
	snprintf(g->name, sizeof(g->name), "%s", iface);
	g->n = n;
	g->users = 1;
	for (unsigned i = 0; i < AFPACKET_MEMBERS_MAX; i++)
		g->next[i] = AFPACKET_NO_SOCKET;
	pthread_mutex_init(&g->lock, NULL);
	return g;
}

static struct afpacket *member_make(struct afpacket_group *g, unsigned index)
{
	struct afpacket *af = calloc(1, sizeof(*af));

	if (!af)
		return NULL;
	af->src.ops = &afpacket_ops;
	memcpy(af->src.name, g->name, sizeof(af->src.name));
	af->count_max = g->opt.count_max;
	af->snaplen = g->opt.snaplen;
	af->index = index;
	af->group = g;
	g->users++;
	af->missed.fd = -1;
	if (index == 0)
		afpacket_missed_open(&af->missed, g->name);
	af->socket = g->next[index];
	g->next[index] = AFPACKET_NO_SOCKET;
	return af;
}

int source_open_afpacket(
	struct source *src[], const char *iface, const struct source_options *opt, char error[256])
{
	/* with count_max one socket, and one counter, is enough */
	unsigned n = opt->fanout && !opt->count_max ? opt->workers : 1;
	struct afpacket_group *g = group_make(iface, n, opt);
	unsigned made = 0;
	int rc;

	if (!g) {
		snprintf(error, 256, "%.64s: no memory", iface);
		return -ENOMEM;
	}
	rc = afpacket_sockets_open(g, g->next, error);
	if (rc == -EOPNOTSUPP && g->n > 1) {
		LOG(WARN, "%s; one worker takes all packets and hands them on", error);
		g->n = 1;
		rc = afpacket_sockets_open(g, g->next, error);
	}
	for (; rc == 0 && made < g->n; made += rc == 0) {
		struct afpacket *af = member_make(g, made);

		if (af)
			src[made] = &af->src;
		else
			rc = (snprintf(error, 256, "%.64s: no memory", iface), -ENOMEM);
	}
	while (rc < 0 && made-- > 0)
		src[made]->ops->close(src[made]);
	n = g->n;
	group_release(g);
	return rc < 0 ? rc : (int)n;
}
