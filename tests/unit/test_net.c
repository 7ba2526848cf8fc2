#include <criterion/criterion.h>
#include <stdio.h>

#include "decode/net/net.h"

TestSuite(net, .timeout = 20);

enum { QUESTIONS = 64, STREAMS = NET_BUCKETS_MAX };
enum { ALICE = 1, BOB = 2, S = 1000000000 };

static struct events evs;
static struct net net;
static uint8_t streams[STREAMS];
static struct event seen[256];
static struct { /* copied out before the frame goes */
	char info[256], protocol[16], answer[64], qname[64];
} texts[256];
static unsigned seen_n;

static void copy(char *out, size_t room, struct str text)
{
	cr_assert_lt(text.len, room);
	memcpy(out, text.p ? text.p : "", text.len);
	out[text.len] = '\0';
}

static void take(struct events *out)
{
	for (uint32_t i = 0; i < out->n; i++, seen_n++) {
		const struct event *ev = out->ev[i];

		seen[seen_n] = *ev;
		if (ev->type == EVENT_PACKET) {
			copy(texts[seen_n].info, 256, ev->packet.info);
			copy(texts[seen_n].protocol, 16, ev->packet.protocol);
		} else if (ev->type == EVENT_DNS) {
			copy(texts[seen_n].qname, 64, ev->dns.qname);
			if (ev->dns.answers_n)
				copy(texts[seen_n].answer, 64, ev->dns.answers[0]);
		}
	}
}

static void *stream_for(void *ctx, uint32_t bucket)
{
	(void)ctx;
	return &streams[bucket];
}

static void open_net(bool packets, bool transactions)
{
	struct net_options opt = {packets, transactions, 0, STREAMS, QUESTIONS, false};

	seen_n = 0;
	cr_assert_eq(events_init(&evs, take, NULL), 0);
	cr_assert_eq(net_init(&net, &opt, stream_for, NULL, &evs), 0);
}

static void close_net(void)
{
	net_free(&net);
	events_free(&evs);
}

/* frame_of puts IPv4 10.0.0.FROM -> 10.0.0.TO around what stands behind it. Returns its length */
static size_t frame_of(
	uint8_t *frame, uint8_t proto, uint8_t from, uint8_t to, const void *body, size_t len)
{
	uint8_t head[34] = {[12] = 8,
		[14] = 0x45,
		[17] = (uint8_t)(20 + len),
		[22] = 64,
		[23] = proto,
		[26] = 10,
		[29] = from,
		[30] = 10,
		[33] = to};

	memcpy(frame, head, sizeof(head));
	memcpy(frame + sizeof(head), body, len);
	return sizeof(head) + len;
}

static int show(const uint8_t *p, size_t len, uint64_t ts_ns)
{
	struct packet_facts facts = {7, ts_ns, (uint32_t)len, LINK_ETHERNET};
	struct frame f;
	int rc = frame_parse(bytes_of(p, len), LINK_ETHERNET, &f);

	rc = net_frame(&net, bytes_of(p, len), &f, rc ? rc : -REASON_no_feed, &facts);
	net_poll(&net, ts_ns);
	events_flush(&evs);
	return rc;
}

/* dns shows a message between ALICE's port and BOB's port 53: a question for "a", or its answer. */
static void dns(bool answer, uint16_t port, uint8_t id, uint64_t ts_ns)
{
	uint8_t body[8 + 35] = {0, 53, (uint8_t)(port >> 8), (uint8_t)port, 0, 8 + 35, 0, 0,
		/* header: answer, recursion desired and available, 1 question, 1 answer */
		0, id, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1, /* a IN A */
		0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2,
		1}; /* a IN A, 60 s, 192.0.2.1 */
	uint8_t frame[128];

	if (!answer) {
		memcpy(body, (uint8_t[]){(uint8_t)(port >> 8), (uint8_t)port, 0, 53, 0, 8 + 19}, 6);
		memcpy(body + 10, (uint8_t[]){1, 0, 0, 1, 0, 0}, 6);
	}
	show(frame,
		frame_of(frame, IP_PROTO_UDP, answer ? BOB : ALICE, answer ? ALICE : BOB, body,
			answer ? 8 + 35 : 8 + 19),
		ts_ns);
}

