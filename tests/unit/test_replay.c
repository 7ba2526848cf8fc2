#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/support/capture_files.h"

TestSuite(replay, .timeout = 60);

static const uint32_t magic_us = 0xa1b2c3d4, magic_ns = 0xa1b23c4d;

/* The same packets in every kind of file: "a", "bb", … */
static const char *const payloads[] = {"a", "bb", "", "dddd", "eeeee"};
enum { PAYLOADS = 5 };

static struct file pcap_sample(uint32_t magic, bool swapped)
{
	struct file f = file_new(swapped);

	pcap_header(&f, magic, LINK_ETHERNET);
	for (uint32_t i = 0; i < PAYLOADS; i++)
		pcap_packet(&f, 1000 + i, magic == magic_ns ? 7000 * i : 7 * i, payloads[i],
			(uint32_t)strlen(payloads[i]), 60 + i);
	return f;
}

static struct file ng_sample(bool swapped)
{
	struct file f = file_new(swapped);

	ng_section(&f);
	ng_interface(&f, LINK_ETHERNET, 0, 9, 0);
	for (uint32_t i = 0; i < PAYLOADS; i++)
		ng_packet(&f, 0, (1000 + i) * UINT64_C(1000000000) + 7000 * i, payloads[i],
			(uint32_t)strlen(payloads[i]), 60 + i);
	return f;
}

/* Three ITCH messages of 12, 21 and 12 bytes behind their lengths, or behind zeros. */
static struct file message_sample(bool lengths)
{
	static const struct {
		char type;
		uint8_t len;
	} messages[] = {{'S', 12}, {'h', 21}, {'W', 12}};
	struct file f = file_new(false);

	for (size_t i = 0; i < 3; i++) {
		uint8_t message[64] = {(uint8_t)messages[i].type, (uint8_t)i};

		file_put(&f, (uint8_t[]){0, lengths ? messages[i].len : 0}, 2);
		file_put(&f, message, messages[i].len);
	}
	return f;
}

static struct file fix_sample(void)
{
	struct file f = file_new(false);

	for (int i = 0; i < 3; i++)
		file_put(&f, "8=FIX.4.4\0019=5\00135=0\00110=163\001", 26);
	return f;
}

static bool equal(const struct outcome *a, const struct outcome *b)
{
	return a->rc == b->rc && a->end == b->end && a->n == b->n && a->hash == b->hash &&
	       strcmp(a->error, b->error) == 0;
}

Test(replay, pcap_of_either_unit_and_byte_order_and_pcapng_give_the_same_packets)
{
	struct file files[] = {pcap_sample(magic_us, false), pcap_sample(magic_us, true),
		pcap_sample(magic_ns, false), pcap_sample(magic_ns, true), ng_sample(false),
		ng_sample(true)};
	struct outcome want = read_memory(files[0].bytes, files[0].len, false, &read_once);

	cr_assert_eq(want.n, PAYLOADS);
	cr_assert_eq(want.end, SOURCE_END);
	cr_assert_eq(want.first[3].ts_recv_ns, 1003000021000);
	cr_assert_eq(want.first[3].wire_len, 63);
	cr_assert_eq(want.first[3].seq, 4);
	cr_assert_eq(want.first[3].link, LINK_ETHERNET);
	cr_assert_eq(want.first[3].ts_quality, TS_Q_FILE);
	cr_assert_arr_eq(want.data[3], "dddd", 4);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct outcome whole = read_memory(files[i].bytes, files[i].len, false, &read_once);
		struct outcome streamed =
			read_memory(files[i].bytes, files[i].len, true, &read_once);
		struct file gz = file_gzip(&files[i]);
		struct outcome unpacked = read_memory(gz.bytes, gz.len, false, &read_once);

		cr_assert(equal(&whole, &want), "file %zu: %s", i, whole.error);
		cr_assert(equal(&streamed, &want), "file %zu streamed: %s", i, streamed.error);
		cr_assert(equal(&unpacked, &want), "file %zu gzip: %s", i, unpacked.error);
		cr_assert_eq(whole.offset, files[i].len);
		file_free(&gz);
		file_free(&files[i]);
	}
}

