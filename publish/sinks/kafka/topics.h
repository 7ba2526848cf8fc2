/* topics: the topics of a producer, and which partition of them a key goes to. */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { TOPICS_MAX = 1024, LANES = 4096 };

struct partitioning; /* what kafka.partitioner says */

struct topic {
	char name[192];
	rd_kafka_topic_t *handle;
	const struct partitioning *partitioning;
	_Atomic int32_t partitions; /* as last seen; 0: not yet. Written by any thread */
};

struct topics {
	rd_kafka_t *producer;
	const struct partitioning *partitioning;
	char prefix[160]; /* of every name; {venue} in it becomes the venue */
	struct topic all[TOPICS_MAX];
	unsigned n;
};

/* topics_partitioner takes what kafka.partitioner says. Returns whether it is known */
bool topics_partitioner(struct topics *topics, const char *name);

/* topic_find finds or makes the topic PREFIX.TAIL. Returns  NULL: it cannot be */
struct topic *topic_find(struct topics *topics, const char *venue, const char *tail);

/* topic_lane gives the partition of a key, of so many, a number below LANES; partitions may meet in
 * one. With 0 partitions, and where keys do not decide, all of a topic are one. */
unsigned topic_lane(const struct topics *topics, const struct topic *t, int32_t partitions,
	const char *key, size_t key_len);

void topics_close(struct topics *topics);
