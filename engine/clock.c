#include "engine/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/ptp_clock.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/source.h"

enum {
	SECOND_NS = 1000000000,
	STEP_MIN_NS = 1000, /* reading two clocks is as exact as that */
	READINGS = 5,       /* of which the tightest counts: a thread may be stopped in between */
};
_Static_assert(CLOCK_SOURCES == TS_Q_FILE + 1, "an error for each quality of stamps");

static int64_t ns_of(int64_t s, int64_t ns)
{
	return s * SECOND_NS + ns;
}

static int system_phc_offset(int fd, int64_t *offset_ns, uint64_t *window_ns)
{
	struct ptp_sys_offset_extended samples = {.n_samples = READINGS};

	if (ioctl(fd, PTP_SYS_OFFSET_EXTENDED, &samples) < 0)
		return -errno;
	*window_ns = UINT64_MAX;
	for (unsigned i = 0; i < READINGS; i++) {
		const struct ptp_clock_time *ts = samples.ts[i];
		int64_t before_ns = ns_of(ts[0].sec, ts[0].nsec);
		int64_t window = ns_of(ts[2].sec, ts[2].nsec) - before_ns;

		if (window < 0 || (uint64_t)window >= *window_ns)
			continue;
		*window_ns = (uint64_t)window;
		*offset_ns = ns_of(ts[1].sec, ts[1].nsec) - (before_ns + window / 2);
	}
	return *window_ns == UINT64_MAX ? -EIO : 0;
}

const struct clock_ops clock_system = {clock_gettime, adjtimex, system_phc_offset};

static int64_t read_ns(const struct clock *clk, clockid_t id)
{
	struct timespec ts = {0};

	clk->ops->gettime(id, &ts);
	return ns_of(ts.tv_sec, ts.tv_nsec);
}

/* read_offset returns CLOCK_REALTIME - CLOCK_BOOTTIME, and how exactly that is known. */
static int64_t read_offset(const struct clock *clk, int64_t *window_ns)
{
	int64_t offset_ns = 0;

	*window_ns = INT64_MAX;
	for (int i = 0; i < READINGS; i++) {
		int64_t before_ns = read_ns(clk, CLOCK_BOOTTIME);
		int64_t real_ns = read_ns(clk, CLOCK_REALTIME);
		int64_t window = read_ns(clk, CLOCK_BOOTTIME) - before_ns;

		if (window < *window_ns) {
			*window_ns = window;
			offset_ns = real_ns - (before_ns + window / 2);
		}
	}
	return offset_ns;
}

/* system_error is how far CLOCK_REALTIME may be from UTC; 0 = the kernel does not tell. */
static uint64_t system_error(struct clock *clk)
{
	struct timex tx = {0};

	if (clk->ops->adjtime(&tx) < 0)
		return 0;
	if (tx.status & STA_UNSYNC)
		return CLOCK_UNSYNCHRONISED_NS;
	return tx.maxerror > 0 ? (uint64_t)tx.maxerror * 1000 : 1000;
}

/* phc_error: the PHC is as right as the system clock, give or take what lies between them. */
static uint64_t phc_error(const struct clock *clk, uint64_t system_ns)
{
	int64_t offset_ns;
	uint64_t window_ns;

	if (clk->phc_fd < 0 || system_ns == 0 ||
		clk->ops->phc_offset(clk->phc_fd, &offset_ns, &window_ns) < 0)
		return 0;
	return system_ns + (uint64_t)(offset_ns < 0 ? -offset_ns : offset_ns) + window_ns;
}

static void set_error(struct clock *clk, unsigned source, uint64_t error_ns)
{
	atomic_store_explicit(&clk->error_ns[source], error_ns, memory_order_relaxed);
}

static void ask(struct clock *clk)
{
	uint64_t error_ns = system_error(clk);
	bool synchronised = error_ns && error_ns < CLOCK_UNSYNCHRONISED_NS;

	set_error(clk, TS_Q_KERNEL, error_ns);
	set_error(clk, TS_Q_USER, error_ns);
	set_error(clk, TS_Q_HARDWARE, phc_error(clk, error_ns));
	if (clk->synchronised != synchronised && clk->asked_ns)
		LOG(WARN,
			synchronised ? "the system clock is synchronised now error_ns=%lu"
				     : "the system clock is not synchronised any more error_ns=%lu",
			error_ns);
	clk->synchronised = synchronised;
}

/* phc_open opens the clock that stamps the interface's packets. Returns the descriptor, or -1 */
static int phc_open(const char *iface)
{
	struct ethtool_ts_info info = {.cmd = ETHTOOL_GET_TS_INFO, .phc_index = -1};
	struct ifreq req = {.ifr_data = (void *)&info};
	int fd, rc;
	char path[32];

	if (!iface || !iface[0] || strlen(iface) >= sizeof(req.ifr_name))
		return -1;
	memcpy(req.ifr_name, iface, strlen(iface));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	rc = ioctl(fd, SIOCETHTOOL, &req);
	close(fd);
	if (rc < 0 || info.phc_index < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/ptp%d", info.phc_index);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void clock_open(struct clock *clk, const struct clock_ops *ops, const char *iface)
{
	int64_t window_ns;

	*clk = (struct clock){.ops = ops, .phc_fd = phc_open(iface)};
	clk->offset_ns = read_offset(clk, &window_ns);
	ask(clk);
	clk->asked_ns = (uint64_t)read_ns(clk, CLOCK_BOOTTIME);
}

void clock_close(struct clock *clk)
{
	if (clk->phc_fd >= 0)
		close(clk->phc_fd);
	clk->phc_fd = -1;
}

int64_t clock_look(struct clock *clk)
{
	uint64_t now_ns = (uint64_t)read_ns(clk, CLOCK_BOOTTIME);
	int64_t window_ns, offset_ns = read_offset(clk, &window_ns),
			   step_ns = offset_ns - clk->offset_ns;

	if (step_ns < STEP_MIN_NS + window_ns && -step_ns < STEP_MIN_NS + window_ns)
		step_ns = 0; /* how exactly the two clocks are read, or less */
	if (step_ns) {
		clk->offset_ns = offset_ns;
		atomic_fetch_add_explicit(&clk->steps, 1, memory_order_relaxed);
	}
	if (step_ns || now_ns - clk->asked_ns >= SECOND_NS) {
		ask(clk);
		clk->asked_ns = now_ns;
	}
	return step_ns;
}
