#include "tests/sim/market/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* chunk is memory for many orders and levels at once; all of it is freed with the exchange. */
#define CHUNK_ITEMS 4096
struct chunk {
	struct chunk *next;
	char memory[];
};

#define DIE_WITHOUT_MEMORY(p)                                                                      \
	do {                                                                                       \
		if (!(p)) {                                                                        \
			fputs("feed-sim: out of memory\n", stderr);                                \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static void *chunk_new(struct exchange *ex, size_t item)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + CHUNK_ITEMS * item);

	DIE_WITHOUT_MEMORY(chunk);
	chunk->next = ex->chunks;
	ex->chunks = chunk;
	return chunk->memory;
}

static struct order *order_new(struct exchange *ex)
{
	if (!ex->spare_orders) {
		struct order *all = chunk_new(ex, sizeof(*all));

		for (int i = CHUNK_ITEMS - 1; i >= 0; i--) {
			all[i].next = ex->spare_orders;
			ex->spare_orders = &all[i];
		}
	}
	struct order *o = ex->spare_orders;

	ex->spare_orders = o->next;
	*o = (struct order){.slot = UINT32_MAX, .owner = -1};
	return o;
}

static struct level *level_new(struct exchange *ex)
{
	if (!ex->spare_levels) {
		struct level *all = chunk_new(ex, sizeof(*all));

		for (int i = CHUNK_ITEMS - 1; i >= 0; i--) {
			all[i].worse = ex->spare_levels;
			ex->spare_levels = &all[i];
		}
	}
	struct level *level = ex->spare_levels;

	ex->spare_levels = level->worse;
	*level = (struct level){0};
	return level;
}

/* level_at finds or makes the level of a price; levels are ordered from the best on. */
static struct level *level_at(
	struct exchange *ex, struct instrument *inst, bool buy, uint32_t price)
{
	struct level *better = NULL, *at = inst->best[buy];

	while (at && (buy ? at->price > price : at->price < price)) {
		better = at;
		at = at->worse;
	}
	if (at && at->price == price)
		return at;
	struct level *level = level_new(ex);

	level->price = price;
	level->better = better;
	level->worse = at;
	if (at)
		at->better = level;
	*(better ? &better->worse : &inst->best[buy]) = level;
	return level;
}

static struct queue *queue_of(struct order *o)
{
	return o->hidden ? &o->level->hidden : &o->level->shown;
}

static void order_stand(struct exchange *ex, struct order *o)
{
	struct instrument *inst = o->inst;

	o->level = level_at(ex, inst, o->buy, o->price);
	struct queue *q = queue_of(o);

	o->prev = q->tail;
	o->next = NULL;
	*(q->tail ? &q->tail->next : &q->head) = o;
	q->tail = o;
	q->shares += o->shares;
	q->count++;
	if (o->owner >= 0)
		return;
	if (inst->live_n == inst->live_size) {
		inst->live_size = inst->live_size ? inst->live_size * 2 : 64;
		inst->live = realloc(inst->live, inst->live_size * sizeof(*inst->live));
		DIE_WITHOUT_MEMORY(inst->live);
	}
	o->slot = inst->live_n;
	inst->live[inst->live_n++] = o;
}

static void order_leave(struct exchange *ex, struct order *o)
{
	struct instrument *inst = o->inst;
	struct level *level = o->level;
	struct queue *q = queue_of(o);

	*(o->prev ? &o->prev->next : &q->head) = o->next;
	*(o->next ? &o->next->prev : &q->tail) = o->prev;
	q->shares -= o->shares;
	q->count--;
	if (level->shown.count + level->hidden.count == 0) {
		*(level->better ? &level->better->worse : &inst->best[o->buy]) = level->worse;
		if (level->worse)
			level->worse->better = level->better;
		level->worse = ex->spare_levels;
		ex->spare_levels = level;
	}
	if (o->slot != UINT32_MAX) {
		struct order *last = inst->live[--inst->live_n];

		inst->live[o->slot] = last;
		last->slot = o->slot;
	}
	o->next = ex->spare_orders;
	ex->spare_orders = o;
}

