/* Packets that are read many at a time, as without -c, are those that are read one by one. */
#include <criterion/criterion.h>

#include "tests/support/capture_files.h"

TestSuite(records, .timeout = 60);

enum { RECORDS = 80 }; /* more than a burst */

/* capture makes a file of pcap, of the other byte order, of pcapng. */
static struct file capture(unsigned kind)
{
	struct file f = file_new(kind == 1);

	if (kind < 2) {
		pcap_header(&f, 0xa1b23c4d, LINK_ETHERNET);
	} else {
		ng_section(&f);
		ng_interface(&f, LINK_ETHERNET, 0, 9, 0);
		ng_interface(&f, LINK_RAW, 0, 0, 0);
		ng_interface(&f, LINK_ETHERNET, 0, 0x80 | 30, 0);
	}
	for (unsigned i = 0; i < RECORDS; i++)
		if (kind < 2)
			pcap_packet(&f, 1000 + i, 7 * i, "wxyz", i % 5, 3 + i % 4);
		else
			ng_packet(&f, i % 3, UINT64_C(1000000000) * i, "wxyz", i % 5, 3 + i % 4);
	return f;
}

Test(records, are_the_same_one_by_one_of_a_file_cut_or_damaged_anywhere)
{
	struct source_options many = {.loops = 3, .workers = 1}, single = many;

	single.count_max = 1000;
	for (unsigned kind = 0; kind < 3; kind++) {
		struct file f = capture(kind);

		for (size_t i = 0; i < 2 * f.len; i++) {
			size_t len = i < f.len ? i : f.len;
			uint8_t *damaged = i < f.len ? NULL : &f.bytes[i - f.len];
			struct outcome one, all;

			if (damaged)
				*damaged ^= 0x80;
			one = read_memory(f.bytes, len, false, &single);
			all = read_memory(f.bytes, len, false, &many);
			if (damaged)
				*damaged ^= 0x80;
			cr_assert_eq(one.rc, all.rc);
			cr_assert_eq(one.end, all.end);
			cr_assert_eq(one.hash, all.hash,
				"kind %u, %zu: %u packets %s, %u packets %s", kind, i, one.n,
				one.error, all.n, all.error);
			cr_assert_str_eq(one.error, all.error);
			cr_assert_arr_eq(&one.stats, &all.stats, sizeof(one.stats));
		}
		file_free(&f);
	}
}
