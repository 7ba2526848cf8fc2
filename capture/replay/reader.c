/* Hot path: no allocation, lock, system call or log. */
/* One record after the other. reader_open.c is the cold part. */
#include "capture/replay/reader.h"

int reader_next(struct reader *r, struct packet *pkt, bool may_refill, unsigned *budget)
{
	while (r->end == SOURCE_RUNNING && *budget > 0) {
		enum step step = STEP_MORE;
		int rc;

		(*budget)--;
		if (r->format && input_drain(&r->in)) {
			pkt->kind = (uint8_t)r->format->kind;
			step = r->started ? r->format->next(r, pkt) : r->format->start(r);
		}
		switch (step) {
		case STEP_PACKET:
			return 1;
		case STEP_AGAIN:
			r->started = true;
			break;
		case STEP_MORE:
			if (!may_refill)
				return 0;
			rc = reader_more(r);
			if (rc)
				return rc < 0 ? rc : 0;
			break;
		case STEP_DAMAGED:
			break;
		}
	}
	return 0;
}
