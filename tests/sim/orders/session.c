#include "tests/sim/orders/session.h"

#include <stdlib.h>
#include <string.h>

#define TRAVEL_NS 150000    /* from the client's write to the gateway, above TCP_HOLD_MAX_NS */
#define PATIENCE_NS 1000000 /* the client leaves a new order alone for so long */

static const char *const side_name[2] = {"client", "gateway"};

/* start begins a message; a side's clock never goes back, also where the exchange ran ahead inside
 * a burst. */
static void start(struct fix *fix, struct session *s, int from, const char *type, uint64_t ts_ns)
{
	if (s->sent_ns[from] < ts_ns)
		s->sent_ns[from] = ts_ns;
	fix_clear(fix);
	fix_text(fix, 35, type);
	fix_text(fix, 49, from == CLIENT ? s->conf.client : s->conf.gateway);
	fix_text(fix, 56, from == CLIENT ? s->conf.gateway : s->conf.client);
	fix_u64(fix, 34, ++s->seq[from]);
	fix_time(fix, 52, s->sent_ns[from]);
}

static void finish(struct fix *fix, struct session *s, int from)
{
	char bytes[FIX_BYTES_MAX];
	size_t len = fix_write(fix, bytes);

	fix_truth(s->truth, side_name[from], s->seq[from], s->sent_ns[from], fix);
	tcp_write(&s->tcp, from, s->sent_ns[from], bytes, len);
	s->messages++;
}

static void client_id(struct fix *fix, uint32_t tag, uint32_t id)
{
	char text[16];

	snprintf(text, sizeof(text), "C%08u", id);
	fix_text(fix, tag, text);
}

/* later queues a request that takes effect after its way through the network. */
static struct request *later(struct session *s, int kind, uint64_t ts_ns)
{
	struct request *request = &s->requests[s->tail++ % REQUESTS_MAX];

	*request =
		(struct request){.kind = kind, .due_ns = ts_ns + TRAVEL_NS, .seq = s->seq[CLIENT]};
	return request;
}

static void logon(struct session *s, int from, uint64_t ts_ns)
{
	struct fix fix;

	start(&fix, s, from, "A", ts_ns);
	fix_text(&fix, 98, "0");
	fix_u64(&fix, 108, s->conf.heartbeat_s);
	if (from == CLIENT) {
		fix_u64(&fix, 95, strlen(s->conf.secret));
		fix_text(&fix, 96, s->conf.secret);
	}
	fix_text(&fix, 141, "Y");
	if (from == CLIENT) {
		fix_text(&fix, 553, s->conf.user);
		fix_text(&fix, 554, s->conf.password);
	}
	finish(&fix, s, from);
}

void session_open(struct session *s, uint64_t ts_ns)
{
	ts_ns = tcp_open(&s->tcp, ts_ns) + 50000;
	s->open = true;
	s->sent_ns[GATEWAY] = ts_ns; /* its heartbeats count from here */
	logon(s, CLIENT, ts_ns);
	later(s, ASK_LOGON, ts_ns);
	s->next_ns = ts_ns + 2 * TRAVEL_NS;
}

void session_logout(struct session *s, uint64_t ts_ns)
{
	struct fix fix;

	s->trading = false;
	s->leaving = true;
	start(&fix, s, CLIENT, "5", ts_ns);
	fix_text(&fix, 58, "end of day");
	finish(&fix, s, CLIENT);
	later(s, ASK_LOGOUT, ts_ns);
}

static uint64_t heartbeat_due(const struct session *s, int from)
{
	return s->sent_ns[from] + s->conf.heartbeat_s * 1000000000ull;
}

uint64_t session_due(const struct session *s)
{
	uint64_t due = UINT64_MAX, tcp = tcp_due(&s->tcp);

	if (!s->open)
		return due;
	if (s->head != s->tail)
		due = s->requests[s->head % REQUESTS_MAX].due_ns;
	if (s->trading && s->next_ns < due)
		due = s->next_ns;
	for (int from = 0; from < 2; from++)
		if (!s->leaving && heartbeat_due(s, from) < due)
			due = heartbeat_due(s, from);
	return tcp < due ? tcp : due;
}