uint64_t exchange_ref(struct exchange *ex)
{
	/* real reference numbers are shared by all products of the venue: they grow in steps */
	return ex->next_ref += 1 + rng_below(&ex->rng, 8);
}

void exchange_emit(struct exchange *ex, struct msg *msg)
{
	msg->ts_ns = ex->now_ns;
	msg->locate = msg->inst ? msg->inst->locate : 0;
	msg->tracking = (uint16_t)(rng_below(&ex->rng, 6) * 2);
	ex->messages++;
	ex->by_type[(unsigned char)msg->type & 127]++;
	ex->on_message(ex->ctx, msg);
	ex->now_ns +=
		rng_below(&ex->rng, 150); /* the next one follows at once, often in the same ns */
}

uint32_t exchange_best_any(const struct instrument *inst, bool buy)
{
	return inst->best[buy] ? inst->best[buy]->price : 0;
}

uint32_t exchange_best(const struct instrument *inst, bool buy)
{
	const struct level *level = inst->best[buy];

	while (level && !level->shown.count)
		level = level->worse;
	return level ? level->price : 0;
}

static bool crosses(const struct instrument *inst, bool buy, uint32_t price)
{
	const struct level *best = inst->best[!buy];

	return best && (buy ? best->price <= price : best->price >= price);
}

static void tell_owner(struct exchange *ex, int32_t owner, const struct msg *trade, uint32_t price,
	uint32_t leaves, bool maker)
{
	if (owner < 0)
		return;
	struct fill fill = {.owner = owner,
		.match = trade->match,
		.ts_ns = trade->ts_ns,
		.shares = (uint32_t)trade->shares,
		.price = price,
		.leaves = leaves,
		.maker = maker};

	ex->on_fill(ex->ctx, &fill);
}

static uint64_t match_next(struct exchange *ex)
{
	return ex->next_match += 1 + rng_below(&ex->rng, 3);
}

/* take executes shares of the first order of a level against one that came in. */
static void take(struct exchange *ex, struct order *o, uint32_t shares, const struct submit *taker,
	uint32_t taker_leaves)
{
	struct instrument *inst = o->inst;
	uint32_t price = o->exec_price;
	struct msg msg = {.inst = inst,
		.ref = o->ref,
		.shares = shares,
		.match = match_next(ex),
		.price = price,
		.buys = o->buy,
		.order_price = o->price,
		.order_shares = o->shares - shares,
		.taker = taker->ref};

	if (o->hidden) { /* the order was never seen: no reference, and always "B" since 2014 */
		msg.type = 'P';
		msg.ref = 0;
		msg.side = 'B';
	} else if (price != o->price) {
		msg.type = 'C';
		msg.code = 'Y';
	} else {
		msg.type = 'E';
	}
	exchange_emit(ex, &msg);
	int32_t owner = o->owner;
	uint32_t leaves = o->shares - shares;

	queue_of(o)->shares -= shares;
	o->shares = leaves;
	if (!leaves)
		order_leave(ex, o);
	inst->last = price;
	inst->shares_executed += 2 * (uint64_t)shares;
	tell_owner(ex, owner, &msg, price, leaves, true);
	tell_owner(ex, taker->owner, &msg, price, taker_leaves, false);
}

bool exchange_accepts(const struct submit *in)
{
	return in->inst->state == 'T' || !crosses(in->inst, in->buy, in->price);
}

struct order *exchange_submit(struct exchange *ex, const struct submit *in)
{
	struct instrument *inst = in->inst;
	uint32_t left = in->shares;

