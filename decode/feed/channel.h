/* channel: one channel of a feed over time. Expects sequences, arbitrates lines, holds what is
 * ahead of a hole, names what is lost.
 *
 *     line A ─┐   seq < next: duplicate or late
 *             ├─► seq = next: delivered, and what waits behind it
 *     line B ─┘   seq > next: held in the window ──► hole filled: no event
 *                                                └─► given up: one GapEvent
 */
#pragma once

#include "decode/feed/protocol.h"

enum {
	CHANNEL_VENUE_MAX = 12,
	CHANNEL_SESSION_MAX = 24,
	CHANNEL_LINES_MAX = 4,
	CHANNEL_RECENT = 1024, /* first copies remembered to measure a line's lead; power of two */
	CHANNEL_HEAD = 14,     /* bytes of them kept */
	CHANNEL_GAPS = 16,     /* given-up ranges remembered to tell late from duplicate */
	CHANNEL_OLD_SESSIONS = 4,
	CHANNEL_MOVES = 64,   /* of the loss counters remembered, 10 ms apart or more */
	CHANNEL_UNKNOWN = 16, /* kinds of unknown messages counted apart */
	HELD_BYTES = 9216,    /* packets beyond this are never held: the hole is given up at once */
};

struct channel_options {
	uint32_t window_packets, window_us;           /* more than one line */
	uint32_t single_line_packets, single_line_us; /* one line only */
	bool heartbeats; /* emit SystemEvent HEARTBEAT for unsequenced heartbeats */
};

/* feed_counts: packets in = packets_out + dropped + held; messages_in = messages_out +
 * message_dropped. */
struct feed_counts {
	uint64_t packets_in, messages_in, packets_out, messages_out, packets_held;
	uint64_t packet_dropped[REASON_COUNT];
	uint64_t message_dropped[REASON_COUNT];
	struct gap_counts gaps;
	uint64_t resets;
};

struct held {
	struct held *prev, *next;
	struct feed_packet pkt; /* messages point into bytes; session is empty */
	uint64_t ts_recv_ns;
	uint16_t feed;
	uint8_t line;
	uint8_t bytes[HELD_BYTES];
};

/* channel_context is what the channels of one worker share. */
struct channel_context {
	struct events *out;
	struct channel_options opt;
	struct feed_counts counts;
	struct held *held; /* slots, one mapping; those never used cost no memory */
	struct held *held_free;
	uint32_t held_n, held_used; /* slots from held_used on were never taken */
	bool released; /* slots came free since they last were taken: events may point into them */
	uint64_t now_ns, losses; /* as channel_losses was told last */
	struct {
		uint64_t noticed_ns, before; /* when losses moved, what they were until then */
	} moves[CHANNEL_MOVES];              /* newest at moves_n - 1 */
	uint32_t moves_n;
	bool losses_known;             /* false: this source cannot tell; then gaps are UNDECIDED */
	uint64_t losses_until_ns;      /* up to here the losses of all queues are known */
	void (*ask_losses)(void *ctx); /* calls channel_losses; NULL = nobody to ask */
	void *ask_losses_ctx;
	uint32_t round; /* of --loop */
	void (*session)(void *ctx, void *stream, struct str session);
	void *session_ctx;
};

struct line_stats {
	uint64_t first, duplicate;   /* packets it brought first, packets it brought again */
	uint64_t leads, lead_sum_ns; /* how far ahead of the other line it was, when it was */
	uint64_t lead_max_ns;
};

/* recent is a first copy: half a line of cache. */
struct recent {
	uint64_t seq, ts_recv_ns;
	uint8_t head[CHANNEL_HEAD]; /* how its messages begin */
	uint8_t head_len, line;
};

_Static_assert(sizeof(struct recent) == 32, "two share a line of cache");

