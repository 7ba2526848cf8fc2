#define _GNU_SOURCE
#include "engine/placement.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "capture/dpdk/eal.h"

enum { CORES_TEXT = 128 };

static int core_add(int cores[WORKERS_MAX], int n, long core, char error[256])
{
	if (core < 0 || core >= CPU_SETSIZE) {
		snprintf(error, 256, "core %ld: expected 0 to %d", core, CPU_SETSIZE - 1);
		return -EINVAL;
	}
	for (int i = 0; i < n; i++)
		if (cores[i] == core) {
			snprintf(error, 256, "core %ld stands twice: expected one a worker", core);
			return -EINVAL;
		}
	if (n == WORKERS_MAX) {
		snprintf(error, 256, "expected at most %d cores", WORKERS_MAX);
		return -EINVAL;
	}
	cores[n] = (int)core;
	return n + 1;
}

int cores_parse(const char *list, int cores[WORKERS_MAX], char error[256])
{
	const char *p = list;
	int n = 0;

	do {
		char *end;
		long first = strtol(p, &end, 10), last = first;
		bool ok = *p >= '0' && *p <= '9';

		if (ok && *end == '-') {
			p = end + 1;
			last = strtol(p, &end, 10);
			ok = *p >= '0' && *p <= '9' && last >= first;
		}
		if (!ok || (*end && *end != ',')) {
			snprintf(
				error, 256, "\"%.80s\": expected numbers of cores, as 2,4-7", list);
			return -EINVAL;
		}
		for (; first <= last && n >= 0; first++)
			n = core_add(cores, n, first, error);
		p = *end ? end + 1 : end;
		ok = *end;
		if (n < 0 || !ok)
			return n;
	} while (true);
}

/* cores_text writes a set as "0-3,8". */
static void cores_text(char text[CORES_TEXT], const cpu_set_t *set)
{
	size_t len = 0;

	text[0] = '\0';
	for (int i = 0; i < CPU_SETSIZE && len < CORES_TEXT - 16; i++) {
		int first = i;

		if (!CPU_ISSET(i, set))
			continue;
		while (i + 1 < CPU_SETSIZE && CPU_ISSET(i + 1, set))
			i++;
		len += (size_t)snprintf(text + len, CORES_TEXT - len,
			i > first ? "%s%d-%d" : "%s%d", len ? "," : "", first, i);
	}
}

/* lcores_named says whether EAL's lcores were asked for; else it takes every core there is. */
static bool lcores_named(const struct config *cfg)
{
	static const char *const options[] = {"-l", "-c", "--lcores"};

	for (unsigned i = 0; eal_started() && i < cfg->source.eal.n; i++)
		for (unsigned k = 0; k < sizeof(options) / sizeof(options[0]); k++)
			if (strncmp(cfg->source.eal.v[i], options[k], strlen(options[k])) == 0)
				return true;
	return false;
}

/* cores_find fills in the core of each worker.
 * Returns  NULL, or why there are none: static text */
static const char *cores_find(struct placement *p, const struct config *cfg)
{
	char error[256];
	int n = 0;

	if (*cfg->engine.cores) {
		n = cores_parse(cfg->engine.cores, p->core, error); /* config_finish has seen it */
		return n < (int)p->workers ? "engine.cores names fewer than there are workers"
					   : NULL;
	}
	if (!lcores_named(cfg))
		return "engine.cores would give each worker its own";
	for (unsigned w = 0; w < p->workers; w++) {
		p->core[w] = eal_core(w);
		if (p->core[w] < 0)
			return "EAL has fewer worker lcores than there are workers, or they float";
	}
	return NULL;
}

/* move_all puts every thread of the process on these cores. One that ends meanwhile is no error. */
static void move_all(const cpu_set_t *cores)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;

	while (tasks && (entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			sched_setaffinity(
				(pid_t)strtol(entry->d_name, NULL, 10), sizeof(*cores), cores);
	if (tasks)
		closedir(tasks);
}

int placement_make(struct placement *p, const struct config *cfg)
{
	char all_text[CORES_TEXT], own_text[CORES_TEXT], others_text[CORES_TEXT];
	cpu_set_t all, own, others;
	const char *shared;

	*p = (struct placement){.workers = (unsigned)cfg->engine.workers};
	CPU_ZERO(&own);
	sched_getaffinity(0, sizeof(all), &all);
	cores_text(all_text, &all);
	shared = cores_find(p, cfg);
	for (unsigned w = 0; !shared && w < p->workers; w++) {
		if (!CPU_ISSET(p->core[w], &all)) {
			LOG(ERROR,
				"engine.cores: core %d is none that this program may use, which "
				"are %s",
				p->core[w], all_text);
			return -EINVAL;
		}
		CPU_SET(p->core[w], &own);
	}
	CPU_XOR(&others, &all, &own);
	if (!shared && CPU_COUNT(&others) == 0)
		shared = "none would be left for publishers and libraries";
	if (shared) {
		LOG(INFO, "threads share cores=%s workers=%u: %s", all_text, p->workers, shared);
		return 0;
	}
	p->pinned = true;
	move_all(&others);
	cores_text(own_text, &own);
	cores_text(others_text, &others);
	LOG(INFO, "threads are placed workers=%s all_else=%s", own_text, others_text);
	return 0;
}

void placement_take(const struct placement *p, unsigned w)
{
	cpu_set_t own;

	if (!p->pinned)
		return;
	CPU_ZERO(&own);
	CPU_SET(p->core[w], &own);
	sched_setaffinity(0, sizeof(own), &own);
}

void placement_pair(const struct placement *p, int cores[2])
{
	cpu_set_t others;

	CPU_ZERO(&others);
	sched_getaffinity(0, sizeof(others), &others);
	cores[0] = cores[1] = p->pinned ? p->core[0] : -1;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &others)) {
			if (cores[0] < 0)
				cores[0] = i;
			cores[1] = i;
		}
}
