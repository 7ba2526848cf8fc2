/* rng: the simulator's only source of chance (xoshiro256**): same seed, same numbers, everywhere.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* rng_seed starts a stream; different (seed, stream) pairs are independent. */
static inline void rng_seed(struct rng *rng, uint64_t seed, uint64_t stream)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15 ^ (stream + 1) * 0xd1342543de82ef95;

	for (int i = 0; i < 4; i++) { /* splitmix64 */
		uint64_t z = x += 0x9e3779b97f4a7c15;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		rng->s[i] = z ^ z >> 31;
	}
}

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t *s = rng->s, result = (s[1] * 5 << 7 | s[1] * 5 >> 57) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = s[3] << 45 | s[3] >> 19;
	return result;
}

/* rng_below is uniform over 0 … n-1; n > 0. */
static inline uint32_t rng_below(struct rng *rng, uint32_t n)
{
	return (uint32_t)((rng_next(rng) >> 32) * n >> 32);
}

/* rng_real is uniform over [0, 1). */
static inline double rng_real(struct rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

static inline bool rng_chance(struct rng *rng, double p)
{
	return rng_real(rng) < p;
}

/* rng_exp is exponential with the given mean. */
static inline double rng_exp(struct rng *rng, double mean)
{
	return -log(1.0 - rng_real(rng)) * mean;
}

/* rng_geometric counts failures before a success of chance p; mean (1-p)/p; at most max. */
static inline uint32_t rng_geometric(struct rng *rng, double p, uint32_t max)
{
	double n = log(1.0 - rng_real(rng)) / log(1.0 - p);

	return n < max ? (uint32_t)n : max;
}
