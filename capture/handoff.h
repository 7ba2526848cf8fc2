/* handoff: packets that reached a worker which does not own them go to the one that does.
 *
 *   queue 0 ─► worker 0 ─ own ──────────────────────► decode
 *                   └──── foreign, copied ─► lane ─► worker 1
 *
 * A lane for each pair, so one writer and one reader; what does not fit is dropped{handoff_full},
 * or waits when the source can (a file). The packets of one flow keep their order as long as they
 * come through one queue. */
#pragma once

#include "capture/source.h"

enum { HANDOFF_LANE_BYTES = 8 << 20 };

struct handoff; /* all lanes between the workers of one source */

/* handoff_open makes lanes of lane_bytes (a power of two, at least 1 MiB) between workers.
 *
 * Takes    patient: a full lane makes its queue wait instead of dropping
 * Owns     who opened it calls handoff_release when all sources are made; the lanes go with the
 *          last source
 * Returns  0, or -ENOMEM */
int handoff_open(struct handoff **handoff, unsigned workers, uint64_t lane_bytes, steer_fn steer,
	const void *steer_ctx, bool patient);
void handoff_release(struct handoff *handoff);

/* handoff_source makes worker w's source: what is its own out of inner, and what the others hand to
 * it. It ends when all queues have and its lanes are empty; how its own queue ended is what it
 * says. All sources are made before the first burst.
 *
 * Takes    inner: given; NULL: this worker has no queue of its own
 * Thread   bursts, waits and stats of each source on one thread; making and closing on the main one
 * Returns  0 with *src the caller's to close, or -ENOMEM: inner stays the caller's */
int handoff_source(struct source **src, struct handoff *handoff, unsigned w, struct source *inner);