Test(replay, pcap_with_the_longer_record_header_of_old_linux_is_read)
{
	struct file f = file_new(false);
	struct outcome out;

	pcap_header(&f, 0xa1b2cd34, LINK_ETHERNET);
	for (uint32_t i = 0; i < 2; i++) {
		pcap_packet(&f, 5, i, NULL, 0, 60);
		f.len -= 8; /* lengths again, then what that variant adds */
		file_u32(&f, 3);
		file_u32(&f, 60);
		file_u64(&f, 0x0102030405060708);
		file_put(&f, "xyz", 3);
	}
	out = read_memory(f.bytes, f.len, false, &read_once);
	cr_assert_eq(out.n, 2);
	cr_assert_eq(out.end, SOURCE_END, "%s", out.error);
	cr_assert_arr_eq(out.data[1], "xyz", 3);
	file_free(&f);
}

Test(replay, times_of_every_resolution_are_exact)
{
	static const struct {
		uint8_t tsresol;
		int64_t offset_s;
		uint64_t units, ns;
		enum ts_quality quality;
	} rows[] = {
		{0, 0, 1234567, 1234567000, TS_Q_FILE}, /* no option: µs */
		{6, 0, 1, 1000, TS_Q_FILE},
		{9, 0, UINT64_MAX, UINT64_MAX, TS_Q_FILE},
		{3, 0, 5, 5000000, TS_Q_FILE},
		{12, 0, 1999, 1, TS_Q_FILE}, /* ps, rounded down */
		{19, 0, UINT64_MAX, 1844674407, TS_Q_FILE},
		{127, 0, UINT64_MAX, 0, TS_Q_FILE},
		{0x80 | 1, 0, 3, 1500000000, TS_Q_FILE},
		{0x80 | 10, 0, 1024 + 512, 1500000000, TS_Q_FILE},
		{0x80 | 30, 0, 1, 0, TS_Q_FILE},
		{0x80 | 32, 0, UINT64_C(0x180000000), 1500000000, TS_Q_FILE},
		{0x80 | 127, 0, UINT64_MAX, 0, TS_Q_FILE},
		{9, 1000, 5, 1000000000005, TS_Q_FILE},
		{9, -1, 1000000005, 5, TS_Q_FILE},
		{9, -2, 1000000005, 0, TS_Q_UNKNOWN}, /* before 1970 */
		{3, 0, UINT64_MAX, 0, TS_Q_UNKNOWN},  /* after 2554 */
		{9, INT64_MAX, UINT64_MAX, 0, TS_Q_UNKNOWN},
		{9, INT64_MIN, UINT64_MAX, 0, TS_Q_UNKNOWN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int swapped = 0; swapped < 2; swapped++) {
			struct file f = file_new(swapped);
			struct outcome out;

			ng_section(&f);
			ng_interface(&f, LINK_ETHERNET, 0, rows[i].tsresol, rows[i].offset_s);
			ng_packet(&f, 0, rows[i].units, "x", 1, 1);
			out = read_memory(f.bytes, f.len, false, &read_once);
			cr_assert_eq(out.n, 1, "row %zu: %s", i, out.error);
			cr_assert_eq(out.first[0].ts_recv_ns, rows[i].ns, "row %zu: %llu", i,
				(unsigned long long)out.first[0].ts_recv_ns);
			cr_assert_eq(out.first[0].ts_quality, rows[i].quality, "row %zu", i);
			file_free(&f);
		}
	}
}

Test(replay, interfaces_and_sections_of_one_pcapng_keep_their_own_facts)
{
	struct file f = file_new(false), part;
	struct outcome out;

	ng_section(&f);
	ng_interface(&f, LINK_ETHERNET, 0, 9, 0);
	ng_packet(&f, 0, 11, "a", 1, 1);
	ng_interface(&f, 12, 0, 6, 0); /* raw IP under an old number, met in the middle */
	ng_packet(&f, 1, 22, "bc", 2, 2);
	ng_packet(&f, 0, 33, "d", 1, 1);
	part = file_new(true); /* a section in the other byte order starts its own list */
	ng_section(&part);
	ng_interface(&part, LINK_LINUX_SLL2, 0, 9, 0);
	ng_packet(&part, 0, 44, "e", 1, 1);
	file_put(&f, part.bytes, part.len);
	out = read_memory(f.bytes, f.len, false, &read_once);
	cr_assert_eq(out.end, SOURCE_END, "%s", out.error);
	cr_assert_eq(out.n, 4);
	cr_assert_eq(out.first[1].link, LINK_RAW);
	cr_assert_eq(out.first[1].port, 1);
	cr_assert_eq(out.first[1].ts_recv_ns, 22000);
	cr_assert_eq(out.first[2].link, LINK_ETHERNET);
	cr_assert_eq(out.first[2].ts_recv_ns, 33);
	cr_assert_eq(out.first[3].link, LINK_LINUX_SLL2);
	cr_assert_eq(out.first[3].port, 0);
	cr_assert_eq(out.first[3].seq, 4);
	file_free(&part);
	file_free(&f);
}

