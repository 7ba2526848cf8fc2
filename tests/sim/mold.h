/* mold: lines A and B of a channel: the same messages as MoldUDP64 packets, cut and timed by each
 * line for itself. */
#pragma once

#include "tests/sim/rng.h"
#include "tests/sim/wire.h"

#define MOLD_HEADER 20

struct line {
	struct wire *wire;
	struct addr from, to;
	char session[10];
	struct rng rng;
	uint32_t payload_max;
	uint32_t hold_ns; /* a packet waits at most so long for more messages */
	uint32_t delay_ns, jitter_ns;
	uint64_t heartbeat_ns; /* silence before a heartbeat */

	uint8_t packet[1472];
	size_t len;
	uint16_t count;
	uint64_t next_seq; /* of the next message */
	uint64_t due_ns;   /* of the open packet, else of the next heartbeat */
	uint64_t sent_ns;
	uint16_t ident;
	uint64_t packets;
};

/* line_start opens a line at ts_ns with a heartbeat; the caller has set the fields above the empty
 * line. */
void line_start(struct line *line, uint64_t ts_ns);

/* line_message appends a message; the caller has called line_tick(ts_ns). */
void line_message(struct line *line, uint64_t ts_ns, const uint8_t *msg, size_t len);

/* line_tick sends what is due at ts_ns or before: the open packet, or heartbeats. */
void line_tick(struct line *line, uint64_t ts_ns);

/* line_end sends the open packet and the end of the session, three times. Returns the time of the
 * last. */
uint64_t line_end(struct line *line, uint64_t ts_ns);
