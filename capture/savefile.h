/* savefile: packets as they were received -> one pcapng file with ns time stamps, written by all
 * workers. A worker's packets stand in their order; those of several workers come in pieces. */
#pragma once

#include "capture/source.h"

/* savefile is the file.
 * Thread   any, but for open and close */
struct savefile;

/* savefile_open makes the file, replacing one that is there.
 * Returns  0, or -errno with error: what, where, what to do */
int savefile_open(struct savefile **file, const char *path, char error[256]);

/* savefile_error says what broke, "" while nothing did. */
const char *savefile_error(struct savefile *file);

/* savefile_close closes the file; its savers are closed.
 * Returns  0, or -errno: what was counted as written may be lost */
int savefile_close(struct savefile *file);

/* saver is one worker's way into the file: a buffer, written out when it is full.
 * entered = written + held + sum(dropped), in packets.
 *
 * Owns     buffer
 * Thread   its worker */
struct saver {
	struct savefile *file; /* kept */
	uint8_t *buffer;
	size_t used;
	uint64_t entered, written, held, dropped[REASON_COUNT];
	uint64_t flushed_ns;
	uint32_t link_next; /* link type of the newest packet + 1 */
	uint32_t interface; /* and its number in the file */
};

int saver_open(struct saver *sv, struct savefile *file); /* 0, or -ENOMEM */
void saver_close(struct saver *sv);                      /* flushes */

/* saver_take copies frames into the buffer; messages of message files are no packets.
 */
void saver_take(struct saver *sv, const struct packet *pkts, unsigned n);

/* saver_flush writes out what is there; saver_idle does when that is older than a second. */
void saver_flush(struct saver *sv);
void saver_idle(struct saver *sv, uint64_t now_ns);
