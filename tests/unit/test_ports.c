/* What a port may fail at, with each driver that needs no NIC: it is not there, it does not start,
 * its link goes down; and what only a NIC offers, put into the mouths of drivers (--wrap): time
 * stamps, a clock, RSS keys. Not run here, as there is no NIC: that a NIC does what it says. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>

#include "base/log.h"
#include "capture/dpdk/eal.h"
#include "capture/dpdk/ethdev.h"
#include "decode/frame.h"
#include "tests/support/ring_port.h"

static int start_rc, key_rc, clock_rc, link_wrapped = -1;
static unsigned closed;
static uint8_t key_len; /* net_null spreads by RSS, and does not say how long its key is */
static bool offers_stamps;
static struct rte_eth_conf configured;
static uint64_t (*clock_ticks)(void);

int __real_rte_eth_dev_start(uint16_t id);
int __real_rte_eth_dev_close(uint16_t id);
int __real_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __real_rte_eth_dev_configure(
	uint16_t id, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf);
int __real_rte_eth_link_get_nowait(uint16_t id, struct rte_eth_link *link);
int __wrap_rte_eth_dev_start(uint16_t id);
int __wrap_rte_eth_dev_close(uint16_t id);
int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_configure(
	uint16_t id, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf);
int __wrap_rte_eth_link_get_nowait(uint16_t id, struct rte_eth_link *link);
int __wrap_rte_eth_read_clock(uint16_t id, uint64_t *ticks);

int __wrap_rte_eth_dev_start(uint16_t id)
{
	return start_rc ? start_rc : __real_rte_eth_dev_start(id);
}

int __wrap_rte_eth_dev_close(uint16_t id)
{
	closed++;
	return __real_rte_eth_dev_close(id);
}

int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info)
{
	int rc = __real_rte_eth_dev_info_get(id, info);

	info->hash_key_size = key_len;
	if (offers_stamps)
		info->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	return rc;
}

int __wrap_rte_eth_dev_configure(
	uint16_t id, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf)
{
	struct rte_eth_conf inner = *conf;

	configured = *conf;
	inner.rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_TIMESTAMP; /* the driver has none */
	if (key_rc && conf->rx_adv_conf.rss_conf.rss_key)
		return key_rc;
	return __real_rte_eth_dev_configure(id, rx, tx, &inner);
}

int __wrap_rte_eth_link_get_nowait(uint16_t id, struct rte_eth_link *link)
{
	int rc = __real_rte_eth_link_get_nowait(id, link);

	if (link_wrapped >= 0)
		link->link_status = link_wrapped ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN;
	return rc;
}

int __wrap_rte_eth_read_clock(uint16_t id, uint64_t *ticks)
{
	(void)id;
	*ticks = clock_ticks ? clock_ticks() : 0;
	return clock_rc;
}

static void run(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

/* DPDK's net_pcap keeps what libpcap gave it for a file it then cannot use. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libpcap.so";
}

static char pcap[] = "/tmp/test_ports.XXXXXX";
static struct ring_port ring;

/* 3 frames of 60 bytes, little-endian, us */
static void pcap_write(void)
{
	static const uint32_t header[] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1};
	uint32_t record[] = {1700000000, 5, 60, 60};
	uint8_t frame[60] = {0};
	int fd = mkstemp(pcap);

	cr_assert_eq(write(fd, header, sizeof(header)), sizeof(header));
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(write(fd, record, sizeof(record)), sizeof(record));
		cr_assert_eq(write(fd, frame, sizeof(frame)), sizeof(frame));
	}
	close(fd);
}

static void begin(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		printf("skip - ports: no network namespace: run as root\n");
		fflush(stdout);
		cr_skip_test("no network namespace: run as root");
	}
	run("ip link add out0 type veth peer name in0 && ip link set out0 up && ip link set in0 "
	    "up");
	pcap_write();
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, 2);
	ring_eal();
}

static void end(void)
{
	unlink(pcap);
}

TestSuite(ports, .init = begin, .fini = end, .timeout = 60);

static const char *const drivers[] = {
	"net_ring", "net_null", "net_pcap", "net_af_packet", "net_tap"};

enum { DRIVERS = sizeof(drivers) / sizeof(drivers[0]) };

