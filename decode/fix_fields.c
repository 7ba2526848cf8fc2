/* Hot path: no allocation, lock, system call or log. */
#include "decode/fix_fields.h"

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

/* tag_long reads a tag of more than 7 digits, or finds that there is none. Returns its digits, 0 =
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
	const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
	uint64_t w = load_le64(p), x = w ^ '=' * ones, equals = (x - ones) & ~x & high;
	uint32_t n = (uint32_t)__builtin_ctzll(equals | 1ull << 63) / 8;
	uint64_t d;

	if (__builtin_expect(n == 0 || n == 7, 0))
		return tag_long(p, end, tag);
	/* the n digits go to the top, zero digits come in below them; then 10s, 100s and 10000s are
	 * joined */
	d = (w << (64 - 8 * n)) - (('0' * ones) << (64 - 8 * n));
	if (__builtin_expect((((d + 0x7676767676767676u) | d) & high) || p + n >= end, 0))
		return 0;
	d = d * 10 + (d >> 8);
	d = ((d & 0x000000ff000000ffu) * 0x000f424000000064u +
		    ((d >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u) >>
	    32;
	*tag = (uint32_t)d;
	return n;
}

/* data_end finds where a data field ends whose length the field before it said.
 * Returns  its end, or 0 when the length does not fit */
static uint32_t data_end(const struct fix_message *msg, const struct fix_field *length,
	const struct fix_field *data, uint32_t limit)
{
	struct str text = {(const char *)msg->bytes.p + length->at, length->len};
	uint64_t len;

	if (data_tag_of(length->tag) != data->tag || !fix_uint(text, &len) ||
		len >= limit - data->at)
		return 0;
	return msg->bytes.p[data->at + len] == FIX_SOH ? data->at + (uint32_t)len : 0;
}

int fix_fields(struct fix_message *msg, uint32_t *soh, struct fix_field *fields)
{
	const uint8_t *p = msg->bytes.p;
	uint32_t limit = (uint32_t)bytes_len(msg->bytes) - 7, at = 0, i = 0, n = 0, problems = 0;
	struct fix_scan scan;

	fix_scan((struct bytes){p, p + limit}, soh, &scan);
	if ((scan.sum & 255) != (uint32_t)((p[limit + 3] - '0') * 100 + (p[limit + 4] - '0') * 10 +
					   p[limit + 5] - '0'))
		return -REASON_garbled;
	memset(msg->first, 0, sizeof(msg->first));
	for (; i < scan.soh_n; i++) {
		struct fix_field *f = &fields[n];
		uint32_t end = soh[i], digits = tag_of(p + at, p + end, &f->tag);

		if (__builtin_expect(digits == 0, 0))
			return -REASON_garbled;
		f->at = at + digits + 1;
		f->slot = slot_of_tag[f->tag < FIX_DATA_TAG_MAX ? f->tag : 0];
		if (__builtin_expect(n && fields[n - 1].slot == FIX_SLOT_LENGTH, 0)) {
			uint32_t data = data_end(msg, &fields[n - 1], f, limit);

			problems |= data ? 0 : FIX_PROBLEM_DATA_LENGTH;
			while (soh[i] < data)
				i++;
			end = data ? data : end;
		}
		f->len = end - f->at;
		problems |= p[at] == '0' || f->len == 0 ? FIX_PROBLEM_TAG : 0;
		at = end + 1;
		n++;
		if (f->slot < FIX_SLOT_COUNT)
			msg->first[f->slot] = msg->first[f->slot] ? msg->first[f->slot] : n;
		else if (f->slot == FIX_SLOT_FRAME && n > 3)
			problems |= FIX_PROBLEM_ORDER;
	}
	if (n && fields[n - 1].slot == FIX_SLOT_LENGTH)
		problems |= FIX_PROBLEM_DATA_LENGTH;
	fields[n++] = (struct fix_field){10, limit + 3, 3, FIX_SLOT_FRAME};
	msg->fields_n = n;
	msg->problems = problems;
	msg->ascii = scan.ascii;
	return 0;
}
