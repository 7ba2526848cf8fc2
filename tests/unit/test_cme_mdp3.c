/* CME MDP 3.0: the vectors of schemas/cme_mdp3.vectors, wrong bytes, TCP framing, and real
 * captures. */
#include "tests/support/event_check.h"
#include "tests/support/rows_check.h"
#include "tests/support/vector_check.h"

#include "decode/frame.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define P "cme_mdp3"

enum { TEMPLATES = 256, MESSAGE_MAX = 4096 };

TestSuite(cme_mdp3, .timeout = 120);

Test(cme_mdp3, rows_are_those_of_the_events)
{
	cr_assert_gt(rows_check_vectors(P), 20);
}

Test(cme_mdp3, every_template_makes_the_events_that_its_vectors_say)
{
	cr_assert_gt(vectors_check(P), 60);
}

Test(cme_mdp3, every_prefix_of_a_message_is_refused_without_a_trace)
{
	cr_assert_gt(prefixes_check(P), 1000);
}

/* vector_find copies a vector by the beginning of its title, so that a test may spoil it. */
static size_t vector_find(const char *title, uint8_t *out)
{
	for (unsigned int i = 0; i < test_vectors_n; i++) {
		const struct test_vector *v = &test_vectors[i];

		if (strcmp(v->protocol, P) || strncmp(v->title, title, strlen(title)))
			continue;
		cr_assert_leq(v->len, MESSAGE_MAX);
		memcpy(out, v->data, v->len);
		return v->len;
	}
	cr_assert_fail("no vector %s", title);
	return 0;
}

static int body_of(const uint8_t *message, size_t len)
{
	struct decode_rig rig;
	uint8_t *copy = malloc(len);
	int rc;

	cr_assert_not_null(copy);
	memcpy(copy, message, len);
	decode_rig_init(&rig, P);
	rc = rig.protocol->body(&rig.state, bytes_of(copy, len), &rig.out);
	cr_assert(rc >= 0 || rig.out.pushed == 0, "refused, but %" PRIu64 " events made",
		rig.out.pushed);
	decode_rig_free(&rig);
	free(copy);
	return rc;
}

/* "32 v8 orders of levels": SBE header 8, root 11, dimension at 19 (u16 32, u8 2), entries,
 * dimension at 86 (u16 24, 5 bytes of padding, u8 3). */
Test(cme_mdp3, group_sizes_that_lie_are_refused_by_name)
{
	uint8_t message[MESSAGE_MAX];
	size_t len = vector_find("32 v8 orders", message);

	cr_assert_eq(message[21], 2);
	cr_assert_eq(message[93], 3);
	cr_assert_eq(body_of(message, len), 5);
	message[21] = 255;
	cr_assert_eq(body_of(message, len), -REASON_group_size, "more entries than bytes");
	message[21] = 2;
	message[20] = 0xff;
	cr_assert_eq(body_of(message, len), -REASON_group_size, "entries of 65 KB");
	message[20] = 0;
	message[19] = 26;
	cr_assert_eq(body_of(message, len), -REASON_group_size, "entries that end before the type");
	message[19] = 0;
	cr_assert_eq(body_of(message, len), -REASON_group_size, "entries of no bytes");
	message[19] = 32;
	message[93] = 4;
	cr_assert_eq(body_of(message, len), -REASON_group_size, "one order more than bytes");
}

Test(cme_mdp3, what_the_schema_does_not_know_is_refused_by_name)
{
	uint8_t message[MESSAGE_MAX];
	size_t len = vector_find("37 volume", message);

	message[2] = 99;
	cr_assert_eq(body_of(message, len), -REASON_unknown_type);
	message[2] = 37;
	message[4] = 8;
	cr_assert_eq(body_of(message, len), -REASON_unknown_schema);
	message[4] = 1;
	message[0] = 8;
	cr_assert_eq(
		body_of(message, len), -REASON_message_length, "root without MatchEventIndicator");
	message[1] = 0xff;
	cr_assert_eq(body_of(message, len), -REASON_message_length, "root past the message");
}

/* Version 6 has no list of orders on the wire: bytes behind the entries are not one. */
Test(cme_mdp3, a_group_newer_than_the_sender_is_not_read)
{
	uint8_t message[MESSAGE_MAX];
	size_t len = vector_find("32 v8 orders", message);

	message[6] = 6;
	cr_assert_eq(body_of(message, len), 2);
}

/* ---- packets ---- */

