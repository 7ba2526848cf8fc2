/* pool: a worker's buffers for batches; fixed at start.
 *
 *   worker ── pool_take ──► stream ──► rings ──► sinks
 *     ▲                                            │ batch_done, any thread
 *     └── all of it at once ◄── list of returned ◄─┘
 *
 * Many threads push to the list of returned batches, only the worker takes, and always the whole
 * list: so there is no ABA. Pages are touched when a buffer is first used, and one that was never
 * used is the last choice, once 2 MiB of them circulate: memory follows use, not size. So many
 * circulate because a buffer that was just read lies in the reader's L2, where each line is dearer
 * to write than in a cache that both cores share, or in memory. */
#pragma once

#include "publish/batch.h"

/* batch_pool_open makes a pool of n batches with size bytes each.
 * Returns  0, or -ENOMEM */
int batch_pool_open(struct batch_pool **pool, unsigned n, uint32_t size);

/* batch_pool_close frees the memory. Every batch has come back. */
void batch_pool_close(struct batch_pool *pool);

/* pool_take gives an empty batch with its buffer.
 * Thread   the worker that owns pool
 * Returns  the batch, refs 0; NULL when all are out */
struct batch *pool_take(struct batch_pool *pool);

/* pool_out counts the batches that are not in the pool. Thread: the worker that owns pool. */
unsigned pool_out(struct batch_pool *pool);