Test(replay, simple_and_obsolete_packet_blocks_are_read_and_unknown_ones_skipped)
{
	struct file f = file_new(false), body = file_new(false);
	struct outcome whole, streamed;

	ng_section(&f);
	ng_interface(&f, LINK_ETHERNET, 3, 9, 0);
	ng_block(&f, 0x0bad, f.bytes, 0);
	file_u32(&body, 5); /* simple: 5 bytes on the wire, 3 kept by the snaplen */
	file_put(&body, "abc", 3);
	ng_block(&f, 3, body.bytes, body.len);
	body.len = 0;
	file_u16(&body, 0); /* obsolete: interface, drops, time, lengths */
	file_u16(&body, 9);
	file_u32(&body, 0);
	file_u32(&body, 77);
	file_u32(&body, 2);
	file_u32(&body, 2);
	file_put(&body, "de", 2);
	ng_block(&f, 2, body.bytes, body.len);
	body.len = 0;
	while (body.len < 2000000) /* longer than the block of a stream */
		file_u32(&body, 0xdeadbeef);
	ng_block(&f, 0x80000001, body.bytes, body.len);
	ng_packet(&f, 0, 88, "f", 1, 1);
	whole = read_memory(f.bytes, f.len, false, &read_once);
	streamed = read_memory(f.bytes, f.len, true, &read_once);
	cr_assert_eq(whole.end, SOURCE_END, "%s", whole.error);
	cr_assert(equal(&whole, &streamed), "%s", streamed.error);
	cr_assert_eq(whole.n, 3);
	cr_assert_eq(whole.first[0].caplen, 3);
	cr_assert_eq(whole.first[0].wire_len, 5);
	cr_assert_eq(whole.first[0].ts_quality, TS_Q_UNKNOWN);
	cr_assert_arr_eq(whole.data[1], "de", 2);
	cr_assert_eq(whole.first[1].ts_recv_ns, 77);
	cr_assert_eq(whole.first[2].ts_recv_ns, 88);
	file_free(&body);
	file_free(&f);
}

/* damage_at overwrites a 32-bit word of a pcapng sample and says what must come of it. */
static void damage(const char *what, size_t at, uint32_t word, unsigned packets, const char *says)
{
	struct file f = ng_sample(false);
	struct outcome whole, streamed;

	memcpy(f.bytes + at, &word, sizeof(word));
	whole = read_memory(f.bytes, f.len, false, &read_once);
	streamed = read_memory(f.bytes, f.len, true, &read_once);
	cr_assert_eq(whole.end, SOURCE_DAMAGED, "%s: end %d", what, whole.end);
	cr_assert_eq(whole.n, packets, "%s: %u packets", what, whole.n);
	cr_assert_eq(whole.stats.dropped[REASON_file_damaged], 1, "%s", what);
	cr_assert(strstr(whole.error, says), "%s: \"%s\"", what, whole.error);
	cr_assert(strstr(whole.error, "at byte "), "%s: \"%s\"", what, whole.error);
	cr_assert(equal(&whole, &streamed), "%s: \"%s\"", what, streamed.error);
	file_free(&f);
}

