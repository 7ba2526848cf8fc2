#include "tests/sim/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/market/flow.h"
#include "tests/sim/wire/line.h"

#define ROW(option, kind, member, value, lo, hi, text)                                             \
	{                                                                                          \
		option, kind, offsetof(struct options, member), value, lo, hi, text                \
	}

/* option is a row of the command line: this table parses, checks, prints the help and finds near
 * names. */
static const struct option {
	const char *name;
	enum { U64, U32, REAL, TEXT, FLAG } kind;
	size_t at;
	const char *value; /* default, NULL = none */
	double min, max;
	const char *help;
} rows[] = {
	ROW("--seed", U64, seed, "1", 0, 1e18, "same seed and options: same bytes"),
	ROW("--instruments", U32, instruments, "300", 1, 20000, "order books of a channel"),
	ROW("--channels", U32, channels, "1", 1, 64,
		"independent feeds of equal load; FIX is with the first"),
	ROW("--messages", U64, messages, NULL, 1, 1e12,
		"length of the day, exact, each channel (default 100000)"),
	ROW("--seconds", REAL, seconds, NULL, .001, 86400,
		"length of the day in simulated time, instead"),
	ROW("--rate", REAL, rate, "50000", .1, 2e7,
		"mean messages a second and channel; they come in bursts"),
	ROW("--start-time", TEXT, start_time, NULL, 0, 0,
		"YYYY-MM-DDTHH:MM:SS of US Eastern time, or now (default 2024-06-03T09:30:00; "
		"live: now)"),
	ROW("--protocol", TEXT, protocol, "itch", 0, 0,
		"itch, mdp3 or both: what says what the exchange does"),
	ROW("--lines", TEXT, lines, "AB", 0, 0, "A, B or AB"),
	ROW("--session", TEXT, session, "SIM0000001", 0, 0, "MoldUDP64 session, 10 characters"),
	ROW("--group-a", TEXT, group_a, "233.54.12.111", 0, 0,
		"multicast group of line A; channel n adds n"),
	ROW("--port-a", U32, port_a, "26477", 1, 65535, "UDP port of line A; channel n adds n"),
	ROW("--group-b", TEXT, group_b, "233.49.196.111", 0, 0, "the same of line B"),
	ROW("--port-b", U32, port_b, "26477", 1, 65535, ""),
	ROW("--mdp3-group-a", TEXT, mdp3_group_a, "224.0.31.1", 0, 0,
		"the same of MDP 3.0; snapshots 64 groups and 1000 ports behind it"),
	ROW("--mdp3-port-a", U32, mdp3_port_a, "14310", 1, 64000, ""),
	ROW("--mdp3-group-b", TEXT, mdp3_group_b, "224.0.32.1", 0, 0, ""),
	ROW("--mdp3-port-b", U32, mdp3_port_b, "15310", 1, 64000, ""),
	ROW("--mdp3-version", U32, mdp3_version, "13", 9, 13, "of the SBE schema"),
	ROW("--snapshot-ms", U32, snapshot_ms, "1000", 0, 600000,
		"MDP 3.0: time of one loop of snapshots, 0 = none"),
	ROW("--payload-max", U32, payload_max, "1400", 100, 1472,
		"most bytes of a UDP payload of line A; B cuts at 93 %"),
	ROW("--hold-us", U32, hold_us, "20", 0, 1000000,
		"a packet waits up to so long for more messages; line B 30 % more"),
	ROW("--heartbeat-ms", U32, heartbeat_ms, "1000", 1, 60000, "silence before a heartbeat"),
	ROW("--loss", REAL, loss, "0", 0, 1,
		"chance of a packet to be lost, on each line for itself"),
	ROW("--loss-a", REAL, loss_a, NULL, 0, 1, "the same of line A alone (default --loss)"),
	ROW("--loss-b", REAL, loss_b, NULL, 0, 1, ""),
	ROW("--dup", REAL, dup, "0", 0, 1, "chance of a packet to come twice"),
	ROW("--reorder", TEXT, reorder, NULL, 0, 0,
		"P[,DEPTH]: chance of a packet to come 1 to DEPTH packets late (default 4), 400 us "
		"at "
		"most"),
	ROW("--outage", TEXT, outage, NULL, 0, 0,
		"LINE:AT:FOR[,...]: line A or B is silent AT s after the start for FOR s"),
	ROW("--new-session-at", U64, new_session_at, NULL, 2, 1e12,
		"message of the day (each channel) that is the first of a new MoldUDP64 session"),
	ROW("--reset-at", U64, reset_at, NULL, 1, 1e12,
		"message of the day (each channel) behind which MDP 3.0 resets its numbers"),
	ROW("--pcap", TEXT, pcap, NULL, 0, 0,
		"FILE: capture with ns time stamps (- is standard output)"),
	ROW("--pcap-us", TEXT, pcap_us, NULL, 0, 0, "FILE: capture with us time stamps"),
	ROW("--live", TEXT, live, NULL, 0, 0,
		"IFACE: multicast out of this interface, paced by the clock"),
	ROW("--live-raw", FLAG, live_raw, NULL, 0, 0,
		"whole frames, the FIX session too (needs CAP_NET_RAW)"),
	ROW("--flat-out", FLAG, flat_out, NULL, 0, 0,
		"live: as fast as it goes, not paced by the clock"),
	ROW("--binaryfile", TEXT, binaryfile, NULL, 0, 0,
		"FILE: the messages alone, as Nasdaq's BinaryFILE (channel 0)"),
	ROW("--truth", TEXT, truth, NULL, 0, 0, "FILE: every market event as a JSON line"),
	ROW("--truth-mdp3", TEXT, truth_mdp3, NULL, 0, 0,
		"FILE: every MDP 3.0 message as a JSON line"),
	ROW("--truth-fix", TEXT, truth_fix, NULL, 0, 0, "FILE: every FIX message as a JSON line"),
	ROW("--truth-wire", TEXT, truth_wire, NULL, 0, 0,
		"FILE: every packet of every line and what became of it"),
	ROW("--books", TEXT, books, NULL, 0, 0, "FILE: the final books, a JSON line an instrument"),
	ROW("--no-fix", FLAG, no_fix, NULL, 0, 0, "no order-entry session"),
	ROW("--fix-rate", REAL, fix_rate, NULL, .001, 1e5,
		"requests of the FIX client a second (default 1 % of --rate)"),
	ROW("--fix-port", U32, fix_port, "9876", 1, 65535, "TCP port of the gateway"),
	ROW("--fix-heartbeat", U32, fix_heartbeat, "1", 1, 3600, "seconds"),
	ROW("--fix-user", TEXT, fix_user, "trader7", 0, 0, "Username (553)"),
	ROW("--fix-password", TEXT, fix_password, "Pl4nted-Password-554", 0, 0,
		"Password (554), planted to be looked for"),
	ROW("--fix-secret", TEXT, fix_secret, "Pl4nted=RawData-96", 0, 0,
		"RawData (96) of the logon, likewise"),
	ROW("--print-feeds", FLAG, print_feeds, NULL, 0, 0,
		"only print the --feed words for pkt-sniffer"),
	ROW("--quiet", FLAG, quiet, NULL, 0, 0, "no summary at the end"),
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void help(void)
{
	static const char *const unit[] = {"N", "N", "X", "TEXT", ""};

	puts("feed-sim: a simulated exchange. ITCH 5.0 over MoldUDP64 and MDP 3.0 over SBE on two "
	     "lines each, and a FIX\n"
	     "session over TCP, into a capture or onto an interface, and what really happened in "
	     "files beside it.\n\n"
	     "usage: feed-sim [option]...");
	for (size_t i = 0; i < ROWS; i++) {
		char left[40];

		snprintf(left, sizeof(left), "%s %s", rows[i].name, unit[rows[i].kind]);
		printf("  %-22s %s", left, rows[i].help);
		printf(rows[i].value ? " (default %s)\n" : "\n", rows[i].value);
	}
	puts("\nexample: feed-sim --messages 1000000 --seed 7 --pcap day.pcap --truth day.jsonl "
	     "--books books.jsonl");
}

/* distance is the number of letters to insert, delete or change. */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strlen(b);
	unsigned row[64];

	if (n >= 64 || strlen(a) >= 64)
		return UINT_MAX;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (; *a; a++) {
		unsigned diagonal = row[0]++;

		for (size_t j = 1; j <= n; j++) {
			unsigned up = row[j], best = diagonal + (*a != b[j - 1]);

			diagonal = up;
			if (up + 1 < best)
				best = up + 1;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[n];
}

static const struct option *option_find(const char *name, size_t len)
{
	const struct option *near = &rows[0];
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)(len < 63 ? len : 63), name);
	for (size_t i = 0; i < ROWS; i++) {
		if (!strcmp(rows[i].name, text))
			return &rows[i];
		if (distance(text, rows[i].name) < distance(text, near->name))
			near = &rows[i];
	}
	fprintf(stderr, "feed-sim: no option %s; the nearest is %s (--help lists all)\n", text,
		near->name);
	return NULL;
}

