/* Streams, batches, pool: what an event becomes on its way to the rings. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "events/event_write.h"
#include "events/v1/batch.pb-c.h"
#include "publish/block.h"
#include "publish/ledger.h"
#include "publish/pool.h"
#include "publish/stream.h"
#include "tests/support/event_fill.h"

enum { DEPTH = 60000 };

/* bench is one worker with one ring that the test empties itself. */
struct bench {
	struct ring *ring;
	struct streams *ws;
	struct stream *s;
};

static void bench_open(struct bench *bench, uint32_t bytes, uint32_t events)
{
	struct ring_options ring = {DEPTH, WHEN_FULL_BLOCK, NULL};
	struct stream_spec spec = {DOMAIN_MD, STR("XNAS"), 3};
	struct streams_options opt = {
		.worker = 2,
		.streams_max = 8,
		.batch_bytes = bytes,
		.batch_events = events,
		.linger_ns = 1000,
		.boot_id = 77,
		.source = "host",
		.rings = &bench->ring,
		.rings_n = 1,
		.sinks_hold = DEPTH,
	};

	cr_assert_eq(ring_open(&bench->ring, &ring), 0);
	cr_assert_eq(streams_open(&bench->ws, &opt), 0);
	bench->s = stream_open(bench->ws, &spec);
	cr_assert_not_null(bench->s);
}

enum { WAYS = BLOCK_WAYS - BLOCK_STREAMED };

/* use_way takes each way for n in turn. Returns which turn */
static unsigned use_way(unsigned n)
{
	block_way = (enum block_way)(BLOCK_STREAMED + n % WAYS);
	return n / WAYS;
}

/* next is the oldest batch in the ring, to be let go with taken. */
static struct batch *next(struct bench *bench)
{
	ring_absorb(bench->ring, 0);
	return ring_first(bench->ring);
}

static void taken(struct bench *bench)
{
	struct batch *b = ring_first(bench->ring);

	ring_taken(bench->ring);
	batch_done(b);
}

static void bench_close(struct bench *bench)
{
	streams_flush(bench->ws);
	while (next(bench))
		taken(bench);
	cr_assert_eq(streams_close(bench->ws), 0, "every batch comes back");
	ring_close(bench->ring);
}

static struct event mbo(uint64_t seq)
{
	struct event ev = {
		.seq = seq, .venue = STR("XNAS"), .type = EVENT_MBO, .symbol = STR("AAPL")};

	ev.ts_recv_ns = 1548858600000000000 + seq;
	ev.mbo.size = 100;
	return ev;
}

/* fix_of_size is a FIX message with one tag of len bytes. */
static struct event fix_of_size(struct ev_fix_message_tag *tag, uint8_t *value, size_t len)
{
	struct event ev = {.seq = 1, .type = EVENT_FIX};

	memset(value, 'x', len);
	*tag = (struct ev_fix_message_tag){.tag = 58, .value = bytes_of(value, len)};
	ev.fix.tags = tag;
	ev.fix.tags_n = 1;
	return ev;
}

Test(batch, a_batch_is_an_event_batch_with_its_facts_behind_the_rows)
{
	struct bench bench;
	Events__V1__EventBatch *msg;
	struct batch *b;
	struct event ev;

	bench_open(&bench, 65536, 0);

	stream_session(bench.ws, bench.s, STR("S1"));
	stream_clock(bench.ws, bench.s, 2, 500);
	streams_time(bench.ws, 123456789);
	for (unsigned i = 0; i < 3; i++) {
		ev = mbo(i + 10);
		cr_assert_eq(stream_append(bench.ws, bench.s, &ev), 0);
	}
	streams_flush(bench.ws);
	b = next(&bench);
	cr_assert_eq(b->events, 3);
	msg = events__v1__event_batch__unpack(NULL, b->len, b->data);
	cr_assert_not_null(msg);
	cr_assert_eq(msg->n_events, 3);
	cr_assert_eq(msg->events[2]->seq, 12);
	cr_assert_str_eq(msg->source, "host");
	cr_assert_eq(msg->worker, 2);
	cr_assert_eq(msg->batch_seq, 1);
	cr_assert_eq(msg->schema_version, SCHEMA_VERSION);
	cr_assert_eq(msg->ts_close_ns, 123456789);
	cr_assert_eq(msg->boot_id, 77);
	cr_assert_eq(msg->stream, stream_facts(bench.s)->number);
	cr_assert_eq(msg->first_event, 1);
	cr_assert_str_eq(msg->venue, "XNAS");
	cr_assert_eq(msg->channel, 3);
	cr_assert_str_eq(msg->session, "S1");
	cr_assert_eq(msg->clock_source, 2);
	cr_assert_eq(msg->clock_error_ns, 500);
	cr_assert_eq(msg->n_dropped, 0);
	events__v1__event_batch__free_unpacked(msg, NULL);
	bench_close(&bench);
}

