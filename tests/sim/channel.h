/* channel: one exchange, what it says, and the lines that carry it. */
#pragma once

#include "tests/sim/market/flow.h"
#include "tests/sim/mdp3/mdp3.h"
#include "tests/sim/itch/mold.h"
#include "tests/sim/options.h"
#include "tests/sim/orders/session.h"
#include "tests/sim/truth.h"

/* files is what is written beside the packets; those without a file drop everything. */
struct files {
	struct out truth, truth_mdp3, truth_fix, truth_wire, books, binary;
};

struct channel {
	const struct options *options;
	struct files *files;
	struct session *fix; /* order entry, or NULL */
	uint32_t number;
	struct exchange ex;
	struct flow flow;
	/* ITCH */
	struct line lines[2];
	struct mold molds[2];
	uint32_t molds_n; /* 0 without --protocol itch */
	char session[11];
	uint32_t sessions; /* begun so far */
	uint64_t before;   /* messages of the sessions before this one */
	/* MDP 3.0 */
	struct mdp3 mdp3;          /* ex is NULL without --protocol mdp3 */
	struct line mdp3_lines[4]; /* of both feeds */
	bool ended;
};

/* channel_init makes the channel with this number and says what its lines say first.
 * Takes    options, wire, files: kept; fix: kept, or NULL
 * Returns  0 or -ENOMEM */
int channel_init(struct channel *channel, const struct options *options, struct wire *wire,
	struct files *files, uint32_t number, struct session *fix);
void channel_free(struct channel *channel);

/* channel_due is when it next does something: its day or one of its lines; UINT64_MAX once it has ended. */
uint64_t channel_due(const struct channel *channel);
/* channel_step does what is due at ts_ns. */
void channel_step(struct channel *channel, uint64_t ts_ns);

/* channel_event_end: the step of the exchange is over, or one of the order-entry session. */
void channel_event_end(struct channel *channel);

/* channel_print_feeds writes the --feed words for pkt-sniffer, one line of the channel each. */
void channel_print_feeds(const struct options *options, uint32_t number, FILE *file);
