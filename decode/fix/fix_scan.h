/* fix_scan: one pass over a FIX message: its checksum, where its delimiters are, whether it is
 * plain text. */
#pragma once

#include "base/bytes.h"

enum {
	FIX_SOH = 1,
	FIX_SCAN_SLACK = 64, /* entries behind the last delimiter that a scan may overwrite */
};

struct fix_scan {
	uint32_t sum;   /* of all bytes; the checksum is its last 8 bits */
	uint32_t soh_n; /* delimiters found */
	bool ascii;     /* no byte above 127 and none that is 0 */
};

/* fix_scan reads all of in.
 *
 * Takes    soh: room for bytes_len(in) + FIX_SCAN_SLACK offsets of delimiters; in: below 4 GiB
 * Thread   any */
void fix_scan(struct bytes in, uint32_t *soh, struct fix_scan *scan);

/* fix_scan_scalar is the same without wide instructions; tests compare the two. */
void fix_scan_scalar(struct bytes in, uint32_t *soh, struct fix_scan *scan);
