/* DPDK ports: net_ring, fed by the test. What a real NIC would do is done by wrapping (--wrap) the
 * calls that would tell of it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "capture/dpdk/eal.h"
#include "capture/dpdk/ethdev.h"
#include "capture/filter.h"
#include "tests/support/ring_port.h"

static struct rte_eth_stats added; /* to what the port counts */
static int start_rc, removed;
static unsigned closed, stats_reads;

int __real_rte_eth_stats_get(uint16_t id, struct rte_eth_stats *stats);
int __real_rte_eth_dev_start(uint16_t id);
int __real_rte_eth_dev_close(uint16_t id);
int __real_rte_eth_dev_get_port_by_name(const char *name, uint16_t *id);
int __wrap_rte_eth_stats_get(uint16_t id, struct rte_eth_stats *stats);
int __wrap_rte_eth_dev_start(uint16_t id);
int __wrap_rte_eth_dev_close(uint16_t id);
int __wrap_rte_eth_dev_is_removed(uint16_t id);
int __wrap_rte_eth_dev_get_port_by_name(const char *name, uint16_t *id);

int __wrap_rte_eth_stats_get(uint16_t id, struct rte_eth_stats *stats)
{
	int rc = __real_rte_eth_stats_get(id, stats);

	stats_reads++;
	stats->imissed += added.imissed;
	stats->ierrors += added.ierrors;
	stats->rx_nombuf += added.rx_nombuf;
	return rc;
}

int __wrap_rte_eth_dev_start(uint16_t id)
{
	return start_rc ? start_rc : __real_rte_eth_dev_start(id);
}

int __wrap_rte_eth_dev_close(uint16_t id)
{
	closed++;
	return __real_rte_eth_dev_close(id);
}

int __wrap_rte_eth_dev_is_removed(uint16_t id)
{
	(void)id;
	return removed;
}

int __wrap_rte_eth_dev_get_port_by_name(const char *name, uint16_t *id)
{
	if (strcmp(name, "0000:18:00.0") != 0)
		return __real_rte_eth_dev_get_port_by_name(name, id);
	*id = 7;
	return 0;
}

TestSuite(ethdev, .init = ring_eal, .timeout = 60);

/* Ethernet, IPv4, UDP 1000 -> 2000; the rest of a frame is its own pattern */
static const uint8_t udp[42] = {1, 0, 0x5e, 1, 1, 1, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 0, 0, 50,
	0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 239, 1, 1, 1, 0x03, 0xe8, 0x07, 0xd0, 0, 30, 0, 0};

static void compose(uint8_t *frame, unsigned len, unsigned number)
{
	for (unsigned i = 0; i < len; i++)
		frame[i] = i < sizeof(udp) ? udp[i] : (uint8_t)(number * 31 + i * 7);
}

static void put(
	struct ring_port *rp, unsigned queue, unsigned len, unsigned number, unsigned segment)
{
	uint8_t frame[65536];

	compose(frame, len, number);
	cr_assert(ring_port_put(rp, queue, frame, len, segment) != NULL);
}

/* same says whether the packet is frame number, as long as it says. */
static bool same(const struct packet *pkt, unsigned number)
{
	uint8_t frame[65536];

	compose(frame, pkt->wire_len, number);
	return memcmp(frame, pkt->data, pkt->caplen) == 0;
}

static struct ethdev_port *open_port(const struct ring_port *rp, const struct source_options *opt)
{
	struct ethdev_port *port = NULL;
	char error[256] = "";

	cr_assert_eq(ethdev_port_open(&port, rp->id, opt, error), 0, "%s", error);
	return port;
}

static struct source *open_reader(
	struct ethdev_port *port, uint16_t reader, const struct source_options *opt)
{
	struct source *src = NULL;
	char error[256] = "";

	cr_assert_eq(source_open_ethdev(&src, port, reader, opt, error), 0, "%s", error);
	return src;
}

/* open_one opens a port with one reader. */
static struct source *open_one(const struct ring_port *rp, const struct source_options *opt)
{
	struct ethdev_port *port = open_port(rp, opt);
	struct source *src = open_reader(port, 0, opt);

	ethdev_port_release(port);
	return src;
}

static struct source_stats stats_of(struct source *src)
{
	struct timespec ms = {0, 1000000};
	struct source_stats stats;

	nanosleep(&ms, NULL); /* counters of the port are read every 200 us at most */
	src->ops->stats(src, &stats);
	return stats;
}

static const struct source_options one = {.workers = 1, .promiscuous = true};

