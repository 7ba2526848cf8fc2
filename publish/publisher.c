#include "publish/publisher.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "publish/idle.h"

enum {
	DEPTH = 64,        /* batches in a ring: 4 MiB of 64 KiB */
	QUOTA = 256,       /* batches a sink may hold beyond submit */
	SUBMIT_MAX = 16,   /* batches of one ring in a row */
	STATE_ROUNDS = 64, /* between two looks at the sink's state: 32 ms when idle */
	FLUSH_STEP_NS =
		50000000, /* how long a flush may keep the thread from seeing publisher_hurry */
};

struct publisher {
	const struct sink *sink;
	struct sink_ctx *ctx; /* NULL once closed */
	unsigned number, workers, quota, depth;
	unsigned next; /* ring to look at first */
	bool refused;  /* the first batch of ring next was offered and not taken */
	struct ring *rings[WORKERS_MAX];
	struct sink_counts *counts[WORKERS_MAX];
	pthread_t thread;
	bool started;
	unsigned rounds;
	atomic_bool stop, ready, connected;
	atomic_uint peers;
	atomic_uint_least64_t queued;
	atomic_uint_least64_t deadline_ns;
	atomic_int state, error_number;
	char error[256]; /* written before state becomes BROKEN */
	struct publisher_latency latency;
};

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ring_policy is what the ring does; what the sink itself does when full is between it and its own.
 */
static enum when_full ring_policy(const struct sink_options *opt)
{
	switch (opt->when_full) {
	case WHEN_FULL_SUBSCRIBER:
	case WHEN_FULL_DROP:
		return opt->live ? WHEN_FULL_DROP_NEWEST : WHEN_FULL_BLOCK;
	default:
		return opt->when_full;
	}
}

/* look notes how the sink's other end is. */
static void look(struct publisher *pub)
{
	struct sink_state state = {.connected = true};

	if (pub->sink->state)
		pub->sink->state(pub->ctx, &state);
	atomic_store_explicit(&pub->connected, state.connected, memory_order_relaxed);
	atomic_store_explicit(&pub->peers, state.peers, memory_order_relaxed);
	atomic_store_explicit(&pub->queued, state.queued, memory_order_relaxed);
}

void publisher_facts(const struct publisher *pub, struct publisher_facts *facts)
{
	*facts = (struct publisher_facts){
		.ready = atomic_load_explicit(&pub->ready, memory_order_relaxed),
		.state = {atomic_load_explicit(&pub->connected, memory_order_relaxed),
			atomic_load_explicit(&pub->peers, memory_order_relaxed),
			atomic_load_explicit(&pub->queued, memory_order_relaxed)},
	};
}

const struct publisher_latency *publisher_latency(const struct publisher *pub)
{
	return &pub->latency;
}

int publisher_open(struct publisher **out, struct sink_uri *uri, unsigned number, unsigned depth,
	const atomic_bool *give_up, char error[256])
{
	struct sink_options *opt = &uri->opt;
	struct publisher *pub = calloc(1, sizeof(*pub));
	struct ring_options ring;
	int rc = -ENOMEM;

	if (!pub)
		goto no_memory;
	if (opt->when_full == WHEN_FULL_DEFAULT)
		opt->when_full = opt->live ? uri->sink->live_when_full : WHEN_FULL_BLOCK;
	if (!opt->quota)
		opt->quota = QUOTA;
	pub->sink = uri->sink;
	pub->number = number;
	pub->workers = opt->workers;
	pub->quota = opt->quota;
	pub->depth = depth ? depth : DEPTH;
	ring = (struct ring_options){pub->depth, ring_policy(opt), give_up};
	for (unsigned w = 0; w < pub->workers; w++) {
		rc = ring_open(&pub->rings[w], &ring);
		if (rc < 0)
			goto close_rings;
		pub->counts[w] = &pub->rings[w]->counts;
		pub->rings[w]->latency = &pub->latency.ring;
	}
	opt->counts = pub->counts;
	opt->ack = &pub->latency.ack;
	rc = pub->sink->open(&pub->ctx, opt, error);
	if (rc < 0) {
		publisher_close(pub);
		return rc;
	}
	atomic_init(&pub->ready, !pub->sink->ready);
	look(pub);
	*out = pub;
	return 0;

close_rings:
	publisher_close(pub);
no_memory:
	snprintf(error, 256, "%s: cannot set up its rings: %s", uri->sink->name, strerror(-rc));
	return rc;
}

