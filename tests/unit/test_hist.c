/* hist: quantiles of a log-linear histogram against those of the sorted values. */
#include "base/hist.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

TestSuite(hist, .timeout = 60);

enum { N = 100000 };

static uint64_t rng = 88172645463325252;

static uint64_t next(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* not_below checks that got is exact or at most 1/64 above. */
static void not_below(uint64_t exact, uint64_t got)
{
	cr_assert(got >= exact, "%lu is below %lu", got, exact);
	cr_assert(got - exact <= exact / 64, "%lu is too far above %lu", got, exact);
}

/* check compares every quantile of n values with the sorted ones. */
static void check(uint64_t *values, unsigned n)
{
	static const uint32_t ppm[] = {
		1, 1000, 100000, 500000, 900000, 990000, 999000, 999999, 1000000};
	static struct hist h;
	static struct hist_sum sum;
	uint64_t total = 0;

	h = (struct hist){0};
	sum = (struct hist_sum){0};
	for (unsigned i = 0; i < n; i++) {
		hist_record(&h, values[i]);
		total += values[i];
	}
	hist_read(&sum, &h);
	qsort(values, n, sizeof(*values), ascending);
	cr_assert_eq(sum.count, n);
	cr_assert_eq(sum.sum, total);
	for (unsigned i = 0; i < sizeof(ppm) / sizeof(ppm[0]); i++) {
		uint64_t rank = ((uint64_t)n * ppm[i] + 999999) / 1000000;

		not_below(values[rank - 1], hist_quantile(&sum, ppm[i]));
	}
	cr_assert(hist_min(&sum) <= values[0]);
	cr_assert(values[0] - hist_min(&sum) <= values[0] / 64);
}

Test(hist, quantiles_are_at_most_a_64th_above_the_exact_ones)
{
	uint64_t *values = malloc(N * sizeof(*values));

	for (unsigned spread = 0; spread < 64; spread += 7) {
		for (unsigned i = 0; i < N; i++)
			values[i] = next() >> (63 - spread) >> (next() % (spread + 1));
		check(values, N);
	}
	for (unsigned n = 1; n < 130; n++) {
		for (unsigned i = 0; i < n; i++)
			values[i] = next() >> 40;
		check(values, n);
	}
	free(values);
}

Test(hist, values_below_128_are_exact)
{
	for (uint64_t value = 0; value < 128; value++) {
		uint64_t one = value;

		check(&one, 1);
		cr_assert_eq(hist_index(value), value);
	}
}

/* Every bucket begins where the one before ends: both ends of each power of two and its neighbours,
 * up to the largest value there is. */
Test(hist, buckets_cover_all_values_in_order)
{
	unsigned before = 0;

	for (unsigned bit = 0; bit < 64; bit++)
		for (int64_t step = -1; step <= 1; step++) {
			uint64_t value = (1ull << bit) + (uint64_t)step;
			unsigned at = hist_index(value);

			if (bit < 2)
				continue;
			cr_assert(at >= before && at < HIST_BUCKETS, "value %lu, bucket %u", value,
				at);
			before = at;
		}
	cr_assert_eq(hist_index(UINT64_MAX), HIST_BUCKETS - 1);
	for (uint64_t v = 1; v < 1 << 20; v++)
		cr_assert(hist_index(v) - hist_index(v - 1) <= 1);
}

Test(hist, what_came_since_an_earlier_read_is_the_difference)
{
	static struct hist a, b;
	static struct hist_sum first, all;

	hist_record(&a, 1000000);
	hist_record(&b, 50);
	hist_read(&first, &a);
	hist_read(&first, &b);
	hist_record(&a, 10);
	hist_record(&b, 20);
	hist_between(&b, 7, 5);
	hist_read(&all, &a);
	hist_read(&all, &b);
	cr_assert_eq(all.count, 4);
	hist_less(&all, &first);
	cr_assert_eq(all.count, 2);
	cr_assert_eq(all.sum, 30);
	cr_assert_eq(all.behind, 1);
	cr_assert_eq(hist_min(&all), 10);
	cr_assert_eq(hist_quantile(&all, 1000000), 20);
	cr_assert_eq(hist_quantile(&all, 500000), 10);
}

Test(hist, counts_not_above_a_bound_are_never_too_many)
{
	static struct hist h;
	static struct hist_sum sum;

	for (uint64_t v = 1; v <= 100000; v++)
		hist_record(&h, v);
	hist_read(&sum, &h);
	for (uint64_t bound = 1; bound <= 100000; bound = bound * 5 / 4 + 1) {
		uint64_t n = hist_not_above(&sum, bound);

		cr_assert(n <= bound && bound - n <= bound / 64, "%lu not above %lu", n, bound);
	}
	cr_assert_eq(hist_not_above(&sum, UINT64_MAX), 100000);
}

Test(hist, an_empty_one_has_no_quantiles)
{
	static struct hist_sum sum;

	cr_assert_eq(hist_quantile(&sum, 500000), 0);
	cr_assert_eq(hist_quantile(&sum, 1000000), 0);
	cr_assert_eq(hist_min(&sum), 0);
}