static void heartbeat(struct session *s, int from, uint64_t ts_ns, uint32_t test)
{
	struct fix fix;

	start(&fix, s, from, "0", ts_ns);
	if (test) {
		char text[16];

		snprintf(text, sizeof(text), "TEST%u", test);
		fix_text(&fix, 112, text);
	}
	finish(&fix, s, from);
}

/* ---- the client ---- */

static struct fix_order *order_new(struct session *s)
{
	if (s->orders_n == s->orders_size) {
		s->orders_size = s->orders_size ? s->orders_size * 2 : 256;
		s->orders = realloc(s->orders, s->orders_size * sizeof(*s->orders));
		if (!s->orders) {
			fputs("feed-sim: out of memory\n", stderr);
			exit(1);
		}
	}
	struct fix_order *o = &s->orders[s->orders_n++];

	*o = (struct fix_order){.id = ++s->ids};
	return o;
}

static void order_fields(
	struct fix *fix, const struct fix_order *o, const char *symbol, char side, uint64_t ts_ns)
{
	fix_text(fix, 55, symbol);
	fix_char(fix, 54, side);
	fix_time(fix, 60, ts_ns);
	fix_u64(fix, 38, o->quantity);
	fix_char(fix, 40, o->market ? '1' : '2');
	if (!o->market)
		fix_decimal(fix, 44, o->price, 4);
}

static void client_new(struct session *s, uint64_t ts_ns, int kind)
{
	static const char note[] = "desk 7\x01"
				   "10=000\x01 says: a=b";
	uint32_t some = s->ex->inst_n < 40 ? s->ex->inst_n : 40;
	struct fix_order *o = order_new(s);
	struct instrument *inst = &s->ex->inst[rng_below(&s->rng, some)];
	struct fix fix;

	o->inst = inst;
	o->buy = rng_below(&s->rng, 2);
	o->quantity = 100 * (1 + rng_below(&s->rng, 9)) + (rng_chance(&s->rng, .2) ? 37 : 0);
	o->market = rng_chance(&s->rng, .06);
	o->ioc = o->market || rng_chance(&s->rng, .1);
	bool far = !o->market && !o->ioc && !rng_chance(&s->rng, .15);
	uint32_t own = exchange_best(inst, o->buy), other = exchange_best(inst, !o->buy);
	uint32_t base = far && own ? own : other ? other : inst->last / inst->tick * inst->tick;
	uint32_t away = far ? inst->tick * rng_below(&s->rng, 4) : 0;

	o->price = !o->buy ? base + away : base > away ? base - away : base;
	if (!o->price)
		o->price = inst->tick;
	start(&fix, s, CLIENT, "D", ts_ns);
	client_id(&fix, 11, o->id);
	if (rng_chance(&s->rng, .25)) {
		fix_u64(&fix, 453, 2);
		fix_text(&fix, 448, "DESK7");
		fix_text(&fix, 447, "D");
		fix_u64(&fix, 452, 24);
		fix_text(&fix, 448, "SIMCLR");
		fix_text(&fix, 447, "D");
		fix_u64(&fix, 452, 4);
	}
	fix_text(&fix, 1, "ACCT-0042");
	fix_text(&fix, 21, "1");
	order_fields(&fix, o, kind == ASK_WRONG_SYMBOL ? "NOSUCH" : inst->symbol,
		kind == ASK_WRONG_SIDE ? 'Z'
		: o->buy               ? '1'
				       : '2',
		ts_ns);
	fix_char(&fix, 59, o->ioc ? '3' : '0');
	if (rng_chance(
		    &s->rng, .02)) { /* a data field with what looks like the end of the message */
		fix_u64(&fix, 354, sizeof(note) - 1);
		fix_bytes(&fix, 355, note, sizeof(note) - 1);
	}
	finish(&fix, s, CLIENT);
	later(s, kind, ts_ns)->order = s->orders_n - 1;
}

/* client_pick looks for an order that the client believes to stand, among the youngest. */
static struct fix_order *client_pick(struct session *s, uint64_t ts_ns)
{
	for (int tries = 0; tries < 8 && s->orders_n; tries++) {
		uint32_t young = s->orders_n < 64 ? s->orders_n : 64;
		struct fix_order *o = &s->orders[s->orders_n - 1 - rng_below(&s->rng, young)];

		if (o->order && !o->asked && o->acked_ns && o->acked_ns + PATIENCE_NS < ts_ns)
			return o;
	}
	return NULL;
}

