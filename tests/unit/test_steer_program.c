/* The kernel's program of steering against steer_packet, on real captures; libpcap runs it. In the
 * kernel: tests/e2e/test_fanout.py. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/steer_program.h"
#include "tests/support/capture_files.h"

enum { WORKERS = 7, ROWS = 400, FRAME_ROOM = 70000 };

TestSuite(steer_program, .timeout = 200);

static struct feed_table table;
static struct sock_fprog program;

/* make writes the program for whole Ethernet frames: a fan-out finds the type beside the packet. */
static void make(const struct steer *steer)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert_eq(steer_program_make(&program, steer), 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0,
		"the kernel refuses it: %s", strerror(errno));
	close(fd);
	program.filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12);
	program.filter[1] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 14);
	cr_assert(bpf_validate((const struct bpf_insn *)program.filter, program.len));
}

static unsigned run(const struct packet *pkt)
{
	return bpf_filter(
		(const struct bpf_insn *)program.filter, pkt->data, pkt->wire_len, pkt->caplen);
}

/* cut: the two may differ where a packet is cut inside its headers, or its TCP header is wrong. */
static bool cut(const struct packet *pkt)
{
	struct frame f;
	int rc = frame_parse(bytes_of(pkt->data, pkt->caplen), pkt->link, &f);

	return rc == -REASON_truncated || rc == -REASON_too_short || rc == -REASON_bad_tcp_header;
}

/* walk calls each with every Ethernet frame of a file. Returns how many */
static unsigned walk(const char *path, void (*each)(const struct packet *pkt, unsigned number))
{
	struct packet pkts[BURST_MAX];
	struct source *src;
	char error[256];
	unsigned n = 0;
	int got;

	if (source_open_replay(&src, path, &read_once, error) < 0)
		return 0;
	while ((got = src->ops->burst(src, pkts, BURST_MAX)) > 0)
		for (int i = 0; i < got; i++)
			if (pkts[i].kind == PACKET_FRAME && pkts[i].link == LINK_ETHERNET)
				each(&pkts[i], n++);
	src->ops->close(src);
	return n;
}

static struct feed_line rows[ROWS];
static unsigned rows_n;

static void row_add(struct address dst, bool tcp)
{
	if (rows_n == ROWS)
		return;
	snprintf(rows[rows_n].venue, sizeof(rows[rows_n].venue), "XTST");
	rows[rows_n].channel = rows_n % 97;
	rows[rows_n].tcp = tcp;
	rows[rows_n++].dst = dst;
}

/* learn makes rows of what frames go to: some for any port, some of the other transport. */
static void learn(const struct packet *pkt, unsigned number)
{
	struct frame f;

	if (number % 5 || rows_n > ROWS - 3 ||
		frame_parse(bytes_of(pkt->data, pkt->caplen), pkt->link, &f) < 0)
		return;
	if (number % 15 == 0)
		f.dst.port = 0;
	row_add(number % 2 ? f.dst : f.src, (f.ip_proto == IP_PROTO_TCP) ^ (number % 35 == 0));
}

static unsigned owned[WORKERS], apart, cuts;
static struct steer steer;

static void compare(const struct packet *pkt, unsigned number)
{
	unsigned want = steer_packet(&steer, pkt), got = run(pkt);
	uint8_t frame[FRAME_ROOM];
	struct packet tagged = *pkt;

	owned[want]++;
	if (want != got && cut(pkt)) {
		cuts++;
		return;
	}
	cr_expect_eq(got, want, "frame %u: %u, wanted %u", number, got, want);
	apart += got != want;
	if (pkt->caplen < 12 || pkt->caplen > FRAME_ROOM - 4)
		return;
	memcpy(frame, pkt->data, 12);
	memcpy(frame + 12, number % 2 ? "\x81\0\x20\x64" : "\x88\xa8\0\1", 4);
	memcpy(frame + 16, pkt->data + 12, pkt->caplen - 12);
	tagged.data = frame;
	tagged.caplen += 4;
	tagged.wire_len += 4;
	if (steer_packet(&steer, &tagged) != want) /* five tags */
		return;
	got = run(&tagged);
	cr_expect_eq(got, want, "frame %u with a tag: %u, wanted %u", number, got, want);
	apart += got != want;
}