	inst->shares_in += left;
	while (left && crosses(inst, in->buy, in->price)) {
		struct level *best = inst->best[!in->buy];
		struct order *o = best->shown.head ? best->shown.head : best->hidden.head;
		uint32_t shares = left < o->shares ? left : o->shares;

		left -= shares;
		take(ex, o, shares, in, left);
	}
	if (!left)
		return NULL;
	if (in->ioc) {
		inst->shares_cancelled += left;
		return NULL;
	}
	struct order *o = order_new(ex);

	o->ref = in->ref;
	o->inst = inst;
	o->buy = in->buy;
	o->hidden = in->hidden;
	o->price = o->exec_price = in->price;
	if (in->slid && !in->hidden && inst->tick > 1)
		o->exec_price = in->buy ? in->price + inst->tick / 2 : in->price - inst->tick / 2;
	o->shares = left;
	o->owner = in->owner;
	if (in->mpid)
		memcpy(o->mpid, in->mpid, 4);
	order_stand(ex, o);
	if (!o->hidden) {
		struct msg msg = {.type = in->mpid ? 'F' : 'A',
			.inst = inst,
			.ref = o->ref,
			.side = o->buy ? 'B' : 'S',
			.shares = left,
			.price = o->price,
			.buys = o->buy,
			.order_price = o->price,
			.order_shares = left};

		memcpy(msg.mpid, o->mpid, sizeof(msg.mpid));
		exchange_emit(ex, &msg);
	}
	return o;
}

void exchange_reduce(struct exchange *ex, struct order *o, uint32_t shares)
{
	o->shares -= shares;
	queue_of(o)->shares -= shares;
	o->inst->shares_cancelled += shares;
	if (!o->hidden)
		exchange_emit(ex, &(struct msg){.type = 'X',
					  .inst = o->inst,
					  .ref = o->ref,
					  .shares = shares,
					  .buys = o->buy,
					  .order_price = o->price,
					  .order_shares = o->shares});
}

void exchange_delete(struct exchange *ex, struct order *o)
{
	struct msg msg = {.type = 'D',
		.inst = o->inst,
		.ref = o->ref,
		.buys = o->buy,
		.order_price = o->price,
		.order_shares = o->shares};
	bool hidden = o->hidden;

	o->inst->shares_cancelled += o->shares;
	order_leave(ex, o);
	if (!hidden)
		exchange_emit(ex, &msg);
}

struct order *exchange_replace(
	struct exchange *ex, struct order *o, uint64_t ref, uint32_t shares, uint32_t price)
{
	struct instrument *inst = o->inst;
	struct order old = *o;

	if (o->hidden || crosses(inst, o->buy, price)) {
		exchange_delete(ex, o);
		return exchange_submit(ex, &(struct submit){.ref = ref,
						   .inst = inst,
						   .price = price,
						   .shares = shares,
						   .buy = old.buy,
						   .hidden = old.hidden,
						   .mpid = old.mpid[0] ? old.mpid : NULL,
						   .owner = old.owner});
	}
	inst->shares_cancelled += o->shares;
	inst->shares_in += shares;
	order_leave(ex, o);
	o = order_new(ex);
	o->ref = ref;
	o->inst = inst;
	o->buy = old.buy;
	o->price = o->exec_price = price;
	o->shares = shares;
	o->owner = old.owner;
	memcpy(o->mpid, old.mpid, sizeof(o->mpid));
	order_stand(ex, o);
	exchange_emit(ex, &(struct msg){.type = 'U',
				  .inst = inst,
				  .ref = old.ref,
				  .new_ref = ref,
				  .shares = shares,
				  .price = price,
				  .buys = old.buy,
				  .order_price = old.price,
				  .order_shares = old.shares});
	return o;
}

