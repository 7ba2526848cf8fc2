#include "publish/pulse.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "events/event_write.h"

enum { SLOTS = PULSE_STREAMS_MAX * 2, LOOK_MAX = 256 };

static void *map_zero(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int pulse_open(struct pulse *pulse)
{
	*pulse = (struct pulse){
		.index = map_zero(SLOTS * sizeof(*pulse->index)),
		.streams = map_zero(PULSE_STREAMS_MAX * sizeof(*pulse->streams)),
	};
	if (pulse->index && pulse->streams)
		return 0;
	pulse_close(pulse);
	return -ENOMEM;
}

void pulse_close(struct pulse *pulse)
{
	if (pulse->index)
		munmap(pulse->index, SLOTS * sizeof(*pulse->index));
	if (pulse->streams)
		munmap(pulse->streams, PULSE_STREAMS_MAX * sizeof(*pulse->streams));
	*pulse = (struct pulse){0};
}

/* pulse_find returns the entry of this stream, a new one, or NULL when there are too many. */
static struct pulse_stream *pulse_find(struct pulse *pulse, const struct stream_facts *facts)
{
	uint64_t hash = facts->number * 0x9e3779b97f4a7c15;

	for (uint32_t i = (uint32_t)(hash >> 40) % SLOTS;; i = (i + 1) % SLOTS) {
		struct pulse_stream *ps;

		if (pulse->index[i]) {
			ps = &pulse->streams[pulse->index[i] - 1];
			if (ps->facts == facts)
				return ps;
			continue;
		}
		if (pulse->n == PULSE_STREAMS_MAX)
			return NULL;
		ps = &pulse->streams[pulse->n++];
		pulse->index[i] = pulse->n;
		ps->facts = facts;
		return ps;
	}
}

void pulse_sent(struct pulse *pulse, const struct batch *b, uint64_t now_ns)
{
	struct pulse_stream *ps = pulse_find(pulse, b->stream);

	if (!ps)
		return;
	ps->next_batch = b->batch_seq + 1;
	ps->next_event = b->first_event + b->events;
	ps->sent_ns = now_ns;
	ps->worker = b->worker;
	ps->clock_source = b->clock_source;
	ps->clock_error_ns = b->clock_error_ns;
	ps->session_len = b->session_len;
	memcpy(ps->session, b->session, sizeof(ps->session));
}

const struct pulse_stream *pulse_due(struct pulse *pulse, uint64_t now_ns, uint64_t quiet_ns)
{
	for (uint32_t i = 0; i < LOOK_MAX && i < pulse->n; i++) {
		struct pulse_stream *ps = &pulse->streams[pulse->at];

		pulse->at = pulse->at + 1 < pulse->n ? pulse->at + 1 : 0;
		if (now_ns - ps->sent_ns >= quiet_ns) {
			ps->sent_ns = now_ns;
			return ps;
		}
	}
	return NULL;
}

size_t pulse_write(const struct pulse_stream *ps, struct str source, uint64_t boot_id,
	uint64_t ts_ns, uint8_t *out)
{
	struct ev_event_batch facts = {
		.source = source,
		.worker = ps->worker,
		.batch_seq = ps->next_batch,
		.schema_version = SCHEMA_VERSION,
		.ts_close_ns = ts_ns,
		.boot_id = boot_id,
		.stream = ps->facts->number,
		.first_event = ps->next_event,
		.venue = {ps->facts->venue, ps->facts->venue_len},
		.channel = ps->facts->channel,
		.session = {ps->session, ps->session_len},
		.clock_source = ps->clock_source,
		.clock_error_ns = ps->clock_error_ns,
	};

	return event_batch_write(out, &facts);
}