Test(batch, a_stream_has_the_same_number_key_and_topic_in_every_run)
{
	struct bench bench;
	struct stream_spec fix = {DOMAIN_FIX, STR("A-B"), 0}, ops = {DOMAIN_OPS, {NULL, 0}, 1};
	const struct stream_facts *f;

	bench_open(&bench, 65536, 0);

	f = stream_facts(bench.s);
	cr_assert_eq(f->number, 0x59dcfb20f66d, "got %#lx", f->number);
	cr_assert_str_eq(f->key, "XNAS/3");
	cr_assert_str_eq(f->topic, "md.XNAS.3.");
	f = stream_facts(stream_open(bench.ws, &fix));
	cr_assert_str_eq(f->key, "A-B");
	cr_assert_str_eq(f->topic, "fix.A-B.");
	f = stream_facts(stream_open(bench.ws, &ops));
	cr_assert_str_eq(f->key, "1");
	cr_assert_str_eq(f->topic, "ops.1.");
	bench_close(&bench);
}

Test(batch, the_same_name_is_the_same_stream_and_a_full_table_says_so)
{
	struct bench bench;
	struct stream_spec spec = {DOMAIN_MD, STR("XNAS"), 3};

	bench_open(&bench, 65536, 0);

	cr_assert_eq(stream_open(bench.ws, &spec), bench.s);
	for (spec.channel = 100; spec.channel < 107; spec.channel++)
		cr_assert_not_null(stream_open(bench.ws, &spec));
	cr_assert_null(stream_open(bench.ws, &spec));
	spec.channel = 3;
	cr_assert_eq(stream_open(bench.ws, &spec), bench.s);
	bench_close(&bench);
}

/* rows_of_all appends the rows of every batch to out; checks that numbers have no hole.
 * Returns their length */
static size_t rows_of_all(struct bench *bench, uint8_t *out, size_t room, uint32_t most)
{
	uint64_t batches = 0, events = 0;
	struct batch *b;
	size_t len = 0;

	for (; (b = next(bench)); taken(bench)) {
		struct bytes rows = batch_rows(b), event;
		uint32_t n = 0;

		cr_assert_eq(b->batch_seq, ++batches);
		cr_assert_eq(b->first_event, events + 1);
		cr_assert(!most || b->events <= most);
		while (batch_row(&rows, &event) > 0)
			n++;
		cr_assert_eq(n, b->events);
		events += n;
		cr_assert(len + b->rows_len <= room);
		memcpy(out + len, b->data, b->rows_len);
		len += b->rows_len;
	}
	return len;
}

Test(batch, sizes_of_1_event_7_events_4_and_64_KiB_give_the_same_rows, .timeout = 120)
{
	static const uint32_t sizes[][2] = {
		{65536, 1}, {65536, 7}, {4096, 0}, {65536, 0}, {1 << 20, 0}};
	const size_t room = 64 << 20;
	uint8_t *expected = malloc(room), *got = malloc(room), *parts = malloc(1 << 20);
	static const enum event_type types[] = {EVENT_MBO, EVENT_MBP, EVENT_TRADE, EVENT_FIX,
		EVENT_DEFINITION, EVENT_LEDGER, EVENT_STATS};
	size_t expected_len = 0;

	for (unsigned n = 0; n < WAYS * sizeof(sizes) / sizeof(sizes[0]); n++) {
		unsigned k = use_way(n);
		struct bench bench;
		struct fill fill = {.seed = 42, .room = parts, .size = 1 << 20, .skip = 3};
		size_t len;

		bench_open(&bench, sizes[k][0], sizes[k][1]);

		expected_len = 0;
		for (unsigned i = 0; i < 3000; i++) {
			struct event ev;

			fill.used = 0;
			fill_event(&fill, &ev, types[i % 7]);
			if (event_bound(&ev) > 2900) /* has to fit into every size */
				continue;
			expected_len += event_row_write(expected + expected_len, &ev);
			cr_assert_eq(stream_append(bench.ws, bench.s, &ev), 0);
		}
		streams_flush(bench.ws);
		len = rows_of_all(&bench, got, room, sizes[k][1]);
		cr_assert_eq(len, expected_len, "%zu rows bytes instead of %zu at size %u", len,
			expected_len, k);
		cr_assert_eq(memcmp(got, expected, len), 0);
		bench_close(&bench);
	}
	cr_assert_gt(expected_len, 200000);
	free(expected);
	free(got);
	free(parts);
}

