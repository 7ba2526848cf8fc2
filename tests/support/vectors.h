/* vectors: the messages composed in schema files and the events they must make, from schemac. */
#pragma once

#include <stdint.h>

enum { VECTOR_EVENTS_MAX = 16 };

/* test_vector is one message, without its length prefix. */
struct test_vector {
	const char *protocol, *title;
	const uint8_t *data;
	uint32_t len;
	int after; /* number of the vector to decode before, or -1 */
	uint32_t events_n;
	struct {
		const uint8_t *data; /* one events.v1.Event, envelope as an empty base with sub_seq
					from 0 */
		uint32_t len;
	} events[VECTOR_EVENTS_MAX];
};

extern const struct test_vector test_vectors[];
extern const unsigned int test_vectors_n;