/* make plugs in a port of the driver. Returns false where the machine has none: skipped by name */
static bool make(const char *driver, uint16_t *id, char name[64])
{
	char args[128] = "", error[256];

	snprintf(name, 64, "%s0", driver);
	if (strcmp(driver, "net_ring") == 0) {
		ring_port_make(&ring, "ports", 2, 255);
		*id = ring.id;
		snprintf(name, 64, "%s", ring.name);
		return true;
	}
	if (strcmp(driver, "net_tap") == 0) {
		if (access("/dev/net/tun", R_OK | W_OK) < 0) {
			printf("skip - ports: net_tap: no /dev/net/tun\n");
			return false;
		}
		snprintf(args, sizeof(args), "iface=tap9");
	} else if (strcmp(driver, "net_pcap") == 0) {
		snprintf(args, sizeof(args), "rx_pcap=%s", pcap);
	} else if (strcmp(driver, "net_af_packet") == 0) {
		snprintf(args, sizeof(args), "iface=in0,framecnt=64");
	}
	cr_assert_eq(rte_eal_hotplug_add("vdev", name, args), 0, "%s", name);
	cr_assert_eq(eal_port(name, id, error), 0, "%s", error);
	return true;
}

static const struct source_options one = {.workers = 1};

static struct source *open_source(uint16_t id, const struct source_options *opt)
{
	struct ethdev_port *port;
	struct source *src;
	char error[256];

	cr_assert_eq(ethdev_port_open(&port, id, opt, error), 0, "%s", error);
	cr_assert_eq(source_open_ethdev(&src, port, 0, opt, error), 0, "%s", error);
	ethdev_port_release(port);
	return src;
}

/* frame_send puts a frame on the wire of a driver that has one. */
static void frame_send(const char *driver)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET};
	static const uint8_t frame[60] = {1, 0, 0x5e, 1, 1, 1, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
	int fd;

	if (strcmp(driver, "net_ring") == 0) {
		cr_assert_not_null(ring_port_put(&ring, 0, frame, sizeof(frame), RING_PORT_ROOM));
		return;
	}
	to.sll_ifindex = (int)if_nametoindex(strcmp(driver, "net_tap") == 0 ? "tap9" : "out0");
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	sendto(fd, frame, sizeof(frame), 0, (void *)&to, sizeof(to)); /* down: it fails, no harm */
	close(fd);
}

/* receive waits up to 2 s for a packet. Returns how many came in the burst */
static int receive(struct source *src)
{
	struct packet pkts[BURST_MAX];
	int n = 0;

	for (unsigned i = 0; i < 4000 && n == 0 && src->end == SOURCE_RUNNING; i++) {
		n = src->ops->burst(src, pkts, BURST_MAX);
		if (n == 0)
			usleep(500);
	}
	return n;
}

Test(ports, each_driver_starts_and_receives)
{
	for (unsigned i = 0; i < DRIVERS; i++) {
		struct source *src;
		uint16_t id;
		char name[64];

		if (!make(drivers[i], &id, name))
			continue;
		src = open_source(id, &one);
		cr_assert_str_eq(src->name, name);
		if (strcmp(drivers[i], "net_null") != 0 && strcmp(drivers[i], "net_pcap") != 0)
			frame_send(drivers[i]);
		cr_assert_gt(receive(src), 0, "%s", name);
		cr_assert_eq(src->hides_loss, i >= 3, "%s", name);
		src->ops->close(src);
	}
}

Test(ports, one_that_is_not_there_is_named_with_those_that_are)
{
	char error[256], name[64];
	uint16_t id;

	cr_assert_neq(rte_eal_hotplug_add("vdev", "net_pcap7", "rx_pcap=/nosuch.pcap"), 0);
	cr_assert_neq(rte_eal_hotplug_add("vdev", "net_af_packet7", "iface=nosuch0"), 0);
	cr_assert_eq(eal_port("net_pcap7", &id, error), -ENODEV);
	cr_assert(strstr(error, "no DPDK port net_pcap7: DPDK drives none"), "%s", error);
	for (unsigned i = 0; i < DRIVERS; i++)
		make(drivers[i], &id, name);
	cr_assert_eq(eal_port("net_af_packet7", &id, error), -ENODEV);
	cr_assert(strstr(error, "no DPDK port net_af_packet7; there are:") &&
			  strstr(error, "net_null0") && strstr(error, "net_af_packet0"),
		"%s", error);
}

Test(ports, one_that_does_not_start_is_named_and_closed)
{
	for (unsigned i = 0; i < DRIVERS; i++) {
		struct ethdev_port *port = NULL;
		char error[256], name[64];
		uint16_t id;

		if (!make(drivers[i], &id, name))
			continue;
		start_rc = -EIO;
		closed = 0;
		cr_assert_eq(ethdev_port_open(&port, id, &one, error), -EIO, "%s", name);
		cr_assert(strstr(error, name) && strstr(error, "does not start") &&
				  strstr(error, strerror(EIO)),
			"%s", error);
		cr_assert_null(port);
		cr_assert_eq(closed, 1, "%s", name);
		start_rc = 0;
	}
}

static uint64_t outages(struct source *src)
{
	struct source_stats stats;

	src->ops->stats(src, &stats);
	return stats.outages;
}

