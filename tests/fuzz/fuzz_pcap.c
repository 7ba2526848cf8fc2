/* Files from outside, in every format: recognised, and forced on bytes of another one.
 *
 * Properties: whole and streamed input give the same packets and the same end; the packets of a
 * file lie in it in order and do not overlap; an end means that every byte was consumed, damage and
 * truncation that what is left is left; received = delivered; a broken record is counted once. */
#include <stdlib.h>

#include "capture/replay/replay.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct summary {
	int rc;
	enum source_end end;
	uint64_t packets, bytes, hash, offset;
	char error[256];
};

static uint64_t mix(uint64_t hash, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* packet_take checks one packet. last: where the one before it ended, NULL when the file is
 * unpacked through a block */
static const uint8_t *packet_take(
	const struct packet *pkt, struct bytes file, const uint8_t *last, struct summary *sum)
{
	uint64_t facts[] = {pkt->caplen, pkt->wire_len, pkt->ts_recv_ns, pkt->seq, pkt->link,
		pkt->port, pkt->kind};

	CHECK(pkt->caplen <= CAPLEN_MAX && pkt->wire_len >= pkt->caplen);
	sum->packets++;
	sum->bytes += pkt->caplen;
	sum->hash = mix(sum->hash, (const uint8_t *)facts, sizeof(facts));
	sum->hash = mix(sum->hash, pkt->data, pkt->caplen);
	if (last) {
		CHECK(pkt->data >= last && pkt->data + pkt->caplen <= file.end);
		last = pkt->data + pkt->caplen;
	}
	return last;
}

static struct summary read_all(struct bytes file, bool streamed, const char *format)
{
	struct source_options opt = {.loops = 1, .workers = 1, .format = format};
	struct packet pkts[BURST_MAX];
	struct source_stats stats;
	struct summary sum = {0};
	const uint8_t *last;
	struct source *src;
	struct replay *r;

	sum.rc = replay_open_memory(&src, file, streamed, &opt, sum.error);
	if (sum.rc < 0) {
		CHECK(sum.error[0]);
		return sum;
	}
	r = (struct replay *)src;
	last = r->file.in.whole ? file.p : NULL;
	while (src->end == SOURCE_RUNNING) {
		int n = src->ops->burst(src, pkts, 7);

		CHECK(n >= 0 || src->end != SOURCE_RUNNING);
		for (int i = 0; i < n; i++)
			last = packet_take(&pkts[i], file, last, &sum);
	}
	src->ops->stats(src, &stats);
	sum.end = src->end;
	sum.offset = input_offset(&r->file.in);
	memcpy(sum.error, src->error, sizeof(sum.error));
	CHECK((sum.end == SOURCE_END) == (src->error[0] == '\0'));
	CHECK(stats.received == sum.packets && stats.received_bytes == sum.bytes);
	CHECK(stats.dropped[REASON_file_damaged] == (sum.end == SOURCE_END ? 0 : 1));
	if (r->file.in.whole) {
		CHECK(sum.bytes <= bytes_len(file));
		CHECK(sum.end != SOURCE_END || sum.offset == bytes_len(file));
		CHECK(sum.offset - r->file.in.skip <= bytes_len(file));
	}
	src->ops->close(src);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const forms[] = {
		NULL, "pcap", "pcapng", "fix", "itch50-nolength", "binaryfile"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct summary whole = read_all(bytes_of(data, size), false, forms[i]);
		struct summary streamed = read_all(bytes_of(data, size), true, forms[i]);

		CHECK(whole.rc == streamed.rc && whole.end == streamed.end);
		CHECK(whole.packets == streamed.packets && whole.hash == streamed.hash);
		CHECK(strcmp(whole.error, streamed.error) == 0);
	}
	return 0;
}
