#define _GNU_SOURCE
#include "engine/rights.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/source.h"

#define CAP(name) (UINT64_C(1) << CAP_##name)

/* A thread can give up its own capabilities only, so every other one is told to by a signal: the one
 * that glibc keeps for changing the user of all threads. libzmq and librdkafka block all others in
 * theirs. */
#define TELL (SIGRTMIN - 1)

enum {
	LOOK_EVERY_US = 100, /* whether a thread has done it */
	LOOKS = 20000,
};

/* action is the kernel's struct sigaction: glibc's functions leave this signal alone. */
struct action {
	void (*handler)(int sig);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static uint64_t needed(const struct config *cfg)
{
	switch (config_source_kind(cfg)) {
	case CONFIG_INTERFACE:
		if (cfg->source.on_gone != ON_GONE_WAIT)
			return 0;
		return CAP(NET_RAW) |
		       (cfg->source.timestamps == TIMESTAMPS_HARDWARE ? CAP(NET_ADMIN) : 0);
	case CONFIG_PORT:
		return CAP(NET_ADMIN);
	default:
		return 0;
	}
}

/* self_keep gives up all but these, and becomes one that gets no more. *had: what there was.
 * Returns 0, or -errno */
static int self_keep(uint64_t keep, uint64_t *had)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	*had = 0;
	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++) {
		*had |= (uint64_t)(data[i].permitted | data[i].inheritable) << 32 * i;
		data[i].permitted &= (uint32_t)(keep >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &head, data) < 0)
		return -errno;
	return 0;
}

static _Atomic(uint64_t) told_keep;
static atomic_uint told_n; /* how often it was done */

/* told runs on the thread that the signal was sent to. */
static void told(int sig)
{
	int before = errno;
	uint64_t had;

	(void)sig;
	self_keep(atomic_load(&told_keep), &had); /* who told looks whether it could */
	atomic_fetch_add(&told_n, 1);
	errno = before;
}

/* has_more says whether a thread has more than these, or may get more. One that has ended has
 * nothing. */
static bool has_more(const char *tid, uint64_t keep)
{
	char path[64], line[128];
	unsigned long long value;
	unsigned known = 0;
	bool ended;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/self/task/%.16s/status", tid);
	status = fopen(path, "re");
	if (!status)
		return errno != ENOENT;
	errno = 0;
	while (fgets(line, sizeof(line), status)) {
		if (sscanf(line, "Cap%*[IPE]%*[a-z]: %llx", &value) == 1)
			known += !(value & ~keep); /* inheritable, permitted, effective */
		else if (sscanf(line, "NoNewPrivs: %llu", &value) == 1)
			known += value == 1;
	}
	ended = errno == ESRCH;
	fclose(status);
	return known < 4 && !ended;
}

/* thread_keep tells a thread and waits until it has done it. Returns whether there was something to
 * tell, or -errno */
static int thread_keep(const char *tid, uint64_t keep)
{
	unsigned before = atomic_load(&told_n);
	long id = atol(tid);

	if (!has_more(tid, keep))
		return 0;
	if (syscall(SYS_tgkill, getpid(), id, TELL) < 0 && errno != ESRCH)
		return -errno;
	for (unsigned i = 0; i < LOOKS && atomic_load(&told_n) == before; i++) {
		if (syscall(SYS_tgkill, getpid(), id, 0) < 0)
			return 1; /* it has ended */
		usleep(LOOK_EVERY_US);
	}
	if (!has_more(tid, keep))
		return 1;
	LOG(ERROR, "a thread keeps its capabilities tid=%s", tid);
	return -ETIMEDOUT;
}

/* threads_keep goes through all threads until a round finds nothing to do: until then one that had
 * more may have started another. Returns 0, or -errno */
static int threads_keep(uint64_t keep)
{
	struct action action, before;
	int did = 1, rc;

	atomic_store(&told_keep, keep);
	if (syscall(SYS_rt_sigaction, TELL, NULL, &before, sizeof(before.mask)) < 0)
		return -errno;
	action = before; /* glibc's, with the way back from a handler */
	action.handler = told;
	if (syscall(SYS_rt_sigaction, TELL, &action, NULL, sizeof(action.mask)) < 0)
		return -errno;
	while (did > 0) {
		DIR *all = opendir("/proc/self/task");
		struct dirent *task;

		if (!all)
			return -errno;
		did = rc = 0;
		while (rc >= 0 && (task = readdir(all))) {
			if (*task->d_name == '.')
				continue;
			rc = thread_keep(task->d_name, keep);
			did |= rc;
		}
		closedir(all);
		if (rc < 0) /* the signal may be on its way yet: the handler stays */
			return rc;
	}
	if (syscall(SYS_rt_sigaction, TELL, &before, NULL, sizeof(before.mask)) < 0)
		return -errno;
	return 0;
}

/* user_become changes user and groups of all threads; capabilities stay with this one alone. */
static int user_become(const char *name)
{
	struct passwd *user;
	int rc = 0;

	errno = 0;
	user = getpwnam(name);
	if (!user) {
		LOG(ERROR, "engine.user: no user %s: expected a name of /etc/passwd", name);
		return -EINVAL;
	}
	if (getuid() == user->pw_uid && geteuid() == user->pw_uid)
		return 0;
	if (initgroups(name, user->pw_gid) < 0 ||
		setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
		prctl(PR_SET_KEEPCAPS, 1) < 0 ||
		setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		rc = -errno;
	if (rc < 0)
		LOG(ERROR, "engine.user: cannot become %s: %s; start as root, or leave it out",
			name, strerror(-rc));
	return rc;
}

int rights_drop(const struct config *cfg, bool for_sinks)
{
	bool user = *cfg->engine.user != '\0';
	uint64_t keep = needed(cfg), had;
	int rc = user ? user_become(cfg->engine.user) : 0;

	if (rc < 0)
		return rc;
	if (for_sinks && !user)
		keep |= CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) | CAP(NET_BIND_SERVICE);
	rc = self_keep(keep, &had);
	if (rc == 0 && had) /* others never have more than this one had */
		rc = threads_keep(keep);
	if (rc < 0)
		LOG(ERROR, "capabilities cannot be given up: %s", strerror(-rc));
	return rc;
}