void exchange_cross(struct exchange *ex, struct instrument *inst, char type, uint64_t paired)
{
	bool stand_buys =
		rng_below(&ex->rng, 2); /* the side whose standing orders meet the excess */
	uint32_t orders_max = paired ? rng_below(&ex->rng, 4) : 0, orders = 0, price = 0;
	uint64_t excess = 0;
	struct msg cross = {.type = 'Q', .inst = inst, .code = type};

	for (struct level *level = inst->best[stand_buys]; level && orders < orders_max;
		level = level->worse)
		for (int pass = 0; pass < 2; pass++)
			for (struct order *o = pass ? level->hidden.head : level->shown.head;
				o && orders < orders_max; o = o->next, orders++) {
				bool part = orders + 1 == orders_max && o->shares > 1;

				excess += part ? o->shares / 2 : o->shares;
				price = level->price;
			}
	if (!price) {
		uint32_t bid = exchange_best_any(inst, true), ask = exchange_best_any(inst, false);

		price = bid && inst->last < bid ? bid : ask && inst->last > ask ? ask : inst->last;
	}
	/* one match number covers the whole auction; shares of standing orders print with it, not
	 * before */
	cross.match = match_next(ex);
	cross.shares = paired + excess;
	cross.price = cross.shares ? price : 0;
	while (excess) {
		struct level *best = inst->best[stand_buys];
		struct order *o = best->shown.head ? best->shown.head : best->hidden.head;
		uint32_t shares = excess < o->shares ? (uint32_t)excess : o->shares;
		uint32_t leaves = o->shares - shares;
		int32_t owner = o->owner;
		struct msg msg = {.type = 'C',
			.inst = inst,
			.ref = o->ref,
			.shares = shares,
			.match = cross.match,
			.code = 'N',
			.price = price,
			.buys = o->buy,
			.order_price = o->price,
			.order_shares = leaves};
		bool hidden = o->hidden;

		excess -= shares;
		o->shares = leaves;
		queue_of(o)->shares -= shares;
		if (!leaves)
			order_leave(ex, o);
		inst->shares_executed += shares; /* the other side was never in the book */
		msg.ts_ns = ex->now_ns;
		if (!hidden)
			exchange_emit(ex, &msg);
		tell_owner(ex, owner, &msg, price, leaves, true);
	}
	if (cross.shares)
		inst->last = price;
	exchange_emit(ex, &cross);
}

static const char *check_queue(const struct queue *q, const struct level *level, uint64_t *resting)
{
	uint64_t shares = 0;
	uint32_t count = 0;
	const struct order *prev = NULL;

	for (const struct order *o = q->head; o; prev = o, o = o->next) {
		if (!o->shares)
			return "an order without shares stands";
		if (o->level != level || o->prev != prev)
			return "an order is linked wrongly";
		if (prev && prev->ref >= o->ref)
			return "time priority is broken";
		shares += o->shares;
		count++;
	}
	if (q->tail != prev || q->count != count || q->shares != shares)
		return "a level's sums differ from its orders";
	*resting += shares;
	return NULL;
}

const char *exchange_check(const struct instrument *inst)
{
	uint64_t resting = 0;

	for (int buy = 0; buy < 2; buy++)
		for (const struct level *l = inst->best[buy], *p = NULL; l; p = l, l = l->worse) {
			const char *wrong = check_queue(&l->shown, l, &resting);

			if (!wrong)
				wrong = check_queue(&l->hidden, l, &resting);
			if (wrong)
				return wrong;
			if (l->shown.count + l->hidden.count == 0)
				return "an empty level stands";
			if (l->better != p ||
				(p && (buy ? p->price <= l->price : p->price >= l->price)))
				return "levels are out of order";
		}
	uint32_t bid = exchange_best_any(inst, true), ask = exchange_best_any(inst, false);

	if (bid && ask && bid >= ask)
		return "the book is crossed";
	if (inst->shares_in != inst->shares_executed + inst->shares_cancelled + resting)
		return "shares were lost or made";
	return NULL;
}

/* instrument_name gives index n a name that no other index has; some of the kinds of suffix Nasdaq
 * lists. */
