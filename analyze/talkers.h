/* talkers: who sends or gets how much, exactly, for as many addresses as there is room for. */
#pragma once

#include "decode/frame.h"

/* talker is one address; IPv4 as ::ffff:a.b.c.d. */
struct talker {
	uint8_t ip[16];
	uint64_t packets, bytes; /* IP bytes; packets 0: a free slot */
};

/* talkers: total counts everything; what found no room is in missed as well.
 *
 * Owns     its memory, allocated at init
 * Thread   one at a time */
struct talkers {
	struct talker *slots; /* open addressing */
	uint32_t *used;       /* the slots taken, in the order they were */
	uint32_t mask, n, max;
	uint64_t packets, bytes, missed_packets, missed_bytes;
};

/* talkers_init allocates room for max addresses. Returns 0, or -ENOMEM */
int talkers_init(struct talkers *t, uint32_t max);
void talkers_free(struct talkers *t);

void talkers_add(struct talkers *t, const uint8_t ip[16], uint64_t packets, uint64_t bytes);
void talkers_clear(struct talkers *t);
void talkers_merge(struct talkers *into, const struct talkers *from);

/* talkers_top lists those with the most bytes, most first; ties by address.
 * Takes    top: room for most
 * Returns  how many */
uint32_t talkers_top(const struct talkers *t, const struct talker **top, uint32_t most);
