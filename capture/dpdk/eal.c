#define _GNU_SOURCE
#include "capture/dpdk/eal.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

enum { ARGS_MAX = 72 };

static int started;

/* attempt runs rte_eal_init with extra and args, which win where both say something. EAL keeps
 * pointers into its arguments and changes them: they are copies that live as long as the process.
 */
static int attempt(const char *const args[], unsigned n, const char *const extra[])
{
	static char *kept[2][ARGS_MAX + 6]; /* by attempt: EAL moves what is in argv about */
	static unsigned attempts;
	char *argv[ARGS_MAX + 6] = {strdup("pkt-sniffer")};
	bool without_pages = *extra && strcmp(*extra, "--no-huge") == 0;
	int argc = 1, rc;

	if (attempts == 2)
		return -EALREADY;
	for (; *extra; extra++)
		argv[argc++] = strdup(*extra);
	for (unsigned i = 0; i < n; i++)
		if (!without_pages ||
			strcmp(args[i], "--in-memory") != 0) /* EAL takes one of them */
			argv[argc++] = strdup(args[i]);
	for (int i = 0; i < argc; i++)
		if (!argv[i])
			return -ENOMEM;
	memcpy(kept[attempts++], argv, sizeof(argv));
	rc = rte_eal_init(argc, argv);
	return rc < 0 ? -(rte_errno ? rte_errno : EINVAL) : 0;
}

static int has(const char *const args[], unsigned n, const char *arg)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(args[i], arg) == 0)
			return 1;
	return 0;
}

/* huge_pages counts the free ones of all sizes. Asked first, because EAL keeps --in-memory from a
 * failed attempt and then refuses --no-huge. */
static unsigned long huge_pages(void)
{
	static const char dir[] = "/sys/kernel/mm/hugepages";
	unsigned long pages = 0, n;
	struct dirent *entry;
	char path[512];
	DIR *sizes = opendir(dir);
	FILE *file;

	while (sizes && (entry = readdir(sizes))) {
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", dir, entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fscanf(file, "%lu", &n) == 1)
			pages += n;
		fclose(file);
	}
	if (sizes)
		closedir(sizes);
	return pages;
}

/* mounted: EAL wants a hugetlbfs for its pages unless it is told --in-memory. Asked first, because
 * a failed attempt says a lot and leaves memory behind. */
static bool mounted(void)
{
	FILE *file = fopen("/proc/mounts", "r");
	char type[64];
	bool found = false;

	while (file && !found && fscanf(file, "%*s %*s %63s %*[^\n]", type) == 1)
		found = strcmp(type, "hugetlbfs") == 0;
	if (file)
		fclose(file);
	return found;
}

int eal_start(const char *const args[], unsigned n, const char **mode, char error[256])
{
	static const char *const as_given[] = {NULL};
	static const char *const in_memory[] = {"--in-memory", NULL};
	static const char *const no_huge[] = {"--no-huge", "--no-shconf", "-m", "512", NULL};
	cpu_set_t cpus;
	int rc;

	if (n > ARGS_MAX) {
		snprintf(error, 256, "EAL: %u arguments, %d is the most", n, ARGS_MAX);
		return -E2BIG;
	}
	sched_getaffinity(0, sizeof(cpus), &cpus);
	if (has(args, n, "--no-huge")) {
		*mode = "no huge pages";
		rc = attempt(args, n, as_given);
	} else if (huge_pages() == 0) {
		*mode = "no huge pages";
		rc = attempt(args, n, no_huge);
	} else {
		bool in_memory_given = has(args, n, "--in-memory");

		*mode = "huge pages";
		rc = in_memory_given || mounted() ? attempt(args, n, as_given) : -ENOENT;
		if (rc < 0 && !in_memory_given) { /* no hugetlbfs, or not ours */
			*mode = "huge pages in memory";
			rc = attempt(args, n, in_memory);
		}
	}
	/* EAL pins its caller, and threads made later inherit that */
	sched_setaffinity(0, sizeof(cpus), &cpus);
	if (rc < 0) {
		snprintf(error, 256, "EAL does not start: %s; what it says stands above",
			strerror(-rc));
		return rc;
	}
	started = 1;
	return 0;
}

/* port_find understands a number, a name, and a PCI address without its domain (18:00.0). */
static int port_find(const char *name, uint16_t *port)
{
	char address[RTE_ETH_NAME_MAX_LEN], *end;
	unsigned long number = strtoul(name, &end, 10);

	if (name[0] == '\0') {
		number = rte_eth_find_next(0);
		end = (char *)(uintptr_t)name;
	}
	if (*end == '\0' && number < RTE_MAX_ETHPORTS &&
		rte_eth_dev_is_valid_port((uint16_t)number)) {
		*port = (uint16_t)number;
		return 0;
	}
	snprintf(address, sizeof(address), "0000:%s", name);
	return rte_eth_dev_get_port_by_name(name, port) == 0
		       ? 0
		       : rte_eth_dev_get_port_by_name(address, port);
}

static const char *program(void)
{
	static char self[96];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	return len > 0 ? self : "pkt-sniffer";
}

int eal_port(const char *name, uint16_t *port, char error[256])
{
	char known[160] = "", ifname[RTE_ETH_NAME_MAX_LEN];
	uint16_t id;

	if (port_find(name, port) == 0)
		return 0;
	RTE_ETH_FOREACH_DEV(id)
	if (rte_eth_dev_get_name_by_port(id, ifname) == 0)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), " %s", ifname);
	if (known[0])
		snprintf(error, 256, "no DPDK port %.60s; there are:%s", name, known);
	else if (geteuid() != 0)
		snprintf(error, 256,
			"no DPDK port%s%.40s: DPDK drives none. Run as root, or for net_af_packet "
			"(CAP_NET_RAW) once\n  sudo setcap cap_net_raw,cap_net_admin=ep %.72s",
			name[0] ? " " : "", name, program());
	else
		snprintf(error, 256,
			"no DPDK port%s%.40s: DPDK drives none. Bind one with dpdk-devbind.py, or "
			"name a --vdev; what EAL tried stands above",
			name[0] ? " " : "", name);
	return -ENODEV;
}

int eal_core(unsigned w)
{
	unsigned id, n = 0;

	RTE_LCORE_FOREACH_WORKER(id)
	if (n++ == w) {
		cpu_set_t cpus = rte_lcore_cpuset(id);

		for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&cpus) == 1; core++)
			if (CPU_ISSET(core, &cpus))
				return core;
		return -1;
	}
	return -1;
}

void eal_worker(void)
{
	prctl(PR_SET_TIMERSLACK, 1000); /* short sleeps between bursts stay short: 1 us, not 50 */
	rte_thread_register();
}

int eal_started(void)
{
	return started;
}

void eal_stop(void)
{
	if (started)
		rte_eal_cleanup();
	started = 0;
}