void publisher_close(struct publisher *pub)
{
	if (!pub)
		return;
	for (unsigned w = 0; w < pub->workers; w++)
		ring_close(pub->rings[w]);
	free(pub);
}

struct ring *publisher_ring(struct publisher *pub, unsigned w)
{
	return pub->rings[w];
}

unsigned publisher_hold(const struct publisher *pub)
{
	return pub->depth + pub->quota + 1;
}

bool publisher_ready(struct publisher *pub)
{
	if (!pub->started && !atomic_load(&pub->ready))
		atomic_store(&pub->ready, pub->sink->ready(pub->ctx));
	return atomic_load(&pub->ready);
}

static void publisher_broke(struct publisher *pub, int rc)
{
	if (atomic_load(&pub->state) == PUBLISHER_BROKEN)
		return;
	snprintf(pub->error, sizeof(pub->error), "%s",
		pub->sink->error ? pub->sink->error(pub->ctx) : "");
	if (!pub->error[0])
		snprintf(pub->error, sizeof(pub->error), "%s: %s", pub->sink->name, strerror(-rc));
	atomic_store(&pub->error_number, -rc);
	atomic_store(&pub->state, PUBLISHER_BROKEN);
}

/* handover is what of a batch is measured when the sink has taken it, and the batch is its own. */
struct handover {
	uint64_t recv_ns, absorbed_ns; /* recv_ns 0: its stamp is not of now */
};

static inline struct handover handover_of(const struct ring *ring, const struct batch *b)
{
	bool live = stamped_now(b->clock_source) && b->stream->domain != DOMAIN_OPS;

	return (struct handover){live ? b->first_recv_ns : 0, ring_absorbed_ns(ring)};
}

static inline void handed_over(struct publisher *pub, const struct handover *to)
{
	uint64_t now_ns = latency_now_ns();

	hist_between(&pub->latency.submit, to->absorbed_ns, now_ns);
	if (to->recv_ns)
		hist_between(&pub->latency.capture, to->recv_ns, now_ns);
}

/* offer hands batches of one ring to the sink until it refuses.
 * Returns  batches taken; pub->refused is set when the first one left was refused */
static unsigned offer(struct publisher *pub, struct ring *ring)
{
	unsigned done = 0;
	struct batch *b;

	while (done < SUBMIT_MAX && (b = ring_first(ring))) {
		struct handover to = handover_of(ring, b);
		int rc = pub->sink->submit(pub->ctx, b);

		if (rc == -EAGAIN) {
			pub->refused = true;
			return done;
		}
		if (rc < 0) {
			publisher_broke(pub, rc);
			return done;
		}
		handed_over(pub, &to);
		ring_taken(ring);
		done++;
	}
	return done;
}

/* drop_all gives up what is in all fifos. */
static unsigned drop_all(struct publisher *pub, enum reason reason)
{
	unsigned done = 0;

	for (unsigned w = 0; w < pub->workers; w++)
		while (ring_evict(pub->rings[w], false, reason))
			done++;
	return done;
}

unsigned publisher_do_work(struct publisher *pub)
{
	unsigned did = 0;
	int rc;

	for (unsigned w = 0; w < pub->workers; w++)
		did += ring_absorb(pub->rings[w], pub->number);
	pub->refused = false;
	/* the ring whose batch was refused is offered first next time: next does not move on */
	for (unsigned i = 0; i < pub->workers && !pub->refused; i++) {
		did += offer(pub, pub->rings[pub->next]);
		if (!pub->refused)
			pub->next = pub->next + 1 == pub->workers ? 0 : pub->next + 1;
	}
	if (pub->refused)
		for (unsigned w = 0; w < pub->workers; w++)
			while (ring_crowded(pub->rings[w]))
				did += ring_evict(
					pub->rings[w], w == pub->next, REASON_ring_evicted);
	if (!atomic_load_explicit(&pub->ready, memory_order_relaxed) && pub->sink->ready(pub->ctx))
		atomic_store(&pub->ready, true);
	if (++pub->rounds % STATE_ROUNDS == 0)
		look(pub);
	rc = pub->sink->poll ? pub->sink->poll(pub->ctx) : 0;
	if (rc < 0)
		publisher_broke(pub, rc);
	else
		did += (unsigned)rc;
	if (atomic_load(&pub->state) == PUBLISHER_BROKEN)
		did += drop_all(pub, REASON_write_failed);
	return did;
}

