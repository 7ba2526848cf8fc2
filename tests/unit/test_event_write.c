#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "events/v1/batch.pb-c.h"
#include "proto/wire.h"
#include "tests/support/event_check.h"
#include "tests/support/event_fill.h"

TestSuite(event_write, .timeout = 120);

enum { ROOM = 4 << 20 };

static struct fill fill_new(uint64_t seed)
{
	return (struct fill){.seed = seed, .room = malloc(ROOM), .size = ROOM, .skip = 3};
}

static bool is_type(uint32_t type)
{
	return type == EVENT_NONE || event_payload_size[type] > 0;
}

/* equal says whether direct bytes are protobuf-c's, when both start from ev. */
static bool equal(const struct event *ev)
{
	size_t len, theirs_len;
	uint8_t *ours = malloc(event_bound(ev)), *theirs = event_oracle(ev, NULL, &theirs_len);
	bool ok;

	len = event_write(ours, ev);
	ok = len == theirs_len && memcmp(ours, theirs, len) == 0;
	free(ours);
	free(theirs);
	return ok;
}

Test(event_write, random_events_of_every_type_equal_protobuf_c)
{
	static struct event ev;
	struct event_tail tail;
	struct fill f = fill_new(1);
	unsigned checked = 0;

	for (unsigned round = 0; round < 60; round++) {
		for (uint32_t type = 0; type < EVENT_TYPES; type++) {
			if (!is_type(type))
				continue;
			f.used = 0;
			f.skip = round % 4; /* 0: every field; 1: none */
			fill_event(&f, &ev, type);
			cr_assert(equal(&ev), "type %u, round %u", type, round);
			cr_assert(event_check(&ev) == 0, "type %u, round %u", type, round);
			fill_message(&f, &tail, &fields_event_tail);
			cr_assert(event_tail_check(&ev, &tail) == 0, "type %u, round %u", type,
				round);
			checked++;
		}
	}
	cr_assert(checked >= 60 * 25);
	free(f.room);
}

/* alone puts each field of a message, reached through parents, to each boundary with nothing beside
 * it. */
static unsigned alone(struct fill *f, struct event *ev, void *base, const struct ev_message *msg)
{
	unsigned checked = 0;

	for (uint32_t i = 0; i < msg->fields_n; i++) {
		const struct ev_field *field = &msg->fields[i];

		if (field->label == EV_PAYLOAD ||
			(field->kind == EV_MESSAGE && field->label != EV_MANY))
			continue;
		for (unsigned b = 0; b < FILL_BOUNDARIES; b++) {
			f->used = 0;
			memset(base, 0, msg->size);
			fill_boundary(f, base, msg, field, b);
			cr_assert(equal(ev), "%s.%s, boundary %u", msg->name, field->name, b);
			cr_assert(event_check(ev) == 0, "%s.%s, boundary %u", msg->name,
				field->name, b);
			checked++;
		}
	}
	memset(base, 0, msg->size);
	return checked;
}

Test(event_write, every_field_alone_at_every_boundary_equals_protobuf_c)
{
	static struct event ev;
	struct fill f = fill_new(2);
	unsigned checked;

	f.skip = 0;
	checked = alone(&f, &ev, &ev, &fields_event);
	for (uint32_t i = 0; i < fields_event.fields_n; i++) {
		const struct ev_field *payload = &fields_event.fields[i];

		if (payload->label != EV_PAYLOAD)
			continue;
		memset(&ev, 0, sizeof(ev));
		ev.type = payload->number;
		cr_assert(equal(&ev), "empty %s", payload->name);
		checked += alone(&f, &ev, (uint8_t *)&ev + payload->offset, payload->message);
	}
	cr_assert(checked > 250 * FILL_BOUNDARIES);
	free(f.room);
}

/* longest is what the present fields of a message take when every number and every length is as
 * long as it can be: computed from the tables, beside the generated bound. */
static size_t longest(const void *base, const struct ev_message *msg)
{
	static const size_t max[] = {[EV_UINT32] = 5,
		[EV_ENUM] = 5,
		[EV_UINT64] = 10,
		[EV_SINT64] = 10,
		[EV_FIXED64] = 8,
		[EV_BOOL] = 1,
		[EV_STRING] = 5,
		[EV_BYTES] = 5,
		[EV_FLOAT] = 4,
		[EV_DOUBLE] = 8,
		[EV_MESSAGE] = 5};
	size_t sum = 0;

	for (uint32_t i = 0; i < msg->fields_n; i++) {
		const struct ev_field *field = &msg->fields[i];
		const uint8_t *at = (const uint8_t *)base + field->offset;

		if (field->label == EV_MANY || field->label == EV_MAP)
			continue;
		if (field->label == EV_PAYLOAD &&
			((const struct event *)base)->type != (enum event_type)field->number)
			continue;
		sum += (field->number < 16 ? 1 : 2) + max[field->kind];
		if (field->kind == EV_STRING)
			sum += ((const struct str *)at)->len;
		else if (field->kind == EV_BYTES)
			sum += bytes_len(*(const struct bytes *)at);
		else if (field->kind == EV_MESSAGE)
			sum += longest(at, field->message);
	}
	return sum;
}