Test(batch, a_vector_gives_the_rows_of_its_events, .timeout = 120)
{
	enum { EVENTS = 1200, AT_ONCE = 100, ROOM = 16 << 20 };
	static const uint32_t sizes[][2] = {{4096, 0}, {65536, 7}, {65536, 1}, {65536, 0}};
	static const enum event_type types[] = {
		EVENT_MBO, EVENT_MBP, EVENT_SYSTEM, EVENT_BBO, EVENT_FIX, EVENT_TRADE};
	struct fill fill = {.seed = 7, .room = malloc(ROOM), .size = ROOM};
	struct event *all = calloc(EVENTS, sizeof(*all)), *evs[EVENTS];
	uint8_t *expected = malloc(ROOM), *got = malloc(ROOM);
	size_t expected_len = 0;

	for (unsigned n = 0; n < EVENTS;) {
		struct event *ev = &all[n];

		fill.skip = 1 + n / 10 % 4; /* 1: an empty payload, as much as possible else */
		fill_event(&fill, ev, types[n % 6]);
		if (n % 7) { /* another of the same packet */
			ev->venue = STR("XNAS");
			ev->channel = 3;
			ev->feed = 1;
			ev->ts_recv_ns = 1548858600000000000 + n / 21;
			ev->ts_send_ns = n % 50 ? ev->ts_recv_ns - 5 : 0;
			ev->ts_event_ns = n % 11 ? ev->ts_recv_ns - 9 : 0;
			ev->seq = n / 14;
		}
		if (event_bound(ev) > 2900)
			continue;
		expected_len += event_row_write(expected + expected_len, ev);
		evs[n++] = ev;
	}
	for (unsigned i = 0; i < WAYS * sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned k = use_way(i);
		struct bench bench;

		bench_open(&bench, sizes[k][0], sizes[k][1]);
		for (unsigned n = 0; n < EVENTS; n += AT_ONCE)
			cr_assert_eq(
				stream_append_all(bench.ws, bench.s, evs + n, AT_ONCE), AT_ONCE);
		streams_flush(bench.ws);
		cr_assert_eq(rows_of_all(&bench, got, ROOM, sizes[k][1]), expected_len, "%u", k);
		cr_assert_eq(memcmp(got, expected, expected_len), 0);
		bench_close(&bench);
	}
	free(expected);
	free(got);
	free(all);
	free(fill.room);
}

static void any_size(void)
{
	struct bench bench;
	uint8_t *value = malloc(1 << 17);
	uint64_t batched = 0, refused = 0;

	bench_open(&bench, 65536, 0);

	for (size_t len = 900; len < 66000; len += len < 5200 ? 7 : 501) {
		struct ev_fix_message_tag tag;
		struct event ev = fix_of_size(&tag, value, len);
		int rc = stream_append(bench.ws, bench.s, &ev);
		struct batch *b;

		cr_assert_eq(rc == 0, len + 20 <= 65536 - 1024, "%zu bytes", len);
		refused += rc != 0;
		batched += rc == 0;
		streams_flush(bench.ws);
		b = next(&bench);
		if (rc == 0) {
			Events__V1__EventBatch *msg =
				events__v1__event_batch__unpack(NULL, b->len, b->data);

			cr_assert_not_null(msg);
			cr_assert_eq(msg->events[0]->fix->tags[0]->value.len, len);
			cr_assert_eq(
				memcmp(msg->events[0]->fix->tags[0]->value.data, value, len), 0);
			events__v1__event_batch__free_unpacked(msg, NULL);
			taken(&bench);
		}
		cr_assert_null(next(&bench));
	}
	cr_assert_gt(refused, 0);
	cr_assert_gt(batched, 500);
	free(value);
	bench_close(&bench);
}

Test(batch, an_event_of_any_size_goes_through_until_it_is_too_big, .timeout = 120)
{
	for (unsigned n = 0; n < WAYS; n++) {
		use_way(n);
		any_size();
	}
}