Test(replay, damaged_pcapng_blocks_end_it_after_what_came_before)
{
	enum {
		SECTION = 28,
		INTERFACE = 40, /* snaplen, name, resolution, end of options */
		FIRST = SECTION + INTERFACE,
		PACKET = 36, /* 1 to 4 bytes of data */
		SECOND = FIRST + PACKET,
	};

	damage("byte order mark", 8, 0x12345678, 0, "byte order mark");
	damage("version", 12, 9, 0, "version 9");
	damage("section length", 4, 8, 0, "length 8");
	damage("interface trailer", FIRST - 4, 1, 0, "two lengths differ");
	damage("length zero", SECOND + 4, 0, 1, "length 0");
	damage("length odd", SECOND + 4, PACKET + 1, 1, "length 37");
	damage("length short", SECOND + 4, 28, 1, "length 28");
	damage("length huge", SECOND + 4, 0x7ffffffc, 1, "length 2147483644");
	damage("trailer", SECOND + PACKET - 4, 40, 1, "two lengths differ");
	damage("interface", SECOND + 8, 1, 1, "interface 1, but 1 are described");
	damage("captured length", SECOND + 20, 5, 1, "5 bytes in a block with room for 4");
	damage("captured length huge", SECOND + 20, UINT32_MAX, 1, "4294967295 bytes");
	damage("type of another block", SECOND, 0x0a0d0d0a, 1, "byte order mark");
}

Test(replay, pcap_that_lies_about_lengths_ends_there)
{
	struct file f = pcap_sample(magic_us, false);
	struct outcome out;

	memcpy(f.bytes + 24 + 17 + 8, &(uint32_t){CAPLEN_MAX + 1}, 4);
	out = read_memory(f.bytes, f.len, false, &read_once);
	cr_assert_eq(out.end, SOURCE_DAMAGED);
	cr_assert_eq(out.n, 1);
	cr_assert_eq(out.stats.dropped[REASON_file_damaged], 1);
	cr_assert(
		strstr(out.error, "damaged at byte 41: a packet of 262145 bytes"), "%s", out.error);
	memcpy(f.bytes + 24 + 17 + 8, &(uint32_t){2}, 4);
	memcpy(f.bytes + 24 + 17 + 12, &(uint32_t){1}, 4); /* shorter on the wire than captured */
	out = read_memory(f.bytes, f.len, false, &read_once);
	cr_assert_eq(out.n, PAYLOADS);
	cr_assert_eq(out.first[1].wire_len, 2);
	file_free(&f);
}

Test(replay, largest_packet_passes_through_a_stream)
{
	struct file f = file_new(false);
	uint8_t *data = calloc(1, CAPLEN_MAX);
	struct outcome whole, streamed;

	pcap_header(&f, magic_ns, LINK_ETHERNET);
	for (uint32_t i = 0; i < 8; i++) {
		memset(data, (int)i, CAPLEN_MAX);
		pcap_packet(&f, i, 0, data, CAPLEN_MAX - i, CAPLEN_MAX);
	}
	whole = read_memory(f.bytes, f.len, false, &read_once);
	streamed = read_memory(f.bytes, f.len, true, &read_once);
	cr_assert_eq(whole.n, 8, "%s", whole.error);
	cr_assert(equal(&whole, &streamed), "%s", streamed.error);
	free(data);
	file_free(&f);
}

/* every_prefix cuts a file at every byte. Exactly the cuts at the end of a record are an end; what
 * was whole before the cut is delivered; below recognised bytes (0: as it comes) the file is
 * refused at opening. */
static void every_prefix(const char *name, struct file f, size_t recognised, unsigned ends_n)
{
	struct outcome all = read_memory(f.bytes, f.len, false, &read_once);
	unsigned ends = 0, packets = 0;

	cr_assert_eq(all.end, SOURCE_END, "%s: %s", name, all.error);
	for (size_t cut = 0; cut <= f.len; cut++) {
		struct outcome out = read_memory(f.bytes, cut, false, &read_once);
		struct outcome streamed = read_memory(f.bytes, cut, true, &read_once);

		cr_assert(equal(&out, &streamed), "%s at %zu: \"%s\", streamed \"%s\"", name, cut,
			out.error, streamed.error);
		if (cut < recognised || (out.rc < 0 && recognised == 0)) {
			cr_assert_lt(out.rc, 0, "%s at %zu", name, cut);
			cr_assert_eq(packets + ends, 0, "%s at %zu", name, cut);
			continue;
		}
		cr_assert_eq(out.rc, 0, "%s at %zu: %s", name, cut, out.error);
		cr_assert_geq(out.n, packets, "%s at %zu", name, cut);
		packets = out.n;
		if (out.end == SOURCE_END) {
			ends++;
			continue;
		}
		cr_assert_eq(out.end, SOURCE_TRUNCATED, "%s at %zu: %s", name, cut, out.error);
		cr_assert_eq(out.stats.dropped[REASON_file_damaged], 1);
		cr_assert(strstr(out.error, "cut short at byte "), "%s", out.error);
		cr_assert(strstr(out.error, "expected "), "%s", out.error);
	}
	cr_assert_eq(packets, all.n);
	cr_assert_eq(ends, ends_n, "%s: %u cuts are an end", name, ends);
	file_free(&f);
}

