/* Time stamps of a card, which no card here gives: what the kernel would say of one is put in its
 * mouth (--wrap); the socket is a real one. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/afpacket/afpacket.h"

static struct {
	bool offers;
	int filter, tx; /* as it is set; filter -1: it cannot be read */
	int set_errno, filter_after;
	unsigned sets;
	int offset_rc;
	int64_t offset_ns;
} card;

int __real_ioctl(int fd, unsigned long request, void *data);
int __wrap_ioctl(int fd, unsigned long request, void *data);
int __wrap_afpacket_phc_offset_ns(int phc_index, int64_t *offset_ns);

static int refuse(int error)
{
	errno = error;
	return -1;
}

static int ts_info(struct ethtool_ts_info *info)
{
	if (info->cmd != ETHTOOL_GET_TS_INFO)
		return refuse(EOPNOTSUPP);
	info->so_timestamping = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	info->phc_index = 3;
	if (card.offers) {
		info->so_timestamping |=
			SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;
		info->rx_filters = 1 << HWTSTAMP_FILTER_NONE | 1 << HWTSTAMP_FILTER_ALL;
	}
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, void *data)
{
	struct ifreq *req = data;
	struct hwtstamp_config *config;

	switch (request) {
	case SIOCETHTOOL:
		return ts_info((void *)req->ifr_data);
	case SIOCGHWTSTAMP:
		config = (void *)req->ifr_data;
		if (card.filter < 0)
			return refuse(EOPNOTSUPP);
		*config = (struct hwtstamp_config){.tx_type = card.tx, .rx_filter = card.filter};
		return 0;
	case SIOCSHWTSTAMP:
		config = (void *)req->ifr_data;
		card.sets++;
		if (card.set_errno)
			return refuse(card.set_errno);
		card.tx = config->tx_type;
		card.filter = config->rx_filter = card.filter_after;
		return 0;
	}
	return __real_ioctl(fd, request, data);
}

int __wrap_afpacket_phc_offset_ns(int phc_index, int64_t *offset_ns)
{
	cr_assert_eq(phc_index, 3);
	*offset_ns = card.offset_ns;
	return card.offset_rc;
}

static void begin(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		printf("skip - stamps: no network namespace: run as root\n");
		fflush(stdout);
		cr_skip_test("no network namespace: run as root");
	}
	cr_assert_eq(system("ip link set lo up"), 0);
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, 2);
	card.offers = true;
	card.filter_after = HWTSTAMP_FILTER_ALL;
}

TestSuite(stamps, .init = begin, .timeout = 30);

/* opened opens lo. Returns whose stamps the kernel was told to give (PACKET_TIMESTAMP), or -errno
 */
static int opened(enum source_timestamps timestamps, char error[256])
{
	struct source_options opt = {.workers = 1, .ring_mib = 1, .timestamps = timestamps};
	struct source *src;
	int rc = source_open_afpacket(&src, "lo", &opt, error), what = -1;
	socklen_t len = sizeof(what);

	if (rc < 0)
		return rc;
	cr_assert_eq(getsockopt(((struct afpacket *)src)->socket.fd, SOL_PACKET, PACKET_TIMESTAMP,
			     &what, &len),
		0);
	src->ops->close(src);
	return what;
}

Test(stamps, a_card_that_offers_them_and_whose_clock_is_set_is_used)
{
	char error[256];

	card.tx = HWTSTAMP_TX_ON;
	cr_assert_eq(opened(TIMESTAMPS_AUTO, error), SOF_TIMESTAMPING_RAW_HARDWARE);
	cr_assert_eq(card.sets, 1);
	cr_assert_eq(card.tx, HWTSTAMP_TX_ON, "what others set is kept");
	cr_assert_eq(opened(TIMESTAMPS_AUTO, error), SOF_TIMESTAMPING_RAW_HARDWARE);
	cr_assert_eq(card.sets, 1, "it stamps every packet already");
	cr_assert_eq(opened(TIMESTAMPS_KERNEL, error), 0);
	card.filter = -1;
	cr_assert_eq(opened(TIMESTAMPS_HARDWARE, error), SOF_TIMESTAMPING_RAW_HARDWARE);
	cr_assert_eq(card.sets, 2, "a driver that cannot say how it is set");
}