Test(batch, what_was_too_big_is_told_in_the_next_batch)
{
	struct bench bench;
	struct ev_fix_message_tag tag;
	uint8_t value[5000];
	struct event big = fix_of_size(&tag, value, sizeof(value)), small = mbo(1);
	struct ledger_cut cut = {0};
	Events__V1__EventBatch *msg;

	bench_open(&bench, 4096, 0);

	cr_assert_eq(stream_append(bench.ws, bench.s, &big), -REASON_event_too_big);
	cr_assert_eq(stream_append(bench.ws, bench.s, &small), 0);
	streams_stage(bench.ws, &cut);
	cr_assert_eq(cut.stages[0].entered, 2);
	cr_assert_eq(cut.stages[0].held, 1);
	cr_assert_eq(cut.stages[0].dropped[REASON_event_too_big], 1);
	cr_assert_eq(ledger_difference(&cut.stages[0]), 0);
	streams_flush(bench.ws);
	msg = events__v1__event_batch__unpack(NULL, next(&bench)->len, next(&bench)->data);
	cr_assert_eq(msg->n_events, 1);
	cr_assert_eq(msg->n_dropped, 1);
	cr_assert_str_eq(msg->dropped[0]->reason, "event_too_big");
	cr_assert_eq(msg->dropped[0]->count, 1);
	events__v1__event_batch__free_unpacked(msg, NULL);
	bench_close(&bench);
}

Test(batch, the_longest_facts_have_room)
{
	struct ring_options ring_opt = {64, WHEN_FULL_BLOCK, NULL};
	char name[65];
	struct stream_spec spec = {DOMAIN_FIX, {name, 64}, UINT32_MAX};
	struct ring *ring;
	struct streams *ws;
	struct stream *s;
	struct streams_options opt = {.worker = 63,
		.streams_max = 1,
		.batch_bytes = 4096,
		.boot_id = UINT64_MAX,
		.source = name,
		.rings = &ring,
		.rings_n = 1,
		.sinks_hold = 64};
	Events__V1__EventBatch *msg;
	struct batch *b;

	memset(name, 'N', 64);
	name[64] = 0;
	cr_assert_eq(ring_open(&ring, &ring_opt), 0);
	cr_assert_eq(streams_open(&ws, &opt), 0);
	s = stream_open(ws, &spec);
	stream_session(ws, s, (struct str){name, 64});
	stream_clock(ws, s, 4, UINT64_MAX);
	for (unsigned r = 1; r < REASON_COUNT; r++)
		stream_dropped(s, (enum reason)r, UINT64_MAX);
	for (unsigned i = 0; i < 200; i++) {
		struct event ev = mbo(i);

		cr_assert_eq(stream_append(ws, s, &ev), 0);
	}
	streams_flush(ws);
	for (unsigned batches = 0; ring_absorb(ring, 0), (b = ring_first(ring)); batches++) {
		cr_assert_leq(b->len, 4096);
		msg = events__v1__event_batch__unpack(NULL, b->len, b->data);
		cr_assert_not_null(msg);
		cr_assert_eq(strlen(msg->source), 63);
		cr_assert_eq(strlen(msg->venue), 63);
		cr_assert_eq(strlen(msg->session), 63);
		cr_assert_eq(msg->n_dropped, 16);
		events__v1__event_batch__free_unpacked(msg, NULL);
		ring_taken(ring);
		batch_done(b);
	}
	cr_assert_eq(streams_close(ws), 0);
	ring_close(ring);
}

Test(batch, a_new_session_or_clock_closes_the_batch_first)
{
	struct bench bench;
	struct event ev = mbo(1);

	bench_open(&bench, 65536, 0);

	stream_session(bench.ws, bench.s, STR("S1"));
	stream_append(bench.ws, bench.s, &ev);
	stream_session(bench.ws, bench.s, STR("S1"));
	cr_assert_null(next(&bench), "the same session closes nothing");
	stream_session(bench.ws, bench.s, STR("S2"));
	cr_assert_eq(next(&bench)->events, 1);
	cr_assert_str_eq(next(&bench)->session, "S1");
	taken(&bench);
	stream_append(bench.ws, bench.s, &ev);
	stream_clock(bench.ws, bench.s, 4, 0);
	cr_assert_str_eq(next(&bench)->session, "S2");
	bench_close(&bench);
}

