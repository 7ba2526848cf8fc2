/* Hot path: no allocation, lock, system call or log (but for open and close). */
#include "publish/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "events/event_write.h"
#include "publish/block.h"
#include "publish/ledger.h"
#include "publish/pool.h"

enum {
	SLACK = 1024,     /* room behind the block: a row that starts in the block may end here */
	FACTS_MAX = 1024, /* batch facts at most: 3 texts of 64, numbers, FACTS_DROPS reasons */
	FACTS_DROPS = 16,
	POLL_MAX = 64,
	SCRATCH = 16 << 20, /* most bytes of one row; untouched pages cost nothing */
};
_Static_assert(FACTS_MAX <= SLACK, "facts are written behind less than a block of rows");

struct stream {
	alignas(64) uint8_t block[BLOCK + SLACK];
	uint32_t used;                /* bytes in block; < BLOCK between calls */
	uint32_t copied;              /* bytes already in batch */
	uint32_t events;              /* rows in block and batch */
	struct batch *batch;          /* NULL until the first block is full */
	uint64_t events_before;       /* events in earlier batches */
	uint64_t batches;             /* closed so far */
	uint64_t opened_ns;           /* clock when the first row came */
	struct stream *older, *newer; /* list of streams with an open batch */
	uint8_t clock_source, session_len;
	bool shed; /* dropped[] has something */
	char session[SESSION_MAX];
	uint64_t clock_error_ns;
	struct stream_facts facts;
	uint64_t dropped[REASON_COUNT];
	alignas(64) atomic_uint outstanding; /* batches that some sink still has */
};

struct streams {
	uint64_t now_ns, linger_ns;
	uint32_t room; /* bytes for rows in a batch */
	uint32_t batch_events;
	struct stream *oldest, *newest; /* streams with an open batch, by opened_ns */
	struct batch_pool *pool;
	struct ring *const *rings;
	unsigned rings_n;
	uint16_t worker;
	struct str source;
	uint64_t boot_id;
	uint8_t *scratch; /* for one row that is larger than SLACK */
	size_t scratch_size;
	uint64_t appended, batched, too_big; /* events */
	unsigned streams_n, streams_max;
	struct stream *streams;
};

int streams_open(struct streams **out, const struct streams_options *opt)
{
	struct streams *ws;

	if (opt->batch_bytes < 4096 || opt->batch_bytes > 16u << 20 || !opt->streams_max ||
		opt->streams_max > 65536 || opt->rings_n > SINKS_MAX)
		return -EINVAL;
	ws = calloc(1, sizeof(*ws));
	if (!ws)
		return -ENOMEM;
	*ws = (struct streams){
		.linger_ns = opt->linger_ns,
		.room = opt->batch_bytes - FACTS_MAX,
		.batch_events = opt->batch_events ? opt->batch_events : UINT32_MAX,
		.rings = opt->rings,
		.rings_n = opt->rings_n,
		.worker = (uint16_t)opt->worker,
		.source = {opt->source, (uint32_t)strnlen(opt->source, 63)},
		.boot_id = opt->boot_id,
		.streams_max = opt->streams_max,
	};
	/* fresh zero pages: a stream that is never opened costs nothing */
	ws->streams = mmap(NULL, opt->streams_max * sizeof(*ws->streams), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ws->streams == MAP_FAILED)
		goto free_ws;
	if (batch_pool_open(&ws->pool, opt->streams_max + opt->sinks_hold + 2, opt->batch_bytes) <
		0)
		goto unmap_streams;
	ws->scratch_size = SCRATCH;
	ws->scratch = mmap(NULL, ws->scratch_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ws->scratch == MAP_FAILED)
		goto close_pool;
	*out = ws;
	return 0;

close_pool:
	batch_pool_close(ws->pool);
unmap_streams:
	munmap(ws->streams, opt->streams_max * sizeof(*ws->streams));
free_ws:
	free(ws);
	return -ENOMEM;
}

unsigned streams_close(struct streams *ws)
{
	unsigned out;

	if (!ws)
		return 0;
	out = pool_out(ws->pool);
	for (unsigned i = 0; i < ws->streams_n; i++)
		out -= ws->streams[i].batch != NULL;
	munmap(ws->scratch, ws->scratch_size);
	batch_pool_close(ws->pool);
	munmap(ws->streams, ws->streams_max * sizeof(*ws->streams));
	free(ws);
	return out;
}