Test(ethdev, frames_come_as_they_were_put_in)
{
	struct packet pkts[BURST_MAX];
	unsigned lens[] = {60, 64, 65, 1500, 1514, 9018, 42, 128};
	struct source_stats stats;
	struct ring_port rp;
	struct source *src;
	struct timespec now;
	uint64_t bytes = 0, now_ns;

	ring_port_make(&rp, "plain", 1, 511);
	src = open_one(&rp, &one);
	cr_assert_str_eq(src->name, rp.name);
	cr_assert(!src->hides_loss);
	cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 0);
	for (unsigned i = 0; i < 200; i++) {
		put(&rp, 0, lens[i % 8], i, RING_PORT_ROOM);
		bytes += lens[i % 8];
	}
	clock_gettime(CLOCK_REALTIME, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	for (unsigned i = 0; i < 200;) {
		int n = src->ops->burst(src, pkts, 50);

		cr_assert_eq(n, 50);
		for (int k = 0; k < n; k++, i++) {
			cr_assert_eq(pkts[k].wire_len, lens[i % 8]);
			cr_assert_eq(pkts[k].caplen, pkts[k].wire_len);
			cr_assert(same(&pkts[k], i), "frame %u", i);
			cr_assert_eq(pkts[k].seq, i + 1);
			cr_assert_eq(pkts[k].kind, PACKET_FRAME);
			cr_assert_eq(pkts[k].ts_quality, TS_Q_USER);
			cr_assert(pkts[k].ts_recv_ns >= now_ns &&
				  pkts[k].ts_recv_ns < now_ns + 5000000000u);
		}
	}
	cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 0);
	cr_assert_eq(src->end, SOURCE_RUNNING);
	cr_assert_eq(rte_mempool_in_use_count(rp.pool), 0, "every mbuf was given back");
	stats = stats_of(src);
	cr_assert_eq(stats.received, 200);
	cr_assert_eq(stats.received_bytes, bytes);
	for (int i = 0; i < REASON_COUNT; i++)
		cr_assert_eq(stats.dropped[i], 0);
	src->ops->close(src);
	cr_assert_eq(closed, 1);
}

Test(ethdev, chained_mbufs_come_in_one_piece)
{
	struct packet pkts[BURST_MAX];
	struct ring_port rp;
	struct source *src;

	ring_port_make(&rp, "chain", 1, 1023);
	src = open_one(&rp, &one);
	for (unsigned i = 0; i < 20; i++)
		put(&rp, 0, 100 + i * 400, i, i % 2 ? 333 : RING_PORT_ROOM);
	cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 20);
	for (unsigned i = 0; i < 20; i++) {
		cr_assert_eq(pkts[i].caplen, 100 + i * 400);
		cr_assert(same(&pkts[i], i), "frame %u", i);
	}
	cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 0);
	cr_assert_eq(rte_mempool_in_use_count(rp.pool), 0);
	src->ops->close(src);
}

Test(ethdev, chains_beyond_the_room_of_a_burst_are_counted)
{
	enum { LEN = 27000, FIT = BURST_MAX * 16384 / LEN };
	struct packet pkts[BURST_MAX];
	struct source_stats stats;
	struct ring_port rp;
	struct source *src;

	ring_port_make(&rp, "long", 1, 511);
	src = open_one(&rp, &one);
	for (unsigned i = 0; i < 50; i++)
		put(&rp, 0, i == 49 ? 60 : LEN, i, 9000);
	cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), FIT + 1);
	for (unsigned i = 0; i <= FIT; i++)
		cr_assert(same(&pkts[i], i < FIT ? i : 49), "frame %u", i);
	stats = stats_of(src);
	cr_assert_eq(stats.received, FIT + 1);
	cr_assert_eq(stats.dropped[REASON_mbuf_chain], 49 - FIT);
	put(&rp, 0, LEN, 50, 9000);
	cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 1, "the next burst has room again");
	cr_assert(same(&pkts[0], 50));
	src->ops->close(src);
	cr_assert_eq(rte_mempool_in_use_count(rp.pool), 0);
}

Test(ethdev, a_tag_that_the_driver_took_out_is_put_back)
{
	struct packet pkts[BURST_MAX];
	struct rte_mbuf *m;
	uint8_t frame[100];
	struct ring_port rp;
	struct source *src;

	ring_port_make(&rp, "tag", 1, 63);
	src = open_one(&rp, &one);
	compose(frame, sizeof(frame), 1);
	m = ring_port_put(&rp, 0, frame, sizeof(frame), RING_PORT_ROOM);
	m->vlan_tci = 0x2064;
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 1);
	cr_assert_eq(pkts[0].caplen, 104);
	cr_assert_eq(pkts[0].wire_len, 104);
	cr_assert_arr_eq(pkts[0].data, frame, 12);
	cr_assert_arr_eq(pkts[0].data + 12, ((uint8_t[]){0x81, 0, 0x20, 0x64}), 4);
	cr_assert_arr_eq(pkts[0].data + 16, frame + 12, 88);
	src->ops->close(src);
}

