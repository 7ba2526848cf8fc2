/* mold: the messages of a channel as MoldUDP64 packets; each line cuts and times them for itself. */
#pragma once

#include "tests/sim/wire/line.h"

#define MOLD_HEADER 20

struct mold {
	struct line *line;
	struct rng rng;
	uint32_t payload_max;
	uint32_t hold_ns;      /* a packet waits at most so long for more messages */
	uint64_t heartbeat_ns; /* silence before a heartbeat */

	struct parcel parcel; /* the open packet; its seq is that of its first message */
	uint64_t due_ns;      /* of the open packet, else of the next heartbeat */
};

/* mold_start opens a session at ts_ns with a heartbeat; the caller has set the fields above the empty line.
 * Takes session: 10 characters, copied */
void mold_start(struct mold *mold, uint64_t ts_ns, const char *session);

/* mold_message appends a message; the caller has called mold_tick(ts_ns). */
void mold_message(struct mold *mold, uint64_t ts_ns, const uint8_t *msg, size_t len);

/* mold_tick sends what is due at ts_ns or before: the open packet, or heartbeats, and what the line held back. */
void mold_tick(struct mold *mold, uint64_t ts_ns);
uint64_t mold_due(const struct mold *mold);

/* mold_session ends the session at once and starts another. */
void mold_session(struct mold *mold, uint64_t ts_ns, const char *session);

/* mold_end sends the open packet, what the line held back, and the end of the session, three times. */
void mold_end(struct mold *mold, uint64_t ts_ns);
