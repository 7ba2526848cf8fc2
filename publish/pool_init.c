#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "publish/pool_impl.h"

enum { SPREAD = 2 << 20 }; /* bytes */

int batch_pool_open(struct batch_pool **out, unsigned n, uint32_t size)
{
	size_t room = ((size_t)size + 4095) & ~(size_t)4095;
	struct batch_pool *pool = aligned_alloc(64, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	*pool = (struct batch_pool){.n = n, .memory_len = n * room};
	pool->spread = n * room < SPREAD ? n : SPREAD / (unsigned)room;
	atomic_init(&pool->returned, NULL);
	pool->batches = calloc(n, sizeof(*pool->batches));
	if (!pool->batches)
		goto free_pool;
	pool->memory = mmap(NULL, pool->memory_len, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool->memory == MAP_FAILED)
		goto free_batches;
	for (unsigned i = 0; i < n; i++) {
		pool->batches[i].data = pool->memory + i * room;
		pool->batches[i].pool = pool;
	}
	*out = pool;
	return 0;

free_batches:
	free(pool->batches);
free_pool:
	free(pool);
	return -ENOMEM;
}

void batch_pool_close(struct batch_pool *pool)
{
	if (!pool)
		return;
	munmap(pool->memory, pool->memory_len);
	free(pool->batches);
	free(pool);
}