Test(batch, an_idle_stream_closes_at_the_end_of_a_burst_and_a_busy_one_after_linger)
{
	struct bench bench;
	struct event ev = mbo(1);

	bench_open(&bench, 65536, 0);

	streams_time(bench.ws, 10000);
	stream_append(bench.ws, bench.s, &ev);
	cr_assert_eq(streams_poll(bench.ws, 10001), 1, "nothing outstanding");
	cr_assert_not_null(next(&bench));
	stream_append(bench.ws, bench.s, &ev);
	cr_assert_eq(streams_poll(bench.ws, 10100), 0, "one is outstanding");
	cr_assert_eq(streams_poll(bench.ws, 11000), 0, "linger counts from the first event");
	cr_assert_eq(streams_poll(bench.ws, 11001), 1, "linger has passed");
	stream_append(bench.ws, bench.s, &ev);
	cr_assert_eq(streams_poll(bench.ws, 11002), 0);
	taken(&bench);
	cr_assert_eq(streams_poll(bench.ws, 11003), 0, "the second is still outstanding");
	next(&bench);
	taken(&bench);
	cr_assert_eq(streams_poll(bench.ws, 11004), 1);
	cr_assert_eq(streams_poll(bench.ws, 99999), 0, "nothing is open");
	bench_close(&bench);
}

Test(batch, a_clock_that_is_set_back_closes_what_is_open)
{
	struct bench bench;
	struct event ev = mbo(1);

	bench_open(&bench, 65536, 0);

	streams_time(bench.ws, 1000000);
	stream_append(bench.ws, bench.s, &ev);
	streams_poll(bench.ws, 1000000);
	stream_append(bench.ws, bench.s, &ev);
	cr_assert_eq(streams_poll(bench.ws, 5), 1);
	bench_close(&bench);
}

Test(batch, every_prefix_of_rows_is_read_up_to_its_last_whole_row)
{
	uint8_t all[512];
	size_t ends[4] = {0}, len = 0;

	for (unsigned i = 0; i < 3; i++) {
		struct event ev = mbo(1000 + i);

		len += event_row_write(all + len, &ev);
		ends[i + 1] = len;
	}
	for (size_t cut = 0; cut <= len; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);
		struct bytes rows = bytes_of(exact, cut), event;
		unsigned n = 0, whole = 0;
		int rc;

		memcpy(exact, all, cut);
		while ((rc = batch_row(&rows, &event)) > 0)
			n++;
		while (whole < 3 && ends[whole + 1] <= cut)
			whole++;
		cr_assert_eq(n, whole);
		cr_assert_eq(rc, cut == ends[whole] ? 0 : -REASON_garbled);
		cr_assert_eq(rows.p, rows.end);
		free(exact);
	}
}

Test(batch, a_pool_gives_each_batch_once_and_takes_it_back)
{
	struct batch_pool *pool;
	struct batch *b[5];

	cr_assert_eq(batch_pool_open(&pool, 4, 5000), 0);
	for (unsigned i = 0; i < 4; i++) {
		b[i] = pool_take(pool);
		cr_assert_not_null(b[i]);
		memset(b[i]->data, (int)i, 5000);
		atomic_store(&b[i]->refs, 2);
		b[i]->owner = NULL;
	}
	for (unsigned i = 0; i < 4; i++)
		cr_assert(b[i]->data[0] == i && b[i]->data[4999] == i, "buffers do not overlap");
	cr_assert_null(pool_take(pool));
	batch_done(b[1]);
	cr_assert_null(pool_take(pool), "one of two sinks still has it");
	batch_done(b[1]);
	cr_assert_eq(pool_take(pool), b[1]);
	atomic_store(&b[1]->refs, 1);
	for (unsigned i = 0; i < 4; i++) {
		atomic_store(&b[i]->refs, 1);
		batch_done(b[i]);
	}
	cr_assert_eq(pool_out(pool), 0);
	batch_pool_close(pool);
}

Test(batch, a_block_goes_out_whole_whatever_the_way)
{
	static void (*const ways[])(uint8_t *, const uint8_t *) = {
		block_by_streams, block_by_stores};
	uint8_t *from = aligned_alloc(64, BLOCK), *to = aligned_alloc(64, BLOCK + 64);

	for (unsigned way = 0; way < 2; way++) {
		for (unsigned i = 0; i < BLOCK; i++)
			from[i] = (uint8_t)(i * 7 + i / 256 + way);
		memset(to, 0xa5, BLOCK + 64);
		ways[way](to, from);
		cr_assert_arr_eq(to, from, BLOCK);
		for (unsigned i = BLOCK; i < BLOCK + 64; i++)
			cr_assert_eq(to[i], 0xa5);
	}
	free(from);
	free(to);
}

