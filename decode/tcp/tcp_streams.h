/* tcp_streams: TCP segments and text files -> FIX and feeds. Decides whose the bytes of a direction
 * are. */
#pragma once

#include "decode/feed/feed.h"
#include "decode/fix/fix.h"

struct tcp_streams_options {
	struct tcp_options tcp;
	uint32_t message_max; /* longest FIX message, at most tcp.unit_max; 0 = tcp.unit_max */
	uint32_t sessions_max;
	bool fix;                  /* decode FIX */
	const uint16_t *fix_ports; /* kept: what carries FIX; none = it is recognised on any port */
	unsigned fix_ports_n;
};

/* tcp_streams is all of one worker's byte streams.
 *
 * Owns     the table of directions, the FIX sessions
 * Thread   the worker */
struct tcp_streams {
	struct tcp_table tcp;
	struct fix fix;
	struct feeds *feeds;
	struct events *out;
	uint64_t ts_ns;               /* of the segment at hand */
	uint64_t units_skipped_bytes; /* of feeds: bytes that were no unit */
	bool fix_on;
	const uint16_t *fix_ports;
	unsigned fix_ports_n;
};

/* tcp_streams_init allocates.
 * Takes    feeds: kept, NULL = FIX only; out: kept
 * Returns  0, or -ENOMEM, or -EINVAL for an option out of range */
int tcp_streams_init(struct tcp_streams *ss, const struct tcp_streams_options *opt,
	const struct fix_hooks *hooks, struct feeds *feeds, struct events *out);
void tcp_streams_free(struct tcp_streams *ss);

/* tcp_streams_segment takes one TCP segment.
 *
 * Returns  0: its bytes went to FIX or a feed; or the -REASON_x that it ends as: no_payload,
 * no_feed, tcp_retransmit, tcp_late, flow_table_full. Both are counted in tcp.counts already */
int tcp_streams_segment(struct tcp_streams *ss, const struct frame *f, uint64_t ts_ns);

/* tcp_streams_text takes the next bytes of a file of FIX messages.
 * Takes    file: number of the file; offset: of in, in the file
 * Returns  as tcp_streams_segment */
int tcp_streams_text(
	struct tcp_streams *ss, struct bytes in, uint16_t file, uint64_t offset, uint64_t ts_ns);

/* tcp_streams_round forgets every direction and starts every session anew: another --loop round
 * begins.
 */
void tcp_streams_round(struct tcp_streams *ss, uint32_t round);

/* tcp_streams_end reports what waits for an end that will not come: the source is at its end. */
void tcp_streams_end(struct tcp_streams *ss);
