/* Files by name: standard input, dates in names, and every capture of the corpus against facts that
 * other programs found (capinfos, editcap). */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/capture_files.h"

TestSuite(replay_files, .timeout = 120);

static char work[] = P_tmpdir "/test_replay_files.XXXXXX";

static void work_make(void)
{
	cr_assert_not_null(mkdtemp(work));
}

static void work_remove(void)
{
	folder_remove(work);
}

static const char *write_file(const char *name, const void *bytes, size_t len)
{
	static char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", work, name);
	out = fopen(path, "w");
	cr_assert_not_null(out);
	cr_assert_eq(fwrite(bytes, 1, len, out), len);
	fclose(out);
	return path;
}

/* slurp reads a file, or what a command writes. */
static struct file slurp(const char *name, bool command)
{
	struct file f = file_new(false);
	FILE *in = command ? popen(name, "r") : fopen(name, "r");

	cr_assert_not_null(in, "%s", name);
	f.len = fread(f.bytes, 1, FILE_MAX, in);
	if (command)
		pclose(in);
	else
		fclose(in);
	return f;
}

/* corpus returns a path below $PCAP_CORPUS, or skips the test that asks. */
static const char *corpus(const char *test, const char *name)
{
	static char path[512];
	const char *root = getenv("PCAP_CORPUS");

	snprintf(path, sizeof(path), "%s/%s", root ? root : "../shared/data", name);
	if (access(path, R_OK) < 0) {
		printf("skip - %s: no captures (set PCAP_CORPUS)\n", test);
		fflush(stdout);
		cr_skip_test("no captures: set PCAP_CORPUS");
	}
	return path;
}

/* feed_stdin makes standard input a pipe that a child fills in pieces of step bytes. */
static pid_t feed_stdin(const struct file *f, size_t step)
{
	int ends[2];
	pid_t child;

	cr_assert_eq(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		close(ends[0]);
		for (size_t at = 0; at < f->len; at += step) {
			size_t len = f->len - at < step ? f->len - at : step;

			if (write(ends[1], f->bytes + at, len) != (ssize_t)len)
				_exit(1);
			usleep(500);
		}
		_exit(0);
	}
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	close(ends[1]);
	return child;
}

Test(replay_files, standard_input_gives_the_same_packets_however_it_arrives, .init = work_make,
	.fini = work_remove)
{
	static const size_t steps[] = {1, 7, 100, 65536};
	struct file f = file_new(false), gz;
	struct outcome want;

	pcap_header(&f, 0xa1b23c4d, LINK_ETHERNET);
	for (uint32_t i = 0; i < 40; i++)
		pcap_packet(&f, i, i, f.bytes, i % 17, 60);
	gz = file_gzip(&f);
	want = read_memory(f.bytes, f.len, false, &read_once);
	cr_assert_eq(want.n, 40);
	for (size_t i = 0; i < 8; i++) {
		pid_t child = feed_stdin(i < 4 ? &f : &gz, steps[i % 4]);
		struct outcome out = read_path("-", &read_once);
		int status;

		waitpid(child, &status, 0);
		cr_assert_eq(status, 0);
		cr_assert_eq(out.end, SOURCE_END, "%s", out.error);
		cr_assert_eq(out.n, 40);
		cr_assert_eq(out.hash, want.hash);
	}
	freopen(write_file("in", f.bytes, f.len), "r", stdin); /* < FILE */
	cr_assert_eq(read_path("-", &read_once).hash, want.hash);
	file_free(&gz);
	file_free(&f);
}

Test(replay_files, a_stream_cannot_be_read_twice)
{
	struct source_options opt = read_once;
	struct outcome out;

	opt.loops = 2;
	out = read_path("-", &opt);
	cr_assert_eq(out.rc, -ESPIPE);
	opt.loops = 1;
	opt.workers = 2;
	out = read_path("-", &opt);
	cr_assert_eq(out.rc, -ESPIPE);
	cr_assert(strstr(out.error, "standard input: a stream is read once"), "%s", out.error);
}

Test(replay_files, missing_files_and_directories_are_named, .init = work_make, .fini = work_remove)
{
	struct outcome out = read_path("/nonexistent/day.pcap", &read_once);

	cr_assert_eq(out.rc, -ENOENT);
	cr_assert(strstr(out.error, "/nonexistent/day.pcap: cannot be opened: No such file"), "%s",
		out.error);
	out = read_path(work, &read_once);
	cr_assert_eq(out.rc, -ENODATA);
	cr_assert(strstr(out.error, "no packet in it"), "%s", out.error);
	out = read_path(write_file("empty.pcap", "", 0), &read_once);
	cr_assert_eq(out.rc, -ENODATA);
	cr_assert(strstr(out.error, "empty.pcap: is empty"), "%s", out.error);
}

