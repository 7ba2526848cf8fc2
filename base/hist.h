/* hist: a log-linear histogram: 64 buckets to each power of two.
 *
 *   value     0 … 127   128 … 255   256 … 511   …   up to 2^64 - 1
 *   bucket    1 wide    2 wide      4 wide      …
 *
 * So a value is known to 1/64 of itself, and exactly below 128. One thread records. Any other reads
 * whenever it likes, without a lock: it counts the buckets as it sees them, so its quantiles belong
 * to its count. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum { HIST_BITS = 6, HIST_BUCKETS = (64 - HIST_BITS + 1) << HIST_BITS };

struct hist {
	atomic_uint_least64_t bucket[HIST_BUCKETS];
	atomic_uint_least64_t sum;
	atomic_uint_least64_t behind; /* hist_between with its end before its begin: not recorded */
};

/* hist_sum is what a reader has added up; its own memory. */
struct hist_sum {
	uint64_t bucket[HIST_BUCKETS];
	uint64_t count, sum, behind;
};

static inline unsigned hist_index(uint64_t value)
{
	unsigned shift = 63 - HIST_BITS - (unsigned)__builtin_clzll(value | 1 << HIST_BITS);

	return (shift << HIST_BITS) + (unsigned)(value >> shift);
}

/* hist_add_one is a plain increment that other threads may see. */
static inline void hist_add_one(atomic_uint_least64_t *word, uint64_t more)
{
	uint64_t was = atomic_load_explicit(word, memory_order_relaxed);

	atomic_store_explicit(word, was + more, memory_order_relaxed);
}

/* hist_record takes one value, hist_between the time from begin to end; a time below zero (another
 * clock, or one that was set back) is counted apart.
 * Thread   the one that records into h */
static inline void hist_record(struct hist *h, uint64_t value)
{
	hist_add_one(&h->bucket[hist_index(value)], 1);
	hist_add_one(&h->sum, value);
}

static inline void hist_between(struct hist *h, uint64_t begin_ns, uint64_t end_ns)
{
	if (__builtin_expect(end_ns < begin_ns, 0))
		hist_add_one(&h->behind, 1);
	else
		hist_record(h, end_ns - begin_ns);
}

/* hist_read adds what h holds to sum. Thread: any. */
void hist_read(struct hist_sum *sum, const struct hist *h);

/* hist_less takes an earlier sum of the same histograms off: what is left came since. */
void hist_less(struct hist_sum *sum, const struct hist_sum *earlier);

/* hist_quantile is a value that ppm millionths of all are not above: the upper end of its bucket,
 * at most 1/64 too high. ppm 1000000 is the largest; 0 of no values at all. */
uint64_t hist_quantile(const struct hist_sum *sum, uint32_t ppm);

/* hist_min is the lower end of the first bucket with a value, at most 1/64 too low. */
uint64_t hist_min(const struct hist_sum *sum);

/* hist_not_above counts the values that are surely not above value. */
uint64_t hist_not_above(const struct hist_sum *sum, uint64_t value);
