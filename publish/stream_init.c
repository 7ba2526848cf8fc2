#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "publish/stream_impl.h"

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
	s->block = s->own;
	return s;
}

void streams_clock(struct streams *ws, uint8_t source, uint64_t error_ns)
{
	for (unsigned i = 0; i < ws->streams_n; i++)
		if (ws->streams[i].facts.domain != DOMAIN_OPS)
			stream_clock(ws, &ws->streams[i], source, error_ns);
}

const struct hist *streams_latency(const struct streams *ws)
{
	return &ws->latency;
}

uint64_t latency_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

struct batch *batch_wait(struct batch_pool *pool)
{
	struct batch *b;

	while (!(b = pool_take(pool)))
		nanosleep(&(struct timespec){0, 100000}, NULL);
	return b;
}
