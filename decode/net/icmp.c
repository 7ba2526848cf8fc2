/* Hot path: no allocation, lock, system call or log. */
#include "decode/net/icmp.h"

enum {
	HEADER_LEN = 8,
	UNREACHABLE = 3,
	REDIRECT = 5,
	EXCEEDED = 11,
	PROBLEM = 12,
	SOURCE_QUENCH = 4,
	ECHO_REPLY = 0,
	ECHO = 8,
	NEEDS_FRAGMENTATION = 4, /* code of UNREACHABLE */
	ECHO6 = 128,
	ECHO6_REPLY = 129,
	TOO_BIG6 = 2,
	ERRORS6 = 128, /* types below it are errors */
};

static bool is_error(const struct icmp_message *m)
{
	if (m->v6)
		return m->type < ERRORS6;
	return m->type == UNREACHABLE || m->type == SOURCE_QUENCH || m->type == REDIRECT ||
	       m->type == EXCEEDED || m->type == PROBLEM;
}

static bool is_echo(const struct icmp_message *m)
{
	if (m->v6)
		return m->type == ECHO6 || m->type == ECHO6_REPLY;
	return m->type == ECHO || m->type == ECHO_REPLY;
}

static bool is_reply(const struct icmp_message *m)
{
	return m->type == (m->v6 ? ECHO6_REPLY : ECHO_REPLY);
}

int icmp_parse(const struct frame *f, struct icmp_message *m)
{
	struct bytes in = f->transport;

	if (f->frag_offset || !in.p || !bytes_has(in, 4))
		return -REASON_too_short;
	m->v6 = f->ip_proto == IP_PROTO_ICMP6;
	m->type = in.p[0];
	m->code = in.p[1];
	m->body = (struct bytes){in.p + 4, in.end};
	m->echo = is_echo(m) && bytes_has(in, HEADER_LEN);
	m->error = is_error(m);
	m->echo_id = m->echo ? load_be16(in.p + 4) : 0;
	m->echo_seq = m->echo ? load_be16(in.p + 6) : 0;
	m->has_mtu = false;
	m->mtu = 0;
	m->inner.ip_version = 0;
	if (!m->error || !bytes_has(in, HEADER_LEN))
		return 0;
	if (m->v6 ? m->type == TOO_BIG6
		  : m->type == UNREACHABLE && m->code == NEEDS_FRAGMENTATION) {
		m->mtu = m->v6 ? load_be32(in.p + 4) : load_be16(in.p + 6);
		m->has_mtu = true;
	}
	frame_parse((struct bytes){in.p + HEADER_LEN, in.end}, LINK_RAW, &m->inner);
	return 0;
}

static void text_address(struct text *t, const struct address *a, uint8_t version)
{
	text_ip(t, bytes_of(a->ip + (version == 6 ? 0 : 12), version == 6 ? 16 : 4));
}

/* text_port writes "udp port 53 unreachable" of the packet that could not be delivered. */
static void text_port(struct text *t, const struct frame *inner)
{
	text_put(t, inner->ip_proto == IP_PROTO_UDP   ? "udp"
		    : inner->ip_proto == IP_PROTO_TCP ? "tcp"
						      : "protocol");
	text_put(t, " port ");
	if (inner->transport.p && bytes_has(inner->transport, 4))
		text_u32(t, load_be16(inner->transport.p + 2));
	text_put(t, " unreachable");
}

static void unreachable(struct text *t, const struct icmp_message *m)
{
	static const char *const codes[] = {"net", "host", "protocol", "port", "host",
		"source route failed", "net unknown", "host unknown", "host isolated",
		"net prohibited", "admin prohibited", "net for TOS", "host for TOS",
		"admin prohibited filter", "host precedence violation", "precedence cutoff"};
	static const char *const codes6[] = {"no route", "administratively prohibited",
		"beyond scope", "address", "port", "policy failed", "reject route"};
	unsigned n = m->v6 ? sizeof(codes6) / sizeof(*codes6) : sizeof(codes) / sizeof(*codes);
	unsigned port = m->v6 ? 4 : UNREACHABLE;

	if (m->inner.ip_version) {
		text_address(t, &m->inner.dst, m->inner.ip_version);
		text_char(t, ' ');
	}
	if (m->inner.ip_version && m->code == port) {
		text_port(t, &m->inner);
		return;
	}
	text_put(t, "unreachable");
	if (m->code < n) {
		text_put(t, " - ");
		text_put(t, (m->v6 ? codes6 : codes)[m->code]);
	}
	if (m->has_mtu) {
		text_put(t, ", need to frag (mtu ");
		text_u32(t, m->mtu);
		text_char(t, ')');
	}
}

/* text_target writes the address in a neighbour message. */
static void text_target(struct text *t, const char *words, const struct icmp_message *m)
{
	if (bytes_len(m->body) < 4 + 16)
		return;
	text_put(t, words);
	text_ip(t, bytes_of(m->body.p + 4, 16));
}

