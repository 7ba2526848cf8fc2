#include "events/event_write.h"
#include "publish/rows/rowfile.h"

size_t lone_tail(const struct lone *lone, struct str source, uint64_t boot_id, uint8_t *out)
{
	const struct batch *b = lone->batch;
	struct event_tail tail = {
		.source = source,
		.worker = b->worker,
		.schema_version = SCHEMA_VERSION,
		.session = {b->session, b->session_len},
		.boot_id = boot_id,
		.stream = b->stream->number,
		.event_no = lone->event_no,
		.ts_quality = b->clock_source,
	};

	return event_tail_write(out, &tail);
}
