#include "tests/sim/market/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PRICE_MAX 2000000000 /* 200,000.0000, the most that ITCH allows */
#define IMBALANCES 3         /* messages an instrument before each cross */

static const double kernel_tau_ns[2] = {100e3, 4e6};
static const double kernel_children[2] = {.5, .3};

uint64_t flow_messages_min(uint32_t instruments)
{
	return 64 * (uint64_t)instruments + 512;
}

/* progress is where the day is, in messages or in ns, whichever bounds it. */
static uint64_t progress(const struct flow *flow)
{
	return flow->conf.messages ? flow->ex->messages : flow->next_ns - flow->conf.start_ns;
}

/* Arrivals excite more arrivals (a Hawkes process with two exponential kernels): 80 % of all are
 * children of others, so they come in bursts inside bursts, as on real feeds. One in 2,000 is news
 * and has 600 times the children of another. Drawn by thinning: the rate only falls until the next
 * arrival. */
static void arrival_next(struct flow *flow)
{
	const double children = kernel_children[0] + kernel_children[1];
	double action_messages = flow->action_messages / flow->actions;
	double base = (1 - children) / (flow->mean_gap_ns * action_messages);
	double elapsed = (double)(flow->next_ns - flow->conf.start_ns);
	double expected = elapsed / flow->mean_gap_ns, had = (double)flow->ex->messages, t = 0;

	/* clusters make the mean drift: the base rate leans against it */
	double lean = (expected + 1000) / (had + 1000);

	base *= lean > 3 ? 3 : lean * lean;
	double children_of_this = rng_chance(&flow->rng, .0005) ? 461.7 : .7696; /* 1 in the mean */

	for (int k = 0; k < 2; k++)
		flow->excited[k] += children_of_this * kernel_children[k] / kernel_tau_ns[k];
	for (;;) {
		double rate = base + flow->excited[0] + flow->excited[1];
		double gap = rng_exp(&flow->rng, 1 / rate);

		t += gap;
		for (int k = 0; k < 2; k++)
			flow->excited[k] *= exp(-gap / kernel_tau_ns[k]);
		double now = base + flow->excited[0] + flow->excited[1];

		if (rng_real(&flow->rng) * rate <= now)
			break;
	}
	flow->next_ns += 1 + (uint64_t)t;
}

static struct instrument *instrument_pick(struct flow *flow)
{
	if (flow->hot && rng_chance(&flow->rng, .5))
		return flow->hot;
	double x = rng_real(&flow->rng) * flow->weight_sum[flow->ex->inst_n - 1];
	uint32_t lo = 0, hi = flow->ex->inst_n - 1;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (flow->weight_sum[mid] > x)
			hi = mid;
		else
			lo = mid + 1;
	}
	return flow->hot = &flow->ex->inst[lo];
}

static uint32_t shares_pick(struct flow *flow)
{
	static const uint16_t lots[] = {
		100, 100, 100, 100, 100, 100, 200, 200, 300, 400, 500, 1000};

	if (rng_chance(&flow->rng, .2)) /* odd lots */
		return 1 + rng_below(&flow->rng, 99);
	if (rng_chance(&flow->rng, .005))
		return 5000 + rng_below(&flow->rng, 95000);
	return lots[rng_below(&flow->rng, sizeof(lots) / sizeof(lots[0]))];
}

/* price_passive is a price of the order's own side that trades with nothing; 0: there is none. */
static uint32_t price_passive(struct flow *flow, const struct instrument *inst, bool buy)
{
	uint32_t own = exchange_best(inst, buy), other = exchange_best_any(inst, !buy),
		 tick = inst->tick;
	uint32_t from = own ? own : inst->last / tick * tick, away;
	int64_t price, worse = buy ? -(int64_t)tick : (int64_t)tick;
	double kind = rng_real(&flow->rng);

	if (kind < .12)
		away = 0, from = (uint32_t)((int64_t)from - worse); /* improve by a tick */
	else if (kind < .45)
		away = 0;
	else if (kind < .99)
		away = 1 + rng_geometric(&flow->rng, .22, 60);
	else
		away = rng_below(&flow->rng, from / tick / 2 + 1); /* stub quotes, far off */
	price = (int64_t)from + worse * away;
	if (other && (buy ? price >= other : price <= other))
		price = (buy ? (other - 1) / tick : other / tick + 1) * tick;
	if (price < tick)
		price = other && buy ? 0 : tick;
	return price > PRICE_MAX ? PRICE_MAX : (uint32_t)price;
}