static void instrument_name(char name[9], uint32_t n, uint64_t seed)
{
	static const char *const known[] = {"AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA",
		"AVGO", "BRK.A", "COST", "NFLX", "AMD", "INTC", "CSCO", "QQQ", "SPY", "ADBE", "PEP",
		"TXN", "QCOM", "F", "T", "MU", "C"};
	static const char *const suffix[] = {".A", "+", "-A", "W.WS", "=", "#", "^", "$"};
	const uint32_t known_n = sizeof(known) / sizeof(known[0]), all = 26 * 26 * 26 * 26;

	if (n < known_n) {
		snprintf(name, 9, "%s", known[n]);
		return;
	}
	uint64_t x = ((uint64_t)n * 7919 + seed * 104729) % all; /* 7919 and 26 share no factor */

	for (int i = 3; i >= 0; i--, x /= 26)
		name[i] = (char)('A' + x % 26);
	name[4] = 0;
	for (uint32_t i = 0; i < known_n; i++)
		if (!strcmp(name, known[i]))
			memcpy(name + 4, "X", 2);
	if (n % 11 == 0 && !name[4])
		snprintf(name + 4, 5, "%s", suffix[n / 11 % 8]);
}

static void instrument_init(struct instrument *inst, struct rng *rng)
{
	bool fund = rng_chance(rng, .15);

	inst->state = 'H'; /* until the directory spin says otherwise */
	inst->round_lot = 100;
	inst->tick = 100;
	inst->last = (uint32_t)(100 * (uint32_t)exp(5.5 + 4.5 * rng_real(rng))); /* 2.44 … 220 */
	if (rng_chance(rng, .04)) { /* below a dollar, prices have four decimals */
		inst->last = 1000 + rng_below(rng, 8000);
		inst->tick = 1;
	}
	if (!strcmp(inst->symbol, "BRK.A")) {
		inst->last = 1812345600; /* fits 32 bits only without a sign */
		inst->round_lot = 1;
		inst->tick = 100;
	}
	inst->category = "QGSNAPZV"[rng_below(rng, 8)];
	inst->financial = rng_chance(rng, .97) ? 'N' : "DEQSGHJKC"[rng_below(rng, 9)];
	inst->issue = fund ? 'Q' : "COAPRW"[rng_below(rng, 6)];
	memcpy(inst->subtype, fund ? "E " : "Z ", 2);
	inst->luld_tier = inst->tick == 1 ? ' ' : "12"[rng_below(rng, 2)];
	inst->etp = fund ? 'Y' : 'N';
	inst->ipo = rng_chance(rng, .02) ? 'Y' : 'N';
	inst->short_sale = rng_chance(rng, .02) ? 'Y' : 'N';
}

int exchange_init(struct exchange *ex, uint32_t n, uint64_t seed, uint32_t stream)
{
	*ex = (struct exchange){.inst_n = n};
	ex->inst = calloc(n, sizeof(*ex->inst));
	if (!ex->inst)
		return -ENOMEM;
	rng_seed(&ex->rng, seed, stream * 16 + 1);
	ex->next_ref = rng_below(&ex->rng, 100000);
	ex->next_match = 16384 + rng_below(&ex->rng, 1000);
	for (uint32_t i = 0; i < n; i++) {
		ex->inst[i].locate = (uint16_t)(i + 1);
		instrument_name(ex->inst[i].symbol, stream * n + i, seed);
		instrument_init(&ex->inst[i], &ex->rng);
	}
	return 0;
}

void exchange_free(struct exchange *ex)
{
	for (uint32_t i = 0; i < ex->inst_n; i++)
		free(ex->inst[i].live);
	free(ex->inst);
	while (ex->chunks) {
		struct chunk *chunk = ex->chunks;

		ex->chunks = chunk->next;
		free(chunk);
	}
	*ex = (struct exchange){0};
}
