#include "base/nearest.h"

#include <string.h>

enum { WORD_MAX = 63 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3]
		     [WORD_MAX + 1]; /* distances of the last two prefixes of a and of this one */

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return WORD_MAX + 1;
	for (unsigned j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		now[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			now[j] = least(last[j], now[j - 1]) + 1;
			now[j] = least(now[j], last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

void nearest_offer(struct nearest *near, const char *candidate)
{
	size_t limit = near->len / 3 > 2 ? near->len / 3 : near->len > 2 ? 2 : 1;
	unsigned distance = edit_distance(near->word, near->len, candidate, strlen(candidate));

	if (distance <= limit && (!near->best || distance < near->distance)) {
		near->best = candidate;
		near->distance = distance;
	}
}
