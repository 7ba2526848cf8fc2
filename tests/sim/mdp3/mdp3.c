#include "tests/sim/mdp3/mdp3.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/mdp3/mdp3_event.h"
#include "tests/sim/mdp3/mdp3_write.h"

enum { NO_SIDE, BUYER, SELLER }; /* AggressorSide */
enum {
	HALT = 2, /* SecurityTradingStatus */
	CLOSE = 4,
	PRICE_INDICATION = 15,
	READY = 17,
	UNAVAILABLE = 18,
	PRE_OPEN = 21,
	PRE_CROSS = 24,
	POST_CLOSE = 26
};

static struct mdp3_book *book_of(struct mdp3 *md, const struct instrument *inst)
{
	return &md->books[inst->locate - 1];
}
/* ---- what happened in the event ---- */

static void *one_more(void *array, uint32_t *n, uint32_t *size, size_t item)
{
	if (*n == *size) {
		*size = *size ? *size * 2 : 64;
		array = realloc(array, *size * item);
		if (!array) {
			fputs("feed-sim: out of memory\n", stderr);
			exit(1);
		}
	}
	++*n;
	return array;
}

static void order_changed(struct mdp3 *md, const struct msg *msg, uint64_t ref, uint32_t price,
	uint64_t shares, uint8_t action)
{
	struct mdp3_book *book = book_of(md, msg->inst);

	md->orders = one_more(md->orders, &md->orders_n, &md->orders_size, sizeof(*md->orders));
	md->orders[md->orders_n - 1] = (struct mdp3_order){.book = book,
		.ref = ref,
		.price = price,
		.shares = (uint32_t)shares,
		.buy = msg->buys,
		.action = action};
	mdp3_touch(md, book);
}

static struct mdp3_trade *trade_new(struct mdp3 *md, const struct msg *msg)
{
	md->trades = one_more(md->trades, &md->trades_n, &md->trades_size, sizeof(*md->trades));
	struct mdp3_trade *trade = &md->trades[md->trades_n - 1];

	*trade = (struct mdp3_trade){.book = book_of(md, msg->inst),
		.taker = msg->taker,
		.match = msg->match & UINT32_MAX,
		.price = msg->price,
		.aggressor = !msg->taker ? NO_SIDE
			     : msg->buys ? SELLER
					 : BUYER};
	mdp3_touch(md, trade->book);
	return trade;
}

/* filled: shares of a standing order were traded; what one order takes at one price is one trade. */
static void filled(struct mdp3 *md, const struct msg *msg, uint64_t ref)
{
	struct mdp3_trade *trade = md->trades_n ? &md->trades[md->trades_n - 1] : NULL;
	bool cross = msg->type == 'C' && msg->code == 'N';

	if (!trade || trade->book->inst != msg->inst || trade->price != msg->price ||
		trade->taker != msg->taker || trade->fills == MDP3_FILLS ||
		(cross && trade->match != msg->match))
		trade = trade_new(md, msg);
	trade->fill[trade->fills++] = (struct mdp3_fill){ref, (uint32_t)msg->shares};
	trade->shares += msg->shares;
}

/* crossed: the auction has its price; rows of standing orders came before, under the same number. */
static void crossed(struct mdp3 *md, const struct msg *msg)
{
	struct mdp3_trade *trade = md->trades_n ? &md->trades[md->trades_n - 1] : NULL;

	if (!msg->shares)
		return;
	if (!trade || trade->match != msg->match || trade->book->inst != msg->inst)
		trade = trade_new(md, msg);
	trade->shares = msg->shares;
}

static void status(struct mdp3 *md, uint64_t ts_ns, struct mdp3_book *book, uint8_t status,
	uint8_t reason, uint8_t event)
{
	if (book) {
		struct sbe *m = mdp3_alone(md, ts_ns);

		book->status = status;
		mdp3_write_status(m, md->feed.version, ts_ns, book,
			book->inst->locate % MDP3_GROUPS, mdp3_date(md), status, reason, event);
		mdp3_event_close(md);
		return;
	}
	for (uint32_t group = 0; group < MDP3_GROUPS; group++) {
		struct sbe *m = mdp3_alone(md, ts_ns);

		mdp3_write_status(m, md->feed.version, ts_ns, NULL, group, mdp3_date(md), status,
			reason, event);
		mdp3_event_close(md);
	}
	for (uint32_t i = 0; i < md->ex->inst_n; i++)
		md->books[i].status = status;
}