Test(stamps, a_card_without_them_is_left_alone)
{
	char error[256];

	card.offers = false;
	cr_assert_eq(opened(TIMESTAMPS_AUTO, error), 0);
	cr_assert_eq(card.sets, 0);
	cr_assert_lt(opened(TIMESTAMPS_HARDWARE, error), 0);
	cr_assert(strstr(error, "lo: ") && strstr(error, "ethtool -T lo") &&
			  strstr(error, "source.timestamps"),
		"%s", error);
}

Test(stamps, a_clock_that_is_not_set_orders_nothing)
{
	char error[256];

	card.offset_ns = INT64_C(37000000000); /* TAI */
	cr_assert_eq(opened(TIMESTAMPS_AUTO, error), 0);
	cr_assert_eq(card.sets, 0);
	card.offset_ns = -INT64_C(1795646888000000000); /* since it was powered */
	cr_assert_eq(opened(TIMESTAMPS_AUTO, error), 0);
	cr_assert_eq(card.sets, 0);
	card.offset_rc = -EACCES;
	card.offset_ns = 0;
	cr_assert_eq(opened(TIMESTAMPS_AUTO, error), 0);
	cr_assert_eq(opened(TIMESTAMPS_HARDWARE, error), SOF_TIMESTAMPING_RAW_HARDWARE);
}

Test(stamps, a_card_that_refuses_says_so_or_is_not_used)
{
	char error[256];

	card.set_errno = EPERM;
	cr_assert_eq(opened(TIMESTAMPS_AUTO, error), 0);
	cr_assert_lt(opened(TIMESTAMPS_HARDWARE, error), 0);
	cr_assert(
		strstr(error, "CAP_NET_ADMIN") && strstr(error, "hwstamp_ctl -i lo"), "%s", error);
	card.set_errno = ERANGE;
	cr_assert_eq(opened(TIMESTAMPS_AUTO, error), 0);
	card.set_errno = 0;
	card.filter_after = HWTSTAMP_FILTER_PTP_V2_EVENT;
	cr_assert_eq(opened(TIMESTAMPS_AUTO, error), 0);
	cr_assert_lt(opened(TIMESTAMPS_HARDWARE, error), 0);
	cr_assert(strstr(error, "refuses to stamp every packet"), "%s", error);
}

Test(stamps, every_packet_says_whose_stamp_it_bears)
{
	struct source_options opt = {.workers = 1, .ring_mib = 1};
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct packet pkts[BURST_MAX];
	struct tpacket_block_desc *block;
	struct tpacket3_hdr *hdr;
	struct source *src;
	char error[256];
	int n;

	cr_assert_eq(source_open_afpacket(&src, "lo", &opt, error), 1, "%s", error);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(sendto(fd, "mark", 4, 0, (void *)&to, sizeof(to)), 4);
	usleep(50000);
	/* the second packet bears the card's stamp */
	block = (void *)((struct afpacket *)src)->socket.ring;
	cr_assert(block->hdr.bh1.block_status & TP_STATUS_USER);
	hdr = (void *)((uint8_t *)block + block->hdr.bh1.offset_to_first_pkt);
	hdr = (void *)((uint8_t *)hdr + hdr->tp_next_offset);
	hdr->tp_status |= TP_STATUS_TS_RAW_HARDWARE;
	hdr->tp_sec = 1234;
	hdr->tp_nsec = 567;
	n = src->ops->burst(src, pkts, BURST_MAX);
	cr_assert_geq(n, 2);
	cr_assert_eq(pkts[0].ts_quality, TS_Q_KERNEL);
	cr_assert_eq(pkts[1].ts_quality, TS_Q_HARDWARE);
	cr_assert_eq(pkts[1].ts_recv_ns, UINT64_C(1234000000567));
	src->ops->close(src);
}
