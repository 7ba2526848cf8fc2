/* icmp: messages of ICMP and ICMPv6; a reply knows how long its echo took. */
#pragma once

#include "decode/events.h"
#include "decode/frame.h"
#include "decode/net/text.h"

enum { ECHOES = 4096 };

/* icmp_message is what one message says.
 *
 * Owns  nothing: borrowed from the packet */
struct icmp_message {
	struct bytes body; /* behind type, code and checksum */
	uint8_t type, code;
	bool v6, echo, error, has_mtu;
	uint16_t echo_id, echo_seq;
	uint32_t mtu;
	struct frame inner; /* error: of the packet that it is about; ip_version 0: not there */
};

/* icmp_parse reads one message.
 * Takes    f: its frame, of IP_PROTO_ICMP or IP_PROTO_ICMP6
 * Returns  0, or -REASON_too_short
 * Spec     RFC 792, 4443, 4861, 1191 */
int icmp_parse(const struct frame *f, struct icmp_message *m);

/* icmp_info writes the message in words: "echo request, id 7, seq 1". */
void icmp_info(struct text *t, const struct icmp_message *m);

/* icmp_echoes are the echoes that wait for their reply: the newest of each slot.
 * Thread   the worker */
struct icmp_echo {
	struct address src, dst; /* ports: id and sequence */
	uint64_t ts_ns;
};

struct icmp_echoes {
	struct icmp_echo *slots; /* ECHOES */
	uint64_t overwritten;    /* echoes that made room for another while they waited */
};

int icmp_echoes_init(struct icmp_echoes *echoes); /* 0, or -ENOMEM */
void icmp_echoes_free(struct icmp_echoes *echoes);

/* icmp_event appends an IcmpEvent for the message: an echo waits, a reply says its round trip. */
void icmp_event(struct icmp_echoes *echoes, struct events *out, const struct frame *f,
	const struct icmp_message *m, uint64_t ts_ns);