/* stream_number hashes the name (FNV-1a) to 48 bits: seven bytes on the wire, exact in a double. */
static uint64_t stream_number(const struct stream_spec *spec)
{
	uint64_t hash = 0xcbf29ce484222325;
	uint8_t tail[6] = {0, (uint8_t)spec->domain, (uint8_t)spec->channel,
		(uint8_t)(spec->channel >> 8), (uint8_t)(spec->channel >> 16),
		(uint8_t)(spec->channel >> 24)};

	for (uint32_t i = 0; i < spec->venue.len; i++)
		hash = (hash ^ (uint8_t)spec->venue.p[i]) * 0x100000001b3;
	for (unsigned i = 0; i < sizeof(tail); i++)
		hash = (hash ^ tail[i]) * 0x100000001b3;
	hash ^= hash >> 48;
	return (hash & 0xffffffffffff) | 1;
}

static const char *const domain_name[DOMAIN_COUNT] = {
	[DOMAIN_MD] = "md",
	[DOMAIN_FIX] = "fix",
	[DOMAIN_NET] = "net",
	[DOMAIN_SIGNAL] = "signal",
	[DOMAIN_OPS] = "ops",
};

static void facts_fill(struct stream_facts *f, const struct stream_spec *spec)
{
	f->domain = spec->domain;
	f->channel = spec->channel;
	f->venue_len = (uint8_t)(spec->venue.len < VENUE_MAX ? spec->venue.len : VENUE_MAX - 1);
	if (f->venue_len)
		memcpy(f->venue, spec->venue.p, f->venue_len);
	if (f->domain == DOMAIN_FIX) {
		f->key_len = (uint8_t)snprintf(f->key, sizeof(f->key), "%s", f->venue);
		f->topic_len = (uint8_t)snprintf(f->topic, sizeof(f->topic), "fix.%s.", f->venue);
		return;
	}
	f->key_len = (uint8_t)snprintf(
		f->key, sizeof(f->key), "%s%s%u", f->venue, f->venue_len ? "/" : "", f->channel);
	f->topic_len = (uint8_t)snprintf(f->topic, sizeof(f->topic), "%s.%s%s%u.",
		domain_name[f->domain], f->venue, f->venue_len ? "." : "", f->channel);
}

struct stream *stream_open(struct streams *ws, const struct stream_spec *spec)
{
	uint64_t number = stream_number(spec);
	struct stream *s;

	for (unsigned i = 0; i < ws->streams_n; i++)
		if (ws->streams[i].facts.number == number)
			return &ws->streams[i];
	if (ws->streams_n == ws->streams_max)
		return NULL;
	s = &ws->streams[ws->streams_n++];
	facts_fill(&s->facts, spec);
	s->facts.number = number;
	return s;
}

const struct stream_facts *stream_facts(const struct stream *s)
{
	return &s->facts;
}

/* list of streams with an open batch */
static void list_append(struct streams *ws, struct stream *s)
{
	s->opened_ns = ws->now_ns;
	s->newer = NULL;
	s->older = ws->newest;
	if (ws->newest)
		ws->newest->newer = s;
	else
		ws->oldest = s;
	ws->newest = s;
}

static void list_remove(struct streams *ws, struct stream *s)
{
	*(s->older ? &s->older->newer : &ws->oldest) = s->newer;
	*(s->newer ? &s->newer->older : &ws->newest) = s->older;
}

/* batch_take waits when the pool is empty, which only a sink beyond its quota can cause. */
static struct batch *batch_take(struct streams *ws)
{
	struct batch *b;

	while (!(b = pool_take(ws->pool)))
		nanosleep(&(struct timespec){0, 100000}, NULL);
	return b;
}

