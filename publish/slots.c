#include "publish/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

static void slot_free(struct slots *slots, struct slot *slot)
{
	struct slot **list = slot->copy ? &slots->copy : &slots->lend;

	slot->next = *list;
	*list = slot;
}

int slots_open(struct slots *slots, unsigned lend, unsigned copy, uint32_t size)
{
	*slots = (struct slots){.memory_len = (size_t)copy * size};
	slots->all = calloc(lend + copy, sizeof(*slots->all));
	if (!slots->all)
		return -ENOMEM;
	slots->memory = mmap(NULL, slots->memory_len, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slots->memory == MAP_FAILED) {
		free(slots->all);
		return -ENOMEM;
	}
	for (unsigned i = lend + copy; i-- > 0;) {
		struct slot *slot = &slots->all[i];

		slot->slots = slots;
		if (i >= lend)
			slot->copy = slots->memory + (size_t)(i - lend) * size;
		slot_free(slots, slot);
	}
	return 0;
}

void slots_close(struct slots *slots)
{
	if (slots->all)
		munmap(slots->memory, slots->memory_len);
	free(slots->all);
	slots->all = NULL;
}

unsigned slots_reclaim(struct slots *slots)
{
	struct slot *slot = atomic_exchange_explicit(&slots->returned, NULL, memory_order_acquire);

	while (slot) {
		struct slot *next = slot->next;

		slot_free(slots, slot);
		slots->out--;
		slot = next;
	}
	return slots->out;
}

struct slot *slots_take(struct slots *slots)
{
	struct slot **list, *slot;

	if (!slots->lend)
		slots_reclaim(slots);
	list = slots->lend ? &slots->lend : &slots->copy;
	slot = *list;
	if (slot) {
		*list = slot->next;
		slots->out++;
	}
	return slot;
}

void slot_return(struct slot *slot)
{
	struct slots *slots = slot->slots;
	struct slot *head = atomic_load_explicit(&slots->returned, memory_order_relaxed);

	if (slot->batch)
		batch_done(slot->batch);
	slot->batch = NULL;
	do {
		slot->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&slots->returned, &head, slot, memory_order_release, memory_order_relaxed));
}
