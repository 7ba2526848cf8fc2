/* symbols: what definitions taught us of instruments. */
#include "decode/feed/symbols.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(symbols, .timeout = 60);

static struct symbols *table_of(uint32_t instruments)
{
	struct symbols *table;

	cr_assert_eq(symbols_init(&table, instruments), 0);
	return table;
}

Test(symbols, what_was_learnt_is_found_and_nothing_else)
{
	struct symbols *table = table_of(1000);
	char text[16];

	for (uint64_t id = 0; id < 1000; id++) {
		snprintf(text, sizeof(text), "S%llu", (unsigned long long)id);
		symbols_learn(table, id * 0x100000001, str_of(text));
	}
	for (uint64_t id = 0; id < 1000; id++) {
		snprintf(text, sizeof(text), "S%llu", (unsigned long long)id);
		cr_assert(str_equal(symbols_find(table, id * 0x100000001), str_of(text)));
		cr_assert_eq(symbols_find(table, id * 0x100000001 + (1ull << 40)).len, 0);
	}
	symbols_free(table);
}

Test(symbols, the_newest_text_wins_and_the_old_one_stays_where_it_was)
{
	struct symbols *table = table_of(4);
	struct str old;

	symbols_learn(table, 7, STR("OLD"));
	old = symbols_find(table, 7);
	symbols_learn(table, 7, STR("NEW"));
	cr_assert(str_equal(symbols_find(table, 7), STR("NEW")));
	cr_assert(str_equal(old, STR("OLD")), "events in flight point at it");
	symbols_free(table);
}

Test(symbols, a_full_table_forgets_nothing_and_takes_no_more)
{
	struct symbols *table = table_of(8);
	uint32_t room = table->room;

	for (uint64_t id = 1; id <= room; id++)
		symbols_learn(table, id, STR("X"));
	symbols_learn(table, room + 1, STR("Y"));
	cr_assert_eq(symbols_find(table, room + 1).len, 0);
	for (uint64_t id = 1; id <= room; id++)
		cr_assert(str_equal(symbols_find(table, id), STR("X")));
	symbols_learn(table, 1, STR("Z"));
	cr_assert_eq(symbols_find(table, 1).len, 0, "the old text would be wrong");
	symbols_free(table);
}

Test(symbols, texts_that_keep_changing_end_the_learning)
{
	struct symbols *table = table_of(1 << 16);
	uint32_t changes = 0;

	for (; table->room && changes < 10000; changes++)
		symbols_learn(table, 5, changes & 1 ? STR("A") : STR("B"));
	cr_assert_lt(changes, 1000);
	cr_assert_eq(symbols_find(table, 5).len, 0);
	symbols_free(table);
}

Test(symbols, texts_that_do_not_fit_are_not_learnt)
{
	struct symbols *table = table_of(8);

	symbols_learn(table, 1, STR(""));
	symbols_learn(table, 2, STR("123456789012345678901234567890123"));
	symbols_learn(table, UINT64_MAX, STR("A"));
	cr_assert_eq(symbols_find(table, 1).len, 0);
	cr_assert_eq(symbols_find(table, 2).len, 0);
	cr_assert_eq(symbols_find(table, UINT64_MAX).len, 0);
	symbols_learn(table, 2, STR("12345678901234567890123456789012"));
	cr_assert_eq(symbols_find(table, 2).len, 32);
	symbols_free(table);
}

Test(symbols, a_table_too_large_is_refused)
{
	struct symbols *table = NULL;

	cr_assert_lt(symbols_init(&table, SYMBOLS_MAX + 1), 0);
	cr_assert_null(table);
}
