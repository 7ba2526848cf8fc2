/* Hot path: no allocation, lock, system call or log. */
#include "decode/net/net.h"

enum {
	MDNS_PORT = 5353,
	LLMNR_PORT = 5355,
	INFO_MAX = 1200, /* bytes of a line's text */
};

uint32_t net_bucket(const struct frame *f, int parsed, uint32_t buckets, bool udp_first)
{
	if (!f->ip_version || (udp_first && f->ip_proto == IP_PROTO_UDP && frame_whole(f, parsed)))
		return 0;
	return frame_hash(f) % buckets;
}

/* stream_of opens the stream of a bucket when its first packet comes. */
static void *stream_of(struct net *net, uint32_t bucket)
{
	if (!net->streams[bucket])
		net->streams[bucket] = net->stream_for(net->ctx, bucket);
	return net->streams[bucket];
}

static bool icmp_look(struct net *net, const struct frame *f, struct ev_packet *pk, uint64_t ts_ns)
{
	struct icmp_message m;
	char room[INFO_MAX];
	struct text t = TEXT_ON(room);

	if (icmp_parse(f, &m) < 0)
		return false;
	if (pk) {
		icmp_info(&t, &m);
		packet_say(net->out, pk, m.v6 ? "icmp6" : "icmp", &t);
	}
	if (net->opt.transactions)
		icmp_event(&net->echoes, net->out, f, &m, ts_ns);
	return net->opt.transactions;
}

static bool has_port(const struct frame *f, uint16_t port)
{
	return f->src.port == port || f->dst.port == port;
}

/* dns_message_take takes one DNS message; pk, if any, says what the first one says. */
static void dns_message_take(struct net *net, struct bytes in, const struct frame *f,
	struct ev_packet *pk, uint64_t ts_ns)
{
	struct dns_message m;
	char room[INFO_MAX];
	struct text t = TEXT_ON(room);
	bool transaction = net->opt.transactions && has_port(f, DNS_PORT);
	int rc = dns_parse(in, &m);

	net->dns.counts.messages += transaction;
	if (rc < 0) {
		net->dns.counts.dropped[-rc] += transaction;
		return;
	}
	if (pk) {
		dns_info(&t, &m);
		packet_say(net->out, pk, has_port(f, DNS_PORT) ? "dns" : "mdns", &t);
	}
	if (transaction) {
		struct dns_message_at at = {.src = &f->src,
			.dst = &f->dst,
			.ts_ns = ts_ns,
			.flow_id = packet_flow_id(f),
			.ip_version = f->ip_version,
			.over_tcp = f->ip_proto == IP_PROTO_TCP};

		dns_table_take(&net->dns, net->out, &m, &at);
	}
}

/* dns_look finds DNS by its port. Over TCP each message stands behind its length, whole in one
 * segment or not looked at. Returns whether there was any */
static bool dns_look(struct net *net, const struct frame *f, struct ev_packet *pk, uint64_t ts_ns)
{
	struct bytes in = f->payload;
	bool udp = f->ip_proto == IP_PROTO_UDP;
	uint64_t before = net->dns.counts.messages;

	if (in.p == in.end || !(has_port(f, DNS_PORT) ||
				      (udp && (has_port(f, MDNS_PORT) || has_port(f, LLMNR_PORT)))))
		return false;
	if (udp) {
		dns_message_take(net, in, f, pk, ts_ns);
	} else {
		for (; bytes_has(in, 2); pk = NULL) {
			size_t len = load_be16(in.p);

			if (!bytes_has(in, 2 + len) || len == 0)
				break;
			in.p += 2;
			dns_message_take(net, bytes_take(&in, len), f, pk, ts_ns);
		}
	}
	return net->dns.counts.messages != before;
}

int net_frame(struct net *net, struct bytes in, const struct frame *f, int rc,
	const struct packet_facts *facts)
{
	int parsed = f->payload.p ? 0 : rc;

	void *stream = stream_of(net, net_bucket(f, parsed, net->opt.buckets, net->opt.udp_first));
	struct ev_packet *pk = NULL;
	bool made = net->opt.packets;

	if (!stream)
		return -REASON_stream_table_full;
	events_switch(net->out, stream);
	net->out->base = (struct event){.ts_recv_ns = facts->ts_ns};
	net->out->sub_seq = 0;
	if (net->opt.packets)
		pk = packet_event(net->out, in, f, facts, net->opt.data_max);
	if (f->ip_version && (f->ip_proto == IP_PROTO_ICMP || f->ip_proto == IP_PROTO_ICMP6))
		made |= icmp_look(net, f, pk, facts->ts_ns);
	else if (f->payload.p)
		made |= dns_look(net, f, pk, facts->ts_ns);
	return made ? 0 : rc;
}

void net_poll(struct net *net, uint64_t now_ns)
{
	dns_table_age(&net->dns, net->out, now_ns);
}
