/* rights: what the process may still do once its source is open. */
#pragma once

#include "engine/config/config.h"

/* rights_drop becomes the configured user, if one is named (its groups too), and keeps the
 * capabilities that capture needs later: CAP_NET_RAW to open an interface that comes back
 * (CAP_NET_ADMIN beside it where hardware stamps are demanded), CAP_NET_ADMIN to undo promiscuous
 * mode of a DPDK port. for_sinks: and those that open files and ports, until the sinks are open;
 * not with a user, who opens them with rights of its own.
 * Programs it starts get no more (no_new_privs). All threads there are do the same, whoever made
 * them, and each is looked at; another user takes all capabilities from those made before.
 *
 * Thread   the main thread, while no other changes users (glibc's signal for that is borrowed)
 * Returns  0, or -errno with one line logged: a thread has more than it should */
int rights_drop(const struct config *cfg, bool for_sinks);