/* ---- what the exchange says ---- */

static void phase(struct mdp3 *md, const struct msg *msg)
{
	/* SecurityTradingEvent: statistics are reset before the day, no cancelling before the cross */
	switch (msg->code) {
	case 'O':
		status(md, msg->ts_ns, NULL, PRE_OPEN, 0, 4);
		break;
	case 'S':
		md->open_day = true;
		status(md, msg->ts_ns, NULL, READY, 0, 0);
		break;
	case 'Q':
		status(md, msg->ts_ns, NULL, PRE_CROSS, 0, 1);
		break;
	case 'M':
		status(md, msg->ts_ns, NULL, POST_CLOSE, 0, 0);
		break;
	case 'E':
		status(md, msg->ts_ns, NULL, CLOSE, 0, 0);
		break;
	default:
		status(md, msg->ts_ns, NULL, UNAVAILABLE, 7, 0);
	}
}

static void trading_action(struct mdp3 *md, const struct msg *msg)
{
	struct mdp3_book *book = book_of(md, msg->inst);

	if (msg->code == 'T' && md->halted) {
		md->halted = false;
		status(md, msg->ts_ns, NULL, READY, 0, 0);
	}
	switch (msg->code) {
	case 'T': /* before the system opens, it says what will be */
		status(md, msg->ts_ns, book, md->open_day ? READY : PRE_OPEN, 0, 0);
		break;
	case 'Q':
		status(md, msg->ts_ns, book, PRE_OPEN, 0, 0);
		break;
	default: /* H by surveillance, P by the market */
		status(md, msg->ts_ns, book, HALT, msg->code == 'H' ? 1 : 2, 0);
	}
}

static void definition(struct mdp3 *md, const struct msg *msg)
{
	mdp3_write_definition(
		mdp3_alone(md, msg->ts_ns), md, book_of(md, msg->inst), msg->ts_ns, mdp3_date(md));
	mdp3_event_close(md);
}

static void limits(struct mdp3 *md, const struct msg *msg)
{
	struct mdp3_book *book = book_of(md, msg->inst);

	mdp3_event_close(md);
	md->event_ns = msg->ts_ns;
	struct sbe *m = mdp3_incremental(md, 50, 0);

	book->rpt_seq++;
	sbe_group(m, "NoMDEntries", 32, false);
	mdp3_write_limits(m, book, msg->upper, msg->lower);
	mdp3_event_close(md);
}

/* indication: what the auction would give; price 0 = nothing yet. */
static void indication(struct mdp3 *md, const struct msg *msg)
{
	struct mdp3_book *book = book_of(md, msg->inst);
	struct sbe *m = NULL;

	if (msg->code == 'H')
		status(md, msg->ts_ns, book, PRICE_INDICATION, 0, 0);
	if (!msg->price)
		return;
	mdp3_event_close(md);
	md->event_ns = msg->ts_ns;
	mdp3_stat_tell(md, book, &m, '4', msg->price, 5, SBE_NULL);
	mdp3_event_close(md);
}

/* broken: the trade of this number is taken back, if it is still remembered. */
static void broken(struct mdp3 *md, const struct msg *msg)
{
	uint32_t n = md->past_n < MDP3_TRADES ? md->past_n : MDP3_TRADES;

	for (uint32_t i = 0; i < n; i++) {
		struct mdp3_trade trade = md->past[i];

		if (trade.match != (msg->match & UINT32_MAX))
			continue;
		mdp3_event_close(md);
		md->event_ns = msg->ts_ns;
		trade.action = MDP3_DELETE;
		trade.taker = trade.fills = 0;
		trade.aggressor = NO_SIDE;
		trade.rpt_seq = ++trade.book->rpt_seq;
		mdp3_trades_write(md, &trade, 1);
		mdp3_event_close(md);
		return;
	}
}

static void auction(struct mdp3 *md, const struct msg *msg)
{
	struct mdp3_book *book = book_of(md, msg->inst);

	crossed(md, msg);
	if (msg->code == 'C') {
		book->settle = msg->shares ? msg->price : msg->inst->last;
		book->settled = true;
		mdp3_touch(md, book);
	} else if (msg->code == 'O') {
		status(md, msg->ts_ns, book, READY, 0, 0);
	}
}

