/* What is cold about replayed files: opening, finding the format, the next block, errors. */
#define _GNU_SOURCE
#include "capture/replay/replay.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct format *const formats[] = {
	&pcap_format,
	&pcapng_format,
	&fix_format,
	&itch50_nolength_format,
	&binaryfile_format,
};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

#define FORMAT_NAMES "pcap, pcapng, fix, itch50-nolength, binaryfile"

uint64_t replay_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

enum step replay_expect(struct replay *r, const char *what, uint64_t len)
{
	r->expected = what;
	r->expected_len = len;
	return STEP_MORE;
}

enum step replay_damaged(struct replay *r, const char *fmt, ...)
{
	char what[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	source_fail(&r->src, SOURCE_DAMAGED, 0,
		"damaged at byte %llu%s: %s. Everything before it was delivered; fetch the file "
		"again",
		(unsigned long long)input_offset(&r->in), r->in.packed ? " (unpacked)" : "", what);
	return STEP_DAMAGED;
}

void replay_lost(struct replay *r)
{
	if (r->opt.worker == 0)
		r->stats.dropped[REASON_file_damaged]++;
}

static int truncated(struct replay *r)
{
	char length[32] = "";

	if (r->in.skip)
		replay_expect(r, "the rest of a block", r->in.skip);
	if (r->expected_len)
		snprintf(length, sizeof(length), " of %llu bytes",
			(unsigned long long)r->expected_len);
	source_fail(&r->src, SOURCE_TRUNCATED, 0,
		"cut short at byte %llu%s: expected %s%s, found %zu. Everything before it was "
		"delivered; fetch the file again if it should be longer",
		(unsigned long long)input_offset(&r->in), r->in.packed ? " (unpacked)" : "",
		r->expected, length, bytes_len(r->in.in));
	replay_lost(r);
	return 1;
}

static bool date_ok(uint32_t date)
{
	return date / 10000 >= 1970 && date / 10000 < 2100 && date / 100 % 100 - 1 < 12 &&
	       date % 100 - 1 < 31;
}

static int format_check(struct replay *r)
{
	if (r->use.filter == NULL || r->format->kind == PACKET_FRAME)
		return 0;
	return source_fail(&r->src, SOURCE_DAMAGED, -EINVAL,
		"holds %s messages, not frames: a filter cannot select among them; leave it out",
		r->format->name);
}

/* round_end ends the source, or begins the next round. Returns 1 at the end, 0 when there is
 * another round */
static int round_end(struct replay *r)
{
	bool again = r->opt.loops == 0 || r->round + 1u < r->opt.loops;

	if (!again || r->records == 0 || input_rewind(&r->in) < 0) {
		r->src.end = SOURCE_END;
		return 1;
	}
	r->round++;
	r->records = 0;
	r->started = r->origin_set = false;
	return 0;
}

/* format_find looks for the format. Returns 0, 1: needs more bytes, or -errno */
static int format_find(struct replay *r, bool whole)
{
	static const struct {
		const char *magic, *tool;
	} packers[] = {{"\x28\xb5\x2f\xfd", "zstdcat"}, {"\xfd\x37zXZ", "xzcat"}, {"BZh", "bzcat"},
		{"\x04\x22\x4d\x18", "lz4cat"}};
	struct bytes head = r->in.in;

	for (size_t i = 0; i < FORMATS && r->format == NULL; i++) {
		if (formats[i]->recognise(head, whole))
			r->format = formats[i];
	}
	if (r->format)
		return format_check(r);
	if (!whole && bytes_len(head) < HEAD_WANTED)
		return 1;
	if (bytes_len(head) == 0)
		return source_fail(&r->src, SOURCE_DAMAGED, -ENODATA,
			"is empty: nothing was ever written to it; check where it comes from");
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		size_t len = strlen(packers[i].magic);

		if (bytes_has(head, len) && memcmp(head.p, packers[i].magic, len) == 0)
			return source_fail(&r->src, SOURCE_DAMAGED, -EINVAL,
				"is compressed in a way that is not read; pipe it in: %s FILE | "
				"pkt-sniffer -r -",
				packers[i].tool);
	}
	return source_fail(&r->src, SOURCE_DAMAGED, -EINVAL,
		"is no capture: no known format begins like this. If it is one of " FORMAT_NAMES
		", say so by --format");
}

int replay_more(struct replay *r)
{
	enum input_state state = input_more(&r->in);

	r->starved = state == INPUT_NONE;
	if (r->format == NULL && (state == INPUT_MORE || state == INPUT_EOF)) {
		int rc = format_find(r, state == INPUT_EOF);

		return rc < 0 ? rc : 0;
	}
	switch (state) {
	case INPUT_MORE:
		return 0;
	case INPUT_NONE:
		return 1;
	case INPUT_EOF:
		if (r->started && bytes_len(r->in.in) == 0 && r->in.skip == 0 && r->trailer == 0)
			return round_end(r);
		return truncated(r);
	case INPUT_TRUNCATED:
		replay_expect(r, "more of the gzip stream", 0);
		return truncated(r);
	case INPUT_DAMAGED:
		replay_damaged(r, "gzip: %s", r->in.why);
		replay_lost(r);
		return 1;
	case INPUT_FAILED:
		break;
	}
	return source_fail(&r->src, SOURCE_GONE, r->in.rc, "reading failed at byte %llu: %s",
		(unsigned long long)r->in.end_offset, strerror(-r->in.rc));
}

