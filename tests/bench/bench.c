#include "tests/bench/bench.h"

#include <string.h>

enum { WAYS_MAX = 16 };

uint64_t bench_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

unsigned bench_env(const char *name, unsigned fallback)
{
	const char *text = getenv(name);

	return text && *text ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

unsigned bench_rounds(void)
{
	unsigned rounds = bench_env("BENCH_ROUNDS", 11);

	return rounds < 1 ? 1 : rounds > BENCH_ROUNDS_MAX ? BENCH_ROUNDS_MAX : rounds;
}

uint64_t bench_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void bench_print(const char *name, const double *values, unsigned n)
{
	printf("%s\t", name);
	for (unsigned i = 0; i < n; i++)
		printf("%s%.4f", i ? " " : "", values[i]);
	printf("\n");
	fflush(stdout);
}

__attribute__((noinline)) uint64_t bench_call(const struct bench_way *way)
{
	return way->work(way->ctx);
}

/* turn runs one way for slice_ns. Returns ns a unit */
static double turn(const struct bench_way *way, uint64_t slice_ns)
{
	uint64_t start = bench_ns(CLOCK_THREAD_CPUTIME_ID), ns, units = 0;

	do {
		units += bench_call(way);
		ns = bench_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	} while (ns < slice_ns);
	return (double)ns / (double)units;
}

static void count(const struct bench_way *way)
{
	uint64_t units = 0;

	for (unsigned i = 0; i < bench_env("BENCH_CALLS", 1); i++)
		units += bench_call(way);
	printf("%s\t%lu\n", way->name, (unsigned long)units);
}

void bench_run(const struct bench_way *ways, unsigned n)
{
	static double ns[WAYS_MAX][BENCH_ROUNDS_MAX];
	uint64_t slice_ns = bench_env("BENCH_MS", 60) * 1000000ull;
	const char *counted = getenv("BENCH_COUNT");
	unsigned rounds = bench_rounds();

	if (n > WAYS_MAX)
		abort();
	for (unsigned i = 0; counted && i < n; i++)
		if (strcmp(counted, ways[i].name) == 0)
			count(&ways[i]);
	if (counted)
		return;
	for (unsigned i = 0; i < n; i++)
		bench_call(&ways[i]); /* caches, pages and branches of all of them are warm */
	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = 0; i < n; i++) /* the one to begin with moves on */
			ns[(i + r) % n][r] = turn(&ways[(i + r) % n], slice_ns);
	for (unsigned i = 0; i < n; i++)
		bench_print(ways[i].name, ns[i], rounds);
}