static void order_message(struct mdp3 *md, const struct msg *msg)
{
	switch (msg->type) {
	case 'A':
	case 'F':
		order_changed(md, msg, msg->ref, msg->price, msg->shares, MDP3_NEW);
		break;
	case 'P':
		filled(md, msg, 0);
		break;
	case 'E':
	case 'C':
		filled(md, msg, msg->ref);
		/* fall through */
	case 'X':
		order_changed(md, msg, msg->ref, msg->order_price, msg->order_shares,
			msg->order_shares ? MDP3_CHANGE : MDP3_DELETE);
		break;
	case 'D':
		order_changed(md, msg, msg->ref, msg->order_price, 0, MDP3_DELETE);
		break;
	case 'U':
		order_changed(md, msg, msg->ref, msg->order_price, 0, MDP3_DELETE);
		order_changed(md, msg, msg->new_ref, msg->price, msg->shares, MDP3_NEW);
		break;
	}
}

/* reset: numbers begin again at 1 behind the message that says so, and all books are told anew. */
static void reset(struct mdp3 *md, uint64_t ts_ns)
{
	mdp3_write_reset(mdp3_alone(md, ts_ns), md->feed.version, ts_ns, md->feed.channel);
	mdp3_event_close(md);
	mdp3_feed_reset(&md->feed, ts_ns);
	for (uint32_t i = 0; i < md->ex->inst_n; i++) {
		struct mdp3_book *book = &md->books[i];

		book->rpt_seq = 0;
		book->levels[0] = book->levels[1] = 0;
		md->event_ns = ts_ns;
		for (int buy = 1; buy >= 0; buy--)
			for (const struct level *l = book->inst->best[buy]; l; l = l->worse)
				for (const struct order *o = l->shown.head; o; o = o->next)
					order_changed(md,
						&(struct msg){.inst = book->inst, .buys = buy},
						o->ref, o->price, o->shares, MDP3_NEW);
		mdp3_event_close(md);
	}
}

void mdp3_message(struct mdp3 *md, const struct msg *msg)
{
	switch (msg->type) {
	case 'S':
		phase(md, msg);
		break;
	case 'W':
		md->halted = true;
		status(md, msg->ts_ns, NULL, HALT, 2, 0);
		break;
	case 'R':
		definition(md, msg);
		break;
	case 'H':
		trading_action(md, msg);
		break;
	case 'J':
		limits(md, msg);
		break;
	case 'I':
		indication(md, msg);
		break;
	case 'B':
		broken(md, msg);
		break;
	default:
		if (!md->event_ns)
			md->event_ns = msg->ts_ns;
		if (msg->type == 'Q')
			auction(md, msg);
		else
			order_message(md, msg);
	}
}

void mdp3_event_end(struct mdp3 *md)
{
	mdp3_event_close(md);
	if (md->reset_at && md->ex->messages >= md->reset_at) {
		md->reset_at = 0;
		reset(md, md->ex->now_ns);
	}
}

/* ---- setting up ---- */

static void book_init(struct mdp3 *md, uint32_t i)
{
	struct mdp3_book *book = &md->books[i];
	struct instrument *inst = &md->ex->inst[i];

	book->inst = inst;
	book->security = (int32_t)(40000 + md->feed.channel % 1000 * 100000 + inst->locate * 3);
	book->status = PRE_OPEN;
	snprintf(book->symbol, sizeof(book->symbol), "%sZ4", inst->symbol);
	if (i % 5 != 4)
		return;
	book->legs[0] = book - 1;
	book->legs[1] = book - 2;
	book->origin = inst->last / inst->tick * inst->tick;
	snprintf(book->symbol, sizeof(book->symbol), "%s-%s", book->legs[0]->inst->symbol,
		book->legs[1]->inst->symbol);
}

int mdp3_init(struct mdp3 *md, uint64_t start_ns)
{
	md->books = calloc(md->ex->inst_n, sizeof(*md->books));
	md->touched = calloc(md->ex->inst_n, sizeof(struct mdp3_book *));
	if (!md->books || !md->touched)
		return -ENOMEM;
	for (uint32_t i = 0; i < md->ex->inst_n; i++)
		book_init(md, i);
	md->messages[0].mute = md->messages[1].mute = !md->feed.truth->file;
	md->at = md->ex->inst_n;
	md->snapshot_due_ns = start_ns + md->snapshot_ns;
	mdp3_feed_start(&md->feed, start_ns);
	mdp3_feed_start(&md->snapshots, start_ns);
	return 0;
}

void mdp3_free(struct mdp3 *md)
{
	free(md->books);
	free(md->touched);
	free(md->orders);
	free(md->trades);
}
