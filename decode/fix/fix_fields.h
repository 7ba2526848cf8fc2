/* fix_fields: what a tag is to us, and the parts of the FIX decoder. Private to fix*.c and its
 * tests. */
#pragma once

#include "decode/fix/fix.h"

/* fix_slot is what a tag is to us. Slots of typed tags index fix_message.first. */
enum fix_slot {
	FIX_SLOT_NONE = 0,
#define FIX_TYPED(tag, name) FIX_SLOT_##name,
#include "schemas/fix/typed_fields.def"
#undef FIX_TYPED
	FIX_SLOT_COUNT,
	FIX_SLOT_SPECIAL = FIX_SLOT_COUNT, /* from here on a field needs a closer look */
	FIX_SLOT_SECRET = FIX_SLOT_SPECIAL,
	FIX_SLOT_RAW_DATA, /* 96: a secret in a Logon */
	FIX_SLOT_LENGTH,   /* a data field follows */
	FIX_SLOT_FRAME,    /* 8, 9, 35, 10 */
};

enum { FIX_FIELDS_KEPT = 512 };    /* then events are flushed: fields stay in the L1 cache */
enum { FIX_DATA_TAG_MAX = 43112 }; /* tags from here on are nothing to us */

/* fix_dir is what is kept of a direction between segments. */
struct fix_dir {
	uint32_t life; /* of the tcp_dir it is for */
	bool skipping; /* looking for the next "8=FIX" */
	bool garbled;  /* a run of garbled bytes is not over yet */
	uint8_t head_len;
	uint8_t head[FIX_HEAD_MAX];  /* how the run began */
	uint64_t run;                /* its bytes */
	uint64_t runs;               /* ever, on this connection */
	uint64_t lost_bytes;         /* of the tcp_dir, at its last message */
	struct fix_session *session; /* of its last message */
};

/* fix_message is one message between frame and event; offsets are from the start of bytes. */
struct fix_message {
	struct bytes bytes;         /* from "8=" to the last delimiter */
	uint32_t begin_len;         /* of BeginString, which is at 2 */
	uint32_t body, body_length; /* as BodyLength says */
	uint32_t fields_n;
	uint32_t problems;
	bool ascii;
	const struct ev_fix_message_tag *first[FIX_SLOT_COUNT]; /* field of this slot, or NULL */
};

/* fix_frame finds the end of the message at in, which begins with "8=".
 *
 * Returns  bytes of the message with msg->bytes, begin_len, body, body_length set; 0 = need more;
 *          -REASON_garbled or -REASON_message_too_long */
int64_t fix_frame(struct bytes in, uint32_t message_max, struct fix_message *msg);

/* fix_fields_max is how many fields a message of len bytes may have. */
static inline uint32_t fix_fields_max(uint32_t len)
{
	return len / 3 + 2;
}

/* fix_fields checks the checksum of a framed message and finds its fields; of a secret only tag and
 * length.
 * Takes    soh: room as for fix_scan; fields: room for fix_fields_max
 * Returns  0 with the rest of msg set, or -REASON_garbled */
int fix_fields(struct fix_message *msg, uint32_t *soh, struct ev_fix_message_tag *fields);

static inline struct str fix_value_of(const struct ev_fix_message_tag *field)
{
	return (struct str){(const char *)field->value.p, field->length};
}

/* fix_text returns the value of the first field of this slot, empty when absent. */
static inline struct str fix_text(const struct fix_message *msg, enum fix_slot slot)
{
	return msg->first[slot] ? fix_value_of(msg->first[slot]) : (struct str){"", 0};
}

/* fix_type returns MsgType, which is the third field. */
static inline struct str fix_type(const struct ev_fix_message_tag *fields)
{
	return fix_value_of(&fields[2]);
}

static inline bool fix_is(struct str text, char c)
{
	return text.len == 1 && text.p[0] == c;
}

/* fix_session_of finds or makes the session of these names on this direction.
 * Returns  it, or NULL when there is no room */
struct fix_session *fix_session_of(struct fix *fx, const struct tcp_dir *dir, struct str begin,
	struct str sender, struct str target);

/* fix_session_switch makes the session's stream the one that events go to, and sets what they
 * share. */
void fix_session_switch(struct fix *fx, struct fix_session *s);

/* fix_session_restart begins a new session under the same name, n resets later, and says so with
 * SEQ_RESET. Takes    next: the number expected, 0 = not known */
void fix_session_restart(struct fix *fx, struct fix_session *s, uint32_t n, uint64_t next);

/* fix_sequence follows MsgSeqNum: says what is missing and what begins anew.
 * Returns  EVENT_FLAG_RETRANSMIT for a message marked so, else 0 */
uint32_t fix_sequence(struct fix *fx, struct fix_session *s, const struct fix_message *msg);

/* fix_push makes the FixMessage event; the session is switched to. */
void fix_push(struct fix *fx, const struct tcp_dir *dir, const struct fix_message *msg,
	uint64_t seq, uint32_t flags);
