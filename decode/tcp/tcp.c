/* Hot path: no allocation, lock, system call or log. */
#include "decode/tcp/tcp.h"

enum {
	FLAG_FIN = 0x01,
	FLAG_SYN = 0x02,
	FLAG_RST = 0x04,
	FLAG_ACK = 0x10,
	TOP_UP_MAX = 2048, /* bytes copied at a time to complete a held unit, most often enough */
	VICTIMS_MAX = 32,  /* directions looked at to find one that may go */
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static uint32_t hash_of(
	const struct tcp_table *table, const struct address *src, const struct address *dst)
{
	uint64_t h = table->seed;

	h = mix(h, load_le64(src->ip));
	h = mix(h, load_le64(src->ip + 8));
	h = mix(h, load_le64(dst->ip));
	h = mix(h, load_le64(dst->ip + 8));
	h = mix(h, (uint32_t)src->port << 16 | dst->port);
	return (uint32_t)h;
}

/* end_of says that nothing comes behind this segment, when it is in order. */
static bool end_of(const struct frame *f)
{
	return f->tcp_flags & (FLAG_FIN | FLAG_RST);
}

static bool same(const struct address *a, const struct address *b)
{
	return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0 && a->port == b->port;
}

/* find returns the direction of f, or NULL. */
static struct tcp_dir *find(const struct tcp_table *table, const struct frame *f, uint32_t hash)
{
	uint32_t slot = hash & table->slots_mask;

	for (; table->slots[slot]; slot = (slot + 1) & table->slots_mask) {
		struct tcp_dir *dir = &table->dirs[table->slots[slot] - 1];

		if (dir->hash == hash && same(&dir->src, &f->src) && same(&dir->dst, &f->dst))
			return dir;
	}
	return NULL;
}

/* drop_held gives up the part of a unit that waits for its rest. */
static void drop_held(struct tcp_table *table, struct tcp_dir *dir)
{
	table->counts.bytes_dropped += dir->held;
	dir->held = 0;
	if (dir->buffer)
		table->buffers[table->buffers_n++] = dir->buffer;
	dir->buffer = NULL;
}

/* unlink takes the direction out of the index; those behind it move up so that no mark has to stay.
 */
static void unlink_dir(struct tcp_table *table, const struct tcp_dir *dir)
{
	uint32_t mask = table->slots_mask, hole = dir->hash & mask, slot;

	while (table->slots[hole] != dir->index + 1)
		hole = (hole + 1) & mask;
	for (slot = (hole + 1) & mask; table->slots[slot]; slot = (slot + 1) & mask) {
		uint32_t home = table->dirs[table->slots[slot] - 1].hash & mask;

		if (((slot - home) & mask) >= ((slot - hole) & mask)) {
			table->slots[hole] = table->slots[slot];
			hole = slot;
		}
	}
	table->slots[hole] = 0;
}

void tcp_forget(struct tcp_table *table, struct tcp_dir *dir)
{
	drop_held(table, dir);
	unlink_dir(table, dir);
	table->spare[table->spare_n++] = dir->index;
}

/* room returns the index of an entry for a new direction, or flows_max. A victim is closed,
 * unclaimed or silent for long; spare entries are never looked at, because there are none when
 * this is asked. */
static uint32_t room(struct tcp_table *table, uint64_t ts_ns)
{
	uint32_t n;

	if (table->spare_n)
		return table->spare[--table->spare_n];
	if (table->dirs_n < table->opt.flows_max)
		return table->dirs_n++;
	for (n = 0; n < VICTIMS_MAX; n++) {
		struct tcp_dir *dir = &table->dirs[table->hand];

		table->hand = table->hand + 1 < table->opt.flows_max ? table->hand + 1 : 0;
		if (dir->closed || dir->kind == TCP_UNCLAIMED ||
			ts_ns > dir->ts_ns + table->opt.idle_ns) {
			tcp_forget(table, dir);
			table->counts.evicted++;
			return table->spare[--table->spare_n];
		}
	}
	return table->opt.flows_max;
}

/* begin makes dir a new connection whose next byte is at seq. */
static void begin(struct tcp_table *table, struct tcp_dir *dir, const struct frame *f, uint32_t seq)
{
	drop_held(table, dir);
	dir->life = (uint32_t)++table->counts.opened;
	dir->kind = TCP_UNCLAIMED;
	dir->owner = NULL;
	dir->to_acceptor = f->dst.port < f->src.port;
	dir->resync = false;
	dir->loss = false;
	dir->closed = false;
	dir->lost_bytes = 0;
	dir->next = dir->start = dir->hole = dir->hole_end = seq;
}

static struct tcp_dir *open_dir(
	struct tcp_table *table, const struct frame *f, uint32_t hash, uint32_t seq, uint64_t ts_ns)
{
	uint32_t index = room(table, ts_ns), slot = hash & table->slots_mask;
	struct tcp_dir *dir;

