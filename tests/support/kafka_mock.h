/* kafka_mock: librdkafka's mock cluster, and a reader of its topics. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

struct kafka_mock {
	rd_kafka_t *rk;
	rd_kafka_mock_cluster_t *cluster;
	const char *bootstrap;
};

/* kafka_mock_open starts a cluster of one broker; aborts the test when it cannot. */
void kafka_mock_open(struct kafka_mock *mock);
void kafka_mock_close(struct kafka_mock *mock);

struct kafka_record {
	int32_t partition;
	char key[128];
	uint8_t *value; /* the caller's to free */
	size_t len;
};

/* kafka_mock_read reads a topic from its beginning until n records came or timeout_ms passed.
 * Returns  records read, in order within each partition */
unsigned kafka_mock_read(struct kafka_mock *mock, const char *topic, struct kafka_record *records,
	unsigned n, unsigned timeout_ms);
