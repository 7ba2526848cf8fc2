/* Hot path: no allocation, lock, system call or log. */
#include "publish/stream_impl.h"

#include "publish/ledger.h"

const struct stream_facts *stream_facts(const struct stream *s)
{
	return &s->facts;
}

/* list of streams with an open batch */
static void list_append(struct streams *ws, struct stream *s, uint64_t first_recv_ns)
{
	s->opened_ns = ws->now_ns;
	s->first_recv_ns = first_recv_ns;
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

static inline struct batch *batch_take(struct streams *ws)
{
	struct batch *b = pool_take(ws->pool);

	return b ? b : batch_wait(ws->pool);
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
	if (s->block != b->data + s->copied)
		memcpy(b->data + s->copied, s->block, s->used + facts);
	b->rows_len = s->copied + s->used;
	b->len = b->rows_len + facts;
	b->events = s->events;
	b->worker = ws->worker;
	b->clock_source = s->clock_source;
	b->clock_error_ns = s->clock_error_ns;
	b->batch_seq = ++s->batches;
	b->first_event = s->events_before + 1;
	b->first_recv_ns = s->first_recv_ns;
	b->closed_ns = latency_now_ns();
	b->stream = &s->facts;
	b->owner = s;
	b->session_len = s->session_len;
	memcpy(b->session, s->session, sizeof(b->session));
	list_remove(ws, s);
	s->events_before += s->events;
	ws->batched += s->events;
	ws->batches++;
	hist_between(&ws->latency, s->opened_ns, b->closed_ns);
	s->used = s->copied = s->events = 0;
	s->block = s->own;
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

/* block_full goes on to the next block. */
static void block_full(struct streams *ws, struct stream *s)
{
	if (!s->batch)
		s->batch = batch_take(ws);
	s->used -= BLOCK;
	s->block = block_out(s->own, s->block, s->batch->data + s->copied, s->used);
	s->copied += BLOCK;
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
			block_full(ws, s);
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
			block_full(ws, s);
	}
	if (s->events++ == 0)
		list_append(ws, s, ev->ts_recv_ns);
	if (s->events >= ws->batch_events)
		stream_close(ws, s);
	return 0;
}

uint8_t *stream_window(struct streams *ws, struct stream *s, const uint8_t **end)
{
	uint32_t left;

	if (s->copied + s->used + SLACK > ws->room)
		stream_close(ws, s);
	left = ws->room - SLACK - s->copied;
	*end = s->block + (left < BLOCK ? left + 1 : BLOCK);
	return s->block + s->used;
}

void stream_rows(
	struct streams *ws, struct stream *s, const uint8_t *end, uint32_t n, uint64_t recv_ns)
{
	if (n && s->events == 0)
		list_append(ws, s, recv_ns);
	s->used = (uint32_t)(end - s->block);
	s->events += n;
	ws->appended += n;
	if (s->used >= BLOCK)
		block_full(ws, s);
}

/* append_rows appends as many events as surely fit into the batch, in one go.
 * Returns  how many: 0 when the next one may be the last of its batch, or is long */
static unsigned append_rows(
	struct streams *ws, struct stream *s, struct event *const *evs, unsigned n)
{
	unsigned done, all = 0;

	while (all < n) {
		uint32_t most = ws->batch_events - s->events - 1;
		const uint8_t *end;
		uint8_t *row = stream_window(ws, s, &end);

		row += event_rows_write(
			row, end, evs + all, n - all < most ? n - all : most, &done);
		if (!done)
			break;
		stream_rows(ws, s, row, done, evs[all]->ts_recv_ns);
		all += done;
	}
	return all;
}

int stream_append(struct streams *ws, struct stream *s, const struct event *ev)
{
	return append(ws, s, ev);
}

unsigned stream_append_all(
	struct streams *ws, struct stream *s, struct event *const *evs, unsigned n)
{
	unsigned done = 0;

	for (unsigned i = 0; i < n;) {
		unsigned rows = append_rows(ws, s, evs + i, n - i);

		done += rows;
		i += rows;
		if (i < n)
			done += append(ws, s, evs[i++]) == 0;
	}
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
	cut->facts.batches = ws->batches;
	cut->facts.streams = ws->streams_n;
}

void streams_cut(struct streams *ws, struct ledger_cut *cut)
{
	streams_stage(ws, cut);
	for (unsigned i = 0; i < ws->rings_n; i++) {
		ring_cut(ws->rings[i], &cut->sinks[i]);
		ring_facts(ws->rings[i], &cut->facts.rings[i]);
	}
	atomic_store_explicit(&cut->batch.refs, ws->rings_n + 1, memory_order_relaxed);
	for (unsigned i = 0; i < ws->rings_n; i++)
		ring_push_cut(ws->rings[i], &cut->batch);
	batch_done(&cut->batch);
}

bool streams_quiet(const struct streams *ws)
{
	return !ws->oldest;
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
