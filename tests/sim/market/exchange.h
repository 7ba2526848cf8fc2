/* exchange: limit order books with price-time priority, and the messages the exchange says about
 * them. All prices are integers of 1e-4 of the currency unit; all times are ns since 1970-01-01
 * UTC. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/market/rng.h"

/* msg is one market data message by meaning, not by bytes; which fields are set depends on type. */
struct msg {
	char type; /* the letter ITCH 5.0 gives it */
	uint16_t locate, tracking;
	uint64_t ts_ns;
	const struct instrument *inst; /* NULL: about the whole market */
	uint64_t ref, new_ref, match;
	uint64_t shares; /* I: paired shares */
	uint64_t imbalance;
	uint64_t level_e8[3]; /* V: 1e-8 */
	uint64_t near_ns;     /* O: near execution time, ns since local midnight */
	uint32_t price;       /* I: near price */
	uint32_t far, reference, upper, lower;
	uint32_t release_s; /* K: s since local midnight */
	uint32_t extension; /* J */
	char side;          /* B or S; I and N: direction of the imbalance or interest */
	char code; /* S event, H state, Y action, W level, K qualifier, h action, C printable, Q and
		      I cross, O open */
	char flag; /* h market, I variation, L primary market maker */
	char mode, state; /* L */
	char mpid[5];
	char reason[5]; /* H */
	/* of the order it is about (A F E C X D U), also where ITCH leaves it out */
	bool buys;
	uint32_t order_price, order_shares; /* as displayed; what is left. U: of the old order */
	uint64_t taker; /* E C P: reference of the order that came in, 0 in an auction */
};

struct order {
	uint64_t ref;
	uint32_t price; /* as displayed: decides priority and what crosses */
	uint32_t
		exec_price; /* what it trades at: price, or half a tick better for the other side */
	uint32_t shares;    /* what is left */
	bool buy, hidden;
	char mpid[5];  /* "" = anonymous */
	int32_t owner; /* index of an order of the FIX session, or -1 */
	uint32_t slot; /* index in inst->live */
	struct instrument *inst;
	struct level *level;
	struct order *prev, *next; /* time priority within level and visibility */
};

struct queue {
	struct order *head, *tail;
	uint64_t shares;
	uint32_t count;
};

/* level is all orders of one side at one price; displayed ones trade before hidden ones. */
struct level {
	uint32_t price;
	struct queue shown, hidden;
	struct level *better, *worse;
};

struct instrument {
	char symbol[9];
	uint16_t locate;
	uint32_t tick, round_lot;
	uint32_t last; /* last price, or the first valuation; never 0 */
	char state;    /* trading state as in H: T trades, all else rests */
	char category, financial, issue, subtype[3], luld_tier, etp, ipo, short_sale;
	struct level *best[2]; /* [buy]: best price first */
	struct order **live;   /* orders the flow may cancel: all without owner */
	uint32_t live_n, live_size;
	uint64_t shares_in, shares_executed,
		shares_cancelled; /* in = executed + cancelled + resting */
};

/* fill tells the owner of an order what was traded. */
struct fill {
	int32_t owner;
	uint64_t match, ts_ns;
	uint32_t shares, price, leaves;
	bool maker;
};

struct exchange {
	struct instrument *inst;
	uint32_t inst_n;
	uint64_t now_ns, midnight_ns; /* midnight: of the trading day, local time */
	uint64_t messages;
	uint64_t next_ref, next_match;
	uint64_t by_type[128];
	struct rng rng;
	struct order *spare_orders;
	struct level *spare_levels;
	struct chunk *chunks;
	void *ctx;
	void (*on_message)(void *ctx, const struct msg *msg);
	void (*on_fill)(void *ctx, const struct fill *fill);
};

/* submit describes an order that comes in. */
struct submit {
	uint64_t ref; /* from exchange_ref */
	struct instrument *inst;
	uint32_t price, shares;
	bool buy, hidden, slid, ioc;
	const char *mpid; /* NULL = anonymous */
	int32_t owner;
};

/* exchange_init makes n instruments (1 … 20000) with seeded names and prices and empty books.
 *
 * Takes    seed, stream: equal ones give equal exchanges; stream also keeps symbols of channels
 * apart Owns     what exchange_free gives back Returns  0 or -ENOMEM */
int exchange_init(struct exchange *ex, uint32_t n, uint64_t seed, uint32_t stream);
void exchange_free(struct exchange *ex);

/* exchange_ref gives the next order reference number of the day. */
uint64_t exchange_ref(struct exchange *ex);

/* exchange_emit stamps msg with time, locate and tracking number, counts it and hands it to
 * on_message. */
void exchange_emit(struct exchange *ex, struct msg *msg);

/* exchange_accepts: an order that would trade is refused while its instrument is not trading. */
bool exchange_accepts(const struct submit *in);

/* exchange_submit matches an order and lets the rest of it stand, unless ioc.
 *
 * Takes    in: exchange_accepts(in), shares > 0, price > 0
 * Returns  the standing order (kept by the exchange until it is gone), or NULL if nothing stands */
struct order *exchange_submit(struct exchange *ex, const struct submit *in);

/* exchange_reduce takes shares (below o->shares) off an order; it keeps its priority. */
void exchange_reduce(struct exchange *ex, struct order *o, uint32_t shares);
/* exchange_delete removes an order; o is gone afterwards. */
void exchange_delete(struct exchange *ex, struct order *o);
/* exchange_replace gives an order a new reference, size and price, behind all others at that price.
 * A price that would trade deletes it and submits the new one. Returns the standing order or NULL.
 */
struct order *exchange_replace(
	struct exchange *ex, struct order *o, uint64_t ref, uint32_t shares, uint32_t price);

/* exchange_cross runs an auction: paired shares of on-cross orders, and an excess that takes up to
 * three standing orders in priority, all at one price. type: O, C or H. */
void exchange_cross(struct exchange *ex, struct instrument *inst, char type, uint64_t paired);

/* exchange_best is the best displayed price of a side, 0 if none. */
uint32_t exchange_best(const struct instrument *inst, bool buy);
/* exchange_best_any counts hidden orders too. */
uint32_t exchange_best_any(const struct instrument *inst, bool buy);

/* exchange_check walks a book. Returns NULL, or what is wrong with it: crossed, a level out of
 * order, a sum that differs, shares lost or made. */
const char *exchange_check(const struct instrument *inst);
