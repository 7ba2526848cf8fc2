"""event_fields: tables that describe the structs of event.h, for code that goes through fields by name."""

from .event_struct import EVENT, fields_of, has_bit, has_bits, struct_of, tail_of
from .proto import snake


def header(schema):
    out = '''/* Generated from proto/ by schemac: the structs of event.h as tables. */
#pragma once

#include "events/event.h"

enum ev_kind {
	EV_UINT32, EV_ENUM, EV_UINT64, EV_SINT64, EV_FIXED64, EV_BOOL, EV_STRING, EV_BYTES, EV_FLOAT, EV_DOUBLE,
	EV_MESSAGE,
};

/* ev_label: EV_OPT has a bit in `has`, as EV_ONE messages have; EV_PAYLOAD is there when `type` is its
 * number; EV_MANY is a pointer with a count; EV_MAP as well, of {struct str key; value}. */
enum ev_label { EV_ONE, EV_OPT, EV_PAYLOAD, EV_MANY, EV_MAP };

struct ev_field {
	const char *name;
	const struct ev_message *message;      /* of EV_MESSAGE */
	const struct ev_enum_value *values;    /* of EV_ENUM, ends with a NULL name */
	uint32_t number, offset;
	uint32_t count_offset, element_size;   /* of EV_MANY and EV_MAP */
	uint32_t has;                          /* its bit, 0 = none */
	enum ev_kind kind;
	enum ev_label label;
};

struct ev_enum_value {
	const char *name; /* as in the .proto */
	uint32_t value;
};

struct ev_message {
	const char *name; /* as in the .proto: "Trade.Fill" */
	const struct ev_field *fields; /* by number */
	uint32_t fields_n, size;
	uint32_t has_offset; /* of `has`, where a field has a bit */
};
'''.split("\n")
    out += [f"extern const struct ev_message {table(msg)};" for msg in schema.messages]
    return out + ["extern const struct ev_message fields_event_tail; /* of struct event_tail, fields of Event */"]


def table(msg):
    return f"fields_{snake(msg.name)}"


def field_row(msg, f, struct=None):
    struct, where = struct or struct_of(msg), []
    where.append(f'.name = "{f.name}", .number = {f.number}')
    where.append(f".kind = EV_{f.kind.upper()}, .label = EV_{f.label.upper()}")
    where.append(f".offset = offsetof(struct {struct}, {f.name})")
    if f.kind == "message":
        where.append(f".message = &{table(f.type)}")
    if f.kind == "enum":
        where.append(f".values = values_{snake(f.type.name)}")
    if f in has_bits(msg):
        where.append(f".has = {has_bit(msg, f)}")
    if f.label in ("many", "map"):
        where.append(f".count_offset = offsetof(struct {struct}, {f.name}_n)")
        where.append(f".element_size = sizeof(*((struct {struct} *)0)->{f.name})")
    return ["\t{" + ", ".join(where) + "},"]


def source(schema):
    out = ["/* Generated from proto/ by schemac. */", '#include "events/event_fields.h"', "", "#include <stddef.h>", ""]
    for e in schema.enums:
        if any(f.type is e for msg in schema.messages for f in msg.fields):
            out.append(f"static const struct ev_enum_value values_{snake(e.name)}[] = {{")
            out += [f'\t{{"{name}", {value}}},' for name, value in e.values.items()] + ["\t{NULL, 0},", "};", ""]
    for msg in schema.messages:
        out.append(f"static const struct ev_field rows_{snake(msg.name)}[] = {{")
        for f in fields_of(msg):
            out += field_row(msg, f)
        out += ["};", f"const struct ev_message {table(msg)} = {{", f'\t.name = "{msg.name}",',
                f"\t.fields = rows_{snake(msg.name)}, .fields_n = {len(fields_of(msg))},",
                f"\t.size = sizeof(struct {struct_of(msg)}),"]
        if has_bits(msg):
            out.append(f"\t.has_offset = offsetof(struct {struct_of(msg)}, has),")
        out += ["};", ""]
    event = schema.message(EVENT)
    out.append("static const struct ev_field rows_event_tail[] = {")
    for f in tail_of(event):
        out += field_row(event, f, "event_tail")
    out += ["};", "const struct ev_message fields_event_tail = {", '\t.name = "Event",',
            f"\t.fields = rows_event_tail, .fields_n = {len(tail_of(event))},",
            "\t.size = sizeof(struct event_tail),", "};"]
    return out
