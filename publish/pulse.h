/* pulse: which streams have been quiet for how long, so that their subscribers hear a heartbeat. */
#pragma once

#include "publish/batch.h"

enum { PULSE_STREAMS_MAX = 65536, PULSE_MAX = 2048 };

/* pulse_stream is what was last sent of a stream. */
struct pulse_stream {
	const struct stream_facts *facts;
	uint64_t next_batch, next_event; /* what the next batch will say */
	uint64_t sent_ns;                /* CLOCK_MONOTONIC */
	uint64_t clock_error_ns;
	uint16_t worker;
	uint8_t clock_source, session_len;
	char session[SESSION_MAX];
};

struct pulse {
	uint32_t n, at;  /* streams; next one to look at */
	uint32_t *index; /* hash of the number -> 1 + position, open addressing */
	struct pulse_stream *streams;
};

/* pulse_open returns  0, or -ENOMEM */
int pulse_open(struct pulse *pulse);
void pulse_close(struct pulse *pulse);

/* pulse_sent notes a batch; streams beyond PULSE_STREAMS_MAX have no heartbeat. */
void pulse_sent(struct pulse *pulse, const struct batch *b, uint64_t now_ns);

/* pulse_due finds a stream that was quiet for quiet_ns and counts it as sent now; looks at no more
 * than 256 streams. Returns  NULL when there is none among them */
const struct pulse_stream *pulse_due(struct pulse *pulse, uint64_t now_ns, uint64_t quiet_ns);

/* pulse_write writes an EventBatch without events: its batch_seq and first_event are those that
 * the next batch will have, so a subscriber sees what it missed.
 * Takes    out: PULSE_MAX bytes; ts_ns: CLOCK_REALTIME
 * Returns  bytes written */
size_t pulse_write(const struct pulse_stream *ps, struct str source, uint64_t boot_id,
	uint64_t ts_ns, uint8_t *out);
