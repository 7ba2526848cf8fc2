#include "tests/support/rows_check.h"

#include <stdlib.h>

#include "events/event_write.h"

enum { BYTES_MAX = 64 << 20 };

/* taken is the rows of one of the two. */
struct taken {
	uint8_t *bytes;
	size_t len;
	uint32_t window;
	uint64_t straight;
};

static void take_events(struct events *out)
{
	struct taken *to = out->ctx;

	if (out->row) {
		to->len = (size_t)(out->row - to->bytes);
		to->straight += out->rows;
	}
	for (uint32_t i = 0; i < out->n; i++) {
		if (to->len + event_bound(out->ev[i]) > BYTES_MAX)
			abort();
		to->len += event_row_write(to->bytes + to->len, out->ev[i]);
	}
}

static void open_window(struct events *out)
{
	struct taken *to = out->ctx;

	if (to->len + to->window + EVENT_ROW_MAX > BYTES_MAX)
		abort();
	out->window = to->bytes + to->len;
	out->window_end = out->window + to->window;
}

static void rig_make(struct decode_rig *rig, const char *protocol)
{
	struct taken *to = calloc(1, sizeof(*to));

	decode_rig_init(rig, protocol);
	if (!to || !(to->bytes = malloc(BYTES_MAX)))
		abort();
	rig->out.ctx = to;
	rig->out.flush = take_events;
	rig->out.open = open_window;
	rig->out.base.ts_recv_ns = 1234567890123456789;
	rig->out.base.venue = STR("XTST");
	rig->out.base.channel = 310;
	rig->out.base.feed = 2;
}

static void rig_free(struct decode_rig *rig)
{
	struct taken *to = rig->out.ctx;

	free(to->bytes);
	free(to);
	decode_rig_free(rig);
}

void rows_check_init(struct rows_check *check, const char *protocol)
{
	*check = (struct rows_check){0};
	rig_make(&check->events, protocol);
	rig_make(&check->rows, protocol);
	check->rows.out.direct = true;
}

void rows_check_free(struct rows_check *check)
{
	rig_free(&check->events);
	rig_free(&check->rows);
}

static void decode(struct decode_rig *rig, struct bytes in, uint32_t window)
{
	struct taken *to = rig->out.ctx;
	int rc;

	to->len = 0;
	to->window = window;
	rig->out.base.seq = 16383; /* its next number is a byte longer */
	rig->out.base.ts_send_ns = window & 1 ? 1234567890123000000 : 0;
	rig->out.base.flags = window & 2 ? EVENT_FLAG_STALE : 0;
	rig->out.sub_seq = 0;
	events_base(&rig->out);
	while (bytes_len(in)) {
		rig->protocol->run(&rig->state, &in, UINT32_MAX, &rig->out, &rc);
		if (rc < 0 && rig->protocol->skip(&in) < 0)
			break;
	}
	events_flush(&rig->out);
}

bool rows_check_packet(struct rows_check *check, struct bytes messages, uint32_t window)
{
	const struct taken *events = check->events.out.ctx, *rows = check->rows.out.ctx;

	decode(&check->events, messages, window);
	decode(&check->rows, messages, window);
	check->straight = rows->straight;
	return events->straight == 0 && events->len == rows->len &&
	       memcmp(events->bytes, rows->bytes, rows->len) == 0;
}

int rows_check_vectors(const char *protocol)
{
	static uint8_t packet[1 << 20];
	struct rows_check check;
	size_t len = 0;
	int straight = 0;

	rows_check_init(&check, protocol);
	for (unsigned i = 0; i < test_vectors_n; i++)
		if (strcmp(test_vectors[i].protocol, protocol) == 0)
			len += vector_frame(check.rows.protocol, &test_vectors[i], packet + len);
	for (uint32_t window = 1; window <= 4096 && straight >= 0; window = window * 3 + 1)
		straight = rows_check_packet(&check, bytes_of(packet, len), window)
				   ? (int)check.straight
				   : -1;
	rows_check_free(&check);
	return straight;
}
