#include "publish/rows/rowfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WRITE_AT = 64 << 10 }; /* rendered bytes that are worth a write */

/* pipe_reopen gives a description of our own of the pipe or terminal behind fd, so that not to
 * block is our setting alone. Returns fd itself where that does not work: then writes block. */
static int pipe_reopen(int fd)
{
	char path[32];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return own < 0 ? fd : own;
}

/* file_open opens what opt->target names. Returns  0, or -errno */
static int file_open(struct rowfile *rf, const struct sink_options *opt)
{
	bool standard = strcmp(opt->target, "-") == 0;
	struct stat st;
	int own;

	rf->fd = STDOUT_FILENO;
	if (!standard) {
		rf->fd = open(
			opt->target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
		if (rf->fd < 0)
			return -errno;
		rf->own_fd = true;
	}
	if (fstat(rf->fd, &st) < 0)
		return -errno;
	rf->regular = S_ISREG(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return 0;
	own = pipe_reopen(rf->fd);
	if (own != rf->fd) {
		if (rf->own_fd)
			close(rf->fd);
		rf->own_fd = true;
		rf->fd = own;
	}
	return 0;
}

int rowfile_open(struct sink_ctx **out, size_t size, const struct sink_options *opt,
	int (*render)(struct sink_ctx *ctx, const struct lone *lone, struct buf *out),
	char error[256])
{
	struct rowfile *rf;
	int rc;

	if (!opt->target[0]) {
		snprintf(error, 256, "%s names no file: give a path, or - for standard output",
			opt->uri);
		return -EINVAL;
	}
	rf = calloc(1, size);
	if (!rf || buf_open(&rf->buf) < 0) {
		snprintf(error, 256, "%.200s: no memory for its buffer", opt->uri);
		free(rf);
		return -ENOMEM;
	}
	rf->counts = opt->counts;
	rf->render = render;
	rf->boot_id = opt->boot_id;
	rf->source = (struct str){opt->source, (uint32_t)strnlen(opt->source, 63)};
	signal(SIGPIPE, SIG_IGN); /* a reader that went away is EPIPE */
	rc = file_open(rf, opt);
	if (rc < 0) {
		snprintf(error, 256,
			"cannot write %.140s: %s; check that its folder is there and may be "
			"written",
			opt->target, strerror(-rc));
		rowfile_close((struct sink_ctx *)rf);
		return rc;
	}
	*out = (struct sink_ctx *)rf;
	return 0;
}

/* rowfile_break: the world failed. A file is cut back to its last complete batch. */
static int rowfile_break(struct rowfile *rf, int rc)
{
	struct batch *b = rf->current;

	rf->failed = rc;
	snprintf(rf->error, sizeof(rf->error), "%s after %llu bytes: %s%s",
		rc == -EPIPE ? "the reader of the pipe went away" : "cannot write the file",
		(unsigned long long)rf->offset, strerror(-rc),
		rc == -ENOSPC ? "; make room or write elsewhere" : "");
	if (rf->regular && rf->own_fd && ftruncate(rf->fd, (off_t)rf->good) < 0)
		snprintf(rf->error, sizeof(rf->error),
			"cannot write the file (%s) nor cut it back to its last whole batch at "
			"%llu",
			strerror(-rc), (unsigned long long)rf->good);
	rf->current = NULL;
	if (b) {
		sink_dropped(rf->counts[b->worker], REASON_write_failed, b->events);
		batch_done(b);
	}
	return rc;
}

/* write_out writes what is rendered. Returns  0 all written, -EAGAIN some left, or -errno */
static int write_out(struct rowfile *rf)
{
	while (rf->written < rf->buf.len) {
		ssize_t n = write(rf->fd, rf->buf.p + rf->written, rf->buf.len - rf->written);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
		}
		rf->written += (size_t)n;
		rf->offset += (size_t)n;
	}
	rf->written = rf->buf.len = 0;
	return 0;
}

/* render_some renders rows of current until there is enough to write. Returns  0, or -errno */
static int render_some(struct rowfile *rf)
{
	struct lone lone = {.batch = rf->current};

	while (rf->buf.len < WRITE_AT) {
		int rc = batch_row(&rf->rows, &lone.event);

		if (rc <= 0)
			return rc == 0 ? 0 : -EBADMSG;
		lone.event_no = rf->event_no++;
		rc = rf->render((struct sink_ctx *)rf, &lone, &rf->buf);
		if (rc < 0)
			return rc;
		if (rf->buf.overflow)
			return -ENOBUFS;
	}
	return 0;
}

/* advance takes current as far as the file takes it.
 * Returns  0 done, -EAGAIN not yet, or -errno: broken, current dropped */
static int advance(struct rowfile *rf)
{
	struct batch *b = rf->current;

	for (;;) {
		int rc = write_out(rf);

		if (rc == -EAGAIN)
			return rc;
		if (rc == 0 && rf->rows.p == rf->rows.end)
			break;
		if (rc == 0)
			rc = render_some(rf);
		if (rc < 0)
			return rowfile_break(rf, rc);
	}
	rf->good = rf->offset;
	rf->current = NULL;
	sink_left(rf->counts[b->worker], b->events);
	batch_done(b);
	return 0;
}

int rowfile_submit(struct sink_ctx *ctx, struct batch *b)
{
	struct rowfile *rf = (struct rowfile *)ctx;
	int rc;

	if (rf->failed)
		return rf->failed;
	if (rf->current) {
		rc = advance(rf);
		if (rc < 0)
			return rc;
	}
	rf->current = b;
	rf->rows = batch_rows(b);
	rf->event_no = b->first_event;
	rf->batch_start = rf->offset;
	advance(rf); /* what breaks now was counted, and is said by the next call */
	return 0;
}

int rowfile_poll(struct sink_ctx *ctx)
{
	struct rowfile *rf = (struct rowfile *)ctx;
	int rc;

	if (rf->failed)
		return rf->failed;
	if (!rf->current)
		return 0;
	rc = advance(rf);
	return rc == -EAGAIN ? 0 : rc < 0 ? rc : 1;
}

int rowfile_flush(struct sink_ctx *ctx, uint64_t deadline_ns)
{
	struct rowfile *rf = (struct rowfile *)ctx;
	while (!rf->failed && rf->current && advance(rf) == -EAGAIN) {
		struct pollfd pfd = {.fd = rf->fd, .events = POLLOUT};
		struct timespec ts;
		int64_t left_ns;

		clock_gettime(CLOCK_MONOTONIC, &ts);
		left_ns = (int64_t)deadline_ns - ts.tv_sec * 1000000000 - ts.tv_nsec;
		if (left_ns <= 0)
			return -ETIMEDOUT;
		poll(&pfd, 1, (int)(left_ns / 1000000) + 1);
	}
	return rf->failed;
}

const char *rowfile_error(struct sink_ctx *ctx)
{
	return ((struct rowfile *)ctx)->error;
}

int rowfile_close(struct sink_ctx *ctx)
{
	struct rowfile *rf = (struct rowfile *)ctx;
	struct batch *b = rf->current;
	int rc = 0;

	if (b) {
		bool begun = rf->offset > rf->batch_start;

		sink_dropped(rf->counts[b->worker],
			begun ? REASON_purge_inflight : REASON_purge_queue, b->events);
		batch_done(b);
		rf->current = NULL;
	}
	if (rf->regular && rf->fd >= 0 && fsync(rf->fd) < 0 && errno != EINVAL && errno != EROFS)
		rc = -errno;
	if (rf->own_fd && close(rf->fd) < 0 && rc == 0)
		rc = -errno;
	buf_close(&rf->buf);
	free(rf);
	return rc;
}