Test(replay_files, the_day_of_messages_is_found_in_the_file_name, .init = work_make,
	.fini = work_remove)
{
	static const struct {
		const char *name;
		uint64_t day;
	} rows[] = {
		{"01302019.NASDAQ_ITCH50", 17926},
		{"ex20190130.TEST_ITCH_50", 17926},
		{"S013019-v50.txt", 17926},
		{"feed-123456789.bin", 0},
		{"99999999.bin", 0},
		{"plain.bin", 0},
	};
	static const uint8_t message[] = "\0\014S...........";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *path = write_file(rows[i].name, message, 14);
		struct outcome out = read_path(path, &read_once);

		cr_assert_eq(out.n, 1, "%s: %s", path, out.error);
		cr_assert_eq(out.ts_min,
			rows[i].day ? (rows[i].day * 24 + 12) * 3600 * 1000000000 : 0, "%s", path);
	}
}

/* fact returns what stands behind "key": in a JSON text, quotes passed over. */
static const char *fact(const char *json, const char *key)
{
	char pattern[64];
	const char *p;

	snprintf(pattern, sizeof(pattern), "\"%s\":", key);
	p = strstr(json, pattern);
	cr_assert_not_null(p, "%s", key);
	p += strlen(pattern);
	return p + strspn(p, " \"");
}

/* fact_ns reads "seconds.fraction"; capinfos prints a fraction out of range as a signed number. */
static uint64_t fact_ns(const char *text)
{
	char *end;
	uint64_t ns = strtoull(text, &end, 10) * 1000000000;
	size_t digits;

	if (*end != '.')
		return ns;
	if (end[1] == '-')
		return ns + (uint32_t)strtol(end + 1, NULL, 10);
	digits = strspn(end + 1, "0123456789");
	for (size_t i = 0; i < 9; i++)
		ns += i < digits ? (uint64_t)(end[1 + i] - '0') * (uint64_t[]){100000000, 10000000,
									  1000000, 100000, 10000,
									  1000, 100, 10, 1}[i]
				 : 0;
	return ns;
}

static unsigned checked, editcap_checked;

/* check_as_pcapng compares with what editcap makes of the same capture; times of less than ns are
 * exact. */
static void check_as_pcapng(const char *path, const struct outcome *want)
{
	char command[700];
	struct file f;
	struct outcome out;

	snprintf(command, sizeof(command), "editcap -F pcapng '%s' - 2>/dev/null", path);
	f = slurp(command, true);
	if (f.len > 0) {
		out = read_memory(f.bytes, f.len, true, &read_once);
		cr_assert_eq(out.end, SOURCE_END, "%s as pcapng: %s", path, out.error);
		cr_assert_eq(out.hash, want->hash, "%s as pcapng", path);
		editcap_checked++;
	}
	file_free(&f);
}

static int check_capture(const char *facts, const struct stat *st, int type, struct FTW *ftw)
{
	static const char suffix[] = ".expected.json";
	char path[512], command[600];
	struct file json, raw, gz;
	struct outcome whole, streamed, unpacked;
	const char *end = strstr(facts, suffix);

	(void)st, (void)ftw;
	if (type != FTW_F || end == NULL || strstr(facts, "/samples/"))
		return 0;
	snprintf(path, sizeof(path), "%.*s", (int)(end - facts), facts);
	snprintf(command, sizeof(command), "%s '%s'", end[sizeof(suffix) - 1] ? "zcat" : "cat",
		facts);
	json = slurp(command, true);
	json.bytes[json.len] = '\0';
	if (strstr((char *)json.bytes, "\"capinfos\":") == NULL) {
		file_free(&json);
		return 0;
	}
	whole = read_path(path, &read_once);
	raw = slurp(path, false);
	gz = file_gzip(&raw);
	streamed = read_memory(raw.bytes, raw.len, true, &read_once);
	unpacked = read_memory(gz.bytes, gz.len, true, &read_once);
	cr_assert_eq(whole.end, SOURCE_END, "%s", whole.error);
	cr_assert_eq(whole.n, strtoul(fact((char *)json.bytes, "packets"), NULL, 10), "%s", path);
	cr_assert_eq(whole.wire_bytes, strtoull(fact((char *)json.bytes, "packet_bytes"), NULL, 10),
		"%s", path);
	cr_assert_eq(whole.ts_min, fact_ns(fact((char *)json.bytes, "first_ts")), "%s", path);
	cr_assert_eq(whole.ts_max, fact_ns(fact((char *)json.bytes, "last_ts")), "%s", path);
	cr_assert_eq(whole.hash, streamed.hash, "%s", path);
	cr_assert_eq(whole.hash, unpacked.hash, "%s", path);
	cr_assert_eq(whole.offset, raw.len, "%s", path);
	if (load_le32(raw.bytes) == 0xa1b2c3d4 && !strstr(path, "heapoverflow") && checked % 8 == 0)
		check_as_pcapng(path, &whole);
	checked++;
	file_free(&gz);
	file_free(&raw);
	file_free(&json);
	return 0;
}

