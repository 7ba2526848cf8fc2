/* ITCH 5.0: the vectors of schemas/itch50.layout, MoldUDP64, and real streams. */
#include "tests/support/corpus.h"
#include "tests/support/rows_check.h"
#include "tests/support/vector_check.h"

#include <criterion/criterion.h>

TestSuite(itch50, .timeout = 120);

/* session "0000000001", sequence 4711, count 0 */
static const uint8_t mold_head[] = "0000000001\0\0\0\0\0\0\x12\x67\0\0";
enum { HEAD_LEN = sizeof(mold_head) - 1, MESSAGE_TYPES = 23 };

Test(itch50, rows_are_those_of_the_events)
{
	cr_assert_gt(rows_check_vectors("itch50"), 8);
}

Test(itch50, every_message_type_makes_the_events_its_vector_says)
{
	bool seen[256] = {false};
	int types = 0;

	cr_assert_gt(vectors_check("itch50"), MESSAGE_TYPES - 1);
	for (unsigned int i = 0; i < test_vectors_n; i++) {
		if (strcmp(test_vectors[i].protocol, "itch50") == 0)
			seen[test_vectors[i].data[0]] = true;
	}
	for (int i = 0; i < 256; i++)
		types += seen[i];
	cr_assert_eq(types, MESSAGE_TYPES);
}

Test(itch50, every_prefix_of_every_message_is_refused_and_changes_nothing)
{
	cr_assert_gt(prefixes_check("itch50"), 800);
}

Test(itch50, a_datagram_is_recognised_when_it_fits_to_the_byte)
{
	cr_assert_eq(datagrams_check("itch50", bytes_of(mold_head, HEAD_LEN), 18, 0, true), 0);
}

Test(itch50, the_header_says_session_sequence_and_count)
{
	uint8_t data[HEAD_LEN + 4];
	struct feed_packet pkt;
	const struct protocol *p = protocol_find(STR("itch50"));

	memcpy(data, mold_head, HEAD_LEN);
	memset(data + HEAD_LEN, 0, 4);
	data[9] = ' ';
	data[19] = 2;
	cr_assert_eq(p->packet(bytes_of(data, sizeof(data)), &pkt), 0);
	cr_assert_eq(pkt.kind, FEED_DATA);
	cr_assert(str_equal(pkt.session, STR("000000000")));
	cr_assert_eq(pkt.seq, 4711);
	cr_assert_eq(pkt.count, 2);
	cr_assert_eq(bytes_len(pkt.messages), 4);
	cr_assert_not(pkt.has_channel);
	for (size_t len = 0; len < HEAD_LEN; len++)
		cr_assert_eq(p->packet(bytes_of(data, len), &pkt), -REASON_feed_header);
}

Test(itch50, a_count_of_0_is_a_heartbeat_and_ffff_ends_the_session)
{
	uint8_t data[HEAD_LEN];
	struct feed_packet pkt;
	const struct protocol *p = protocol_find(STR("itch50"));

	memcpy(data, mold_head, HEAD_LEN);
	cr_assert_eq(p->packet(bytes_of(data, HEAD_LEN), &pkt), 0);
	cr_assert_eq(pkt.kind, FEED_HEARTBEAT);
	cr_assert_eq(pkt.count, 0);
	cr_assert(p->recognise(bytes_of(data, HEAD_LEN)));
	data[18] = data[19] = 0xff;
	cr_assert_eq(p->packet(bytes_of(data, HEAD_LEN), &pkt), 0);
	cr_assert_eq(pkt.kind, FEED_END_OF_SESSION);
	cr_assert_eq(pkt.count, 0);
	cr_assert_eq(pkt.seq, 4711);
}

Test(itch50, messages_of_unknown_type_are_named_and_stepped_over)
{
	static const uint8_t data[] = {0, 3, '~', 1, 2, 0, 0, 0, 1, 'S'};
	struct bytes in = bytes_of(data, sizeof(data));
	struct decode_rig rig;

	decode_rig_init(&rig, "itch50");
	cr_assert_eq(rig.protocol->message(&rig.state, &in, &rig.out), -REASON_unknown_type);
	cr_assert_eq(in.p, data + 5);
	/* a message of no bytes, and one below its minimum */
	cr_assert_eq(rig.protocol->message(&rig.state, &in, &rig.out), -REASON_message_length);
	cr_assert_eq(in.p, data + 7);
	cr_assert_eq(rig.protocol->message(&rig.state, &in, &rig.out), -REASON_message_length);
	cr_assert_eq(in.p, in.end);
	cr_assert_eq(rig.out.pushed, 0);
	decode_rig_free(&rig);
}

Test(itch50, a_message_longer_than_known_is_read_as_far_as_known)
{
	uint8_t data[64] = {0};
	struct decode_rig rig;

	memcpy(data, "D\0\1\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\x2a", 19);
	decode_rig_init(&rig, "itch50");
	cr_assert_eq(rig.protocol->body(&rig.state, bytes_of(data, 25), &rig.out), 1);
	cr_assert_eq(rig.out.ev[0]->mbo.order_id, 42);
	decode_rig_free(&rig);
}

Test(itch50, time_counts_from_the_midnight_of_the_channel)
{
	struct decode_rig rig;

	decode_rig_init(&rig, "itch50");
	rig.state.midnight_ns = 1000;
	cr_assert_eq(rig.protocol->body(&rig.state,
			     bytes_of("D\0\1\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\x2a", 19), &rig.out),
		1);
	cr_assert_eq(rig.out.ev[0]->ts_event_ns, 1007);
	decode_rig_free(&rig);
}

