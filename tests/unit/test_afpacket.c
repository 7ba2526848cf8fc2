/* AF_PACKET over a veth pair in a network namespace of each test's own. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/capture_files.h"

static void run(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

static void namespace_make(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		printf("skip - afpacket: no network namespace: run as root\n");
		fflush(stdout);
		cr_skip_test("no network namespace: run as root");
	}
	run("ip link add out0 type veth peer name in0 && ip link set out0 up && ip link set in0 "
	    "up");
	run("ip address add 10.9.9.1/24 dev in0");
}

TestSuite(afpacket, .init = namespace_make, .timeout = 60);

/* Ethernet, IPv4 10.0.0.1 -> 239.1.1.1, UDP 1000 -> 2000; sent with or without a tag of VLAN 100 */
static const uint8_t udp[64] = {1, 0, 0x5e, 1, 1, 1, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 0, 0, 50,
	0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 239, 1, 1, 1, 0x03, 0xe8, 0x07, 0xd0, 0, 30, 0, 0,
	'm', 'a', 'r', 'k'};

static int sender_open(void)
{
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("out0")};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	return fd;
}

/* frame_send sends udp with its number in the first byte of the source MAC's end. Returns its
 * length */
static size_t frame_send(int fd, bool tagged, uint8_t number)
{
	uint8_t frame[sizeof(udp) + 4];
	size_t len = sizeof(udp);

	memcpy(frame, udp, sizeof(udp));
	frame[11] = number;
	if (tagged) {
		memmove(frame + 16, frame + 12, sizeof(udp) - 12);
		memcpy(frame + 12, (uint8_t[]){0x81, 0, 0x20, 100}, 4);
		len += 4;
	}
	cr_assert_eq(send(fd, frame, len, 0), (ssize_t)len);
	return len;
}

static bool is_ours(const struct packet *pkt)
{
	return pkt->caplen >= 12 && pkt->data[6] == 2 && memcmp(pkt->data, udp, 6) == 0;
}

static struct source *open_rx(const struct source_options *opt)
{
	struct source *src = NULL;
	char error[256] = "";

	cr_assert_eq(source_open_afpacket(&src, "in0", opt, error), 1, "%s", error);
	return src;
}

/* collect reads until want of our frames came, the source ended, or half a second was quiet. */
static unsigned collect(struct source *src, struct outcome *out, unsigned want)
{
	struct packet pkts[BURST_MAX];
	unsigned quiet = 0;

	while (out->n < want && src->end == SOURCE_RUNNING && quiet < 50) {
		int n = src->ops->burst(src, pkts, BURST_MAX);

		cr_assert_geq(n, 0);
		quiet = n > 0 ? 0 : quiet + 1;
		for (int i = 0; i < n; i++) {
			if (!is_ours(&pkts[i]))
				continue; /* the kernel's own: neighbour discovery */
			if (out->n < 32) {
				out->first[out->n] = pkts[i];
				memcpy(out->data[out->n], pkts[i].data,
					pkts[i].caplen < 64 ? pkts[i].caplen : 64);
			}
			out->n++;
		}
		if (n == 0 && src->end == SOURCE_RUNNING)
			src->ops->wait(src, 10000);
	}
	src->ops->stats(src, &out->stats);
	return out->n;
}