static int option_set(struct options *o, const struct option *row, const char *value)
{
	void *at = (char *)o + row->at;
	char *end = NULL;
	double real = 0;

	if (row->kind == TEXT) {
		*(const char **)at = value;
		return 0;
	}
	errno = 0;
	uint64_t whole = row->kind == REAL ? 0 : strtoull(value, &end, 10);

	real = row->kind == REAL ? strtod(value, &end) : (double)whole;
	if (errno || end == value || *end || *value == '-' ||
		!(real >= row->min && real <= row->max)) {
		fprintf(stderr, "feed-sim: %s %s: expected a number from %.12g to %.12g\n",
			row->name, value, row->min, row->max);
		return -EINVAL;
	}
	if (row->kind == U64)
		*(uint64_t *)at = whole;
	else if (row->kind == U32)
		*(uint32_t *)at = (uint32_t)whole;
	else
		*(double *)at = real;
	return 0;
}

/* day_number is days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t day_number(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = year / 400, of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int64_t eastern_offset_s(int64_t utc_s)
{
	time_t seconds = utc_s;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	int64_t year = tm.tm_year + 1900, march = day_number(year, 3, 1),
		november = day_number(year, 11, 1);

	/* second Sunday of March to first Sunday of November, both at 2:00 on the wall; 1970-01-01
	 * was a Thursday */
	int64_t begin = (march + (10 - march % 7) % 7 + 7) * 86400 + 7 * 3600;
	int64_t end = (november + (10 - november % 7) % 7) * 86400 + 6 * 3600;

	return utc_s >= begin && utc_s < end ? 4 * 3600 : 5 * 3600;
}