Test(replay, cut_at_every_byte_a_file_is_truncated_or_ends)
{
	struct file f = ng_sample(false), gz = file_gzip(&f);

	every_prefix("pcap", pcap_sample(magic_us, false), 4, 1 + PAYLOADS);
	every_prefix("pcapng", f, 4, 2 + PAYLOADS);
	every_prefix("gzip", gz, 0, 1);
	every_prefix("binaryfile", message_sample(true), 14, 3);
	every_prefix("itch50-nolength", message_sample(false), 14, 3);
	every_prefix("fix", fix_sample(), 5, 3);
}

Test(replay, gzip_members_follow_each_other_and_zeros_may_pad_them)
{
	struct file f = pcap_sample(magic_us, false), first = f, second = f, gz, more;
	struct outcome want = read_memory(f.bytes, f.len, false, &read_once), out;

	first.len = 50; /* a member may end inside a packet */
	second.bytes += 50;
	second.len -= 50;
	gz = file_gzip(&first);
	more = file_gzip(&second);
	file_put(&gz, "\0\0\0", 3);
	file_put(&gz, more.bytes, more.len);
	file_put(&gz, "\0\0\0\0\0", 5);
	out = read_memory(gz.bytes, gz.len, false, &read_once);
	cr_assert(equal(&out, &want), "%s", out.error);
	file_put(&gz, "rubbish", 7);
	out = read_memory(gz.bytes, gz.len, false, &read_once);
	cr_assert_eq(out.end, SOURCE_DAMAGED);
	cr_assert_eq(out.n, PAYLOADS);
	cr_assert(strstr(out.error, "(unpacked): gzip: incorrect header check"), "%s", out.error);
	gz.len -= 12;
	gz.bytes[gz.len - 7] ^= 1; /* the checksum of the last member */
	out = read_memory(gz.bytes, gz.len, false, &read_once);
	cr_assert_eq(out.end, SOURCE_DAMAGED);
	cr_assert_eq(out.n, PAYLOADS);
	cr_assert(strstr(out.error, "incorrect data check"), "%s", out.error);
	file_free(&more);
	file_free(&gz);
	file_free(&f);
}

Test(replay, messages_are_numbered_and_dated)
{
	struct file framed = message_sample(true), zeros = message_sample(false);
	struct source_options opt = read_once;
	struct outcome a, b;

	opt.date = 20190130;
	a = read_memory(framed.bytes, framed.len, false, &opt);
	b = read_memory(zeros.bytes, zeros.len, false, &opt);
	cr_assert(equal(&a, &b), "%s%s", a.error, b.error);
	cr_assert_eq(a.n, 3);
	cr_assert_eq(a.first[1].kind, PACKET_MESSAGE);
	cr_assert_eq(a.first[1].seq, 2);
	cr_assert_eq(a.first[1].caplen, 21);
	cr_assert_eq(a.data[1][0], 'h');
	cr_assert_eq(a.first[1].ts_recv_ns, 1548849600000000000); /* 2019-01-30 12:00 UTC */
	cr_assert_eq(a.first[1].ts_quality, TS_Q_UNKNOWN);
	opt.date = 20191301;
	a = read_memory(framed.bytes, framed.len, false, &opt);
	cr_assert_eq(a.rc, -EINVAL);
	cr_assert(strstr(a.error, "20191301"), "%s", a.error);
	file_free(&framed);
	file_free(&zeros);
}

