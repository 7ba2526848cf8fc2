/* feed_fuzz: what must hold for any bytes that a feed decoder is given. */
#pragma once

#include "tests/support/vector_check.h"

/* feed_fuzz takes data as a datagram of a protocol and decodes it to its end. Aborts when one of
 * these does not hold: a refusal makes no event; progress is made and ends at the end; a message
 * makes at most events_most events; protobuf-c reads and packs each event to the same bytes; what
 * recognise claims decodes without a refusal, and all of it; skip steps exactly as message does;
 * rows written straight are those of the events.
 *
 * Takes    rig: of the protocol, kept over calls */
void feed_fuzz(struct decode_rig *rig, struct bytes data, uint32_t events_most);
