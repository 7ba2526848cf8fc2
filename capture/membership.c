#include "capture/membership.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ROBUSTNESS = 2,
	ETHER = 14,
	IPV4 = 24,      /* with the router alert option */
	IPV6 = 40 + 8,  /* with hop-by-hop options */
	FRAME_MIN = 60, /* without its check sum */
	RECORDS = 8,    /* where the records of a report begin, in both */
	MTU = 1500,
	IGMP_QUERY = 0x11,
	IGMP1_REPORT = 0x12,
	IGMP2_REPORT = 0x16,
	IGMP2_LEAVE = 0x17,
	IGMP3_REPORT = 0x22,
	MLD_QUERY = 130,
	MLD1_REPORT = 131,
	MLD1_DONE = 132,
	MLD2_REPORT = 143,
	/* record types, of both */
	MODE_IS_EXCLUDE = 2,
	CHANGE_TO_INCLUDE = 3,
	CHANGE_TO_EXCLUDE = 4,
};

static const uint64_t second_ns = 1000000000;
static const uint64_t leave_again_ns =
	20000000; /* within the second allowed; a stop waits for it */
static const uint64_t older_querier_ns = (ROBUSTNESS * 125 + 10) * 1000000000ull;
static const uint64_t never = UINT64_MAX;

struct group {
	uint8_t ip[16];
	unsigned changes;   /* joins or leaves still to be told */
	uint64_t change_ns; /* when the next one is */
	uint64_t answer_ns; /* when it is told of, as somebody asked; never: nobody did */
};

/* family is one of IPv4 and IPv6. */
struct family {
	bool ipv6;
	unsigned newest,
		version; /* of IGMP 3, of MLD 2; version: the oldest that a querier speaks */
	uint64_t older_until_ns[4]; /* by version */
	unsigned robustness;
	unsigned groups_n;
	struct group *groups;
};

struct membership {
	struct membership_port port;
	uint8_t link_local[16];
	struct family families[2];
	bool leaving;
	uint64_t random;
};

/* delay is a random time up to at most_ns, never 0 (xorshift64). */
static uint64_t delay(struct membership *m, uint64_t most_ns)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return most_ns ? 1 + m->random % most_ns : 1;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* sum adds bytes to an Internet check sum (RFC 1071). */
static uint32_t sum(uint32_t s, const uint8_t *p, size_t len)
{
	for (; len > 1; len -= 2, p += 2)
		s += load_be16(p);
	return len ? s + ((uint32_t)*p << 8) : s;
}

