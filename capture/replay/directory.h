/* directory: all captures of a directory as one, in the order of their time stamps.
 *
 *   listed, by the time of their first packet: day1.pcap  day2.pcap.zst  day3.pcapng …
 *                                              └──── open: a heap by the time of the next packet
 *
 * A file keeps its own order: a packet behind a later one counts as of that time. Equal times go by
 * file name. So the order is that of a stable sort, whoever reads it. A file is open from its first
 * packet's time to its end: rotated captures need no more memory than two of them. */
#pragma once

#include "capture/replay/reader.h"

struct listed {
	char *name;
	uint64_t first_ns; /* time of its first packet */
	uint32_t rank;     /* by name */
};

struct opened {
	struct reader reader;
	struct packet head; /* the next packet, or the one just handed out */
	uint64_t time_ns;   /* of head, or of an earlier packet of the file that was later */
	uint32_t rank;
};

/* directory
 *
 * Owns     the list and what is open
 * Thread   one */
struct directory {
	char *path;
	struct listed *files; /* by first_ns, then rank */
	unsigned files_n, next;
	struct opened **open; /* heap: the next packet's file is the first */
	unsigned open_n;
	bool handed;         /* the first one's head was handed out: another must be read */
	bool says;           /* names files that broke: one of the workers does */
	enum source_end end; /* set when there is no more: the worst end of a file */
	enum source_end worst;
	unsigned broken; /* captures that were not read to their end */
	char error[256];
};

/* directory_open lists the captures. What is none is skipped and named in a warning.
 *
 * Takes    opt: format, worker; first: has the same list, NULL = look
 * Returns  0 with *dir the caller's to close, or -errno with error written */
int directory_open(struct directory **dir, const char *path, const struct source_options *opt,
	const struct directory *first, char error[256]);
void directory_close(struct directory *dir); /* NULL: nothing */
void directory_rewind(struct directory *dir);

/* directory_next is reader_next over all files: one at a time as far as pkt is concerned.
 * port is the file's number by name. */
int directory_next(struct directory *dir, struct packet *pkt, bool may_refill, unsigned *budget);

/* Between the hot file and the cold one: open the next file of the list, close the first of the
 * heap, which has ended; place a file that was opened, or the first one, which has moved on. */
void directory_open_next(struct directory *dir);
void directory_close_first(struct directory *dir);
void directory_place(struct directory *dir, struct opened *made);
void directory_sift(struct directory *dir);
