/* Hot path: no allocation, lock, system call or log. */
#include "decode/net/dns.h"

enum {
	HEADER_LEN = 12,
	RECORD_FIXED = 10, /* type, class, TTL, length: behind the owner's name */
	POINTER = 0xc0,
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	TYPE_PTR = 12,
	TYPE_MX = 15,
	TYPE_TXT = 16,
	TYPE_AAAA = 28,
	TYPE_SRV = 33,
	TYPE_DNAME = 39,
	TYPE_OPT = 41,
	ANSWER_TEXT = 4096, /* of one record */
	INFO_ANSWERS = 8,   /* shown in one line */
};

/* name_read reads the name at *at of the message.
 *
 * Takes    name: DNS_NAME_MAX bytes, filled with the name uncompressed, its root label included
 * Returns  its length with *at behind the name, or -REASON_bad_dns */
static int name_read(struct bytes in, size_t *at, uint8_t *name)
{
	size_t pos = *at, lowest = pos, len = 0, size = bytes_len(in);
	bool jumped = false;

	for (;;) {
		uint8_t label;

		if (pos >= size)
			return -REASON_bad_dns;
		label = in.p[pos];
		if (label >= POINTER) {
			if (pos + 2 > size)
				return -REASON_bad_dns;
			if (!jumped)
				*at = pos + 2;
			jumped = true;
			pos = load_be16(in.p + pos) & 0x3fff;
			if (pos >= lowest) /* backwards alone: this ends */
				return -REASON_bad_dns;
			lowest = pos;
			continue;
		}
		if (label > 63 || pos + 1 + label > size || len + 1 + label > DNS_NAME_MAX)
			return -REASON_bad_dns;
		memcpy(name + len, in.p + pos, 1u + label);
		len += 1u + label;
		pos += 1u + label;
		if (label == 0) {
			if (!jumped)
				*at = pos;
			return (int)len;
		}
	}
}

/* record is one resource record. */
struct record {
	uint16_t type, class;
	uint32_t ttl;
	size_t data_at, data_len;
};

static int record_read(struct bytes in, size_t *at, struct record *r)
{
	uint8_t owner[DNS_NAME_MAX];
	int rc = name_read(in, at, owner);

	if (rc < 0)
		return rc;
	if (bytes_len(in) - *at < RECORD_FIXED)
		return -REASON_bad_dns;
	r->type = load_be16(in.p + *at);
	r->class = load_be16(in.p + *at + 2);
	r->ttl = load_be32(in.p + *at + 4);
	r->data_len = load_be16(in.p + *at + 8);
	r->data_at = *at + RECORD_FIXED;
	if (bytes_len(in) - r->data_at < r->data_len)
		return -REASON_bad_dns;
	*at = r->data_at + r->data_len;
	return 0;
}

static int questions_read(struct dns_message *m, size_t *at)
{
	uint8_t name[DNS_NAME_MAX];

	for (unsigned i = 0; i < m->questions; i++) {
		int len = name_read(m->in, at, name);

		if (len < 0)
			return len;
		if (bytes_len(m->in) - *at < 4)
			return -REASON_bad_dns;
		if (i == 0) {
			memcpy(m->name, name, (size_t)len);
			m->name_len = (uint16_t)len;
			m->qtype = load_be16(m->in.p + *at);
			m->qclass = load_be16(m->in.p + *at + 2);
		}
		*at += 4;
	}
	return 0;
}

int dns_parse(struct bytes in, struct dns_message *m)
{
	size_t at = HEADER_LEN;
	struct record r;
	int rc;

	if (!bytes_has(in, HEADER_LEN))
		return -REASON_bad_dns;
	m->in = in;
	m->id = load_be16(in.p);
	m->flags = load_be16(in.p + 2);
	m->questions = load_be16(in.p + 4);
	m->answers = load_be16(in.p + 6);
	m->authorities = load_be16(in.p + 8);
	m->additionals = load_be16(in.p + 10);
	m->qtype = m->qclass = m->name_len = 0;
	m->min_ttl = 0;
	rc = questions_read(m, &at);
	if (rc < 0)
		return rc;
	m->answers_at = (uint32_t)at;
	for (unsigned i = 0; i < m->answers; i++) {
		rc = record_read(in, &at, &r);
		if (rc < 0)
			return rc;
		if (i == 0 || r.ttl < m->min_ttl)
			m->min_ttl = r.ttl;
	}
	return 0;
}

