/* bench_ring: how full batches go to another core: five ways, and the program's own (blocks in the
 * way that it chooses on these two cores, anew in each round as at a start; pool, ring). All write
 * the same rows of 81 bytes into buffers of 64 KiB; the consumer reads every cache line and gives the buffer back. Prints million events a
 * second that the slower of both sides allows, by the CPU time of what it does: where both cores
 * are free that is the rate, and other work on them changes little. */
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

/* owned asks for a line that is going to be written. */
static inline void owned(const uint8_t *p)
{
	__asm__ __volatile__("prefetchw %0" : : "m"(*p));
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
		owned(to + i + AHEAD);
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

/* as_a_stream does what publish/stream.c does. */
static void as_a_stream(uint8_t *to)
{
	static alignas(64) uint8_t own[BLOCK + 2 * ROW];
	uint8_t *block = own, *p = own;

	for (uint64_t i = 0; i < ROWS; i++) {
		p = row(p, i);
		if (p >= block + BLOCK) {
			size_t over = (size_t)(p - block) - BLOCK;

			block = block_out(own, block, to, over);
			to += BLOCK;
			p = block + over;
		}
	}
	if (block != to)
		memcpy(to, block, (size_t)(p - block));
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
			owned(p + AHEAD);
			owned(p + AHEAD + LINE);
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
		as_a_stream(to);
	}
}

static uint64_t read_lines(const uint8_t *p)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < BUFFER; i += LINE)
		sum += p[i];
	return sum;
}

/* side is what a thread spent on its buffers, waiting left out. */
struct side {
	uint64_t busy_ns, began_ns;
};

static void side_begin(struct side *side)
{
	side->began_ns = bench_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void side_end(struct side *side)
{
	side->busy_ns += bench_ns(CLOCK_THREAD_CPUTIME_ID) - side->began_ns;
}

static void *consume(void *arg)
{
	struct side *side = arg;
	uint64_t sum = 0;
	void *p = NULL;

	core(1);
	for (unsigned n = 0; n < total; n++) {
		while (rte_ring_empty(there))
			sched_yield();
		side_begin(side);
		rte_ring_sc_dequeue(there, &p);
		sum += read_lines(p);
		rte_ring_sp_enqueue(back, p);
		side_end(side);
	}
	BENCH_KEEP(sum);
	return NULL;
}

static void *consume_ours(void *arg)
{
	struct side *side = arg;
	uint64_t sum = 0;
	struct batch *b;

	core(1);
	for (unsigned n = 0; n < total; n++) {
		while (rte_ring_empty(ring->queue) && !ring_first(ring))
			sched_yield();
		side_begin(side);
		ring_absorb(ring, 0);
		b = ring_first(ring);
		sum += read_lines(b->data);
		ring_taken(ring);
		batch_done(b);
		side_end(side);
	}
	BENCH_KEEP(sum);
	return NULL;
}

static void produce(enum way way, struct side *side)
{
	void *p = NULL;

	for (unsigned n = 0; n < total; n++) {
		while (rte_ring_empty(back))
			sched_yield();
		side_begin(side);
		rte_ring_sc_dequeue(back, &p);
		fill(way, p);
		rte_ring_sp_enqueue(there, p);
		side_end(side);
	}
}

static void produce_ours(struct side *side)
{
	for (unsigned n = 0; n < total; n++) {
		struct batch *b;

		for (;;) {
			side_begin(side);
			b = pool_take(pool);
			if (b)
				break;
			sched_yield();
		}
		fill(OURS, b->data);
		b->events = ROWS;
		atomic_store_explicit(&b->refs, 1, memory_order_relaxed);
		ring_push(ring, b);
		side_end(side);
	}
}

/* choose does what a start of the program does, again where the cores had no time for it. */
static void choose(void)
{
	struct block_choice choice;
	unsigned tries = 0;

	do
		block_choose(&choice, BLOCK_AUTO, (const int[]){0, 1});
	while (!choice.ns[choice.way] && tries++ < 20);
}

/* turn returns million events a second. */
static double turn(enum way way)
{
	struct side producer = {0}, consumer = {0};
	uint64_t ns;
	pthread_t thread;

	if (way == OURS)
		choose();
	if (pthread_create(&thread, NULL, way == OURS ? consume_ours : consume, &consumer) != 0)
		abort();
	if (way == OURS)
		produce_ours(&producer);
	else
		produce(way, &producer);
	pthread_join(thread, NULL);
	ns = producer.busy_ns > consumer.busy_ns ? producer.busy_ns : consumer.busy_ns;
	return (double)total * ROWS * 1e3 / (double)ns;
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
