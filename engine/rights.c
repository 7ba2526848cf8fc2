#define _GNU_SOURCE
#include "engine/rights.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/source.h"

#define CAP(name) (UINT64_C(1) << CAP_##name)

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

/* capabilities_keep gives up all but these. Returns 0, or -errno */
static int capabilities_keep(uint64_t keep)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
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
	uint64_t keep = needed(cfg);
	int rc = user ? user_become(cfg->engine.user) : 0;

	if (rc < 0)
		return rc;
	if (for_sinks && !user)
		keep |= CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) | CAP(NET_BIND_SERVICE);
	rc = capabilities_keep(keep);
	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		rc = -errno;
	if (rc < 0)
		LOG(ERROR, "capabilities cannot be given up: %s", strerror(-rc));
	return rc;
}
