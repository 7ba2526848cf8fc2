/* event_check: protobuf-c as the oracle of the generated writers. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "events/event_write.h"

/* event_check writes ev directly (alone, as a row, with its tail apart), has protobuf-c read the
 * bytes and pack them again, and compares.
 *
 * Takes    ev: any event that a decoder or a test made; its texts are UTF-8 without NUL
 * Owns     nothing; allocates and frees
 * Returns  0, or -1 with what differs on stderr */
int event_check(const struct event *ev);

/* event_oracle packs ev by protobuf-c, from a protobuf-c message that is filled field by field, by
 * name.
 *
 * Returns  the bytes, the caller's to free; their length in *len. Aborts when the schemas differ */
uint8_t *event_oracle(const struct event *ev, size_t *len);
uint8_t *event_batch_oracle(const struct ev_event_batch *facts, size_t *len);