static bool side_pick(struct flow *flow, const struct instrument *inst, bool aggressive)
{
	int8_t *last = &flow->last_side[inst->locate - 1];

	if (!aggressive)
		return rng_below(&flow->rng, 2);
	/* orders that take come in runs of one side; the further from the morning's price, the more
	 * lean back */
	double away = log((double)inst->last / flow->anchor[inst->locate - 1]) * 20;

	if (rng_chance(&flow->rng, .35))
		*last = rng_chance(&flow->rng, away > .45 ? .05 : away < -.45 ? .95 : .5 - away);
	return *last;
}

static void act_add(struct flow *flow, struct instrument *inst, bool hidden)
{
	static const char *const mpids[] = {
		"ABCD", "NITE", "GSCO", "UBSS", "MLCO", "ATDF", "SIMX", "Q1  "};
	struct submit in = {.inst = inst, .owner = -1, .hidden = hidden};

	in.buy = side_pick(flow, inst, false);
	in.shares = shares_pick(flow);
	in.price = price_passive(flow, inst, in.buy);
	if (hidden) { /* a midpoint order, if there is a middle */
		uint32_t bid = exchange_best_any(inst, true), ask = exchange_best_any(inst, false);

		if (bid && ask && ask - bid > 1)
			in.price = bid + (ask - bid) / 2;
	} else if (rng_chance(&flow->rng, .03)) {
		in.mpid = mpids[rng_below(&flow->rng, sizeof(mpids) / sizeof(mpids[0]))];
	}
	if (in.price == 0 || !exchange_accepts(&in))
		return;
	in.slid = rng_chance(&flow->rng, .01);
	in.ref = exchange_ref(flow->ex);
	exchange_submit(flow->ex, &in);
}

static void act_take(struct flow *flow, struct instrument *inst)
{
	struct submit in = {.inst = inst, .owner = -1};
	uint32_t best;

	in.buy = side_pick(flow, inst, true);
	best = exchange_best(inst, !in.buy);
	if (!best || inst->state != 'T')
		return;
	const struct level *level = inst->best[!in.buy];
	const struct order *first = level->shown.head ? level->shown.head : level->hidden.head;
	double kind = rng_real(&flow->rng);

	in.price = best;
	in.shares = first->shares; /* most take just what is first in the queue */
	if (kind < .35) {
		in.shares = 1 + rng_below(&flow->rng, first->shares);
	} else if (kind > .95) { /* sweep the level, and some ticks more */
		uint32_t through = inst->tick * rng_below(&flow->rng, 3);

		in.shares += (uint32_t)level->shown.shares;
		in.price = in.buy ? best + through : best > through ? best - through : best;
	}
	in.ioc = !rng_chance(&flow->rng, .15);
	in.ref = exchange_ref(flow->ex);
	exchange_submit(flow->ex, &in);
}

/* order_pick prefers young orders: most are cancelled soon after they came. */
static struct order *order_pick(struct flow *flow, const struct instrument *inst)
{
	if (!inst->live_n)
		return NULL;
	uint32_t back = rng_chance(&flow->rng, .5) ? rng_geometric(&flow->rng, .1, inst->live_n - 1)
						   : rng_below(&flow->rng, inst->live_n);

	return inst->live[inst->live_n - 1 - back];
}

static void act_replace(struct flow *flow, struct order *o)
{
	uint32_t price = o->price;
	bool same = rng_chance(&flow->rng, .3);

	if (o->hidden)
		return;
	if (!same)
		price = price_passive(flow, o->inst, o->buy);
	if (price)
		exchange_replace(flow->ex, o, exchange_ref(flow->ex), shares_pick(flow), price);
}

