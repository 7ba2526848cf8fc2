#include "engine/metrics/process.h"

#include <dirent.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum process_metric { CPU, RESIDENT, VIRTUAL, START, THREADS, FDS, FDS_MAX, PROCESS_COUNT };

static const struct {
	const char *name, *type, *help;
} rows[PROCESS_COUNT] = {
	[CPU] = {"process_cpu_seconds_total", "counter", "User and system CPU time."},
	[RESIDENT] = {"process_resident_memory_bytes", "gauge", "Resident memory."},
	[VIRTUAL] = {"process_virtual_memory_bytes", "gauge", "Virtual memory."},
	[START] = {"process_start_time_seconds", "gauge", "Start, in seconds since 1970."},
	[THREADS] = {"process_threads", "gauge", "Threads."},
	[FDS] = {"process_open_fds", "gauge", "Open file descriptors."},
	[FDS_MAX] = {"process_max_fds", "gauge", "Most file descriptors that may be open."},
};

static void put(FILE *out, enum process_metric m, double value)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", rows[m].name, rows[m].help,
		rows[m].name, rows[m].type, rows[m].name, value);
}

/* boot_time_s is when the machine started. */
static double boot_time_s(void)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (double)(real.tv_sec - boot.tv_sec) + (double)(real.tv_nsec - boot.tv_nsec) / 1e9;
}

/* write_stat writes what /proc/self/stat says (proc(5)): fields are counted behind the name. */
static void write_stat(FILE *out, const char *text)
{
	const char *at = strrchr(text, ')');
	unsigned long user, sys, vsize, threads;
	unsigned long long start;
	double ticks = (double)sysconf(_SC_CLK_TCK);
	long pages;

	if (!at || sscanf(at + 1,
			   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d "
			   "%lu %*d %llu %lu %ld",
			   &user, &sys, &threads, &start, &vsize, &pages) != 6)
		return;
	put(out, CPU, (double)(user + sys) / ticks);
	put(out, RESIDENT, (double)pages * (double)sysconf(_SC_PAGESIZE));
	put(out, VIRTUAL, (double)vsize);
	put(out, START, boot_time_s() + (double)start / ticks);
	put(out, THREADS, (double)threads);
}

void process_write(FILE *out)
{
	FILE *stat = fopen("/proc/self/stat", "re");
	DIR *fds = opendir("/proc/self/fd");
	struct rlimit limit;
	char text[1024];
	unsigned n = 0;

	if (stat && fgets(text, sizeof(text), stat))
		write_stat(out, text);
	if (stat)
		fclose(stat);
	if (fds) {
		while (readdir(fds))
			n++;
		closedir(fds);
		put(out, FDS, n - 3); /* without ".", ".." and the folder itself */
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		put(out, FDS_MAX, (double)limit.rlim_cur);
}

void process_reference(FILE *out)
{
	for (unsigned m = 0; m < PROCESS_COUNT; m++)
		fprintf(out, "| `%s` | %s |  | %s |\n", rows[m].name, rows[m].type, rows[m].help);
}
