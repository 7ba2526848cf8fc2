/* Hot path: no allocation, lock, system call or log. */
#include "publish/pool_impl.h"

#include "publish/ledger.h"
#include "publish/stream.h"

/* pool_reclaim takes the whole list of returned batches over, the oldest on top. */
static void pool_reclaim(struct batch_pool *pool)
{
	struct batch *b = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);

	while (b) {
		struct batch *next = b->next;

		b->next = pool->free;
		pool->free = b;
		pool->out--;
		b = next;
	}
}

struct batch *pool_take(struct batch_pool *pool)
{
	struct batch *b;

	if (!pool->free && pool->fresh >= pool->spread)
		pool_reclaim(pool);
	b = pool->free;
	if (b)
		pool->free = b->next;
	else if (pool->fresh < pool->n)
		b = &pool->batches[pool->fresh++];
	else
		return NULL;
	pool->out++;
	return b;
}

unsigned pool_out(struct batch_pool *pool)
{
	pool_reclaim(pool);
	return pool->out;
}

void batch_done(struct batch *b)
{
	struct batch_pool *pool = b->pool;
	struct batch *head;

	if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (b->cut) {
		ledger_cut_done(b->cut);
		return;
	}
	if (b->owner)
		stream_batch_done(b->owner);
	if (!pool)
		return;
	head = atomic_load_explicit(&pool->returned, memory_order_relaxed);
	do {
		b->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&pool->returned, &head, b, memory_order_release, memory_order_relaxed));
}

int batch_row(struct bytes *rows, struct bytes *event)
{
	uint64_t len = 0;
	const uint8_t *p = rows->p;

	if (p == rows->end)
		return 0;
	if (*p++ != 0x0a)
		goto garbled;
	for (unsigned shift = 0;; shift += 7) {
		if (p == rows->end || shift > 28)
			goto garbled;
		len |= (uint64_t)(*p & 0x7f) << shift;
		if (!(*p++ & 0x80))
			break;
	}
	if (len > (size_t)(rows->end - p))
		goto garbled;
	*event = bytes_of(p, len);
	rows->p = event->end;
	return 1;

garbled:
	rows->p = rows->end;
	return -REASON_garbled;
}