Test(event_write, the_bound_covers_the_longest_of_every_field)
{
	static struct event ev;
	struct fill f = fill_new(5);
	unsigned checked = 0;

	for (uint32_t type = 0; type < EVENT_TYPES; type++) {
		if (!is_type(type))
			continue;
		f.used = 0;
		f.skip = 0;
		fill_event(&f, &ev, type);
		/* a row: key and length of the event, and what may be scribbled on behind it */
		cr_assert_geq(event_bound(&ev), 6 + longest(&ev, &fields_event) + WIRE_SLACK,
			"type %u", type);
		checked++;
	}
	cr_assert_gt(checked, 20);
	free(f.room);
}

Test(event_write, zero_with_presence_is_written_and_without_it_is_not)
{
	struct event ev = {.type = EVENT_MBP, .mbp = {.has = MBP_UPDATE_HAS_SIZE}};
	uint8_t out[256];
	size_t len = event_write(out, &ev);

	/* mbp { size: 0 } */
	cr_assert_eq(len, 4);
	cr_assert_arr_eq(out, ((uint8_t[]){0x52, 0x02, 0x20, 0x00}), 4);
	ev.mbp.has = 0;
	len = event_write(out, &ev);
	cr_assert_eq(len, 2);
	cr_assert_arr_eq(out, ((uint8_t[]){0x52, 0x00}), 2);
}

Test(event_write, an_order_has_the_bytes_that_the_encoding_says)
{
	struct event ev = {.ts_recv_ns = 0x0102030405060708,
		.venue = STR("XNAS"),
		.seq = 300,
		.flags = EVENT_FLAG_LAST,
		.instrument_id = 7,
		.symbol = STR("AAPL"),
		.type = EVENT_MBO,
		.template_id = 'A',
		.mbo = {.action = MBO_ACTION_ADD,
			.side = SIDE_SELL,
			.order_id = 1 << 14,
			.price_e9 = -1,
			.has = MBO_HAS_PRICE_E9,
			.size = 100}};
	/* 1: fixed64; 3: "XNAS"; 5: 300; 6: 1; 7: 7; 8: "AAPL"; 9: { 1: 1, 2: 2, 3: 16384, 4:
	 * zigzag 1, 5: 100 }; 55: 65 */
	static const uint8_t want[] = {0x09, 8, 7, 6, 5, 4, 3, 2, 1, 0x1a, 4, 'X', 'N', 'A', 'S',
		0x28, 0xac, 0x02, 0x30, 0x01, 0x38, 0x07, 0x42, 4, 'A', 'A', 'P', 'L', 0x4a, 12,
		0x08, 1, 0x10, 2, 0x18, 0x80, 0x80, 0x01, 0x20, 0x01, 0x28, 100, 0xb8, 0x03, 65};
	uint8_t out[256];
	size_t len = event_write(out, &ev);

	cr_assert_eq(len, sizeof(want));
	cr_assert_arr_eq(out, want, sizeof(want));
	len = event_row_write(out, &ev);
	cr_assert_eq(len, sizeof(want) + 2);
	cr_assert_eq(out[0], 0x0a);
	cr_assert_eq(out[1], sizeof(want));
	cr_assert_arr_eq(out + 2, want, sizeof(want));
}

Test(event_write, varints_equal_the_plain_loop)
{
	uint8_t ours[24], plain[24];
	uint64_t seed = 3;

	for (unsigned i = 0; i < 200000; i++) {
		uint64_t v;
		unsigned n = 0;

		seed = seed * 6364136223846793005 + 1442695040888963407;
		v = i < 192 ? ((uint64_t)1 << i / 3) + i % 3 - 1 : seed >> (seed & 63);
		for (uint64_t x = v; n == 0 || x; x >>= 7)
			plain[n++] = (uint8_t)(x & 0x7f) | (x > 0x7f ? 0x80 : 0);
		cr_assert_eq(put_varint(ours, v), ours + n, "%llu", (unsigned long long)v);
		cr_assert_arr_eq(ours, plain, n);
		cr_assert_eq(put_varint_small(ours, v), ours + n);
		cr_assert_arr_eq(ours, plain, n);
		cr_assert_eq(wire_spread(v >> 8), wire_spread_plain(v >> 8));
	}
}