static void client_change(struct session *s, struct fix_order *o, uint64_t ts_ns, bool replace)
{
	struct fix_order wanted = *o;
	uint32_t ticks = rng_below(&s->rng, 3) * o->inst->tick;
	struct fix fix;

	wanted.id = ++s->ids;
	if (replace) {
		wanted.quantity = o->traded + 100 * (1 + rng_below(&s->rng, 9));
		wanted.price = o->buy || o->price <= ticks ? o->price + ticks : o->price - ticks;
	}
	start(&fix, s, CLIENT, replace ? "G" : "F", ts_ns);
	client_id(&fix, 41, o->id);
	client_id(&fix, 11, wanted.id);
	fix_text(&fix, 1, "ACCT-0042");
	if (replace) {
		fix_text(&fix, 21, "1");
		order_fields(&fix, &wanted, o->inst->symbol, o->buy ? '1' : '2', ts_ns);
		fix_char(&fix, 59, '0');
	} else {
		fix_text(&fix, 55, o->inst->symbol);
		fix_char(&fix, 54, o->buy ? '1' : '2');
		fix_time(&fix, 60, ts_ns);
		fix_u64(&fix, 38, o->quantity);
	}
	finish(&fix, s, CLIENT);
	o->asked = true;
	struct request *request = later(s, replace ? ASK_REPLACE : ASK_CANCEL, ts_ns);

	request->order = (uint32_t)(o - s->orders);
	request->id = wanted.id;
	request->quantity = wanted.quantity;
	request->price = wanted.price;
}

/* client_err makes the mistakes that clients make, in turn. */
static void client_err(struct session *s, uint64_t ts_ns, uint32_t which)
{
	struct fix fix;

	switch (which % 4) {
	case 0:
		client_new(s, ts_ns, ASK_WRONG_SIDE);
		break;
	case 1:
		client_new(s, ts_ns, ASK_WRONG_SYMBOL);
		break;
	case 2:
		start(&fix, s, CLIENT, "V", ts_ns); /* no market data here */
		fix_text(&fix, 262, "MD1");
		fix_text(&fix, 263, "0");
		fix_text(&fix, 264, "1");
		fix_text(&fix, 267, "2");
		fix_text(&fix, 269, "0");
		fix_text(&fix, 269, "1");
		fix_text(&fix, 146, "1");
		fix_text(&fix, 55, s->ex->inst[0].symbol);
		finish(&fix, s, CLIENT);
		later(s, ASK_WRONG_TYPE, ts_ns);
		break;
	default:
		start(&fix, s, CLIENT, "F", ts_ns);
		fix_text(&fix, 41, "C99999999");
		client_id(&fix, 11, ++s->ids);
		fix_text(&fix, 55, s->ex->inst[0].symbol);
		fix_text(&fix, 54, "1");
		fix_time(&fix, 60, ts_ns);
		fix_text(&fix, 38, "100");
		finish(&fix, s, CLIENT);
		later(s, ASK_UNKNOWN_ORDER, ts_ns)->id = s->ids;
	}
}

static void client_act(struct session *s, uint64_t ts_ns)
{
	uint32_t n = ++s->actions;
	double x = rng_real(&s->rng);
	struct fix_order *o;
	struct fix fix;

	s->next_ns = ts_ns + 1 + (uint64_t)rng_exp(&s->rng, 1e9 / s->conf.rate);
	if (rng_chance(&s->rng, .1)) /* two at once share a segment */
		s->next_ns = ts_ns + 500;
	if (n % 20 == 0) {
		client_err(s, ts_ns, n / 20);
	} else if (n % 50 == 5) { /* the gateway asks whether the client is still there */
		char text[16];

		snprintf(text, sizeof(text), "TEST%u", ++s->tests);
		start(&fix, s, GATEWAY, "1", ts_ns);
		fix_text(&fix, 112, text);
		finish(&fix, s, GATEWAY);
		later(s, ASK_TEST, ts_ns)->id = s->tests;
	} else if (x < .4 && (o = client_pick(s, ts_ns))) {
		client_change(s, o, ts_ns, x > .25);
	} else {
		client_new(s, ts_ns, ASK_NEW);
	}
}

/* ---- the gateway ---- */

