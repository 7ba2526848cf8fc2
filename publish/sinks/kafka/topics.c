#include "publish/sinks/kafka/topics.h"

#include <stdio.h>
#include <string.h>

typedef int32_t partitioner(const rd_kafka_topic_t *topic, const void *key, size_t key_len,
	int32_t partitions, void *topic_opaque, void *opaque);

/* What kafka.partitioner may say, and what it does with a key; NULL: what it likes. */
static const struct partitioning {
	const char *name;
	partitioner *any, *keyed;
} partitionings[] = {
	{"murmur2_random", rd_kafka_msg_partitioner_murmur2_random,
		rd_kafka_msg_partitioner_murmur2},
	{"murmur2", rd_kafka_msg_partitioner_murmur2, rd_kafka_msg_partitioner_murmur2},
	{"consistent_random", rd_kafka_msg_partitioner_consistent_random,
		rd_kafka_msg_partitioner_consistent},
	{"consistent", rd_kafka_msg_partitioner_consistent, rd_kafka_msg_partitioner_consistent},
	{"fnv1a_random", rd_kafka_msg_partitioner_fnv1a_random, rd_kafka_msg_partitioner_fnv1a},
	{"fnv1a", rd_kafka_msg_partitioner_fnv1a, rd_kafka_msg_partitioner_fnv1a},
	{"random", rd_kafka_msg_partitioner_random, NULL},
	{NULL, NULL, NULL},
};

/* topic_expand writes prefix, dot and tail; {venue} in the prefix becomes the venue. Characters
 * that Kafka refuses in a topic become '_'. Returns false when it does not fit. */
static bool topic_expand(
	const char *prefix, const char *venue, const char *tail, char *out, size_t room)
{
	size_t n = 0;

	for (const char *p = prefix; *p && n + 1 < room;) {
		if (strncmp(p, "{venue}", 7) == 0) {
			n += (size_t)snprintf(out + n, room - n, "%s", venue);
			p += 7;
		} else {
			out[n++] = *p++;
		}
	}
	if (n < room)
		n += (size_t)snprintf(out + n, room - n, "%s%s", prefix[0] ? "." : "", tail);
	if (n >= room)
		return false;
	for (char *p = out; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    *p))
			*p = '_';
	return true;
}

/* on_partition does what kafka.partitioner says, and sees how many partitions there are. Thread: any
 */
static int32_t on_partition(const rd_kafka_topic_t *handle, const void *key, size_t key_len,
	int32_t partitions, void *topic_opaque, void *opaque)
{
	struct topic *t = topic_opaque;

	atomic_store_explicit(&t->partitions, partitions, memory_order_relaxed);
	return t->partitioning->any(handle, key, key_len, partitions, NULL, opaque);
}

/* topic_open returns whether it could. */
static bool topic_open(struct topics *topics, struct topic *t)
{
	rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(topics->producer);

	t->partitioning = topics->partitioning;
	rd_kafka_topic_conf_set_opaque(conf, t);
	rd_kafka_topic_conf_set_partitioner_cb(conf, on_partition);
	t->handle = rd_kafka_topic_new(topics->producer, t->name, conf);
	if (!t->handle)
		rd_kafka_topic_conf_destroy(conf);
	return t->handle;
}

struct topic *topic_find(struct topics *topics, const char *venue, const char *tail)
{
	struct topic *t;
	char name[sizeof(t->name)];

	if (!topic_expand(topics->prefix, venue, tail, name, sizeof(name)))
		return NULL;
	for (unsigned i = 0; i < topics->n; i++)
		if (strcmp(topics->all[i].name, name) == 0)
			return &topics->all[i];
	if (topics->n == TOPICS_MAX)
		return NULL;
	t = &topics->all[topics->n];
	memcpy(t->name, name, sizeof(name));
	if (!topic_open(topics, t))
		return NULL;
	topics->n++;
	return t;
}

unsigned topic_lane(const struct topics *topics, const struct topic *t, int32_t partitions,
	const char *key, size_t key_len)
{
	unsigned first = (unsigned)(t - topics->all) * 61;

	if (partitions && t->partitioning->keyed)
		first += (unsigned)t->partitioning->keyed(
			t->handle, key, key_len, partitions, NULL, NULL);
	return first % LANES;
}

bool topics_partitioner(struct topics *topics, const char *name)
{
	const struct partitioning *p = partitionings;

	while (p->name && strcmp(p->name, name) != 0)
		p++;
	topics->partitioning = p;
	return p->name;
}

void topics_close(struct topics *topics)
{
	for (unsigned i = 0; i < topics->n; i++)
		rd_kafka_topic_destroy(topics->all[i].handle);
}
