/* nearest: which known word a mistyped one was meant to be. */
#pragma once

#include <stddef.h>

/* nearest collects the best candidate: start with {.word = …}, offer all, then read best.
 * Owns  nothing; word and the candidates are kept */
struct nearest {
	const char *word;
	size_t len;
	const char *best; /* NULL: nothing is near enough to be worth naming */
	unsigned distance;
};

/* nearest_offer compares one candidate. Distance counts insertions, deletions, replacements and
 * swaps of neighbours; near enough is at most a third of the word's length, and at least 2 for
 * words beyond 2. */
void nearest_offer(struct nearest *near, const char *candidate);

/* edit_distance is that distance, capped at 64 for words longer than 63. */
unsigned edit_distance(const char *a, size_t a_len, const char *b, size_t b_len);