	if (index == table->opt.flows_max)
		return NULL;
	dir = &table->dirs[index];
	*dir = (struct tcp_dir){
		.src = f->src, .dst = f->dst, .index = index, .hash = hash, .ts_ns = ts_ns};
	while (table->slots[slot])
		slot = (slot + 1) & table->slots_mask;
	table->slots[slot] = index + 1;
	begin(table, dir, f, seq);
	return dir;
}

/* take_syn begins a connection, unless this is a copy of the SYN that did. */
static struct tcp_dir *take_syn(struct tcp_table *table, struct tcp_dir *dir, const struct frame *f,
	uint32_t hash, uint64_t ts_ns)
{
	uint32_t seq = f->tcp_seq + 1;

	if (!dir)
		dir = open_dir(table, f, hash, seq, ts_ns);
	else if (dir->closed || dir->start != seq)
		begin(table, dir, f, seq);
	if (dir)
		dir->to_acceptor = !(f->tcp_flags & FLAG_ACK);
	return dir;
}

/* place cuts off what dir has already had and moves its next expected byte behind the rest.
 * Returns 0, or -REASON_x when nothing new is left */
static int place(
	struct tcp_table *table, struct tcp_dir *dir, uint32_t seq, struct tcp_segment *seg)
{
	uint32_t len = (uint32_t)bytes_len(seg->data), behind = dir->next - seq;

	seg->lost = 0;
	if ((int32_t)behind > 0) {
		table->counts.bytes_repeated += behind < len ? behind : len;
		if (behind >= len) {
			/* a part of the newest hole, or seen before */
			bool late = (int32_t)(seq + len - dir->hole) > 0 &&
				    (int32_t)(seq - dir->hole_end) < 0;

			return late ? -REASON_tcp_late : -REASON_tcp_retransmit;
		}
		seg->data.p += behind;
	} else if (behind != 0) {
		seg->lost = -behind;
		dir->hole = dir->next;
		dir->hole_end = seq;
		dir->lost_bytes += seg->lost;
		dir->resync = dir->loss = true;
		drop_held(table, dir);
		table->counts.holes++;
		table->counts.bytes_lost += seg->lost;
	}
	dir->next = seq + len;
	table->counts.bytes += bytes_len(seg->data);
	return 0;
}

int tcp_take(
	struct tcp_table *table, const struct frame *f, uint64_t ts_ns, struct tcp_segment *seg)
{
	uint32_t hash = hash_of(table, &f->src, &f->dst), seq = f->tcp_seq;
	struct tcp_dir *dir = find(table, f, hash);
	bool idle;
	int rc;

