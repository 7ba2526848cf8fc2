/* block: how rows get from the worker that writes them to a batch, which another core reads.
 *
 *   streamed, copied:  block of the stream's own, stays in L1 ─► batch, 4 KiB at a time
 *   in place:          the first block only; from then on the block is the batch's next 4 KiB */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 4096 };
enum block_way { BLOCK_AUTO, BLOCK_STREAMED, BLOCK_COPIED, BLOCK_IN_PLACE, BLOCK_WAYS };

/* block_way is the way in use, never BLOCK_AUTO. Written before the workers start. */
extern enum block_way block_way;

/* Copies past the caches, and by stores with the lines to write fetched a KiB ahead.
 * Takes    to, from: 64-byte aligned, not overlapping */
void block_by_streams(uint8_t *to, const uint8_t *from);
void block_by_stores(uint8_t *to, const uint8_t *from);

/* block_out brings a full block to its batch.
 * Takes    own: of the stream; at: the block, own or to; to: its place in the batch, 64-byte aligned;
 *          over: bytes behind the block, which begin the next one
 * Returns  where the next block is */
static inline uint8_t *block_out(uint8_t *own, uint8_t *at, uint8_t *to, size_t over)
{
	uint8_t *next = block_way == BLOCK_IN_PLACE ? to + BLOCK : own;

	if (at != to) {
		if (block_way == BLOCK_STREAMED)
			block_by_streams(to, at);
		else
			block_by_stores(to, at);
	}
	if (next != at + BLOCK)
		memcpy(next, at + BLOCK, over);
	return next;
}

enum { BLOCK_ROUNDS = 5 };

struct block_choice {
	enum block_way way;
	const char *why;         /* static text */
	uint64_t ns[BLOCK_WAYS]; /* what a batch of 64 KiB took; 0: not measured */
};

/* block_best takes the way whose median over the rounds is the least.
 * Takes    ns: of each way from BLOCK_STREAMED on, by round; sorted on return; choice: filled in */
void block_best(
	struct block_choice *choice, uint64_t ns[BLOCK_WAYS][BLOCK_ROUNDS], unsigned rounds);

/* block_choose sets block_way: to wish, or, if that is BLOCK_AUTO, to what is measured between two
 * threads on these cores, within 20 ms. Where there is but one core, or no time on them, it is said
 * in choice->why.
 * Takes    cores: the one that writes, one that reads
 * Thread   the caller's, which moves to cores[0] and back */
void block_choose(struct block_choice *choice, enum block_way wish, const int cores[2]);
