/* bench_zmq: a bare ZeroMQ publisher, and the subscriber that takes what it or pkt-sniffer sends.
 *
 *   bench_zmq pub ENDPOINT BYTES COUNT [GAP_US]   waits for a subscriber, sends COUNT messages of
 *                                   two frames, flat out or one each GAP_US with the time in front
 *   bench_zmq sub ENDPOINT          until nothing has come for a second; prints messages, bytes, ns
 *                                   from the first to the last, and p50 and p99 in ns of the time
 *                                   from the stamp of each event (or paced message) to its arrival */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <zmq.h>

#include "tests/bench/bench.h"

enum { BUFFERS = 128, QUIET_MS = 1000, LATENCIES = 1 << 22, TS_KEY = 0x09, ROW_KEY = 0x0a };

static const char topic[] = "md.XCME.310.";

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, zmq_strerror(zmq_errno()));
	exit(1);
}

static void nothing(void *data, void *hint)
{
	(void)data;
	(void)hint;
}

/* stamp makes the message a batch of one row with nothing but its time. */
static void stamp(uint8_t *p)
{
	static const uint8_t head[3] = {ROW_KEY, 9, TS_KEY};
	uint64_t now_ns = bench_ns(CLOCK_REALTIME);

	memcpy(p, head, sizeof(head));
	memcpy(p + sizeof(head), &now_ns, sizeof(now_ns));
}

static void publish(const char *endpoint, size_t bytes, unsigned long count, unsigned gap_us)
{
	void *ctx = zmq_ctx_new(), *socket = zmq_socket(ctx, ZMQ_XPUB);
	uint8_t *memory = calloc(BUFFERS, bytes), asked[64];
	uint64_t next_ns = bench_ns(CLOCK_MONOTONIC);
	int on = 1;

	zmq_setsockopt(socket, ZMQ_XPUB_NODROP, &on, sizeof(on));
	if (!memory || zmq_bind(socket, endpoint) < 0 ||
		zmq_recv(socket, asked, sizeof(asked), 0) < 0)
		die(endpoint);
	for (unsigned long i = 0; i < count; i++) {
		uint8_t *p = memory + i % BUFFERS * bytes;
		zmq_msg_t msg;

		if (gap_us) {
			struct timespec at;

			next_ns += gap_us * 1000ull;
			at.tv_sec = (time_t)(next_ns / 1000000000);
			at.tv_nsec = (long)(next_ns % 1000000000);
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
			stamp(p);
		}
		zmq_msg_init_data(&msg, p, bytes, nothing, NULL);
		if (zmq_send(socket, topic, sizeof(topic) - 1, ZMQ_SNDMORE) < 0 ||
			zmq_msg_send(&msg, socket, 0) < 0)
			die("send");
	}
	zmq_close(socket); /* sends what is left */
	zmq_ctx_term(ctx);
	free(memory);
}

struct seen {
	uint64_t messages, bytes, first_ns, last_ns;
	double *latency;
	unsigned latencies;
};

/* note_latencies takes the stamp of every event: ts_recv_ns stands first in each row. */
static void note_latencies(struct seen *seen, const uint8_t *p, size_t len)
{
	uint64_t now_ns = bench_ns(CLOCK_REALTIME), ts_ns;
	const uint8_t *end = p + len;

	while (end - p > 11 && p[0] == ROW_KEY) {
		size_t row = p[1] & 0x7f;
		const uint8_t *body = p + 2;

		if (p[1] & 0x80)
			row |= (size_t)*body++ << 7;
		if (row > (size_t)(end - body) || row > 0x3fff)
			break;
		if (body[0] == TS_KEY && seen->latencies < LATENCIES) {
			memcpy(&ts_ns, body + 1, 8);
			seen->latency[seen->latencies++] = (double)(int64_t)(now_ns - ts_ns);
		}
		p = body + row;
	}
}

static int less(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const struct seen *seen, double q)
{
	return seen->latencies ? seen->latency[(unsigned)(q * (seen->latencies - 1))] : 0;
}

static void subscribe(const char *endpoint)
{
	void *ctx = zmq_ctx_new(), *socket = zmq_socket(ctx, ZMQ_SUB);
	struct seen seen = {.latency = calloc(LATENCIES, sizeof(double))};
	int wait_ms = -1;
	zmq_msg_t msg;

	zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "md.", 3);
	if (!seen.latency || zmq_connect(socket, endpoint) < 0)
		die(endpoint);
	zmq_msg_init(&msg);
	while (zmq_msg_recv(&msg, socket, 0) >= 0) {
		if (zmq_msg_more(&msg))
			continue;
		seen.last_ns = bench_ns(CLOCK_MONOTONIC);
		if (!seen.messages++) {
			wait_ms = QUIET_MS;
			zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof(wait_ms));
			seen.first_ns = seen.last_ns;
		}
		seen.bytes += zmq_msg_size(&msg);
		if (bench_env("BENCH_LATENCY", 0))
			note_latencies(&seen, zmq_msg_data(&msg), zmq_msg_size(&msg));
	}
	qsort(seen.latency, seen.latencies, sizeof(double), less);
	printf("%lu %lu %lu %.0f %.0f\n", (unsigned long)seen.messages, (unsigned long)seen.bytes,
		(unsigned long)(seen.last_ns - seen.first_ns), quantile(&seen, .5),
		quantile(&seen, .99));
	zmq_close(socket);
	zmq_ctx_term(ctx);
	free(seen.latency);
}

int main(int argc, char **argv)
{
	prctl(PR_SET_TIMERSLACK, 1000);
	if (argc == 3 && strcmp(argv[1], "sub") == 0) {
		subscribe(argv[2]);
	} else if (argc >= 5 && strcmp(argv[1], "pub") == 0) {
		publish(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
			argc > 5 ? (unsigned)strtoul(argv[5], NULL, 10) : 0);
	} else {
		fprintf(stderr,
			"usage: bench_zmq pub ENDPOINT BYTES COUNT [GAP_US] | sub ENDPOINT\n");
		return 2;
	}
	return 0;
}
