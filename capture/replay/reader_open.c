/* What is cold about reading a file: opening, finding the format, the next block, errors. */
#include "capture/replay/reader.h"

#include <errno.h>
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

int reader_fail(struct reader *r, enum source_end end, int rc, const char *fmt, ...)
{
	va_list args;
	int len = snprintf(r->error, sizeof(r->error), "%s: ", r->name);

	r->end = end;
	va_start(args, fmt);
	vsnprintf(r->error + len, sizeof(r->error) - (size_t)len, fmt, args);
	va_end(args);
	return rc;
}

enum step reader_expect(struct reader *r, const char *what, uint64_t len)
{
	r->expected = what;
	r->expected_len = len;
	return STEP_MORE;
}

enum step reader_damaged(struct reader *r, const char *fmt, ...)
{
	char what[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	reader_fail(r, SOURCE_DAMAGED, 0,
		"damaged at byte %llu%s: %s. Everything before it was delivered; fetch the file "
		"again",
		(unsigned long long)input_offset(&r->in), r->in.unpack.packing ? " (unpacked)" : "",
		what);
	return STEP_DAMAGED;
}

static int truncated(struct reader *r)
{
	char length[32] = "";

	if (r->in.skip)
		reader_expect(r, "the rest of a block", r->in.skip);
	if (r->expected_len)
		snprintf(length, sizeof(length), " of %llu bytes",
			(unsigned long long)r->expected_len);
	reader_fail(r, SOURCE_TRUNCATED, 0,
		"cut short at byte %llu%s: expected %s%s, found %zu. Everything before it was "
		"delivered; fetch the file again if it should be longer",
		(unsigned long long)input_offset(&r->in), r->in.unpack.packing ? " (unpacked)" : "",
		r->expected, length, bytes_len(r->in.in));
	return 1;
}

static bool date_ok(uint32_t date)
{
	return date / 10000 >= 1970 && date / 10000 < 2100 && date / 100 % 100 - 1 < 12 &&
	       date % 100 - 1 < 31;
}

/* format_find looks for the format. Returns 0, 1: needs more bytes, or -errno */
static int format_find(struct reader *r, bool whole)
{
	static const struct {
		const char *magic, *tool;
	} packers[] = {{"\xfd\x37zXZ", "xzcat"}, {"BZh", "bzcat"}, {"\x04\x22\x4d\x18", "lz4cat"}};
	struct bytes head = r->in.in;

	for (size_t i = 0; i < FORMATS && r->format == NULL; i++) {
		if (formats[i]->recognise(head, whole))
			r->format = formats[i];
	}
	if (r->format)
		return 0;
	if (!whole && bytes_len(head) < HEAD_WANTED)
		return 1;
	if (bytes_len(head) == 0)
		return reader_fail(r, SOURCE_DAMAGED, -ENODATA,
			"is empty: nothing was ever written to it; check where it comes from");
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		size_t len = strlen(packers[i].magic);

		if (bytes_has(head, len) && memcmp(head.p, packers[i].magic, len) == 0)
			return reader_fail(r, SOURCE_DAMAGED, -EINVAL,
				"is compressed in a way that is not read; pipe it in: %s FILE | "
				"pkt-sniffer -r -",
				packers[i].tool);
	}
	return reader_fail(r, SOURCE_DAMAGED, -EINVAL,
		"is no capture: no known format begins like this. If it is one of " FORMAT_NAMES
		", say so by --format");
}

int reader_more(struct reader *r)
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
			r->end = SOURCE_END;
		else
			truncated(r);
		return 1;
	case INPUT_TRUNCATED:
		reader_expect(r, "more of the compressed stream", 0);
		return truncated(r);
	case INPUT_DAMAGED:
		reader_damaged(r, "%s: %s", packing_name(r->in.unpack.packing), r->in.unpack.why);
		return 1;
	case INPUT_FAILED:
		break;
	}
	return reader_fail(r, SOURCE_GONE, r->in.rc, "reading failed at byte %llu: %s",
		(unsigned long long)r->in.end_offset, strerror(-r->in.rc));
}

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

static int reader_make(struct reader *r, const char *path, uint32_t date)
{
	const char *slash = strrchr(path, '/');

	*r = (struct reader){.in.fd = -1};
	snprintf(r->name, sizeof(r->name), "%s",
		strcmp(path, "-") == 0 ? "standard input"
		: slash                ? slash + 1
				       : path);
	r->interfaces = calloc(INTERFACES_MAX, sizeof(*r->interfaces));
	if (r->interfaces == NULL)
		return reader_fail(r, SOURCE_GONE, -ENOMEM, "no memory");
	if (date && !date_ok(date))
		return reader_fail(
			r, SOURCE_DAMAGED, -EINVAL, "date %u is no day; write yyyymmdd", date);
	r->day_ns = noon_ns(date ? date : date_in_name(r->name));
	return 0;
}

/* reader_start finds the format, unless its bytes are still to come through a pipe. */
static int reader_start(struct reader *r, const char *format)
{
	int rc = 0;

	for (size_t i = 0; format && i < FORMATS; i++) {
		if (strcmp(format, formats[i]->name) == 0)
			r->format = formats[i];
	}
	if (format && r->format == NULL)
		return reader_fail(r, SOURCE_DAMAGED, -EINVAL,
			"format %.40s is unknown; there are " FORMAT_NAMES, format);
	if (r->in.whole)
		return r->format ? 0 : format_find(r, true);
	while (rc == 0 && r->format == NULL && r->end == SOURCE_RUNNING && !r->in.fd_can_wait)
		rc = reader_more(r);
	return rc < 0 ? rc : r->end > SOURCE_END ? -EINVAL : 0;
}

int reader_open(struct reader *r, const char *path, const char *format, uint32_t date)
{
	int rc = reader_make(r, path, date);

	if (rc == 0)
		rc = input_open(&r->in, path, r->error);
	return rc < 0 ? rc : reader_start(r, format);
}

int reader_open_memory(
	struct reader *r, struct bytes data, bool streamed, const char *format, uint32_t date)
{
	int rc = reader_make(r, "memory", date);

	if (rc == 0 && input_open_memory(&r->in, data, streamed) < 0)
		rc = reader_fail(r, SOURCE_GONE, -ENOMEM, "no memory");
	return rc < 0 ? rc : reader_start(r, format);
}

int reader_rewind(struct reader *r)
{
	int rc = input_rewind(&r->in);

	if (rc == 0) {
		r->started = false;
		r->end = SOURCE_RUNNING;
	}
	return rc;
}

void reader_close(struct reader *r)
{
	input_close(&r->in);
	free(r->interfaces);
	r->interfaces = NULL;
}
