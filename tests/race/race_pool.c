/* Race: one thread takes batches from a pool, three give them back. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publish/pool.h"

enum { BATCHES = 64, SINKS = 3, ROUNDS = 60000, SIZE = 256 };

/* a mailbox a sink: what it has still to give back */
static _Atomic(struct batch *) mail[SINKS][BATCHES];
static atomic_bool stop;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	printf("not ok - %s\n", what);
	exit(1);
}

static void *sink(void *arg)
{
	_Atomic(struct batch *) *box = arg;
	unsigned done;
	bool last;

	do {
		last = atomic_load(&stop); /* before looking: what came before it is still found */
		done = 0;
		for (unsigned i = 0; i < BATCHES; i++) {
			struct batch *b = atomic_exchange(&box[i], NULL);

			if (!b)
				continue;
			must(b->data[0] == (uint8_t)b->batch_seq && b->data[SIZE - 1] == b->data[0],
				"a sink reads what the worker wrote");
			batch_done(b);
			done++;
		}
		sched_yield();
	} while (!last || done);
	return NULL;
}

static void put(unsigned s, struct batch *b)
{
	for (unsigned i = 0;; i = (i + 1) % BATCHES) {
		struct batch *none = NULL;

		if (atomic_compare_exchange_strong(&mail[s][i], &none, b))
			return;
	}
}

int main(void)
{
	struct batch_pool *pool;
	pthread_t threads[SINKS];

	must(batch_pool_open(&pool, BATCHES, SIZE) == 0, "open");
	for (unsigned s = 0; s < SINKS; s++)
		must(pthread_create(&threads[s], NULL, sink, mail[s]) == 0, "thread");
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct batch *b;

		while (!(b = pool_take(pool)))
			sched_yield();
		b->batch_seq = i;
		memset(b->data, (int)(uint8_t)i, SIZE);
		atomic_store_explicit(&b->refs, SINKS, memory_order_relaxed);
		for (unsigned s = 0; s < SINKS; s++)
			put(s, b);
	}
	atomic_store(&stop, true);
	for (unsigned s = 0; s < SINKS; s++)
		pthread_join(threads[s], NULL);
	must(pool_out(pool) == 0, "every batch comes back");
	batch_pool_close(pool);
	printf("ok - pool: %d batches, %d sinks\n", ROUNDS, SINKS);
	return 0;
}