static void captures(const char *pattern)
{
	const char *corpus = getenv("PCAP_CORPUS");
	unsigned owners = 0;
	char path[512];
	glob_t found = {0};

	snprintf(path, sizeof(path), "%s/%s", corpus ? corpus : "../shared/data", pattern);
	if (glob(path, GLOB_BRACE, NULL, &found) != 0) {
		printf("skip - steer_program: no captures at %s\n", path);
		return;
	}
	for (size_t i = 0; i < found.gl_pathc && apart == 0; i++) {
		rows_n = 0;
		walk(found.gl_pathv[i], learn);
		if (i % 4 == 0)
			row_add((struct address){.port = 53}, false); /* any address */
		cr_assert_eq(feed_table_init(&table, rows, rows_n), 0);
		steer = (struct steer){&table, i % 3 == 0, WORKERS, i % 5 == 0 ? 7 : 0};
		make(&steer);
		walk(found.gl_pathv[i], compare);
		cr_assert_eq(apart, 0, "%s", found.gl_pathv[i]);
		free(program.filter);
		feed_table_free(&table);
	}
	for (unsigned w = 0; w < WORKERS; w++)
		owners += owned[w] > 0;
	cr_assert_gt(owners, 2);
	printf("%s: %zu files, %u cut frames apart\n", pattern, found.gl_pathc, cuts);
	globfree(&found);
}

Test(steer_program, market_captures_go_to_the_same_worker)
{
	captures("market/*.{pcap,pcapng}");
}

Test(steer_program, captures_of_all_protocols_go_to_the_same_worker)
{
	captures("net/*/*.pcap*");
}

static struct address ipv4(uint32_t ip, uint16_t port)
{
	struct address a = {.port = port};

	a.ip[10] = a.ip[11] = 0xff;
	for (unsigned i = 0; i < 4; i++)
		a.ip[12 + i] = (uint8_t)(ip >> (24 - 8 * i));
	return a;
}

Test(steer_program, every_row_of_a_table_is_found)
{
	enum { UDP_LEN = 14 + 20 + 8 };
	uint8_t frame[UDP_LEN] = {[12] = 8, [14] = 0x45, [17] = 28, [22] = 64, [23] = 17, [39] = 8};
	struct packet pkt = {
		.data = frame, .caplen = UDP_LEN, .wire_len = UDP_LEN, .link = LINK_ETHERNET};

	for (unsigned i = 0; i < ROWS; i++)
		row_add(ipv4(0xe0010000 + i * 2654435761u % 1000, (uint16_t)(i % 7 * 100)), false);
	cr_assert_eq(feed_table_init(&table, rows, rows_n), 0);
	steer = (struct steer){&table, false, WORKERS, 0};
	make(&steer);
	for (unsigned i = 0; i < ROWS; i++)
		for (unsigned port = 0; port < 2; port++) {
			uint16_t to = port ? rows[i].dst.port : 999;

			memcpy(frame + 30, rows[i].dst.ip + 12, 4);
			frame[36] = (uint8_t)(to >> 8);
			frame[37] = (uint8_t)to;
			compare(&pkt, i);
		}
	cr_assert_eq(apart, 0);
}

Test(steer_program, a_table_too_long_for_a_kernel_is_refused)
{
	struct feed_line *many = calloc(FEED_LINES_MAX, sizeof(*many));

	for (unsigned i = 0; i < 1000; i++)
		many[i].dst = ipv4(0xe0010000 + i, 1);
	cr_assert_eq(feed_table_init(&table, many, 1000), 0);
	steer = (struct steer){&table, false, WORKERS, 0};
	cr_assert_eq(steer_program_make(&program, &steer), -E2BIG);
	feed_table_free(&table);
	free(many);
}
