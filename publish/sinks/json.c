/* json: protobuf's JSON mapping with the field names of the .proto, one event a line. */
#include <math.h>

#include "publish/rows/message.h"

/* utf8_len is the length of the valid UTF-8 sequence at p, 0 if there is none. RFC 3629 */
static unsigned utf8_len(const uint8_t *p)
{
	uint8_t low = 0x80, high = 0xbf;
	unsigned len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f; /* no surrogates */
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (unsigned i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

static void put_string(struct buf *out, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;

	buf_char(out, '"');
	while (*p) {
		unsigned len = utf8_len(p); /* reads no further than the NUL */

		if (*p == '"' || *p == '\\') {
			buf_char(out, '\\');
			buf_char(out, (char)*p);
		} else if (*p < 0x20 || *p == 0x7f) {
			buf_printf(out, "\\u%04x", *p);
		} else if (len) {
			buf_put(out, p, len);
		} else {
			buf_text(out, "\xef\xbf\xbd"); /* U+FFFD */
		}
		p += len ? len : 1;
	}
	buf_char(out, '"');
}

static void put_base64(struct buf *out, const uint8_t *p, size_t len)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	buf_char(out, '"');
	for (; len; p += 3, len -= len < 3 ? len : 3) {
		uint32_t v = (uint32_t)p[0] << 16;

		if (len > 1)
			v |= (uint32_t)p[1] << 8;
		if (len > 2)
			v |= p[2];
		buf_char(out, digit[v >> 18]);
		buf_char(out, digit[v >> 12 & 63]);
		buf_char(out, len > 1 ? digit[v >> 6 & 63] : '=');
		buf_char(out, len > 2 ? digit[v & 63] : '=');
	}
	buf_char(out, '"');
}

static void put_float(struct buf *out, double v, bool single)
{
	if (isnan(v))
		buf_text(out, "\"NaN\"");
	else if (isinf(v))
		buf_text(out, v < 0 ? "\"-Infinity\"" : "\"Infinity\"");
	else
		buf_double(out, v, single);
}

static void put_enum(struct buf *out, const ProtobufCEnumDescriptor *kind, uint32_t v)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(kind, (int)v);

	if (value)
		put_string(out, value->name);
	else
		buf_u64(out, v);
}

static void put_message(struct buf *out, const ProtobufCMessage *msg);

static void put_value(struct buf *out, const ProtobufCFieldDescriptor *field, const void *v)
{
	const ProtobufCBinaryData *data = v;

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		buf_char(out, '"');
		buf_i64(out, *(const int64_t *)v);
		buf_char(out, '"');
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		buf_char(out, '"');
		buf_u64(out, *(const uint64_t *)v);
		buf_char(out, '"');
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
		buf_text(out, *(const protobuf_c_boolean *)v ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		put_float(out, (double)*(const float *)v, true);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		put_float(out, *(const double *)v, false);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		put_enum(out, field->descriptor, *(const uint32_t *)v);
		break;
	case PROTOBUF_C_TYPE_STRING:
		put_string(out, text_of(v));
		break;
	case PROTOBUF_C_TYPE_BYTES:
		put_base64(out, data->data, data->len);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		put_message(out, *(ProtobufCMessage *const *)v);
		break;
	}
}

/* put_map: keys are strings in all our maps, as JSON's are. */
static void put_map(struct buf *out, const ProtobufCMessage *msg,
	const ProtobufCFieldDescriptor *field, size_t n)
{
	buf_char(out, '{');
	for (size_t i = 0; i < n; i++) {
		const ProtobufCMessage *entry =
			*(ProtobufCMessage *const *)field_value(msg, field, i);
		const ProtobufCFieldDescriptor *f = entry->descriptor->fields;

		if (i)
			buf_char(out, ',');
		put_value(out, &f[0], field_value(entry, &f[0], 0));
		buf_char(out, ':');
		put_value(out, &f[1], field_value(entry, &f[1], 0));
	}
	buf_char(out, '}');
}

static void put_message(struct buf *out, const ProtobufCMessage *msg)
{
	bool first = true;

	buf_char(out, '{');
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &msg->descriptor->fields[i];
		size_t n = field_count(msg, field);

		if (!n)
			continue;
		if (!first)
			buf_char(out, ',');
		first = false;
		buf_char(out, '"');
		buf_text(out, field->name);
		buf_text(out, "\":");
		if (field_is_map(field)) {
			put_map(out, msg, field, n);
		} else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			for (size_t k = 0; k < n; k++) {
				buf_char(out, k ? ',' : '[');
				put_value(out, field, field_value(msg, field, k));
			}
			buf_char(out, ']');
		} else {
			put_value(out, field, field_value(msg, field, 0));
		}
	}
	buf_char(out, '}');
}

static void put_event(const struct sink_ctx *ctx, struct buf *out, const ProtobufCMessage *event)
{
	(void)ctx;
	put_message(out, event);
}

static int json_open(struct sink_ctx **out, const struct sink_options *opt, char error[256])
{
	return message_open(out, sizeof(**out), opt, put_event, error);
}

const struct sink json_sink = {
	.name = "json",
	.help = "json:PATH (protobuf JSON, one event a line; - for standard output)",
	.live_when_full = WHEN_FULL_DROP_NEWEST,
	.open = json_open,
	.submit = rowfile_submit,
	.poll = rowfile_poll,
	.flush = rowfile_flush,
	.error = rowfile_error,
	.close = message_close,
};
