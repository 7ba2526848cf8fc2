/* What is cold about replay: opening, the next round, the end, waiting. */
#define _GNU_SOURCE
#include "capture/replay/replay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define NO_FRAMES "holds %s messages, not frames: a filter cannot select among them; leave it out"

uint64_t replay_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* round_begin begins the next round, if there is one. A file that broke is not played again. */
static bool round_begin(struct replay *r, enum source_end end)
{
	bool again = r->opt.loops == 0 || r->round + 1u < r->opt.loops;

	if (!again || end != SOURCE_END || r->records == 0)
		return false;
	if (r->directory)
		directory_rewind(r->directory);
	else if (reader_rewind(&r->file) < 0)
		return false;
	r->round++;
	r->records = 0;
	r->origin_set = false;
	return true;
}

bool replay_ended(struct replay *r, int rc)
{
	enum source_end end = r->directory ? r->directory->end : r->file.end;

	if (rc == 0 && round_begin(r, end))
		return false;
	r->src.end = end;
	memcpy(r->src.error, r->directory ? r->directory->error : r->file.error,
		sizeof(r->src.error));
	if (rc == 0 && end != SOURCE_END && r->opt.worker == 0) /* on one of the workers */
		r->stats.dropped[REASON_file_damaged] += r->directory ? r->directory->broken : 1;
	return true;
}

int replay_link_check(struct replay *r, const struct packet *pkt)
{
	uint16_t link = pkt->link;
	char error[256];

	if (pkt->kind != PACKET_FRAME)
		return source_fail(
			&r->src, SOURCE_DAMAGED, -EINVAL, NO_FRAMES, r->file.format->name);
	filter_use_link(&r->use, link);
	if (r->use.program || filter_program(r->use.filter, link, error))
		return 0;
	return source_fail(&r->src, SOURCE_GONE, -EINVAL,
		"link type %u: %.150s; leave the filter out", link, error);
}

static void replay_wait(struct source *src, unsigned timeout_us)
{
	struct replay *r = (struct replay *)src;
	uint64_t until_ns = replay_clock_ns() + timeout_us * UINT64_C(1000);
	struct timespec t;

	if (r->held_some) {
		if (until_ns > r->due_ns)
			until_ns = r->due_ns;
		t = (struct timespec){
			(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	} else if (r->file.starved) {
		struct pollfd ready = {.fd = r->file.in.fd, .events = POLLIN};

		t = (struct timespec){timeout_us / 1000000, (long)(timeout_us % 1000000) * 1000};
		ppoll(&ready, 1, &t, NULL);
	}
}

static void replay_stats(struct source *src, struct source_stats *stats)
{
	const struct replay *r = (const struct replay *)src;

	*stats = r->stats;
	stats->held += r->held_some; /* read and not due yet */
}

static void replay_close(struct source *src)
{
	struct replay *r = (struct replay *)src;

	directory_close(r->directory);
	reader_close(&r->file);
	free(r);
}

static const struct source_ops replay_ops = {
	.name = "replay",
	.burst = replay_burst,
	.wait = replay_wait,
	.stats = replay_stats,
	.close = replay_close,
};

static struct replay *replay_make(const struct source_options *opt, char error[256])
{
	struct replay *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		snprintf(error, 256, "replay: no memory");
		return NULL;
	}
	r->src.ops = &replay_ops;
	r->file.in.fd = -1;
	r->opt = *opt;
	if (opt->snaplen >= CAPLEN_MAX) /* no packet is longer */
		r->opt.snaplen = 0;
	r->use.filter = opt->filter;
	r->pace = opt->speed > 0 ? 1 / opt->speed : 0;
	return r;
}

/* file_check looks whether what was asked for can be done with this file. */
static int file_check(struct replay *r)
{
	struct reader *file = &r->file;

	if (file->in.fd >= 0 && (r->opt.workers > 1 || r->opt.loops != 1))
		return reader_fail(file, SOURCE_DAMAGED, -ESPIPE,
			"a stream is read once, by one worker: use --workers 1 and no --loop, or a "
			"file");
	if (file->format && file->format->kind != PACKET_FRAME && r->use.filter)
		return reader_fail(file, SOURCE_DAMAGED, -EINVAL, NO_FRAMES, file->format->name);
	return 0;
}

/* opened hands a made replay to the caller, or takes it down. rc: of the reader that was opened */
static int opened(struct replay *r, int rc, struct source **src, char error[256])
{
	if (rc == 0)
		rc = file_check(r);
	if (rc < 0) {
		snprintf(error, 256, "%s", r->file.error);
		replay_close(&r->src);
		return rc;
	}
	memcpy(r->src.name, r->file.name, sizeof(r->src.name));
	*src = &r->src;
	return 0;
}

int replay_open_memory(struct source **src, struct bytes data, bool streamed,
	const struct source_options *opt, char error[256])
{
	struct replay *r = replay_make(opt, error);

	if (r == NULL)
		return -ENOMEM;
	return opened(r, reader_open_memory(&r->file, data, streamed, opt->format, opt->date), src,
		error);
}

static int open_directory(struct replay *r, struct source **src, const char *path, char error[256])
{
	const struct replay *first = (const struct replay *)r->opt.first;
	int rc = directory_open(
		&r->directory, path, &r->opt, first ? first->directory : NULL, error);

	if (rc < 0) {
		replay_close(&r->src);
		return rc;
	}
	snprintf(r->src.name, sizeof(r->src.name), "%s", path);
	*src = &r->src;
	return 0;
}

int source_open_replay(
	struct source **src, const char *path, const struct source_options *opt, char error[256])
{
	struct replay *r = replay_make(opt, error);
	struct stat st;

	if (r == NULL)
		return -ENOMEM;
	if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return open_directory(r, src, path, error);
	return opened(r, reader_open(&r->file, path, opt->format, opt->date), src, error);
}
