/* fix_rig: FIX bytes in, lines of text out. Used by unit tests, fuzz targets and the golden dumper.
 */
#pragma once

#include "decode/tcp/tcp_streams.h"

enum { RIG_STREAMS = 4096 };

/* fix_rig holds streams for FIX alone; what it decodes is added to text, a JSON object a line.
 *
 * Owns  everything; text is the caller's to read until the next bytes */
struct fix_rig {
	struct events out;
	struct tcp_streams streams;
	char *text;
	size_t text_len, text_room;
	uint64_t events; /* lines, ever */
	uint64_t packet; /* number put into each line */
	uint8_t streams_made[RIG_STREAMS];
	uint32_t streams_n;
	char session[RIG_STREAMS][24];        /* of each stream */
	int (*check)(const struct event *ev); /* run on every event, NULL = none; not 0 aborts */
};

/* fix_rig_init prepares a rig whose longest message is message_max bytes. Aborts when it cannot. */
void fix_rig_init(struct fix_rig *rig, uint32_t message_max);
void fix_rig_free(struct fix_rig *rig);

/* fix_rig_clear forgets the text. */
void fix_rig_clear(struct fix_rig *rig);

/* fix_rig_send feeds one segment from port 1000 to port 2000 of two hosts. Returns as
 * tcp_streams_segment. */
int fix_rig_send(struct fix_rig *rig, struct bytes payload, uint32_t seq, uint8_t flags);

/* fix_rig_flush brings all events into text. */
void fix_rig_flush(struct fix_rig *rig);

/* fix_compose writes a message from text like "8=FIX.4.4|9=?|35=0|10=?|": '|' becomes SOH, '^' NUL;
 * BodyLength and CheckSum are filled in where they are '?'. Returns  its bytes, at most room */
size_t fix_compose(uint8_t *out, size_t room, const char *text);
