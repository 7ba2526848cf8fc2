/* message: events read back through protobuf-c, for the sinks that people read (json, text); any
 * message, by its descriptor. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "publish/rows/rowfile.h"

/* unpacker turns bytes into messages in memory of its own, used again for each. */
struct unpacker {
	uint8_t *arena, *bytes; /* ARENA_ROOM each, mapped: untouched pages cost nothing */
	size_t used;
};

/* message_put renders one event. */
typedef void (*message_put)(
	const struct sink_ctx *ctx, struct buf *out, const ProtobufCMessage *event);

/* sink_ctx of the sinks that render each event as a message. */
struct sink_ctx {
	struct rowfile rf;
	struct unpacker un;
	message_put put;
};

/* message_open is rowfile_open for a sink whose rows put writes. Closed by message_close.
 * Takes    size: of the sink_ctx made, zero but for the struct sink_ctx that it begins with */
int message_open(struct sink_ctx **out, size_t size, const struct sink_options *opt,
	message_put put, char error[256]);
int message_close(struct sink_ctx *ctx);

/* unpacker_open returns  0, or -ENOMEM */
int unpacker_open(struct unpacker *un);
void unpacker_close(struct unpacker *un);

/* unpack_lone reads the event with its tail.
 * Returns  the Event, borrowed until the next call; NULL if the bytes are no Event */
const ProtobufCMessage *unpack_lone(
	struct unpacker *un, const struct lone *lone, struct str source, uint64_t boot_id);

/* field_count says how many values a field has: 0 = not set, as JSON leaves it out (a member of a
 * oneof that is set counts even when it is 0). */
size_t field_count(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field);

/* field_value points to value i of a field: int32_t, uint64_t, char *, ProtobufCMessage * … */
const void *field_value(
	const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field, size_t i);

/* field_is_map: the field was a map<> in the .proto. */
bool field_is_map(const ProtobufCFieldDescriptor *field);

/* text_of is a string value without surprises: "" for NULL. */
static inline const char *text_of(const void *value)
{
	const char *text = *(char *const *)value;

	return text ? text : "";
}