Test(replay, length_zero_ends_a_binaryfile_and_nothing_may_follow)
{
	struct file f = message_sample(true);
	struct outcome out;

	file_put(&f, "\0\0", 2);
	out = read_memory(f.bytes, f.len, false, &read_once);
	cr_assert_eq(out.end, SOURCE_END, "%s", out.error);
	cr_assert_eq(out.n, 3);
	file_put(&f, "\0\1A", 3);
	out = read_memory(f.bytes, f.len, true, &read_once);
	cr_assert_eq(out.end, SOURCE_DAMAGED);
	cr_assert_eq(out.n, 3);
	cr_assert(strstr(out.error, "behind the end mark"), "%s", out.error);
	file_free(&f);
}

Test(replay, unknown_message_type_without_a_length_is_damage)
{
	struct file f = message_sample(false);
	struct outcome out;

	file_put(&f, "\0\0z", 3);
	out = read_memory(f.bytes, f.len, false, &read_once);
	cr_assert_eq(out.end, SOURCE_DAMAGED);
	cr_assert_eq(out.n, 3);
	cr_assert(strstr(out.error, "0x7a"), "%s", out.error);
	file_free(&f);
}

Test(replay, slices_of_a_fix_stream_are_messages_and_their_places)
{
	struct file f = fix_sample();
	struct outcome out;

	file_put(&f, "\r\n", 2);
	out = read_memory(f.bytes, f.len, false, &read_once);
	cr_assert_eq(out.end, SOURCE_END, "%s", out.error);
	cr_assert_eq(out.n, 3);
	cr_assert_eq(out.first[2].kind, PACKET_STREAM);
	cr_assert_eq(out.first[2].seq, 52);
	cr_assert_eq(out.first[2].caplen, 26);
	file_free(&f);
}

Test(replay, long_fix_message_comes_in_several_slices)
{
	struct file f = fix_sample();
	struct outcome whole, streamed;

	file_put(&f, "8=FIX.4.4\0019=200000\00158=", 23);
	while (f.len < 200000)
		file_put(&f, "text ", 5);
	file_put(&f, "\00110=000\001", 8);
	whole = read_memory(f.bytes, f.len, false, &read_once);
	streamed = read_memory(f.bytes, f.len, true, &read_once);
	cr_assert_eq(whole.end, SOURCE_END, "%s", whole.error);
	cr_assert_gt(whole.n, 5);
	cr_assert_eq(whole.bytes, f.len);
	cr_assert(equal(&whole, &streamed), "%s", streamed.error);
	file_free(&f);
}

Test(replay, loops_say_their_round_and_number_anew)
{
	struct file f = pcap_sample(magic_us, false), gz = file_gzip(&f);
	struct source_options opt = read_once;
	struct outcome out, unpacked;

	opt.loops = 3;
	out = read_memory(f.bytes, f.len, false, &opt);
	unpacked = read_memory(gz.bytes, gz.len, false, &opt);
	cr_assert_eq(out.n, 3 * PAYLOADS);
	cr_assert_eq(out.end, SOURCE_END);
	cr_assert_eq(out.first[PAYLOADS].round, 1);
	cr_assert_eq(out.first[PAYLOADS].seq, 1);
	cr_assert_eq(out.first[3 * PAYLOADS - 1].round, 2);
	cr_assert(equal(&out, &unpacked));
	opt.loops = 0; /* for ever, until the count */
	opt.count_max = 1000003;
	out = read_memory(f.bytes, f.len, false, &opt);
	cr_assert_eq(out.n, 1000003);
	cr_assert_eq(out.end, SOURCE_END);
	f.len = 24;
	opt.count_max = 0;
	out = read_memory(f.bytes, f.len, false, &opt); /* nothing to repeat: it ends */
	cr_assert_eq(out.end, SOURCE_END);
	file_free(&gz);
	file_free(&f);
}

static unsigned by_number(const void *ctx, const struct packet *pkt)
{
	return (unsigned)pkt->seq % *(const unsigned *)ctx;
}

