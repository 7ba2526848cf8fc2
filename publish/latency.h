/* latency: how long batches take from hop to hop inside the program.
 *
 *   capture ─► worker ─► batch closed ─► publisher ─► sink ─► acknowledged
 *     stamp     burst     close           absorb      submit   delivery report
 *      └─────────────── capture to sink ───────────────┘
 *
 * One value a batch (capture to worker: one a burst), for its oldest event: every other waited
 * less. Where the stamp is not of now (a file is replayed) what begins at the capture is left out;
 * so are reports of the program itself. */
#pragma once

#include "base/hist.h"
#include "publish/batch.h"

/* publisher_latency is what one publisher measures, of all workers; its thread alone records. */
struct publisher_latency {
	struct hist ring;    /* batch closed … absorbed by the publisher */
	struct hist submit;  /* absorbed … taken by the sink */
	struct hist capture; /* capture stamp … taken by the sink */
	struct hist ack;     /* batch closed … acknowledged; only where the sink hears of it */
};

/* latency_now_ns is the clock of all hops: CLOCK_REALTIME, as capture stamps are. */
uint64_t latency_now_ns(void);

/* stamped_now says whether stamps of this quality (TsQuality) are of the moment of capture. */
static inline bool stamped_now(uint8_t ts_quality)
{
	return ts_quality >= 1 && ts_quality <= 3; /* hardware, kernel, user */
}
