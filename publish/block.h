/* block: how a full block of encoded rows goes from the L1 cache to a batch, which another core
 * reads. */
#pragma once

#include <stdint.h>

enum { BLOCK = 4096 };

/* block_copy moves one block in the way that block_choose took for this processor.
 * Takes    to, from: 64-byte aligned, not overlapping */
extern void (*block_copy)(uint8_t *to, const uint8_t *from);

/* block_choose is called at start, before any block_copy. */
void block_choose(void);

/* The ways: past the caches, and by stores with the lines to write fetched a KiB ahead. */
void block_by_streams(uint8_t *to, const uint8_t *from);
void block_by_stores(uint8_t *to, const uint8_t *from);
