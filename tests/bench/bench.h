/* bench: ways to do one piece of work, measured in turns in one process, so that what slows the
 * machine down slows all of them. Prints a line a way: its name, a tab, and ns a unit in each
 * round; figures.py makes medians and ratios of them.
 *
 * Environment: BENCH_ROUNDS (11), BENCH_MS (60: least time of one turn); BENCH_COUNT=NAME runs that
 * way alone, untimed, BENCH_CALLS (1) times, and prints its units: for callgrind
 * --toggle-collect=bench_call. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BENCH_ROUNDS_MAX = 101 };

struct bench_way {
	const char *name;
	uint64_t (*work)(void *ctx); /* returns the units it did, more than 0 */
	void *ctx;
};

/* bench_run measures n ways by the thread's CPU clock, or counts one of them. */
void bench_run(const struct bench_way *ways, unsigned n);

/* bench_call is way->work(way->ctx): what callgrind looks for. */
uint64_t bench_call(const struct bench_way *way);

/* bench_print prints one line; for programs that take their own times. */
void bench_print(const char *name, const double *values, unsigned n);

unsigned bench_rounds(void);
unsigned bench_env(const char *name, unsigned fallback);
uint64_t bench_ns(clockid_t clock);

/* bench_random is xorshift: the same inputs in every run. state is not 0 */
uint64_t bench_random(uint64_t *state);

/* BENCH_KEEP makes the compiler believe that v is used. */
#define BENCH_KEEP(v) __asm__ __volatile__("" : : "r"(v) : "memory")
