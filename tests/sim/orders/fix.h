/* fix: one FIX 4.4 message as a list of fields; its bytes and its line of truth are made from that
 * list. */
#pragma once

#include "tests/sim/truth.h"

#define FIX_FIELDS_MAX 48
#define FIX_BYTES_MAX 4096

struct fix_field {
	uint32_t tag, at, len;
};

struct fix {
	struct fix_field field[FIX_FIELDS_MAX];
	uint32_t field_n;
	uint32_t text_len;
	char text[2048]; /* values, one behind the other */
};

void fix_clear(struct fix *fix);
void fix_bytes(struct fix *fix, uint32_t tag, const void *p, size_t len);
void fix_text(struct fix *fix, uint32_t tag, const char *text);
void fix_u64(struct fix *fix, uint32_t tag, uint64_t v);
void fix_char(struct fix *fix, uint32_t tag, char c);
/* fix_decimal writes v / 10^digits with at least two and at most digits decimals. */
void fix_decimal(struct fix *fix, uint32_t tag, uint64_t v, int digits);
/* fix_time writes a UTC time stamp with microseconds. */
void fix_time(struct fix *fix, uint32_t tag, uint64_t ts_ns);

/* fix_write makes the bytes: BeginString, BodyLength, the fields in order, CheckSum; and adds 8, 9
 * and 10 to the list, in their places, so that the list is the whole message.
 *
 * Takes    out: room for FIX_BYTES_MAX
 * Returns  the length */
size_t fix_write(struct fix *fix, char *out);

/* fix_truth writes {"dir":"client","seq":2,"ts":…,"fields":[[8,"FIX.4.4"],…]}; dir is who sent it.
 */
void fix_truth(
	struct out *out, const char *dir, uint64_t seq, uint64_t ts_ns, const struct fix *fix);
