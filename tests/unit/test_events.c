#include <criterion/criterion.h>

#include <stdint.h>

#include "decode/events.h"

TestSuite(events, .timeout = 30);

static unsigned flushes, flushed;

static void count_flush(struct events *evs)
{
	flushes++;
	flushed += evs->n;
	for (uint32_t i = 0; i < evs->n; i++)
		cr_assert_eq((uintptr_t)evs->ev[i] % 16, 0);
}

static struct events *start(void)
{
	static struct events evs;

	flushes = flushed = 0;
	cr_assert_eq(events_init(&evs, count_flush, NULL), 0);
	return &evs;
}

Test(events, a_push_copies_the_envelope_and_clears_the_payload)
{
	struct events *evs = start();
	struct event *ev;

	memset(evs->arena, 0xa5, EVENTS_ARENA);
	evs->base = (struct event){
		.ts_recv_ns = 5, .venue = STR("XNAS"), .channel = 2, .seq = 9, .template_id = 'A'};
	for (uint32_t type = 1; type < EVENT_TYPES; type++) {
		static const uint8_t zero[sizeof(struct event)];

		if (event_payload_size[type] == 0)
			continue;
		ev = events_push(evs, type);
		cr_assert_eq(ev->type, type);
		cr_assert_eq(ev->seq, 9);
		cr_assert_eq(ev->ts_recv_ns, 5);
		cr_assert(str_equal(ev->venue, STR("XNAS")));
		cr_assert_arr_eq(&ev->mbo, zero, event_payload_size[type]);
	}
	events_free(evs);
}

Test(events, sub_seq_counts_what_is_pushed)
{
	struct events *evs = start();

	cr_assert_eq(events_push(evs, EVENT_MBO)->sub_seq, 0);
	cr_assert_eq(events_push(evs, EVENT_TRADE)->sub_seq, 1);
	evs->sub_seq = 0;
	cr_assert_eq(events_push(evs, EVENT_MBO)->sub_seq, 0);
	cr_assert_eq(evs->pushed, 3);
	events_free(evs);
}

Test(events, a_full_vector_flushes_itself_and_loses_nothing)
{
	struct events *evs = start();

	for (unsigned i = 0; i < 3 * EVENTS_MAX + 7; i++)
		events_push(evs, EVENT_FIX)->fix.msg_seq_num = i;
	cr_assert_eq(evs->n, 7);
	events_flush(evs);
	events_flush(evs);
	cr_assert_eq(flushes, 4);
	cr_assert_eq(flushed, 3 * EVENTS_MAX + 7);
	cr_assert_eq(evs->pushed, flushed);
	cr_assert_null(evs->last_push);
	events_free(evs);
}

Test(events, parts_have_their_bound_whatever_came_before)
{
	struct events *evs = start();

	for (unsigned i = 0; i < 500; i++) {
		size_t sum = 0, step = 1000 + i * 97;
		uint8_t *p;

		events_push(evs, EVENT_DEFINITION);
		while ((p = events_alloc(evs, step)) != NULL) {
			cr_assert_eq((uintptr_t)p % 16, 0);
			memset(p, 0xff, step);
			cr_assert_leq(p + step, evs->arena + EVENTS_ARENA);
			sum += (step + 15) & ~(size_t)15;
		}
		cr_assert_leq(sum, EVENT_PARTS_MAX);
		cr_assert_gt(sum + step, EVENT_PARTS_MAX - 16);
	}
	events_free(evs);
}

Test(events, parts_without_an_event_or_without_end_are_refused)
{
	struct events *evs = start();

	cr_assert_null(events_alloc(evs, 8));
	events_push(evs, EVENT_MBO);
	cr_assert_null(events_alloc(evs, SIZE_MAX));
	cr_assert_null(events_alloc(evs, EVENT_PARTS_MAX + 1));
	cr_assert_not_null(events_alloc(evs, EVENT_PARTS_MAX));
	cr_assert_null(events_alloc(evs, 1));
	events_free(evs);
}

Test(events, another_stream_flushes_first)
{
	struct events *evs = start();
	int a, b;

	events_switch(evs, &a);
	events_push(evs, EVENT_MBO);
	events_switch(evs, &a);
	cr_assert_eq(flushes, 0);
	events_switch(evs, &b);
	cr_assert_eq(flushes, 1);
	cr_assert_eq(evs->n, 0);
	events_free(evs);
}
