/* Bytes of a stream, cut in two ways, must give the same events; every byte is in a message or
 * counted as skipped; what is refused makes no message; a secret never comes out. The first byte
 * says how the second way cuts. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/fix_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX = 512 };

static void check(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "fuzz_fix: %s\n", what);
		abort();
	}
}

/* decode feeds in, in pieces of step bytes, each in a heap block of its size, and ends the stream.
 */
static void decode(struct fix_rig *rig, struct bytes in, size_t step)
{
	const struct fix_counts *c = &rig->streams.fix.counts;
	uint64_t dropped = 0, held = 0, offset = 0;
	unsigned i;

	fix_rig_init(rig, MESSAGE_MAX);
	while (in.p < in.end) {
		size_t len = bytes_len(in) < step ? bytes_len(in) : step;
		uint8_t *piece = malloc(len);

		check(piece, "out of memory");
		memcpy(piece, in.p, len);
		in.p += len;
		tcp_streams_text(&rig->streams, bytes_of(piece, len), 1, offset, 1);
		offset += len;
		fix_rig_flush(rig);
		free(piece);
	}
	tcp_streams_end(&rig->streams);
	for (i = 0; i < rig->streams.tcp.dirs_n; i++)
		held += rig->streams.tcp.dirs[i].held;
	for (i = 0; i < REASON_COUNT; i++)
		dropped += c->dropped[i];
	check(c->bytes_in == c->bytes_out + c->bytes_skipped, "bytes do not add up");
	check(c->bytes_in + held == offset, "bytes got lost");
	check(c->messages_in == c->messages_out + dropped, "messages do not add up");
	check(rig->streams.tcp.counts.bytes_dropped == 0, "bytes dropped without a loss");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fix_rig *a, *b;

	if (size < 2)
		return 0;
	a = malloc(2 * sizeof(*a));
	check(a, "out of memory");
	b = a + 1;
	decode(a, bytes_of(data + 1, size - 1), size);
	decode(b, bytes_of(data + 1, size - 1), data[0] + 1u);
	check(a->text_len == b->text_len && memcmp(a->text, b->text, a->text_len) == 0,
		"a cut elsewhere gives other events");
	check(a->streams.fix.counts.messages_out == b->streams.fix.counts.messages_out,
		"other messages");
	check(!strstr(a->text, "[554,\"") && !strstr(a->text, "[925,\"") &&
			!strstr(a->text, "[1402,\"") && !strstr(a->text, "[1404,\""),
		"a secret came out");
	fix_rig_free(a);
	fix_rig_free(b);
	free(a);
	return 0;
}
