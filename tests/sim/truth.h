/* truth: what really happened, as JSON lines, straight from the engine's own values. */
#pragma once

#include <stdio.h>

#include "tests/sim/market/exchange.h"

/* out collects text and hands it to a file in large pieces; a failed write shows at out_close. */
struct out {
	FILE *file; /* NULL: everything is dropped */
	int error;  /* first failed write, -errno */
	size_t len;
	char text[64 * 1024];
};

/* out_open opens path ("-": standard output). Returns 0 or -errno. */
int out_open(struct out *out, const char *path);
/* out_close writes what is left. Returns 0 or -errno of the first write that failed. */
int out_close(struct out *out);
void out_bytes(struct out *out, const void *p, size_t len);
void out_text(struct out *out, const char *text);
void out_u64(struct out *out, uint64_t v);
/* out_json_string writes a quoted JSON string; bytes below 0x20 and quotes are escaped. */
void out_json_string(struct out *out, const char *p, size_t len);

/* truth_message writes one line for a message with its channel, session and number in it. */
void truth_message(struct out *out, uint32_t channel, const char *session, uint64_t seq,
	const struct msg *msg);

/* truth_books writes one line an instrument: its displayed levels, best first, orders in priority.
 * mdp3: what its books are called there, in the same order, or NULL */
struct mdp3_book;
void truth_books(
	struct out *out, uint32_t channel, const struct exchange *ex, const struct mdp3_book *mdp3);
