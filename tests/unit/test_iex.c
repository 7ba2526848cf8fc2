/* IEX TOPS and DEEP: the vectors of their schema files, IEX-TP, and real streams. */
#include "tests/support/corpus.h"
#include "tests/support/rows_check.h"
#include "tests/support/vector_check.h"

#include <criterion/criterion.h>

TestSuite(iex, .timeout = 120);

/* version 1, protocol, channel 1, session 1132527616, payload and count 0, offset 0, sequence 4711,
 * send time */
static const uint8_t head_deep[] = "\1\0\4\x80\1\0\0\0\0\0\x81\x43\0\0\0\0\0\0\0\0\0\0\0\0\x67\x12"
				   "\0\0\0\0\0\0\1\2\3\4\5\6\7\x08";
static const uint8_t head_tops[] = "\1\0\3\x80\1\0\0\0\0\0\x81\x43\0\0\0\0\0\0\0\0\0\0\0\0\x67\x12"
				   "\0\0\0\0\0\0\1\2\3\4\5\6\7\x08";
enum { HEAD_LEN = 40 };

Test(iex, rows_are_those_of_the_events)
{
	cr_assert_gt(rows_check_vectors("iex_tops"), 2);
	cr_assert_gt(rows_check_vectors("iex_deep"), 2);
}

Test(iex, every_message_type_makes_the_events_its_vector_says)
{
	cr_assert_gt(vectors_check("iex_tops"), 14);
	cr_assert_gt(vectors_check("iex_deep"), 15);
}

Test(iex, every_prefix_of_every_message_is_refused_and_changes_nothing)
{
	cr_assert_gt(prefixes_check("iex_tops"), 400);
	cr_assert_gt(prefixes_check("iex_deep"), 400);
}

Test(iex, a_datagram_is_recognised_when_it_fits_to_the_byte)
{
	cr_assert_eq(datagrams_check("iex_deep", bytes_of(head_deep, HEAD_LEN), 14, 12, false), 0);
	cr_assert_eq(datagrams_check("iex_tops", bytes_of(head_tops, HEAD_LEN), 14, 12, false), 0);
}

Test(iex, the_header_says_channel_session_sequence_and_time)
{
	const struct protocol *deep = protocol_find(STR("iex_deep")),
			      *tops = protocol_find(STR("iex_tops"));
	uint8_t data[HEAD_LEN + 8] = {0};
	struct feed_packet pkt;

	memcpy(data, head_deep, HEAD_LEN);
	cr_assert_eq(deep->packet(bytes_of(data, HEAD_LEN), &pkt), 0);
	cr_assert_eq(pkt.kind, FEED_HEARTBEAT);
	cr_assert(deep->recognise(bytes_of(data, HEAD_LEN)));
	data[12] = 5; /* payload of 5 bytes, 3 more behind it */
	data[14] = 1;
	cr_assert_eq(deep->packet(bytes_of(data, sizeof(data)), &pkt), 0);
	cr_assert_eq(pkt.kind, FEED_DATA);
	cr_assert(pkt.has_channel);
	cr_assert_eq(pkt.channel, 1);
	cr_assert_eq(pkt.session_id, 1132527616);
	cr_assert_eq(pkt.session.len, 0);
	cr_assert_eq(pkt.seq, 4711);
	cr_assert_eq(pkt.count, 1);
	cr_assert_eq(pkt.ts_send_ns, 0x0807060504030201);
	cr_assert_eq(bytes_len(pkt.messages), 5);
	cr_assert_eq(tops->packet(bytes_of(data, sizeof(data)), &pkt), -REASON_feed_header);
	data[2] = 2; /* TOPS 1.5 */
	cr_assert_eq(tops->packet(bytes_of(data, sizeof(data)), &pkt), 0);
	data[0] = 2; /* version */
	cr_assert_eq(tops->packet(bytes_of(data, sizeof(data)), &pkt), -REASON_feed_header);
}

struct walk {
	struct decode_rig rig;
	uint64_t counts[256], refused, recognised, last, next_seq, gaps;
};

static void walk_datagram(void *ctx, struct bytes payload)
{
	struct walk *walk = ctx;
	struct feed_packet pkt;

	walk->recognised += walk->rig.protocol->recognise(payload);
	cr_assert_eq(walk->rig.protocol->packet(payload, &pkt), 0);
	walk->gaps += walk->next_seq && pkt.seq != walk->next_seq;
	walk->next_seq = pkt.seq + pkt.count;
	for (uint32_t i = 0; i < pkt.count; i++) {
		uint8_t type = bytes_len(pkt.messages) > 2 ? pkt.messages.p[2] : 0;
		int n = walk->rig.protocol->message(
			&walk->rig.state, &pkt.messages, &walk->rig.out);

		walk->refused += n <= 0;
		walk->counts[type] += n > 0;
		if (n > 0)
			walk->last += walk->rig.out.last_push->flags & EVENT_FLAG_LAST;
		decode_rig_empty(&walk->rig);
	}
	cr_expect_eq(bytes_len(pkt.messages), 0);
}

static void stream(const char *protocol, const char *file, const char *answer, int packets)
{
	struct walk walk = {.refused = 0};
	uint64_t expected[256] = {0};
	int found;

	decode_rig_init(&walk.rig, protocol);
	found = corpus_datagrams(file, walk_datagram, &walk);
	if (found < 0 || !corpus_type_counts(answer, expected))
		cr_skip_test("no captures: set PCAP_CORPUS");
	cr_assert_eq(found, packets);
	cr_assert_eq(walk.recognised, (uint64_t)packets);
	cr_assert_eq(walk.refused, 0);
	cr_assert_eq(walk.gaps, 0);
	for (int i = 0; i < 256; i++)
		cr_assert_eq(walk.counts[i], expected[i], "type %c", i);
	decode_rig_free(&walk.rig);
}

Test(iex, the_real_deep_stream_decodes_with_the_counts_of_its_answer)
{
	stream("iex_deep", "market/iex-deep-v1.0.part1.pcap",
		"market/iex-deep-v1.0.part1.pcap.messages.summary.json", 5000);
}

Test(iex, the_real_tops_stream_decodes_with_the_counts_of_its_answer)
{
	stream("iex_tops", "market/iex-tops-v1.6.part1.pcap",
		"market/iex-tops-v1.6.part1.pcap.messages.summary.json", 6500);
}
