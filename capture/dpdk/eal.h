/* eal: DPDK's environment, started only when a source is a DPDK port. */
#pragma once

#include <stdint.h>

/* eal_start starts DPDK as its users know it, from the arguments they gave. Huge pages that cannot
 * be had are no reason to fail: with free ones it takes the arguments as they are, or adds
 * --in-memory where no hugetlbfs can be used; without, it takes --no-huge -m 512 for --in-memory.
 * What the arguments say of memory wins.
 *
 * Takes    args: without program name; borrowed
 * Thread   the main thread, once; its CPU affinity is what it was before when this returns
 * Returns  0 with mode saying which way it runs ("huge pages", …), or -errno with error filled */
int eal_start(const char *const args[], unsigned n, const char **mode, char error[256]);

/* eal_port finds a port: PCI address, vdev name, or number; "" is the only one there is.
 * Returns  0 with *port set, or -ENODEV with error naming the ports there are */
int eal_port(const char *name, uint16_t *port, char error[256]);

/* eal_core is the core of the w-th of EAL's worker lcores; -1: there are fewer, or it may run on
 * several cores. eal_worker makes the calling thread, a worker's, known to DPDK. */
int eal_core(unsigned w);
void eal_worker(void);

/* eal_started says whether eal_start was successful; eal_stop undoes it. */
int eal_started(void);
void eal_stop(void);
