/* slots: what libzmq still reads from: batches lent to it, or copies of our own when it holds as
 * many batches as it may. Fixed at start. */
#pragma once

#include "publish/batch.h"

struct slots;

struct slot {
	struct slots *slots;
	struct batch *batch; /* lent; NULL for a copy */
	uint8_t *copy;       /* room of a copy; NULL for one that lends */
	struct slot *next;
};

struct slots {
	struct slot *lend, *copy; /* free ones: the owner's */
	unsigned out;             /* in use */
	_Atomic(struct slot *) returned;
	struct slot *all;
	uint8_t *memory;
	size_t memory_len;
};

/* slots_open makes lend slots for batches and copy slots of size bytes. Returns  0, or -ENOMEM */
int slots_open(struct slots *slots, unsigned lend, unsigned copy, uint32_t size);
void slots_close(struct slots *slots);

/* slots_reclaim takes back what was returned.
 * Thread   the owner
 * Returns  slots in use */
unsigned slots_reclaim(struct slots *slots);

/* slots_take gives a slot that lends, or else one that copies, or NULL. Thread: the owner. */
struct slot *slots_take(struct slots *slots);

/* slot_return gives it back, and its batch to the worker. Thread: any; lock-free. */
void slot_return(struct slot *slot);
