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

static enum step pcap_next(struct reader *r, struct packet *pkt)
{
	const uint8_t *p = r->in.in.p;
	uint32_t caplen, wire_len;

	if (!bytes_has(r->in.in, r->record_header))
		return reader_expect(r, "a packet header", r->record_header);
	caplen = reader_u32(r, p + 8);
	wire_len = reader_u32(r, p + 12);
	if (caplen > CAPLEN_MAX)
		return reader_damaged(r, "a packet of %u bytes, more than %d", caplen, CAPLEN_MAX);
	if (!bytes_has(r->in.in, (size_t)r->record_header + caplen))
		return reader_expect(r, "a packet", (uint64_t)r->record_header + caplen);
	pkt->data = p + r->record_header;
	pkt->caplen = caplen;
	pkt->wire_len = wire_len > caplen ? wire_len : caplen;
	pkt->ts_recv_ns = reader_u32(r, p) * UINT64_C(1000000000) +
			  reader_u32(r, p + 4) * (uint64_t)r->fraction_ns;
	pkt->ts_quality = TS_Q_FILE;
	pkt->link = r->link;
	bytes_take(&r->in.in, (size_t)r->record_header + caplen);
	return STEP_PACKET;
}

const struct format pcap_format = {
	.name = "pcap",
	.kind = PACKET_FRAME,
	.recognise = pcap_recognise,
	.start = pcap_start,
	.next = pcap_next,
};
