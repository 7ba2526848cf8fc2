/* bench_ring: how full batches go to another core: five ways, and the program's own (a block of
 * 4 KiB filled in L1, block_copy, pool, ring). All write the same rows of 81 bytes into buffers of
 * 64 KiB; the consumer reads every cache line and gives the buffer back. Prints million events a
 * second by the wall clock, for both cores have to run. */
#include <emmintrin.h>
#include <pthread.h>
#include <rte_ring.h>
#include <sched.h>
#include <stdalign.h>
#include <string.h>

#include "publish/block.h"
#include "publish/pool.h"
#include "publish/ring.h"
#include "tests/bench/bench.h"

enum { BUFFER = 65536, BUFFERS = 32, ROW = 81, ROWS = BUFFER / ROW, LINE = 64, AHEAD = 1024 };
enum way { HAND_OVER, IN_PLACE, PREFETCHED, STREAMED, COPIED, OURS, WAYS };

static const char *const names[WAYS] = {"hand over only", "in place", "in place, prefetchw ahead",
	"L1, streamed out", "L1, copied out", "ours"};

static struct rte_ring *there, *back;
static struct ring *ring;
static struct batch_pool *pool;
static unsigned total; /* buffers of one turn */

static void core(unsigned number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* row writes what a row of constant width takes: one store a field. */
static inline uint8_t *row(uint8_t *p, uint64_t seq)
{
	static const uint8_t text[ROW] = {0x0a, 79, 0x09};

	memcpy(p, text, ROW);
	memcpy(p + 3, &seq, 8);
	memcpy(p + 63, &seq, 8);
	return p + ROW;
}

static void streamed(uint8_t *to, const uint8_t *from)
{
	for (unsigned i = 0; i < BLOCK; i += 16)
		_mm_stream_si128((__m128i *)(to + i), _mm_load_si128((const __m128i *)(from + i)));
	_mm_sfence();
}

static void copied(uint8_t *to, const uint8_t *from)
{
	for (unsigned i = 0; i < BLOCK; i += LINE) {
		__builtin_prefetch(to + i + AHEAD, 1);
		for (unsigned k = 0; k < LINE; k += 16)
			_mm_store_si128((__m128i *)(to + i + k),
				_mm_load_si128((const __m128i *)(from + i + k)));
	}
}

/* through_block fills a block again and again and moves it out. */
static void through_block(uint8_t *to, void (*out)(uint8_t *to, const uint8_t *from))
{
	static alignas(64) uint8_t block[BLOCK + 2 * ROW];
	uint8_t *p = block;

	for (uint64_t i = 0; i < ROWS; i++) {
		p = row(p, i);
		if (p >= block + BLOCK) {
			out(to, block);
			to += BLOCK;
			memcpy(block, block + BLOCK, ROW);
			p -= BLOCK;
		}
	}
	out(to, block);
}

static void own(uint8_t *to, const uint8_t *from)
{
	block_copy(to, from);
}

static void fill(enum way way, uint8_t *to)
{
	uint8_t *p = to;

	switch (way) {
	case HAND_OVER:
		break;
	case IN_PLACE:
		for (uint64_t i = 0; i < ROWS; i++)
			p = row(p, i);
		break;
	case PREFETCHED:
		for (uint64_t i = 0; i < ROWS; i++) {
			__builtin_prefetch(p + AHEAD, 1);
			__builtin_prefetch(p + AHEAD + LINE, 1);
			p = row(p, i);
		}
		break;
	case STREAMED:
		through_block(to, streamed);
		break;
	case COPIED:
		through_block(to, copied);
		break;
	default:
		through_block(to, own);
	}
}

static uint64_t read_lines(const uint8_t *p)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < BUFFER; i += LINE)
		sum += p[i];
	return sum;
}

static void *consume(void *arg)
{
	uint64_t sum = 0;
	void *p;

	core(1);
	for (unsigned n = 0; n < total; n++) {
		while (rte_ring_sc_dequeue(there, &p) != 0)
			__builtin_ia32_pause();
		sum += read_lines(p);
		rte_ring_sp_enqueue(back, p);
	}
	BENCH_KEEP(sum);
	return arg;
}

static void *consume_ours(void *arg)
{
	uint64_t sum = 0;
	struct batch *b;

	core(1);
	for (unsigned n = 0; n < total;) {
		if (ring_absorb(ring, 0) == 0 && !ring_first(ring))
			__builtin_ia32_pause();
		while ((b = ring_first(ring))) {
			sum += read_lines(b->data);
			ring_taken(ring);
			batch_done(b);
			n++;
		}
	}
	BENCH_KEEP(sum);
	return arg;
}

static void produce(enum way way)
{
	void *p;

	for (unsigned n = 0; n < total; n++) {
		while (rte_ring_sc_dequeue(back, &p) != 0)
			__builtin_ia32_pause();
		fill(way, p);
		rte_ring_sp_enqueue(there, p);
	}
}

static void produce_ours(void)
{
	for (unsigned n = 0; n < total; n++) {
		struct batch *b;

		while (!(b = pool_take(pool)))
			__builtin_ia32_pause();
		fill(OURS, b->data);
		b->events = ROWS;
		atomic_store_explicit(&b->refs, 1, memory_order_relaxed);
		ring_push(ring, b);
	}
}

/* turn returns million events a second. */
static double turn(enum way way)
{
	uint64_t start = bench_ns(CLOCK_MONOTONIC);
	pthread_t consumer;

	if (pthread_create(&consumer, NULL, way == OURS ? consume_ours : consume, NULL) != 0)
		abort();
	if (way == OURS)
		produce_ours();
	else
		produce(way);
	pthread_join(consumer, NULL);
	return (double)total * ROWS * 1e3 / (double)(bench_ns(CLOCK_MONOTONIC) - start);
}

static struct rte_ring *pointers(void)
{
	struct rte_ring *r = aligned_alloc(64, (size_t)rte_ring_get_memsize(2 * BUFFERS));

	if (!r || rte_ring_init(r, "", 2 * BUFFERS, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0)
		abort();
	return r;
}

int main(void)
{
	const struct ring_options opt = {.depth = 2 * BUFFERS, .when_full = WHEN_FULL_BLOCK};
	static double rate[WAYS][BENCH_ROUNDS_MAX];
	unsigned rounds = bench_rounds();
	uint8_t *memory = aligned_alloc(4096, (size_t)BUFFERS * (BUFFER + 4096));

	total = bench_env("BENCH_BUFFERS", 4096);
	if (!memory || ring_open(&ring, &opt) < 0 ||
		batch_pool_open(&pool, BUFFERS, BUFFER + 4096) < 0)
		abort();
	there = pointers();
	back = pointers();
	for (unsigned i = 0; i < BUFFERS; i++)
		rte_ring_sp_enqueue(back, memory + (size_t)i * (BUFFER + 4096));
	core(0);
	for (unsigned r = 0; r < rounds + 1; r++) /* the first one touches the memory */
		for (unsigned i = 0; i < WAYS; i++)
			rate[(i + r) % WAYS][r ? r - 1 : 0] = turn((enum way)((i + r) % WAYS));
	for (unsigned i = 0; i < WAYS; i++)
		bench_print(names[i], rate[i], rounds);
	return 0;
}
