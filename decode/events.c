/* Hot path: no allocation, lock, system call or log. */
#include "decode/events.h"

void events_flush(struct events *evs)
{
	events_select(evs);
	if (evs->n == 0 && evs->unwanted == 0 && !evs->row)
		return;
	evs->flush(evs);
	evs->row = NULL;
	evs->row_end = NULL;
	evs->rows = 0;
	evs->n = evs->selected = 0;
	evs->used = 0;
	evs->types = 0;
	evs->last_push = NULL;
}

bool events_row_begin(struct events *evs)
{
	row_head_make(&evs->head, &evs->base);
	if (!evs->head.len)
		return false;
	if (evs->n || evs->row >= evs->window_end)
		events_flush(evs);
	if (!evs->row) {
		evs->open(evs);
		evs->row = evs->window;
		evs->window_recv_ns = evs->base.ts_recv_ns;
	}
	evs->row_end = evs->window_end;
	return true;
}

/* parts_used returns how many bytes the variable parts of the newest event have. */
static size_t parts_used(const struct events *evs)
{
	const struct event *ev = evs->last_push;
	size_t fixed =
		offsetof(struct event, mbo) + ((event_payload_size[ev->type] + 15) & ~(size_t)15);

	return evs->used - (size_t)((const uint8_t *)ev - evs->arena) - fixed;
}

void *events_alloc(struct events *evs, size_t size)
{
	uint8_t *p = evs->arena + evs->used;

	if (!evs->last_push || size > EVENT_PARTS_MAX - parts_used(evs))
		return NULL;
	evs->used += (uint32_t)((size + 15) & ~(size_t)15);
	return p;
}
