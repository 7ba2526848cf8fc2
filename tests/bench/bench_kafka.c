/* bench_kafka BROKER TOPIC BYTES COUNT [NAME=VALUE …]: a bare librdkafka producer, to one partition, no
 * copy, until every record is delivered. Prints ns by the wall clock and ns of CPU. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum { MEMORY = 16 << 20 }; /* payloads come from more than a cache holds, as batches do */

static unsigned long delivered, failed;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	(void)opaque;
	delivered++;
	failed += m->err != 0;
}

static void die(const char *why)
{
	fprintf(stderr, "bench: %s\n", why);
	exit(1);
}

static rd_kafka_t *producer(const char *brokers, int argc, char **argv)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[512];
	rd_kafka_t *rk;

	if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why)))
		die(why);
	for (int i = 0; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			die(argv[i]);
		*value++ = 0;
		if (rd_kafka_conf_set(conf, argv[i], value, why, sizeof(why)))
			die(why);
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!rk)
		die(why);
	return rk;
}

static void wait_for(rd_kafka_t *rk, unsigned long records)
{
	while (delivered < records)
		rd_kafka_poll(rk, 10);
	if (failed)
		die("records were not delivered");
}

int main(int argc, char **argv)
{
	unsigned long bytes, count, polled = 0;
	rd_kafka_topic_t *topic;
	uint64_t start_ns, cpu_ns;
	uint8_t *memory = calloc(1, MEMORY);
	rd_kafka_t *rk;

	if (argc < 5 || !memory) {
		fprintf(stderr, "usage: bench_kafka BROKER TOPIC BYTES COUNT [NAME=VALUE …]\n");
		return 2;
	}
	bytes = strtoul(argv[3], NULL, 10);
	count = strtoul(argv[4], NULL, 10);
	for (unsigned i = 0; i < MEMORY; i++)
		memory[i] = (uint8_t)i;
	rk = producer(argv[1], argc - 5, argv + 5);
	topic = rd_kafka_topic_new(rk, argv[2], NULL);
	rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, "warm", 4, NULL, 0, NULL);
	wait_for(rk, 1);
	start_ns = bench_ns(CLOCK_MONOTONIC);
	cpu_ns = bench_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned long i = 0, at = 0; i < count; i++, at += bytes) {
		if (at + bytes > MEMORY)
			at = 0;
		while (rd_kafka_produce(topic, 0, 0, memory + at, bytes, NULL, 0, NULL) != 0)
			rd_kafka_poll(rk, 1);
		if (i - polled >= 65536 / bytes) {
			rd_kafka_poll(rk, 0);
			polled = i;
		}
	}
	wait_for(rk, count + 1);
	printf("%lu %lu\n", (unsigned long)(bench_ns(CLOCK_MONOTONIC) - start_ns),
		(unsigned long)(bench_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns));
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(rk);
	free(memory);
	return 0;
}