Test(ethdev, filter_snaplen_and_count)
{
	struct source_options opt = {
		.workers = 4, .count_max = 70, .snaplen = 68}; /* count_max: one reader */
	struct packet pkts[BURST_MAX];
	struct ethdev_port *port;
	struct source_stats stats;
	struct ring_port rp;
	struct source *src;
	char error[256];
	unsigned n = 0;

	cr_assert_eq(filter_open(&opt.filter, "udp port 2000 and greater 100", error), 0);
	ring_port_make(&rp, "filter", 2, 511);
	port = open_port(&rp, &opt);
	cr_assert_eq(ethdev_port_readers(port), 1);
	src = open_reader(port, 0, &opt);
	ethdev_port_release(port);
	for (unsigned i = 0; i < 160; i++)
		put(&rp, i % 4 / 2, i % 2 ? 60 : 200, i, RING_PORT_ROOM);
	for (unsigned rounds = 0; rounds < 10 && src->end == SOURCE_RUNNING; rounds++) {
		int got = src->ops->burst(src, pkts, BURST_MAX);

		for (int i = 0; i < got; i++, n++) {
			cr_assert_eq(pkts[i].caplen, 68);
			cr_assert_eq(pkts[i].wire_len, 200);
			cr_assert_eq(pkts[i].seq, n + 1);
		}
	}
	cr_assert_eq(n, 70);
	cr_assert_eq(src->end, SOURCE_END);
	stats = stats_of(src);
	cr_assert_eq(
		stats.received - stats.filtered, 70, "%lu - %lu", stats.received, stats.filtered);
	cr_assert_leq(stats.received, 141);
	src->ops->close(src);
	filter_close(opt.filter);
}

Test(ethdev, losses_of_the_port_since_it_was_opened)
{
	struct source_stats stats, again;
	struct ring_port rp;
	struct source *src;
	unsigned reads;

	ring_port_make(&rp, "loss", 1, 63);
	added = (struct rte_eth_stats){.imissed = 1000, .ierrors = 100, .rx_nombuf = 10};
	src = open_one(&rp, &one);
	stats = stats_of(src);
	cr_assert_eq(stats.dropped[REASON_nic_missed], 0, "what was before is not ours");
	added = (struct rte_eth_stats){.imissed = 1007, .ierrors = 103, .rx_nombuf = 12};
	stats = stats_of(src);
	cr_assert_eq(stats.dropped[REASON_nic_missed], 7);
	cr_assert_eq(stats.dropped[REASON_nic_error], 3);
	cr_assert_eq(stats.dropped[REASON_no_mbuf], 2);
	cr_assert_eq(stats.received, 0);
	reads = stats_reads;
	for (unsigned i = 0; i < 1000; i++)
		src->ops->stats(src, &again);
	cr_assert_lt(stats_reads - reads, 500, "registers are not read for every burst");
	src->ops->close(src);
}

/* drain_numbers adds the packets of a reader to seen, by the number in byte 50 and 51. */
static unsigned drain_numbers(struct source *src, uint8_t *seen)
{
	struct packet pkts[BURST_MAX];
	unsigned n = 0;
	int got;

	while ((got = src->ops->burst(src, pkts, BURST_MAX)) > 0)
		for (int i = 0; i < got; i++, n++)
			seen[pkts[i].data[50] << 8 | pkts[i].data[51]]++;
	return n;
}

static void put_numbered(struct ring_port *rp, unsigned queue, unsigned number)
{
	uint8_t frame[64];

	compose(frame, sizeof(frame), 0);
	frame[50] = (uint8_t)(number >> 8);
	frame[51] = (uint8_t)number;
	cr_assert(ring_port_put(rp, queue, frame, sizeof(frame), RING_PORT_ROOM) != NULL);
}