/* act is one step of ordinary flow: mixed as on a real ITCH day (A/F 44 %, D 42 %, U 8 %, E 3.5 %).
 */
static void act(struct flow *flow, bool may_trade)
{
	struct instrument *inst = instrument_pick(flow);
	double full = (double)inst->live_n / flow->live_target;
	double add = 43, del = 40.5 * (full > 2 ? 2 : full), take = may_trade ? 1.9 : 0;
	double x = rng_real(&flow->rng) * (add + del + 8 + 1.2 + take + .8);
	struct order *o;

	if ((x -= add) < 0) {
		act_add(flow, inst, false);
	} else if ((x -= .8) < 0) {
		act_add(flow, inst, true);
	} else if ((x -= take) < 0) {
		act_take(flow, inst);
	} else if ((o = order_pick(flow, inst))) {
		if ((x -= del) < 0)
			exchange_delete(flow->ex, o);
		else if ((x -= 8) < 0)
			act_replace(flow, o);
		else if (o->shares > 1)
			exchange_reduce(flow->ex, o, 1 + rng_below(&flow->rng, o->shares - 1));
	}
}

static void emit(struct flow *flow, struct msg msg)
{
	exchange_emit(flow->ex, &msg);
}

static void emit_state(struct flow *flow, struct instrument *inst, char state, const char *reason)
{
	struct msg msg = {.type = 'H', .inst = inst, .code = state};

	memcpy(msg.reason, reason, 4);
	inst->state = state;
	emit(flow, msg);
}

static void emit_participant(struct flow *flow, struct instrument *inst)
{
	static const char *const mpids[] = {"NITE", "GSCO", "UBSS", "MLCO", "ATDF", "SIMX"};
	struct msg msg = {.type = 'L', .inst = inst};

	memcpy(msg.mpid, mpids[rng_below(&flow->rng, 6)], 4);
	msg.flag = "YN"[rng_below(&flow->rng, 2)];
	msg.mode = rng_chance(&flow->rng, .9) ? 'N' : "PSRL"[rng_below(&flow->rng, 4)];
	msg.state = rng_chance(&flow->rng, .9) ? 'A' : "EWSD"[rng_below(&flow->rng, 4)];
	emit(flow, msg);
}

static void emit_imbalance(struct flow *flow, struct instrument *inst, char cross)
{
	uint32_t bid = exchange_best(inst, true), ask = exchange_best(inst, false);
	struct msg msg = {.type = 'I', .inst = inst, .code = cross};

	msg.side =
		cross == 'H' && rng_chance(&flow->rng, .1) ? 'P' : "BSNO"[rng_below(&flow->rng, 4)];
	msg.flag = "L123456789ABC "[rng_below(&flow->rng, 14)];
	msg.reference = inst->last;
	if (msg.side != 'O') {
		msg.shares = 100 * (uint64_t)rng_below(&flow->rng, 5000);
		msg.price = bid && msg.side == 'S' ? bid : ask ? ask : inst->last;
		msg.far = rng_chance(&flow->rng, .5) ? msg.price : 0;
	}
	if (msg.side == 'B' || msg.side == 'S')
		msg.imbalance = 1 + rng_below(&flow->rng, 200000);
	emit(flow, msg);
}

static void cross(struct flow *flow, struct instrument *inst, char type)
{
	bool none = rng_chance(&flow->rng, .15);

	exchange_cross(
		flow->ex, inst, type, none ? 0 : 100 * (1 + (uint64_t)rng_below(&flow->rng, 3000)));
}

static void spin(struct flow *flow, struct instrument *inst)
{
	emit(flow, (struct msg){.type = 'R', .inst = inst});
	emit_state(flow, inst, 'T', "    ");
	emit(flow, (struct msg){.type = 'Y',
			   .inst = inst,
			   .code = rng_chance(&flow->rng, .95) ? '0' : '2'});
	for (uint32_t n = rng_below(&flow->rng, 3); n > 0; n--)
		emit_participant(flow, inst);
}

