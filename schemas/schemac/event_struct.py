"""event_struct: names of the event schema in C, and event.h: the structs that decoders fill."""

from .ir import SchemaError
from .proto import snake

EVENT, BATCH = "Event", "EventBatch"
# What an event needs only when it stands alone, since a batch says it once: struct event_tail.
TAIL = ("source", "worker", "schema_version", "session", "boot_id", "stream", "event_no", "ts_quality")
C_TYPES = {"uint32": "uint32_t", "enum": "uint32_t", "uint64": "uint64_t", "sint64": "int64_t",
           "fixed64": "uint64_t", "bool": "bool", "string": "struct str", "bytes": "struct bytes",
           "float": "float", "double": "double"}
# Members of a struct stand in this order, so that there are no holes.
ALIGN = {"message": 0, "string": 1, "bytes": 1, "double": 2, "uint64": 2, "sint64": 2, "fixed64": 2,
         "uint32": 3, "enum": 3, "float": 3, "bool": 4}


def struct_of(msg):
    return "event" if msg.name == EVENT else "ev_" + snake(msg.name)


def constant(msg):
    return snake(msg.name).upper()


def has_bit(msg, f):
    return f"{constant(msg)}_HAS_{f.name.upper()}"


def has_bits(msg):
    """Fields that have a bit in `has`: one-member oneofs, and messages held by value."""
    return [f for f in msg.fields if f.label == "opt" or (f.label == "one" and f.kind == "message")]


def entry_of(msg, f):
    """Struct of one element of a repeated field or a map."""
    if f.label == "map":
        return f"struct {struct_of(msg)}_{f.name}"
    return f"struct {struct_of(f.type)}" if f.kind == "message" else C_TYPES[f.kind]


def fields_of(msg):
    """Fields that the struct holds. The rows of a batch are written one by one, see event_row_write."""
    return [f for f in msg.fields if not (msg.name == BATCH and f.kind == "message" and f.type.name == EVENT
                                          or msg.name == EVENT and f.name in TAIL)]


def tail_of(event):
    return [f for f in event.fields if f.name in TAIL]


def event_constant(f):
    return f"EVENT_{f.name.upper()}"


def comment(text, indent=""):
    """A C comment of at most 100 columns."""
    if not text:
        return []
    lines, line = [], indent + "/*"
    for word in text.replace("*/", "* /").split():
        if len(line.expandtabs(8)) + 1 + len(word) + 3 > 100:
            lines.append(line)
            line = indent + " *"
        line += " " + word
    return lines + [line + " */"]


def enums_h(schema):
    out = []
    for e in schema.enums:
        outer = e.name.split(".")[:-1]
        prefix = "".join(snake(part).upper() + "_" for part in outer)
        out += comment(e.comment) + [f"enum {'' if outer else 'ev_'}{'ev_' if outer else ''}{snake(e.name)} {{"]
        for name, value in e.values.items():
            out += comment(e.comments[name], "\t") + [f"\t{prefix}{name} = {value},"]
        out += ["};", ""]
    return out


def member(msg, f):
    kind = f.kind
    if f.label in ("many", "map"):
        text = f"const {entry_of(msg, f)} *{f.name};\n\tuint32_t {f.name}_n;"
    elif kind == "message":
        text = f"struct {struct_of(f.type)} {f.name};"
    else:
        text = f"{C_TYPES[kind]} {f.name};"
    bit = f" [{has_bit(msg, f)}]" if f in has_bits(msg) else ""
    return comment(f.comment + bit, "\t") + ["\t" + text]


def struct_h(msg):
    out = []
    for f in fields_of(msg):
        if f.label == "map":
            out += [f"{entry_of(msg, f)} {{", "\tstruct str key;", f"\t{C_TYPES[f.kind]} value;", "};", ""]
    bits = has_bits(msg)
    if len(bits) > 31:
        raise SchemaError(msg.where, "expected at most 31 fields with presence")
    if bits:
        out += ["enum {"] + [f"\t{has_bit(msg, f)} = 1u << {i}," for i, f in enumerate(bits)] + ["};", ""]
    out += comment(msg.comment) + [f"struct {struct_of(msg)} {{"]
    if bits:
        out.append("\tuint32_t has; /* bits of what is present */")
    order = [f for f in fields_of(msg) if f.label != "payload"]
    order.sort(key=lambda f: (f.label in ("many", "map"), ALIGN[f.kind]))
    for f in order:
        out += member(msg, f)
    if msg.name == EVENT:
        out.append("\tenum event_type type; /* which payload */")
        out.append("\talignas(16) union {")
        out += [f"\t\tstruct {struct_of(f.type)} {f.name};" for f in msg.fields if f.label == "payload"]
        out.append("\t};")
    return out + ["};", ""]


def tail_h(event):
    out = ["/* event_tail is what an event needs more when it stands outside a batch. */", "struct event_tail {"]
    for f in sorted(tail_of(event), key=lambda f: ALIGN[f.kind]):
        out += member(event, f)
    return out + ["};", ""]


def event_h(schema):
    event = schema.message(EVENT)
    payloads = [f for f in event.fields if f.label == "payload"]
    version = max(schema.enum("SchemaVersion").values.values())
    out = ["/* Generated from proto/ by schemac: what decoders fill and writers write.",
           " * Texts, bytes and repeated fields are borrowed. Zero and empty mean absent, but where a bit of",
           " * `has` says what is present. */", "#pragma once", "", "#include <stdalign.h>", "", '#include "base/bytes.h"', "",
           f"enum {{ EVENTS_SCHEMA_VERSION = {version} }}; /* of these files */", ""]
    out += enums_h(schema)
    out += ["/* event_type: the payload of an event, by its field number. */", "enum event_type {",
            "\tEVENT_NONE = 0,"]
    out += [f"\t{event_constant(f)} = {f.number}," for f in payloads]
    out += [f"\tEVENT_TYPES = {payloads[-1].number + 1}, /* size of tables by type */", "};", ""]
    for msg in schema.messages:
        out += struct_h(msg)
    out += tail_h(event)
    out += ["/* event_payload_size is what a payload takes behind the envelope: an event of a type needs no more",
            " * than offsetof(struct event, mbo) + event_payload_size[type] bytes. */",
            "static const size_t event_payload_size[EVENT_TYPES] = {"]
    out += [f"\t[{event_constant(f)}] = sizeof(struct {struct_of(f.type)})," for f in payloads]
    return out + ["};"]
