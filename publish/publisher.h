/* publisher: one thread a sink. It takes batches from a ring of each worker and hands them over. */
#pragma once

#include "publish/ring.h"
#include "publish/sink.h"

enum publisher_state {
	PUBLISHER_RUNNING,
	PUBLISHER_BROKEN,   /* the sink failed: what comes is dropped as write_failed; see error */
	PUBLISHER_FINISHED, /* all was delivered or counted, the sink is closed */
};

struct publisher;

/* publisher_open opens the sink and a ring for each worker.
 * Takes    uri: its options completed (workers, boot_id, source, live, …); kept until close;
 *          when_full and quota are set to what holds when they were left to the default (0)
 *          number: of this sink in the ledger, from 0; depth: of its rings, 0 = default
 *          give_up: see ring.h; kept
 * Returns  0, or -errno with error filled */
int publisher_open(struct publisher **pub, struct sink_uri *uri, unsigned number, unsigned depth,
	const atomic_bool *give_up, char error[256]);

/* publisher_ring is the ring of worker w, for streams_options.rings. */
struct ring *publisher_ring(struct publisher *pub, unsigned w);

/* publisher_hold is how many batches of one worker it may hold, its rings included: goes into
 * streams_options.sinks_hold. */
unsigned publisher_hold(const struct publisher *pub);

/* publisher_ready says whether the source may start. Before publisher_start it asks the sink
 * itself; then its thread does, and any thread may look. */
bool publisher_ready(struct publisher *pub);

/* publisher_do_work does one round: takes what has come, hands over what the sink takes, polls it.
 * Thread   the publisher's; tests call it without one
 * Returns  how much was done, 0 = idle */
unsigned publisher_do_work(struct publisher *pub);

/* publisher_finish hands over what is left, flushes and closes the sink. Whatever is not through
 * at the deadline (CLOCK_MONOTONIC ns, 0 = none; publisher_hurry may bring it closer) is dropped as
 * purge_queue or purge_inflight. No worker pushes any more.
 * Thread   the publisher's */
void publisher_finish(struct publisher *pub, uint64_t deadline_ns);

/* publisher_facts is how the sink is, at most some 50 ms ago. Thread: any. */
struct publisher_facts {
	bool ready;
	struct sink_state state;
};
void publisher_facts(const struct publisher *pub, struct publisher_facts *facts);

/* publisher_latency is what it has measured so far. Read by any thread, until close. */
const struct publisher_latency *publisher_latency(const struct publisher *pub);

/* publisher_start runs it on a thread of its own. Returns  0, or -errno */
int publisher_start(struct publisher *pub);
/* publisher_stop makes the thread finish, returns at once; publisher_hurry sets a closer deadline
 * (a second Ctrl-C); publisher_join waits for the end.
 * Thread   any one */
void publisher_stop(struct publisher *pub, uint64_t deadline_ns);
void publisher_hurry(struct publisher *pub, uint64_t deadline_ns);
void publisher_join(struct publisher *pub);

/* publisher_state and publisher_error (what broke, "" while nothing did): any thread.
 * publisher_errno is the errno behind it: EPIPE for a reader that went away. */
enum publisher_state publisher_state(const struct publisher *pub);
const char *publisher_error(const struct publisher *pub);
int publisher_errno(const struct publisher *pub);

/* publisher_purged says how many events the stop gave up: exit status 3 if any. After finish. */
uint64_t publisher_purged(const struct publisher *pub);

/* publisher_undelivered says how many events the other end refused or did not answer for, which no
 * policy asked for. After finish. */
uint64_t publisher_undelivered(const struct publisher *pub);

/* publisher_close frees all; the ledger's last report has been made. */
void publisher_close(struct publisher *pub);
