/* The matching engine of feed-sim and the writers around it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/orders/fix.h"
#include "tests/sim/market/flow.h"
#include "tests/sim/itch/itch.h"
#include "tests/sim/options.h"

TestSuite(sim, .timeout = 60);

/* seen collects what an exchange says. */
struct seen {
	struct msg msg[64];
	struct fill fill[64];
	uint32_t msgs, fills;
	uint64_t traded; /* shares of E, C and P outside crosses */
};

static void on_message(void *ctx, const struct msg *msg)
{
	struct seen *seen = ctx;

	seen->msg[seen->msgs++ % 64] = *msg;
	if (msg->type == 'E' || msg->type == 'P' || (msg->type == 'C' && msg->code == 'Y'))
		seen->traded += msg->shares;
}

static void on_fill(void *ctx, const struct fill *fill)
{
	struct seen *seen = ctx;

	seen->fill[seen->fills++ % 64] = *fill;
}

static struct seen seen;
static struct exchange ex;

static void open_exchange(uint32_t instruments)
{
	cr_assert_eq(exchange_init(&ex, instruments, 1, 0), 0);
	ex.ctx = &seen;
	ex.on_message = on_message;
	ex.on_fill = on_fill;
	for (uint32_t i = 0; i < instruments; i++)
		ex.inst[i].state = 'T';
	seen = (struct seen){0};
}

static struct order *enter(bool buy, uint32_t price, uint32_t shares)
{
	return exchange_submit(&ex, &(struct submit){.ref = exchange_ref(&ex),
					    .inst = &ex.inst[0],
					    .price = price,
					    .shares = shares,
					    .buy = buy,
					    .owner = -1});
}

Test(sim, better_prices_trade_first_and_then_older_orders)
{
	open_exchange(1);
	struct order *dear = enter(false, 10200, 100), *old = enter(false, 10100, 100);
	struct order *young = enter(false, 10100, 100);
	uint64_t refs[] = {old->ref, young->ref, dear->ref};

	seen.msgs = 0;
	cr_assert_null(enter(true, 10200, 250));
	cr_assert_eq(seen.msgs, 3);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(seen.msg[i].type, 'E');
		cr_assert_eq(seen.msg[i].ref, refs[i]);
		cr_assert_eq(seen.msg[i].shares, i < 2 ? 100 : 50);
		cr_assert(i == 0 || seen.msg[i].match > seen.msg[i - 1].match);
	}
	cr_assert_eq(exchange_best(&ex.inst[0], false), 10200);
	cr_assert_null(exchange_check(&ex.inst[0]));
	exchange_free(&ex);
}

Test(sim, what_is_left_of_an_order_stands_unless_it_is_immediate)
{
	open_exchange(1);
	enter(false, 10100, 100);
	struct order *rest = enter(true, 10100, 150);

	cr_assert_eq(rest->shares, 50);
	cr_assert_eq(exchange_best(&ex.inst[0], true), 10100);
	cr_assert_null(exchange_submit(&ex, &(struct submit){.ref = exchange_ref(&ex),
						    .inst = &ex.inst[0],
						    .price = 10100,
						    .shares = 80,
						    .ioc = true,
						    .owner = -1}));
	cr_assert_eq(exchange_best(&ex.inst[0], true), 0);
	cr_assert_eq(ex.inst[0].shares_cancelled, 30);
	cr_assert_null(exchange_check(&ex.inst[0]));
	exchange_free(&ex);
}

Test(sim, hidden_orders_trade_last_at_their_price_and_without_a_reference)
{
	open_exchange(1);
	struct submit hidden = {.ref = exchange_ref(&ex),
		.inst = &ex.inst[0],
		.price = 10100,
		.shares = 100,
		.hidden = true,
		.owner = -1};

	exchange_submit(&ex, &hidden);
	cr_assert_eq(seen.msgs, 0);
	enter(false, 10100, 100);
	enter(true, 10100, 150);
	cr_assert_eq(seen.msg[1].type, 'E');
	cr_assert_eq(seen.msg[2].type, 'P');
	cr_assert_eq(seen.msg[2].ref, 0);
	cr_assert_eq(seen.msg[2].side, 'B');
	cr_assert_eq(seen.msg[2].shares, 50);
	exchange_free(&ex);
}

Test(sim, a_slid_order_trades_at_its_better_price)
{
	open_exchange(1);
	ex.inst[0].tick = 100;
	exchange_submit(&ex, &(struct submit){.ref = exchange_ref(&ex),
				     .inst = &ex.inst[0],
				     .price = 10100,
				     .shares = 100,
				     .slid = true,
				     .owner = -1});
	enter(true, 10100, 100);
	cr_assert_eq(seen.msg[1].type, 'C');
	cr_assert_eq(seen.msg[1].code, 'Y');
	cr_assert_eq(seen.msg[1].price, 10050);
	exchange_free(&ex);
}

