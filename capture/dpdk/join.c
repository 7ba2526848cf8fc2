#define _GNU_SOURCE
#include "capture/dpdk/join.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "base/log.h"
#include "capture/membership.h"

enum { LEAVE_MS = 150 }; /* up to 7 leaves, each within 20 ms of the last */

struct join {
	uint16_t port;
	struct rte_mempool *pool;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct membership *membership;
	bool stop;
	bool told; /* that the port did not take a frame */
};

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static bool send_frame(struct join *j, const uint8_t *frame, unsigned len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(j->pool);
	char *data = m ? rte_pktmbuf_append(m, (uint16_t)len) : NULL;

	if (data) {
		memcpy(data, frame, len);
		if (rte_eth_tx_burst(j->port, 0, &m, 1) == 1)
			return true;
	}
	rte_pktmbuf_free(m);
	return false;
}

/* send_due sends what is due now. */
static void send_due(struct join *j)
{
	uint8_t frame[MEMBERSHIP_FRAME];
	unsigned len;

	while ((len = membership_next(j->membership, monotonic_ns(), frame)) > 0) {
		if (send_frame(j, frame, len) || j->told)
			continue;
		j->told = true;
		LOG(WARN, "a multicast membership report could not be sent port=%u", j->port);
	}
}

static void *run(void *arg)
{
	struct join *j = arg;

	pthread_mutex_lock(&j->lock);
	while (!j->stop) {
		uint64_t due_ns;

		send_due(j);
		due_ns = membership_due_ns(j->membership);
		if (due_ns == UINT64_MAX) {
			pthread_cond_wait(&j->changed, &j->lock);
			continue;
		}
		struct timespec due = {(time_t)(due_ns / 1000000000), (long)(due_ns % 1000000000)};

		pthread_cond_timedwait(&j->changed, &j->lock, &due);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

int join_start(struct join **out, uint16_t port, struct rte_mempool *pool,
	const struct source_options *opt)
{
	struct membership_port self = {0};
	struct rte_ether_addr mac = {0};
	struct join *j = calloc(1, sizeof(*j));
	pthread_condattr_t attr;
	int rc;

	*out = NULL;
	if (!j)
		return -ENOMEM;
	j->port = port;
	j->pool = pool;
	rte_eth_macaddr_get(port, &mac);
	memcpy(self.mac, mac.addr_bytes, sizeof(self.mac));
	memcpy(self.ipv4, opt->join_from, sizeof(self.ipv4));
	rc = membership_open(&j->membership, opt->groups, opt->groups_n, &self,
		monotonic_ns() ^ load_be48(self.mac), monotonic_ns());
	if (rc < 0)
		goto free_join;
	if (membership_due_ns(j->membership) == UINT64_MAX) /* no multicast group */
		goto free_membership;
	pthread_mutex_init(&j->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&j->changed, &attr);
	pthread_condattr_destroy(&attr);
	rc = -pthread_create(&j->thread, NULL, run, j);
	if (rc < 0)
		goto free_membership;
	pthread_setname_np(j->thread, "join");
	*out = j;
	return 0;
free_membership:
	membership_close(j->membership);
free_join:
	free(j);
	return rc;
}

void join_query(struct join *j, const uint8_t *frame, uint32_t len)
{
	pthread_mutex_lock(&j->lock);
	membership_take(j->membership, bytes_of(frame, len), monotonic_ns());
	pthread_cond_signal(&j->changed);
	pthread_mutex_unlock(&j->lock);
}

void join_stop(struct join *j)
{
	uint64_t until_ns = monotonic_ns() + LEAVE_MS * 1000000ull;
	struct timespec ms = {0, 1000000};

	if (!j)
		return;
	pthread_mutex_lock(&j->lock);
	j->stop = true;
	pthread_cond_signal(&j->changed);
	pthread_mutex_unlock(&j->lock);
	pthread_join(j->thread, NULL);
	membership_leave(j->membership, monotonic_ns());
	do {
		send_due(j);
		nanosleep(&ms, NULL);
	} while (membership_due_ns(j->membership) < until_ns && monotonic_ns() < until_ns);
	membership_close(j->membership);
	pthread_cond_destroy(&j->changed);
	pthread_mutex_destroy(&j->lock);
	free(j);
}
