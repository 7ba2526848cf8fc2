/* Any event: the direct bytes are what protobuf-c packs, and stay below the bound. The first byte
 * chooses the type, the others the fields; texts that are no UTF-8 still give bytes that read back
 * as they are. */
#include <stdlib.h>

#include "tests/support/event_check.h"
#include "tests/support/event_fill.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void equals_oracle(const struct event *ev)
{
	size_t len, theirs_len;
	uint8_t *ours = malloc(event_bound(ev)), *theirs = event_oracle(ev, NULL, &theirs_len);

	if (!ours)
		abort();
	len = event_write(ours, ev);
	if (len != theirs_len || memcmp(ours, theirs, len) != 0)
		abort();
	free(ours);
	free(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t room[1 << 20];
	static struct event ev;
	struct event_tail tail;
	struct fill f = {.room = room, .size = sizeof(room), .skip = 2};
	enum event_type type;

	if (size == 0)
		return 0;
	type = data[0] % EVENT_TYPES;
	if (event_payload_size[type] == 0)
		type = EVENT_NONE;
	f.input = bytes_of(data + 1, size - 1);
	fill_event(&f, &ev, type);
	equals_oracle(&ev);
	fill_message(&f, &tail, &fields_event_tail);
	if (event_check(&ev) < 0 || event_tail_check(&ev, &tail) < 0)
		abort();

	/* The same with the input itself as text. */
	ev.symbol = (struct str){(const char *)data, (uint32_t)size};
	if (event_check(&ev) < 0)
		abort();
	return 0;
}
