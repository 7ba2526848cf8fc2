/* line: the way of a packet from the exchange onto the wire, with the faults of the way: loss, repetition, disorder,
 * outage. What became of each packet is written into the truth of the wire. */
#pragma once

#include "tests/sim/market/rng.h"
#include "tests/sim/wire/wire.h"

#define LINE_SESSION_MAX 16
#define LATE_MAX 64        /* packets held back at a time */
#define LATE_MAX_NS 400000 /* a packet is held back at most so long */
#define OUTAGES_MAX 16

/* faults of one line. Chances are independent for each packet: of loss; of the rest, to be held back; of the rest, to
 * come twice. */
struct faults {
	double loss, late, twice;
	uint32_t late_packets; /* held back behind 1 … so many later packets; 1 … LATE_MAX */
	struct outage {
		uint64_t from_ns, until_ns; /* nothing is put on the wire in [from, until) */
	} outages[OUTAGES_MAX];
	uint32_t outages_n;
};

/* parcel is one packet of a feed, and what its header says: seq of the first unit (of the next one, if it has none),
 * count of units. */
struct parcel {
	char session[LINE_SESSION_MAX]; /* "" = the protocol has none */
	uint64_t seq;
	uint32_t count;
	const char *kind; /* "data", "heartbeat", "end" */
	size_t len;
	uint8_t bytes[1472];
};

struct line {
	struct wire *wire;
	struct out *truth;
	uint32_t channel;
	char name; /* 'A' or 'B' */
	struct addr from, to;
	struct rng rng, chance; /* of times; of faults, so that these change nothing else */
	uint32_t delay_ns, jitter_ns;
	struct faults faults;

	uint64_t sent_ns;
	uint16_t ident;
	struct late {
		uint64_t until_ns;
		uint32_t behind; /* packets still to go before it */
		struct parcel parcel;
	} late[LATE_MAX]; /* in the order they were held back */
	uint32_t late_n;
};

/* line_send sends a packet at ts_ns, or what the faults make of it. Takes parcel: copied */
void line_send(struct line *line, uint64_t ts_ns, const struct parcel *parcel);

/* line_due is when line_tick has something to do, UINT64_MAX for never. */
uint64_t line_due(const struct line *line);

/* line_tick lets go what was held back long enough at ts_ns. */
void line_tick(struct line *line, uint64_t ts_ns);

/* line_flush lets everything go that was held back, behind what was sent. */
void line_flush(struct line *line);

/* line_pause: nothing that is sent from now on leaves before ns are over, behind what was sent: one system takes the
 * place of another. */
void line_pause(struct line *line, uint64_t ns);
