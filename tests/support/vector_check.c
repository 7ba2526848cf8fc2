#include "tests/support/vector_check.h"

#include "tests/support/event_check.h"

#include <stdio.h>
#include <stdlib.h>

enum { FRAME_MAX = 4096, EVENT_BYTES_MAX = 4096 };

static void rig_flush(struct events *out)
{
	struct decode_rig *rig = out->ctx;

	rig->flushed += out->n;
}

void decode_rig_init(struct decode_rig *rig, const char *protocol)
{
	*rig = (struct decode_rig){.protocol = protocol_find(str_of(protocol))};
	if (!rig->protocol || feed_state_init(&rig->state, rig->protocol) < 0 ||
		events_init(&rig->out, rig_flush, rig) < 0)
		abort();
}

void decode_rig_empty(struct decode_rig *rig)
{
	events_flush(&rig->out);
	rig->out.sub_seq = 0;
}

void decode_rig_free(struct decode_rig *rig)
{
	feed_state_free(&rig->state);
	events_free(&rig->out);
}

/* heap_copy is an exactly sized block, so that a sanitizer sees a read beyond it. */
static uint8_t *heap_copy(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	if (len)
		memcpy(copy, p, len);
	return copy;
}

static bool of_protocol(const struct test_vector *v, const char *protocol)
{
	return strcmp(v->protocol, protocol) == 0;
}

size_t vector_frame(const struct protocol *p, const struct test_vector *v, uint8_t *out)
{
	for (unsigned int form = 0; form < 4; form++) {
		size_t len = v->len + (form & 2);
		struct bytes in;

		out[0] = (uint8_t)(form & 1 ? len >> 8 : len);
		out[1] = (uint8_t)(form & 1 ? len : len >> 8);
		memcpy(out + 2, v->data, v->len);
		in = bytes_of(out, v->len + 2);
		if (p->skip(&in) == 0 && in.p == in.end)
			return v->len + 2;
	}
	fprintf(stderr, "%s, %s: no framing fits\n", v->protocol, v->title);
	abort();
}

static void print_bytes(const char *what, const uint8_t *p, size_t len)
{
	fprintf(stderr, "  %s ", what);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%02x", p[i]);
	fprintf(stderr, "\n");
}

static bool same_events(const struct test_vector *v, const struct events *out)
{
	uint8_t buf[EVENT_BYTES_MAX];
	bool same = out->n == v->events_n;

	if (!same)
		fprintf(stderr, "%s, %s: %u events, expected %u\n", v->protocol, v->title, out->n,
			v->events_n);
	for (uint32_t i = 0; i < out->n && i < v->events_n; i++) {
		size_t len = event_write(buf, out->ev[i]);

		if (event_check(out->ev[i]) < 0)
			same = false;
		if (len == v->events[i].len && memcmp(buf, v->events[i].data, len) == 0)
			continue;
		fprintf(stderr, "%s, %s: event %u differs (protoc --decode=events.v1.Event)\n",
			v->protocol, v->title, i);
		print_bytes("expected", v->events[i].data, v->events[i].len);
		print_bytes("found   ", buf, len);
		same = false;
	}
	return same;
}

static bool vector_right(const struct test_vector *v, bool framed)
{
	uint8_t frame[FRAME_MAX], *copy;
	struct decode_rig rig;
	struct bytes in;
	size_t len = v->len;
	bool right;
	int n;

	decode_rig_init(&rig, v->protocol);
	if (v->after >= 0) {
		const struct test_vector *before = &test_vectors[v->after];

		rig.protocol->body(&rig.state, bytes_of(before->data, before->len), &rig.out);
		decode_rig_empty(&rig);
	}
	if (framed)
		len = vector_frame(rig.protocol, v, frame);
	copy = heap_copy(framed ? frame : v->data, len);
	in = bytes_of(copy, len);
	n = framed ? rig.protocol->message(&rig.state, &in, &rig.out)
		   : rig.protocol->body(&rig.state, in, &rig.out);
	right = n == (int)v->events_n && (!framed || in.p == in.end);
	if (!right)
		fprintf(stderr, "%s, %s: returned %d (%s), expected %u\n", v->protocol, v->title, n,
			n < 0 ? reason_name((enum reason) - n) : "events", v->events_n);
	right &= same_events(v, &rig.out);
	free(copy);
	decode_rig_free(&rig);
	return right;
}