uint64_t eastern_midnight_ns(int64_t utc_s)
{
	int64_t offset = eastern_offset_s(utc_s), local = utc_s - offset;
	int64_t midnight = local - local % 86400 + offset;

	/* on the two Sundays the clocks change after midnight */
	midnight += eastern_offset_s(midnight) - offset;
	return (uint64_t)midnight * 1000000000;
}

static int start_time(struct options *o)
{
	const char *text = o->start_time;
	int y, mo, d, h, mi, s, used = 0;
	struct timespec now;

	if (!strcmp(text, "now")) {
		clock_gettime(CLOCK_REALTIME, &now);
		o->start_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
		o->midnight_ns = eastern_midnight_ns(now.tv_sec);
		return 0;
	}
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &y, &mo, &d, &h, &mi, &s, &used) != 6 ||
		text[used] || y < 2007 || y > 2261 || mo < 1 || mo > 12 || d < 1 || d > 31 ||
		h > 23 || mi > 59 || s > 59) {
		fprintf(stderr,
			"feed-sim: --start-time %s: expected YYYY-MM-DDTHH:MM:SS from 2007 on, or "
			"now\n",
			text);
		return -EINVAL;
	}
	int64_t wall = day_number(y, mo, d) * 86400 + h * 3600 + mi * 60 + s;

	o->start_ns = (uint64_t)(wall + eastern_offset_s(wall + 5 * 3600)) * 1000000000;
	o->midnight_ns = eastern_midnight_ns((int64_t)(o->start_ns / 1000000000));
	return 0;
}

static int group(const char *name, const char *text, uint32_t *out)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) == 1 && ntohl(in.s_addr) >> 28 == 14) {
		*out = ntohl(in.s_addr);
		return 0;
	}
	fprintf(stderr,
		"feed-sim: %s %s: expected a multicast group, 224.0.0.0 to 239.255.255.255\n", name,
		text);
	return -EINVAL;
}