struct walk {
	struct decode_rig rig;
	uint64_t counts[256], events[256], refused, packets, recognised;
};

static void walk_datagram(void *ctx, struct bytes payload)
{
	struct walk *walk = ctx;
	struct feed_packet pkt;

	walk->packets++;
	walk->recognised += walk->rig.protocol->recognise(payload);
	if (walk->rig.protocol->packet(payload, &pkt) < 0)
		return;
	for (uint32_t i = 0; i < pkt.count; i++) {
		uint8_t type = bytes_len(pkt.messages) > 2 ? pkt.messages.p[2] : 0;
		int n = walk->rig.protocol->message(
			&walk->rig.state, &pkt.messages, &walk->rig.out);

		walk->refused += n < 0;
		walk->counts[type] += n >= 0;
		walk->events[type] += n > 0 ? (uint64_t)n : 0;
		decode_rig_empty(&walk->rig);
	}
	cr_expect_eq(bytes_len(pkt.messages), 0);
}

Test(itch50, the_real_packets_decode)
{
	/* add order, order replace of BX; participant position, imbalance, execution, trading
	 * action of NSM */
	static const char *const files[] = {
		"market/samples/"
		"Nasdaq.Bx.Equities.TotalView.Itch.v5.0__AddOrderNoMpidAttributionMessage.pcap",
		"market/samples/Nasdaq.Bx.Equities.TotalView.Itch.v5.0__OrderReplaceMessage.pcap",
		"market/samples/"
		"Nasdaq.Nasdaq.Equities.TotalView.Itch.v5.0__MarketParticipantPositionMessage.pcap",
		"market/samples/"
		"Nasdaq.Nasdaq.Equities.TotalView.Itch.v5.0__NetOrderImbalanceIndicatorMessage."
		"pcap",
		"market/samples/"
		"Nasdaq.Nasdaq.Equities.TotalView.Itch.v5.0__OrderExecutedMessage.pcap",
		"market/samples/"
		"Nasdaq.Nasdaq.Equities.TotalView.Itch.v5.0__StockTradingActionMessage.pcap",
	};
	struct walk walk = {.refused = 0};

	decode_rig_init(&walk.rig, "itch50");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (corpus_datagrams(files[i], walk_datagram, &walk) < 0)
			cr_skip_test("no captures: set PCAP_CORPUS");
	}
	cr_assert_eq(walk.packets, 6);
	cr_assert_eq(walk.recognised, 6);
	cr_assert_eq(walk.refused, 0);
	cr_assert_gt(walk.counts['A'] + walk.counts['E'], 0);
	cr_assert_gt(walk.counts['I'], 0);
	decode_rig_free(&walk.rig);
}

Test(itch50, other_dialects_over_moldudp64_are_not_recognised)
{
	static const char *const files[] = {
		"market/samples/Asx.Ntp.Itch.v1.05__AddOrder.pcap",
		"market/samples/Asx.Ntp.Itch.v1.05__OrderExecuted.pcap",
		"market/samples/Asx.Ntp.Itch.v1.05__TradeExecuted.pcap",
	};
	struct walk walk = {.refused = 0};

	decode_rig_init(&walk.rig, "itch50");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (corpus_datagrams(files[i], walk_datagram, &walk) < 0)
			cr_skip_test("no captures: set PCAP_CORPUS");
	}
	cr_assert_eq(walk.recognised, 0);
	decode_rig_free(&walk.rig);
}

/* length_of is the length of a message type, by its vector. */
static size_t length_of(uint8_t type)
{
	for (unsigned int i = 0; i < test_vectors_n; i++) {
		if (strcmp(test_vectors[i].protocol, "itch50") == 0 &&
			test_vectors[i].data[0] == type)
			return test_vectors[i].len;
	}
	return 0;
}

Test(itch50, the_message_file_decodes_with_the_counts_of_its_answer)
{
	struct bytes file = corpus_file("market/itch50-ritch-example.bin"), in = file;
	struct walk walk = {.refused = 0};
	uint64_t expected[256] = {0};

	if (!file.p ||
		!corpus_type_counts("market/itch50-ritch-example.bin.expected.json", expected))
		cr_skip_test("no captures: set PCAP_CORPUS");
	decode_rig_init(&walk.rig, "itch50");
	while (bytes_len(in) > 2) { /* this file's length prefixes are all 0 */
		size_t len = length_of(in.p[2]);

		cr_assert_gt(len, 0);
		cr_assert(bytes_has(in, 2 + len));
		in.p += 2;
		cr_assert_eq(walk.rig.protocol->body(
				     &walk.rig.state, bytes_of(in.p, len), &walk.rig.out),
			1);
		cr_assert_eq(walk.rig.out.ev[0]->template_id, in.p[0]);
		cr_assert_eq(walk.rig.out.ev[0]->flags & EVENT_FLAG_NO_DEFINITION, 0,
			"every locate is in the directory");
		walk.counts[in.p[0]]++;
		decode_rig_empty(&walk.rig);
		in.p += len;
	}
	cr_assert_eq(bytes_len(in), 0);
	for (int i = 0; i < 256; i++)
		cr_assert_eq(walk.counts[i], expected[i], "type %c", i);
	decode_rig_free(&walk.rig);
	corpus_free(file);
}