/* packet_put writes a packet header (with the marker of TCP or without) and a heartbeat. */
static size_t packet_put(uint8_t *out, bool marked, uint32_t seq)
{
	static const uint8_t heartbeat[] = {10, 0, 0, 0, 12, 0, 1, 0, 9, 0};
	static const uint64_t sent = 1700000000000000001;
	size_t at = 0;

	if (marked) {
		out[0] = 0xfe;
		out[1] = 0xca;
		at = 2;
	}
	memcpy(out + at, &seq, sizeof(seq));
	memcpy(out + at + 4, &sent, sizeof(sent));
	memcpy(out + at + 12, heartbeat, sizeof(heartbeat));
	return at + 12 + sizeof(heartbeat);
}

Test(cme_mdp3, the_packet_header_is_read_with_and_without_marker)
{
	const struct protocol *p = protocol_find(str_of(P));
	struct feed_packet pkt;
	uint8_t data[64];
	size_t len;

	/* 0xcafe as the low half of a sequence number over UDP is no marker */
	static const uint32_t seqs[] = {7, 0x0001cafe};
	for (int marked = 0; marked < 2; marked++) {
		for (int i = 0; i < 2; i++) {
			len = packet_put(data, marked, seqs[i]);
			cr_assert_eq(p->packet(bytes_of(data, len), &pkt), 0);
			cr_expect_eq(pkt.seq, seqs[i]);
			cr_expect_eq(pkt.ts_send_ns, 1700000000000000001u);
			cr_expect_eq(pkt.count, 1);
			cr_expect_eq(bytes_len(pkt.messages), 10);
			cr_expect(p->recognise(bytes_of(data, len)));
			cr_expect_not(p->recognise(bytes_of(data, len - 1)));
		}
	}
	for (len = 0; len < 12; len++)
		cr_expect_eq(p->packet(bytes_of(data + 2, len), &pkt), -REASON_feed_header);
}

Test(cme_mdp3, a_tcp_stream_is_cut_at_markers_and_never_early)
{
	const struct protocol *p = protocol_find(str_of(P));
	uint8_t data[128];
	size_t one = packet_put(data, true, 7), two = one + packet_put(data + one, true, 8);

	for (size_t len = 0; len < one; len++) {
		/* up to the end of its only message a packet is not whole */
		uint8_t *copy = malloc(len + 1);

		memcpy(copy, data, len);
		cr_expect_eq(p->unit(bytes_of(copy, len)), 0, "%zu bytes", len);
		free(copy);
	}
	for (size_t len = one; len <= two; len++) {
		int64_t want =
			len == one + 1 ? 0 : (int64_t)one; /* half a marker might be a length */

		cr_expect_eq(p->unit(bytes_of(data, len)), want, "%zu bytes", len);
	}
	cr_expect_eq(p->unit(bytes_of(data + 1, one)), -REASON_feed_header);
	data[14] = 1; /* a message shorter than its length */
	cr_expect_eq(p->unit(bytes_of(data, one)), -REASON_message_length);
}

Test(cme_mdp3, random_bytes_are_not_recognised)
{
	const struct protocol *p = protocol_find(str_of(P));
	uint64_t seed = 1;

	for (int i = 0; i < 200000; i++) {
		uint64_t data[32];

		for (int j = 0; j < 32; j++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			data[j] = seed ^ seed >> 29;
		}
		cr_assert_not(p->recognise(bytes_of(data, 12 + data[0] % 240)));
	}
}

/* ---- captures ---- */

struct tally {
	struct decode_rig rig;
	uint64_t packets, messages, refused, template[TEMPLATES];
	uint64_t ends;                   /* messages that end an event, by their bytes */
	uint64_t event[64], fills, last; /* events by kind, TradeFills, events with LAST */
	uint64_t wrong;                  /* events that the oracle writes otherwise */
};

static void tally_events(struct tally *t)
{
	for (uint32_t i = 0; i < t->rig.out.n; i++) {
		const struct event *ev = t->rig.out.ev[i];

		t->event[ev->type]++;
		t->last += (ev->flags & EVENT_FLAG_LAST) != 0;
		t->wrong += event_check(ev) < 0;
		if (ev->type == EVENT_TRADE)
			t->fills += ev->trade.fills_n;
	}
	decode_rig_empty(&t->rig);
}

/* at: of the MatchEventIndicator in the root; -1: the template has none, and is an event of its
 * own. */
