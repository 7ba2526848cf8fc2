/* Hot path: no allocation, lock, system call or log. */
#include "analyze/talkers.h"

static uint32_t slot_of(const struct talkers *t, const uint8_t ip[16])
{
	uint64_t h = load_le64(ip) * 31 ^ load_le64(ip + 8);

	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 32) & t->mask;
}

void talkers_add(struct talkers *t, const uint8_t ip[16], uint64_t packets, uint64_t bytes)
{
	uint32_t slot = slot_of(t, ip);

	t->packets += packets;
	t->bytes += bytes;
	while (t->slots[slot].packets && memcmp(t->slots[slot].ip, ip, 16) != 0)
		slot = (slot + 1) & t->mask;
	if (!t->slots[slot].packets) {
		if (t->n == t->max) {
			t->missed_packets += packets;
			t->missed_bytes += bytes;
			return;
		}
		t->used[t->n++] = slot;
		memcpy(t->slots[slot].ip, ip, 16);
	}
	t->slots[slot].packets += packets;
	t->slots[slot].bytes += bytes;
}

void talkers_clear(struct talkers *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		t->slots[t->used[i]] = (struct talker){0};
	t->n = 0;
	t->packets = t->bytes = t->missed_packets = t->missed_bytes = 0;
}

void talkers_merge(struct talkers *into, const struct talkers *from)
{
	for (uint32_t i = 0; i < from->n; i++) {
		const struct talker *talker = &from->slots[from->used[i]];

		talkers_add(into, talker->ip, talker->packets, talker->bytes);
	}
	into->packets += from->missed_packets;
	into->bytes += from->missed_bytes;
	into->missed_packets += from->missed_packets;
	into->missed_bytes += from->missed_bytes;
}

/* more says whether a stands before b. */
static bool more(const struct talker *a, const struct talker *b)
{
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes;
	return memcmp(a->ip, b->ip, 16) < 0;
}

uint32_t talkers_top(const struct talkers *t, const struct talker **top, uint32_t most)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct talker *talker = &t->slots[t->used[i]];
		uint32_t at;

		if (n == most && !more(talker, top[n - 1]))
			continue;
		for (at = n < most ? n++ : n - 1; at > 0 && more(talker, top[at - 1]); at--)
			top[at] = top[at - 1];
		top[at] = talker;
	}
	return n;
}
