/* dns: messages of the domain name system; a question and its answer are one transaction. */
#pragma once

#include "base/reason.h"
#include "decode/events.h"
#include "decode/net/text.h"

enum {
	DNS_NAME_MAX = 255,    /* bytes of a name on the wire */
	DNS_NAME_TEXT = 1024,  /* the same as text, each byte at most \ddd */
	DNS_ANSWERS_MAX = 128, /* shown of one message */
	DNS_PORT = 53,
};

/* dns_message is what one message says.
 *
 * Owns  nothing: in is borrowed from the packet */
struct dns_message {
	struct bytes in;
	uint16_t id, flags; /* flags: as on the wire, the response code included */
	uint16_t questions, answers, authorities, additionals;
	uint16_t qtype, qclass;     /* of the first question */
	uint16_t name_len;          /* of name; 0: no question */
	uint8_t name[DNS_NAME_MAX]; /* of the first question, uncompressed */
	uint32_t answers_at;        /* where the answers begin */
	uint32_t min_ttl;           /* s: smallest of the answers */
};

static inline bool dns_is_answer(const struct dns_message *m)
{
	return m->flags >> 15;
}

/* dns_opcode is what is asked for: 0 = query. */
static inline unsigned dns_opcode(uint16_t flags)
{
	return flags >> 11 & 15;
}

/* dns_parse reads the header, the questions and the answers; what stands behind them is not looked
 * at.
 *
 * Takes    in: one whole message, borrowed; any bytes are safe
 * Returns  0 with m filled, or -REASON_bad_dns
 * Spec     RFC 1035 4.1; a pointer leads to what came before it, so a name ends */
int dns_parse(struct bytes in, struct dns_message *m);

/* dns_name_text writes a name: labels with dots between them, `.` for the root; bytes that are no
 * printable ASCII as \ddd (RFC 4343 2.1). */
void dns_name_text(struct text *t, const uint8_t *name, size_t len);

/* dns_type_text writes "A", "HTTPS", "TYPE65280" (RFC 3597). */
void dns_type_text(struct text *t, uint16_t type);

/* dns_info writes the message in one line as tcpdump does: "4242+ A? example.com.",
 * "4242 1/0/0 A 192.0.2.1", "4242 notify SOA? example.com.". */
void dns_info(struct text *t, const struct dns_message *m);

/* dns_answers gives ev its answers as text: at most DNS_ANSWERS_MAX. ev is the newest event of out.
 */
void dns_answers(struct events *out, struct ev_dns_transaction *ev, const struct dns_message *m);