/* The newest that came back lies in the cache of the core that read it. */
Test(batch, a_pool_lets_2_MiB_circulate_and_takes_the_oldest_back_first)
{
	enum { N = 100, CIRCULATE = 32 };
	struct batch_pool *pool;
	struct batch *first[N], *b;

	cr_assert_eq(batch_pool_open(&pool, N, 65536), 0);
	for (unsigned i = 0; i < 3 * N; i++) {
		b = pool_take(pool);
		if (i < CIRCULATE) {
			for (unsigned k = 0; k < i; k++)
				cr_assert_neq(b, first[k]);
			first[i] = b;
		}
		cr_assert_eq(b, first[i % CIRCULATE], "turn %u", i);
		b->owner = NULL;
		atomic_store(&b->refs, 1);
		batch_done(b);
	}
	for (unsigned i = 0; i < N; i++) {
		first[i] = pool_take(pool);
		cr_assert_not_null(first[i], "all of them can be had");
		first[i]->owner = NULL;
		atomic_store(&first[i]->refs, 1);
	}
	cr_assert_null(pool_take(pool));
	for (unsigned i = 0; i < N; i++)
		batch_done(first[i]);
	cr_assert_eq(pool_out(pool), 0);
	batch_pool_close(pool);
}

Test(batch, the_way_of_blocks_is_the_one_whose_median_is_least)
{
	uint64_t ns[BLOCK_WAYS][BLOCK_ROUNDS] = {
		[BLOCK_STREAMED] = {6000, 6100, 90000, 5900, 80000},
		[BLOCK_COPIED] = {2900, 70000, 3000, 3100, 95000},
		[BLOCK_IN_PLACE] = {1, 2, 57000, 58000, 59000},
	};
	struct block_choice choice;

	block_best(&choice, ns, BLOCK_ROUNDS);
	cr_assert_eq(choice.way, BLOCK_COPIED);
	cr_assert_eq(choice.ns[BLOCK_STREAMED], 6100);
	cr_assert_eq(choice.ns[BLOCK_COPIED], 3100);
	cr_assert_eq(choice.ns[BLOCK_IN_PLACE], 57000);

	/* the rounds of each way are sorted now: of three, in place is the best */
	block_best(&choice, ns, 3);
	cr_assert_eq(choice.way, BLOCK_IN_PLACE);

	block_best(&choice, ns, 0);
	cr_assert_eq(choice.way, BLOCK_STREAMED, "nothing was measured");
	cr_assert_eq(choice.ns[BLOCK_STREAMED], 0);
}

Test(batch, the_way_of_blocks_is_as_told_or_measured_in_little_time, .timeout = 60)
{
	struct block_choice choice;
	struct timespec from, to;
	cpu_set_t before, after;
	int cores[2] = {-1, -1};

	sched_getaffinity(0, sizeof(before), &before);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &before))
			cores[cores[0] >= 0] = i;
	for (enum block_way way = BLOCK_STREAMED; way < BLOCK_WAYS; way++) {
		block_choose(&choice, way, cores);
		cr_assert_eq(block_way, way);
		cr_assert_eq(choice.ns[way], 0);
	}
	block_choose(&choice, BLOCK_AUTO, (int[]){cores[0], cores[0]});
	cr_assert_eq(block_way, BLOCK_IN_PLACE, "nothing crosses to another core");
	if (cores[1] < 0)
		cr_skip_test("one core");
	clock_gettime(CLOCK_MONOTONIC, &from);
	block_choose(&choice, BLOCK_AUTO, cores);
	clock_gettime(CLOCK_MONOTONIC, &to);
	cr_expect_lt((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000, 500,
		"20 ms, and what a busy machine adds");
	cr_assert_eq(choice.way, block_way);
	cr_assert(block_way > BLOCK_AUTO && block_way < BLOCK_WAYS);
	for (int way = BLOCK_STREAMED; way < BLOCK_WAYS; way++)
		cr_assert(!choice.ns[way] || choice.ns[way] >= choice.ns[block_way]);
	sched_getaffinity(0, sizeof(after), &after);
	cr_assert(CPU_EQUAL(&before, &after), "the thread is where it was");
}
