/* replay: capture and message files as a source. Inside capture/ (and its tests) only. */
#pragma once

#include "capture/filter.h"
#include "capture/replay/directory.h"

struct replay {
	struct source src;
	enum source_end end; /* found by a burst that still had packets: told by the next one */
	struct source_options opt;
	struct reader file;
	struct directory *directory; /* read in place of file, unless NULL */
	struct source_stats stats;
	struct filter_use use;
	uint64_t position; /* packets that passed the filter, own and foreign, of all rounds */
	uint64_t records;  /* packets of this round */
	uint16_t round;

	/* --speed */
	double pace; /* wall ns per recorded ns, 0 = not paced */
	bool origin_set;
	uint64_t origin_wall_ns, origin_ts_ns, last_ts_ns;
	bool held_some; /* held is read and waits for due_ns (CLOCK_MONOTONIC) */
	uint64_t due_ns;
	struct packet held;
};

/* replay_open_memory is source_open_replay on bytes in memory, kept. streamed: through the block.
 */
int replay_open_memory(struct source **src, struct bytes data, bool streamed,
	const struct source_options *opt, char error[256]);

/* Between the hot file and the cold one. */
int replay_burst(struct source *src, struct packet *pkts, unsigned max);
uint64_t replay_clock_ns(void); /* CLOCK_MONOTONIC */

/* replay_ended begins the next round, or sets the source's end and error. rc: of the read that
 * found no more. Returns  whether it has ended */
bool replay_ended(struct replay *r, int rc);

/* replay_link_check makes an expression that means nothing on the first link type an error.
 * Returns  0 or -EINVAL */
int replay_link_check(struct replay *r, const struct packet *pkt);
