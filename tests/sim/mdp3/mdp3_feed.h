/* mdp3_feed: the messages of an MDP 3.0 feed in packets, the same on both lines.
 *
 * Source  CME MDP 3.0 "Packet structure": u32 sequence, u64 sending time, messages. Each feed of a channel counts for
 * itself, by packet, heartbeats too */
#pragma once

#include "tests/sim/wire/line.h"
#include "tests/sim/mdp3/sbe.h"

#define MDP3_HEADER 12

struct mdp3_feed {
	struct line *lines;
	uint32_t lines_n;
	struct out *truth;
	uint32_t channel;
	uint16_t version;
	struct rng rng;
	uint32_t payload_max, hold_ns;
	uint64_t heartbeat_ns; /* 0 = none */
	char week[12];         /* the session; resets count on behind it */

	struct parcel parcel; /* the open packet */
	uint32_t messages;    /* in it */
	uint32_t resets;
	uint64_t due_ns; /* of the open packet, else of the next heartbeat */
	uint64_t sent_ns;
};

/* mdp3_feed_start: the caller has set the fields above the empty line. The session is the trading week of start_ns: it
 * begins on Sunday 00:00 UTC and has the ISO name of the Monday behind it. */
void mdp3_feed_start(struct mdp3_feed *feed, uint64_t start_ns);

/* mdp3_feed_room is the most bytes that a message may have. */
uint32_t mdp3_feed_room(const struct mdp3_feed *feed);

/* mdp3_feed_message ends a message and appends it. The caller has called mdp3_feed_tick(ts_ns). */
void mdp3_feed_message(struct mdp3_feed *feed, uint64_t ts_ns, struct sbe *m);

/* mdp3_feed_close sends the open packet, if there is one. */
void mdp3_feed_close(struct mdp3_feed *feed, uint64_t ts_ns);

/* mdp3_feed_reset lets the next packet have number 1 again. */
void mdp3_feed_reset(struct mdp3_feed *feed, uint64_t ts_ns);

/* mdp3_feed_tick sends what is due: the open packet, or heartbeats, and what lines held back. */
void mdp3_feed_tick(struct mdp3_feed *feed, uint64_t ts_ns);
uint64_t mdp3_feed_due(const struct mdp3_feed *feed);

/* mdp3_feed_end sends all there is, and with heartbeats three of them. */
void mdp3_feed_end(struct mdp3_feed *feed, uint64_t ts_ns);
