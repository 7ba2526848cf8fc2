/* net: frames that no feed and no FIX session takes -> what there is to say of them: a Packet each,
 * IcmpEvents and DnsTransactions. */
#pragma once

#include "decode/net/dns_table.h"
#include "decode/net/icmp.h"
#include "decode/net/packet.h"

enum { NET_BUCKETS_MAX = 64 };

struct net_options {
	bool packets;           /* make Packet events */
	bool transactions;      /* make IcmpEvents and DnsTransactions */
	uint32_t data_max;      /* bytes of a frame that its Packet event carries */
	uint32_t buckets;       /* streams that flows are spread over */
	uint32_t questions_max; /* DNS questions that wait, a power of two */
	bool udp_first; /* UDP stays in the first bucket: its feeds are recognised by bytes */
};

/* net is all of one worker's look at packets.
 *
 * Owns     its tables
 * Thread   the worker */
struct net {
	struct net_options opt;
	struct events *out;
	void *(*stream_for)(void *ctx, uint32_t bucket); /* NULL = no room */
	void *ctx;
	void *streams[NET_BUCKETS_MAX];
	struct dns_table dns;
	struct icmp_echoes echoes;
};

/* net_init allocates.
 * Takes    out, ctx: kept
 * Returns  0, or -ENOMEM */
int net_init(struct net *net, const struct net_options *opt,
	void *(*stream_for)(void *ctx, uint32_t bucket), void *ctx, struct events *out);
void net_free(struct net *net);

/* net_bucket is the bucket of a frame: by its two addresses, both directions alike; 0 without
 * addresses. It does not depend on workers: bucket b belongs to worker b % workers.
 * Takes    parsed: what frame_parse returned */
uint32_t net_bucket(const struct frame *f, int parsed, uint32_t buckets, bool udp_first);

/* net_frame takes one frame that nobody else had a use for.
 * Takes    in, f: as packet_event; rc: the -REASON_x that it would be dropped for
 * Returns  0 when an event came of it, else rc, or -REASON_stream_table_full */
int net_frame(struct net *net, struct bytes in, const struct frame *f, int rc,
	const struct packet_facts *facts);

/* net_poll lets questions go that have waited too long; net_end all: the source has ended. */
void net_poll(struct net *net, uint64_t now_ns);
void net_end(struct net *net);
