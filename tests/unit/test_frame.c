#include <criterion/criterion.h>
#include <stdlib.h>

#include "decode/frame.h"

TestSuite(frame, .timeout = 20);

/* Ethernet, [VLAN tags], IPv4 10.0.0.1 -> 239.1.1.1, UDP 1000 -> 2000, "abc" */
static const uint8_t udp4[] = {
	0x01, 0, 0x5e, 1, 1, 1, 2, 0, 0, 0, 0, 1, 0x08, 0x00,                /* Ethernet */
	0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 239, 1, 1, 1, /* IPv4 */
	0x03, 0xe8, 0x07, 0xd0, 0, 11, 0, 0, 'a', 'b', 'c', 0, 0, 0, 0,      /* UDP, padding */
};

static int parse(const uint8_t *p, size_t len, struct frame *f)
{
	uint8_t *exact = malloc(len ? len : 1);
	int rc;

	memcpy(exact, p, len);
	rc = frame_parse(bytes_of(exact, len), LINK_ETHERNET, f);
	if (rc == 0) /* borrowed: point into the caller's bytes instead */
		f->payload = bytes_of(p + (f->payload.p - exact), bytes_len(f->payload));
	free(exact);
	return rc;
}

Test(frame, udp_over_ipv4_gives_its_payload_without_padding)
{
	struct frame f;

	cr_assert_eq(parse(udp4, sizeof(udp4), &f), 0);
	cr_assert_eq(bytes_len(f.payload), 3);
	cr_assert_arr_eq(f.payload.p, "abc", 3);
	cr_assert_eq(f.src.port, 1000);
	cr_assert_eq(f.dst.port, 2000);
	cr_assert_eq(f.dst.ip[12], 239);
}