Test(net, a_segment_says_all_that_its_headers_say, .fini = close_net)
{
	const uint8_t syn[20] = {0x04, 0xd2, 0, 80, 0, 0, 0, 9, 0, 0, 0, 8, 0x50, 0x12, 1, 2};
	const struct ev_packet *pk = &seen[0].packet;
	uint8_t frame[128];

	open_net(true, false);
	cr_assert_eq(show(frame, frame_of(frame, IP_PROTO_TCP, ALICE, BOB, syn, 20), S), 0);
	cr_assert_eq(seen_n, 1);
	cr_assert_eq(seen[0].ts_recv_ns, S);
	cr_assert_eq(pk->number, 7);
	cr_assert_eq(pk->ethertype, 0x0800);
	cr_assert_eq(pk->src.port, 1234);
	cr_assert_eq(pk->dst.port, 80);
	cr_assert_eq(pk->tcp_flags, 0x12);
	cr_assert_eq(pk->tcp_seq, 9);
	cr_assert_eq(pk->tcp_ack, 8);
	cr_assert_eq(pk->tcp_window, 0x0102);
	cr_assert_eq(pk->payload_len, 0);
	cr_assert_eq(pk->ip_len, 40);
	cr_assert_eq(pk->net_offset, 14);
	cr_assert_str_eq(texts[0].protocol, "tcp");
}

Test(net, a_frame_without_an_event_keeps_its_reason, .fini = close_net)
{
	const uint8_t udp[8] = {0, 5, 0, 6, 0, 8};
	uint8_t frame[128];

	open_net(false, true);
	cr_assert_eq(
		show(frame, frame_of(frame, IP_PROTO_UDP, ALICE, BOB, udp, 8), S), -REASON_no_feed);
	cr_assert_eq(show(frame, 3, S), -REASON_too_short);
	cr_assert_eq(seen_n, 0);
}

Test(net, a_reply_knows_how_long_its_echo_took, .fini = close_net)
{
	uint8_t echo[8] = {8, 0, 0, 0, 0, 7, 0, 1}, frame[128];

	open_net(true, true);
	show(frame, frame_of(frame, IP_PROTO_ICMP, ALICE, BOB, echo, 8), S);
	echo[0] = 0;
	show(frame, frame_of(frame, IP_PROTO_ICMP, BOB, ALICE, echo, 8), S + 250);
	show(frame, frame_of(frame, IP_PROTO_ICMP, BOB, ALICE, echo, 8), S + 300);
	cr_assert_eq(seen_n, 6);
	cr_assert_str_eq(texts[0].info, "echo request, id 7, seq 1");
	cr_assert_eq(seen[1].icmp.rtt_ns, 0);
	cr_assert_eq(seen[3].icmp.rtt_ns, 250);
	cr_assert_eq(seen[5].icmp.rtt_ns, 0, "its echo was answered before");
}

