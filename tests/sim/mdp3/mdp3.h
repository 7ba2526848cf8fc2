/* mdp3: what the exchange says as CME MDP 3.0: price levels with their orders, trades, statistics, status, definitions, and
 * a loop of snapshots.
 *
 *     struct msg ──► event: trades, orders, touched books ──► messages ──► incremental feed
 *                          (until mdp3_event_end)         └──────────────► snapshot feed
 *
 * A price is in 1e-9 of the currency unit, less the origin of a spread, so that spreads trade on both sides of 0. */
#pragma once

#include "tests/sim/market/exchange.h"
#include "tests/sim/mdp3/mdp3_feed.h"

#define MDP3_LEVELS 10  /* of a book, as its definition says */
#define MDP3_FILLS 20   /* rows of orders of one trade entry, without the one that came in */
#define MDP3_TRADES 256 /* remembered, as they may be broken */
#define MDP3_GROUPS 4

/* mdp3_level is a price level as the feed last told it. */
struct mdp3_level {
	uint32_t price, orders;
	uint64_t shares;
};

struct mdp3_book {
	struct instrument *inst;
	int32_t security;
	char symbol[21];
	const struct mdp3_book *legs[2]; /* of a spread */
	uint32_t origin;                 /* price that is 0 on the feed */
	uint32_t rpt_seq;
	struct mdp3_level level[2][MDP3_LEVELS]; /* [buy] */
	uint32_t levels[2];
	bool touched, settled, active; /* by the event; settled: by it; in this loop of snapshots */
	uint8_t status;
	uint32_t open, high, low, high_bid, low_offer, settle, last; /* 0 = none yet */
	uint64_t last_shares, volume, told_volume;
	uint64_t ts_ns; /* of its last event */
};

struct mdp3_order {
	struct mdp3_book *book;
	uint64_t ref;
	uint32_t price, shares; /* shares left */
	bool buy, told;
	uint8_t action; /* OrderUpdateAction: 0 new, 1 update, 2 delete */
};

struct mdp3_fill {
	uint64_t ref;
	uint32_t shares;
};

struct mdp3_trade {
	struct mdp3_book *book;
	uint64_t taker, match, shares;
	uint32_t price, fills, rpt_seq;
	uint8_t aggressor, action;
	struct mdp3_fill fill[MDP3_FILLS];
};

struct mdp3 {
	struct exchange *ex;
	struct mdp3_feed feed, snapshots;
	uint64_t snapshot_ns; /* one loop over all books, 0 = none */
	uint64_t reset_at;    /* message of the day behind which numbers begin again, 0 = never */
	struct rng rng;

	struct mdp3_book *books, **touched; /* by locate; those that the event touched */
	uint32_t touched_n;
	/* the event: all that happens in one step of the exchange */
	uint64_t event_ns; /* 0 = nothing happened */
	struct mdp3_order *orders;
	uint32_t orders_n, orders_size;
	struct mdp3_trade *trades;
	uint32_t trades_n, trades_size;
	struct sbe messages[2], *open; /* the last message, until it is known what follows */
	uint8_t open_kind;
	/* trades that may be broken */
	struct mdp3_trade past[MDP3_TRADES];
	uint32_t past_n;
	bool open_day, halted; /* the system is open; all of the market is halted */
	/* the loop */
	uint64_t snapshot_due_ns, loop_ns;
	uint32_t at, reports; /* next book; books in this loop */
};

/* mdp3_init: the caller has set ex (kept) and the fields behind it, and those of both feeds. Returns 0 or -ENOMEM */
int mdp3_init(struct mdp3 *md, uint64_t start_ns);
void mdp3_free(struct mdp3 *md);

/* mdp3_message takes what the exchange says; mdp3_event_end sends all that happened since the last one. */
void mdp3_message(struct mdp3 *md, const struct msg *msg);
void mdp3_event_end(struct mdp3 *md);

/* mdp3_due is when mdp3_tick next has something to do. mdp3_end sends the last loop of snapshots and ends both feeds. */
uint64_t mdp3_due(const struct mdp3 *md);
void mdp3_tick(struct mdp3 *md, uint64_t ts_ns);
void mdp3_end(struct mdp3 *md, uint64_t ts_ns);

/* mdp3_px is a price of the exchange on the feed. */
int64_t mdp3_px(const struct mdp3_book *book, uint32_t price);