Test(sim, owners_of_both_sides_hear_of_a_trade)
{
	open_exchange(1);
	struct submit in = {.inst = &ex.inst[0], .price = 10100, .shares = 100, .owner = 3};

	in.ref = exchange_ref(&ex);
	exchange_submit(&ex, &in);
	in.ref = exchange_ref(&ex);
	in.buy = true;
	in.owner = 4;
	in.shares = 160;
	exchange_submit(&ex, &in);
	cr_assert_eq(seen.fills, 2);
	cr_assert(seen.fill[0].owner == 3 && seen.fill[0].maker && seen.fill[0].leaves == 0);
	cr_assert(seen.fill[1].owner == 4 && !seen.fill[1].maker && seen.fill[1].leaves == 60);
	cr_assert_eq(seen.fill[0].match, seen.fill[1].match);
	exchange_free(&ex);
}

Test(sim, a_replaced_order_goes_behind_and_one_that_crosses_trades)
{
	open_exchange(1);
	struct order *first = enter(true, 10000, 100), *second = enter(true, 10000, 100);
	struct order *ask = enter(false, 10100, 30);
	uint64_t second_ref = second->ref, ask_ref = ask->ref;

	first = exchange_replace(&ex, first, exchange_ref(&ex), 70, 10000);
	cr_assert_eq(seen.msg[3].type, 'U');
	cr_assert_eq(ex.inst[0].best[1]->shown.head->ref, second_ref);
	first = exchange_replace(&ex, first, exchange_ref(&ex), 70, 10100);
	cr_assert_eq(seen.msg[4].type, 'D');
	cr_assert_eq(seen.msg[5].type, 'E');
	cr_assert_eq(seen.msg[5].ref, ask_ref);
	cr_assert_eq(seen.msg[6].type, 'A');
	cr_assert_eq(first->shares, 40);
	cr_assert_null(exchange_check(&ex.inst[0]));
	exchange_free(&ex);
}

Test(sim, nothing_trades_in_a_halt)
{
	open_exchange(1);
	enter(false, 10100, 100);
	ex.inst[0].state = 'H';
	struct submit in = {.inst = &ex.inst[0], .price = 10100, .buy = true, .shares = 1};

	cr_assert_not(exchange_accepts(&in));
	in.price = 10000;
	cr_assert(exchange_accepts(&in));
	exchange_free(&ex);
}

Test(sim, a_check_finds_a_broken_book)
{
	open_exchange(1);
	struct order *bid = enter(true, 10000, 100);

	enter(false, 10100, 100);
	cr_assert_null(exchange_check(&ex.inst[0]));
	bid->shares--;
	cr_assert_not_null(exchange_check(&ex.inst[0]));
	bid->shares++;
	bid->level->price = 10100;
	cr_assert_str_eq(exchange_check(&ex.inst[0]), "the book is crossed");
	exchange_free(&ex);
}

/* A whole day, all books checked every 500 steps: never crossed, no share lost or made, the day as
 * long as asked. */
Test(sim, a_day_keeps_every_book_whole_and_has_its_exact_length)
{
	static struct flow flow;
	uint64_t steps = 0, executed = 0, crossed = 0;

	open_exchange(40);
	cr_assert_eq(flow_init(&flow, &ex,
			     &(struct flow_conf){.seed = 9, .messages = 40000, .rate = 50000}),
		0);
	while (flow.phase != PHASE_DONE) {
		uint64_t before = flow.next_ns;
		bool cross = flow.phase == PHASE_OPENING || flow.phase == PHASE_CROSS;

		flow_step(&flow);
		cr_assert(flow.next_ns > before || flow.phase == PHASE_DONE);
		crossed += cross;
		for (uint32_t i = 0; steps % 500 == 0 && i < ex.inst_n; i++)
			cr_assert_null(exchange_check(&ex.inst[i]), "%s: %s", ex.inst[i].symbol,
				exchange_check(&ex.inst[i]));
		steps++;
	}
	for (uint32_t i = 0; i < ex.inst_n; i++) {
		cr_assert_null(exchange_check(&ex.inst[i]));
		executed += ex.inst[i].shares_executed;
	}
	cr_assert_eq(crossed, 80);
	cr_assert_eq(ex.messages, 40000);
	/* crosses take from one side of a book only: beside them each traded share is executed
	 * twice */
	cr_assert_geq(executed, 2 * seen.traded);
	cr_assert_gt(seen.traded, 0);
	flow_free(&flow);
	exchange_free(&ex);
}

