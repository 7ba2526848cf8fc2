#include "tests/sim/mdp3/mdp3_event.h"

#include <string.h>

#include "tests/sim/mdp3/mdp3_write.h"

#define DAY_NS 86400000000000

int64_t mdp3_px(const struct mdp3_book *book, uint32_t price)
{
	return ((int64_t)price - book->origin) * 100000; /* 1e-4 to 1e-9 */
}

int64_t mdp3_date(const struct mdp3 *md)
{
	return (int64_t)(md->ex->midnight_ns / DAY_NS); /* days since 1970 */
}

void mdp3_touch(struct mdp3 *md, struct mdp3_book *book)
{
	if (book->touched)
		return;
	book->touched = true;
	md->touched[md->touched_n++] = book;
}

/* message_next gives the room of the next message of the event; the one before goes, marked if it was the last of its
 * kind. */
static struct sbe *message_next(struct mdp3 *md, uint8_t kind)
{
	struct sbe *before = md->open;

	if (before) {
		if (md->open_kind != kind)
			before->bits |= md->open_kind;
		mdp3_feed_message(&md->feed, md->event_ns, before);
	}
	md->open = before == &md->messages[0] ? &md->messages[1] : &md->messages[0];
	md->open_kind = kind;
	return md->open;
}

struct sbe *mdp3_incremental(struct mdp3 *md, uint16_t template_id, uint8_t kind)
{
	struct sbe *m = message_next(md, kind);

	mdp3_write_incremental(m, template_id, md->feed.version, md->event_ns);
	return m;
}

/* message_last ends the event: the last message says so, or one in ten times an empty one behind it. */
static void message_last(struct mdp3 *md)
{
	if (!md->open)
		return;
	if (md->open_kind && rng_chance(&md->rng, .1)) {
		struct sbe *m = mdp3_incremental(md, 46, 0);

		sbe_group(m, "NoMDEntries", MDP3_BOOK_ENTRY, false);
		sbe_group(m, "NoOrderIDEntries", MDP3_BOOK_ORDER, true);
	}
	md->open->bits |= md->open_kind | MDP3_END_OF_EVENT;
	mdp3_feed_message(&md->feed, md->event_ns, md->open);
	md->open = NULL;
}

void mdp3_trades_write(struct mdp3 *md, const struct mdp3_trade *trades, uint32_t n)
{
	struct sbe *m = mdp3_incremental(md, 48, MDP3_LAST_TRADE);

	sbe_group(m, "NoMDEntries", MDP3_TRADE_ENTRY, false);
	for (const struct mdp3_trade *t = trades; t < trades + n; t++)
		mdp3_write_trade(m, t);
	sbe_group(m, "NoOrderIDEntries", MDP3_TRADE_ORDER, true);
	for (const struct mdp3_trade *t = trades; t < trades + n; t++) {
		if (t->taker)
			mdp3_write_fill(m, t->taker, t->shares);
		for (uint32_t i = 0; i < t->fills; i++)
			mdp3_write_fill(m, t->fill[i].ref, t->fill[i].shares);
	}
}

static void trade_count(struct mdp3 *md, struct mdp3_trade *trade)
{
	struct mdp3_book *book = trade->book;

	trade->rpt_seq = ++book->rpt_seq;
	book->last = trade->price;
	book->last_shares = trade->shares;
	book->volume += trade->shares;
	md->past[md->past_n++ % MDP3_TRADES] = *trade;
}

static void trades_tell(struct mdp3 *md)
{
	uint32_t from = 0, size = MDP3_TRADE_BASE;

	for (uint32_t i = 0; i < md->trades_n; i++) {
		struct mdp3_trade *trade = &md->trades[i];
		uint32_t bytes =
			MDP3_TRADE_ENTRY + MDP3_TRADE_ORDER * (trade->fills + (trade->taker != 0));

		if (size + bytes > mdp3_feed_room(&md->feed)) {
			mdp3_trades_write(md, md->trades + from, i - from);
			from = i;
			size = MDP3_TRADE_BASE;
		}
		size += bytes;
		trade_count(md, trade);
	}
	if (md->trades_n > from)
		mdp3_trades_write(md, md->trades + from, md->trades_n - from);
}

static void volume_tell(struct mdp3 *md, struct mdp3_book *book)
{
	if (book->volume == book->told_volume)
		return;
	struct sbe *m = mdp3_incremental(md, 37, MDP3_LAST_VOLUME);

	book->rpt_seq++;
	book->told_volume = book->volume;
	sbe_group(m, "NoMDEntries", 16, false);
	mdp3_write_volume(m, book);
}