static void text_byte(struct text *t, uint8_t c)
{
	if (c == '.' || c == '\\' || c == '"') {
		text_char(t, '\\');
		text_char(t, (char)c);
	} else if (c > 0x20 && c < 0x7f) {
		text_char(t, (char)c);
	} else {
		text_char(t, '\\');
		text_char(t, (char)('0' + c / 100));
		text_char(t, (char)('0' + c / 10 % 10));
		text_char(t, (char)('0' + c % 10));
	}
}

void dns_name_text(struct text *t, const uint8_t *name, size_t len)
{
	const uint8_t *end = name + len;

	if (len <= 1)
		text_char(t, '.');
	while (name < end && *name) {
		unsigned label = *name++;

		for (; label && name < end; label--)
			text_byte(t, *name++);
		if (name < end && *name)
			text_char(t, '.');
	}
}

void dns_type_text(struct text *t, uint16_t type)
{
	static const char *const names[] = {[1] = "A",
		[2] = "NS",
		[5] = "CNAME",
		[6] = "SOA",
		[10] = "NULL",
		[12] = "PTR",
		[13] = "HINFO",
		[15] = "MX",
		[16] = "TXT",
		[24] = "SIG",
		[25] = "KEY",
		[28] = "AAAA",
		[29] = "LOC",
		[33] = "SRV",
		[35] = "NAPTR",
		[39] = "DNAME",
		[41] = "OPT",
		[43] = "DS",
		[44] = "SSHFP",
		[46] = "RRSIG",
		[47] = "NSEC",
		[48] = "DNSKEY",
		[50] = "NSEC3",
		[51] = "NSEC3PARAM",
		[52] = "TLSA",
		[64] = "SVCB",
		[65] = "HTTPS",
		[99] = "SPF",
		[249] = "TKEY",
		[250] = "TSIG",
		[251] = "IXFR",
		[252] = "AXFR",
		[255] = "ANY",
		[256] = "URI",
		[257] = "CAA"};

	if (type < sizeof(names) / sizeof(*names) && names[type]) {
		text_put(t, names[type]);
		return;
	}
	text_put(t, "TYPE");
	text_u32(t, type);
}

static void text_name_at(struct text *t, struct bytes in, size_t at)
{
	uint8_t name[DNS_NAME_MAX];
	int len = name_read(in, &at, name);

	if (len > 0)
		dns_name_text(t, name, (size_t)len);
}

/* text_strings writes the character strings of a TXT record in quotes. */
static void text_strings(struct text *t, struct bytes data)
{
	while (data.p < data.end) {
		size_t len = *data.p++;

		if (!bytes_has(data, len))
			return;
		text_char(t, '"');
		for (; len; len--, data.p++) {
			if (*data.p == ' ' || *data.p == '.')
				text_char(t, (char)*data.p);
			else
				text_byte(t, *data.p);
		}
		text_char(t, '"');
		if (data.p < data.end)
			text_char(t, ' ');
	}
}

/* record_text writes "A 192.0.2.1", "MX 10 mail.example.com". A type that is not known has its
 * length alone. */
