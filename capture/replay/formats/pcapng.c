/* Hot path: no allocation, lock, system call or log. */
/* pcapng: blocks {type, total length, body, total length again}, in sections that each have a byte
 * order and a list of interfaces. Spec: draft-ietf-opsawg-pcapng. */
#include "capture/replay/reader.h"

enum block_type {
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 2, /* obsolete */
	BLOCK_SIMPLE = 3,
	BLOCK_ENHANCED = 6,
	BLOCK_SECTION = 0x0a0d0d0a, /* the same in both byte orders */
};

enum {
	BLOCK_MIN = 12,
	HEAD = 8, /* type and length */
	TRAILER = 4,
	BLOCK_MAX = INPUT_NEED_MAX, /* of a block that is read; others may have any length */
	OPTION_TSRESOL = 9,
	OPTION_TSOFFSET = 14,
	DECIMALS_NS = 9,
};

static const uint32_t byte_order_magic = 0x1a2b3c4d;

/* body_min is the length of a block's fixed fields, by type; 0 = a block that is skipped. */
static uint32_t body_min(uint32_t type)
{
	switch (type) {
	case BLOCK_SECTION:
		return 16;
	case BLOCK_INTERFACE:
		return 8;
	case BLOCK_PACKET:
	case BLOCK_ENHANCED:
		return 20;
	case BLOCK_SIMPLE:
		return 4;
	default:
		return 0;
	}
}

static bool pcapng_recognise(struct bytes head, bool whole)
{
	(void)whole;
	return bytes_has(head, 4) && load_le32(head.p) == BLOCK_SECTION;
}

static enum step pcapng_start(struct reader *r)
{
	r->trailer = 0;
	r->interfaces_n = 0;
	return STEP_AGAIN;
}

/* interface_time reads one option about time stamps. */
static void interface_time(
	const struct reader *r, struct interface *iface, uint16_t code, struct bytes value)
{
	if (code == OPTION_TSRESOL && bytes_has(value, 1)) {
		iface->binary = *value.p & 0x80;
		iface->exponent = *value.p & 0x7f;
	} else if (code == OPTION_TSOFFSET && bytes_has(value, 8)) {
		uint64_t raw = load_le64(value.p);

		iface->offset_s = (int64_t)(r->swapped ? __builtin_bswap64(raw) : raw);
	}
}

static enum step interface_read(struct reader *r, struct bytes body)
{
	struct interface *iface = &r->interfaces[r->interfaces_n];

	if (r->interfaces_n == INTERFACES_MAX)
		return reader_damaged(r, "more than %d interfaces in one section", INTERFACES_MAX);
	*iface = (struct interface){
		.link = link_normal(reader_u16(r, body.p)),
		.snaplen = reader_u32(r, body.p + 4),
		.exponent = 6,
	};
	bytes_take(&body, 8);
	while (bytes_has(body, 4)) {
		uint16_t code = reader_u16(r, body.p), len = reader_u16(r, body.p + 2);

		bytes_take(&body, 4);
		if (code == 0 || !bytes_has(body, len))
			break;
		interface_time(r, iface, code, (struct bytes){body.p, body.p + len});
		len = (len + 3u) & ~3u;
		bytes_take(&body, bytes_has(body, len) ? len : bytes_len(body));
	}
	r->interfaces_n++;
	return STEP_AGAIN;
}

/* time_set turns a time in the interface's units into ns, rounded down. One before 1970 or after
 * 2554 is no time. */
static void time_set(const struct interface *iface, uint64_t units, struct packet *pkt)
{
	unsigned __int128 ns = units;
	__int128 sum;

	if (iface->binary) {
		ns = ns * 1000000000u >> iface->exponent;
	} else {
		for (unsigned e = iface->exponent; e < DECIMALS_NS; e++)
			ns *= 10;
		for (unsigned e = iface->exponent; e > DECIMALS_NS && units; e--)
			ns = units /= 10; /* by a constant */
	}
	sum = (__int128)ns + (__int128)iface->offset_s * 1000000000;
	if (sum < 0 || sum > (__int128)UINT64_MAX)
		return;
	pkt->ts_recv_ns = (uint64_t)sum;
	pkt->ts_quality = TS_Q_FILE;
}

/* packet_set gives pkt its bytes, which must lie in room. */
static enum step packet_set(struct reader *r, struct packet *pkt, struct bytes room,
	uint32_t interface, uint32_t caplen, uint32_t wire_len)
{
	if (interface >= r->interfaces_n)
		return reader_damaged(r, "a packet of interface %u, but %u are described",
			interface, r->interfaces_n);
	if (caplen > CAPLEN_MAX || !bytes_has(room, caplen))
		return reader_damaged(r, "a packet of %u bytes in a block with room for %zu",
			caplen, bytes_len(room));
	pkt->data = room.p;
	pkt->caplen = caplen;
	pkt->wire_len = wire_len > caplen ? wire_len : caplen;
	pkt->link = r->interfaces[interface].link;
	pkt->port = (uint16_t)interface;
	return STEP_PACKET;
}