/* facts_write writes what all rows share, behind them. At most FACTS_MAX bytes. */
static size_t facts_write(const struct streams *ws, const struct stream *s, uint8_t *out)
{
	struct ev_dropped drops[FACTS_DROPS];
	struct ev_event_batch f = {
		.source = ws->source,
		.worker = ws->worker,
		.batch_seq = s->batches + 1,
		.schema_version = SCHEMA_VERSION,
		.ts_close_ns = ws->now_ns,
		.boot_id = ws->boot_id,
		.stream = s->facts.number,
		.first_event = s->events_before + 1,
		.venue = {s->facts.venue, s->facts.venue_len},
		.channel = s->facts.channel,
		.session = {s->session, s->session_len},
		.clock_source = s->clock_source,
		.clock_error_ns = s->clock_error_ns,
		.dropped = drops,
	};

	for (unsigned r = 0; s->shed && r < REASON_COUNT && f.dropped_n < FACTS_DROPS; r++)
		if (s->dropped[r])
			drops[f.dropped_n++] =
				(struct ev_dropped){str_of(reason_name(r)), s->dropped[r]};
	return event_batch_write(out, &f);
}

/* batch_send gives the batch to every ring. */
static void batch_send(struct streams *ws, struct stream *s, struct batch *b)
{
	uint32_t events = b->events;

	atomic_store_explicit(&b->refs, ws->rings_n + 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->outstanding, 1, memory_order_relaxed);
	for (unsigned i = 0; i < ws->rings_n; i++) {
		int rc = ring_push(ws->rings[i], b);

		if (rc < 0) {
			stream_dropped(s, (enum reason) - rc, events);
			batch_done(b);
		}
	}
	batch_done(b); /* our own hold on it: with no ring at all it goes straight back */
}

static void stream_close(struct streams *ws, struct stream *s)
{
	struct batch *b;
	uint32_t facts;

	if (!s->events)
		return;
	b = s->batch ? s->batch : batch_take(ws);
	facts = (uint32_t)facts_write(ws, s, s->block + s->used);
	memcpy(b->data + s->copied, s->block, s->used + facts);
	b->rows_len = s->copied + s->used;
	b->len = b->rows_len + facts;
	b->events = s->events;
	b->worker = ws->worker;
	b->clock_source = s->clock_source;
	b->batch_seq = ++s->batches;
	b->first_event = s->events_before + 1;
	b->stream = &s->facts;
	b->owner = s;
	b->session_len = s->session_len;
	memcpy(b->session, s->session, sizeof(b->session));
	list_remove(ws, s);
	s->events_before += s->events;
	ws->batched += s->events;
	s->used = s->copied = s->events = 0;
	s->batch = NULL;
	batch_send(ws, s, b);
}

void stream_session(struct streams *ws, struct stream *s, struct str session)
{
	if (session.len >= SESSION_MAX)
		session.len = SESSION_MAX - 1;
	if (str_equal(session, (struct str){s->session, s->session_len}))
		return;
	stream_close(ws, s);
	memset(s->session, 0, sizeof(s->session));
	if (session.len)
		memcpy(s->session, session.p, session.len);
	s->session_len = (uint8_t)session.len;
}

void stream_clock(struct streams *ws, struct stream *s, uint8_t source, uint64_t error_ns)
{
	if (s->clock_source == source && s->clock_error_ns == error_ns)
		return;
	stream_close(ws, s);
	s->clock_source = source;
	s->clock_error_ns = error_ns;
}

void stream_dropped(struct stream *s, enum reason reason, uint64_t events)
{
	s->dropped[reason] += events;
	s->shed = true;
}

/* block_out moves the full block to the batch and what stands behind it to its front. */
static void block_out(struct streams *ws, struct stream *s)
{
	if (!s->batch)
		s->batch = batch_take(ws);
	block_copy(s->batch->data + s->copied, s->block);
	s->copied += BLOCK;
	s->used -= BLOCK;
	memcpy(s->block, s->block + BLOCK, s->used);
}

/* make_room closes the batch so that a row of len bytes has room.
 * Returns  0, or -REASON_event_too_big when even an empty batch has none */
static int make_room(struct streams *ws, struct stream *s, size_t len)
{
	if (len > ws->room) {
		ws->too_big++;
		stream_dropped(s, REASON_event_too_big, 1);
		return -REASON_event_too_big;
	}
	stream_close(ws, s);
	return 0;
}

