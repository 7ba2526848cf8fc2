#include "tests/support/event_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "events/v1/batch.pb-c.h"
#include "events/v1/event.pb-c.h"

static void report(const char *what, const struct event *ev, const uint8_t *ours, size_t ours_len,
	const uint8_t *theirs, size_t theirs_len)
{
	size_t same = 0;

	while (same < ours_len && same < theirs_len && ours[same] == theirs[same])
		same++;
	fprintf(stderr,
		"event_check: %s: event type %d: %zu bytes, protobuf-c %zu, equal up to %zu\n",
		what, ev->type, ours_len, theirs_len, same);
	for (unsigned side = 0; side < 2; side++) {
		const uint8_t *p = side ? theirs : ours;
		size_t len = side ? theirs_len : ours_len, end = same + 24 < len ? same + 24 : len;

		fprintf(stderr, side ? "protobuf-c:" : "ours:      ");
		for (size_t i = same > 8 ? same - 8 : 0; i < end; i++)
			fprintf(stderr, " %02x", p[i]);
		fprintf(stderr, "\n");
	}
}

/* repacked reads bytes as a message of this type and packs what was read. */
static uint8_t *repacked(
	const ProtobufCMessageDescriptor *type, const uint8_t *p, size_t len, size_t *out_len)
{
	ProtobufCMessage *msg = protobuf_c_message_unpack(type, NULL, len, p);
	uint8_t *out;

	if (!msg)
		return NULL;
	*out_len = protobuf_c_message_get_packed_size(msg);
	out = malloc(*out_len + 1);
	if (out)
		protobuf_c_message_pack(msg, out);
	protobuf_c_message_free_unpacked(msg, NULL);
	return out;
}

static int same(const char *what, const ProtobufCMessageDescriptor *type, const struct event *ev,
	const uint8_t *p, size_t len)
{
	size_t again_len = 0;
	uint8_t *again = repacked(type, p, len, &again_len);
	int rc = again && again_len == len && memcmp(again, p, len) == 0 ? 0 : -1;

	if (rc < 0)
		report(what, ev, p, len, again, again_len);
	free(again);
	return rc;
}

/* rows_check writes ev three times as rows_write does, first with another packet's head. */
static int rows_check(const struct event *ev, const uint8_t *row, size_t row_len)
{
	struct event other = *ev;
	struct event *const evs[] = {&other, (struct event *)ev, (struct event *)ev};
	uint8_t *out = calloc(4, EVENT_ROW_MAX);
	const uint8_t *at;
	size_t len;
	unsigned done;
	int rc = 0;

	if (!out)
		return -1;
	other.seq ^= 1;
	other.ts_recv_ns |= 1;
	len = event_rows_write(out, out + 3 * EVENT_ROW_MAX, evs, 3, &done);
	at = out + len;
	if (event_bound(ev) > EVENT_ROW_MAX ? done > 1 : done != 3 || len < 2 * row_len)
		rc = -1;
	for (unsigned i = 1; i < done && rc == 0; i++) {
		at -= row_len;
		rc = memcmp(at, row, row_len) == 0 ? 0 : -1;
	}
	if (rc < 0)
		report("rows", ev, at, row_len, row, row_len);
	free(out);
	return rc;
}

int event_check(const struct event *ev)
{
	size_t bound = event_bound(ev), len, row_len;
	uint8_t *out = malloc(bound); /* exactly sized rooms: a sanitizer sees what goes over */
	uint8_t *row = malloc(bound);
	int rc = -1;

	if (!out || !row)
		goto done;
	len = event_write(out, ev);
	row_len = event_row_write(row, ev);
	if (len > bound || row_len > bound || row_len <= len) {
		fprintf(stderr, "event_check: type %d: %zu and %zu bytes, bound %zu\n", ev->type,
			len, row_len, bound);
		goto done;
	}
	if (memcmp(row + row_len - len, out, len) != 0) {
		fprintf(stderr, "event_check: type %d: the row differs from the event\n", ev->type);
		goto done;
	}
	if (same("event", &events__v1__event__descriptor, ev, out, len) < 0 ||
		same("row", &events__v1__event_batch__descriptor, ev, row, row_len) < 0 ||
		rows_check(ev, row, row_len) < 0)
		goto done;
	rc = 0;
done:
	free(row);
	free(out);
	return rc;
}

int event_tail_check(const struct event *ev, const struct event_tail *tail)
{
	size_t len, tail_len, read_len, want_len;
	uint8_t *out = malloc(event_bound(ev) + event_tail_bound(tail)), *read;
	uint8_t *want = event_oracle(ev, tail, &want_len);
	int rc = -1;

	if (!out)
		goto done;
	len = event_write(out, ev);
	tail_len = event_tail_write(out + len, tail);
	read = repacked(&events__v1__event__descriptor, out, len + tail_len, &read_len);
	if (read && read_len == want_len && memcmp(read, want, want_len) == 0)
		rc = 0;
	else
		report("event and tail", ev, read, read ? read_len : 0, want, want_len);
	free(read);
done:
	free(want);
	free(out);
	return rc;
}
