/* rowfile: what the sinks that write a file or pipe have in common: each row of a batch is rendered
 * into a buffer and written. A pipe whose reader is slow never blocks the thread. */
#pragma once

#include "publish/rows/buf.h"
#include "publish/sink.h"

/* lone is one event on its way out of its batch. */
struct lone {
	const struct batch *batch;
	struct bytes event; /* the bytes of Event in the batch */
	uint64_t event_no;
};

struct rowfile {
	/* what a lone event needs more, from sink_options */
	struct str source;
	uint64_t boot_id;

	/* private */
	struct sink_counts *const *counts;
	int (*render)(struct sink_ctx *ctx, const struct lone *lone, struct buf *out);
	int fd, failed; /* failed: -errno that broke it */
	bool regular, own_fd;
	uint64_t offset, good; /* bytes written; of them, bytes of complete batches */
	struct buf buf;
	size_t written;        /* of buf */
	struct batch *current; /* being written */
	struct bytes rows;
	uint64_t event_no;
	uint64_t batch_start; /* offset where current began */
	char error[256];
};

/* rowfile_open makes a sink_ctx of size bytes, zero but for the struct rowfile that it begins with,
 * and opens what the URI names: a path, or - for standard output. An existing file is replaced.
 * SIGPIPE is ignored from here on, in the whole process.
 *
 * Takes    render: appends one event to out; 0, or -errno which breaks the sink
 * Returns  0, or -errno with error filled */
int rowfile_open(struct sink_ctx **out, size_t size, const struct sink_options *opt,
	int (*render)(struct sink_ctx *ctx, const struct lone *lone, struct buf *out),
	char error[256]);

/* as in struct sink; close frees ctx */
int rowfile_submit(struct sink_ctx *ctx, struct batch *b);
int rowfile_poll(struct sink_ctx *ctx);
int rowfile_flush(struct sink_ctx *ctx, uint64_t deadline_ns);
const char *rowfile_error(struct sink_ctx *ctx);
int rowfile_close(struct sink_ctx *ctx);

/* lone_tail writes what the lone event needs more (fields 52-54, 58-62), to stand behind its bytes.
 * Takes    out: LONE_TAIL_MAX bytes
 * Returns  bytes written */
enum { LONE_TAIL_MAX = 512 };
size_t lone_tail(const struct lone *lone, struct str source, uint64_t boot_id, uint8_t *out);
