#include "base/hist.h"

static uint64_t low(unsigned bucket)
{
	unsigned shift = bucket >> HIST_BITS;

	if (shift < 2)
		return bucket;
	return (uint64_t)((1u << HIST_BITS) + (bucket & ((1u << HIST_BITS) - 1))) << (shift - 1);
}

static uint64_t high(unsigned bucket)
{
	return bucket + 1 < HIST_BUCKETS ? low(bucket + 1) - 1 : UINT64_MAX;
}

void hist_read(struct hist_sum *sum, const struct hist *h)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		uint64_t n = atomic_load_explicit(&h->bucket[i], memory_order_relaxed);

		sum->bucket[i] += n;
		sum->count += n;
	}
	sum->sum += atomic_load_explicit(&h->sum, memory_order_relaxed);
	sum->behind += atomic_load_explicit(&h->behind, memory_order_relaxed);
}

void hist_less(struct hist_sum *sum, const struct hist_sum *earlier)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		sum->bucket[i] -= earlier->bucket[i];
	sum->count -= earlier->count;
	sum->sum -= earlier->sum;
	sum->behind -= earlier->behind;
}

uint64_t hist_quantile(const struct hist_sum *sum, uint32_t ppm)
{
	/* the smallest rank that is at least ppm of count; parts, so that nothing overflows */
	uint64_t rank =
		sum->count / 1000000 * ppm + (sum->count % 1000000 * ppm + 999999) / 1000000;
	uint64_t seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += sum->bucket[i];
		if (seen && seen >= rank)
			return high(i);
	}
	return 0;
}

uint64_t hist_min(const struct hist_sum *sum)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		if (sum->bucket[i])
			return low(i);
	return 0;
}

uint64_t hist_not_above(const struct hist_sum *sum, uint64_t value)
{
	unsigned last = hist_index(value);
	uint64_t n = high(last) == value ? sum->bucket[last] : 0;

	for (unsigned i = 0; i < last; i++)
		n += sum->bucket[i];
	return n;
}