Test(afpacket, frames_come_unchanged_with_their_tags_and_kernel_times)
{
	struct source *src = open_rx(&read_once);
	int fd = sender_open();
	struct outcome out = {0};
	struct timespec now;

	for (uint8_t i = 0; i < 20; i++)
		frame_send(fd, i % 2, i);
	cr_assert_eq(collect(src, &out, 20), 20);
	clock_gettime(CLOCK_REALTIME, &now);
	for (uint8_t i = 0; i < 20; i++) {
		const struct packet *pkt = &out.first[i];
		uint64_t age =
			(uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec - pkt->ts_recv_ns;

		cr_assert_eq(pkt->caplen, i % 2 ? 68 : 64);
		cr_assert_eq(pkt->wire_len, pkt->caplen);
		cr_assert_eq(pkt->link, LINK_ETHERNET);
		cr_assert_eq(pkt->ts_quality, TS_Q_KERNEL);
		cr_assert_eq(out.data[i][11], i);
		if (i % 2)
			cr_assert_arr_eq(
				out.data[i] + 12, ((uint8_t[]){0x81, 0, 0x20, 100, 0x08, 0x00}), 6);
		cr_assert_arr_eq(out.data[i] + (i % 2 ? 16 : 12), udp + 12, 40);
		cr_assert_lt(age, 10000000000, "%llu ns", (unsigned long long)age);
		if (i > 0)
			cr_assert_geq(pkt->ts_recv_ns, out.first[i - 1].ts_recv_ns);
	}
	cr_assert_eq(out.stats.dropped[REASON_kernel_drop], 0);
	close(fd);
	src->ops->close(src);
}

Test(afpacket, what_we_send_ourselves_is_not_captured)
{
	struct source *src;
	struct outcome out = {0};
	char error[256];
	int fd = sender_open();

	cr_assert_eq(source_open_afpacket(&src, "out0", &read_once, error), 1, "%s", error);
	frame_send(fd, false, 1);
	cr_assert_eq(collect(src, &out, 1), 0);
	close(fd);
	src->ops->close(src);
}

Test(afpacket, filters_run_in_the_kernel_and_know_tags)
{
	static const struct {
		const char *expression;
		unsigned passed; /* of 5 frames without and 5 with a tag */
	} rows[] = {{"vlan 100", 5}, {"vlan 101", 0}, {"vlan 100 and udp port 2000", 5},
		{"udp port 2001", 0}, {"ether src host 2:0:0:0:0:3", 1},
		{"multicast and udp[8:4] = 0x6d61726b", 10}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct source_options opt = read_once;
		struct outcome out = {0};
		struct source *src;
		char error[256];
		int fd = sender_open();

		cr_assert_eq(filter_open(&opt.filter, rows[i].expression, error), 0, "%s", error);
		src = open_rx(&opt);
		for (uint8_t k = 0; k < 10; k++)
			frame_send(fd, k % 2, k);
		cr_assert_eq(collect(src, &out, 11), rows[i].passed, "%s: %u", rows[i].expression,
			out.n);
		cr_assert_eq(out.stats.received, out.n, "nothing else came up");
		close(fd);
		src->ops->close(src);
		filter_close(opt.filter);
	}
}

Test(afpacket, snaplen_and_count_hold)
{
	struct source_options opt = {.loops = 1, .workers = 1, .snaplen = 50, .count_max = 3};
	struct outcome out = {0};
	struct source *src;
	char error[256];
	int fd = sender_open();

	cr_assert_eq(filter_open(&opt.filter, "udp port 2000", error), 0, "%s", error);
	src = open_rx(&opt);
	for (uint8_t i = 0; i < 10; i++)
		frame_send(fd, i % 2, i);
	cr_assert_eq(collect(src, &out, 10), 3);
	cr_assert_eq(src->end, SOURCE_END);
	cr_assert_eq(out.first[0].caplen, 50);
	cr_assert_eq(out.first[0].wire_len, 64);
	cr_assert_eq(out.first[1].caplen, 50);
	cr_assert_eq(out.first[1].wire_len, 68);
	close(fd);
	src->ops->close(src);
	filter_close(opt.filter);
}

Test(afpacket, received_and_dropped_add_up_to_what_was_sent)
{
	struct source_options opt = {.loops = 1, .workers = 1, .ring_mib = 1};
	struct outcome out = {0};
	struct source *src;
	char error[256];
	int fd = sender_open();

	cr_assert_eq(filter_open(&opt.filter, "udp port 2000", error), 0, "%s", error);
	src = open_rx(&opt);
	for (unsigned i = 0; i < 20000; i++)
		frame_send(fd, false, (uint8_t)i);
	collect(src, &out, 20001);
	cr_assert_gt(out.n, 0);
	cr_assert_gt(out.stats.dropped[REASON_kernel_drop], 0);
	cr_assert_eq(out.n + out.stats.dropped[REASON_kernel_drop], 20000, "%u + %llu", out.n,
		(unsigned long long)out.stats.dropped[REASON_kernel_drop]);
	cr_assert_eq(out.stats.received, out.n);
	frame_send(fd, false, 1); /* and it goes on */
	cr_assert_eq(collect(src, &out, out.n + 1) + out.stats.dropped[REASON_kernel_drop], 20001);
	close(fd);
	src->ops->close(src);
	filter_close(opt.filter);
}

Test(afpacket, interface_that_goes_is_said_after_its_last_packets)
{
	struct source *src = open_rx(&read_once);
	struct outcome out = {0};
	int fd = sender_open();

	frame_send(fd, false, 1);
	run("ip link set in0 down");
	cr_assert_eq(collect(src, &out, 2), 1);
	cr_assert_eq(src->end, SOURCE_GONE);
	cr_assert(strstr(src->error, "in0: the interface went down"), "%s", src->error);
	cr_assert(strstr(src->error, "ip link set in0 up"), "%s", src->error);
	src->ops->close(src);
	run("ip link set in0 up");
	src = open_rx(&read_once);
	frame_send(fd, false, 2);
	run("ip link delete in0");
	cr_assert_eq(collect(src, &out, 3), 2);
	cr_assert_eq(src->end, SOURCE_GONE);
	cr_assert(strstr(src->error, "in0: the interface was removed"), "%s", src->error);
	src->ops->close(src);
	close(fd);
}

Test(afpacket, errors_at_opening_say_what_to_do)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};
	struct source_options opt = read_once;
	struct source *src;
	char error[256];

	cr_assert_eq(source_open_afpacket(&src, "eth77", &read_once, error), -ENODEV);
	cr_assert(strstr(error, "eth77: no such interface; there are:"), "%s", error);
	cr_assert(strstr(error, " in0"), "%s", error);
	cr_assert_eq(source_open_afpacket(&src, "a-name-beyond-every-limit", &read_once, error),
		-ENODEV);
	run("ip link set in0 down");
	cr_assert_eq(source_open_afpacket(&src, "in0", &read_once, error), -ENETDOWN);
	cr_assert(strstr(error, "ip link set in0 up"), "%s", error);
	run("ip link set in0 up");
	opt.ring_mib = 1000000;
	cr_assert_eq(source_open_afpacket(&src, "in0", &opt, error), -EINVAL);
	cr_assert_eq(syscall(SYS_capset, &head, none), 0);
	cr_assert_eq(source_open_afpacket(&src, "in0", &read_once, error), -EPERM);
	cr_assert(strstr(error, "CAP_NET_RAW"), "%s", error);
	cr_assert(strstr(error, "sudo setcap cap_net_raw=ep "), "%s", error);
}