Test(event_write, bytes_that_are_no_utf8_become_question_marks)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"AB\xff", "AB?"},
		{"\xc3\xbcmlaut", "\xc3\xbcmlaut"},          /* two bytes */
		{"1234567\xc3", "1234567?"},                 /* cut short at the end */
		{"\xc0\xaf", "??"},                          /* overlong */
		{"\xed\xa0\x80 surrogate", "??? surrogate"}, /* U+D800 */
		{"\xf4\x90\x80\x80", "????"},                /* above U+10FFFF */
		{"\xf0\x9d\x84\x9e", "\xf0\x9d\x84\x9e"},    /* four bytes */
		{"\xe2\x82\xac\x80 and more text", "\xe2\x82\xac? and more text"},
		{"a long text with a \x80 behind the first sixteen bytes",
			"a long text with a ? behind the first sixteen bytes"},
		{"\x7f\x01", "\x7f\x01"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct event ev = {.symbol = str_of(cases[i].in)};
		uint8_t out[256];
		size_t len = event_write(out, &ev);

		cr_assert_eq(len, 2 + strlen(cases[i].in));
		cr_assert_arr_eq(out + 2, cases[i].want, len - 2, "case %u", i);
		cr_assert(event_check(&ev) == 0);
	}
	struct event ev = {.symbol = {"A\0B", 3}};
	uint8_t out[256];

	cr_assert_eq(event_write(out, &ev), 5);
	cr_assert_arr_eq(out + 2, "A?B", 3);
}

Test(event_write, a_map_value_may_be_empty)
{
	struct ev_security_definition_attributes rows[] = {
		{STR("key"), {NULL, 0}}, {{NULL, 0}, STR("value")}};
	struct event ev = {
		.type = EVENT_DEFINITION, .definition = {.attributes = rows, .attributes_n = 2}};

	cr_assert(equal(&ev));
	cr_assert(event_check(&ev) == 0);
}

Test(event_write, lengths_grow_at_their_boundaries)
{
	static const unsigned lengths[] = {0, 1, 110, 118, 120, 121, 122, 123, 124, 125, 126, 127,
		128, 129, 130, 16370, 16376, 16377, 16378, 16379, 16380, 16381, 16382, 16383, 16384,
		16385, 16390, 2097140, 2097152};
	char *text = malloc(2097152);

	memset(text, 'x', 2097152);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct event ev = {.type = EVENT_SYSTEM,
			.system = {.code = SYSTEM_EVENT_CODE_LOGON, .text = {text, lengths[i]}}};

		cr_assert(equal(&ev), "length %u", lengths[i]);
		cr_assert(event_check(&ev) == 0, "length %u", lengths[i]);
	}
	free(text);
}

Test(event_write, rows_and_facts_are_one_batch)
{
	static struct event ev;
	struct fill f = fill_new(4);
	struct ev_event_batch facts;
	size_t used = 0, facts_len, theirs_len, size = 4 << 20;
	uint8_t *out = malloc(size), *theirs;
	Events__V1__EventBatch *batch;

	for (unsigned round = 0; round < 50; round++) {
		f.used = 0;
		fill_message(&f, &facts, &fields_event_batch);
		theirs = event_batch_oracle(&facts, &theirs_len);
		cr_assert_leq(theirs_len + WIRE_SLACK, event_batch_bound(&facts));
		facts_len = event_batch_write(out, &facts);
		cr_assert_eq(facts_len, theirs_len);
		cr_assert_arr_eq(out, theirs, facts_len);
		free(theirs);
	}
	for (unsigned i = 0; i < 100; i++) {
		f.used = 0;
		fill_event(&f, &ev, i % 2 ? EVENT_MBO : EVENT_FIX);
		ev.seq = i + 1;
		cr_assert_leq(used + event_bound(&ev), size);
		used += event_row_write(out + used, &ev);
	}
	facts = (struct ev_event_batch){
		.batch_seq = 7, .schema_version = EVENTS_SCHEMA_VERSION, .venue = STR("XNAS")};
	cr_assert_leq(used + event_batch_bound(&facts), size);
	used += event_batch_write(out + used, &facts);
	batch = events__v1__event_batch__unpack(NULL, used, out);
	cr_assert_not_null(batch);
	cr_assert_eq(batch->n_events, 100);
	for (unsigned i = 0; i < 100; i++)
		cr_assert_eq(batch->events[i]->seq, i + 1);
	cr_assert_eq(batch->batch_seq, 7);
	cr_assert_str_eq(batch->venue, "XNAS");
	events__v1__event_batch__free_unpacked(batch, NULL);
	free(out);
	free(f.room);
}
