/* rows_check: what a decoder writes straight as rows against the rows of the events that it makes. */
#pragma once

#include "tests/support/vector_check.h"

/* rows_check decodes the same messages twice, into events and into rows. */
struct rows_check {
	struct decode_rig events, rows;
	uint64_t straight; /* rows that never were events */
};

/* rows_check_init aborts when memory is out or no protocol has this name. */
void rows_check_init(struct rows_check *check, const char *protocol);
void rows_check_free(struct rows_check *check);

/* rows_check_packet decodes the messages of a packet, those behind one that is refused too.
 * Takes    window: bytes in which rows begin, until room is asked for again
 * Returns  whether both gave the same bytes */
bool rows_check_packet(struct rows_check *check, struct bytes messages, uint32_t window);

/* rows_check_vectors takes all vectors of a protocol as one packet, with windows of many sizes.
 * Returns  rows that never were events, or -1 when the bytes differ */
int rows_check_vectors(const char *protocol);
