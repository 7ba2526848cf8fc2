#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/support/capture_files.h"

TestSuite(filter, .timeout = 20);

/* Ethernet, IPv4 10.0.0.1 -> 239.1.1.1, UDP 1000 -> 2000 */
static const uint8_t udp[] = {1, 0, 0x5e, 1, 1, 1, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 0, 0, 28, 0,
	0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 239, 1, 1, 1, 0x03, 0xe8, 0x07, 0xd0, 0, 8, 0, 0};

static struct packet packet_of(const uint8_t *bytes, size_t len, uint16_t link)
{
	return (struct packet){
		.data = bytes, .caplen = (uint32_t)len, .wire_len = (uint32_t)len, .link = link};
}

static bool passes(const char *expression, const struct packet *pkt)
{
	struct filter_use use = {0};
	char error[256];
	bool pass;

	cr_assert_eq(filter_open(&use.filter, expression, error), 0, "%s", error);
	cr_assert_str_eq(filter_expression(use.filter), expression);
	pass = filter_pass(&use, pkt);
	cr_assert_eq(filter_pass(&use, pkt), pass);
	filter_close(use.filter);
	return pass;
}

Test(filter, expressions_select_frames)
{
	struct packet pkt = packet_of(udp, sizeof(udp), LINK_ETHERNET), tagged, ip;
	uint8_t vlan[sizeof(udp) + 4];

	cr_assert(passes("udp", &pkt));
	cr_assert(passes("dst host 239.1.1.1 and udp port 2000", &pkt));
	cr_assert(passes("multicast", &pkt));
	cr_assert(passes("udp[2:2] = 2000", &pkt));
	cr_assert(passes("greater 42", &pkt));
	cr_assert(passes("", &pkt));
	cr_assert_not(passes("tcp", &pkt));
	cr_assert_not(passes("udp port 2001", &pkt));
	memcpy(vlan, udp, 12); /* a tag as the source puts it back */
	memcpy(vlan + 12, (uint8_t[]){0x81, 0, 0, 100}, 4);
	memcpy(vlan + 16, udp + 12, sizeof(udp) - 12);
	tagged = packet_of(vlan, sizeof(vlan), LINK_ETHERNET);
	cr_assert(passes("vlan 100 and udp port 2000", &tagged));
	cr_assert_not(passes("vlan 101", &tagged));
	cr_assert_not(passes("vlan", &pkt));
	ip = packet_of(
		udp + 14, sizeof(udp) - 14, LINK_RAW); /* raw IP: libpcap has another number */
	cr_assert(passes("udp dst port 2000", &ip));
	cr_assert_not(passes("tcp", &ip));
}

Test(filter, every_prefix_of_a_frame_is_safe)
{
	for (size_t len = 0; len <= sizeof(udp); len++) {
		uint8_t *exact = malloc(len ? len : 1);
		struct packet pkt = packet_of(exact, len, LINK_ETHERNET);

		memcpy(exact, udp, len);
		cr_assert_eq(passes("udp port 2000", &pkt), len >= 38, "%zu bytes", len);
		free(exact);
	}
}

Test(filter, wrong_expression_is_refused_with_the_reason_and_its_text)
{
	struct filter *filter;
	char error[256];

	cr_assert_eq(filter_open(&filter, "prot udp", error), -EINVAL);
	cr_assert(strstr(error, "filter \"prot udp\": "), "%s", error);
	cr_assert(strstr(error, "syntax error"), "%s", error);
}

Test(filter, link_types_without_a_meaning_pass_nothing)
{
	struct packet pkt = packet_of(udp, sizeof(udp), 60000);

	cr_assert_not(passes("udp", &pkt));
}

Test(filter, packets_of_several_link_types_meet_their_own_programs)
{
	struct file f = file_new(false);
	struct source_options opt = read_once;
	char error[256];
	struct outcome out;

	ng_section(&f);
	ng_interface(&f, LINK_ETHERNET, 0, 9, 0);
	ng_interface(&f, LINK_RAW, 0, 9, 0);
	ng_interface(&f, 60000, 0, 9, 0);
	for (unsigned i = 0; i < 10; i++) {
		ng_packet(&f, 0, i, udp, sizeof(udp), sizeof(udp));
		ng_packet(&f, 1, i, udp + 14, sizeof(udp) - 14, sizeof(udp) - 14);
		ng_packet(&f, 1, i, udp, sizeof(udp), sizeof(udp)); /* no IP where IP should be */
		ng_packet(&f, 2, i, udp, sizeof(udp), sizeof(udp));
	}
	cr_assert_eq(filter_open(&opt.filter, "udp port 2000", error), 0);
	out = read_memory(f.bytes, f.len, false, &opt);
	cr_assert_eq(out.end, SOURCE_END, "%s", out.error);
	cr_assert_eq(out.n, 20);
	cr_assert_eq(out.stats.received, 40);
	cr_assert_eq(out.stats.filtered, 20);
	filter_close(opt.filter);
	file_free(&f);
}

Test(filter, expression_that_means_nothing_on_the_first_link_type_is_an_error)
{
	struct file f = file_new(false);
	struct source_options opt = read_once;
	char error[256];
	struct outcome out;

	pcap_header(&f, 0xa1b2c3d4, LINK_RAW);
	pcap_packet(&f, 1, 1, udp, sizeof(udp), sizeof(udp));
	cr_assert_eq(filter_open(&opt.filter, "ether host 1:2:3:4:5:6", error), 0);
	out = read_memory(f.bytes, f.len, false, &opt);
	cr_assert_eq(out.n, 0);
	cr_assert_eq(out.rc, -EINVAL);
	cr_assert_eq(out.end, SOURCE_GONE);
	cr_assert(strstr(out.error, "link type 101: filter \"ether host"), "%s", out.error);
	filter_close(opt.filter);
	file_free(&f);
}