/* kernel_has says whether a table of the kernel holds a word. */
static bool kernel_has(const char *table, const char *word)
{
	FILE *in = fopen(table, "r");
	char line[512];
	bool found = false;

	while (in && fgets(line, sizeof(line), in))
		found = found || strstr(line, word);
	if (in)
		fclose(in);
	return found;
}

Test(afpacket, multicast_groups_are_joined_while_it_is_open)
{
	struct address groups[42] = {0};
	struct source_options opt = read_once;
	struct source *src;

	for (uint8_t i = 0; i < 40; i++) /* 233.1.1.i; more than one socket may hold */
		memcpy(groups[i].ip, (uint8_t[]){[10] = 255, [11] = 255, [12] = 233, 1, 1, i}, 16);
	groups[40] = groups[7]; /* two feeds may share a group */
	memcpy(groups[41].ip, (uint8_t[]){0xff, 0x05, [14] = 0x12, [15] = 0x34}, 16);
	opt.groups = groups;
	opt.groups_n = access("/proc/net/igmp6", R_OK) == 0 ? 42 : 41;
	src = open_rx(&opt);
	cr_assert(kernel_has("/proc/net/igmp", "000101E9"));
	cr_assert(kernel_has("/proc/net/igmp", "270101E9"));
	if (opt.groups_n == 42)
		cr_assert(kernel_has("/proc/net/igmp6", "ff050000000000000000000000001234"));
	src->ops->close(src);
	cr_assert_not(kernel_has("/proc/net/igmp", "270101E9"));
}

Test(afpacket, promiscuous_mode_lasts_as_long_as_the_source)
{
	struct source_options opt = read_once;
	struct source *src;

	opt.promiscuous = true;
	src = open_rx(&opt);
	run("ip -d link show in0 | grep -q 'promiscuity 1'");
	src->ops->close(src);
	run("ip -d link show in0 | grep -q 'promiscuity 0'");
}
