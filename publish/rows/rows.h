/* rows: what routes an event that leaves its batch alone: its family, and its key. */
#pragma once

#include "events/event.h"
#include "publish/batch.h"

/* row_facts is read from the bytes of one Event, without unpacking it; borrowed from them. */
struct row_facts {
	enum event_type type; /* 0: no payload that this version knows */
	uint64_t instrument_id;
	struct str symbol;
};

/* row_read scans the outer fields of an event.
 * Takes    event: as batch_row gives it; checked
 * Returns  0, or -REASON_garbled */
int row_read(struct bytes event, struct row_facts *facts);

/* event_family is the family of an event: "md.mbo", "md.status", "fix", "net.flow" … It names the
 * Kafka topic and the ZeroMQ prefix in mode single, and what --events selects.
 * Returns  static text */
const char *event_family(enum domain domain, enum event_type type);

/* row_key writes the key of a lone event: VENUE/INSTRUMENT, or that of its stream for what concerns
 * the channel (gaps, system, unknown, group status) and for all that is not market data.
 * Takes    key: ROW_KEY_MAX bytes
 * Returns  its length */
enum { ROW_KEY_MAX = 192 };
size_t row_key(const struct stream_facts *stream, const struct row_facts *facts, char *key);
