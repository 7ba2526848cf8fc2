/* idle: how a loop waits when it had nothing to do: yields first, sleeps longer the longer it
 * lasts. */
#pragma once

#include <sched.h>
#include <time.h>

struct idle {
	unsigned rounds; /* without work */
};

/* spin_pause lets the core's other thread run for some cycles. */
static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__("yield");
#endif
}

/* idle_wait is called once a round with what the round did. Sleeps 20 µs … 500 µs,
 * after a second or more of silence 1 ms.
 * Thread   the one that owns idle */
static inline void idle_wait(struct idle *idle, unsigned did)
{
	struct timespec ts = {0, 20000};

	if (did) {
		idle->rounds = 0;
		return;
	}
	if (++idle->rounds <= 2) {
		sched_yield();
		return;
	}
	if (idle->rounds > 64)
		ts.tv_nsec = idle->rounds > 2048 ? 1000000 : idle->rounds > 256 ? 500000 : 100000;
	nanosleep(&ts, NULL);
}