Test(sim, traded_shares_are_executed_on_both_sides)
{
	struct rng rng;

	open_exchange(1);
	rng_seed(&rng, 4, 4);
	for (int i = 0; i < 20000; i++) {
		if (ex.inst[0].live_n > 200)
			exchange_delete(&ex, ex.inst[0].live[rng_below(&rng, ex.inst[0].live_n)]);
		enter(rng_below(&rng, 2), 10000 + 100 * rng_below(&rng, 20),
			1 + rng_below(&rng, 500));
	}
	cr_assert_null(exchange_check(&ex.inst[0]));
	cr_assert_gt(seen.traded, 1000);
	cr_assert_eq(ex.inst[0].shares_executed, 2 * seen.traded);
	exchange_free(&ex);
}

Test(sim, instruments_have_different_names_on_all_channels)
{
	static char names[4 * 500][9];
	struct exchange one;

	for (uint32_t c = 0; c < 4; c++) {
		cr_assert_eq(exchange_init(&one, 500, 7, c), 0);
		for (uint32_t i = 0; i < 500; i++)
			memcpy(names[c * 500 + i], one.inst[i].symbol, 9);
		exchange_free(&one);
	}
	for (int i = 0; i < 2000; i++) {
		cr_assert(names[i][0] && !names[i][8]);
		for (int j = 0; j < i; j++)
			cr_assert_str_neq(names[i], names[j]);
	}
}

/* A, locate 1, tracking 2, 09:30:00.000000001, ref 3, sell 100 ZVZZT at 12.3456 */
Test(sim, an_add_order_has_the_bytes_of_the_specification)
{
	static const uint8_t want[36] = {'A', 0, 1, 0, 2, 0x1f, 0x1a, 0xce, 0xd9, 0xf0, 0x01, 0, 0,
		0, 0, 0, 0, 0, 3, 'S', 0, 0, 0, 100, 'Z', 'V', 'Z', 'Z', 'T', ' ', ' ', ' ', 0, 1,
		0xe2, 0x40};
	struct instrument inst = {.symbol = "ZVZZT", .locate = 1};
	struct msg msg = {.type = 'A',
		.locate = 1,
		.tracking = 2,
		.ref = 3,
		.side = 'S',
		.shares = 100,
		.price = 123456,
		.inst = &inst,
		.ts_ns = 34200000000001 + 86400000000000};
	uint8_t got[ITCH_BYTES_MAX];

	cr_assert_eq(itch_write(got, &msg, 86400000000000), sizeof(want));
	for (size_t i = 0; i < sizeof(want); i++)
		cr_assert_eq(got[i], want[i], "byte %zu is %02x", i, got[i]);
}

/* the bytes up to "10=" add up to 1320 = 5 * 256 + 40 */
Test(sim, a_fix_message_has_its_length_and_checksum)
{
	static const char want[] = "8=FIX.4.4\0019=12\00135=0\001112=T1\00110=040\001";
	struct fix fix;
	char got[FIX_BYTES_MAX];

	fix_clear(&fix);
	fix_text(&fix, 35, "0");
	fix_text(&fix, 112, "T1");
	cr_assert_eq(fix_write(&fix, got), sizeof(want) - 1);
	cr_assert_arr_eq(got, want, sizeof(want) - 1);
	cr_assert_eq(fix.field[0].tag, 8);
	cr_assert_eq(fix.field[1].tag, 9);
	cr_assert_eq(fix.field[fix.field_n - 1].tag, 10);
}

static void decimal_is(uint64_t v, int digits, const char *want)
{
	struct fix fix;

	fix_clear(&fix);
	fix_decimal(&fix, 44, v, digits);
	cr_assert_eq(fix.text_len, strlen(want));
	cr_assert_arr_eq(fix.text, want, strlen(want));
}

Test(sim, decimals_keep_at_least_two_digits)
{
	decimal_is(1234500, 4, "123.45");
	decimal_is(1234567, 4, "123.4567");
	decimal_is(50, 4, "0.005");
	decimal_is(100000000, 6, "100.00");
}

Test(sim, eastern_time_follows_the_clock_changes)
{
	/* 2024-03-10 and 2024-11-03, 7:00 and 6:00 UTC */
	cr_assert_eq(eastern_offset_s(1710054000 - 1), 5 * 3600);
	cr_assert_eq(eastern_offset_s(1710054000), 4 * 3600);
	cr_assert_eq(eastern_offset_s(1730613600 - 1), 4 * 3600);
	cr_assert_eq(eastern_offset_s(1730613600), 5 * 3600);
	/* midnight of 2024-03-10 is 5:00 UTC, seen from before and after the change */
	cr_assert_eq(eastern_midnight_ns(1710054000 - 1), 1710046800000000000);
	cr_assert_eq(eastern_midnight_ns(1710054000 + 9999), 1710046800000000000);
	cr_assert_eq(eastern_midnight_ns(1730613600 + 9999), 1730606400000000000);
}
