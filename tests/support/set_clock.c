/* set_clock: a host's clock for one program (LD_PRELOAD), as the file $SET_CLOCK says it: two numbers of 8 bytes, the ns
 * that CLOCK_REALTIME is ahead, and the error in us that the kernel states; negative: the clock is not synchronised. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static const int64_t *said(void)
{
	static const int64_t *numbers;

	if (!numbers) {
		const char *path = getenv("SET_CLOCK");
		int fd = path ? open(path, O_RDONLY) : -1;

		numbers = mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
		if (numbers == MAP_FAILED)
			abort();
		close(fd);
	}
	return numbers;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t ahead_ns = id == CLOCK_REALTIME ? __atomic_load_n(&said()[0], __ATOMIC_RELAXED) : 0;
	int rc = (int)syscall(SYS_clock_gettime, id, ts);
	int64_t ns = ts->tv_sec * 1000000000 + ts->tv_nsec + ahead_ns;

	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return rc;
}

int adjtimex(struct timex *tx)
{
	int64_t error_us = __atomic_load_n(&said()[1], __ATOMIC_RELAXED);

	tx->status = error_us < 0 ? STA_UNSYNC : 0;
	tx->maxerror = error_us < 0 ? 16000000 : error_us;
	return error_us < 0 ? TIME_ERROR : TIME_OK;
}
