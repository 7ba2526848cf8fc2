/* Hot path: no allocation, lock, system call or log. */
/* Files of messages without packets: Nasdaq's BinaryFILE (length u16 big-endian, message; length 0
 * ends the session), its variant with zero in place of every length, and FIX text. */
#define _GNU_SOURCE
#include "capture/replay/reader.h"

#include <ctype.h>

enum {
	PREFIX = 2,
	RECOGNISED_LENGTH_MAX = 1024, /* no feed's message is longer; text read as a length is */
	RECOGNISED_MIN = 2, /* messages that make a format likely, unless the file holds no more */
	RECOGNISED_MESSAGES = 64,
};

/* Lengths of ITCH 5.0 messages by type. */
static const uint8_t itch50_length[256] = {['S'] = 12,
	['R'] = 39,
	['H'] = 25,
	['Y'] = 20,
	['L'] = 26,
	['V'] = 35,
	['W'] = 12,
	['K'] = 28,
	['J'] = 35,
	['h'] = 21,
	['A'] = 36,
	['F'] = 40,
	['E'] = 31,
	['C'] = 36,
	['X'] = 23,
	['D'] = 19,
	['U'] = 35,
	['P'] = 44,
	['Q'] = 40,
	['B'] = 19,
	['I'] = 50,
	['N'] = 20,
	['O'] = 48};

static enum step messages_start(struct reader *r)
{
	r->ended = false;
	return STEP_AGAIN;
}

/* message_fill makes the packet of a message that stands behind its prefix, and consumes both. */
static enum step message_fill(struct reader *r, struct packet *pkt, uint32_t len)
{
	struct bytes record = bytes_take(&r->in.in, (size_t)PREFIX + len);

	pkt->data = record.p + PREFIX;
	pkt->caplen = pkt->wire_len = len;
	pkt->ts_recv_ns = r->day_ns;
	pkt->ts_quality = TS_Q_UNKNOWN;
	pkt->link = 0;
	return STEP_PACKET;
}

static bool binaryfile_recognise(struct bytes head, bool whole)
{
	unsigned messages = 0;

	for (; bytes_has(head, PREFIX + 1) && messages < RECOGNISED_MESSAGES; messages++) {
		uint16_t len = load_be16(head.p);

		if (len == 0 || len > RECOGNISED_LENGTH_MAX || !isalnum(head.p[PREFIX]))
			return messages >= (len == 0 ? 1 : RECOGNISED_MIN);
		if (!bytes_has(head, (size_t)PREFIX + len))
			break;
		bytes_take(&head, (size_t)PREFIX + len);
	}
	return messages >= (whole ? 1 : RECOGNISED_MIN);
}

static enum step binaryfile_next(struct reader *r, struct packet *pkt)
{
	uint16_t len;

	if (r->ended && bytes_has(r->in.in, 1))
		return reader_damaged(r, "more bytes behind the end mark, a length of 0");
	if (!bytes_has(r->in.in, PREFIX))
		return reader_expect(r, "a message length", PREFIX);
	len = load_be16(r->in.in.p);
	if (len == 0) {
		bytes_take(&r->in.in, PREFIX);
		r->ended = true;
		return STEP_AGAIN;
	}
	if (!bytes_has(r->in.in, (size_t)PREFIX + len))
		return reader_expect(r, "a message", (uint64_t)PREFIX + len);
	return message_fill(r, pkt, len);
}

static bool itch50_nolength_recognise(struct bytes head, bool whole)
{
	unsigned messages = 0;

	for (; bytes_has(head, PREFIX + 1) && messages < RECOGNISED_MESSAGES; messages++) {
		uint8_t len = itch50_length[head.p[PREFIX]];

		if (load_be16(head.p) != 0 || len == 0)
			return messages >= RECOGNISED_MIN;
		if (!bytes_has(head, (size_t)PREFIX + len))
			break;
		bytes_take(&head, (size_t)PREFIX + len);
	}
	return messages >= (whole ? 1 : RECOGNISED_MIN);
}

static enum step itch50_nolength_next(struct reader *r, struct packet *pkt)
{
	const uint8_t *p = r->in.in.p;
	uint8_t len;

	if (!bytes_has(r->in.in, PREFIX + 1))
		return reader_expect(r, "a message", PREFIX + 1);
	len = itch50_length[p[PREFIX]];
	if (load_be16(p) != 0)
		return reader_damaged(r, "a length of %u where every length is 0", load_be16(p));
	if (len == 0)
		return reader_damaged(
			r, "ITCH message type 0x%02x, whose length is unknown", p[PREFIX]);
	if (!bytes_has(r->in.in, (size_t)PREFIX + len))
		return reader_expect(r, "a message", (uint64_t)PREFIX + len);
	return message_fill(r, pkt, len);
}

static bool fix_recognise(struct bytes head, bool whole)
{
	(void)whole;
	while (bytes_len(head) > 0 && isspace(*head.p))
		head.p++;
	return bytes_has(head, 5) && memcmp(head.p, "8=FIX", 5) == 0;
}

/* fix_message_end finds the end of the first "10=nnn" field, which ends a message. NULL = not in
 * sight */
static const uint8_t *fix_message_end(struct bytes in)
{
	static const char checksum[] = "\00110=";
	const uint8_t *p = memmem(in.p, bytes_len(in), checksum, sizeof(checksum) - 1);
	const uint8_t *end;

	if (p == NULL)
		return NULL;
	p += sizeof(checksum) - 1;
	end = memchr(p, 1, (size_t)(in.end - p));
	return end ? end + 1 : NULL;
}

/* A slice is one message where its end is in sight, so -c counts messages; a data field that looks
 * like an end, or a message above STREAM_SLICE_MAX, only makes more slices of the same bytes. */
static enum step fix_next(struct reader *r, struct packet *pkt)
{
	struct bytes window = r->in.in;
	const uint8_t *end;

	while (bytes_len(window) > 0 && (*window.p == '\n' || *window.p == '\r'))
		window.p++;
	r->in.in.p = window.p; /* line ends between messages carry nothing */
	if (bytes_len(window) == 0)
		return reader_expect(r, "a FIX message", 0);
	if (bytes_len(window) > STREAM_SLICE_MAX)
		window.end = window.p + STREAM_SLICE_MAX;
	end = fix_message_end(window);
	if (end == NULL && bytes_len(window) < STREAM_SLICE_MAX)
		return reader_expect(r, "the rest of a FIX message up to its checksum", 0);
	if (end == NULL)
		end = window.end;
	pkt->seq = input_offset(&r->in);
	pkt->data = window.p;
	pkt->caplen = pkt->wire_len = (uint32_t)(end - window.p);
	pkt->ts_recv_ns = r->day_ns;
	pkt->ts_quality = TS_Q_UNKNOWN;
	pkt->link = 0;
	r->in.in.p = end;
	return STEP_PACKET;
}

const struct format binaryfile_format = {
	.name = "binaryfile",
	.kind = PACKET_MESSAGE,
	.recognise = binaryfile_recognise,
	.start = messages_start,
	.next = binaryfile_next,
};

const struct format itch50_nolength_format = {
	.name = "itch50-nolength",
	.kind = PACKET_MESSAGE,
	.recognise = itch50_nolength_recognise,
	.start = messages_start,
	.next = itch50_nolength_next,
};

const struct format fix_format = {
	.name = "fix",
	.kind = PACKET_STREAM,
	.recognise = fix_recognise,
	.start = messages_start,
	.next = fix_next,
};
