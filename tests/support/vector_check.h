/* vector_check: runs the vectors of schema files against their decoders. */
#pragma once

#include "decode/feed/protocol.h"
#include "tests/support/vectors.h"

/* decode_rig is a vector of events and a feed's state, for one protocol.
 *
 * Owns  both; their events stay until decode_rig_empty */
struct decode_rig {
	const struct protocol *protocol;
	struct feed_state state;
	struct events out;
	uint64_t flushed;
};

/* decode_rig_init aborts when memory is out or no protocol has this name. */
void decode_rig_init(struct decode_rig *rig, const char *protocol);
void decode_rig_empty(struct decode_rig *rig);
void decode_rig_free(struct decode_rig *rig);

/* vector_frame puts the length before a message as this protocol has it: the form that skip takes
 * whole. Returns  bytes in out */
size_t vector_frame(const struct protocol *p, const struct test_vector *v, uint8_t *out);

/* vectors_check decodes every vector of a protocol, framed and not, from exactly sized heap blocks,
 * and compares the bytes of the events with what the schema file expects.
 *
 * Returns  vectors that were right; with what differs on stderr -1 */
int vectors_check(const char *protocol);

/* prefixes_check offers every prefix of every vector of a protocol, framed and not, in an exactly
 * sized heap block: each must be refused, and neither events nor symbols may change.
 *
 * Returns  prefixes refused, or -1 with the first that was not on stderr */
int prefixes_check(const char *protocol);

/* datagrams_check composes a datagram of all vectors of a protocol behind this packet header and
 * has it recognised; every prefix of it, and it with a byte more, must not be.
 *
 * Takes    head: the header with count 0; count_at: offset of its u16 count; length_at: of its u16
 * length of what follows, or 0 when it has none; big: byte order Returns  0, or -1 with what is
 * wrong on stderr */
int datagrams_check(const char *protocol, struct bytes head, unsigned int count_at,
	unsigned int length_at, bool big);