/* channel: what a packet that continues it touches stands first. */
struct channel {
	struct feed_state state;
	void *stream;
	uint64_t next;             /* sequence expected */
	struct held *first, *last; /* window, by sequence */
	uint64_t ts_send_ns;       /* newest seen */
	uint64_t reset_ts_send_ns; /* of the packet that told of the reset */
	uint64_t week_until_ns;    /* weekly_session: end of the week of session */
	uint64_t ts_recv_ns;       /* of the newest packet */
	uint64_t ts_next_ns;       /* when the packet came behind which next stands */
	char venue[CHANNEL_VENUE_MAX];
	uint32_t number;
	uint8_t venue_len;
	bool started, ended, stale;
	bool alone;               /* one line alone can bring it: no copies to tell apart */
	uint8_t lines_seen;       /* bits */
	uint8_t lines_configured; /* bits */
	uint8_t session_len, old_sessions;
	char wire_session[CHANNEL_SESSION_MAX];
	struct line_stats lines[CHANNEL_LINES_MAX];

	char session[CHANNEL_SESSION_MAX];
	char old_session[CHANNEL_OLD_SESSIONS]
			[CHANNEL_SESSION_MAX]; /* wire names, without suffix */
	uint32_t resets;                       /* inside one wire session */
	uint32_t suffix_first,
		suffix_last; /* .n of names: resets count from first, last is the highest yet */
	uint64_t reset_seq;  /* of the packet that told of the reset */
	uint64_t hole_opened_ns;
	uint32_t window;
	struct {
		uint64_t first, last;
	} gaps[CHANNEL_GAPS];
	uint64_t gap_last; /* highest sequence ever given up */
	uint32_t gaps_n;
	struct {
		uint32_t key;
		uint64_t count;
	} unknown[CHANNEL_UNKNOWN];
	struct recent recent[CHANNEL_RECENT];
};

/* arrival is what is known of a packet beside its bytes. */
struct arrival {
	uint64_t ts_recv_ns;
	uint16_t feed;
	uint8_t line;
};

/* channel_losses says how much the source has lost until now; the worker does now and then, and when
 * asked. A gap is local when losses moved since the packet before it came: a packet may wait in a
 * ring for long after what follows it was lost and counted. It is undecided when another queue has
 * not said since the gap what it lost.
 * Takes    until_ns: the losses of every queue are known at least up to here */
void channel_losses(
	struct channel_context *ctx, uint64_t now_ns, uint64_t until_ns, uint64_t losses);

int channel_context_init(struct channel_context *ctx, uint32_t held_max, struct events *out);
void channel_context_free(struct channel_context *ctx);

/* channel_init prepares an empty channel. Returns 0, or -ENOMEM. */
int channel_init(
	struct channel *ch, const struct protocol *protocol, const char *venue, uint32_t number);
void channel_free(struct channel *ch);

/* channel_packet takes one packet of the channel whose header has been read; what becomes of it is
 * counted in ctx (packets_in is the caller's). Takes    pkt: borrowed; what must wait is copied */
void channel_packet(struct channel_context *ctx, struct channel *ch, const struct feed_packet *pkt,
	const struct arrival *at);

/* channel_rest takes what a packet holds behind n messages that run has read, in front of one that it
 * refused for rc. Takes  in: from there on; seq, end: of the packet, next unit behind it */
void channel_rest(struct channel_context *ctx, struct channel *ch, struct bytes in, uint64_t seq,
	uint64_t end, uint32_t n, int rc);

/* channel_compare looks whether the channel has had a packet of this sequence from another line.
 * Returns  1: and it began like this one, -1: and it was another, 0: not known */
int channel_compare(const struct channel *ch, const struct feed_packet *pkt, uint8_t line);

/* channel_body takes one message without framing; seq is its position, noon_ns noon UTC of its day
 * or 0. */
void channel_body(struct channel_context *ctx, struct channel *ch, struct bytes in, uint64_t seq,
	uint64_t noon_ns);

/* channel_end gives up the open holes. channel_round does so too and starts the session anew. */
void channel_end(struct channel_context *ctx, struct channel *ch);
void channel_round(struct channel_context *ctx, struct channel *ch);