static int indicator_at(unsigned int template)
{
	switch (template) {
	case 27:
	case 29:
	case 41:
	case 54:
	case 55:
	case 56:
	case 57:
	case 58:
	case 63:
		return 0;
	case 30:
		return 26;
	case 12:
	case 15:
	case 16:
		return -1;
	default:
		return template >= 200 ? -1 : 8;
	}
}

static void tally_packet(struct tally *t, struct bytes in)
{
	const struct protocol *p = t->rig.protocol;
	struct feed_packet pkt;

	cr_assert(p->recognise(in));
	cr_assert_eq(p->packet(in, &pkt), 0);
	t->packets++;
	while (bytes_len(pkt.messages)) {
		const uint8_t *m = pkt.messages.p;
		unsigned int template = load_le16(m + 4);
		int at = indicator_at(template), rc;

		cr_assert_lt(template, TEMPLATES);
		rc = p->message(&t->rig.state, &pkt.messages, &t->rig.out);
		t->messages++;
		t->refused += rc < 0;
		t->template[template]++;
		t->ends += at < 0 || m[10 + at] & 0x80;
		tally_events(t);
	}
}

/* tally_file decodes a capture; UDP by datagrams, TCP by units. */
static bool tally_file(struct tally *t, const char *name)
{
	const char *root = getenv("PCAP_CORPUS");
	char path[512], error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const uint8_t *data;
	pcap_t *file;
	int rc;

	memset(t, 0, sizeof(*t));
	snprintf(path, sizeof(path), "%s/market/%s", root ? root : "../shared/data", name);
	if (access(path, R_OK) < 0) {
		printf("skip - cme_mdp3: %s is not under $PCAP_CORPUS\n", name);
		fflush(stdout);
		return false;
	}
	decode_rig_init(&t->rig, P);
	file = pcap_open_offline(path, error); /* not our reader: this is about the decoder */
	cr_assert_not_null(file, "%s", error);
	while ((rc = pcap_next_ex(file, &head, &data)) == 1) {
		struct frame f;

		cr_assert_eq(frame_parse(bytes_of(data, head->caplen),
				     (enum link_type)pcap_datalink(file), &f),
			0);
		if (f.ip_proto == 17)
			tally_packet(t, f.payload);
		while (f.ip_proto == 6 && bytes_len(f.payload)) {
			int64_t unit = t->rig.protocol->unit(f.payload);

			cr_assert_gt(unit, 0);
			tally_packet(t, bytes_take(&f.payload, (size_t)unit));
		}
	}
	cr_assert_eq(rc, PCAP_ERROR_BREAK, "%s", pcap_geterr(file));
	pcap_close(file);
	cr_expect_eq(t->refused, 0, "%s", name);
	cr_expect_eq(t->wrong, 0, "%s", name);
	cr_expect_eq(t->last, t->ends, "%s: every end of an event is marked once", name);
	return true;
}

/* summary_number finds `"KEY": N` in the answers beside a capture. */
static uint64_t summary_number(const char *capture, const char *key)
{
	static char text[65536];
	const char *root = getenv("PCAP_CORPUS"), *at;
	char path[512], quoted[128];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "%s/market/%s.messages.summary.json",
		root ? root : "../shared/data", capture);
	file = fopen(path, "rb");
	cr_assert_not_null(file, "%s", path);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = 0;
	fclose(file);
	snprintf(quoted, sizeof(quoted), "%s\": ", key);
	at = strstr(text, quoted);
	return at ? strtoull(at + strlen(quoted), NULL, 10) : 0;
}

static void counts_equal(const struct tally *t, const char *capture)
{
	for (unsigned int template = 0; template <TEMPLATES; template ++) {
		char key[16];

		snprintf(key, sizeof(key), " (%u)", template);
		cr_expect_eq(t->template[template], summary_number(capture, key), "%s: template %u",
			capture, template);
	}
	cr_expect_eq(t->messages, summary_number(capture, "\"messages"));
	cr_expect_eq(t->packets, summary_number(capture, "\"packets"));
	cr_expect_eq(t->event[EVENT_MBP], summary_number(capture, "\"incrementalrefreshbookgroup"));
	cr_expect_eq(t->event[EVENT_MBO],
		summary_number(capture, "\"incrementalrefreshbookorderidgroup"));
	cr_expect_eq(t->event[EVENT_TRADE],
		summary_number(capture, "\"incrementalrefreshtradesummarygroup"));
	cr_expect_eq(
		t->fills, summary_number(capture, "\"incrementalrefreshtradesummaryorderidgroup"));
	cr_expect_eq(t->event[EVENT_STATS],
		summary_number(capture, "\"incrementalrefreshsessionstatisticsgroup") +
			summary_number(capture, "\"incrementalrefreshvolumegroup"));
	cr_expect_eq(t->event[EVENT_STATUS], summary_number(capture, "\"securitystatus"));
	cr_expect_gt(t->messages, 0);
}

