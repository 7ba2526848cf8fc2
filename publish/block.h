/* block: how a full block of encoded rows goes from the L1 cache to a batch. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 4096 };

/* block_copy moves one block. The one place to choose by processor how lines cross to another core.
 * Takes    to, from: 64-byte aligned, not overlapping */
static inline void block_copy(uint8_t *restrict to, const uint8_t *restrict from)
{
	memcpy(__builtin_assume_aligned(to, 64), __builtin_assume_aligned(from, 64), BLOCK);
}