/* Halts: a stage each few hundred messages. 0 halted ► 1 quoting ► 2, 3 imbalances ► 4 cross and
 * trading. */
static void halt_start(struct flow *flow, struct instrument *inst, bool volatility)
{
	for (int i = 0; i < HALTS_MAX; i++) {
		struct halt *halt = &flow->halts[i];

		if (halt->inst || inst->state != 'T')
			continue;
		emit_state(flow, inst, volatility ? 'P' : 'H', volatility ? "LUDP" : "T1  ");
		if (volatility) {
			uint32_t price = inst->last, band = price / 20;

			emit(flow, (struct msg){.type = 'J',
					   .inst = inst,
					   .reference = price,
					   .upper = price + band,
					   .lower = price - band,
					   .extension = rng_below(&flow->rng, 3)});
		}
		*halt = (struct halt){.inst = inst, .due = flow->ex->messages + 200};
		return;
	}
}

static void halt_step(struct flow *flow, struct halt *halt)
{
	struct instrument *inst = halt->inst;

	halt->due += 100;
	switch (halt->stage++) {
	case 0:
		emit_state(flow, inst, 'Q', "T3  ");
		break;
	case 1:
	case 2:
		emit_imbalance(flow, inst, 'H');
		break;
	default:
		cross(flow, inst, 'H');
		emit_state(flow, inst, 'T', "    ");
		halt->inst = NULL;
	}
}

static void market_step(struct flow *flow)
{
	static const struct {
		char state;
		char reason[5];
	} stage[] = {{'H', "MWC1"}, {'Q', "MWCQ"}, {'T', "    "}};
	int n = flow->market.stage++;

	if (n == 0)
		emit(flow, (struct msg){.type = 'W', .code = '1'});
	for (uint32_t i = 0; i < flow->ex->inst_n; i++)
		emit_state(flow, &flow->ex->inst[i], stage[n].state, stage[n].reason);
	flow->market.due = n < 2 ? flow->ex->messages + 300 : 0;
}

static void halts_step(struct flow *flow, bool all)
{
	for (int i = 0; i < HALTS_MAX; i++)
		while (flow->halts[i].inst && (all || flow->halts[i].due <= flow->ex->messages))
			halt_step(flow, &flow->halts[i]);
	while (flow->market.due && (all || flow->market.due <= flow->ex->messages))
		market_step(flow);
}

/* rare goes round what happens a few times a day, so that every type occurs in a day of some
 * length. */
static void rare(struct flow *flow)
{
	struct instrument *inst = instrument_pick(flow);
	struct rng *rng = &flow->rng;
	uint32_t last = inst->last;

	switch (flow->rare_n++ % 10) {
	case 0:
		halt_start(flow, inst, true);
		break;
	case 1:
		emit(flow,
			(struct msg){.type = 'N', .inst = inst, .side = "BSAN"[rng_below(rng, 4)]});
		break;
	case 2:
		if (flow->matches_n)
			emit(flow, (struct msg){.type = 'B',
					   .match = flow->matches[rng_below(rng,
						   flow->matches_n < MATCHES_MAX ? flow->matches_n
										 : MATCHES_MAX)]});
		break;
	case 3:
		emit(flow, (struct msg){.type = 'K',
				   .inst = inst,
				   .code = "AC"[rng_below(rng, 2)],
				   .release_s = (uint32_t)((flow->next_ns - flow->ex->midnight_ns) /
								   1000000000 +
							   900),
				   .price = last});
		break;
	case 4:
		emit(flow,
			(struct msg){.type = 'Y', .inst = inst, .code = "012"[rng_below(rng, 3)]});
		break;
	case 5:
		halt_start(flow, inst, false);
		break;
	case 6:
		emit(flow, (struct msg){.type = 'h',
				   .inst = inst,
				   .flag = "BX"[rng_below(rng, 2)],
				   .code = "HT"[rng_below(rng, 2)]});
		break;
	case 7:
		emit(flow, (struct msg){.type = 'O',
				   .inst = inst,
				   .code = "YN"[rng_below(rng, 2)],
				   .lower = last - last / 5,
				   .upper = last + last / 5,
				   .price = last,
				   .near_ns = flow->next_ns - flow->ex->midnight_ns + 60000000000,
				   .far = last - last / 10,
				   .reference = last + last / 10});
		break;
	case 8:
		emit_participant(flow, inst);
		break;
	default: /* once, in a day so long that its messages do not dominate */
		for (int i = 0; i < HALTS_MAX; i++)
			if (flow->halts[i].inst)
				return;
		if (!flow->market.stage && flow->day_messages > 60. * flow->ex->inst_n)
			market_step(flow);
	}
}