/* levels_now are the best displayed levels of a side. */
static uint32_t levels_now(
	const struct instrument *inst, bool buy, struct mdp3_level level[MDP3_LEVELS])
{
	uint32_t n = 0;

	for (const struct level *l = inst->best[buy]; l && n < MDP3_LEVELS; l = l->worse)
		if (l->shown.count)
			level[n++] = (struct mdp3_level){l->price, l->shown.count, l->shown.shares};
	return n;
}

static bool better(bool buy, uint32_t a, uint32_t b)
{
	return buy ? a > b : a < b;
}

static bool listed(const struct mdp3_level *level, uint32_t n, uint32_t price)
{
	for (uint32_t i = 0; i < n; i++)
		if (level[i].price == price)
			return true;
	return false;
}

static uint32_t entry(struct mdp3_entry *out, struct mdp3_book *book, bool buy, uint8_t action,
	uint32_t at, const struct mdp3_level *level)
{
	*out = (struct mdp3_entry){*level, (uint8_t)(at + 1), action, buy, ++book->rpt_seq};
	return 1;
}

/* levels_change finds the entries that turn the book as told into the book as it is: what is gone first, then what is new or
 * another, from the best level on. A reader pulls up behind a delete, pushes down behind a new one, and forgets what is
 * below the last level. Returns their number, at most 2 * MDP3_LEVELS */
static uint32_t levels_change(struct mdp3_book *book, bool buy, struct mdp3_entry *out)
{
	struct mdp3_level now[MDP3_LEVELS], *told = book->level[buy];
	uint32_t n = levels_now(book->inst, buy, now), *told_n = &book->levels[buy], made = 0;

	for (uint32_t i = 0; i < *told_n;) {
		bool below = n == MDP3_LEVELS && better(buy, now[n - 1].price, told[i].price);

		if (below || listed(now, n, told[i].price)) {
			i++;
			continue;
		}
		made += entry(out + made, book, buy, MDP3_DELETE, i, &told[i]);
		--*told_n;
		memmove(told + i, told + i + 1, (*told_n - i) * sizeof(*told));
	}
	for (uint32_t i = 0; i < n; i++) {
		if (i < *told_n && told[i].price == now[i].price) {
			if (memcmp(&told[i], &now[i], sizeof(now[i])))
				made += entry(out + made, book, buy, MDP3_CHANGE, i, &now[i]);
			told[i] = now[i];
			continue;
		}
		made += entry(out + made, book, buy, MDP3_NEW, i, &now[i]);
		if (*told_n < MDP3_LEVELS)
			++*told_n;
		memmove(told + i + 1, told + i, (*told_n - i - 1) * sizeof(*told));
		told[i] = now[i];
	}
	return made;
}

static bool belongs(
	const struct mdp3_order *order, const struct mdp3_book *book, const struct mdp3_entry *e)
{
	return !order->told && order->book == book && order->buy == e->buy &&
	       order->price == e->level.price;
}

#define LEVEL_ORDERS 16 /* of a level in one message; the rest goes by order alone */

static uint32_t orders_of(
	const struct mdp3 *md, const struct mdp3_book *book, const struct mdp3_entry *e)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < md->orders_n && n < LEVEL_ORDERS; i++)
		n += belongs(&md->orders[i], book, e);
	return n;
}

static void levels_write(
	struct mdp3 *md, const struct mdp3_book *book, const struct mdp3_entry *entries, uint32_t n)
{
	struct sbe *m = mdp3_incremental(md, 46, MDP3_LAST_QUOTE);

	sbe_group(m, "NoMDEntries", MDP3_BOOK_ENTRY, false);
	for (uint32_t i = 0; i < n; i++)
		mdp3_write_level(m, book, &entries[i], md->feed.version);
	sbe_group(m, "NoOrderIDEntries", MDP3_BOOK_ORDER, true);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t left = LEVEL_ORDERS;

		for (struct mdp3_order *o = md->orders; o < md->orders + md->orders_n && left;
			o++) {
			if (!belongs(o, book, &entries[i]))
				continue;
			mdp3_write_level_order(m, o, i + 1);
			o->told = true;
			left--;
		}
	}
}

/* orders_tell: orders beyond the last level, or of a level that is as it was. */
static void orders_tell(struct mdp3 *md, const struct mdp3_book *book)
{
	uint32_t room = (mdp3_feed_room(&md->feed) - MDP3_ORDERS_BASE) / MDP3_ORDERS_ENTRY, n = 0;
	struct sbe *m = NULL;

	for (struct mdp3_order *o = md->orders; o < md->orders + md->orders_n; o++) {
		if (o->told || o->book != book)
			continue;
		if (n++ % room == 0) {
			m = mdp3_incremental(md, 47, MDP3_LAST_QUOTE);
			sbe_group(m, "NoMDEntries", MDP3_ORDERS_ENTRY, false);
		}
		mdp3_write_order(m, o);
		o->told = true;
	}
}