static bool rings_empty(const struct publisher *pub)
{
	for (unsigned w = 0; w < pub->workers; w++)
		if (ring_first(pub->rings[w]))
			return false;
	return true;
}

static bool past(const struct publisher *pub, uint64_t now_ns)
{
	uint64_t deadline_ns = atomic_load(&pub->deadline_ns);

	return deadline_ns && now_ns >= deadline_ns;
}

void publisher_finish(struct publisher *pub, uint64_t deadline_ns)
{
	struct idle idle = {0};
	int rc = 0;

	atomic_store(&pub->deadline_ns, deadline_ns);
	for (;;) {
		unsigned did = publisher_do_work(pub);

		if (!did && rings_empty(pub))
			break;
		if (past(pub, monotonic_ns()))
			break;
		idle_wait(&idle, did);
	}
	drop_all(pub, REASON_purge_queue);
	while (pub->sink->flush) {
		uint64_t now_ns = monotonic_ns(), until_ns = now_ns + FLUSH_STEP_NS;
		uint64_t last_ns = atomic_load(&pub->deadline_ns);

		rc = pub->sink->flush(pub->ctx, last_ns && last_ns < until_ns ? last_ns : until_ns);
		if (rc != -ETIMEDOUT || past(pub, monotonic_ns()))
			break;
	}
	if (rc < 0 && rc != -ETIMEDOUT)
		publisher_broke(pub, rc);
	rc = pub->sink->close(pub->ctx);
	pub->ctx = NULL;
	if (rc < 0 && atomic_load(&pub->state) != PUBLISHER_BROKEN) {
		snprintf(pub->error, sizeof(pub->error), "%s: what was written may be lost: %s",
			pub->sink->name, strerror(-rc));
		atomic_store(&pub->error_number, -rc);
		atomic_store(&pub->state, PUBLISHER_BROKEN);
	}
	if (atomic_load(&pub->state) != PUBLISHER_BROKEN)
		atomic_store(&pub->state, PUBLISHER_FINISHED);
}

static void *publisher_thread(void *arg)
{
	struct publisher *pub = arg;
	struct idle idle = {0};
	char name[16];

	snprintf(name, sizeof(name), "sink-%s", pub->sink->name);
	pthread_setname_np(pthread_self(), name);
	prctl(PR_SET_TIMERSLACK, 1000); /* sleep what was asked for, not 50 µs more */
	while (!atomic_load_explicit(&pub->stop, memory_order_acquire))
		idle_wait(&idle, publisher_do_work(pub));
	publisher_finish(pub, atomic_load(&pub->deadline_ns));
	return NULL;
}

int publisher_start(struct publisher *pub)
{
	int rc = pthread_create(&pub->thread, NULL, publisher_thread, pub);

	pub->started = rc == 0;
	return -rc;
}

void publisher_stop(struct publisher *pub, uint64_t deadline_ns)
{
	atomic_store(&pub->deadline_ns, deadline_ns);
	atomic_store_explicit(&pub->stop, true, memory_order_release);
}

void publisher_hurry(struct publisher *pub, uint64_t deadline_ns)
{
	atomic_store(&pub->deadline_ns, deadline_ns);
}

void publisher_join(struct publisher *pub)
{
	if (pub->started)
		pthread_join(pub->thread, NULL);
	pub->started = false;
}

enum publisher_state publisher_state(const struct publisher *pub)
{
	return (enum publisher_state)atomic_load(&pub->state);
}

const char *publisher_error(const struct publisher *pub)
{
	return publisher_state(pub) == PUBLISHER_BROKEN ? pub->error : "";
}

int publisher_errno(const struct publisher *pub)
{
	return atomic_load(&pub->error_number);
}

uint64_t publisher_purged(const struct publisher *pub)
{
	uint64_t purged = 0;

	for (unsigned w = 0; w < pub->workers; w++) {
		const struct ring *ring = pub->rings[w];

		purged += ring->counts.dropped[REASON_purge_queue] +
			  ring->counts.dropped[REASON_purge_inflight] +
			  ring->dropped[REASON_purge_queue];
	}
	return purged;
}

uint64_t publisher_undelivered(const struct publisher *pub)
{
	uint64_t events = 0;

	for (unsigned w = 0; w < pub->workers; w++)
		events += pub->rings[w]->counts.dropped[REASON_kafka_delivery];
	return events;
}