/* idle lets a source wait until it looked after its link twice. */
static void idle(struct source *src)
{
	struct packet pkts[BURST_MAX];

	for (unsigned i = 0; i < 5000; i++) { /* 50 us each, or longer */
		src->ops->burst(src, pkts, BURST_MAX);
		src->ops->wait(src, 50);
	}
}

Test(ports, a_link_that_goes_down_is_an_outage_and_capture_goes_on)
{
	for (unsigned i = 0; i < DRIVERS; i++) {
		struct source *src;
		uint16_t id;
		char name[64];

		if (!make(drivers[i], &id, name))
			continue;
		link_wrapped = 0; /* down at the start is no outage: nothing was promised yet */
		src = open_source(id, &one);
		idle(src);
		cr_assert_eq(outages(src), 0, "%s", name);
		link_wrapped = 1;
		idle(src);
		cr_assert_eq(outages(src), 0, "%s", name);
		link_wrapped = 0;
		idle(src);
		cr_assert_eq(outages(src), 1, "%s", name);
		link_wrapped = 1;
		idle(src);
		cr_assert_eq(outages(src), 1, "%s", name);
		cr_assert_eq(src->end, SOURCE_RUNNING, "%s", name);
		if (strcmp(drivers[i], "net_null") != 0 && strcmp(drivers[i], "net_pcap") != 0) {
			frame_send(drivers[i]);
			cr_assert_gt(receive(src), 0, "%s", name);
		}
		link_wrapped = -1;
		src->ops->close(src);
	}
}

Test(ports, the_symmetric_key_is_set_where_there_is_a_choice)
{
	struct source_options opt = {.workers = 2};
	struct source *src;
	uint16_t id;
	char name[64];

	key_len = 40;
	make("net_null", &id, name);
	src = open_source(id, &opt);
	cr_assert_eq(configured.rx_adv_conf.rss_conf.rss_key_len, 40);
	for (unsigned i = 0; i < 40; i++)
		cr_assert_eq(configured.rx_adv_conf.rss_conf.rss_key[i], i % 2 ? 0x5a : 0x6d);
	cr_assert_eq(configured.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
	src->ops->close(src);
}

Test(ports, a_driver_that_takes_no_key_runs_with_its_own)
{
	struct source_options opt = {.workers = 2};
	struct source *src;
	uint16_t id;
	char name[64];

	key_len = 40;
	key_rc = -EINVAL;
	make("net_null", &id, name);
	src = open_source(id, &opt);
	cr_assert_null(configured.rx_adv_conf.rss_conf.rss_key);
	cr_assert_eq(configured.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
	cr_assert_gt(receive(src), 0);
	src->ops->close(src);
}

static uint64_t real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t epoch_ns;

/* A clock of 156.25 MHz that began with the test, and is 40 millionths fast. */
static uint64_t ticks_156(void)
{
	return (uint64_t)((unsigned __int128)(real_ns() - epoch_ns) * 15625625 / 100000000);
}

/* stamped puts a frame with the card's time into the ring. */
static void stamped(uint64_t ticks)
{
	uint8_t frame[60] = {0};
	struct rte_mbuf *m = ring_port_put(&ring, 0, frame, sizeof(frame), RING_PORT_ROOM);
	static int offset;
	static uint64_t flag;

	cr_assert_not_null(m);
	cr_assert_eq(rte_mbuf_dyn_rx_timestamp_register(&offset, &flag), 0);
	*RTE_MBUF_DYNFIELD(m, offset, rte_mbuf_timestamp_t *) = ticks;
	m->ol_flags |= flag;
}

Test(ports, ticks_of_a_card_become_time_that_never_steps_back)
{
	struct packet pkts[BURST_MAX];
	struct source_stats stats;
	uint64_t last_ns = 0;
	struct source *src;
	uint16_t id;
	char name[64];

	epoch_ns = real_ns() - 1000000000;
	clock_ticks = ticks_156;
	offers_stamps = true;
	make("net_ring", &id, name);
	src = open_source(id, &one);
	cr_assert(configured.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TIMESTAMP);
	for (unsigned i = 0; i < 500; i++) { /* 2.5 s: the clock is compared twice */
		uint64_t before_ns = real_ns(), ticks = ticks_156(), after_ns = real_ns();

		stamped(ticks);
		cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 1);
		cr_assert_eq(pkts[0].ts_quality, TS_Q_HARDWARE);
		cr_assert_geq(pkts[0].ts_recv_ns, last_ns);
		last_ns = pkts[0].ts_recv_ns;
		cr_assert(last_ns + 1000000 > before_ns && last_ns < after_ns + 1000000,
			"%ld ns off", (long)(last_ns - before_ns));
		src->ops->stats(src, &stats);
		usleep(5000);
	}
	frame_send("net_ring"); /* one without a stamp: the burst's time */
	cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 1);
	cr_assert_eq(pkts[0].ts_quality, TS_Q_USER);
	cr_assert(pkts[0].ts_recv_ns + 1000000000 > real_ns());
	src->ops->close(src);
}

