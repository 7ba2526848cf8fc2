#include "engine/steer_program.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/if_ether.h>

/* The program keeps what it reads in the machine's 16 words of memory. */
enum {
	HASH,
	NETWORK, /* offset of the network header: VLAN tags the kernel left in are before it */
	PROTO,
	SRC_PORT,
	DST_PORT,
	SRC, /* four words; IPv4 is in the last */
	DST = SRC + 4,
	SPARE = DST + 4,
};

enum {
	INSNS_MAX = BPF_MAXINSNS,
	LABELS_MAX = 8192,
	VLANS_MAX = 4, /* as frame.c */
	EXTENSIONS_MAX = 8,
	UDP_LEN = 8,
	TCP_LEN = 20,
	QINQ_OLD = 0x9100,
	FRAGMENT_IPV4 = 0x3fff, /* more fragments, or an offset */
	FRAGMENT_IPV6 = 0xfff9,
};

/* assembly is a program on its way: ja instructions hold labels until all labels have places. */
struct assembly {
	const struct steer *steer;
	struct sock_filter insns[INSNS_MAX];
	unsigned n, labels_n;
	unsigned label_at[LABELS_MAX];
	bool full;
};

static unsigned label_new(struct assembly *as)
{
	as->full |= as->labels_n >= LABELS_MAX - 1;
	return as->full ? 0 : as->labels_n++;
}

static void place(struct assembly *as, unsigned label)
{
	as->label_at[label] = as->n;
}

static void emit(struct assembly *as, unsigned code, uint32_t k)
{
	if (as->n >= INSNS_MAX)
		as->full = true;
	else
		as->insns[as->n++] = (struct sock_filter){.code = (uint16_t)code, .k = k};
}

/* skip jumps over so many instructions when A op k is true, or when it is false. */
static void skip_if(struct assembly *as, unsigned op, uint32_t k, uint8_t true_n, uint8_t false_n)
{
	emit(as, BPF_JMP | op | BPF_K, k);
	if (!as->full) {
		as->insns[as->n - 1].jt = true_n;
		as->insns[as->n - 1].jf = false_n;
	}
}

static void go(struct assembly *as, unsigned label)
{
	emit(as, BPF_JMP | BPF_JA, label);
}

/* Conditional jumps reach 255 instructions, ja any. */
static void go_if(struct assembly *as, unsigned op, uint32_t k, unsigned label)
{
	skip_if(as, op, k, 0, 1);
	go(as, label);
}

static void go_unless(struct assembly *as, unsigned op, uint32_t k, unsigned label)
{
	skip_if(as, op, k, 1, 0);
	go(as, label);
}

static void answer(struct assembly *as, unsigned worker)
{
	emit(as, BPF_RET | BPF_K, worker);
}

static void load(struct assembly *as, unsigned word)
{
	emit(as, BPF_LD | BPF_MEM, word);
}

static void load_x(struct assembly *as, unsigned word)
{
	emit(as, BPF_LDX | BPF_MEM, word);
}

static void store(struct assembly *as, unsigned word)
{
	emit(as, BPF_ST, word);
}

/* read reads packet bytes at X + offset; size: BPF_B, BPF_H or BPF_W. Behind the end: worker 0. */
static void read_packet(struct assembly *as, unsigned size, uint32_t offset)
{
	emit(as, BPF_LD | BPF_IND | size, offset);
}

static void calculate(struct assembly *as, unsigned op, uint32_t k)
{
	emit(as, BPF_ALU | op | BPF_K, k);
}

static void calculate_x(struct assembly *as, unsigned op)
{
	emit(as, BPF_ALU | op | BPF_X, 0);
}

static bool is_ipv4(const struct address *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a->ip, mapped, sizeof(mapped)) == 0;
}

