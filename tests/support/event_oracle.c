/* Builds protobuf-c messages from our structs by field name: two descriptions of the same schema,
 * ours made by schemac, theirs by protoc, must agree. */
#include "tests/support/event_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "events/event_fields.h"
#include "events/v1/batch.pb-c.h"
#include "events/v1/event.pb-c.h"

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

static ProtobufCMessage *build(
	const ProtobufCMessageDescriptor *type, const void *base, const struct ev_message *msg);

static char *text_of(struct str s)
{
	char *p = need(malloc(s.len + 1u));

	memcpy(p, s.len ? s.p : "", s.len);
	p[s.len] = 0;
	return p;
}

/* put_value stores one value at where protobuf-c keeps one of this type. */
static void put_value(void *to, const ProtobufCFieldDescriptor *pf, const void *from,
	const struct ev_field *field)
{
	static const ProtobufCType types[] = {[EV_UINT32] = PROTOBUF_C_TYPE_UINT32,
		[EV_ENUM] = PROTOBUF_C_TYPE_ENUM,
		[EV_UINT64] = PROTOBUF_C_TYPE_UINT64,
		[EV_SINT64] = PROTOBUF_C_TYPE_SINT64,
		[EV_FIXED64] = PROTOBUF_C_TYPE_FIXED64,
		[EV_BOOL] = PROTOBUF_C_TYPE_BOOL,
		[EV_STRING] = PROTOBUF_C_TYPE_STRING,
		[EV_BYTES] = PROTOBUF_C_TYPE_BYTES,
		[EV_FLOAT] = PROTOBUF_C_TYPE_FLOAT,
		[EV_DOUBLE] = PROTOBUF_C_TYPE_DOUBLE,
		[EV_MESSAGE] = PROTOBUF_C_TYPE_MESSAGE};
	struct bytes b;

	if (types[field->kind] != pf->type) {
		fprintf(stderr, "event_oracle: field %s has another type\n", pf->name);
		abort();
	}
	switch (field->kind) {
	case EV_UINT32:
	case EV_ENUM:
	case EV_FLOAT:
		memcpy(to, from, 4);
		break;
	case EV_UINT64:
	case EV_SINT64:
	case EV_FIXED64:
	case EV_DOUBLE:
		memcpy(to, from, 8);
		break;
	case EV_BOOL:
		*(protobuf_c_boolean *)to = *(const bool *)from;
		break;
	case EV_STRING:
		*(char **)to = text_of(*(const struct str *)from);
		break;
	case EV_BYTES:
		b = *(const struct bytes *)from;
		((ProtobufCBinaryData *)to)->len = bytes_len(b);
		((ProtobufCBinaryData *)to)->data = need(malloc(bytes_len(b) + 1));
		if (bytes_len(b))
			memcpy(((ProtobufCBinaryData *)to)->data, b.p, bytes_len(b));
		break;
	case EV_MESSAGE:
		*(ProtobufCMessage **)to = build(pf->descriptor, from, field->message);
		break;
	}
}

static size_t size_in_array(const ProtobufCFieldDescriptor *pf)
{
	switch (pf->type) {
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FLOAT:
		return 4;
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 8;
	}
}

/* map_entry: protobuf-c has a map as repeated messages of key (field 1) and value (field 2). */
static ProtobufCMessage *map_entry(
	const ProtobufCFieldDescriptor *pf, const void *from, const struct ev_field *field)
{
	const ProtobufCMessageDescriptor *type = pf->descriptor;
	ProtobufCMessage *entry = need(calloc(1, type->sizeof_message));
	struct ev_field key = {.kind = EV_STRING}, value = {.kind = field->kind};

	protobuf_c_message_init(type, entry);
	put_value((uint8_t *)entry + type->fields[0].offset, &type->fields[0], from, &key);
	put_value((uint8_t *)entry + type->fields[1].offset, &type->fields[1],
		(const struct str *)from + 1, &value);
	return entry;
}

static void put_many(ProtobufCMessage *out, const ProtobufCFieldDescriptor *pf, const void *base,
	const struct ev_field *field)
{
	uint32_t n = *(const uint32_t *)((const uint8_t *)base + field->count_offset);
	const uint8_t *from = *(const uint8_t *const *)((const uint8_t *)base + field->offset);
	size_t size = size_in_array(pf);
	uint8_t *array;

	if (pf->label != PROTOBUF_C_LABEL_REPEATED)
		abort();
	if (n == 0)
		return;
	array = need(calloc(n, size));
	*(size_t *)((uint8_t *)out + pf->quantifier_offset) = n;
	*(void **)((uint8_t *)out + pf->offset) = array;
	for (uint32_t i = 0; i < n; i++, from += field->element_size) {
		if (field->label == EV_MAP)
			((ProtobufCMessage **)array)[i] = map_entry(pf, from, field);
		else
			put_value(array + i * size, pf, from, field);
	}
}

static bool absent(const void *base, const struct ev_message *msg, const struct ev_field *field)
{
	if (field->label == EV_PAYLOAD)
		return ((const struct event *)base)->type != (enum event_type)field->number;
	return field->has &&
	       !(*(const uint32_t *)((const uint8_t *)base + msg->has_offset) & field->has);
}

/* put_fields fills what msg has in base into out. */
static void put_fields(ProtobufCMessage *out, const void *base, const struct ev_message *msg)
{
	const ProtobufCMessageDescriptor *type = out->descriptor;

	for (uint32_t i = 0; i < msg->fields_n; i++) {
		const struct ev_field *field = &msg->fields[i];
		const ProtobufCFieldDescriptor *pf =
			protobuf_c_message_descriptor_get_field_by_name(type, field->name);

		if (!pf || pf->id != field->number) {
			fprintf(stderr, "event_oracle: %s.%s is not field %u\n", msg->name,
				field->name, field->number);
			abort();
		}
		if (absent(base, msg, field))
			continue;
		if (field->label == EV_MANY || field->label == EV_MAP) {
			put_many(out, pf, base, field);
			continue;
		}
		if (pf->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			*(int *)((uint8_t *)out + pf->quantifier_offset) = (int)pf->id;
		put_value((uint8_t *)out + pf->offset, pf, (const uint8_t *)base + field->offset,
			field);
	}
}

static ProtobufCMessage *build(
	const ProtobufCMessageDescriptor *type, const void *base, const struct ev_message *msg)
{
	ProtobufCMessage *out = need(calloc(1, type->sizeof_message));

	protobuf_c_message_init(type, out);
	put_fields(out, base, msg);
	return out;
}

static uint8_t *packed(ProtobufCMessage *msg, size_t *len)
{
	uint8_t *out;

	*len = protobuf_c_message_get_packed_size(msg);
	out = need(malloc(*len + 1));
	protobuf_c_message_pack(msg, out);
	protobuf_c_message_free_unpacked(msg, NULL);
	return out;
}

uint8_t *event_oracle(const struct event *ev, const struct event_tail *tail, size_t *len)
{
	ProtobufCMessage *out = build(&events__v1__event__descriptor, ev, &fields_event);

	if (tail)
		put_fields(out, tail, &fields_event_tail);
	return packed(out, len);
}

uint8_t *event_batch_oracle(const struct ev_event_batch *facts, size_t *len)
{
	return packed(build(&events__v1__event_batch__descriptor, facts, &fields_event_batch), len);
}