Test(ports, stamps_that_cannot_be_had_are_refused_or_left_out)
{
	struct source_options opt = {.workers = 1, .timestamps = TIMESTAMPS_HARDWARE};
	struct ethdev_port *port;
	struct source *src;
	char error[256], name[64];
	struct packet pkts[BURST_MAX];
	uint16_t id;

	make("net_ring", &id, name);
	cr_assert_lt(ethdev_port_open(&port, id, &opt, error), 0);
	cr_assert(strstr(error, "offers no time stamps"), "%s", error);
	ring_port_make(&ring, "again", 1, 63);
	offers_stamps = true;
	clock_rc = -ENOTSUP;
	cr_assert_lt(ethdev_port_open(&port, ring.id, &opt, error), 0);
	cr_assert(strstr(error, "clock cannot be read"), "%s", error);
	ring_port_make(&ring, "auto", 1, 63);
	src = open_source(ring.id, &one);
	stamped(12345);
	cr_assert_eq(src->ops->burst(src, pkts, BURST_MAX), 1);
	cr_assert_eq(pkts[0].ts_quality, TS_Q_USER);
	src->ops->close(src);
	ring_port_make(&ring, "kernel", 1, 63);
	clock_rc = 0;
	clock_ticks = ticks_156;
	opt.timestamps = TIMESTAMPS_KERNEL;
	src = open_source(ring.id, &opt);
	cr_assert_not(configured.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TIMESTAMP);
	src->ops->close(src);
}

static uint16_t frame_write(
	uint16_t port, uint16_t queue, struct rte_mbuf *mbufs[], uint16_t n, void *fd)
{
	(void)port;
	(void)queue;
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = mbufs[i]->pkt_len, record[] = {1, 0, len, len};

		cr_assert_eq(write(*(int *)fd, record, sizeof(record)), sizeof(record));
		cr_assert_eq(write(*(int *)fd, rte_pktmbuf_mtod(mbufs[i], void *), len), len);
	}
	return n;
}

/* The reports of a port in process, as a switch would see them: what it transmits is written to a
 * file, tshark reads it. */
Test(ports, groups_are_joined_through_a_port_in_process)
{
	static const struct address groups[] = {
		{.ip = {[10] = 0xff, [11] = 0xff, [12] = 233, 54, 12, 111}, .port = 1},
		{.ip = {0xff, 5, [15] = 9}, .port = 1}};
	struct source_options opt = {.workers = 1, .groups = groups, .groups_n = 2};
	static const uint32_t header[] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1};
	char file[] = "/tmp/test_ports.XXXXXX", command[512], want[256];
	struct rte_ring *sent = rte_ring_create("sent", 1024, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	struct rte_ring *received =
		rte_ring_create("received", 1024, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	int id = rte_eth_from_rings("joins", &received, 1, &sent, 1, 0), fd = mkstemp(file);
	struct source *src = open_source((uint16_t)id, &opt);
	void *m;

	cr_assert_eq(write(fd, header, sizeof(header)), sizeof(header));
	usleep(1200000);
	while (rte_ring_dequeue(sent, &m) == 0)
		frame_write(0, 0, (struct rte_mbuf **)&m, 1, &fd);
	/* the leaves: what is in the ring is gone with the port */
	cr_assert_not_null(rte_eth_add_tx_callback((uint16_t)id, 0, frame_write, &fd));
	src->ops->close(src);
	close(fd);
	snprintf(command, sizeof(command),
		"tshark -r %s -o ip.check_checksum:TRUE -T fields -e igmp.record_type -e "
		"igmp.maddr "
		"-e igmp.checksum.status -e ip.checksum.status -e icmpv6.mldr.mar.record_type -e "
		"icmpv6.mldr.mar.multicast_address -e icmpv6.checksum.status 2>/dev/null | "
		"tr -s ' \t' ' ' | sort | uniq -c | tr -s ' ' | tee %s.got | "
		"cmp - %s.want",
		file, file, file);
	snprintf(want, sizeof(want),
		"printf '%%s\n' ' 2 3 ff05::9 1' ' 2 4 ff05::9 1' ' 2 3 233.54.12.111 1 1 ' "
		"' 2 4 233.54.12.111 1 1 ' >%s.want",
		file);
	run(want);
	if (system("command -v tshark >/dev/null") != 0)
		printf("skip - ports: reports of a port in process: no tshark\n");
	else
		run(command);
	snprintf(command, sizeof(command), "rm -f %s %s.want %s.got", file, file, file);
	run(command);
}