/* report writes an execution report; last_shares 0: no trade. */
static void report(struct session *s, const struct fix_order *o, char exec, char status,
	uint32_t original, const struct fill *fill, const char *text, uint64_t ts_ns)
{
	uint32_t leaves =
		status == '4' || status == '8' || status == '2' ? 0 : o->quantity - o->traded;
	char id[24];
	struct fix fix;

	start(&fix, s, GATEWAY, "8", ts_ns);
	fix_u64(&fix, 37, o->ref);
	client_id(&fix, 11, o->id);
	if (original)
		client_id(&fix, 41, original);
	snprintf(id, sizeof(id), "E%09u", ++s->executions);
	fix_text(&fix, 17, id);
	fix_char(&fix, 150, exec);
	fix_char(&fix, 39, status);
	fix_text(&fix, 1, "ACCT-0042");
	fix_text(&fix, 55, o->inst ? o->inst->symbol : "NOSUCH");
	fix_char(&fix, 54, o->buy ? '1' : '2');
	fix_u64(&fix, 38, o->quantity);
	fix_char(&fix, 40, o->market ? '1' : '2');
	if (!o->market)
		fix_decimal(&fix, 44, o->price, 4);
	fix_char(&fix, 59, o->ioc ? '3' : '0');
	if (fill) {
		fix_u64(&fix, 32, fill->shares);
		fix_decimal(&fix, 31, fill->price, 4);
		fix_text(&fix, 30, "SIMX");
	}
	fix_u64(&fix, 151, leaves);
	fix_u64(&fix, 14, o->traded);
	fix_decimal(&fix, 6, o->traded ? (o->value * 100 + o->traded / 2) / o->traded : 0, 6);
	fix_time(&fix, 60, fill ? fill->ts_ns : ts_ns);
	if (fill) {
		fix_u64(&fix, 880, fill->match);
		fix_char(&fix, 851, fill->maker ? '1' : '2');
	}
	if (text) {
		fix_u64(&fix, 103, o->inst ? 2 : 1);
		fix_text(&fix, 58, text);
	}
	finish(&fix, s, GATEWAY);
}

void session_fill(struct session *s, const struct fill *fill)
{
	struct fix_order *o = &s->orders[fill->owner];

	o->traded += fill->shares;
	o->value += (uint64_t)fill->price * fill->shares;
	if (!fill->leaves)
		o->order = NULL;
	report(s, o, 'F', fill->leaves ? '1' : '2', 0, fill, NULL, fill->ts_ns);
}

static void reject_cancel(
	struct session *s, const struct request *r, const struct fix_order *o, uint64_t ts_ns)
{
	struct fix fix;

	start(&fix, s, GATEWAY, "9", ts_ns);
	if (o)
		fix_u64(&fix, 37, o->ref);
	else
		fix_text(&fix, 37, "NONE");
	client_id(&fix, 11, r->id);
	client_id(&fix, 41, o ? o->id : 99999999);
	fix_char(&fix, 39, !o ? '8' : o->traded == o->quantity ? '2' : o->order ? '0' : '4');
	fix_char(&fix, 434, r->kind == ASK_REPLACE ? '2' : '1');
	fix_char(&fix, 102, o ? '0' : '1');
	fix_text(&fix, 58, o ? "too late" : "unknown order");
	finish(&fix, s, GATEWAY);
}

static void gateway_new(struct session *s, const struct request *r, uint64_t ts_ns)
{
	struct fix_order *o = &s->orders[r->order];
	struct submit in = {.inst = o->inst,
		.price = o->price,
		.shares = o->quantity,
		.buy = o->buy,
		.ioc = o->ioc,
		.owner = (int32_t)r->order};

	o->ref = in.ref = exchange_ref(s->ex);
	if (o->market)
		in.price = o->buy ? 2000000000 : 1;
	if (s->shut || !exchange_accepts(&in)) {
		report(s, o, '8', '8', 0, NULL, s->shut ? "closed" : "not trading", ts_ns);
		return;
	}
	report(s, o, '0', '0', 0, NULL, NULL, ts_ns);
	o->acked_ns = ts_ns;
	o->order = exchange_submit(s->ex, &in);
	if (!o->order && o->traded < o->quantity) /* what an IOC order did not get */
		report(s, o, '4', '4', 0, NULL, NULL, s->ex->now_ns);
}

