/* event_fill: events with arbitrary content, from a seed or from the bytes of a fuzzer. */
#pragma once

#include "events/event_fields.h"

/* fill is where choices come from, and the room that filled events point to.
 *
 * Owns     room: kept by the caller; emptied by whoever sets used to 0 */
struct fill {
	struct bytes input; /* choices, then zeros; unless it is empty from the start: */
	uint64_t seed;      /* choices without end when not 0 */
	uint8_t *room;
	size_t used, size;
	unsigned skip; /* one of so many fields is left out; 0 = none */
};

enum { FILL_BOUNDARIES = 34 };

/* fill_event makes *ev an event of this type with every field chosen. Texts are UTF-8 without NUL,
 * the keys of a map rise and its values are not empty, enum values are those of the schema. */
void fill_event(struct fill *f, struct event *ev, enum event_type type);

/* fill_boundary sets one field (not a message) to its i-th boundary value, i < FILL_BOUNDARIES:
 * around each power of 128, the largest, the smallest; texts around the lengths that are copied
 * differently. */
void fill_boundary(struct fill *f, void *base, const struct ev_message *msg,
	const struct ev_field *field, unsigned i);

/* fill_message chooses every field of one message. */
void fill_message(struct fill *f, void *base, const struct ev_message *msg);
