/* Time stamps of the network card. */
#include "capture/afpacket/afpacket.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/log.h"

#define NS_PER_S INT64_C(1000000000)

static int ask(int fd, const char *iface, unsigned long request, void *data)
{
	struct ifreq req = {.ifr_data = data};

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", iface);
	return ioctl(fd, request, &req) < 0 ? -errno : 0;
}

/* filter_all makes the card stamp every packet, if it does not yet. */
static int filter_all(int fd, const char *iface, char *why, size_t room)
{
	struct hwtstamp_config config = {.tx_type = HWTSTAMP_TX_OFF};
	int rc;

	if (ask(fd, iface, SIOCGHWTSTAMP, &config) == 0 && config.rx_filter == HWTSTAMP_FILTER_ALL)
		return 0;
	config.rx_filter = HWTSTAMP_FILTER_ALL;
	rc = ask(fd, iface, SIOCSHWTSTAMP, &config);
	if (rc == 0 && config.rx_filter != HWTSTAMP_FILTER_ALL)
		rc = -ERANGE;
	if (rc == -EPERM)
		snprintf(why, room,
			"switching them on needs CAP_NET_ADMIN; or switch them on before: "
			"hwstamp_ctl -i %s -r 1",
			iface);
	else if (rc < 0)
		snprintf(why, room, "the card refuses to stamp every packet: %s", strerror(-rc));
	else
		LOG(NOTICE, "hardware time stamps were switched on, and stay so interface=%s",
			iface);
	return rc;
}

/* offered says whether the card can stamp every packet. */
static bool offered(int fd, const char *iface, int *phc_index)
{
	struct ethtool_ts_info info = {.cmd = ETHTOOL_GET_TS_INFO};
	unsigned need = SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;

	if (ask(fd, iface, SIOCETHTOOL, &info) < 0)
		return false;
	*phc_index = info.phc_index;
	return (info.so_timestamping & need) == need &&
	       (info.rx_filters >> HWTSTAMP_FILTER_ALL & 1);
}

/* clock_checked: a card's clock that nobody sets counts from anywhere, or is TAI. */
static int clock_checked(int phc_index, char *why, size_t room)
{
	int64_t offset = 0;
	int rc = phc_index < 0 ? -ENODEV : afpacket_phc_offset_ns(phc_index, &offset);

	if (rc < 0)
		snprintf(why, room, "the card's clock /dev/ptp%d cannot be read: %s", phc_index,
			strerror(-rc));
	else if (llabs(offset) > NS_PER_S)
		snprintf(why, room,
			"the card's clock /dev/ptp%d is %lld s off the system's: set it with "
			"phc2sys or ptp4l",
			phc_index, (long long)(offset / NS_PER_S));
	else
		return 0;
	return -ERANGE;
}

int afpacket_stamps(int fd, const char *iface, enum source_timestamps timestamps, char error[256])
{
	int what = SOF_TIMESTAMPING_RAW_HARDWARE, phc_index = -1, rc;
	bool must = timestamps == TIMESTAMPS_HARDWARE;
	char why[160] = "";

	if (timestamps == TIMESTAMPS_KERNEL)
		return 0;
	if (!offered(fd, iface, &phc_index)) {
		if (!must)
			return 0;
		snprintf(error, 256,
			"%.32s: the card does not stamp every packet (ethtool -T %.32s); leave "
			"source.timestamps at auto",
			iface, iface);
		return -ENXIO;
	}
	rc = clock_checked(phc_index, why, sizeof(why));
	if (rc < 0 && must) {
		LOG(WARN, "hardware time stamps are used as they come: %s interface=%s", why,
			iface);
		rc = 0;
	}
	if (rc == 0)
		rc = filter_all(fd, iface, why, sizeof(why));
	if (rc == 0 && setsockopt(fd, SOL_PACKET, PACKET_TIMESTAMP, &what, sizeof(what)) < 0) {
		rc = -errno;
		snprintf(
			why, sizeof(why), "the kernel refuses PACKET_TIMESTAMP: %s", strerror(-rc));
	}
	if (rc == 0)
		return 0;
	if (!must) {
		LOG(NOTICE, "hardware time stamps are not used: %s interface=%s", why, iface);
		return 0;
	}
	snprintf(error, 256, "%.32s: no hardware time stamps: %.150s", iface, why);
	return -ENXIO;
}
