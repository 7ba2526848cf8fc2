/* text: one readable line an event: time, venue, channel, seq, symbol, what, details.
 *
 *   14:30:00.123456789 XNAS/0 12345 AAPL mbo ADD BUY order_id=55 price=187.41 size=100 [LAST]
 *
 * Prices are decimal, times are UTC, enum values stand alone, a field that is not set is left out.
 * A packet is written as tcpdump does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "events/v1/event.pb-c.h"
#include "publish/rows/message.h"
#include "publish/rows/packet_text.h"
#include "publish/rows/report_text.h"

/* text_ctx is the sink_ctx of this sink. */
struct text_ctx {
	struct sink_ctx ctx;
	struct packet_style style;
};

static void put_time(struct buf *out, uint64_t ns)
{
	uint64_t s = ns / 1000000000;

	buf_printf(out, "%02u:%02u:%02u.%09u", (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60),
		(unsigned)(s % 60), (unsigned)(ns % 1000000000));
}

/* put_string keeps one event on one line, whatever a venue sends. */
static void put_string(struct buf *out, const char *text)
{
	bool quote = !*text || strpbrk(text, " \"=[]{}") != NULL;

	if (quote)
		buf_char(out, '"');
	for (; *text; text++) {
		uint8_t c = (uint8_t)*text;

		if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else if (quote && (c == '"' || c == '\\'))
			buf_printf(out, "\\%c", c);
		else
			buf_char(out, (char)c);
	}
	if (quote)
		buf_char(out, '"');
}

static void put_bytes(struct buf *out, const uint8_t *p, size_t len)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		buf_char(out, digit[p[i] >> 4]);
		buf_char(out, digit[p[i] & 15]);
	}
}

/* put_enum leaves out what all values of the enum begin with: ACTION_ADD of Action is ADD. */
static void put_enum(struct buf *out, const ProtobufCEnumDescriptor *kind, uint32_t v)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(kind, (int)v);
	const char *zero = kind->values[0].name, *cut = strstr(zero, "UNSPECIFIED");
	size_t prefix = cut ? (size_t)(cut - zero) : 0;

	if (!value)
		buf_u64(out, v);
	else
		buf_text(out, value->name + (strncmp(value->name, zero, prefix) == 0 ? prefix : 0));
}

static bool ends_in(const char *name, const char *tail)
{
	size_t len = strlen(name), tail_len = strlen(tail);

	return len > tail_len && strcmp(name + len - tail_len, tail) == 0;
}

static void put_fields(struct buf *out, const ProtobufCMessage *msg);

/* put_message writes an endpoint as ip:port, a FIX tag as tag=value, anything else in braces. */
static void put_message(struct buf *out, const ProtobufCMessage *msg)
{
	if (msg->descriptor == &events__v1__endpoint__descriptor) {
		const Events__V1__Endpoint *end = (const void *)msg;
		char ip[INET6_ADDRSTRLEN] = "?";

		if (end->ip.len == 4 || end->ip.len == 16)
			inet_ntop(end->ip.len == 4 ? AF_INET : AF_INET6, end->ip.data, ip,
				sizeof(ip));
		buf_printf(out, end->ip.len == 16 ? "[%s]:%u" : "%s:%u", ip, end->port);
	} else if (msg->descriptor == &events__v1__fix_message__tag__descriptor) {
		const Events__V1__FixMessage__Tag *tag = (const void *)msg;

		buf_printf(out, "%u=", tag->tag);
		if (tag->redacted)
			buf_printf(out, "<%u bytes withheld>", tag->length);
		for (size_t i = 0; i < tag->value.len; i++) {
			uint8_t c = tag->value.data[i];

			if (c < 0x20 || c == 0x7f)
				buf_printf(out, "\\x%02x", c);
			else
				buf_char(out, (char)c);
		}
	} else {
		buf_char(out, '{');
		put_fields(out, msg);
		buf_char(out, '}');
	}
}

static void put_value(struct buf *out, const ProtobufCFieldDescriptor *field, const void *v)
{
	const ProtobufCBinaryData *data = v;

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		if (ends_in(field->name, "_e9"))
			buf_decimal(out, *(const int64_t *)v, 9);
		else
			buf_i64(out, *(const int64_t *)v);
		break;
	case PROTOBUF_C_TYPE_FIXED64: /* times are, and boot_id */
		if (strncmp(field->name, "ts_", 3) == 0 || ends_in(field->name, "_time_ns"))
			put_time(out, *(const uint64_t *)v);
		else
			buf_u64(out, *(const uint64_t *)v);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		buf_u64(out, *(const uint64_t *)v);
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		buf_i64(out, *(const int32_t *)v);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		buf_u64(out, *(const uint32_t *)v);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		buf_text(out, *(const protobuf_c_boolean *)v ? "yes" : "no");
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		buf_printf(out, "%.9g", (double)*(const float *)v);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		buf_printf(out, "%.17g", *(const double *)v);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		put_enum(out, field->descriptor, *(const uint32_t *)v);
		break;
	case PROTOBUF_C_TYPE_STRING:
		put_string(out, text_of(v));
		break;
	case PROTOBUF_C_TYPE_BYTES:
		put_bytes(out, data->data, data->len);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		put_message(out, *(ProtobufCMessage *const *)v);
		break;
	}
}

/* put_name writes "name=" without the unit that the value shows anyway. */
static void put_name(struct buf *out, const ProtobufCFieldDescriptor *field)
{
	size_t len = strlen(field->name);

	if (ends_in(field->name, "_e9"))
		len -= 3;
	else if (field->type == PROTOBUF_C_TYPE_FIXED64 && ends_in(field->name, "_ns"))
		len -= 3;
	buf_put(out, field->name, len);
	buf_char(out, '=');
}