Test(replay_files, every_capture_has_the_packets_bytes_and_times_that_capinfos_found)
{
	nftw(corpus("replay_files captures", "net"), check_capture, 8, FTW_PHYS);
	nftw(corpus("replay_files captures", "market"), check_capture, 8, FTW_PHYS);
	cr_assert_gt(checked, 200, "%u captures", checked);
	if (editcap_checked == 0)
		printf("skip - replay_files captures as pcapng: no editcap\n");
}

Test(replay_files, message_files_have_the_messages_that_were_counted)
{
	struct outcome out = read_path(
		corpus("replay_files messages", "market/itch50-ritch-example.bin"), &read_once);

	cr_assert_eq(out.n, 12012, "%s", out.error);
	cr_assert_eq(out.offset, 465048);
	out = read_path(
		corpus("replay_files messages", "market/fixt11-jse-md.part1.fix"), &read_once);
	cr_assert_eq(out.n, 3000, "%s", out.error);
	cr_assert_eq(out.bytes, 238923);
	out = read_path(corpus("replay_files messages", "market/fix41-session.fix"), &read_once);
	cr_assert_eq(out.n, 16, "%s", out.error);
	out = read_path(corpus("replay_files messages", "market/cboe-pitch-tcp-ascii.part1.txt"),
		&read_once);
	cr_assert_eq(out.rc, -EINVAL);
}

/* Files with packets of which more was captured than was on the wire: capinfos adds up the smaller
 * number, we take what is there. */
static bool says_longer_than_wire(const char *name)
{
	static const char *const names[] = {"icmp-icmp_print-oobr-2.pcap", "pim_header_asan-2.pcap",
		"rsvp-rsvp_obj_print-oobr.pcap", "slip-compressed_sl_print-oobr.pcap"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

Test(replay_files, crash_reproducers_have_the_packets_that_capinfos_found, .init = work_make,
	.fini = work_remove)
{
	const char *tar = corpus("replay_files reproducers", "robust/tcpdump-tests.tar.gz");
	char command[700], row[512], path[512], *name, *link, *packets, *bytes;
	unsigned rows = 0;
	FILE *csv;

	snprintf(command, sizeof(command), "tar xzf '%s' -C '%s'", tar, work);
	cr_assert_eq(system(command), 0);
	csv = fopen(corpus("replay_files reproducers", "robust/tcpdump-tests.expected.csv"), "r");
	cr_assert_not_null(csv);
	cr_assert_not_null(fgets(row, sizeof(row), csv));
	while (fgets(row, sizeof(row), csv)) {
		struct outcome out;
		char *rest = row;

		name = strsep(&rest, ",");
		link = strsep(&rest, ",");
		packets = strsep(&rest, ",");
		strsep(&rest, ",");
		bytes = strsep(&rest, ",\r\n");
		snprintf(path, sizeof(path), "%s/tcpdump-tests/%s", work, name);
		out = read_path(path, &read_once);
		rows++;
		if (strncmp(link, "unreadable", 10) == 0) /* a link type that it does not know */
			continue;
		cr_assert_eq(
			out.n, strtoul(packets, NULL, 10), "%s: %u %s", name, out.n, out.error);
		if (strcmp(link, "atm-pdus") == 0) /* capinfos leaves out a pseudo header */
			continue;
		if (says_longer_than_wire(name))
			cr_assert_gt(out.wire_bytes, strtoull(bytes, NULL, 10), "%s", name);
		else
			cr_assert_eq(out.wire_bytes, strtoull(bytes, NULL, 10), "%s: %llu", name,
				(unsigned long long)out.wire_bytes);
	}
	fclose(csv);
	cr_assert_gt(rows, 400);
}