static int reorder(struct options *o)
{
	char *end = NULL, *rest;

	o->late_packets = 4;
	if (!o->reorder)
		return 0;
	o->late = strtod(o->reorder, &end);
	if (*end == ',' && end != o->reorder) {
		o->late_packets = (uint32_t)strtoul(end + 1, &rest, 10);
		end = rest > end + 1 ? rest : end;
	}
	if (end != o->reorder && !*end && o->late >= 0 && o->late <= 1 && o->late_packets >= 1 &&
		o->late_packets <= LATE_MAX)
		return 0;
	fprintf(stderr,
		"feed-sim: --reorder %s: expected P or P,DEPTH, P from 0 to 1, DEPTH from 1 to "
		"%d\n",
		o->reorder, LATE_MAX);
	return -EINVAL;
}

static int outages(struct options *o)
{
	const char *at = o->outage;

	while (at && *at) {
		char line;
		double at_s, for_s;
		int used = 0;

		if (o->outages_n == OUTAGES_MAX ||
			sscanf(at, "%c:%lf:%lf%n", &line, &at_s, &for_s, &used) != 3 ||
			(line != 'A' && line != 'B') || !(at_s >= 0 && at_s < 1e6) ||
			!(for_s > 0 && for_s < 1e6) ||
			(at[used] && (at[used] != ',' || !at[used + 1]))) {
			fprintf(stderr,
				"feed-sim: --outage %s: expected LINE:AT:FOR, LINE A or B, AT and "
				"FOR in "
				"seconds, at most %d of them between commas\n",
				o->outage, OUTAGES_MAX);
			return -EINVAL;
		}
		o->outages[o->outages_n].line = line;
		o->outages[o->outages_n].at_s = at_s;
		o->outages[o->outages_n++].for_s = for_s;
		at += used + (at[used] == ',');
	}
	return 0;
}

static int check_protocol(struct options *o)
{
	o->itch = !strcmp(o->protocol, "itch") || !strcmp(o->protocol, "both");
	o->mdp3 = !strcmp(o->protocol, "mdp3") || !strcmp(o->protocol, "both");
	if (!o->itch && !o->mdp3) {
		fprintf(stderr, "feed-sim: --protocol %s: expected itch, mdp3 or both\n",
			o->protocol);
		return -EINVAL;
	}
	if (o->mdp3 && o->payload_max < 720) {
		fprintf(stderr,
			"feed-sim: --payload-max %u: MDP 3.0 messages need 720 bytes or more\n",
			o->payload_max);
		return -EINVAL;
	}
	if (o->new_session_at && !o->itch) {
		fputs("feed-sim: --new-session-at: MDP 3.0 has no sessions on the wire; expected "
		      "--reset-at, or --protocol itch or both\n",
			stderr);
		return -EINVAL;
	}
	if ((o->reset_at || o->truth_mdp3) && !o->mdp3) {
		fprintf(stderr, "feed-sim: %s needs --protocol mdp3 or both%s\n",
			o->reset_at ? "--reset-at" : "--truth-mdp3",
			o->reset_at ? "; MoldUDP64 numbers never begin again within a session: "
				      "--new-session-at"
				    : "");
		return -EINVAL;
	}
	if (o->binaryfile && !o->itch) {
		fputs("feed-sim: --binaryfile needs --protocol itch or both\n", stderr);
		return -EINVAL;
	}
	if (o->mdp3_port_a + o->channels > 64500 || o->mdp3_port_b + o->channels > 64500) {
		fputs("feed-sim: the ports of the last channel's snapshots are above 65535\n",
			stderr);
		return -EINVAL;
	}
	return group("--mdp3-group-a", o->mdp3_group_a, &o->mdp3_addr_a) < 0 ||
			       group("--mdp3-group-b", o->mdp3_group_b, &o->mdp3_addr_b) < 0
		       ? -EINVAL
		       : 0;
}

