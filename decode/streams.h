/* streams: TCP segments and text files -> FIX and feeds. Decides whose the bytes of a direction
 * are. */
#pragma once

#include "decode/feed.h"
#include "decode/fix.h"

struct streams_options {
	struct tcp_options tcp; /* unit_max is also the longest FIX message */
	uint32_t sessions_max;
	bool fix; /* decode FIX */
};

/* streams is all of one worker's byte streams.
 *
 * Owns     the table of directions, the FIX sessions
 * Thread   the worker */
struct streams {
	struct tcp_table tcp;
	struct fix fix;
	struct feeds *feeds;
	struct events *out;
	uint64_t ts_ns;               /* of the segment at hand */
	uint64_t units_skipped_bytes; /* of feeds: bytes that were no unit */
	bool fix_on;
};

/* streams_init allocates.
 * Takes    feeds: kept, NULL = FIX only; out: kept
 * Returns  0, or -ENOMEM, or -EINVAL for an option out of range */
int streams_init(struct streams *ss, const struct streams_options *opt,
	const struct fix_hooks *hooks, struct feeds *feeds, struct events *out);
void streams_free(struct streams *ss);

/* streams_segment takes one TCP segment.
 *
 * Returns  0: its bytes went to FIX or a feed; or the -REASON_x that it ends as: no_payload,
 * no_feed, tcp_retransmit, tcp_late, flow_table_full. Both are counted in tcp.counts already */
int streams_segment(struct streams *ss, const struct frame *f, uint64_t ts_ns);

/* streams_text takes the next bytes of a file of FIX messages.
 * Takes    file: number of the file; offset: of in, in the file
 * Returns  as streams_segment */
int streams_text(
	struct streams *ss, struct bytes in, uint16_t file, uint64_t offset, uint64_t ts_ns);

/* streams_round forgets every direction and starts every session anew: another --loop round begins.
 */
void streams_round(struct streams *ss, uint32_t round);

/* streams_end reports what waits for an end that will not come: the source is at its end. */
void streams_end(struct streams *ss);
