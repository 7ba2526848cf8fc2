/* Segments made from the input, against a plain model of a byte stream. In order and cut anywhere,
 * with repeats and overlaps, the bytes delivered are the bytes of the stream; with holes they are
 * those of the stream at their place. Every segment ends once; every byte is delivered, repeated or
 * lost. */
#include <stdio.h>
#include <stdlib.h>

#include "decode/tcp/tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAM_LEN = 4096, UNIT_MAX = 64, ISN = 0xfffffc00 };

/* model checks that what comes is the stream: byte i of it is byte_at(i). */
struct model {
	uint64_t at; /* of the first byte that eat has not taken */
	uint64_t eaten;
	uint32_t unit; /* eat takes whole units of so many bytes, aligned in the stream */
	uint64_t lost;
};

static uint8_t byte_at(uint64_t i)
{
	return (uint8_t)((i * 2654435761u) >> 13);
}

static void check(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "fuzz_tcp: %s\n", what);
		abort();
	}
}

static void flush(struct events *evs)
{
	(void)evs;
}

static size_t eat(void *ctx, struct tcp_dir *dir, struct bytes in)
{
	struct model *m = ctx;
	size_t i, take;

	check(bytes_len(in) > 0, "nothing to eat");
	if (dir->resync) {
		/* after a loss: the stream goes on where the segment said */
		dir->resync = false;
		m->at = (uint32_t)(dir->next - (uint32_t)bytes_len(in) - (ISN + 1u));
	}
	for (i = 0; i < bytes_len(in); i++)
		check(in.p[i] == byte_at(m->at + i), "a byte is not that of the stream");
	take = bytes_len(in) / m->unit * m->unit;
	m->at += take;
	m->eaten += take;
	return take;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcp_options opt = {4, 2, UNIT_MAX, UINT64_MAX / 2};
	struct tcp_table table;
	struct tcp_segment seg;
	struct events out;
	struct model m = {0};
	struct frame f = {.tcp_flags = 2, .tcp_seq = ISN};
	uint8_t stream[STREAM_LEN];
	uint64_t delivered = 0, end = 0, dropped = 0, i;

	if (size < 1)
		return 0;
	m.unit = data[0] % 16 + 1;
	for (i = 0; i < STREAM_LEN; i++)
		stream[i] = byte_at(i);
	check(tcp_init(&table, &opt) == 0 && events_init(&out, flush, NULL) == 0, "out of memory");
	check(tcp_take(&table, &f, 1, &seg) == -REASON_no_payload && seg.dir,
		"a SYN makes it known");
	seg.dir->kind = TCP_FIX;
	for (i = 1; i + 2 < size; i += 3) {
		/* three bytes a segment: where it begins, relative to what is expected; how long it
		 * is; flags */
		int64_t at = (int64_t)end + (int8_t)data[i];
		uint64_t len = data[i + 1];
		int rc;

		if (at < 0)
			at = 0;
		if ((uint64_t)at + len > STREAM_LEN)
			break;
		f.tcp_seq = ISN + 1 + (uint32_t)at;
		f.tcp_flags = data[i + 2] & 0x18;
		f.payload = bytes_of(stream + at, len);
		rc = tcp_take(&table, &f, 2, &seg);
		if (rc < 0) {
			check(len == 0 || (uint64_t)at + len <= end, "new bytes refused");
			check((rc == -REASON_no_payload) == (len == 0),
				"refused by the wrong name");
			check(rc != -REASON_tcp_late || table.counts.holes, "late without a hole");
			continue;
		}
		check((uint64_t)at + len > end, "bytes came twice");
		m.lost += (uint64_t)at > end ? (uint64_t)at - end : 0;
		check(seg.lost == ((uint64_t)at > end ? (uint64_t)at - end : 0),
			"wrong size of a hole");
		check(bytes_len(seg.data) == at + len - ((uint64_t)at > end ? (uint64_t)at : end),
			"wrong part");
		delivered += bytes_len(seg.data);
		end = (uint64_t)at + len;
		tcp_deliver(&table, &seg, &out, eat, &m);
	}
	for (i = 0; i < REASON_COUNT; i++)
		dropped += table.counts.dropped[i];
	check(table.counts.segments == table.counts.delivered + dropped, "segments do not add up");
	check(table.counts.bytes == delivered && table.counts.bytes_lost == m.lost,
		"bytes do not add up");
	check(delivered == m.eaten + table.counts.bytes_dropped + table.dirs[0].held,
		"delivered bytes got lost");
	check(delivered + m.lost == end, "the stream has a part that nobody speaks of");
	tcp_free(&table);
	events_free(&out);
	return 0;
}