static void record_text(struct text *t, struct bytes in, const struct record *r)
{
	struct bytes data = bytes_of(in.p + r->data_at, r->data_len);

	dns_type_text(t, r->type);
	text_char(t, ' ');
	switch (r->type) {
	case TYPE_A:
	case TYPE_AAAA:
		if (r->data_len == (r->type == TYPE_A ? 4 : 16))
			text_ip(t, data);
		break;
	case TYPE_NS:
	case TYPE_CNAME:
	case TYPE_SOA: /* its first name, as tcpdump shows it */
	case TYPE_PTR:
	case TYPE_DNAME:
		text_name_at(t, in, r->data_at);
		break;
	case TYPE_MX:
		if (r->data_len > 2) {
			text_u32(t, load_be16(data.p));
			text_char(t, ' ');
			text_name_at(t, in, r->data_at + 2);
		}
		break;
	case TYPE_SRV:
		for (unsigned i = 0; i < 3 && r->data_len > 6; i++) {
			text_u32(t, load_be16(data.p + 2 * i));
			text_char(t, ' ');
		}
		if (r->data_len > 6)
			text_name_at(t, in, r->data_at + 6);
		break;
	case TYPE_TXT:
		text_strings(t, data);
		break;
	default:
		text_char(t, '[');
		text_u32(t, (uint32_t)r->data_len);
		text_char(t, ']');
	}
}

/* opcode_text writes nothing for a query, and a number for what has no name. */
static void opcode_text(struct text *t, unsigned opcode)
{
	static const char *const opcodes[16] = {
		"", " inv_q", " stat", [4] = " notify", " update", " dso"};

	if (opcodes[opcode]) {
		text_put(t, opcodes[opcode]);
		return;
	}
	text_put(t, " op");
	text_u32(t, opcode);
}

static void question_text(struct text *t, const struct dns_message *m)
{
	if (m->flags & 0x0100) /* recursion desired */
		text_char(t, '+');
	if (m->flags & 0x0010)
		text_char(t, '%');
	if (!m->name_len)
		return;
	text_char(t, ' ');
	dns_type_text(t, m->qtype);
	text_put(t, "? ");
	dns_name_text(t, m->name, m->name_len);
	if (m->name_len > 1)
		text_char(t, '.');
}

static void answer_text(struct text *t, const struct dns_message *m)
{
	static const char *const rcodes[] = {"", " FormErr", " ServFail", " NXDomain", " NotImp",
		" Refused", " YXDomain", " YXRRSet", " NXRRSet", " NotAuth", " NotZone"};
	unsigned rcode = m->flags & 15;
	size_t at = m->answers_at;
	struct record r;

	if (rcode < sizeof(rcodes) / sizeof(*rcodes)) {
		text_put(t, rcodes[rcode]);
	} else {
		text_put(t, " Resp");
		text_u32(t, rcode);
	}
	if (m->flags & 0x0400) /* authoritative */
		text_char(t, '*');
	if (!(m->flags & 0x0080)) /* no recursion available */
		text_char(t, '-');
	if (m->flags & 0x0200) /* truncated */
		text_char(t, '|');
	text_char(t, ' ');
	text_u32(t, m->answers);
	text_char(t, '/');
	text_u32(t, m->authorities);
	text_char(t, '/');
	text_u32(t, m->additionals);
	for (unsigned i = 0; i < m->answers && i < INFO_ANSWERS; i++) {
		if (record_read(m->in, &at, &r) < 0)
			break;
		text_put(t, i ? ", " : " ");
		record_text(t, m->in, &r);
	}
	if (m->answers > INFO_ANSWERS)
		text_put(t, ", ...");
}

void dns_info(struct text *t, const struct dns_message *m)
{
	text_u32(t, m->id);
	opcode_text(t, dns_opcode(m->flags));
	if (dns_is_answer(m))
		answer_text(t, m);
	else
		question_text(t, m);
}

void dns_answers(struct events *out, struct ev_dns_transaction *ev, const struct dns_message *m)
{
	unsigned n = m->answers < DNS_ANSWERS_MAX ? m->answers : DNS_ANSWERS_MAX;
	struct str *answers = n ? events_alloc(out, n * sizeof(*answers)) : NULL;
	size_t at = m->answers_at;

	for (unsigned i = 0; answers && i < n; i++) {
		char room[ANSWER_TEXT];
		struct text t = TEXT_ON(room);
		struct record r;
		char *kept;

		if (record_read(m->in, &at, &r) < 0)
			break;
		record_text(&t, m->in, &r);
		kept = events_alloc(out, t.len);
		if (!kept)
			break;
		memcpy(kept, room, t.len);
		answers[i] = (struct str){kept, t.len};
		ev->answers = answers;
		ev->answers_n = i + 1;
	}
}
