/* session: a FIX 4.4 order-entry session between a broker's client and the exchange's gateway. Its
 * orders stand in the books like all others and their trades are on the feed under the same match
 * number (TrdMatchID, 880). */
#pragma once

#include "tests/sim/market/exchange.h"
#include "tests/sim/orders/fix.h"
#include "tests/sim/orders/tcp.h"

enum { CLIENT, GATEWAY };

struct session_conf {
	const char *client, *gateway;         /* CompIDs */
	const char *user, *password, *secret; /* 553, 554, and 96 of the logon */
	double rate;                          /* requests of the client a second */
	uint32_t heartbeat_s;
};

/* fix_order is an order of the client as the gateway knows it. */
struct fix_order {
	struct order *order; /* NULL: nothing of it stands */
	struct instrument *inst;
	uint64_t ref;   /* OrderID */
	uint64_t value; /* sum of price * shares traded */
	uint64_t acked_ns;
	uint32_t id; /* of ClOrdID */
	uint32_t quantity, traded, price;
	bool buy, market, ioc, asked; /* asked: a cancel or replace is under way */
};

/* request is something under way that takes effect at due_ns. */
struct request {
	uint64_t due_ns;
	enum {
		ASK_LOGON,
		ASK_NEW,
		ASK_CANCEL,
		ASK_REPLACE,
		ASK_WRONG_SIDE,
		ASK_WRONG_TYPE,
		ASK_WRONG_SYMBOL,
		ASK_UNKNOWN_ORDER,
		ASK_TEST,
		ASK_LOGOUT,
		DO_CLOSE
	} kind;
	uint32_t order; /* index */
	uint32_t id, quantity, price;
	uint64_t seq; /* of the client's message */
};

#define REQUESTS_MAX 4096

struct session {
	struct exchange *ex;
	struct out *truth;
	struct tcp tcp;
	struct rng rng;
	struct session_conf conf;
	bool trading; /* set by the owner: the client may send orders */
	bool shut;    /* set by the owner: the gateway takes no more orders */
	bool open, leaving;
	uint64_t seq[2], sent_ns[2]; /* of the last message each side sent */
	uint64_t next_ns;            /* of the client's next idea */
	uint32_t ids, executions, actions, tests;
	struct fix_order *orders;
	uint32_t orders_n, orders_size;
	struct request requests[REQUESTS_MAX]; /* a ring, in order of due_ns */
	uint32_t head, tail;
	uint64_t messages;
};

/* session_open connects and logs on. The caller has set ex, truth, tcp.{wire, rng, end[].addr}, rng
 * and conf (kept). */
void session_open(struct session *s, uint64_t ts_ns);
/* session_logout lets the client say goodbye; open turns false when the connection is gone. */
void session_logout(struct session *s, uint64_t ts_ns);
/* session_due is the time of the next session_step, UINT64_MAX when closed. */
uint64_t session_due(const struct session *s);
/* session_step does everything that is due at ts_ns. */
void session_step(struct session *s, uint64_t ts_ns);
/* session_fill takes a trade of one of its orders. */
void session_fill(struct session *s, const struct fill *fill);
void session_free(struct session *s);