/* put_fields: enums stand alone, repeated fields in brackets; separated by one blank. */
static void put_fields(struct buf *out, const ProtobufCMessage *msg)
{
	bool first = true;

	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &msg->descriptor->fields[i];
		size_t n = field_count(msg, field);
		bool many = field->label == PROTOBUF_C_LABEL_REPEATED;
		char between =
			field->descriptor == &events__v1__fix_message__tag__descriptor ? '|' : ' ';

		if (!n)
			continue;
		if (!first)
			buf_char(out, ' ');
		first = false;
		if (many || field->type != PROTOBUF_C_TYPE_ENUM)
			put_name(out, field);
		for (size_t k = 0; k < n; k++) {
			if (many)
				buf_char(out, k ? between : '[');
			put_value(out, field, field_value(msg, field, k));
		}
		if (many)
			buf_char(out, ']');
	}
}

static void put_flags(struct buf *out, uint32_t flags)
{
	char open = '[';

	for (unsigned bit = 0; bit < 32; bit++) {
		if (!(flags >> bit & 1))
			continue;
		buf_char(out, open);
		put_enum(out, &events__v1__event_flag__descriptor, 1u << bit);
		open = ' ';
	}
	buf_char(out, ']');
}

/* put_envelope writes whose event it is. */
static void put_envelope(struct buf *out, const Events__V1__Event *ev)
{
	if (ev->venue[0])
		put_string(out, ev->venue);
	else
		buf_char(out, '-');
	buf_printf(out, "/%u ", ev->channel);
	buf_u64(out, ev->seq);
	if (ev->sub_seq)
		buf_printf(out, ".%u", ev->sub_seq);
	buf_char(out, ' ');
	if (ev->symbol[0])
		put_string(out, ev->symbol);
	else if (ev->instrument_id)
		buf_printf(out, "#%llu", (unsigned long long)ev->instrument_id);
	else
		buf_char(out, '-');
	buf_char(out, ' ');
}

static void put_event(const struct sink_ctx *ctx, struct buf *out, const ProtobufCMessage *msg)
{
	const struct text_ctx *text = (const void *)ctx;
	const Events__V1__Event *ev = (const void *)msg;
	const ProtobufCFieldDescriptor *payload;
	size_t len;

	put_time(out, ev->ts_recv_ns);
	buf_char(out, ' ');
	if (ev->payload_case == EVENTS__V1__EVENT__PAYLOAD_PACKET) {
		packet_text_put(out, &text->style, ev->packet);
		return;
	}
	if (ev->payload_case == EVENTS__V1__EVENT__PAYLOAD_TRAFFIC) {
		buf_text(out, "traffic ");
		traffic_text_put(out, ev->traffic);
		return;
	}
	if (ev->payload_case == EVENTS__V1__EVENT__PAYLOAD_TALKER) {
		buf_text(out, "talkers ");
		talker_text_put(out, ev->talker);
		return;
	}
	if (ev->venue[0] || ev->seq)
		put_envelope(out, ev);
	payload = protobuf_c_message_descriptor_get_field(msg->descriptor, ev->payload_case);
	if (payload) {
		buf_text(out, payload->name);
		buf_char(out, ' ');
		len = out->len;
		put_fields(out, *(ProtobufCMessage *const *)field_value(msg, payload, 0));
		out->len -= out->len == len; /* no blank behind a payload without fields */
	}
	if (ev->flags) {
		buf_char(out, ' ');
		put_flags(out, ev->flags);
	}
}

/* style_read reads the keys that say how packets are written. */
static int style_read(struct packet_style *style, const struct sink_options *opt, char error[256])
{
	static const struct {
		const char *key, *words[3];
	} keys[] = {{"detail", {"normal", "quiet", "verbose"}}, {"dump", {"none", "hex", "ascii"}},
		{"link", {"no", "yes", "yes"}}};
	unsigned values[3] = {0};

	for (unsigned k = 0; k < 3; k++) {
		const char *value = sink_param(opt, keys[k].key, keys[k].words[0]);

		while (values[k] < 3 && strcmp(value, keys[k].words[values[k]]) != 0)
			values[k]++;
		if (values[k] == 3) {
			snprintf(error, 256, "%.100s: %s=%.32s: expected %s, %s or %s", opt->uri,
				keys[k].key, value, keys[k].words[0], keys[k].words[1],
				keys[k].words[2]);
			return -EINVAL;
		}
	}
	*style = (struct packet_style){values[0], values[1], values[2] != 0};
	return 0;
}

static int text_open(struct sink_ctx **out, const struct sink_options *opt, char error[256])
{
	struct packet_style style;
	int rc = style_read(&style, opt, error);

	if (rc == 0)
		rc = message_open(out, sizeof(struct text_ctx), opt, put_event, error);
	if (rc == 0)
		((struct text_ctx *)(void *)*out)->style = style;
	return rc;
}

static const char *const text_keys[] = {"detail", "dump", "link", NULL};

const struct sink text_sink = {
	.name = "text",
	.help = "text:PATH?detail=quiet|verbose&link=yes&dump=hex|ascii (one readable line an "
		"event; - for standard output)",
	.keys = text_keys,
	.live_when_full = WHEN_FULL_DROP_NEWEST,
	.open = text_open,
	.submit = rowfile_submit,
	.poll = rowfile_poll,
	.flush = rowfile_flush,
	.error = rowfile_error,
	.close = message_close,
};
