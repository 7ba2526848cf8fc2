#include "publish/rows/message.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "events/v1/event.pb-c.h"

enum { ARENA_ROOM = 64 << 20 };

static void *map_room(void)
{
	void *p = mmap(NULL, ARENA_ROOM, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int unpacker_open(struct unpacker *un)
{
	*un = (struct unpacker){.arena = map_room(), .bytes = map_room()};
	if (un->arena && un->bytes)
		return 0;
	unpacker_close(un);
	return -ENOMEM;
}

void unpacker_close(struct unpacker *un)
{
	if (un->arena)
		munmap(un->arena, ARENA_ROOM);
	if (un->bytes)
		munmap(un->bytes, ARENA_ROOM);
	*un = (struct unpacker){0};
}

static void *arena_alloc(void *arg, size_t size)
{
	struct unpacker *un = arg;
	size_t at = un->used;

	size = (size + 15) & ~(size_t)15;
	if (size > ARENA_ROOM - at)
		return NULL;
	un->used = at + size;
	return un->arena + at;
}

static void arena_free(void *arg, void *p)
{
	(void)arg;
	(void)p;
}

const ProtobufCMessage *unpack_lone(
	struct unpacker *un, const struct lone *lone, struct str source, uint64_t boot_id)
{
	ProtobufCAllocator allocator = {arena_alloc, arena_free, un};
	size_t len = bytes_len(lone->event);

	if (len > ARENA_ROOM - LONE_TAIL_MAX)
		return NULL;
	un->used = 0;
	memcpy(un->bytes, lone->event.p, len);
	len += lone_tail(lone, source, boot_id, un->bytes + len);
	return protobuf_c_message_unpack(
		&events__v1__event__descriptor, &allocator, len, un->bytes);
}

static int render(struct sink_ctx *ctx, const struct lone *lone, struct buf *out)
{
	const ProtobufCMessage *event =
		unpack_lone(&ctx->un, lone, ctx->rf.source, ctx->rf.boot_id);

	if (!event)
		return -EBADMSG;
	ctx->put(ctx, out, event);
	buf_char(out, '\n');
	return 0;
}

int message_open(struct sink_ctx **out, size_t size, const struct sink_options *opt,
	message_put put, char error[256])
{
	int rc = rowfile_open(out, size, opt, render, error);

	if (rc < 0)
		return rc;
	(*out)->put = put;
	rc = unpacker_open(&(*out)->un);
	if (rc < 0) {
		snprintf(error, 256, "%.200s: no memory for its buffer", opt->uri);
		message_close(*out);
	}
	return rc;
}

int message_close(struct sink_ctx *ctx)
{
	unpacker_close(&ctx->un);
	return rowfile_close(ctx);
}

static const void *member(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	return (const uint8_t *)msg + field->offset;
}

size_t field_count(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	const void *p = member(msg, field);
	const uint8_t *quantifier = (const uint8_t *)msg + field->quantifier_offset;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)(const void *)quantifier;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)(const void *)quantifier == field->id;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return text_of(p)[0] != 0;
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)p)->len != 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(ProtobufCMessage *const *)p != NULL;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE: /* -0.0 is not the default */
		return *(const uint64_t *)p != 0;
	default:
		return *(const uint32_t *)p != 0; /* bool is an int in protobuf-c */
	}
}

static size_t value_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	default:
		return 8;
	}
}

const void *field_value(
	const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field, size_t i)
{
	const void *p = member(msg, field);

	if (field->label != PROTOBUF_C_LABEL_REPEATED)
		return p;
	return *(const uint8_t *const *)p + i * value_size(field->type);
}

bool field_is_map(const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *entry;
	size_t len;

	if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	entry = field->descriptor; /* protoc names it NameEntry {key = 1, value = 2} */
	len = strlen(entry->short_name);
	return len > 5 && strcmp(entry->short_name + len - 5, "Entry") == 0 &&
	       entry->n_fields == 2 && strcmp(entry->fields[0].name, "key") == 0 &&
	       strcmp(entry->fields[1].name, "value") == 0;
}