/* timed_read reads an enhanced packet block, or the obsolete one, whose fields stand in the same
 * places. */
static enum step timed_read(struct reader *r, struct bytes body, bool obsolete, struct packet *pkt)
{
	const uint8_t *p = bytes_take(&body, 20).p;
	uint32_t interface = obsolete ? reader_u16(r, p) : reader_u32(r, p);
	uint64_t units = (uint64_t)reader_u32(r, p + 4) << 32 | reader_u32(r, p + 8);
	enum step step =
		packet_set(r, pkt, body, interface, reader_u32(r, p + 12), reader_u32(r, p + 16));

	if (step == STEP_PACKET)
		time_set(&r->interfaces[interface], units, pkt);
	return step;
}

/* simple_read reads a packet that has no time and belongs to the first interface. */
static enum step simple_read(struct reader *r, struct bytes body, struct packet *pkt)
{
	uint32_t wire_len = reader_u32(r, bytes_take(&body, 4).p), caplen = wire_len;

	if (r->interfaces_n > 0 && r->interfaces[0].snaplen && caplen > r->interfaces[0].snaplen)
		caplen = r->interfaces[0].snaplen;
	return packet_set(r, pkt, body, 0, caplen, wire_len);
}

static enum step body_read(struct reader *r, uint32_t type, struct bytes body, struct packet *pkt)
{
	switch (type) {
	case BLOCK_SECTION:
		if (reader_u16(r, body.p + 4) != 1)
			return reader_damaged(
				r, "pcapng version %u, only 1 is known", reader_u16(r, body.p + 4));
		r->interfaces_n = 0;
		return STEP_AGAIN;
	case BLOCK_INTERFACE:
		return interface_read(r, body);
	case BLOCK_SIMPLE:
		return simple_read(r, body, pkt);
	default:
		return timed_read(r, body, type == BLOCK_PACKET, pkt);
	}
}

/* trailer_check ends a skipped block. */
static enum step trailer_check(struct reader *r)
{
	if (!bytes_has(r->in.in, TRAILER))
		return reader_expect(r, "the length behind a block", TRAILER);
	if (reader_u32(r, r->in.in.p) != r->trailer)
		return reader_damaged(r, "a block's two lengths differ: %u and %u", r->trailer,
			reader_u32(r, r->in.in.p));
	bytes_take(&r->in.in, TRAILER);
	r->trailer = 0;
	return STEP_AGAIN;
}

static enum step pcapng_next(struct reader *r, struct packet *pkt)
{
	const uint8_t *p = r->in.in.p;
	uint32_t type, total, min;
	enum step step;

	if (r->trailer)
		return trailer_check(r);
	if (!bytes_has(r->in.in, HEAD))
		return reader_expect(r, "the head of a block", HEAD);
	type = reader_u32(r, p);
	if (type == BLOCK_SECTION) { /* its byte order stands behind the length, which is in it */
		if (!bytes_has(r->in.in, BLOCK_MIN))
			return reader_expect(r, "the head of a section", BLOCK_MIN);
		r->swapped = load_be32(p + HEAD) == byte_order_magic;
		if (!r->swapped && load_le32(p + HEAD) != byte_order_magic)
			return reader_damaged(
				r, "a section with byte order mark %08x", load_be32(p + HEAD));
	}
	total = reader_u32(r, p + 4);
	min = body_min(type);
	if (total < BLOCK_MIN + min || total % 4 != 0)
		return reader_damaged(r, "a block of type 0x%08x with length %u", type, total);
	if (min == 0) {
		r->trailer = total;
		bytes_take(&r->in.in, HEAD);
		r->in.skip = total - BLOCK_MIN;
		return STEP_AGAIN;
	}
	if (total > BLOCK_MAX)
		return reader_damaged(r, "a block of type %u with length %u, more than %d", type,
			total, BLOCK_MAX);
	if (!bytes_has(r->in.in, total))
		return reader_expect(r, "a block", total);
	if (reader_u32(r, p + total - TRAILER) != total)
		return reader_damaged(r, "a block's two lengths differ: %u and %u", total,
			reader_u32(r, p + total - TRAILER));
	step = body_read(r, type, (struct bytes){p + HEAD, p + total - TRAILER}, pkt);
	if (step != STEP_DAMAGED)
		bytes_take(&r->in.in, total);
	return step;
}

const struct format pcapng_format = {
	.name = "pcapng",
	.kind = PACKET_FRAME,
	.recognise = pcapng_recognise,
	.start = pcapng_start,
	.next = pcapng_next,
};