Test(ethdev, every_queue_is_read_by_one_reader)
{
	static const struct {
		unsigned workers, readers, first;
	} cases[] = {{1, 1, 400}, {2, 2, 200}, {3, 3, 200}, {4, 4, 100}, {8, 4, 100}};

	for (unsigned c = 0; c < RTE_DIM(cases); c++) {
		struct source_options opt = {.workers = cases[c].workers};
		struct source *srcs[8];
		uint8_t seen[400] = {0};
		struct ethdev_port *port;
		struct ring_port rp;
		char name[16];

		snprintf(name, sizeof(name), "queues%u", c);
		ring_port_make(&rp, name, 4, 511);
		port = open_port(&rp, &opt);
		cr_assert_eq(ethdev_port_queues(port), 4);
		cr_assert_eq(ethdev_port_readers(port), cases[c].readers);
		for (uint16_t r = 0; r < cases[c].readers; r++)
			srcs[r] = open_reader(port, r, &opt);
		ethdev_port_release(port);
		for (unsigned i = 0; i < 400; i++)
			put_numbered(&rp, i % 4, i);
		cr_assert_eq(drain_numbers(srcs[0], seen), cases[c].first);
		for (uint16_t r = 1; r < cases[c].readers; r++)
			drain_numbers(srcs[r], seen);
		for (unsigned i = 0; i < 400; i++)
			cr_assert_eq(seen[i], 1, "case %u, packet %u", c, i);
		for (uint16_t r = 0; r < cases[c].readers; r++) {
			cr_assert_eq(closed, c, "the port runs until its last source closes");
			srcs[r]->ops->close(srcs[r]);
		}
	}
}

Test(ethdev, a_removed_port_ends_the_source_which_says_so)
{
	struct packet pkts[BURST_MAX];
	struct ring_port rp;
	struct source *src;

	ring_port_make(&rp, "away", 1, 63);
	src = open_one(&rp, &one);
	put(&rp, 0, 60, 0, RING_PORT_ROOM);
	removed = 1;
	cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 1, "what came before is delivered");
	for (unsigned i = 0; i < 10000 && src->end == SOURCE_RUNNING; i++) {
		cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 0);
		src->ops->wait(src, 1000);
	}
	cr_assert_eq(src->end, SOURCE_GONE);
	cr_assert(strstr(src->error, "the port was removed") && strstr(src->error, rp.name), "%s",
		src->error);
	src->ops->close(src);
}

Test(ethdev, a_port_that_does_not_start_is_closed_and_named)
{
	struct ethdev_port *port = NULL;
	char error[256] = "";
	struct ring_port rp;

	ring_port_make(&rp, "broken", 1, 63);
	start_rc = -EIO;
	cr_assert_eq(ethdev_port_open(&port, rp.id, &one, error), -EIO);
	cr_assert(strstr(error, rp.name) && strstr(error, "Input/output error"), "%s", error);
	cr_assert_null(port);
	cr_assert_eq(closed, 1);
}

Test(ethdev, too_little_memory_says_what_to_do)
{
	struct ethdev_port *port = NULL;
	char error[256] = "", name[32];
	struct ring_port rp;
	unsigned n = 0;

	ring_port_make(&rp, "poor", 4, 1);
	do
		snprintf(name, sizeof(name), "eat%u", n++);
	while (rte_pktmbuf_pool_create(name, 1023, 0, 0, 2048, 0));
	cr_assert_eq(ethdev_port_open(&port, rp.id, &one, error), -ENOMEM);
	cr_assert(strstr(error, rp.name) && strstr(error, "-m"), "%s", error);
}

Test(ethdev, ports_are_found_by_name_number_and_short_address)
{
	struct ring_port a, b;
	char error[256] = "";
	uint16_t id = 99;

	cr_assert_eq(eal_port("", &id, error), -ENODEV);
	cr_assert(strstr(error, "DPDK drives none"), "%s", error);
	cr_assert(strstr(error, geteuid() == 0 ? "--vdev" : "sudo setcap"), "%s", error);
	ring_port_make(&a, "first", 1, 1);
	ring_port_make(&b, "second", 1, 1);
	cr_assert_eq(eal_port("", &id, error), 0);
	cr_assert_eq(id, a.id);
	cr_assert_eq(eal_port(b.name, &id, error), 0);
	cr_assert_eq(id, b.id);
	cr_assert_eq(eal_port("1", &id, error), 0);
	cr_assert_eq(id, 1);
	cr_assert_eq(eal_port("18:00.0", &id, error), 0);
	cr_assert_eq(id, 7);
	cr_assert_eq(eal_port("65536", &id, error), -ENODEV, "not port 0");
	cr_assert_eq(eal_port("net_ring_third", &id, error), -ENODEV);
	cr_assert(strstr(error, "net_ring_third") && strstr(error, a.name) && strstr(error, b.name),
		"%s", error);
}