static uint16_t sum_end(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* pseudo is the sum of IPv6's pseudo header. */
static uint32_t pseudo(const uint8_t *addresses, size_t len)
{
	return sum(0, addresses, 32) + (uint32_t)len + 58;
}

static bool is_ipv4(const uint8_t *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

static bool is_reported(const uint8_t *ip)
{
	static const uint8_t all_systems[4] = {224, 0, 0, 1};
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

	if (is_ipv4(ip))
		return ip[12] >> 4 == 14 && memcmp(ip + 12, all_systems, 4) != 0;
	return ip[0] == 0xff && (ip[1] & 15) > 1 && memcmp(ip, all_nodes, 16) != 0;
}

static struct group *group_find(struct family *f, const uint8_t *ip)
{
	for (unsigned i = 0; i < f->groups_n; i++)
		if (memcmp(f->groups[i].ip, ip, 16) == 0)
			return &f->groups[i];
	return NULL;
}

int membership_open(struct membership **out, const struct address *addresses, unsigned n,
	const struct membership_port *port, uint64_t seed, uint64_t now_ns)
{
	struct membership *m = calloc(1, sizeof(*m));
	struct group *groups = calloc(2 * (n + 1), sizeof(*groups));

	if (!m || !groups) {
		free(groups);
		free(m);
		return -ENOMEM;
	}
	m->port = *port;
	m->random = seed | 1;
	m->link_local[0] = 0xfe;
	m->link_local[1] = 0x80;
	memcpy(m->link_local + 8, port->mac, 3);
	memcpy(m->link_local + 11, "\xff\xfe", 2);
	memcpy(m->link_local + 13, port->mac + 3, 3);
	m->link_local[8] ^= 2;
	m->families[0] = (struct family){.newest = 3, .version = 3, .groups = groups};
	m->families[1] =
		(struct family){.ipv6 = true, .newest = 2, .version = 2, .groups = groups + n + 1};
	for (unsigned i = 0; i < n; i++) {
		struct family *f = &m->families[!is_ipv4(addresses[i].ip)];

		f->robustness = ROBUSTNESS;
		if (!is_reported(addresses[i].ip) || group_find(f, addresses[i].ip))
			continue;
		f->groups[f->groups_n] = (struct group){
			.changes = ROBUSTNESS, .change_ns = now_ns, .answer_ns = never};
		memcpy(f->groups[f->groups_n++].ip, addresses[i].ip, 16);
	}
	*out = m;
	return 0;
}

void membership_close(struct membership *m)
{
	if (!m)
		return;
	free(m->families[0].groups);
	free(m);
}

void membership_leave(struct membership *m, uint64_t now_ns)
{
	m->leaving = true;
	for (unsigned v = 0; v < 2; v++)
		for (unsigned i = 0; i < m->families[v].groups_n; i++) {
			struct group *g = &m->families[v].groups[i];

			g->answer_ns = never;
			g->change_ns = now_ns;
			g->changes = m->families[v].version == m->families[v].newest
					     ? m->families[v].robustness
					     : 1;
		}
}

uint64_t membership_due_ns(const struct membership *m)
{
	uint64_t due_ns = never;

	for (unsigned v = 0; v < 2; v++)
		for (unsigned i = 0; i < m->families[v].groups_n; i++) {
			const struct group *g = &m->families[v].groups[i];

			if (g->changes && g->change_ns < due_ns)
				due_ns = g->change_ns;
			if (g->answer_ns < due_ns)
				due_ns = g->answer_ns;
		}
	return due_ns;
}

/* asked plans the answers to a query. group: NULL for all */
static void asked(struct membership *m, struct family *f, const uint8_t *group, uint64_t most_ns,
	uint64_t now_ns)
{
	bool newest = f->version == f->newest;
	uint64_t at_ns = now_ns + delay(m, most_ns);

	for (unsigned i = 0; i < f->groups_n && !m->leaving; i++) {
		struct group *g = &f->groups[i];

		if (group && memcmp(g->ip, group, 16) != 0)
			continue;
		if (!newest) /* a report each: not all at once */
			at_ns = now_ns + delay(m, most_ns);
		if (at_ns < g->answer_ns)
			g->answer_ns = at_ns;
	}
}

/* heard notes the version of a querier: the oldest of late is spoken. */
static void heard(struct family *f, unsigned version, uint64_t now_ns)
{
	f->older_until_ns[version] = now_ns + older_querier_ns;
	f->version = f->newest;
	for (unsigned v = 1; v < f->newest; v++)
		if (f->older_until_ns[v] > now_ns) {
			f->version = v;
			break;
		}
}

/* code_units reads a time in its floating form: with bits of mantissa and 3 of exponent, above. */
static uint64_t code_units(uint32_t code, unsigned mantissa_bits)
{
	uint32_t high = 1u << (mantissa_bits + 3);

	if (code < high)
		return code;
	return (uint64_t)((code & ((1u << mantissa_bits) - 1)) | 1u << mantissa_bits)
	       << ((code >> mantissa_bits & 7) + 3);
}

static void take_igmp(struct membership *m, struct bytes ip, uint64_t now_ns)
{
	static const uint8_t all_systems[4] = {224, 0, 0, 1};
	struct family *f = &m->families[0];
	size_t header_len = (size_t)(ip.p[0] & 15) * 4, len = load_be16(ip.p + 2);
	uint8_t group[16] = {[10] = 0xff, [11] = 0xff};
	const uint8_t *q = ip.p + header_len;
	uint64_t most_ns;
	bool general;

	if (ip.p[0] >> 4 != 4 || header_len < 20 || len > bytes_len(ip) || len < header_len + 8)
		return;
	len -= header_len;
	if (q[0] != IGMP_QUERY || sum_end(sum(0, ip.p, header_len)) != 0 ||
		sum_end(sum(0, q, len)) != 0 || (len > 8 && len < 12))
		return;
	memcpy(group + 12, q + 4, 4);
	general = load_be32(q + 4) == 0;
	if (general && memcmp(ip.p + 16, all_systems, 4) != 0)
		return;
	heard(f, len >= 12 ? 3 : q[1] ? 2 : 1, now_ns);
	most_ns = (len >= 12 ? code_units(q[1], 4) : q[1] ? q[1] : 100) * (second_ns / 10);
	if (len >= 12 && (q[8] & 7))
		f->robustness = q[8] & 7;
	asked(m, f, general ? NULL : group, most_ns, now_ns);
}

static void take_mld(struct membership *m, struct bytes ip, uint64_t now_ns)
{
	static const uint8_t none[16];
	struct family *f = &m->families[1];
	size_t len, options_len;
	const uint8_t *q;

	if (!bytes_has(ip, 40 + 8 + 24) || ip.p[0] >> 4 != 6 || ip.p[7] != 1 || ip.p[8] != 0xfe ||
		ip.p[9] >> 6 != 2) /* hop limit 1, from a link-local address */
		return;
	len = load_be16(ip.p + 4);
	options_len = ((size_t)ip.p[41] + 1) * 8;
	if (len > bytes_len(ip) - 40 || len < options_len + 24 || ip.p[40] != 58)
		return;
	q = ip.p + 40 + options_len;
	len -= options_len;
	if (q[0] != MLD_QUERY || (len > 24 && len < 28) ||
		sum_end(sum(pseudo(ip.p + 8, len), q, len)) != 0)
		return;
	heard(f, len >= 28 ? 2 : 1, now_ns);
	if (len >= 28 && (q[24] & 7))
		f->robustness = q[24] & 7;
	asked(m, f, memcmp(q + 8, none, 16) == 0 ? NULL : q + 8,
		(len >= 28 ? code_units(load_be16(q + 4), 12) : load_be16(q + 4)) * 1000000,
		now_ns);
}

void membership_take(struct membership *m, struct bytes frame, uint64_t now_ns)
{
	if (!bytes_has(frame, ETHER + 20 + 8))
		return;
	frame.p += ETHER;
	if (load_be16(frame.p - 2) == 0x0800 && frame.p[9] == 2)
		take_igmp(m, frame, now_ns);
	else if (load_be16(frame.p - 2) == 0x86dd && frame.p[6] == 0)
		take_mld(m, frame, now_ns);
}

/* ipv4_put frames an IGMP message that lies behind the headers. */
static unsigned ipv4_put(struct membership *m, uint8_t *frame, const uint8_t *to, unsigned len)
{
	uint8_t *ip = frame + ETHER, *igmp = ip + IPV4;

	memcpy(frame, (uint8_t[]){0x01, 0x00, 0x5e, to[1] & 0x7f, to[2], to[3]}, 6);
	memcpy(frame + 6, m->port.mac, 6);
	put16(frame + 12, 0x0800);
	memcpy(ip, (uint8_t[]){0x46, 0xc0, 0, 0, 0, 0, 0x40, 0, 1, 2, 0, 0}, 12);
	put16(ip + 2, IPV4 + len);
	memcpy(ip + 12, m->port.ipv4, 4);
	memcpy(ip + 16, to, 4);
	memcpy(ip + 20, (uint8_t[]){0x94, 4, 0, 0}, 4); /* router alert */
	put16(ip + 10, sum_end(sum(0, ip, IPV4)));
	put16(igmp + 2, sum_end(sum(0, igmp, len)));
	return ETHER + IPV4 + len;
}

static unsigned ipv6_put(struct membership *m, uint8_t *frame, const uint8_t *to, unsigned len)
{
	uint8_t *ip = frame + ETHER, *mld = ip + IPV6;

	memcpy(frame, (uint8_t[]){0x33, 0x33, to[12], to[13], to[14], to[15]}, 6);
	memcpy(frame + 6, m->port.mac, 6);
	put16(frame + 12, 0x86dd);
	memcpy(ip, (uint8_t[]){0x60, 0, 0, 0, 0, 0, 0, 1}, 8);
	put16(ip + 4, 8 + len);
	memcpy(ip + 8, m->link_local, 16);
	memcpy(ip + 24, to, 16);
	memcpy(ip + 40, (uint8_t[]){58, 0, 5, 2, 0, 0, 1, 0}, 8); /* router alert, padding */
	put16(mld + 2, sum_end(sum(pseudo(ip + 8, len), mld, len)));
	return ETHER + IPV6 + len;
}

/* message_at is where the message lies in a frame, zeroed. */
static uint8_t *message_at(const struct family *f, uint8_t *frame)
{
	memset(frame, 0, MEMBERSHIP_FRAME);
	return frame + ETHER + (f->ipv6 ? IPV6 : IPV4);
}

/* told notes that a group was reported. change: a join or leave, else an answer */
static void told(struct group *g, bool change, uint64_t later_ns)
{
	g->answer_ns = never;
	g->changes -= change;
	g->change_ns = later_ns;
}

static bool is_due(const struct group *g, bool change, uint64_t now_ns)
{
	return change ? g->changes && g->change_ns <= now_ns : g->answer_ns <= now_ns;
}

/* again_ns is when a join or leave is told once more. */
static uint64_t again_ns(struct membership *m, uint64_t now_ns)
{
	return now_ns + delay(m, m->leaving ? leave_again_ns : second_ns);
}

/* report puts the groups that are due into one report of the newest version. */
static unsigned report(
	struct membership *m, struct family *f, bool change, uint64_t now_ns, uint8_t *frame)
{
	static const uint8_t all_mldv2[16] = {0xff, 2, [15] = 0x16};
	static const uint8_t all_igmpv3[4] = {224, 0, 0, 22};
	unsigned address_len = f->ipv6 ? 16 : 4, record_len = 4 + address_len, n = 0;
	unsigned most = (MTU - (f->ipv6 ? IPV6 : IPV4) - RECORDS) / record_len;
	uint64_t later_ns = again_ns(m, now_ns);
	uint8_t *message = message_at(f, frame), *record = message + RECORDS;

	for (unsigned i = 0; i < f->groups_n && n < most; i++) {
		struct group *g = &f->groups[i];

		if (!is_due(g, change, now_ns))
			continue;
		record[0] = !change      ? MODE_IS_EXCLUDE
			    : m->leaving ? CHANGE_TO_INCLUDE
					 : CHANGE_TO_EXCLUDE;
		memcpy(record + 4, g->ip + 16 - address_len, address_len);
		record += record_len;
		told(g, change, later_ns);
		n++;
	}
	if (n == 0)
		return 0;
	message[0] = f->ipv6 ? MLD2_REPORT : IGMP3_REPORT;
	put16(message + 6, n);
	return f->ipv6 ? ipv6_put(m, frame, all_mldv2, RECORDS + n * record_len)
		       : ipv4_put(m, frame, all_igmpv3, RECORDS + n * record_len);
}

/* report_old tells of one group, as older queriers understand. IGMPv1 knows no leaves. */
static unsigned report_old(
	struct membership *m, struct family *f, bool change, uint64_t now_ns, uint8_t *frame)
{
	static const uint8_t routers6[16] = {0xff, 2, [15] = 2};
	static const uint8_t routers4[4] = {224, 0, 0, 2};
	uint8_t *message = message_at(f, frame);

	for (unsigned i = 0; i < f->groups_n; i++) {
		struct group *g = &f->groups[i];

		if (!is_due(g, change, now_ns))
			continue;
		told(g, change, again_ns(m, now_ns));
		if (f->ipv6) {
			message[0] = m->leaving ? MLD1_DONE : MLD1_REPORT;
			memcpy(message + 8, g->ip, 16);
			return ipv6_put(m, frame, m->leaving ? routers6 : g->ip, 24);
		}
		if (f->version == 1 && m->leaving)
			continue;
		message[0] = f->version == 1 ? IGMP1_REPORT
			     : m->leaving    ? IGMP2_LEAVE
					     : IGMP2_REPORT;
		memcpy(message + 4, g->ip + 12, 4);
		return ipv4_put(m, frame, m->leaving ? routers4 : g->ip + 12, 8);
	}
	return 0;
}

unsigned membership_next(struct membership *m, uint64_t now_ns, uint8_t frame[MEMBERSHIP_FRAME])
{
	for (unsigned v = 0; v < 2; v++)
		for (unsigned change = 0; change < 2; change++) {
			struct family *f = &m->families[v];
			unsigned len = f->version == f->newest
					       ? report(m, f, change, now_ns, frame)
					       : report_old(m, f, change, now_ns, frame);

			if (len)
				return len < FRAME_MIN ? FRAME_MIN : len;
		}
	return 0;
}