	table->counts.segments++;
	*seg = (struct tcp_segment){.data = f->payload};
	if (f->tcp_flags & FLAG_SYN) {
		dir = take_syn(table, dir, f, hash, ts_ns);
		seq++;
	}
	seg->dir = dir;
	if (f->payload.p == f->payload.end) {
		if (dir && end_of(f) && seq == dir->next) {
			dir->closed = true;
			drop_held(table, dir);
		}
		return tcp_drop(table, REASON_no_payload);
	}
	if (!dir)
		return -REASON_no_feed;
	idle = ts_ns > dir->ts_ns + table->opt.idle_ns;
	dir->ts_ns = ts_ns;
	if (idle && seq != dir->next) {
		uint8_t kind = dir->kind;
		void *owner = dir->owner;

		begin(table, dir, f, seq); /* too long ago to be the same connection */
		dir->kind = kind;
		dir->owner = owner;
		dir->resync = true;
	}
	rc = place(table, dir, seq, seg);
	if (rc < 0)
		return tcp_drop(table, (enum reason) - rc);
	dir->closed = end_of(f);
	return 0;
}

int tcp_claim(
	struct tcp_table *table, const struct frame *f, uint64_t ts_ns, struct tcp_segment *seg)
{
	uint32_t hash = hash_of(table, &f->src, &f->dst);
	uint32_t seq = f->tcp_seq + !!(f->tcp_flags & FLAG_SYN);
	struct tcp_dir *dir = open_dir(table, f, hash, seq, ts_ns);

	if (!dir)
		return -REASON_flow_table_full;
	dir->resync = true;
	dir->closed = end_of(f);
	*seg = (struct tcp_segment){.dir = dir, .data = f->payload};
	return place(table, dir, seq, seg);
}

/* keep holds what eat left for the next segment, unless there is no buffer, or eat broke its
 * promise. */
static void keep(struct tcp_table *table, struct tcp_dir *dir, struct bytes rest)
{
	if (!dir->buffer && table->buffers_n)
		dir->buffer = table->buffers[--table->buffers_n];
	if (!dir->buffer || bytes_len(rest) >= table->opt.unit_max) {
		table->counts.no_buffer += !dir->buffer;
		table->counts.bytes_dropped += bytes_len(rest);
		dir->held = 0;
		drop_held(table, dir);
		dir->resync = dir->loss = true;
		return;
	}
	dir->held = (uint32_t)bytes_len(rest);
	memmove(dir->buffer, rest.p, dir->held);
}

/* top_up appends bytes of in to what is held and lets eat look at it.
 * Returns  what is left of in: all of it is seen when the held part is no longer needed */
static struct bytes top_up(struct tcp_table *table, struct tcp_dir *dir, struct bytes in,
	struct events *out, tcp_eat eat, void *ctx)
{
	uint32_t held = dir->held, more = table->opt.unit_max - held;
	size_t eaten;

	if (more > TOP_UP_MAX)
		more = TOP_UP_MAX;
	if (more > bytes_len(in))
		more = (uint32_t)bytes_len(in);
	memcpy(dir->buffer + held, in.p, more);
	dir->held += more;
	eaten = eat(ctx, dir, bytes_of(dir->buffer, dir->held));
	events_flush(out); /* they may point into the buffer */
	if (eaten >= held && eaten > 0) {
		/* what is left of these bytes stands in the segment too: go on there */
		in.p += eaten - held;
		dir->held = 0;
		table->buffers[table->buffers_n++] = dir->buffer;
		dir->buffer = NULL;
		return in;
	}
	in.p += more;
	keep(table, dir, bytes_of(dir->buffer + eaten, dir->held - eaten));
	return in;
}

void tcp_deliver(struct tcp_table *table, struct tcp_segment *seg, struct events *out, tcp_eat eat,
	void *ctx)
{
	struct tcp_dir *dir = seg->dir;
	struct bytes in = seg->data;

	table->counts.delivered++;
	while (dir->held && in.p < in.end)
		in = top_up(table, dir, in, out, eat, ctx);
	if (in.p < in.end) {
		in.p += eat(ctx, dir, in);
		if (in.p < in.end)
			keep(table, dir, in);
	}
	if (dir->closed) {
		events_flush(out);
		drop_held(table, dir);
	}
}
