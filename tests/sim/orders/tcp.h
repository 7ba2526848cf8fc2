/* tcp: one connection as seen on the wire: handshake, segments cut and joined without regard for
 * messages, acks, FIN. */
#pragma once

#include "tests/sim/market/rng.h"
#include "tests/sim/wire/wire.h"

#define TCP_NEVER UINT64_MAX
#define TCP_HOLD_MAX_NS 80000 /* what is written leaves within this */

struct tcp_end {
	struct addr addr;
	uint32_t next_seq; /* of the next byte it sends */
	uint16_t ident;
	uint64_t send_ns; /* when the buffer leaves; TCP_NEVER = it is empty */
	uint64_t ack_ns;  /* when it acknowledges, if it sends nothing until then */
	size_t len;
	uint8_t buf[16384];
};

struct tcp {
	struct wire *wire;
	struct rng rng;
	struct tcp_end end[2]; /* 0 opens and closes */
	uint64_t now_ns;       /* nothing is sent before */
};

/* tcp_open does the handshake; the caller has set wire, rng and the addresses. Returns when it is
 * done. */
uint64_t tcp_open(struct tcp *tcp, uint64_t ts_ns);

/* tcp_write hands bytes (at most 8 KiB, copied) to end from; they leave soon, alone, in pieces or
 * with others. */
void tcp_write(struct tcp *tcp, int from, uint64_t ts_ns, const void *p, size_t len);

/* tcp_tick sends what is due at ts_ns or before. */
void tcp_tick(struct tcp *tcp, uint64_t ts_ns);
/* tcp_due is the time of the next tcp_tick that sends, or TCP_NEVER. */
uint64_t tcp_due(const struct tcp *tcp);

/* tcp_close sends what is left and closes from both ends. Returns the time of the last packet. */
uint64_t tcp_close(struct tcp *tcp, uint64_t ts_ns);
