/* Hot path: no allocation, lock, system call or log. */
#include "decode/fix/fix_fields.h"

static const uint8_t slot_of_tag[FIX_DATA_TAG_MAX] = {
#define FIX_TYPED(tag, name) [tag] = FIX_SLOT_##name,
#include "schemas/fix/typed_fields.def"
#undef FIX_TYPED
#define FIX_DATA(length_tag, data_tag) [length_tag] = FIX_SLOT_LENGTH,
#include "schemas/fix/data_fields.def"
#undef FIX_DATA
#define FIX_SECRET(tag) [tag] = FIX_SLOT_SECRET,
#include "schemas/fix/secret_fields.def"
#undef FIX_SECRET
	[96] = FIX_SLOT_RAW_DATA,
	[8] = FIX_SLOT_FRAME,
	[9] = FIX_SLOT_FRAME,
	[10] = FIX_SLOT_FRAME,
	[35] = FIX_SLOT_FRAME,
};

static uint32_t data_tag_of(uint32_t length_tag)
{
	switch (length_tag) {
#define FIX_DATA(length_tag, data_tag)                                                             \
	case length_tag:                                                                           \
		return data_tag;
#include "schemas/fix/data_fields.def"
#undef FIX_DATA
	default:
		return 0;
	}
}

static bool is_digit(uint8_t c)
{
	return (uint8_t)(c - '0') < 10;
}

/* begins_as says whether in begins as text does, as far as both go. len: a constant */
static inline bool begins_as(struct bytes in, const char *text, size_t len)
{
	if (__builtin_expect(bytes_has(in, len), 1)) /* no call */
		return memcmp(in.p, text, len) == 0;
	return memcmp(in.p, text, bytes_len(in)) == 0;
}

/* frame_head reads "8=FIX.4.4|9=178|". Returns its length, 0 = need more, or -REASON_garbled. */
static int64_t frame_head(struct bytes in, struct fix_message *msg)
{
	enum { BEGIN_MAX = 12, LENGTH_MAX = 9 };
	uint32_t at = 5, digits = 0;
	uint64_t body_length = 0;

	if (!begins_as(in, "8=FIX", 5))
		return -REASON_garbled;
	if (bytes_len(in) > 5 && in.p[5] != '.' && in.p[5] != 'T')
		return -REASON_garbled;
	for (; at < bytes_len(in) && in.p[at] != FIX_SOH; at++)
		if (at >= 2 + BEGIN_MAX || in.p[at] < '.' || in.p[at] > 'Z')
			return -REASON_garbled;
	if (at >= bytes_len(in))
		return 0;
	msg->begin_len = at++ - 2;
	in.p += at;
	if (!begins_as(in, "9=", 2))
		return -REASON_garbled;
	for (in.p += 2; in.p < in.end && is_digit(*in.p); in.p++) {
		if (++digits > LENGTH_MAX)
			return -REASON_garbled;
		body_length = body_length * 10 + (uint64_t)(*in.p - '0');
	}
	if (in.p >= in.end)
		return 0;
	if (digits == 0 || *in.p != FIX_SOH)
		return -REASON_garbled;
	msg->body_length = (uint32_t)body_length;
	return at + 2 + digits + 1;
}

int64_t fix_frame(struct bytes in, uint32_t message_max, struct fix_message *msg)
{
	enum { TRAILER_LEN = 7, BODY_MIN = 5 };
	int64_t head = frame_head(in, msg);
	const uint8_t *trailer;
	uint64_t total;

	if (head <= 0)
		return head;
	if (msg->body_length < BODY_MIN)
		return -REASON_garbled;
	if (!begins_as((struct bytes){in.p + head, in.end}, "35=", 3))
		return -REASON_garbled;
	total = (uint64_t)head + msg->body_length + TRAILER_LEN;
	if (total > message_max)
		return -REASON_message_too_long;
	if (!bytes_has(in, total))
		return 0;
	trailer = in.p + total - TRAILER_LEN;
	if (trailer[-1] != FIX_SOH || memcmp(trailer, "10=", 3) != 0 || !is_digit(trailer[3]) ||
		!is_digit(trailer[4]) || !is_digit(trailer[5]) || trailer[6] != FIX_SOH)
		return -REASON_garbled;
	msg->bytes = bytes_of(in.p, total);
	msg->body = (uint32_t)head;
	return (int64_t)total;
}

/* tag is a tag, how many digits it has (0: there is none), and what it is to us. */
struct tag {
	uint32_t number, digits, slot;
};

/* tag_long reads a tag of more than 3 digits, or finds that there is none. */
static __attribute__((noinline)) struct tag tag_long(const uint8_t *p, const uint8_t *end)
{
	uint64_t v = 0;
	uint32_t n;

	for (n = 0; p + n < end && is_digit(p[n]); n++) {
		v = v * 10 + (uint64_t)(p[n] - '0');
		if (v > UINT32_MAX)
			return (struct tag){0};
	}
	if (p + n >= end || p[n] != '=')
		return (struct tag){0};
	return (struct tag){(uint32_t)v, n, slot_of_tag[v < FIX_DATA_TAG_MAX ? v : 0]};
}