Test(cme_mdp3, captures_of_versions_6_and_8_have_the_counts_of_their_answers)
{
	static const char *const captures[] = {
		"cme-mdp3-sbe-v1.6.pcapng", "cme-mdp3-sbe-v1.8-volume.pcap"};
	struct tally t;

	for (unsigned int i = 0; i < 2; i++) {
		if (!tally_file(&t, captures[i]))
			cr_skip_test("no captures: set PCAP_CORPUS");
		counts_equal(&t, captures[i]);
		decode_rig_free(&t.rig);
	}
}

/* What Cme.expected.jsonl lists of each sample: messages by template, events by kind. */
static const struct sample {
	const char *name;
	unsigned int packets, messages, template[4], mbp, mbo, trade, fills, definition, stats, bbo,
		system;
} samples[] = {
	{"Cme.Mdp3.Sbe.v1.5__MdIncrementalRefreshBook.pcap", 1, 1, {32}, .mbp = 2},
	{"Cme.Mdp3.Sbe.v1.5__MdIncrementalRefreshTradeSummary.pcap", 1, 1, {42}, .trade = 1,
		.fills = 6},
	{"Cme.Mdp3.Sbe.v1.5__MdInstrumentDefinitionSpread.pcap", 1, 5, {29, 27}, .definition = 5},
	{"Cme.Mdp3.Sbe.v1.9__MdIncrementalRefreshBook.pcap", 1, 2, {46}, .mbp = 23, .mbo = 16,
		.system = 1},
	{"Cme.Mdp3.Sbe.v1.9__MdIncrementalRefreshTradeSummary.pcap", 1, 5, {48, 37, 47, 46},
		.mbp = 2, .mbo = 2, .trade = 1, .fills = 3, .stats = 1},
	{"Cme.Mdp3.Sbe.v1.12__MdIncrementalRefreshTradeSummaryLongQty.pcap", 1, 1, {65},
		.trade = 1},
	{"Cme.Mdp3.Sbe.v1.12__SnapshotFullRefreshTcpLongQty.Tcp.pcap", 1, 1, {68}, .mbp = 7,
		.trade = 1, .stats = 1, .bbo = 2, .system = 1},
	{"Cme.Mdp3.Sbe.v1.12__SecurityListRequest.Tcp.pcap", 1, 1, {208}, .system = 1},
};

Test(cme_mdp3, samples_of_versions_5_9_and_12_decode_over_udp_and_tcp)
{
	struct tally t;

	for (unsigned int i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		char name[256];

		snprintf(name, sizeof(name), "samples/%s", s->name);
		if (!tally_file(&t, name))
			cr_skip_test("no captures: set PCAP_CORPUS");
		cr_expect_eq(t.packets, s->packets, "%s", s->name);
		cr_expect_eq(t.messages, s->messages, "%s: %" PRIu64, s->name, t.messages);
		for (int j = 0; j < 4 && s->template[j]; j++)
			cr_expect_gt(
				t.template[s->template[j]], 0, "%s: %u", s->name, s->template[j]);
		cr_expect_eq(
			t.event[EVENT_MBP], s->mbp, "%s: %" PRIu64, s->name, t.event[EVENT_MBP]);
		cr_expect_eq(
			t.event[EVENT_MBO], s->mbo, "%s: %" PRIu64, s->name, t.event[EVENT_MBO]);
		cr_expect_eq(t.event[EVENT_TRADE], s->trade, "%s", s->name);
		cr_expect_eq(t.fills, s->fills, "%s", s->name);
		cr_expect_eq(t.event[EVENT_DEFINITION], s->definition, "%s", s->name);
		cr_expect_eq(t.event[EVENT_STATS], s->stats, "%s", s->name);
		cr_expect_eq(t.event[EVENT_BBO], s->bbo, "%s", s->name);
		cr_expect_eq(t.event[EVENT_SYSTEM], s->system, "%s", s->name);
		decode_rig_free(&t.rig);
	}
}