static void phase_enter(struct flow *flow, enum phase phase)
{
	flow->phase = phase;
	flow->step = 0;
	flow->phase_at = progress(flow);
}

static void system_event(struct flow *flow, char code)
{
	emit(flow, (struct msg){.type = 'S', .code = code});
}

/* imbalances spreads IMBALANCES rounds over all instruments evenly from the begin of a phase to its
 * end. */
static void imbalances(struct flow *flow, uint64_t end, char type)
{
	uint64_t at = progress(flow), all = (uint64_t)IMBALANCES * flow->ex->inst_n;
	double part = end > flow->phase_at
			      ? (double)(at - flow->phase_at) / (double)(end - flow->phase_at)
			      : 1;

	/* twice as fast as the phase goes, as each of them is progress as well */
	if (flow->step < all && (double)flow->step <= 2 * part * (double)all)
		emit_imbalance(flow, &flow->ex->inst[flow->step++ % flow->ex->inst_n], type);
}

static void step_spin(struct flow *flow)
{
	struct exchange *ex = flow->ex;

	if (flow->step == 0) {
		system_event(flow, 'O');
		uint64_t index = 500000000000; /* S&P 500 of 5,000 points: 7, 13 and 20 % below */

		emit(flow, (struct msg){.type = 'V',
				   .level_e8 = {
					   index / 100 * 93, index / 100 * 87, index / 100 * 80}});
	}
	spin(flow, &ex->inst[flow->step++]);
	if (flow->step < ex->inst_n)
		return;
	system_event(flow, 'S');
	if (flow->open_at < progress(flow))
		flow->open_at = progress(flow);
	phase_enter(flow, PHASE_PRE_OPEN);
}

static void step_cross(struct flow *flow, char type, enum phase next)
{
	struct exchange *ex = flow->ex;

	if (flow->step == 0)
		system_event(flow, type == 'O' ? 'Q' : 'M');
	cross(flow, &ex->inst[flow->step++], type);
	if (flow->step == ex->inst_n)
		phase_enter(flow, next);
}

static void step_trading(struct flow *flow)
{
	act(flow, true);
	if (flow->ex->messages >= flow->rare_at) {
		flow->rare_at = flow->ex->messages + flow->rare_every;
		rare(flow);
	}
	halts_step(flow, false);
	if (progress(flow) >= flow->close_at) {
		halts_step(flow, true);
		phase_enter(flow, PHASE_CLOSING);
	}
}

static void step_after(struct flow *flow)
{
	const struct flow_conf *conf = &flow->conf;
	bool more = conf->messages ? flow->ex->messages + 2 < conf->messages
				   : flow->next_ns - conf->start_ns < conf->duration_ns;

	if (more) {
		act(flow, false); /* without trades an action is at most one message: the day ends
				     exactly */
		return;
	}
	system_event(flow, 'E');
	system_event(flow, 'C');
	phase_enter(flow, PHASE_DONE);
}

