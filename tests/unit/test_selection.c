/* selection: patterns against fnmatch, and what a table of symbols remembers of them. */
#include "decode/selection.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/feed/symbols.h"

TestSuite(selection, .timeout = 60);

static struct selection *selection_of(const char *list)
{
	struct selection *sel = NULL;
	char error[256];

	cr_assert_eq(selection_open(&sel, list, error), 0, "%s", error);
	return sel;
}

static void text_random(char *out, const char *letters, unsigned most)
{
	unsigned len = (unsigned)random() % (most + 1);

	for (unsigned i = 0; i < len; i++)
		out[i] = letters[(size_t)random() % strlen(letters)];
	out[len] = '\0';
}

Test(selection, patterns_match_as_fnmatch_does)
{
	unsigned matched = 0;
	char pattern[16], text[16];

	srandom(3);
	for (unsigned i = 0; i < 200000; i++) {
		struct selection *sel;
		bool want;

		text_random(pattern, "AB*?", 7);
		text_random(text, "AB", 7);
		if (!pattern[0])
			continue;
		sel = selection_of(pattern);
		want = fnmatch(pattern, text, 0) == 0;
		cr_assert_eq(selection_wants(sel, 0, str_of(text)), want, "%s %s", pattern, text);
		matched += want;
		selection_close(sel);
	}
	cr_assert_gt(matched, 10000);
}

Test(selection, stars_cost_no_more_than_lengths)
{
	struct selection *sel = selection_of("*A*A*A*A*A*A*A*A*A*A*A*A*A*A*B");

	for (unsigned i = 0; i < 100000; i++)
		cr_assert(!selection_wants(sel, 0, STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")));
	selection_close(sel);
}

Test(selection, wrong_lists_are_refused)
{
	static const char *const lists[] = {
		"", ",", "A,", "A,,B", " , A", "#", "#12x", "#-1", "# 1", "#18446744073709551616"};
	struct selection *sel;
	char error[256];

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		error[0] = '\0';
		cr_assert_eq(selection_open(&sel, lists[i], error), -EINVAL, "%s", lists[i]);
		cr_assert(strstr(error, "expected"), "%s: %s", lists[i], error);
	}
}

Test(selection, numbers_are_kept_with_and_without_a_name)
{
	struct selection *sel = selection_of("#7, #18446744073709551615,#3,#3 ,ES*");
	struct symbols *table;

	cr_assert_eq(symbols_init(&table, 64), 0);
	table->selection = sel;
	symbols_learn(table, 1, STR("ESH7"));
	symbols_learn(table, 2, STR("NQH7"));
	symbols_learn(table, 3, STR("NQM7"));
	cr_assert(symbols_wanted(table, 1));
	cr_assert(!symbols_wanted(table, 2));
	cr_assert(symbols_wanted(table, 3));
	cr_assert(symbols_wanted(table, 7));
	cr_assert(symbols_wanted(table, UINT64_MAX));
	for (uint64_t id = 8; id < 10000; id++)
		cr_assert(!symbols_wanted(table, id));
	symbols_learn(table, 2, STR("ESM7")); /* the newest text decides */
	symbols_learn(table, 1, STR("NQZ7"));
	cr_assert(symbols_wanted(table, 2));
	cr_assert(!symbols_wanted(table, 1));
	symbols_free(table);
	selection_close(sel);
}

Test(selection, a_full_table_goes_on_by_number)
{
	struct selection *sel = selection_of("S1*,#5000");
	struct symbols *table;
	char text[16];

	cr_assert_eq(symbols_init(&table, 8), 0);
	table->selection = sel;
	for (uint64_t id = 0; id < 6000; id++) {
		snprintf(text, sizeof(text), "S%llu", (unsigned long long)id);
		symbols_learn(table, id, str_of(text));
		cr_assert_eq(symbols_wanted(table, id),
			id == 5000 || (symbols_find(table, id).len && text[1] == '1'));
	}
	symbols_free(table);
	selection_close(sel);
}

struct flushed {
	unsigned n;
	uint64_t unwanted, ids[64];
};

static void take(struct events *evs)
{
	struct flushed *f = evs->ctx;

	for (uint32_t i = 0; i < evs->n; i++)
		f->ids[f->n++] = evs->ev[i]->instrument_id;
	f->unwanted += evs->unwanted;
	evs->unwanted = 0;
}

static struct event *push(struct events *evs, enum event_type type, uint64_t id)
{
	struct event *ev = events_push(evs, type);

	ev->instrument_id = id;
	return ev;
}

Test(selection, what_a_message_teaches_counts_from_there_on)
{
	struct selection *sel = selection_of("ES*");
	struct flushed f = {0};
	struct selector selector;
	struct symbols *table;
	struct events evs;

	cr_assert_eq(events_init(&evs, take, &f), 0);
	cr_assert_eq(selector_init(&selector, sel, &evs), 0);
	cr_assert_eq(symbols_init(&table, 64), 0);
	table->selection = sel;
	evs.symbols = table;
	push(&evs, EVENT_MBO, 1); /* not known yet */
	events_select(&evs);
	push(&evs, EVENT_DEFINITION, 1); /* definitions, status, gaps stay */
	symbols_learn(table, 1, STR("ESH7"));
	events_select(&evs);
	push(&evs, EVENT_MBO, 1);
	push(&evs, EVENT_TRADE, 2);
	events_select(&evs);
	push(&evs, EVENT_STATUS, 2);
	push(&evs, EVENT_GAP, 0);
	push(&evs, EVENT_STATS, 0); /* names no instrument */
	push(&evs, EVENT_BBO, 0)->symbol = STR("ES");
	push(&evs, EVENT_BBO, 0)->symbol = STR("NQ");
	push(&evs, EVENT_BBO, 0)->symbol =
		STR("ES and a text that no table would keep, so long is it");
	events_flush(&evs);
	cr_assert_eq(f.n, 7, "%u", f.n);
	cr_assert_eq(f.unwanted, 3);
	cr_assert_eq(f.ids[0], 1);
	cr_assert_eq(f.ids[1], 1);
	cr_assert_eq(f.ids[2], 2);
	push(&evs, EVENT_MBO, 9);
	events_flush(&evs); /* nothing is left, and it is counted */
	cr_assert_eq(f.n, 7);
	cr_assert_eq(f.unwanted, 4);
	symbols_free(table);
	selector_free(&selector);
	events_free(&evs);
	selection_close(sel);
}