Test(net, a_question_and_its_answer_are_one_transaction, .fini = close_net)
{
	open_net(true, true);
	dns(false, 1111, 1, S);
	dns(false, 1111, 1, S + 10); /* asked again */
	dns(false, 1111, 2, S + 20);
	cr_assert_eq(seen_n, 3, "questions wait");
	cr_assert_str_eq(texts[0].info, "1+ A? a.");
	cr_assert_str_eq(texts[0].protocol, "dns");
	dns(true, 1111, 1, S + 500);
	cr_assert_eq(seen_n, 5);
	cr_assert_str_eq(texts[3].info, "1 1/0/0 A 192.0.2.1");
	cr_assert_eq(seen[4].type, EVENT_DNS);
	cr_assert_eq(seen[4].dns.rtt_ns, 500);
	cr_assert_eq(seen[4].dns.client.port, 1111);
	cr_assert_eq(seen[4].dns.min_ttl, 60);
	cr_assert(seen[4].dns.answered);
	cr_assert_str_eq(texts[4].qname, "a");
	cr_assert_str_eq(texts[4].answer, "A 192.0.2.1");
	net_end(&net);
	cr_assert_eq(seen_n, 6);
	cr_assert_eq(seen[5].ts_recv_ns, S + 20);
	cr_assert(!seen[5].dns.answered);
	cr_assert_eq(seen[5].dns.id, 2);
	cr_assert_eq(net.dns.counts.messages, 4);
	cr_assert_eq(net.dns.counts.joined, 4);
}

Test(net, a_question_waits_ten_seconds, .fini = close_net)
{
	open_net(false, true);
	dns(false, 1111, 1, S);
	dns(false, 1111, 2, 11ull * S);
	cr_assert_eq(seen_n, 0);
	dns(true, 1111, 2, 11ull * S + 1);
	cr_assert_eq(seen_n, 2);
	cr_assert_eq(seen[0].dns.id, 2);
	cr_assert_eq(seen[1].dns.id, 1);
	cr_assert(!seen[1].dns.answered);
}

Test(net, the_oldest_question_makes_room, .fini = close_net)
{
	open_net(false, true);
	for (unsigned i = 0; i <= QUESTIONS; i++)
		dns(false, (uint16_t)(1000 + i), 1, S + i);
	cr_assert_eq(seen_n, 1);
	cr_assert_eq(seen[0].dns.client.port, 1000);
	cr_assert_eq(net.dns.counts.evicted, 1);
	dns(true, 1000, 1, 2ull * S);
	cr_assert_eq(seen[1].dns.rtt_ns, 0, "an answer whose question is gone");
	dns(true, 1001, 1, 2ull * S);
	cr_assert_eq(seen[2].dns.rtt_ns, S - 1);
}

Test(net, a_message_says_what_it_asks_for)
{
	static const char *const words[16] = {"", " inv_q", " stat", " op3", " notify", " update",
		" dso", " op7", " op8", " op9", " op10", " op11", " op12", " op13", " op14",
		" op15"};
	uint8_t m[19] = {0, 1, 0, 0, 0, 1, [12] = 1, 'a', 0, 0, 6, 0, 1}; /* a SOA IN */

	for (unsigned flags = 0; flags < 32; flags++) {
		char room[64], want[64];
		struct text t = TEXT_ON(room);
		struct dns_message parsed;
		bool answer = flags & 16;

		m[2] = (uint8_t)(flags << 3);
		cr_assert_eq(dns_parse(bytes_of(m, sizeof(m)), &parsed), 0);
		cr_assert_eq(dns_opcode(parsed.flags), flags & 15);
		dns_info(&t, &parsed);
		room[t.len] = '\0';
		snprintf(want, sizeof(want), "1%s%s", words[flags & 15],
			answer ? "- 0/0/0" : " SOA? a.");
		cr_assert_str_eq(room, want);
	}
}

Test(net, a_pointer_leads_backwards_alone)
{
	uint8_t m[18] = {0, 1, 1, 0, 0, 1, [12] = 0xc0, [13] = 12, [15] = 1, [17] = 1};
	struct dns_message parsed;

	for (m[13] = 12; m[13] < 32; m[13]++)
		cr_assert_eq(dns_parse(bytes_of(m, sizeof(m)), &parsed), -REASON_bad_dns);
	m[12] = m[13] = 0;
	cr_assert_eq(dns_parse(bytes_of(m, 16), &parsed), -REASON_bad_dns, "cut");
	cr_assert_eq(dns_parse(bytes_of(m, 17), &parsed), 0);
	cr_assert_eq(parsed.name_len, 1);
}