/* tag_of reads the digits before '=' without a loop; 4 bytes at p are readable. A '=' behind end
 * has a delimiter before it, which is no digit. */
static inline struct tag tag_of(const uint8_t *p, const uint8_t *end)
{
	const uint32_t ones = 0x01010101u, high = 0x80808080u;
	uint32_t w = load_le32(p), x = w ^ '=' * ones, equals = (x - ones) & ~x & high;
	uint32_t n, d;

	if (__builtin_expect(!equals || equals & 0x80, 0)) /* not after 1 to 3 digits */
		return tag_long(p, end);
	n = (uint32_t)__builtin_ctz(equals) / 8;
	/* the n digits go to the top, zero digits come in below them; then tens and hundreds join
	 */
	d = (w - '0' * ones) << (32 - 8 * n);
	if (__builtin_expect(((d + 0x76767676u) | d) & high, 0))
		return (struct tag){0};
	d = d * 10 + (d >> 8);
	d = (d & 0xff) * 100 + (d >> 16 & 0xff);
	return (struct tag){d, n, slot_of_tag[d]};
}

/* data_end finds where a data field ends whose length the field before it said.
 * Takes    limit: where the message's trailer begins
 * Returns  its end, or NULL when the length does not fit */
static const uint8_t *data_end(const struct ev_fix_message_tag *length, uint32_t tag,
	const uint8_t *value, const uint8_t *limit)
{
	uint64_t len;

	if (data_tag_of(length->tag) != tag || !fix_uint(fix_value_of(length), &len) ||
		len >= (uint64_t)(limit - value))
		return NULL;
	return value[len] == FIX_SOH ? value + len : NULL;
}

static bool is_secret(uint32_t slot, bool logon)
{
	return slot == FIX_SLOT_SECRET || (slot == FIX_SLOT_RAW_DATA && logon);
}

int fix_fields(struct fix_message *msg, uint32_t *soh, struct ev_fix_message_tag *fields)
{
	const uint8_t *begin = msg->bytes.p, *limit = msg->bytes.end - 7, *p = begin;
	bool logon = begin[msg->body + 3] == 'A' && begin[msg->body + 4] == FIX_SOH, odd = false;
	const struct ev_fix_message_tag *length = NULL; /* the field before, if it says one */
	struct ev_fix_message_tag *field = fields;
	uint32_t problems = 0;
	struct fix_scan scan;

	fix_scan((struct bytes){begin, limit}, soh, &scan);
	if ((scan.sum & 255) !=
		(uint32_t)((limit[3] - '0') * 100 + (limit[4] - '0') * 10 + limit[5] - '0'))
		return -REASON_garbled;
#pragma GCC unroll 64
	for (unsigned i = 0; i < FIX_SLOT_COUNT; i++) /* memset would be a `rep stos` */
		msg->first[i] = NULL;
	for (const uint32_t *at = soh, *last = soh + scan.soh_n; at < last; at++, field++) {
		const uint8_t *end = begin + *at, *value;
		struct tag tag = tag_of(p, end);

		if (__builtin_expect(tag.digits == 0, 0))
			return -REASON_garbled;
		value = p + tag.digits + 1;
		if (__builtin_expect(length != NULL, 0)) {
			const uint8_t *data = data_end(length, tag.number, value, limit);

			problems |= data ? 0 : FIX_PROBLEM_DATA_LENGTH;
			/* where a secret ends is then not known: all that follows may be of it */
			if (!data && is_secret(tag.slot, logon))
				data = limit - 1;
			while (data && begin + *at < data)
				at++;
			end = data ? data : end;
			length = NULL;
		}
		odd |= (*p == '0') | (value == end);
		*field = (struct ev_fix_message_tag){.value = {value, end},
			.tag = tag.number,
			.length = (uint32_t)(end - value)};
		p = end + 1;
		if (__builtin_expect(tag.slot < FIX_SLOT_COUNT, 1)) {
			const struct ev_fix_message_tag *first = msg->first[tag.slot];

			/* no branch: which fields come again nothing foresees */
			msg->first[tag.slot] = first ? first : field;
		} else if (tag.slot == FIX_SLOT_LENGTH) {
			length = field;
		} else if (tag.slot == FIX_SLOT_FRAME) {
			problems |= field - fields >= 3 ? FIX_PROBLEM_ORDER : 0;
		} else if (is_secret(tag.slot, logon)) {
			field->value = (struct bytes){0};
			field->redacted = true;
		}
	}
	problems |= odd ? FIX_PROBLEM_TAG : 0;
	problems |= length ? FIX_PROBLEM_DATA_LENGTH : 0;
	*field++ = (struct ev_fix_message_tag){
		.value = {limit + 3, limit + 6}, .tag = 10, .length = 3};
	msg->fields_n = (uint32_t)(field - fields);
	msg->problems = problems;
	msg->ascii = scan.ascii;
	return 0;
}