int vectors_check(const char *protocol)
{
	int right = 0;
	bool wrong = false;

	for (unsigned int i = 0; i < test_vectors_n; i++) {
		if (!of_protocol(&test_vectors[i], protocol))
			continue;
		if (vector_right(&test_vectors[i], false) && vector_right(&test_vectors[i], true))
			right++;
		else
			wrong = true;
	}
	return wrong ? -1 : right;
}

/* prefix_refused offers one prefix. framed: it begins with the length, and message must say that it
 * is cut. */
static bool prefix_refused(struct decode_rig *rig, const uint8_t *p, size_t len, bool framed)
{
	uint32_t room = rig->state.symbols ? rig->state.symbols->room : 0;
	uint8_t *copy = heap_copy(p, len);
	struct bytes in = bytes_of(copy, len), again = in;
	bool refused;
	int rc;

	rc = framed ? rig->protocol->message(&rig->state, &in, &rig->out)
		    : rig->protocol->body(&rig->state, in, &rig->out);
	refused = rc < 0 && rig->out.pushed == 0 && rig->out.sub_seq == 0 &&
		  (!rig->state.symbols || rig->state.symbols->room == room);
	if (framed)
		refused &= rc == -REASON_message_length && in.p == in.end &&
			   rig->protocol->skip(&again) == -REASON_message_length &&
			   again.p == again.end;
	free(copy);
	return refused;
}

int prefixes_check(const char *protocol)
{
	uint8_t frame[FRAME_MAX];
	struct decode_rig rig;
	int prefixes = 0;

	decode_rig_init(&rig, protocol);
	for (unsigned int i = 0; i < test_vectors_n && prefixes >= 0; i++) {
		const struct test_vector *v = &test_vectors[i];

		if (!of_protocol(v, protocol))
			continue;
		vector_frame(rig.protocol, v, frame);
		for (size_t len = 0; len < v->len + 2; len++, prefixes++) {
			if (prefix_refused(&rig, frame, len, true) &&
				(len >= v->len || prefix_refused(&rig, v->data, len, false)))
				continue;
			fprintf(stderr, "%s, %s: %zu of %u bytes were not refused\n", protocol,
				v->title, len, v->len);
			prefixes = -2;
			break;
		}
	}
	decode_rig_free(&rig);
	return prefixes < 0 ? -1 : prefixes;
}

static void put_u16(uint8_t *p, size_t value, bool big)
{
	p[0] = (uint8_t)(big ? value >> 8 : value);
	p[1] = (uint8_t)(big ? value : value >> 8);
}

int datagrams_check(const char *protocol, struct bytes head, unsigned int count_at,
	unsigned int length_at, bool big)
{
	const struct protocol *p = protocol_find(str_of(protocol));
	size_t len = bytes_len(head), head_len = len, count = 0;
	uint8_t *data = calloc(1, 65536);
	int rc = 0;

	if (!data || !p)
		abort();
	memcpy(data, head.p, len);
	for (unsigned int i = 0; i < test_vectors_n; i++) {
		if (of_protocol(&test_vectors[i], protocol)) {
			len += vector_frame(p, &test_vectors[i], data + len);
			count++;
		}
	}
	put_u16(data + count_at, count, big);
	for (size_t n = 0; n <= len + 1 && rc == 0; n++) {
		uint8_t *copy = heap_copy(data, n);

		if (length_at && n >= head_len)
			put_u16(copy + length_at, n - head_len, big);
		if (p->recognise(bytes_of(copy, n)) != (n == len)) {
			fprintf(stderr, "%s: %zu bytes of a datagram of %zu are %srecognised\n",
				protocol, n, len, n == len ? "not " : "");
			rc = -1;
		}
		free(copy);
	}
	free(data);
	return rc;
}
