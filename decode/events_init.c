/* Memory of the vector of events: at start and at the end. */
#include "decode/events.h"

#include <errno.h>
#include <stdlib.h>

int events_init(struct events *evs, void (*flush)(struct events *evs), void *ctx)
{
	*evs = (struct events){.flush = flush, .ctx = ctx};
	evs->arena = aligned_alloc(64, EVENTS_ARENA);
	return evs->arena ? 0 : -ENOMEM;
}

void events_free(struct events *evs)
{
	free(evs->arena);
	evs->arena = NULL;
}