static int check_faults(struct options *o)
{
	if (o->loss_a < 0)
		o->loss_a = o->loss;
	if (o->loss_b < 0)
		o->loss_b = o->loss;
	if (o->messages && o->new_session_at > o->messages) {
		fprintf(stderr,
			"feed-sim: --new-session-at %lu: the day has %lu messages (--messages)\n",
			o->new_session_at, o->messages);
		return -EINVAL;
	}
	if (o->messages && o->reset_at > o->messages) {
		fprintf(stderr, "feed-sim: --reset-at %lu: the day has %lu messages (--messages)\n",
			o->reset_at, o->messages);
		return -EINVAL;
	}
	return reorder(o) < 0 || outages(o) < 0 ? -EINVAL : 0;
}

static int check(struct options *o)
{
	if (o->messages && o->seconds > 0) {
		fputs("feed-sim: --messages and --seconds exclude each other\n", stderr);
		return -EINVAL;
	}
	if (!o->messages && o->seconds == 0)
		o->messages = 100000;
	uint64_t least = flow_messages_min(o->instruments);

	if (o->messages && o->messages < least) {
		fprintf(stderr,
			"feed-sim: --messages %lu is too short a day for %u instruments: give %lu "
			"or more, or "
			"fewer --instruments\n",
			o->messages, o->instruments, least);
		return -EINVAL;
	}
	if (strcmp(o->lines, "A") && strcmp(o->lines, "B") && strcmp(o->lines, "AB")) {
		fprintf(stderr, "feed-sim: --lines %s: expected A, B or AB\n", o->lines);
		return -EINVAL;
	}
	if (strlen(o->session) != 10) {
		fprintf(stderr, "feed-sim: --session %s: expected 10 characters\n", o->session);
		return -EINVAL;
	}
	if (o->port_a + o->channels > 65536 || o->port_b + o->channels > 65536) {
		fputs("feed-sim: the ports of the last channel are above 65535\n", stderr);
		return -EINVAL;
	}
	if (o->pcap && o->pcap_us) {
		fputs("feed-sim: --pcap and --pcap-us exclude each other\n", stderr);
		return -EINVAL;
	}
	if ((o->live_raw || o->flat_out) && !o->live) {
		fprintf(stderr, "feed-sim: %s needs --live IFACE\n",
			o->live_raw ? "--live-raw" : "--flat-out");
		return -EINVAL;
	}
	if (strlen(o->fix_user) + strlen(o->fix_password) + strlen(o->fix_secret) > 1000) {
		fputs("feed-sim: --fix-user, --fix-password and --fix-secret: expected 1000 "
		      "characters at most\n",
			stderr);
		return -EINVAL;
	}
	if (!*o->fix_user || !*o->fix_password || !*o->fix_secret) {
		fputs("feed-sim: --fix-user, --fix-password and --fix-secret must not be empty\n",
			stderr);
		return -EINVAL;
	}
	if (!o->fix_rate)
		o->fix_rate = o->rate / 100;
	if (!o->start_time)
		o->start_time = o->live ? "now" : "2024-06-03T09:30:00";
	if (group("--group-a", o->group_a, &o->addr_a) < 0 ||
		group("--group-b", o->group_b, &o->addr_b) < 0)
		return -EINVAL;
	return check_protocol(o) < 0 || check_faults(o) < 0 ? -EINVAL : start_time(o);
}

int options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){.loss_a = -1, .loss_b = -1};
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].value && option_set(o, &rows[i], rows[i].value) < 0)
			return -EINVAL;
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i], *equals = strchr(arg, '=');

		if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
			help();
			return 1;
		}
		if (strncmp(arg, "--", 2)) {
			fprintf(stderr, "feed-sim: %s: expected an option (--help lists all)\n",
				arg);
			return -EINVAL;
		}
		const struct option *row =
			option_find(arg, equals ? (size_t)(equals - arg) : strlen(arg));

		if (!row)
			return -EINVAL;
		if (row->kind == FLAG) {
			if (equals) {
				fprintf(stderr, "feed-sim: %s takes no value\n", row->name);
				return -EINVAL;
			}
			*(bool *)((char *)o + row->at) = true;
			continue;
		}
		const char *value = equals ? equals + 1 : argv[++i];

		if (!value || (!equals && !strncmp(value, "--", 2))) {
			fprintf(stderr, "feed-sim: %s needs a value: %s\n", row->name, row->help);
			return -EINVAL;
		}
		if (option_set(o, row, value) < 0)
			return -EINVAL;
	}
	return check(o);
}
