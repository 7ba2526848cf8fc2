/* rights: what the process may still do once its source is open. */
#pragma once

#include "engine/config/config.h"

/* rights_drop becomes the configured user, if one is named (its groups too), and keeps the
 * capabilities that capture needs later: CAP_NET_RAW to open an interface that comes back
 * (CAP_NET_ADMIN beside it where hardware stamps are demanded), CAP_NET_ADMIN to undo promiscuous
 * mode of a DPDK port. for_sinks: and those that open files and ports, until the sinks are open;
 * not with a user, who opens them with rights of its own.
 * Programs it starts get no more (no_new_privs).
 *
 * Thread   the main thread, before it starts any that needs less; another user is one for all
 *          threads there are (and CAP_x of theirs are gone), fewer capabilities are the caller's
 *          and of threads made later
 * Returns  0, or -errno with one line logged */
int rights_drop(const struct config *cfg, bool for_sinks);
