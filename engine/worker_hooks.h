/* worker_hooks: what worker.c needs of the world and does not do itself. */
#pragma once

#include "engine/worker.h"

uint64_t worker_now_ns(void); /* CLOCK_REALTIME */

/* worker_note_losses tells the feeds what the sources have lost so far, so that a gap can say whose
 * loss it was: now and then, because this may be a system call; a gap asks when it is given up. */
void worker_note_losses(struct worker *w, uint64_t now_ns);

/* worker_interval begins a new interval of --stats when its turn has come, and sends the report that
 * waits, if any. */
void worker_interval(struct worker *w);

/* worker_save writes a burst to the savefile. */
void worker_save(struct worker *w, const struct packet *pkts, int n, uint64_t now_ns);

/* worker_clock notes that packets bear stamps of another clock from now on. */
void worker_clock(struct worker *w, uint8_t ts_quality);

/* worker_round begins a --loop round. worker_send_report sends the ledger report that waits, if
 * any. */
void worker_round(struct worker *w, uint32_t round);
void worker_send_report(struct worker *w);

/* worker_send_step tells of a step of the clock, if there was one. */
void worker_send_step(struct worker *w);

/* worker_flush and worker_open are the flush and open of the worker's event vector. */
void worker_flush(struct events *evs);
void worker_open(struct events *evs);