Test(replay, workers_share_out_what_one_worker_gets_to_the_same_count)
{
	struct file f = file_new(false);
	struct filter *filter;
	char error[256];
	uint8_t data[64] = {[12] = 0x08, [14] = 0x45, [23] = 17};

	pcap_header(&f, magic_us, LINK_ETHERNET);
	for (uint32_t i = 0; i < 1000; i++) {
		data[23] = i % 3 ? 17 : 6;
		pcap_packet(&f, i, 0, data, 40 + i % 20, 60);
	}
	cr_assert_eq(filter_open(&filter, "udp", error), 0, "%s", error);
	for (uint64_t count = 0; count < 600; count += 233) {
		struct source_options opt = {
			.loops = 1, .workers = 1, .filter = filter, .count_max = count};
		struct outcome one = read_memory(f.bytes, f.len, false, &opt);

		cr_assert_eq(one.n, count ? count : 666);
		for (unsigned workers = 2; workers <= 4; workers += 2) {
			struct outcome sum = {0};

			opt.workers = workers;
			opt.steer = by_number;
			opt.steer_ctx = &workers;
			for (opt.worker = 0; opt.worker < workers; opt.worker++) {
				struct outcome out = read_memory(f.bytes, f.len, false, &opt);

				cr_assert_gt(out.n, 0);
				cr_assert_eq(out.stats.received, out.n + out.stats.filtered);
				sum.n += out.n;
				sum.bytes += out.bytes;
				sum.stats.received += out.stats.received;
				sum.stats.filtered += out.stats.filtered;
			}
			cr_assert_eq(sum.n, one.n);
			cr_assert_eq(sum.bytes, one.bytes);
			cr_assert_eq(sum.stats.received, one.stats.received);
			cr_assert_eq(sum.stats.filtered, one.stats.filtered);
		}
	}
	filter_close(filter);
	file_free(&f);
}

Test(replay, damage_is_counted_once_among_workers)
{
	struct file f = pcap_sample(magic_us, false);
	struct source_options opt = read_once;
	unsigned damaged = 0, workers = 3;

	opt.workers = workers;
	opt.steer = by_number;
	opt.steer_ctx = &workers;
	for (opt.worker = 0; opt.worker < workers; opt.worker++) {
		struct outcome out = read_memory(f.bytes, f.len - 1, false, &opt);

		cr_assert_eq(out.end, SOURCE_TRUNCATED);
		damaged += (unsigned)out.stats.dropped[REASON_file_damaged];
	}
	cr_assert_eq(damaged, 1);
	file_free(&f);
}

Test(replay, snaplen_cuts_what_is_handed_out)
{
	struct file f = pcap_sample(magic_us, false);
	struct source_options opt = read_once;
	struct outcome out;

	opt.snaplen = 3;
	out = read_memory(f.bytes, f.len, false, &opt);
	cr_assert_eq(out.n, PAYLOADS);
	cr_assert_eq(out.first[3].caplen, 3);
	cr_assert_eq(out.first[3].wire_len, 63);
	cr_assert_eq(out.first[1].caplen, 2);
	file_free(&f);
}

Test(replay, what_is_no_capture_is_refused_with_a_reason)
{
	static const struct {
		const char *bytes, *format, *says;
		size_t len;
	} rows[] = {
		{"", NULL, "is empty", 0},
		{"hello, this is text\n", NULL, "is no capture", 20},
		{"\xfd\x37zXZ....", NULL, "xzcat FILE | pkt-sniffer -r -", 9},
		{"BZh91AY&SY", NULL, "bzcat", 10},
		{"8=FIX", "pcpa", "format pcpa is unknown; there are pcap, pcapng, fix", 5},
	};
	struct file f = fix_sample();
	struct source_options opt = read_once;
	struct outcome out;
	char error[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		opt.format = rows[i].format;
		out = read_memory(rows[i].bytes, rows[i].len, false, &opt);
		cr_assert_lt(out.rc, 0, "row %zu", i);
		cr_assert(strstr(out.error, rows[i].says), "row %zu: \"%s\"", i, out.error);
	}
	opt = read_once;
	opt.format = "pcap"; /* the format that was said is believed, and does not fit */
	out = read_memory(f.bytes, f.len, false, &opt);
	cr_assert_eq(out.end, SOURCE_DAMAGED);
	cr_assert(strstr(out.error, "no pcap magic number"), "%s", out.error);
	opt.format = NULL;
	cr_assert_eq(filter_open(&opt.filter, "udp", error), 0);
	out = read_memory(f.bytes, f.len, false, &opt);
	cr_assert_eq(out.rc, -EINVAL);
	cr_assert(strstr(out.error, "a filter cannot select"), "%s", out.error);
	filter_close(opt.filter);
	file_free(&f);
}
