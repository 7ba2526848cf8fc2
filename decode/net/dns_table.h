/* dns_table: questions that wait for their answer. A transaction is found by who asked whom, and its
 * id. The oldest question makes room for a new one and goes out unanswered, as one does that has
 * waited for long. */
#pragma once

#include "decode/frame.h"
#include "decode/net/dns.h"

/* dns_question waits for its answer. */
struct dns_question {
	struct address client, server;
	void *stream; /* of the flow, where its transaction goes */
	uint64_t ts_ns, flow_id;
	uint32_t next; /* of the same slot: index + 1, 0 = none */
	uint32_t slot;
	uint16_t id, flags, qtype, qclass;
	uint8_t ip_version;
	bool over_tcp, waits;
	uint16_t name_len;
	uint8_t name[DNS_NAME_MAX];
};

/* dns_counts: messages = joined + sum(dropped) + those that wait. */
struct dns_counts {
	uint64_t messages, joined, dropped[REASON_COUNT];
	uint64_t transactions, unanswered, evicted; /* evicted: unanswered for want of room */
};

/* dns_table is a circle of questions in the order they came, with an index.
 *
 * Owns     its memory, allocated at init
 * Thread   the worker */
struct dns_table {
	struct dns_counts counts;
	struct dns_question
		*questions; /* first … first + n of the circle, answered ones included */
	uint32_t *slots;    /* index + 1 of the newest question of a slot */
	uint32_t mask, first, n, waiting;
	uint64_t wait_ns;
};

/* dns_message_at is where and when a message was seen. */
struct dns_message_at {
	const struct address *src, *dst;
	uint64_t ts_ns, flow_id;
	uint8_t ip_version;
	bool over_tcp;
};

/* dns_table_init allocates.
 * Takes    size: questions that may wait, a power of two
 * Returns  0, or -ENOMEM */
int dns_table_init(struct dns_table *table, uint32_t size, uint64_t wait_ns);
void dns_table_free(struct dns_table *table);

/* dns_table_take takes a message: a question waits, an answer makes a DnsTransaction. Whoever set
 * out->base did so for this message. */
void dns_table_take(struct dns_table *table, struct events *out, const struct dns_message *m,
	const struct dns_message_at *at);

/* dns_table_age lets questions go that have waited for long; dns_table_end all. */
void dns_table_age(struct dns_table *table, struct events *out, uint64_t now_ns);
void dns_table_end(struct dns_table *table, struct events *out);