static bool is_any(const struct address *a)
{
	static const uint8_t zero[16];

	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

/* search is one look at the table: for packets of a transport, by one of their addresses. */
struct search {
	struct assembly *as;
	const struct feed_line **rows; /* IPv4: by address, any port last */
	unsigned n;
	const struct feed_line **any; /* rows for any address, any port last */
	unsigned any_n;
	unsigned address, port; /* words of the address looked up */
	bool tcp;
	unsigned miss; /* where to go without a row */
	unsigned flow; /* where to go when the row is the other transport's */
};

static void hit(struct search *s, const struct feed_line *row)
{
	if (row->tcp == s->tcp)
		answer(s->as, row->ordinal % s->as->steer->workers);
	else
		go(s->as, s->flow);
}

/* ports compares the port with those of rows, one of which may take any. */
static void ports(struct search *s, const struct feed_line **rows, unsigned n, unsigned miss)
{
	load(s->as, s->port);
	for (unsigned i = 0; i < n; i++) {
		if (rows[i]->dst.port == 0) {
			hit(s, rows[i]);
			return;
		}
		skip_if(s->as, BPF_JEQ, rows[i]->dst.port, 0, 1);
		hit(s, rows[i]);
	}
	go(s->as, miss);
}

static uint32_t word_of(const struct feed_line *row, unsigned i)
{
	return load_be32(row->dst.ip + 4 * i);
}

/* tree finds an IPv4 address, which is in A, by halves. */
static void tree(struct search *s, unsigned from, unsigned to, unsigned any)
{
	unsigned middle = from + (to - from) / 2, right;
	uint32_t ip = word_of(s->rows[middle], 3);

	while (middle > from && word_of(s->rows[middle - 1], 3) == ip)
		middle--;
	if (middle == from) /* the left half is all one address */
		while (middle < to && word_of(s->rows[middle], 3) == word_of(s->rows[from], 3))
			middle++;
	if (middle == to) {
		go_unless(s->as, BPF_JEQ, word_of(s->rows[from], 3), any);
		ports(s, s->rows + from, to - from, any);
		return;
	}
	right = label_new(s->as);
	go_if(s->as, BPF_JGE, word_of(s->rows[middle], 3), right);
	tree(s, from, middle, any);
	place(s->as, right);
	tree(s, middle, to, any);
}

/* list finds an IPv6 address row by row: there are few. */
static void list(struct search *s, unsigned any)
{
	for (unsigned i = 0, n; i < s->n; i += n) {
		unsigned next = label_new(s->as);

		for (n = 1; i + n < s->n &&
			    memcmp(s->rows[i]->dst.ip, s->rows[i + n]->dst.ip, 16) == 0;)
			n++;
		for (unsigned w = 0; w < 4; w++) {
			load(s->as, s->address + w);
			go_unless(s->as, BPF_JEQ, word_of(s->rows[i], w), next);
		}
		ports(s, s->rows + i, n, any);
		place(s->as, next);
	}
	go(s->as, any);
}

static int by_address(const void *a, const void *b)
{
	const struct feed_line *x = *(const struct feed_line *const *)a,
			       *y = *(const struct feed_line *const *)b;
	int order = memcmp(x->dst.ip, y->dst.ip, 16);

	if (order)
		return order;
	if (!x->dst.port != !y->dst.port) /* any port last */
		return x->dst.port ? -1 : 1;
	return (x->dst.port > y->dst.port) - (x->dst.port < y->dst.port);
}

/* search_emit writes a search. version: 4 or 6 */
static void search_emit(struct search s, unsigned version)
{
	const struct feed_table *table = s.as->steer->table;
	const struct feed_line *rows[FEED_LINES_MAX], *anys[FEED_LINES_MAX];
	unsigned any = label_new(s.as);

	s.rows = rows;
	s.any = anys;
	for (uint32_t i = 0; i < table->rows_n; i++) {
		const struct feed_line *row = &table->rows[i];

		if (feed_table_find(table, &row->dst) != row)
			continue; /* another row has the same address and port */
		if (is_any(&row->dst))
			anys[s.any_n++] = row;
		else if (is_ipv4(&row->dst) == (version == 4))
			rows[s.n++] = row;
	}
	qsort(rows, s.n, sizeof(*rows), by_address);
	qsort(anys, s.any_n, sizeof(*anys), by_address);
	if (version == 4 && s.n) {
		load(s.as, s.address + 3);
		tree(&s, 0, s.n, any);
	} else {
		list(&s, any);
	}
	place(s.as, any);
	ports(&s, anys, s.any_n, s.miss);
}

/* hash_emit answers with the worker of the flow, as flow_hash finds it. */
static void hash_emit(struct assembly *as, unsigned version)
{
	emit(as, BPF_LD | BPF_IMM, 0);
	store(as, HASH);
	for (unsigned i = version == 4 ? 3 : 0; i < 4; i++) {
		load(as, HASH);
		load_x(as, SRC + i);
		calculate_x(as, BPF_XOR);
		load_x(as, DST + i);
		calculate_x(as, BPF_XOR);
		calculate(as, BPF_MUL, FRAME_HASH_MIX);
		calculate_x(as, BPF_ADD);
		load_x(as, SRC + i);
		calculate_x(as, BPF_ADD);
		store(as, HASH);
	}
	for (unsigned shift = 15;; shift = 13) { /* h ^= h >> shift */
		load(as, HASH);
		calculate(as, BPF_RSH, shift);
		load_x(as, HASH);
		calculate_x(as, BPF_XOR);
		if (shift == 13)
			break;
		calculate(as, BPF_MUL, FRAME_HASH_MIX);
		store(as, HASH);
	}
	if (as->steer->buckets)
		calculate(as, BPF_MOD, as->steer->buckets);
	calculate(as, BPF_MOD, as->steer->workers);
	emit(as, BPF_RET | BPF_A, 0);
}

static bool has_rows(const struct feed_table *table, bool tcp)
{
	for (uint32_t i = 0; i < table->rows_n; i++)
		if (table->rows[i].tcp == tcp)
			return true;
	return false;
}

/* transport_emit: X is where UDP or TCP begins, A its number. */
static void transport_emit(struct assembly *as, unsigned version)
{
	unsigned udp = label_new(as), from = label_new(as), flow = label_new(as),
		 datagram = label_new(as), whole = label_new(as), known = label_new(as);

	store(as, PROTO);
	skip_if(as, BPF_JEQ, IP_PROTO_UDP, 2, 0);
	skip_if(as, BPF_JEQ, IP_PROTO_TCP, 1, 0);
	go(as, flow);
	emit(as, BPF_LD | BPF_W | BPF_LEN, 0); /* a header that is cut: TCP is a flow, ... */
	calculate_x(as, BPF_SUB);
	go_if(as, BPF_JGE, TCP_LEN, whole);
	store(as, SPARE);
	load(as, PROTO);
	go_if(as, BPF_JEQ, IP_PROTO_TCP, flow);
	load(as, SPARE);
	go_if(as, BPF_JGE, UDP_LEN, whole);
	emit(as, BPF_LD | BPF_IMM, 0); /* ... UDP has the ports 0, as in frame_parse */
	store(as, SRC_PORT);
	store(as, DST_PORT);
	go(as, known);
	place(as, whole);
	read_packet(as, BPF_H, 0);
	store(as, SRC_PORT);
	read_packet(as, BPF_H, 2);
	store(as, DST_PORT);
	place(as, known);
	load(as, PROTO);
	if (has_rows(as->steer->table, true)) {
		go_unless(as, BPF_JEQ, IP_PROTO_TCP, udp);
		search_emit((struct search){as, .address = DST, .port = DST_PORT, .tcp = true,
				    .miss = from, .flow = flow},
			version);
		place(as, from);
		search_emit((struct search){as, .address = SRC, .port = SRC_PORT, .tcp = true,
				    .miss = flow, .flow = flow},
			version);
	} else {
		go_if(as, BPF_JEQ, IP_PROTO_TCP, flow);
	}
	place(as, udp);
	if (has_rows(as->steer->table, false))
		search_emit((struct search){as, .address = DST, .port = DST_PORT, .miss = datagram,
				    .flow = datagram},
			version);
	place(as, datagram);
	if (as->steer->recognise)
		answer(as, 0);
	place(as, flow);
	hash_emit(as, version);
}

static void ipv4_emit(struct assembly *as, unsigned none)
{
	unsigned fragment = label_new(as);

	read_packet(as, BPF_B, 0);
	calculate(as, BPF_RSH, 4);
	go_unless(as, BPF_JEQ, 4, none);
	read_packet(as, BPF_W, 12);
	store(as, SRC + 3);
	read_packet(as, BPF_W, 16);
	store(as, DST + 3);
	read_packet(as, BPF_B, 0);
	calculate(as, BPF_AND, 15);
	calculate(as, BPF_LSH, 2);
	go_unless(as, BPF_JGE, 20, none);
	store(as, SPARE);
	read_packet(as, BPF_H, 2); /* a total length below the header's is none, but for 0 */
	skip_if(as, BPF_JEQ, 0, 3, 0);
	load_x(as, SPARE);
	emit(as, BPF_JMP | BPF_JGE | BPF_X, 0);
	if (!as->full)
		as->insns[as->n - 1].jt = 1;
	go(as, none);
	load_x(as, NETWORK);
	read_packet(as, BPF_H, 6);
	emit(as, BPF_JMP | BPF_JSET | BPF_K, FRAGMENT_IPV4);
	if (!as->full)
		as->insns[as->n - 1].jf = 1;
	go(as, fragment);
	read_packet(as, BPF_B, 9);
	store(as, PROTO);
	load(as, SPARE);
	calculate_x(as, BPF_ADD);
	emit(as, BPF_MISC | BPF_TAX, 0);
	load(as, PROTO);
	transport_emit(as, 4);
	place(as, fragment);
	hash_emit(as, 4);
}

/* extension_emit steps over one IPv6 extension header: its type is in A, its place in X. */
static void extension_emit(struct assembly *as, unsigned transport, unsigned fragment)
{
	unsigned eights = label_new(as), fours = label_new(as), eight = label_new(as),
		 add = label_new(as);

	go_if(as, BPF_JEQ, 0, eights);  /* hop by hop */
	go_if(as, BPF_JEQ, 43, eights); /* routing */
	go_if(as, BPF_JEQ, 60, eights); /* destination */
	go_if(as, BPF_JEQ, 51, fours);  /* authentication, RFC 4302 */
	go_if(as, BPF_JEQ, 44, eight);  /* fragment */
	go(as, transport);
	place(as, eights);
	read_packet(as, BPF_B, 1);
	calculate(as, BPF_ADD, 1);
	calculate(as, BPF_LSH, 3);
	go(as, add);
	place(as, fours);
	read_packet(as, BPF_B, 1);
	calculate(as, BPF_ADD, 2);
	calculate(as, BPF_LSH, 2);
	go(as, add);
	place(as, eight);
	read_packet(as, BPF_H, 2);
	go_if(as, BPF_JSET, FRAGMENT_IPV6, fragment);
	emit(as, BPF_LD | BPF_IMM, 8);
	place(as, add);
	store(as, SPARE);
	read_packet(as, BPF_B, 0);
	store(as, PROTO);
	load(as, SPARE);
	calculate_x(as, BPF_ADD);
	emit(as, BPF_MISC | BPF_TAX, 0);
	load(as, PROTO);
}

static void ipv6_emit(struct assembly *as, unsigned none)
{
	unsigned transport = label_new(as), fragment = label_new(as);

	read_packet(as, BPF_B, 0);
	calculate(as, BPF_RSH, 4);
	go_unless(as, BPF_JEQ, 6, none);
	for (unsigned i = 0; i < 4; i++) {
		read_packet(as, BPF_W, 8 + 4 * i);
		store(as, SRC + i);
		read_packet(as, BPF_W, 24 + 4 * i);
		store(as, DST + i);
	}
	read_packet(as, BPF_B, 6);
	store(as, PROTO);
	emit(as, BPF_MISC | BPF_TXA, 0);
	calculate(as, BPF_ADD, 40);
	emit(as, BPF_MISC | BPF_TAX, 0);
	load(as, PROTO);
	for (unsigned i = 0; i < EXTENSIONS_MAX; i++)
		extension_emit(as, transport, fragment);
	go(as, fragment); /* more than that are not read */
	place(as, transport);
	transport_emit(as, 6);
	place(as, fragment);
	hash_emit(as, 6);
}

static void program_emit(struct assembly *as)
{
	unsigned network = label_new(as), ipv4 = label_new(as), ipv6 = label_new(as),
		 none = label_new(as);

	emit(as, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
	emit(as, BPF_LDX | BPF_IMM, 0);
	for (unsigned i = 0; i < VLANS_MAX; i++) {
		skip_if(as, BPF_JEQ, ETH_P_8021Q, 3, 0);
		skip_if(as, BPF_JEQ, ETH_P_8021AD, 2, 0);
		skip_if(as, BPF_JEQ, QINQ_OLD, 1, 0);
		go(as, network);
		read_packet(as, BPF_H, 2);
		store(as, PROTO);
		emit(as, BPF_MISC | BPF_TXA, 0);
		calculate(as, BPF_ADD, 4);
		emit(as, BPF_MISC | BPF_TAX, 0);
		load(as, PROTO);
	}
	place(as, network);
	emit(as, BPF_STX, NETWORK);
	go_if(as, BPF_JEQ, ETH_P_IP, ipv4);
	go_if(as, BPF_JEQ, ETH_P_IPV6, ipv6);
	go(as, none);
	place(as, ipv4);
	ipv4_emit(as, none);
	place(as, ipv6);
	ipv6_emit(as, none);
	place(as, none); /* jumps go forward alone */
	answer(as, 0);
}

int steer_program_make(struct sock_fprog *program, const struct steer *steer)
{
	struct assembly *as = calloc(1, sizeof(*as));
	int rc = -E2BIG;

	if (!as)
		return -ENOMEM;
	as->steer = steer;
	program_emit(as);
	for (unsigned i = 0; i < as->n && !as->full; i++)
		if (as->insns[i].code == (BPF_JMP | BPF_JA))
			as->insns[i].k = as->label_at[as->insns[i].k] - i - 1;
	if (as->full)
		goto free_assembly;
	program->len = (unsigned short)as->n;
	program->filter = calloc(as->n, sizeof(*program->filter));
	rc = program->filter ? 0 : -ENOMEM;
	if (program->filter)
		memcpy(program->filter, as->insns, as->n * sizeof(*program->filter));
free_assembly:
	free(as);
	return rc;
}
