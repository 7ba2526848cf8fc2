#include "tests/support/kafka_mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARTITIONS = 4 };

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "kafka_mock: %s\n", what);
	abort();
}

void kafka_mock_open(struct kafka_mock *mock)
{
	char why[256] = "";
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
	mock->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	must(mock->rk != NULL, why);
	mock->cluster = rd_kafka_mock_cluster_new(mock->rk, 1);
	must(mock->cluster != NULL, "no cluster");
	mock->bootstrap = rd_kafka_mock_cluster_bootstraps(mock->cluster);
}

void kafka_mock_close(struct kafka_mock *mock)
{
	rd_kafka_mock_cluster_destroy(mock->cluster);
	rd_kafka_destroy(mock->rk);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

unsigned kafka_mock_read(struct kafka_mock *mock, const char *topic, struct kafka_record *records,
	unsigned n, unsigned timeout_ms)
{
	rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(PARTITIONS);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	uint64_t end = now_ms() + timeout_ms;
	char why[256] = "";
	unsigned got = 0;
	rd_kafka_t *rk;

	rd_kafka_conf_set(conf, "bootstrap.servers", mock->bootstrap, NULL, 0);
	rd_kafka_conf_set(conf, "group.id", "test", NULL, 0);
	rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	must(rk != NULL, why);
	for (int p = 0; p < PARTITIONS; p++)
		rd_kafka_topic_partition_list_add(all, topic, p)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	must(rd_kafka_assign(rk, all) == RD_KAFKA_RESP_ERR_NO_ERROR, "cannot assign");
	while (got < n && now_ms() < end) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 50);
		struct kafka_record *r = &records[got];

		if (m && !m->err) {
			*r = (struct kafka_record){.partition = m->partition, .len = m->len};
			snprintf(r->key, sizeof(r->key), "%.*s", (int)m->key_len, (char *)m->key);
			r->value = malloc(m->len ? m->len : 1);
			memcpy(r->value, m->payload, m->len);
			got++;
		}
		if (m)
			rd_kafka_message_destroy(m);
	}
	rd_kafka_topic_partition_list_destroy(all);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	return got;
}
