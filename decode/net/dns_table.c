/* Hot path: no allocation, lock, system call or log. */
#include "decode/net/dns_table.h"

static uint32_t slot_of(const struct dns_table *table, const struct address *client,
	const struct address *server, uint16_t id)
{
	uint64_t h = load_le64(client->ip + 8) * 31 ^ load_le64(server->ip + 8);

	h ^= (uint64_t)id << 32 | (uint32_t)client->port << 16 | server->port;
	h ^= h >> 29;
	h *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 32) & table->mask;
}

static bool address_equal(const struct address *a, const struct address *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static struct dns_question *find(const struct dns_table *table, uint32_t slot,
	const struct address *client, const struct address *server, const struct dns_message *m)
{
	for (uint32_t i = table->slots[slot]; i; i = table->questions[i - 1].next) {
		struct dns_question *q = &table->questions[i - 1];

		if (q->id == m->id && dns_opcode(q->flags) == dns_opcode(m->flags) &&
			address_equal(&q->client, client) && address_equal(&q->server, server))
			return q;
	}
	return NULL;
}

/* take_out ends the wait of q. */
static void take_out(struct dns_table *table, struct dns_question *q)
{
	uint32_t *link = &table->slots[q->slot];

	while (*link != (uint32_t)(q - table->questions) + 1)
		link = &table->questions[*link - 1].next;
	*link = q->next;
	q->waits = false;
	table->waiting--;
	while (table->n && !table->questions[table->first].waits) {
		table->first = (table->first + 1) & table->mask;
		table->n--;
	}
}

static struct ev_endpoint endpoint(const struct address *a, uint8_t ip_version)
{
	bool v6 = ip_version == 6;

	return (struct ev_endpoint){bytes_of(a->ip + (v6 ? 0 : 12), v6 ? 16 : 4), a->port};
}

/* keep copies what an event will point to and what may change before it is encoded. */
static void *keep(struct events *out, const void *p, size_t len)
{
	void *kept = events_alloc(out, len);

	return kept ? memcpy(kept, p, len) : NULL;
}

/* ends_fill sets who asked whom. */
static void ends_fill(struct events *out, struct ev_dns_transaction *ev,
	const struct address *client, const struct address *server, uint8_t ip_version)
{
	const struct address *ends[] = {
		keep(out, client, sizeof(*client)), keep(out, server, sizeof(*server))};

	ev->client = endpoint(ends[0], ip_version);
	ev->server = endpoint(ends[1], ip_version);
	ev->has = DNS_TRANSACTION_HAS_CLIENT | DNS_TRANSACTION_HAS_SERVER;
}

static void name_fill(
	struct events *out, struct ev_dns_transaction *ev, const uint8_t *name, size_t len)
{
	char room[DNS_NAME_TEXT];
	struct text t = TEXT_ON(room);

	if (!len)
		return;
	dns_name_text(&t, name, len);
	ev->qname = (struct str){keep(out, room, t.len), t.len};
}

static struct ev_dns_transaction *push(struct dns_table *table, struct events *out)
{
	table->counts.transactions++;
	return &events_push(out, EVENT_DNS)->dns;
}

/* give_up lets a question go out without an answer. */
static void give_up(struct dns_table *table, struct events *out, struct dns_question *q)
{
	struct event base = out->base;
	void *stream = out->stream;
	struct ev_dns_transaction *ev;

	events_switch(out, q->stream);
	out->base = (struct event){.ts_recv_ns = q->ts_ns};
	out->sub_seq = 0;
	ev = push(table, out);
	ev->qtype = q->qtype;
	ev->qclass = q->qclass;
	ev->id = q->id;
	ev->flags = q->flags;
	ev->opcode = dns_opcode(q->flags);
	ev->over_tcp = q->over_tcp;
	ev->flow_id = q->flow_id;
	ends_fill(out, ev, &q->client, &q->server, q->ip_version);
	name_fill(out, ev, q->name, q->name_len);
	events_switch(out, stream);
	out->base = base;
	table->counts.unanswered++;
	table->counts.joined++;
	take_out(table, q);
}

static void question_take(struct dns_table *table, struct events *out, const struct dns_message *m,
	const struct dns_message_at *at)
{
	uint32_t slot = slot_of(table, at->src, at->dst, m->id), index;
	struct dns_question *q = find(table, slot, at->src, at->dst, m);

	if (q) { /* asked again: the wait began with the first */
		table->counts.joined++;
		return;
	}
	if (table->n == table->mask + 1) {
		table->counts.evicted++;
		give_up(table, out, &table->questions[table->first]);
	}
	index = (table->first + table->n++) & table->mask;
	q = &table->questions[index];
	q->client = *at->src;
	q->server = *at->dst;
	q->stream = out->stream;
	q->ts_ns = at->ts_ns;
	q->flow_id = at->flow_id;
	q->slot = slot;
	q->next = table->slots[slot];
	q->id = m->id;
	q->flags = m->flags;
	q->qtype = m->qtype;
	q->qclass = m->qclass;
	q->ip_version = at->ip_version;
	q->over_tcp = at->over_tcp;
	q->waits = true;
	q->name_len = m->name_len;
	memcpy(q->name, m->name, m->name_len);
	table->slots[slot] = index + 1;
	table->waiting++;
}

static void answer_take(struct dns_table *table, struct events *out, const struct dns_message *m,
	const struct dns_message_at *at)
{
	uint32_t slot = slot_of(table, at->dst, at->src, m->id);
	struct dns_question *q = find(table, slot, at->dst, at->src, m);
	struct ev_dns_transaction *ev = push(table, out);

	ev->answered = true;
	ev->id = m->id;
	ev->flags = m->flags;
	ev->opcode = dns_opcode(m->flags);
	ev->rcode = m->flags & 15;
	ev->truncated = m->flags >> 9 & 1;
	ev->over_tcp = at->over_tcp;
	ev->flow_id = at->flow_id;
	ev->qtype = m->qtype;
	ev->qclass = m->qclass;
	ev->min_ttl = m->min_ttl;
	ends_fill(out, ev, at->dst, at->src, at->ip_version);
	name_fill(out, ev, m->name, m->name_len);
	table->counts.joined++;
	if (q) {
		ev->rtt_ns = at->ts_ns > q->ts_ns ? at->ts_ns - q->ts_ns : 0;
		if (!m->name_len) {
			ev->qtype = q->qtype;
			ev->qclass = q->qclass;
			name_fill(out, ev, q->name, q->name_len);
		}
		table->counts.joined++;
		take_out(table, q);
	}
	dns_answers(out, ev, m);
}

void dns_table_take(struct dns_table *table, struct events *out, const struct dns_message *m,
	const struct dns_message_at *at)
{
	if (dns_is_answer(m))
		answer_take(table, out, m, at);
	else
		question_take(table, out, m, at);
}

void dns_table_age(struct dns_table *table, struct events *out, uint64_t now_ns)
{
	while (table->n && now_ns > table->questions[table->first].ts_ns + table->wait_ns)
		give_up(table, out, &table->questions[table->first]);
}

void dns_table_end(struct dns_table *table, struct events *out)
{
	while (table->n)
		give_up(table, out, &table->questions[table->first]);
}
