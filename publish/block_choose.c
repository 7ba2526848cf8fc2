#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "publish/block.h"

enum {
	BATCH = 65536,
	GROUP = 4,
	GROUPS = 8,
	MEMORY = GROUPS * GROUP * BATCH + BLOCK, /* and what the last row reaches over */
	ROW = 81,
	LINE = 64,
	LIMIT_NS = 20000000,
};

/* trial: groups of batches go to and fro; each side times what it does to them, and waits awake. */
struct trial {
	uint8_t *memory;
	int core; /* of the reader */
	uint64_t deadline_ns;
	uint64_t read_ns; /* what reading took; its own until it is the writer's turn */
	alignas(64) atomic_uint turns; /* even: the writer's turn */
	atomic_bool over;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void core_take(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* batch_fill writes rows as a stream does; the last one may reach beyond the batch. */
static void batch_fill(uint8_t *batch)
{
	static alignas(64) uint8_t own[BLOCK + ROW];
	static const uint8_t row[ROW] = {10, 79};
	uint8_t *block = own;
	size_t used = 0;

	for (uint8_t *to = batch; to < batch + BATCH; to += BLOCK) {
		for (; used < BLOCK; used += ROW)
			memcpy(block + used, row, ROW);
		used -= BLOCK;
		block = block_out(own, block, to, used);
	}
}

static uint8_t *group_of(const struct trial *t, unsigned n)
{
	return t->memory + (size_t)(n % GROUPS) * GROUP * BATCH;
}

/* turn_wait waits for an even turn, or an odd one. Returns false when there is no time left. */
static bool turn_wait(struct trial *t, unsigned odd)
{
	for (unsigned n = 0; (atomic_load_explicit(&t->turns, memory_order_acquire) & 1) != odd;
		n++) {
		if (n % 64 == 63 && (now_ns(CLOCK_MONOTONIC) > t->deadline_ns ||
					    atomic_load_explicit(&t->over, memory_order_relaxed)))
			return false;
	}
	return true;
}

static void *reader(void *arg)
{
	struct trial *t = arg;

	core_take(t->core);
	for (unsigned n = 0; turn_wait(t, 1); n++) {
		uint64_t began_ns = now_ns(CLOCK_THREAD_CPUTIME_ID), sum = 0;

		for (size_t i = 0; i < (size_t)GROUP * BATCH; i += LINE)
			sum += group_of(t, n)[i];
		__asm__ __volatile__("" : : "r"(sum));
		t->read_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns;
		atomic_fetch_add_explicit(&t->turns, 1, memory_order_release);
	}
	return NULL;
}

/* round_take sends every group once. Returns the ns that the slower side took a batch, or 0: no time
 * left */
static uint64_t round_take(struct trial *t)
{
	uint64_t write_ns = 0;

	t->read_ns = 0;
	for (unsigned n = 0; n < GROUPS; n++) {
		uint64_t began_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);

		for (size_t i = 0; i < GROUP; i++)
			batch_fill(group_of(t, n) + i * BATCH);
		write_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns;
		atomic_fetch_add_explicit(&t->turns, 1, memory_order_release);
		if (!turn_wait(t, 0))
			return 0;
	}
	return (write_ns > t->read_ns ? write_ns : t->read_ns) / (GROUPS * GROUP) + 1;
}

/* rounds_take fills ns in. Returns how many rounds were whole; the first does not count. */
static unsigned rounds_take(struct trial *t, uint64_t ns[BLOCK_WAYS][BLOCK_ROUNDS])
{
	for (unsigned round = 0; round <= BLOCK_ROUNDS; round++)
		for (block_way = BLOCK_STREAMED; block_way < BLOCK_WAYS; block_way++) {
			uint64_t took_ns = round_take(t);

			if (!took_ns)
				return round ? round - 1 : 0;
			ns[block_way][round ? round - 1 : 0] = took_ns;
		}
	return BLOCK_ROUNDS;
}

static unsigned measure(uint64_t ns[BLOCK_WAYS][BLOCK_ROUNDS], const int cores[2])
{
	struct trial t = {.core = cores[1], .deadline_ns = now_ns(CLOCK_MONOTONIC) + LIMIT_NS};
	pthread_t thread;
	unsigned rounds = 0;
	cpu_set_t before;

	t.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (t.memory == MAP_FAILED)
		return 0;
	if (pthread_create(&thread, NULL, reader, &t) == 0) {
		sched_getaffinity(0, sizeof(before), &before);
		core_take(cores[0]);
		rounds = rounds_take(&t, ns);
		sched_setaffinity(0, sizeof(before), &before);
		atomic_store_explicit(&t.over, true, memory_order_relaxed);
		pthread_join(thread, NULL);
	}
	munmap(t.memory, MEMORY);
	return rounds;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void block_best(struct block_choice *choice, uint64_t ns[BLOCK_WAYS][BLOCK_ROUNDS], unsigned rounds)
{
	/* past the caches: nowhere the best by much, nowhere the worst */
	*choice = (struct block_choice){BLOCK_STREAMED, "the cores had no time to measure", {0}};
	if (!rounds)
		return;
	choice->why = "measured";
	for (int way = BLOCK_STREAMED; way < BLOCK_WAYS; way++) {
		qsort(ns[way], rounds, sizeof(ns[way][0]), compare);
		choice->ns[way] = ns[way][rounds / 2];
		if (choice->ns[way] < choice->ns[choice->way])
			choice->way = (enum block_way)way;
	}
}

void block_choose(struct block_choice *choice, enum block_way wish, const int cores[2])
{
	uint64_t ns[BLOCK_WAYS][BLOCK_ROUNDS];

	if (wish != BLOCK_AUTO)
		*choice = (struct block_choice){wish, "as configured", {0}};
	else if (cores[0] == cores[1])
		*choice = (struct block_choice){BLOCK_IN_PLACE, "one core writes and reads", {0}};
	else
		block_best(choice, ns, measure(ns, cores));
	block_way = choice->way;
}
