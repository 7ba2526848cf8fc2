/* protocol: what a generated feed decoder offers; feed.c drives every feed through it. */
#pragma once

#include "base/bytes.h"
#include "base/reason.h"
#include "base/tz.h"
#include "decode/events.h"
#include "decode/feed/symbols.h"

struct feed_state;
struct channel;
struct channel_context;
struct feed_line;

enum feed_packet_kind { FEED_DATA, FEED_HEARTBEAT, FEED_END_OF_SESSION };

/* feed_packet is what the packet header of a feed says. */
struct feed_packet {
	enum feed_packet_kind kind;
	uint64_t seq; /* of the first sequence unit; heartbeat and end: of the next one expected */
	uint32_t count; /* sequence units here: messages, or 1 where the packet is the unit; 0 for
			   heartbeats */
	uint64_t ts_send_ns; /* 0 = the protocol has none */
	struct str session;  /* borrowed from the packet or from static text; empty = the protocol
				has none */
	uint64_t session_id; /* numeric session where the protocol has one (IEX); session is then
				empty */
	uint32_t channel;    /* where the header has one (IEX), else 0 */
	bool has_channel;
	struct bytes messages; /* what stands behind the header */
};

enum seq_unit { SEQ_MESSAGE, SEQ_PACKET };

/* protocol is one wire format: one schema file makes one of these, const, in the build tree.
 * The table of all of them (protocols[], by name) is written by the build. */
struct protocol {
	const char *name;     /* "itch50", "cme_mdp3", "iex_deep": file name of its schema */
	const char *title;    /* "Nasdaq TotalView-ITCH 5.0 over MoldUDP64" */
	const char *venue;    /* MIC when the feed table says none: "XNAS" */
	const char *timezone; /* POSIX TZ rule when messages carry time since midnight, else NULL */
	enum seq_unit seq_unit;
	bool weekly_session; /* no session on the wire: ISO week of ts_send_ns is the session (CME)
			      */
	uint32_t instruments_max; /* size of the per-channel symbol table, 0 = none */

	/* packet reads the header of one datagram.
	 * Returns 0, or -REASON_x with pkt unset */
	int (*packet)(struct bytes in, struct feed_packet *pkt);

	/* recognise says whether a datagram is plausibly of this protocol: header and every inner
	 * length fit exactly, values are in range. Must not be true for random bytes. */
	bool (*recognise)(struct bytes in);

	/* message reads one message, its length prefix included, and appends its events.
	 * Takes    st: kept by the channel, may be changed; in: advanced past the message, on
	 * refusal too when its length is known, else set empty Returns  events appended (>= 0), or
	 * -REASON_x */
	int (*message)(struct feed_state *st, struct bytes *in, struct events *out);

	/* run reads messages in a row as message does, and stops before one that it refuses. Where
	 * messages are numbered it reads at most max, and base.seq of out is that of the first, then
	 * one more with each; sub_seq begins anew.
	 * Takes    in: advanced past what was read
	 * Returns  messages read; *rc: 0, or -REASON_x of the message that in begins with now */
	uint32_t (*run)(
		struct feed_state *st, struct bytes *in, uint32_t max, struct events *out, int *rc);

	/* next takes a packet of line as channel_packet does, if it is just what ch waits for: the
	 * short way (short_way.h).
	 * Returns  1, or 0 for any other: nothing happened */
	int (*next)(struct channel_context *ctx, struct channel *ch, struct bytes in,
		const struct feed_line *line, uint64_t ts_recv_ns);

	/* skip steps over one message without decoding it (a copy of what the other line already
	 * brought). Returns 0, or -REASON_message_length with in set empty */
	int (*skip)(struct bytes *in);

	/* body reads one message without its length prefix (BinaryFILE, SoupBinTCP); NULL where
	 * messages carry their own length. Same contract, all of in is the message. */
	int (*body)(struct feed_state *st, struct bytes in, struct events *out);

	/* stream: TCP framing. Says how many bytes the next unit of a byte stream has.
	 * Returns  bytes of a whole unit at in, 0 = need more, or -REASON_x. NULL = not carried
	 * over TCP */
	int64_t (*unit)(struct bytes in);
};

/* protocols lists every protocol, ordered by name, NULL at the end. Written by the build. */
extern const struct protocol *const protocols[];

/* protocol_find returns the protocol of this name, or NULL. */
const struct protocol *protocol_find(struct str name);

/* feed_state is what messages of one channel have in common over time; made by feed_state_init.
 *
 * Owns     the symbol table
 * Thread   the worker that owns the channel */
struct feed_state {
	const struct protocol *protocol;
	uint64_t midnight_ns; /* of the day of ts_recv_ns in the venue's zone: set per packet by
				 feed.c */
	uint64_t next_midnight_ns; /* when midnight_ns must be computed again */
	struct symbols *symbols;   /* instrument id -> symbol and definition facts, NULL if
				      instruments_max is 0 */
};

/* feed_state_init allocates the symbol table that protocol asks for; at start only.
 * Returns  0, or -ENOMEM */
int feed_state_init(struct feed_state *st, const struct protocol *protocol);
void feed_state_free(struct feed_state *st);
