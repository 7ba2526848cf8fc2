#include "capture/afpacket/afpacket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* A file descriptor as a clock, see clock_getres(2), "Dynamic clocks". */
static clockid_t clock_of(int fd)
{
	return (clockid_t)((~(unsigned)fd << 3) | 3);
}

static int64_t ns_of(struct timespec t)
{
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int afpacket_phc_offset_ns(int phc_index, int64_t *offset_ns)
{
	struct timespec before, card, after;
	char path[32];
	int fd, rc = 0;

	snprintf(path, sizeof(path), "/dev/ptp%d", phc_index);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (clock_gettime(CLOCK_REALTIME, &before) < 0 || clock_gettime(clock_of(fd), &card) < 0 ||
		clock_gettime(CLOCK_REALTIME, &after) < 0)
		rc = -errno;
	else
		*offset_ns = ns_of(card) - ns_of(before) - (ns_of(after) - ns_of(before)) / 2;
	close(fd);
	return rc;
}