static void book_tell(struct mdp3 *md, struct mdp3_book *book)
{
	struct mdp3_entry entries[4 * MDP3_LEVELS];
	uint32_t n = levels_change(book, true, entries), from = 0, size = MDP3_BOOK_BASE;

	n += levels_change(book, false, entries + n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t bytes =
			MDP3_BOOK_ENTRY + MDP3_BOOK_ORDER * orders_of(md, book, &entries[i]);

		if (size + bytes > mdp3_feed_room(&md->feed)) {
			levels_write(md, book, entries + from, i - from);
			from = i;
			size = MDP3_BOOK_BASE;
		}
		size += bytes;
	}
	if (n > from)
		levels_write(md, book, entries + from, n - from);
	orders_tell(md, book);
}

void mdp3_stat_tell(struct mdp3 *md, struct mdp3_book *book, struct sbe **m, char type,
	uint32_t price, int64_t flag, int64_t size)
{
	if (!*m) {
		*m = mdp3_incremental(md, 51, MDP3_LAST_STATS);
		sbe_group(*m, "NoMDEntries", 24, false);
	}
	book->rpt_seq++;
	mdp3_write_session_stat(*m, book, type, mdp3_px(book, price), flag, size);
}

static void stats_tell(struct mdp3 *md, struct mdp3_book *book)
{
	uint32_t bid = book->levels[1] ? book->level[1][0].price : 0;
	uint32_t ask = book->levels[0] ? book->level[0][0].price : 0;
	struct sbe *m = NULL;

	for (uint32_t i = 0; i < md->trades_n; i++) {
		const struct mdp3_trade *trade = &md->trades[i];

		if (trade->book != book)
			continue;
		if (!book->open)
			mdp3_stat_tell(md, book, &m, '4', book->open = trade->price, 0, SBE_NULL);
		if (trade->price > book->high)
			mdp3_stat_tell(md, book, &m, '7', book->high = trade->price, SBE_NULL,
				(int64_t)trade->shares);
		if (!book->low || trade->price < book->low)
			mdp3_stat_tell(
				md, book, &m, '8', book->low = trade->price, SBE_NULL, SBE_NULL);
	}
	if (bid > book->high_bid)
		mdp3_stat_tell(md, book, &m, 'N', book->high_bid = bid, SBE_NULL, SBE_NULL);
	if (ask && (!book->low_offer || ask < book->low_offer))
		mdp3_stat_tell(md, book, &m, 'O', book->low_offer = ask, SBE_NULL, SBE_NULL);
}

static void settlement_tell(struct mdp3 *md, struct mdp3_book *book)
{
	int64_t date = mdp3_date(md);

	if (!book->settled)
		return;
	struct sbe *m = mdp3_incremental(md, 49, MDP3_LAST_STATS);

	book->settled = false;
	sbe_group(m, "NoMDEntries", 32, false);
	book->rpt_seq++;
	mdp3_write_daily_stat(m, book, '6', mdp3_px(book, book->settle), SBE_NULL, date, 1 | 2);
	book->rpt_seq++;
	mdp3_write_daily_stat(m, book, 'B', SBE_NULL, (int64_t)book->volume, SBE_NULL, 0);
	book->rpt_seq++;
	mdp3_write_daily_stat(m, book, 'C', SBE_NULL, 1000 + book->inst->locate, date - 1, 0);
}

static void event_tell(struct mdp3 *md)
{
	trades_tell(md);
	for (uint32_t i = 0; i < md->touched_n; i++)
		volume_tell(md, md->touched[i]);
	for (uint32_t i = 0; i < md->touched_n; i++)
		book_tell(md, md->touched[i]);
	for (uint32_t i = 0; i < md->touched_n; i++) {
		struct mdp3_book *book = md->touched[i];

		stats_tell(md, book);
		settlement_tell(md, book);
		book->touched = false;
		book->ts_ns = md->event_ns;
	}
	md->orders_n = md->trades_n = md->touched_n = 0;
}

void mdp3_event_close(struct mdp3 *md)
{
	if (!md->event_ns)
		return;
	event_tell(md);
	message_last(md);
	md->event_ns = 0;
}

struct sbe *mdp3_alone(struct mdp3 *md, uint64_t ts_ns)
{
	mdp3_event_close(md);
	md->event_ns = ts_ns;
	return message_next(md, 0);
}