/* named writes what types are called. Returns false for one without a name. */
static bool named(struct text *t, const struct icmp_message *m)
{
	static const struct {
		bool v6;
		uint8_t type;
		const char *name;
	} names[] = {
		{false, 0, "echo reply"},
		{false, 4, "source quench"},
		{false, 5, "redirect"},
		{false, 8, "echo request"},
		{false, 9, "router advertisement"},
		{false, 10, "router solicitation"},
		{false, 11, "time exceeded"},
		{false, 12, "parameter problem"},
		{false, 13, "time stamp query"},
		{false, 14, "time stamp reply"},
		{false, 15, "information request"},
		{false, 16, "information reply"},
		{false, 17, "address mask request"},
		{false, 18, "address mask reply"},
		{true, 2, "packet too big"},
		{true, 3, "time exceeded"},
		{true, 4, "parameter problem"},
		{true, 128, "echo request"},
		{true, 129, "echo reply"},
		{true, 130, "multicast listener query"},
		{true, 131, "multicast listener report"},
		{true, 132, "multicast listener done"},
		{true, 133, "router solicitation"},
		{true, 134, "router advertisement"},
		{true, 135, "neighbor solicitation"},
		{true, 136, "neighbor advertisement"},
		{true, 137, "redirect"},
		{true, 143, "multicast listener report v2"},
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].v6 == m->v6 && names[i].type == m->type) {
			text_put(t, names[i].name);
			return true;
		}
	return false;
}

void icmp_info(struct text *t, const struct icmp_message *m)
{
	if (m->type == (m->v6 ? 1 : UNREACHABLE)) {
		unreachable(t, m);
		return;
	}
	if (!named(t, m)) {
		text_put(t, "type-#");
		text_u32(t, m->type);
	}
	if (m->echo) {
		text_put(t, ", id ");
		text_u32(t, m->echo_id);
		text_put(t, ", seq ");
		text_u32(t, m->echo_seq);
	} else if (m->type == (m->v6 ? 3 : EXCEEDED)) {
		text_put(t, m->code ? " in reassembly" : " in-transit");
	} else if (m->has_mtu) {
		text_put(t, ", mtu ");
		text_u32(t, m->mtu);
	} else if (m->v6 && m->type == 135) {
		text_target(t, ", who has ", m);
	} else if (m->v6 && m->type == 136) {
		text_target(t, ", tgt is ", m);
	} else if (m->code) {
		text_put(t, ", code ");
		text_u32(t, m->code);
	}
}

static struct ev_endpoint endpoint(const struct frame *f, bool dst, bool ports)
{
	size_t len = f->ip_version == 6 ? 16 : 4, at = f->ip_version == 6 ? 8 : 12;
	struct ev_endpoint end = {.ip = bytes_of(f->net + at + (dst ? len : 0), len)};

	if (ports && f->transport.p && bytes_has(f->transport, 4))
		end.port = load_be16(f->transport.p + (dst ? 2 : 0));
	return end;
}

/* echo_key makes src and dst of an echo and of its reply the same. */
static struct icmp_echo echo_key(const struct frame *f, const struct icmp_message *m)
{
	struct icmp_echo key = {.src = f->src, .dst = f->dst};

	if (is_reply(m))
		key = (struct icmp_echo){.src = f->dst, .dst = f->src};
	key.src.port = m->echo_id;
	key.dst.port = m->echo_seq;
	return key;
}

static struct icmp_echo *slot_of(struct icmp_echoes *echoes, const struct icmp_echo *key)
{
	uint64_t h = load_le64(key->src.ip + 8) * 31 ^ load_le64(key->dst.ip + 8);

	h ^= (uint64_t)key->src.port << 16 ^ key->dst.port;
	h ^= h >> 29;
	h *= 0x9e3779b97f4a7c15ull;
	return &echoes->slots[(h >> 32) % ECHOES];
}

/* round_trip notes an echo, or returns the time that this reply took; 0 = its echo was not seen. */
static uint64_t round_trip(struct icmp_echoes *echoes, const struct frame *f,
	const struct icmp_message *m, uint64_t ts_ns)
{
	struct icmp_echo key = echo_key(f, m), *slot = slot_of(echoes, &key);
	uint64_t rtt_ns;

	if (!is_reply(m)) {
		echoes->overwritten += slot->ts_ns != 0;
		*slot = key;
		slot->ts_ns = ts_ns;
		return 0;
	}
	if (!slot->ts_ns || memcmp(&slot->src, &key.src, sizeof(key.src)) != 0 ||
		memcmp(&slot->dst, &key.dst, sizeof(key.dst)) != 0)
		return 0;
	rtt_ns = ts_ns > slot->ts_ns ? ts_ns - slot->ts_ns : 0;
	slot->ts_ns = 0;
	return rtt_ns;
}

void icmp_event(struct icmp_echoes *echoes, struct events *out, const struct frame *f,
	const struct icmp_message *m, uint64_t ts_ns)
{
	struct ev_icmp_event *ev = &events_push(out, EVENT_ICMP)->icmp;

	ev->has = ICMP_EVENT_HAS_SRC | ICMP_EVENT_HAS_DST;
	ev->src = endpoint(f, false, false);
	ev->dst = endpoint(f, true, false);
	ev->type = m->type;
	ev->code = m->code;
	ev->ip_version = f->ip_version;
	ev->echo_id = m->echo_id;
	ev->echo_seq = m->echo_seq;
	ev->mtu = m->mtu;
	if (m->echo)
		ev->rtt_ns = round_trip(echoes, f, m, ts_ns);
	if (!m->error || !m->inner.ip_version)
		return;
	ev->has |= ICMP_EVENT_HAS_INNER_SRC | ICMP_EVENT_HAS_INNER_DST;
	ev->inner_src = endpoint(&m->inner, false, frame_has_ports(&m->inner));
	ev->inner_dst = endpoint(&m->inner, true, frame_has_ports(&m->inner));
	ev->inner_proto = m->inner.ip_proto;
}