int replay_link_check(struct replay *r, uint16_t link)
{
	char error[256];

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
	} else if (r->starved) {
		struct pollfd ready = {.fd = r->in.fd, .events = POLLIN};

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

	input_close(&r->in);
	free(r->interfaces);
	free(r);
}

static const struct source_ops replay_ops = {
	.name = "replay",
	.burst = replay_burst,
	.wait = replay_wait,
	.stats = replay_stats,
	.close = replay_close,
};

/* date_in_name finds a day in a file's name: yyyymmdd, mmddyyyy, or mmddyy behind an S as Nasdaq
 * has it. Returns yyyymmdd, or 0 */
static uint32_t date_in_name(const char *name)
{
	for (const char *p = name; *p; p++) {
		size_t digits = strspn(p, "0123456789");
		uint32_t v;

		if (digits == 0)
			continue;
		v = digits <= 8 ? (uint32_t)strtoul(p, NULL, 10) : 0;
		if (digits == 8 && date_ok(v))
			return v;
		if (digits == 8 && date_ok(v % 10000 * 10000 + v / 10000))
			return v % 10000 * 10000 + v / 10000;
		if (digits == 6 && p > name && p[-1] == 'S' &&
			date_ok((2000 + v % 100) * 10000 + v / 100))
			return (2000 + v % 100) * 10000 + v / 100;
		p += digits - 1;
	}
	return 0;
}

/* noon_ns is 12:00 UTC of a day: the same day in every exchange's zone. 0 for 0 */
static uint64_t noon_ns(uint32_t date)
{
	struct tm tm = {.tm_year = (int)(date / 10000) - 1900,
		.tm_mon = (int)(date / 100 % 100) - 1,
		.tm_mday = (int)(date % 100),
		.tm_hour = 12};

	return date ? (uint64_t)timegm(&tm) * 1000000000u : 0;
}

static struct replay *replay_make(const char *path, const struct source_options *opt)
{
	struct replay *r = calloc(1, sizeof(*r));
	const char *slash = strrchr(path, '/');

	if (r == NULL)
		return NULL;
	r->interfaces = calloc(INTERFACES_MAX, sizeof(*r->interfaces));
	if (r->interfaces == NULL) {
		free(r);
		return NULL;
	}
	r->src.ops = &replay_ops;
	r->in.fd = -1;
	r->opt = *opt;
	r->use.filter = opt->filter;
	r->pace = opt->speed > 0 ? 1 / opt->speed : 0;
	snprintf(r->src.name, sizeof(r->src.name), "%s",
		strcmp(path, "-") == 0 ? "standard input"
		: slash                ? slash + 1
				       : path);
	r->day_ns = noon_ns(opt->date ? opt->date : date_in_name(r->src.name));
	return r;
}

/* start finds the format, unless its bytes are still to come through a pipe. */
static int start(struct replay *r)
{
	const char *name = r->opt.format;
	int rc = 0;

	if (r->opt.date && !date_ok(r->opt.date))
		return source_fail(&r->src, SOURCE_DAMAGED, -EINVAL,
			"date %u is no day; write yyyymmdd", r->opt.date);
	if (r->in.fd >= 0 && (r->opt.workers > 1 || r->opt.loops != 1))
		return source_fail(&r->src, SOURCE_DAMAGED, -ESPIPE,
			"a stream is read once, by one worker: use --workers 1 and no --loop, or a "
			"file");
	for (size_t i = 0; name && i < FORMATS; i++) {
		if (strcmp(name, formats[i]->name) == 0)
			r->format = formats[i];
	}
	if (name && r->format == NULL)
		return source_fail(&r->src, SOURCE_DAMAGED, -EINVAL,
			"format %.40s is unknown; there are " FORMAT_NAMES, name);
	if (r->format)
		return format_check(r);
	if (r->in.whole)
		return format_find(r, true);
	while (rc == 0 && r->format == NULL && r->src.end == SOURCE_RUNNING && !r->in.fd_can_wait)
		rc = replay_more(r);
	return rc < 0 ? rc : r->src.end > SOURCE_END ? -EINVAL : 0;
}

/* opened hands a made replay to the caller, or takes it down. */
static int opened(struct replay *r, struct source **src, char error[256])
{
	int rc = start(r);

	if (rc < 0) {
		snprintf(error, 256, "%s", r->src.error);
		replay_close(&r->src);
		return rc;
	}
	*src = &r->src;
	return 0;
}

int replay_open_memory(struct source **src, struct bytes data, bool streamed,
	const struct source_options *opt, char error[256])
{
	struct replay *r = replay_make("memory", opt);

	if (r == NULL || input_open_memory(&r->in, data, streamed) < 0) {
		if (r)
			replay_close(&r->src);
		snprintf(error, 256, "memory: no memory");
		return -ENOMEM;
	}
	return opened(r, src, error);
}

int source_open_replay(
	struct source **src, const char *path, const struct source_options *opt, char error[256])
{
	struct replay *r = replay_make(path, opt);
	int rc;

	if (r == NULL) {
		snprintf(error, 256, "%.150s: no memory", path);
		return -ENOMEM;
	}
	rc = input_open(&r->in, path, error);
	if (rc < 0) {
		replay_close(&r->src);
		return rc;
	}
	return opened(r, src, error);
}