Test(frame, the_short_way_reads_the_same_or_refuses)
{
	uint8_t p[sizeof(udp4) + 4] = {0};
	unsigned taken = 0;
	struct udp4 u;
	struct frame f;

	memcpy(p, udp4, sizeof(udp4)); /* and padding */
	cr_assert(frame_udp4(bytes_of(p, sizeof(p)), &u));
	for (size_t bit = 0; bit < 8 * sizeof(p); bit++) {
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		for (size_t len = 0; len <= sizeof(p); len++) {
			struct bytes in = bytes_of(p, len);

			if (!frame_udp4(in, &u))
				continue;
			taken++;
			cr_assert_eq(frame_parse(in, LINK_ETHERNET, &f), 0);
			cr_assert_eq(f.ip_proto, IP_PROTO_UDP);
			cr_assert_eq(u.payload.p, f.payload.p);
			cr_assert_eq(u.payload.end, f.payload.end);
			cr_assert_eq(u.dst, frame_dst4(&f));
		}
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	cr_assert_gt(taken, 8 * sizeof(p));
}

Test(frame, every_prefix_is_refused)
{
	struct frame f;

	for (size_t len = 0; len < 14 + 20 + 11; len++)
		cr_assert_lt(parse(udp4, len, &f), 0, "%zu bytes", len);
}

Test(frame, vlan_tags_are_stepped_over_and_bounded)
{
	uint8_t tagged[sizeof(udp4) + 5 * 4];
	struct frame f;

	for (int tags = 1; tags <= 5; tags++) {
		memcpy(tagged, udp4, 12);
		for (int i = 0; i < tags; i++)
			memcpy(tagged + 12 + 4 * i,
				(uint8_t[]){i ? 0x81 : 0x88, i ? 0x00 : 0xa8, 0x20, (uint8_t)i}, 4);
		memcpy(tagged + 12 + 4 * tags, udp4 + 12, sizeof(udp4) - 12);
		cr_assert_eq(parse(tagged, sizeof(udp4) + 4 * (size_t)tags, &f),
			tags <= 4 ? 0 : -REASON_not_ip);
		cr_assert_eq(f.vlans, tags <= 4 ? tags : 4);
		cr_assert_eq(f.vlan_tci, 0x2000);
	}
}

Test(frame, ipv4_options_are_skipped)
{
	uint8_t p[sizeof(udp4) + 8];
	struct frame f;

	memcpy(p, udp4, 34);
	memset(p + 34, 1, 8); /* no-operation options */
	memcpy(p + 42, udp4 + 34, sizeof(udp4) - 34);
	p[14] = 0x47;
	p[17] += 8;
	cr_assert_eq(parse(p, sizeof(p), &f), 0);
	cr_assert_arr_eq(f.payload.p, "abc", 3);
}

Test(frame, fragments_have_addresses_and_a_reason)
{
	uint8_t p[sizeof(udp4)];
	struct frame f;

	memcpy(p, udp4, sizeof(p));
	p[20] = 0x20; /* more fragments */
	cr_assert_eq(parse(p, sizeof(p), &f), -REASON_fragment);
	cr_assert_eq(f.dst.ip[12], 239);
	cr_assert_eq(f.dst.port, 0);
	p[20] = 0;
	p[21] = 1; /* offset 8 */
	cr_assert_eq(parse(p, sizeof(p), &f), -REASON_fragment);
}

/* IPv6 with hop-by-hop, routing, destination options and an atomic fragment in front of TCP "x" */
Test(frame, ipv6_extension_headers_lead_to_tcp)
{
	uint8_t p[14 + 40 + 8 * 4 + 20 + 1] = {[12] = 0x86, [13] = 0xdd};
	uint8_t *ip = p + 14, *ext = ip + 40, *tcp = ext + 32;
	struct frame f;

	ip[0] = 0x60;
	ip[5] = 32 + 21;
	ip[6] = 0;
	ip[23] = 1;
	ip[39] = 2;
	ext[0] = 43;
	ext[8] = 60;
	ext[16] = 44;
	ext[24] = 6;
	tcp[1] = 80;
	tcp[3] = 81;
	tcp[7] = 5;
	tcp[12] = 0x50;
	tcp[13] = 0x18;
	tcp[20] = 'x';
	cr_assert_eq(parse(p, sizeof(p), &f), 0);
	cr_assert_eq(f.ip_proto, IP_PROTO_TCP);
	cr_assert_eq(f.tcp_seq, 5);
	cr_assert_eq(f.tcp_flags, 0x18);
	cr_assert_eq(bytes_len(f.payload), 1);
	for (size_t len = 0; len < sizeof(p); len++)
		cr_assert_lt(parse(p, len, &f), 0, "%zu bytes", len);
	ext[27] = 1; /* more fragments */
	cr_assert_eq(parse(p, sizeof(p), &f), -REASON_fragment);
}

Test(frame, udp_length_that_lies_is_refused)
{
	uint8_t p[sizeof(udp4)];
	struct frame f;

	memcpy(p, udp4, sizeof(p));
	p[39] = 7;
	cr_assert_eq(parse(p, sizeof(p), &f), -REASON_bad_udp_length);
	p[39] = 12;
	cr_assert_eq(parse(p, sizeof(p), &f), -REASON_truncated);
}

Test(frame, other_link_types_lead_to_the_same_payload)
{
	uint8_t buf[20 + sizeof(udp4)] = {0};
	struct {
		enum link_type link;
		size_t header, type_at;
	} links[] = {
		{LINK_RAW, 0, 0},
		{LINK_IPV4, 0, 0},
		{LINK_NULL, 4, 0},
		{LINK_LINUX_SLL, 16, 14},
		{LINK_LINUX_SLL2, 20, 0},
	};
	struct frame f;

	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		memset(buf, 0, sizeof(buf));
		if (links[i].header > 4)
			buf[links[i].type_at] = 0x08;
		memcpy(buf + links[i].header, udp4 + 14, sizeof(udp4) - 14);
		cr_assert_eq(frame_parse(bytes_of(buf, links[i].header + sizeof(udp4) - 14),
				     links[i].link, &f),
			0, "link %d", links[i].link);
		cr_assert_arr_eq(f.payload.p, "abc", 3);
	}
	cr_assert_eq(frame_parse(bytes_of(udp4, sizeof(udp4)), (enum link_type)147, &f),
		-REASON_unknown_link_type);
}