void flow_step(struct flow *flow)
{
	struct exchange *ex = flow->ex;
	uint64_t before = ex->messages;
	uint64_t cross_at = flow->close_at; /* when CLOSING ends */

	if (ex->now_ns < flow->next_ns)
		ex->now_ns = flow->next_ns;
	switch (flow->phase) {
	case PHASE_SPIN:
		step_spin(flow);
		break;
	case PHASE_PRE_OPEN:
		act(flow, true);
		imbalances(flow, flow->open_at, 'O');
		if (progress(flow) >= flow->open_at)
			phase_enter(flow, PHASE_OPENING);
		break;
	case PHASE_OPENING:
		step_cross(flow, 'O', PHASE_TRADING);
		break;
	case PHASE_TRADING:
		step_trading(flow);
		break;
	case PHASE_CLOSING:
		cross_at += flow->conf.messages ? 10 * (uint64_t)ex->inst_n
						: flow->conf.duration_ns / 50;
		act(flow, true);
		imbalances(flow, cross_at, 'C');
		if (progress(flow) >= cross_at)
			phase_enter(flow, PHASE_CROSS);
		break;
	case PHASE_CROSS:
		step_cross(flow, 'C', PHASE_AFTER);
		break;
	case PHASE_AFTER:
		step_after(flow);
		break;
	case PHASE_DONE:
		return;
	}
	if (flow->phase == PHASE_TRADING) { /* learns how many messages an action makes */
		flow->actions++;
		flow->action_messages += (double)(ex->messages - before);
	}
	if (flow->phase == PHASE_SPIN || flow->phase == PHASE_OPENING || flow->phase == PHASE_CROSS)
		flow->next_ns +=
			1 + rng_below(&flow->rng, (uint32_t)fmin(2 * flow->mean_gap_ns, 40e3));
	else
		arrival_next(flow);
}

void flow_trade(struct flow *flow, uint64_t match)
{
	flow->matches[flow->matches_n++ % MATCHES_MAX] = match;
}

int flow_init(struct flow *flow, struct exchange *ex, const struct flow_conf *conf)
{
	uint32_t n = ex->inst_n;

	*flow = (struct flow){.ex = ex, .conf = *conf, .next_ns = conf->start_ns};
	rng_seed(&flow->rng, conf->seed, conf->stream * 16 + 2);
	flow->weight_sum = calloc(n, sizeof(*flow->weight_sum));
	flow->last_side = calloc(n, sizeof(*flow->last_side));
	flow->anchor = calloc(n, sizeof(*flow->anchor));
	if (!flow->weight_sum || !flow->last_side || !flow->anchor) {
		flow_free(flow);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		flow->anchor[i] = ex->inst[i].last;
	for (uint32_t i = 0; i < n; i++) /* few instruments get most of the orders */
		flow->weight_sum[i] = (i ? flow->weight_sum[i - 1] : 0) + pow(i + 4, -.9);
	flow->mean_gap_ns = 1e9 / conf->rate;
	flow->actions = 100;
	flow->action_messages = 110;
	if (conf->messages) {
		uint64_t some = conf->messages / 25, need = 16 * (uint64_t)n + 128;

		flow->day_messages = (double)conf->messages;
		flow->open_at = 6 * (uint64_t)n + some;
		flow->close_at = conf->messages - (some > need ? some : need) - 8 * (uint64_t)n;
	} else {
		flow->day_messages = (double)conf->duration_ns / flow->mean_gap_ns;
		flow->open_at = conf->duration_ns / 20;
		flow->close_at = conf->duration_ns / 100 * 93;
	}
	flow->live_target = flow->day_messages / 40 / n;
	flow->live_target = flow->live_target < 5     ? 5
			    : flow->live_target > 400 ? 400
						      : flow->live_target;
	flow->rare_every = (uint64_t)(flow->day_messages / 60);
	flow->rare_every = flow->rare_every < 20     ? 20
			   : flow->rare_every > 5000 ? 5000
						     : flow->rare_every;
	return 0;
}

void flow_free(struct flow *flow)
{
	free(flow->weight_sum);
	free(flow->last_side);
	free(flow->anchor);
	*flow = (struct flow){0};
}
