/* Race: three workers on threads of their own read one interface, which goes down and comes back;
 * each closes its socket, one of them opens new ones for all. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/source.h"

enum { WORKERS = 3, ROUNDS = 4, FRAMES = 300 };

static atomic_bool stop;
static _Atomic(uint64_t) taken[WORKERS];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	printf("not ok - %s\n", what);
	exit(1);
}

static void *work(void *arg)
{
	struct source *src = arg;
	struct packet pkts[BURST_MAX];
	struct source_stats stats;

	while (!atomic_load(&stop) && src->end == SOURCE_RUNNING) {
		int n = src->ops->burst(src, pkts, BURST_MAX);

		for (int i = 0; i < n; i++) {
			if (pkts[i].data[12] != 0x88 || pkts[i].data[13] != 0xb5)
				continue; /* the kernel's own */
			must(pkts[i].data[6] % WORKERS == pkts[i].port,
				"a packet of somebody else");
			atomic_fetch_add(&taken[pkts[i].port], 1);
		}
		if (n == 0)
			src->ops->wait(src, 500);
		src->ops->stats(src, &stats);
	}
	must(src->end == SOURCE_RUNNING, "a source ended");
	return (void *)(uintptr_t)stats.outages;
}

static void send_frames(void)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("out0")};
	uint8_t frame[60] = {1, 0, 0x5e, 1, 1, 1, [12] = 0x88, 0xb5};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	for (unsigned i = 0; i < FRAMES; i++) {
		frame[6] = (uint8_t)(i % WORKERS);
		must(sendto(fd, frame, sizeof(frame), 0, (void *)&to, sizeof(to)) == sizeof(frame),
			"a frame is sent");
	}
	close(fd);
}

int main(void)
{
	/* the worker is in byte 6 of the frame, the first of the sender's address */
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_LL_OFF + 6)),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, WORKERS),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog fanout = {3, program};
	struct source_options opt = {
		.workers = WORKERS, .ring_mib = 1, .fanout = &fanout, .wait_when_gone = true};
	struct source *sources[WORKERS];
	pthread_t threads[WORKERS];
	uint64_t want = FRAMES / WORKERS, outages = 0;
	char error[256];

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		printf("skip - race of AF_PACKET: no network namespace: run as root\n");
		return 0;
	}
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, 2);
	must(system("ip link add out0 type veth peer name in0 && ip link set out0 up && "
		    "ip link set in0 up") == 0,
		"a wire");
	must(source_open_afpacket(sources, "in0", &opt, error) == WORKERS, error);
	for (unsigned w = 0; w < WORKERS; w++)
		pthread_create(&threads[w], NULL, work, sources[w]);
	for (unsigned round = 0;; round++) {
		send_frames();
		for (unsigned w = 0; w < WORKERS; w++, usleep(1000))
			for (unsigned i = 0; atomic_load(&taken[w]) < want * (round + 1); i++) {
				must(i < 5000, "every worker takes its own");
				usleep(1000);
			}
		if (round == ROUNDS)
			break;
		must(system("ip link set in0 down && sleep 0.1 && ip link set in0 up && "
			    "sleep 0.5") == 0,
			"down and up");
	}
	atomic_store(&stop, true);
	for (unsigned w = 0; w < WORKERS; w++) {
		void *n;

		pthread_join(threads[w], &n);
		outages += (uintptr_t)n;
		must(atomic_load(&taken[w]) == want * (ROUNDS + 1), "no packet twice");
	}
	must(outages >= ROUNDS && outages <= 2 * ROUNDS,
		"each outage is counted; the link of a wire goes down with it");
	for (unsigned w = 0; w < WORKERS; w++)
		sources[w]->ops->close(sources[w]);
	printf("ok - %u workers, %u outages, %u packets\n", WORKERS, ROUNDS, (ROUNDS + 1) * FRAMES);
	return 0;
}
