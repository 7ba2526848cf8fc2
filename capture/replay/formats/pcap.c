/* Hot path: no allocation, lock, system call or log. */
/* pcap: a file header of 24 bytes, then packets behind a header of 16, in the writer's byte order.
 */
#include "capture/replay/reader.h"

enum {
	FILE_HEADER = 24,
	RECORD_HEADER = 16,
	RECORD_HEADER_PATCHED = 24, /* interface, protocol and packet type follow */
	LINK_MASK = 0x0fffffff,     /* above: length of the frame check sequence */
};

static const uint32_t magic_us = 0xa1b2c3d4, magic_ns = 0xa1b23c4d, magic_patched = 0xa1b2cd34;

static bool pcap_recognise(struct bytes head, bool whole)
{
	uint32_t magic;

	(void)whole;
	if (!bytes_has(head, 4))
		return false;
	for (unsigned swapped = 0; swapped < 2; swapped++) {
		magic = swapped ? load_be32(head.p) : load_le32(head.p);
		if (magic == magic_us || magic == magic_ns || magic == magic_patched)
			return true;
	}
	return false;
}

static enum step pcap_start(struct reader *r)
{
	const uint8_t *p = r->in.in.p;
	uint32_t magic;

	if (!bytes_has(r->in.in, FILE_HEADER))
		return reader_expect(r, "a pcap file header", FILE_HEADER);
	magic = load_le32(p);
	r->swapped = magic != magic_us && magic != magic_ns && magic != magic_patched;
	magic = reader_u32(r, p);
	if (magic != magic_us && magic != magic_ns && magic != magic_patched)
		return reader_damaged(r, "no pcap magic number but %08x", magic);
	if (reader_u16(r, p + 4) != 2)
		return reader_damaged(r, "pcap version %u, only 2 is known", reader_u16(r, p + 4));
	r->fraction_ns = magic == magic_ns ? 1 : 1000;
	r->record_header = magic == magic_patched ? RECORD_HEADER_PATCHED : RECORD_HEADER;
	r->link = link_normal(reader_u32(r, p + 20) & LINK_MASK);
	bytes_take(&r->in.in, FILE_HEADER);
	return STEP_AGAIN;
}

/* record reads the packet that in begins with: all but seq, kind and round.
 * Returns  bytes of the record, or 0 when no whole one is there */
static inline size_t record(
	const struct reader *r, struct bytes in, bool swapped, struct packet *pkt)
{
	size_t header = r->record_header;
	uint32_t caplen, wire_len, seconds, fraction;

	if (!bytes_has(in, header))
		return 0;
	caplen = swapped ? load_be32(in.p + 8) : load_le32(in.p + 8);
	if (caplen > CAPLEN_MAX || !bytes_has(in, header + caplen))
		return 0;
	wire_len = swapped ? load_be32(in.p + 12) : load_le32(in.p + 12);
	seconds = swapped ? load_be32(in.p) : load_le32(in.p);
	fraction = swapped ? load_be32(in.p + 4) : load_le32(in.p + 4);
	pkt->data = in.p + header;
	pkt->caplen = caplen;
	pkt->wire_len = wire_len > caplen ? wire_len : caplen;
	pkt->ts_recv_ns = seconds * UINT64_C(1000000000) + fraction * (uint64_t)r->fraction_ns;
	pkt->link = r->link;
	pkt->port = 0;
	pkt->ts_quality = TS_Q_FILE;
	return header + caplen;
}

static enum step pcap_next(struct reader *r, struct packet *pkt)
{
	size_t len = record(r, r->in.in, r->swapped, pkt);
	uint32_t caplen;

	if (len) {
		bytes_take(&r->in.in, len);
		return STEP_PACKET;
	}
	if (!bytes_has(r->in.in, r->record_header))
		return reader_expect(r, "a packet header", r->record_header);
	caplen = reader_u32(r, r->in.in.p + 8);
	if (caplen > CAPLEN_MAX)
		return reader_damaged(r, "a packet of %u bytes, more than %d", caplen, CAPLEN_MAX);
	return reader_expect(r, "a packet", (uint64_t)r->record_header + caplen);
}

static unsigned pcap_records(
	struct reader *r, struct packet *pkts, unsigned max, uint64_t seq, uint16_t round)
{
	struct bytes in = r->in.in;
	unsigned n;

	for (n = 0; n < max && !r->swapped; n++) {
		struct packet *pkt = &pkts[n];
		size_t len = record(r, in, false, pkt);

		if (!len)
			break;
		pkt->seq = seq + n;
		pkt->kind = PACKET_FRAME;
		pkt->round = round;
		in.p += len;
		reader_prefetch(in.p);
	}
	r->in.in = in;
	return n;
}

const struct format pcap_format = {
	.name = "pcap",
	.kind = PACKET_FRAME,
	.recognise = pcap_recognise,
	.start = pcap_start,
	.next = pcap_next,
	.records = pcap_records,
};