static void gateway_change(struct session *s, const struct request *r, uint64_t ts_ns)
{
	struct fix_order *o = &s->orders[r->order];
	struct submit check = {.inst = o->inst, .buy = o->buy, .price = r->price};
	bool replace = r->kind == ASK_REPLACE;

	o->asked = false;
	if (!o->order || s->shut ||
		(replace && (r->quantity <= o->traded || !exchange_accepts(&check)))) {
		reject_cancel(s, r, o, ts_ns);
		return;
	}
	uint32_t original = o->id;

	o->id = r->id;
	if (!replace) {
		exchange_delete(s->ex, o->order);
		o->order = NULL;
		report(s, o, '4', '4', original, NULL, NULL, ts_ns);
		return;
	}
	o->quantity = r->quantity;
	o->price = r->price;
	uint64_t ref = exchange_ref(s->ex);
	struct order *old = o->order;

	o->ref = ref;
	report(s, o, '5', o->traded ? '1' : '0', original, NULL, NULL, ts_ns);
	o->order = exchange_replace(s->ex, old, ref, o->quantity - o->traded, o->price);
}

static void gateway_reject(struct session *s, const struct request *r, uint64_t ts_ns)
{
	bool session_level = r->kind == ASK_WRONG_SIDE;
	struct fix fix;

	start(&fix, s, GATEWAY, session_level ? "3" : "j", ts_ns);
	fix_u64(&fix, 45, r->seq);
	if (session_level) {
		fix_u64(&fix, 371, 54);
		fix_text(&fix, 372, "D");
		fix_u64(&fix, 373, 5);
		fix_text(&fix, 58, "Value is incorrect (out of range) for this tag");
	} else {
		fix_text(&fix, 372, "V");
		fix_u64(&fix, 380, 3);
		fix_text(&fix, 58, "Unsupported Message Type");
	}
	finish(&fix, s, GATEWAY);
}

static void request_do(struct session *s, const struct request *r, uint64_t ts_ns)
{
	struct fix fix;

	switch (r->kind) {
	case ASK_LOGON:
		logon(s, GATEWAY, ts_ns);
		break;
	case ASK_NEW:
		gateway_new(s, r, ts_ns);
		break;
	case ASK_CANCEL:
	case ASK_REPLACE:
		gateway_change(s, r, ts_ns);
		break;
	case ASK_WRONG_SYMBOL:
		s->orders[r->order].inst = NULL;
		s->orders[r->order].ref = exchange_ref(s->ex);
		report(s, &s->orders[r->order], '8', '8', 0, NULL, "unknown symbol", ts_ns);
		break;
	case ASK_WRONG_SIDE:
	case ASK_WRONG_TYPE:
		gateway_reject(s, r, ts_ns);
		break;
	case ASK_UNKNOWN_ORDER:
		reject_cancel(s, r, NULL, ts_ns);
		break;
	case ASK_TEST:
		heartbeat(s, CLIENT, ts_ns, r->id);
		break;
	case ASK_LOGOUT:
		start(&fix, s, GATEWAY, "5", ts_ns);
		finish(&fix, s, GATEWAY);
		later(s, DO_CLOSE, ts_ns);
		break;
	case DO_CLOSE:
		tcp_close(&s->tcp, ts_ns);
		s->open = false;
	}
}

void session_step(struct session *s, uint64_t ts_ns)
{
	tcp_tick(&s->tcp, ts_ns);
	if (s->head != s->tail && s->requests[s->head % REQUESTS_MAX].due_ns <= ts_ns) {
		struct request r = s->requests[s->head++ % REQUESTS_MAX];

		if (s->ex->now_ns < ts_ns)
			s->ex->now_ns = ts_ns;
		request_do(s, &r, s->ex->now_ns);
		return;
	}
	if (s->trading && s->next_ns <= ts_ns) {
		/* the client's own clock: the exchange may be ahead of it inside a burst */
		if (s->tail - s->head < REQUESTS_MAX / 2)
			client_act(s, ts_ns);
		else
			s->next_ns = ts_ns + TRAVEL_NS;
		return;
	}
	for (int from = 0; from < 2 && !s->leaving; from++)
		if (heartbeat_due(s, from) <= ts_ns)
			heartbeat(s, from, ts_ns, 0);
}

void session_free(struct session *s)
{
	free(s->orders);
	s->orders = NULL;
}
