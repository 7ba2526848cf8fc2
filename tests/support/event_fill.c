#include "tests/support/event_fill.h"

#include <stdlib.h>

enum { MANY_MAX = 5 };

static uint64_t choose(struct fill *f)
{
	uint64_t v = 0;

	if (f->seed) { /* splitmix64 */
		v = (f->seed += 0x9e3779b97f4a7c15);
		v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
		v = (v ^ v >> 27) * 0x94d049bb133111eb;
		return v ^ v >> 31;
	}
	for (unsigned i = 0; i < 8 && f->input.p < f->input.end; i++)
		v = v << 8 | *f->input.p++;
	return v;
}

static void *room(struct fill *f, size_t size)
{
	uint8_t *p = f->room + f->used;

	size = (size + 15) & ~(size_t)15;
	if (size > f->size - f->used)
		return NULL;
	f->used += size;
	return memset(p, 0, size);
}

/* boundary: 2^(7k) - 1, 2^(7k), 2^(7k) + 1 for k = 0…9, then the largest ones. */
static uint64_t boundary(unsigned i)
{
	if (i < 30)
		return ((uint64_t)1 << 7 * (i / 3)) + i % 3 - 1;
	return (uint64_t[]){UINT64_MAX, UINT64_MAX - 1, UINT32_MAX, INT64_MAX}[(i - 30) % 4];
}

static struct str text(struct fill *f, size_t len, uint64_t how)
{
	static const char *const wide[] = {"ü", "€", "𝄞", "\x7f", "\x01"};
	char *p = room(f, len + 1);
	size_t used = 0;

	if (!p)
		return (struct str){NULL, 0};
	while (used < len) {
		const char *c = wide[how % 5];

		if (how % 4 == 1 && used % 5 == 3 && used + strlen(c) <= len) {
			memcpy(p + used, c, strlen(c));
			used += strlen(c);
		} else {
			p[used] = (char)('!' + (how + used) % 90);
			used++;
		}
	}
	return (struct str){p, (uint32_t)len};
}

static size_t length(unsigned i)
{
	static const size_t special[] = {60, 127, 128, 129, 255, 300, 16383, 16384, 16385};

	return i < 25 ? i : special[(i - 25) % 9];
}

static void set_number(void *at, const struct ev_field *field, uint64_t v)
{
	uint32_t word = (uint32_t)v, values = 0;
	float single = (float)(int64_t)v / 8;
	double twice = (double)(int64_t)v / 8;

	switch (field->kind) {
	case EV_ENUM:
		while (field->values[values].name)
			values++;
		word = field->values[v % values].value;
		/* fall through */
	case EV_UINT32:
		memcpy(at, &word, sizeof(word));
		break;
	case EV_UINT64:
	case EV_SINT64:
	case EV_FIXED64:
		memcpy(at, &v, sizeof(v));
		break;
	case EV_BOOL:
		*(bool *)at = v & 1;
		break;
	case EV_FLOAT:
		memcpy(at, &single, sizeof(single));
		break;
	case EV_DOUBLE:
		memcpy(at, &twice, sizeof(twice));
		break;
	case EV_STRING:
	case EV_BYTES:
	case EV_MESSAGE:
		abort();
	}
}

static void set_value(
	struct fill *f, void *at, const struct ev_field *field, uint64_t v, size_t len)
{
	struct str s;

	if (field->kind == EV_STRING) {
		*(struct str *)at = text(f, len, v);
	} else if (field->kind == EV_BYTES) {
		s = text(f, len, v);
		if (s.len > 2)
			((char *)s.p)[1] = (char)(v | 0x80); /* bytes need not be UTF-8 */
		*(struct bytes *)at = bytes_of(s.p, s.len);
	} else {
		set_number(at, field, v);
	}
}

static void set_has(void *base, const struct ev_message *msg, const struct ev_field *field)
{
	if (field->has)
		*(uint32_t *)((uint8_t *)base + msg->has_offset) |= field->has;
}

/* rising_key writes i as five digits. */
static const char *rising_key(char to[5], uint32_t i)
{
	for (unsigned at = 5; at-- > 0; i /= 10)
		to[at] = (char)('0' + i % 10);
	return to;
}

static void fill_map(struct fill *f, void *at, const struct ev_field *field, uint32_t n)
{
	struct str value;
	char number[5];

	for (uint32_t i = 0; i < n; i++, at = (uint8_t *)at + field->element_size) {
		struct str key = text(f, 8 + choose(f) % 20, 0);

		if (key.len)
			memcpy((char *)key.p, rising_key(number, i), 5);
		else
			key = STR("key");
		*(struct str *)at = key;
		if (field->kind == EV_STRING) {
			value = text(f, 1 + choose(f) % 20, choose(f));
			((struct str *)at)[1] = value.len ? value : STR("value");
		} else {
			*(double *)((struct str *)at + 1) = 1 + (double)(choose(f) % 1000) / 8;
		}
	}
}

static void fill_many(struct fill *f, void *base, const struct ev_field *field, uint32_t n)
{
	void *array = n ? room(f, n * field->element_size) : NULL;

	if (!array)
		return;
	*(void **)((uint8_t *)base + field->offset) = array;
	*(uint32_t *)((uint8_t *)base + field->count_offset) = n;
	if (field->label == EV_MAP) {
		fill_map(f, array, field, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		void *at = (uint8_t *)array + i * field->element_size;

		if (field->kind == EV_MESSAGE)
			fill_message(f, at, field->message);
		else
			set_value(f, at, field, choose(f), choose(f) % 20);
	}
}

static void fill_field(
	struct fill *f, void *base, const struct ev_message *msg, const struct ev_field *field)
{
	void *at = (uint8_t *)base + field->offset;
	uint64_t how = choose(f);

	if (f->skip && how % f->skip == 0)
		return;
	set_has(base, msg, field);
	if (field->label == EV_MANY || field->label == EV_MAP)
		fill_many(f, base, field, how % 16 == 1 ? 200 : how % MANY_MAX);
	else if (field->kind == EV_MESSAGE)
		fill_message(f, at, field->message);
	else if (how & 0x100)
		set_value(f, at, field, boundary(how / 512 % FILL_BOUNDARIES),
			length(how / 65536 % 34));
	else
		set_value(f, at, field, choose(f) >> how / 512 % 64, choose(f) % 25);
}

void fill_message(struct fill *f, void *base, const struct ev_message *msg)
{
	memset(base, 0, msg->size);
	for (uint32_t i = 0; i < msg->fields_n; i++) {
		if (msg->fields[i].label != EV_PAYLOAD)
			fill_field(f, base, msg, &msg->fields[i]);
	}
}

void fill_event(struct fill *f, struct event *ev, enum event_type type)
{
	fill_message(f, ev, &fields_event);
	ev->type = type;
	for (uint32_t i = 0; i < fields_event.fields_n; i++) {
		const struct ev_field *field = &fields_event.fields[i];

		if (field->label == EV_PAYLOAD && field->number == (uint32_t)type)
			fill_message(f, (uint8_t *)ev + field->offset, field->message);
	}
}

void fill_boundary(struct fill *f, void *base, const struct ev_message *msg,
	const struct ev_field *field, unsigned i)
{
	set_has(base, msg, field);
	if (field->label == EV_MANY || field->label == EV_MAP)
		fill_many(f, base, field, i < MANY_MAX ? i : 40 * i);
	else
		set_value(f, (uint8_t *)base + field->offset, field, boundary(i), length(i));
}
