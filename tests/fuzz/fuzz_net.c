/* Frames that nobody takes, on every kind of link, one behind the other in a conversation. Property:
 * what an event points to lies in the frame or in the vector's arena, a DNS message is joined,
 * dropped or waits, and at the end none does. Each frame stands behind its length (2 bytes). */
#include <stdlib.h>

#include "decode/net/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { QUESTIONS = 4 }; /* so that they push each other out */

static struct bytes frame; /* at hand */

static void check(bool good)
{
	if (!good)
		abort();
}

static bool inside(const struct events *evs, const void *p, size_t len)
{
	const uint8_t *b = p;

	return len == 0 || (b >= frame.p && b + len <= frame.end) ||
	       (b >= evs->arena && b + len <= evs->arena + EVENTS_ARENA);
}

static void check_end(const struct events *evs, const struct ev_endpoint *end)
{
	size_t len = bytes_len(end->ip);

	check(len == 0 || len == 4 || len == 16);
	check(inside(evs, end->ip.p, len));
}

static void check_packet(const struct events *evs, const struct ev_packet *pk)
{
	check(pk->cap_len == bytes_len(frame) && pk->net_offset <= pk->cap_len);
	check_end(evs, &pk->src);
	check_end(evs, &pk->dst);
	check(inside(evs, pk->eth_src.p, bytes_len(pk->eth_src)));
	check(inside(evs, pk->data.p, bytes_len(pk->data)));
	check(inside(evs, pk->info.p, pk->info.len));
	check(inside(evs, pk->vlan_tci, pk->vlan_tci_n * sizeof(*pk->vlan_tci)));
	for (uint32_t i = 0; i < pk->info.len; i++)
		check(pk->info.p[i] >= 0x20 && pk->info.p[i] < 0x7f);
}

static void check_dns(const struct events *evs, const struct ev_dns_transaction *dns)
{
	check_end(evs, &dns->client);
	check_end(evs, &dns->server);
	check(dns->qname.len < DNS_NAME_TEXT && inside(evs, dns->qname.p, dns->qname.len));
	check(dns->answers_n <= DNS_ANSWERS_MAX);
	for (uint32_t i = 0; i < dns->answers_n; i++)
		check(inside(evs, dns->answers[i].p, dns->answers[i].len));
}

static void take(struct events *evs)
{
	for (uint32_t i = 0; i < evs->n; i++) {
		const struct event *ev = evs->ev[i];

		check(ev->type == EVENT_PACKET || ev->type == EVENT_DNS || ev->type == EVENT_ICMP);
		if (ev->type == EVENT_PACKET)
			check_packet(evs, &ev->packet);
		else if (ev->type == EVENT_DNS)
			check_dns(evs, &ev->dns);
		else
			check_end(evs, &ev->icmp.inner_src);
	}
}

static void *stream_for(void *ctx, uint32_t bucket)
{
	check(bucket < NET_BUCKETS_MAX);
	return (uint8_t *)ctx + bucket;
}

static void play(struct bytes in, enum link_type link, bool transactions)
{
	struct net_options opt = {.packets = true,
		.transactions = transactions,
		.data_max = 64,
		.buckets = 3,
		.questions_max = QUESTIONS};
	struct packet_facts facts = {.link = link};
	struct events evs;
	struct net net;
	uint8_t streams[NET_BUCKETS_MAX];
	uint64_t dropped = 0;

	check(events_init(&evs, take, NULL) == 0);
	check(net_init(&net, &opt, stream_for, streams, &evs) == 0);
	while (bytes_has(in, 2)) {
		size_t len = load_be16(in.p) % 2048;
		struct frame f;
		uint8_t *exact;

		in.p += 2;
		len = len < bytes_len(in) ? len : bytes_len(in);
		exact = malloc(len ? len : 1);
		check(exact);
		memcpy(exact, in.p, len);
		frame = bytes_of(exact, len);
		in.p += len;
		facts.number++;
		facts.ts_ns += 3000000000;
		facts.wire_len = (uint32_t)len;
		check(net_frame(&net, frame, &f, frame_parse(frame, link, &f), &facts) == 0);
		net_poll(&net, facts.ts_ns);
		events_flush(&evs);
		free(exact);
	}
	frame = (struct bytes){0};
	net_end(&net);
	for (int i = 0; i < REASON_COUNT; i++)
		dropped += net.dns.counts.dropped[i];
	check(net.dns.counts.messages == net.dns.counts.joined + dropped && net.dns.waiting == 0);
	net_free(&net);
	events_free(&evs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum link_type links[] = {LINK_ETHERNET, LINK_RAW, LINK_LINUX_SLL2};

	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		play(bytes_of(data, size), links[i], true);
		play(bytes_of(data, size), links[i], false);
	}
	return 0;
}
