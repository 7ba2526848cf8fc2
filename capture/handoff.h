/* handoff: packets that reached a worker which does not own them go to the one that does.
 *
 *   queue 0 ─► worker 0 ─ own ─────────────────► decode          a lane for each pair, one writer,
 * one reader: └─ foreign, copied ─► lane 0→1 ─► worker 1     bytes in a circle; what does not fit
 * is dropped{handoff_full}
 */
#pragma once

#include "capture/source.h"

enum { HANDOFF_LANE_BYTES = 8 << 20 };

struct handoff; /* all lanes between the workers of one source */

/* handoff_open makes lanes between workers. Who opened it calls handoff_release when all sources
 * are made; the lanes go with the last source. Returns  0, or -ENOMEM */
int handoff_open(struct handoff **handoff, unsigned workers, steer_fn steer, const void *steer_ctx);

void handoff_release(struct handoff *handoff);

/* handoff_source makes worker w's source: what is its own out of inner, and what the others hand to
 * it.
 *
 * Takes    inner: given; NULL: this worker has no queue of its own
 * Returns  0 with *src the caller's to close, or -ENOMEM: inner stays the caller's */
int handoff_source(struct source **src, struct handoff *handoff, unsigned w, struct source *inner);
