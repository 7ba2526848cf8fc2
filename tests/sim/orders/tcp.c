#include "tests/sim/orders/tcp.h"

#include <string.h>

enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };
#define SEGMENT_MAX 1460

static void segment(
	struct tcp *tcp, int from, uint64_t ts_ns, uint8_t flags, const void *p, size_t len)
{
	struct tcp_end *me = &tcp->end[from], *peer = &tcp->end[!from];
	struct tcp_header header = {.seq = me->next_seq,
		.ack = flags & ACK ? peer->next_seq : 0,
		.flags = flags,
		.window = flags & SYN ? 64240 : 502,
		.ident = me->ident++};

	if (ts_ns <= tcp->now_ns)
		ts_ns = tcp->now_ns + 1;
	tcp->now_ns = ts_ns;
	wire_tcp(tcp->wire, ts_ns, &me->addr, &peer->addr, &header, p, len);
	me->next_seq += (uint32_t)len + (flags & (SYN | FIN) ? 1 : 0);
	me->ack_ns = TCP_NEVER; /* each segment acknowledges */
	if (len && peer->ack_ns == TCP_NEVER)
		peer->ack_ns = ts_ns + 5000 + rng_below(&tcp->rng, 60000);
}

uint64_t tcp_open(struct tcp *tcp, uint64_t ts_ns)
{
	for (int i = 0; i < 2; i++) {
		tcp->end[i].next_seq = (uint32_t)rng_next(&tcp->rng);
		tcp->end[i].ident = (uint16_t)rng_next(&tcp->rng);
		tcp->end[i].send_ns = tcp->end[i].ack_ns = TCP_NEVER;
		tcp->end[i].len = 0;
	}
	tcp->now_ns = ts_ns;
	segment(tcp, 0, ts_ns, SYN, NULL, 0);
	segment(tcp, 1, ts_ns + 21000, SYN | ACK, NULL, 0);
	segment(tcp, 0, ts_ns + 43000, ACK, NULL, 0);
	return tcp->now_ns;
}

/* send_buffer cuts what an end has written where it likes: one time in six inside, else only at the
 * segment size. */
static void send_buffer(struct tcp *tcp, int from, uint64_t ts_ns)
{
	struct tcp_end *me = &tcp->end[from];
	size_t at = 0;

	me->send_ns = TCP_NEVER;
	while (at < me->len) {
		size_t n = me->len - at < SEGMENT_MAX ? me->len - at : SEGMENT_MAX;

		if (n > 1 && rng_below(&tcp->rng, 6) == 0)
			n = 1 + rng_below(&tcp->rng, (uint32_t)n - 1);
		segment(tcp, from, ts_ns, at + n == me->len ? PSH | ACK : ACK, me->buf + at, n);
		at += n;
		ts_ns = tcp->now_ns + 200 + rng_below(&tcp->rng, 2000);
	}
	me->len = 0;
}

void tcp_write(struct tcp *tcp, int from, uint64_t ts_ns, const void *p, size_t len)
{
	static const uint32_t hold_ns[] = {0, 0, 0, 20000, TCP_HOLD_MAX_NS};
	struct tcp_end *me = &tcp->end[from];

	if (me->len + len > sizeof(me->buf))
		send_buffer(tcp, from, ts_ns);
	if (!me->len)
		me->send_ns = ts_ns + hold_ns[rng_below(&tcp->rng, 5)];
	memcpy(me->buf + me->len, p, len);
	me->len += len;
}

uint64_t tcp_due(const struct tcp *tcp)
{
	uint64_t due = TCP_NEVER;

	for (int i = 0; i < 2; i++) {
		if (tcp->end[i].send_ns < due)
			due = tcp->end[i].send_ns;
		if (tcp->end[i].ack_ns < due)
			due = tcp->end[i].ack_ns;
	}
	return due;
}

void tcp_tick(struct tcp *tcp, uint64_t ts_ns)
{
	uint64_t due;

	while ((due = tcp_due(tcp)) <= ts_ns)
		for (int i = 0; i < 2; i++) {
			if (tcp->end[i].send_ns == due)
				send_buffer(tcp, i, due);
			if (tcp->end[i].ack_ns == due)
				segment(tcp, i, due, ACK, NULL, 0);
		}
}

uint64_t tcp_close(struct tcp *tcp, uint64_t ts_ns)
{
	tcp_tick(tcp, ts_ns);
	for (int i = 0; i < 2; i++)
		send_buffer(tcp, i, tcp->now_ns + 1000);
	segment(tcp, 0, ts_ns, FIN | ACK, NULL, 0);
	segment(tcp, 1, tcp->now_ns + 30000, FIN | ACK, NULL, 0);
	segment(tcp, 0, tcp->now_ns + 25000, ACK, NULL, 0);
	return tcp->now_ns;
}
