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

/* begins_as says whether in begins as text does, as far as both go. */
static bool begins_as(struct bytes in, const char *text, size_t len)
{
	return memcmp(in.p, text, len < bytes_len(in) ? len : bytes_len(in)) == 0;
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

/* tag_long reads a tag of more than 4 digits, or finds that there is none. Returns its digits, 0 =
 * no tag. */
static uint32_t tag_long(const uint8_t *p, const uint8_t *end, uint32_t *tag)
{
	uint64_t v = 0;
	uint32_t n;

	for (n = 0; p + n < end && is_digit(p[n]); n++) {
		v = v * 10 + (uint64_t)(p[n] - '0');
		if (v > UINT32_MAX)
			return 0;
	}
	*tag = (uint32_t)v;
	return p + n < end && p[n] == '=' ? n : 0;
}

/* tag_of reads the digits before '=' without a loop; 8 bytes at p are readable.
 * Returns  how many, 0 = no tag before end */
static inline uint32_t tag_of(const uint8_t *p, const uint8_t *end, uint32_t *tag)
{
	const uint64_t ones = 0x0101010101u, high = 0x8080808080u;
	uint64_t w = load_le64(p) & 0xffffffffff, x = w ^ '=' * ones;
	uint64_t equals = (x - ones) & ~x & high;
	uint32_t n, d;

	if (__builtin_expect(!equals || equals & 0x80, 0)) /* not after 1 to 4 digits */
		return tag_long(p, end, tag);
	n = (uint32_t)__builtin_ctzll(equals) / 8;
	/* the n digits go to the top, zero digits come in below them; then tens and hundreds join
	 */
	d = ((uint32_t)w << (32 - 8 * n)) - (0x30303030u << (32 - 8 * n));
	if (__builtin_expect(((d + 0x76767676u) | d) & 0x80808080u, 0))
		return 0;
	d = d * 10 + (d >> 8);
	*tag = (d & 0xff) * 100 + (d >> 16 & 0xff);
	return p + n < end ? n : 0;
}

/* data_end finds where a data field ends whose length the field before it said.
 * Returns  its end, or 0 when the length does not fit */
static uint32_t data_end(
	const uint8_t *p, const struct fix_field *length, uint32_t tag, uint32_t at, uint32_t limit)
{
	struct str text = {(const char *)p + length->at, length->len};
	uint64_t len;

	if (data_tag_of(length->tag) != tag || !fix_uint(text, &len) || len >= limit - at)
		return 0;
	return p[at + len] == FIX_SOH ? at + (uint32_t)len : 0;
}

/* may_hold_secret says whether the data field behind fields [0, n) is one whose value must not
 * leave the program. */
static bool may_hold_secret(
	const uint8_t *p, const struct fix_field *fields, uint32_t n, uint32_t slot)
{
	bool logon = n > 2 && fields[2].len == 1 && p[fields[2].at] == 'A';

	return slot == FIX_SLOT_SECRET || (slot == FIX_SLOT_RAW_DATA && logon);
}

int fix_fields(struct fix_message *msg, uint32_t *soh, struct fix_field *fields)
{
	const uint8_t *p = msg->bytes.p;
	uint32_t limit = (uint32_t)bytes_len(msg->bytes) - 7, at = 0, i = 0, n = 0, problems = 0;
	bool odd = false, after_length = false;
	struct fix_scan scan;

	fix_scan((struct bytes){p, p + limit}, soh, &scan);
	if ((scan.sum & 255) != (uint32_t)((p[limit + 3] - '0') * 100 + (p[limit + 4] - '0') * 10 +
					   p[limit + 5] - '0'))
		return -REASON_garbled;
	memset(msg->first, 0, sizeof(msg->first));
	for (; i < scan.soh_n; i++) {
		uint32_t end = soh[i], tag, digits = tag_of(p + at, p + end, &tag), slot, value;

		if (__builtin_expect(digits == 0, 0))
			return -REASON_garbled;
		value = at + digits + 1;
		slot = slot_of_tag[tag < FIX_DATA_TAG_MAX ? tag : 0];
		if (__builtin_expect(after_length, 0)) {
			uint32_t data = data_end(p, &fields[n - 1], tag, value, limit);

			problems |= data ? 0 : FIX_PROBLEM_DATA_LENGTH;
			/* where a secret ends is then not known: all that follows may be of it */
			if (!data && may_hold_secret(p, fields, n, slot))
				data = limit - 1;
			while (soh[i] < data)
				i++;
			end = data ? data : end;
		}
		after_length = slot == FIX_SLOT_LENGTH;
		odd |= (p[at] == '0') | (value == end);
		fields[n++] = (struct fix_field){tag, value, end - value, slot};
		at = end + 1;
		if (slot < FIX_SLOT_COUNT)
			msg->first[slot] = msg->first[slot] ? msg->first[slot] : n;
		else if (slot == FIX_SLOT_FRAME && n > 3)
			problems |= FIX_PROBLEM_ORDER;
	}
	problems |= odd ? FIX_PROBLEM_TAG : 0;
	problems |= after_length ? FIX_PROBLEM_DATA_LENGTH : 0;
	fields[n++] = (struct fix_field){10, limit + 3, 3, FIX_SLOT_FRAME};
	msg->fields_n = n;
	msg->problems = problems;
	msg->ascii = scan.ascii;
	return 0;
}
