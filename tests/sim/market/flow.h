/* flow: the trading day: when something happens, and what. */
#pragma once

#include "tests/sim/market/exchange.h"

enum phase {
	PHASE_SPIN, /* system open, directory of instruments */
	PHASE_PRE_OPEN,
	PHASE_OPENING, /* opening crosses */
	PHASE_TRADING,
	PHASE_CLOSING, /* imbalances before the close, still trading */
	PHASE_CROSS,   /* closing crosses */
	PHASE_AFTER,
	PHASE_DONE,
};

struct flow_conf {
	uint64_t seed;
	uint32_t stream;
	uint64_t messages;    /* the day has exactly so many, or 0: */
	uint64_t duration_ns; /* the day lasts so long */
	double rate;          /* mean messages a second */
	uint64_t start_ns;
};

/* halt is an instrument on its way from a halt back to trading. */
struct halt {
	struct instrument *inst;
	int stage;
	uint64_t due; /* message count at which the next stage begins */
};

#define HALTS_MAX 4
#define MATCHES_MAX 64

struct flow {
	struct exchange *ex;
	struct flow_conf conf;
	struct rng rng;
	enum phase phase;
	uint64_t next_ns;
	double day_messages;            /* expected for the whole day */
	uint64_t open_at, close_at;     /* message counts, or ns of the day */
	double excited[2], mean_gap_ns; /* two kernels of self-excitation */
	double actions, action_messages;
	uint32_t step;     /* within a phase: next instrument */
	uint64_t phase_at; /* messages or ns at which the phase began */
	double *weight_sum;
	struct instrument *hot; /* what the last action was about */
	int8_t *last_side;      /* of the last order that took */
	uint32_t *anchor;       /* the first price */
	double live_target;
	uint64_t rare_at, rare_every;
	uint32_t rare_n;
	struct halt halts[HALTS_MAX];
	struct halt market; /* the market-wide halt; inst is unused */
	uint64_t matches[MATCHES_MAX];
	uint32_t matches_n;
};

/* flow_messages_min is the least conf.messages that leaves room for every part of a day. */
uint64_t flow_messages_min(uint32_t instruments);

/* flow_init plans a day over the instruments of ex (kept). Either conf->messages (>=
 * flow_messages_min) or conf->duration_ns is not 0. Returns 0 or -ENOMEM. */
int flow_init(struct flow *flow, struct exchange *ex, const struct flow_conf *conf);
void flow_free(struct flow *flow);

/* flow_step does what happens at flow->next_ns and moves next_ns on; PHASE_DONE ends the day. */
void flow_step(struct flow *flow);

/* flow_trade remembers a printed trade that may be broken later. */
void flow_trade(struct flow *flow, uint64_t match);
