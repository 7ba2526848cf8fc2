/* event_check: protobuf-c as the oracle of the generated writers. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "events/event_write.h"

/* event_check writes ev directly (alone, as a row, as one of several rows), has protobuf-c read the
 * bytes and pack them again, and compares. event_tail_check does so with a tail behind ev.
 *
 * Takes    ev: any event that a decoder or a test made; its texts are UTF-8 without NUL
 * Owns     nothing; allocates and frees
 * Returns  0, or -1 with what differs on stderr */
int event_check(const struct event *ev);
int event_tail_check(const struct event *ev, const struct event_tail *tail);

/* event_oracle packs ev by protobuf-c, from a protobuf-c message that is filled field by field, by
 * name.
 *
 * Takes    tail: NULL = none
 * Returns  the bytes, the caller's to free; their length in *len. Aborts when the schemas differ */
uint8_t *event_oracle(const struct event *ev, const struct event_tail *tail, size_t *len);
uint8_t *event_batch_oracle(const struct ev_event_batch *facts, size_t *len);