/* append_big goes through scratch: a row larger than SLACK, a piece at a time. */
static __attribute__((noinline)) int append_big(
	struct streams *ws, struct stream *s, const struct event *ev, size_t bound)
{
	size_t len, at = 0;
	int rc;

	if (bound > ws->scratch_size)
		return make_room(ws, s, SIZE_MAX);
	len = event_row_write(ws->scratch, ev);
	if (s->copied + s->used + len > ws->room) {
		rc = make_room(ws, s, len);
		if (rc < 0)
			return rc;
	}
	while (at < len) {
		size_t piece = len - at < SLACK ? len - at : SLACK;

		memcpy(s->block + s->used, ws->scratch + at, piece);
		s->used += (uint32_t)piece;
		at += piece;
		if (s->used >= BLOCK)
			block_out(ws, s);
	}
	return 0;
}

static inline int append(struct streams *ws, struct stream *s, const struct event *ev)
{
	size_t bound = event_bound(ev), len;
	int rc;

	ws->appended++;
	if (__builtin_expect(bound > SLACK, 0)) {
		rc = append_big(ws, s, ev, bound);
		if (rc < 0)
			return rc;
	} else {
		uint8_t *row = s->block + s->used;

		len = event_row_write(row, ev);
		if (__builtin_expect(s->copied + s->used + len > ws->room, 0)) {
			/* no row of SLACK bytes is too big: room is at least 3 KiB */
			uint8_t keep[SLACK];

			memcpy(keep, row, len);
			stream_close(ws, s);
			memcpy(s->block, keep, len);
		}
		s->used += (uint32_t)len;
		if (s->used >= BLOCK)
			block_out(ws, s);
	}
	if (s->events++ == 0)
		list_append(ws, s);
	if (s->events >= ws->batch_events)
		stream_close(ws, s);
	return 0;
}

int stream_append(struct streams *ws, struct stream *s, const struct event *ev)
{
	return append(ws, s, ev);
}

unsigned stream_append_all(
	struct streams *ws, struct stream *s, struct event *const *evs, unsigned n)
{
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++)
		done += append(ws, s, evs[i]) == 0;
	return done;
}

void streams_time(struct streams *ws, uint64_t now_ns)
{
	ws->now_ns = now_ns;
}

unsigned streams_poll(struct streams *ws, uint64_t now_ns)
{
	struct stream *s = ws->oldest, *newer;
	unsigned closed = 0;

	ws->now_ns = now_ns;
	for (unsigned i = 0; s && i < POLL_MAX; i++, s = newer) {
		newer = s->newer;
		/* unsigned: a clock that was set back counts as due */
		if (now_ns - s->opened_ns >= ws->linger_ns ||
			atomic_load_explicit(&s->outstanding, memory_order_relaxed) == 0) {
			stream_close(ws, s);
			closed++;
		}
	}
	return closed;
}

void streams_flush(struct streams *ws)
{
	while (ws->oldest)
		stream_close(ws, ws->oldest);
}

void streams_stage(const struct streams *ws, struct ledger_cut *cut)
{
	struct ledger_stage *st = ledger_cut_stage(cut, "batch", "event");

	st->entered = ws->appended;
	st->left = ws->batched;
	st->dropped[REASON_event_too_big] = ws->too_big;
	for (const struct stream *s = ws->oldest; s; s = s->newer)
		st->held += s->events;
}

void streams_cut(struct streams *ws, struct ledger_cut *cut)
{
	streams_stage(ws, cut);
	for (unsigned i = 0; i < ws->rings_n; i++)
		ring_cut(ws->rings[i], &cut->sinks[i]);
	atomic_store_explicit(&cut->batch.refs, ws->rings_n + 1, memory_order_relaxed);
	for (unsigned i = 0; i < ws->rings_n; i++)
		ring_push_cut(ws->rings[i], &cut->batch);
	batch_done(&cut->batch);
}

bool streams_stopped(const struct streams *ws)
{
	for (unsigned i = 0; i < ws->rings_n; i++)
		if (ws->rings[i]->stopped)
			return true;
	return false;
}

void stream_batch_done(struct stream *s)
{
	atomic_fetch_sub_explicit(&s->outstanding, 1, memory_order_release);
}
