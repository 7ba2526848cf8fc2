/* fix: bytes of one direction -> FIX messages -> events; a session's numbers are followed over
 * connections.
 *
 *     in ──► frame: 8= 9= 35= … 10= ──► checksum, fields ──► session ──► FixMessage
 *              │ refused                    │ refused          └──► GapEvent, SEQ_RESET
 *              └────────────────────────────┴──► garbled up to the next "8=FIX"
 *                                                └──► UnknownMessage
 *
 * A message inside one segment is decoded where it lies: its event points into the packet. */
#pragma once

#include "decode/fix/fix_scan.h"
#include "decode/fix/fix_value.h"
#include "decode/tcp/tcp.h"

enum {
	FIX_COMP_MAX = 48, /* bytes kept of SenderCompID and TargetCompID; all count in the
			      session's hash */
	FIX_NAME_MAX = 24,
	FIX_HEAD_MAX = 32, /* of garbled bytes: BeginString and BodyLength, never more */
	FIX_MESSAGE_MIN = 20,
};

enum fix_problem { /* bits of FixMessage.problems; a wrong checksum or body length is refused
		      instead */
	FIX_PROBLEM_ORDER = 4,        /* 8, 9, 35 or 10 again in the body */
	FIX_PROBLEM_TAG = 8,          /* tag with a leading zero, or empty value */
	FIX_PROBLEM_TRUNCATED = 32,   /* more fields than an event can hold */
	FIX_PROBLEM_DATA_LENGTH = 64, /* length field that does not fit its data field */
};

/* fix_session is one direction of a FIX session: (BeginString, SenderCompID, TargetCompID) between
 * two hosts, whatever the ports, so that it goes on after a reconnect. Its events are one stream.
 */
struct fix_session {
	uint64_t hash; /* of all that names it; 0 = free entry */
	char sender[FIX_COMP_MAX], target[FIX_COMP_MAX];
	uint8_t sender_len, target_len;
	uint8_t name_len, session_len;
	char name[FIX_NAME_MAX];    /* Event.venue: "SENDER-TARGET", cut to fit, printable; "FIX"
				       without both */
	char session[FIX_NAME_MAX]; /* Event.session: name, with ".n" after the n-th reset or --loop
				       round */
	uint16_t
		channel; /* Event.channel: tells sessions of equal name apart, equal in every run */
	bool loss;       /* bytes were lost since its last message */
	uint32_t resets; /* --loop rounds too */
	uint32_t round;  /* of --loop */
	uint64_t lost_bytes; /* since its last message */
	uint64_t expected;   /* next MsgSeqNum, 0 = not known yet */
	uint64_t low_next;   /* number that would go on from an unexplained low one */
	void *stream;        /* of the worker: from stream_for */
};

/* fix_hooks is how sessions speak to the worker. Called on its thread, on changes only. */
struct fix_hooks {
	void *ctx;
	/* stream_for names the stream of a new session: kept, given to events_switch. NULL = no
	 * room */
	void *(*stream_for)(void *ctx, const struct fix_session *session);
	/* session says that what the stream gets from now on belongs to this session; the vector is
	 * empty */
	void (*session)(void *ctx, void *stream, struct str session);
};

struct fix_options {
	uint32_t message_max;  /* bytes of the longest message, at most the unit_max of the table of
				  directions */
	uint32_t sessions_max; /* directions of sessions */
	uint32_t flows_max;    /* as of the table of directions */
};

/* fix_counts: messages_in = messages_out + sum(dropped). bytes_in = bytes_out + bytes_skipped. */
struct fix_counts {
	uint64_t messages_in, messages_out, dropped[REASON_COUNT];
	uint64_t bytes_in, bytes_out, bytes_skipped;
	struct gap_counts gaps;
	uint64_t resets, poss_dups, low_numbers;
};

struct fix_dir; /* what is kept of a direction */

/* fix is all FIX of one worker.
 *
 * Owns     its tables, allocated at init
 * Thread   the worker */
struct fix {
	struct fix_options opt;
	struct fix_hooks hooks;
	struct fix_counts counts;
	struct events *out;
	uint64_t ts_ns; /* ts_recv_ns of the segment at hand: set by the caller */
	uint32_t round; /* of --loop: set by the caller; sessions of an older round begin anew */
	struct fix_clock clock;
	struct fix_dir *dirs;         /* by tcp_dir.index */
	struct fix_session *sessions; /* open addressing */
	uint32_t sessions_mask, sessions_n;
	uint32_t *soh; /* offsets of delimiters of the message at hand */
	/* Fields of the message at hand; behind those of messages whose events are in out, which
	 * point to them. */
	struct ev_fix_message_tag *fields, *fields_begin;
};

/* fix_init allocates. Takes out: kept.
 * Returns  0, or -ENOMEM, or -EINVAL for an option out of range */
int fix_init(struct fix *fx, const struct fix_options *opt, const struct fix_hooks *hooks,
	struct events *out);
void fix_free(struct fix *fx);

/* fix_recognise says whether a segment of an unknown direction has the start of a FIX message in
 * it. */
bool fix_recognise(struct bytes in);

/* fix_eat decodes all whole messages of in and skips what is none: a tcp_eat, ctx is the struct
 * fix. fx->ts_ns is set before. Events are pushed in order, each with its session's stream switched
 * to. */
size_t fix_eat(void *ctx, struct tcp_dir *dir, struct bytes in);

/* fix_end reports runs of garbled bytes that nothing ended: the source is at its end. */
void fix_end(struct fix *fx, const struct tcp_table *table);
