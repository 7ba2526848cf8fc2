"""event_write: direct writers, one function a message, whose bytes equal what protobuf-c packs."""

from .event_struct import BATCH, EVENT, TAIL, constant, event_constant, fields_of, has_bit, struct_of
from .proto import snake

VARINT_MAX = {"uint32": 5, "enum": 5, "uint64": 10, "sint64": 10, "bool": 1}
FIXED = {"fixed64": 8, "double": 8, "float": 4}
INLINE = ("Mbo", "MbpUpdate", "Bbo", "Trade")  # what most events are: written without a call
LENGTH_MAX = 5  # bytes of a length; nothing here reaches 4 GiB
PUT = {"enum": "uint32", "string": "str"}


def header():
    return '''/* Generated from proto/ by schemac: events to protobuf bytes.
 *
 * Takes    out: room for the bound of what is written (its last bytes may be scribbled on)
 * Owns     nothing; allocates nothing
 * Thread   any
 * Returns  bytes written: those that protobuf-c packs for the same message. Texts become UTF-8:
 *          a byte that is no part of it, and NUL, is written as '?'
 * Spec     protobuf.dev, "Encoding" */
#pragma once

#include "events/event.h"

/* event_bound is an upper bound for event_write, event_row_write and event_tail_write of ev. */
size_t event_bound(const struct event *ev);

/* event_write writes one Event. */
size_t event_write(uint8_t *out, const struct event *ev);

/* event_row_write writes one Event as an element of EventBatch.events: key, length, event. */
size_t event_row_write(uint8_t *out, const struct event *ev);

/* event_tail_write writes only what a lone event has beside those of a batch (source, worker,
 * schema_version, session, boot_id, stream, event_no, ts_quality), to be appended behind its bytes. */
size_t event_tail_write(uint8_t *out, const struct event *ev);

/* event_batch_write writes the facts of a batch, to be appended behind its rows. */
size_t event_batch_bound(const struct ev_event_batch *facts);
size_t event_batch_write(uint8_t *out, const struct ev_event_batch *facts);'''.split("\n")


def put_name(f):
    return PUT.get(f.kind, f.kind)



def key_len(number):
    return 1 if number < 16 else 2


def write_field(msg, f, m, indent="\t"):
    """Statements that write one field. m: prefix of its member, "m->"."""
    v = f"{m}{f.name}"
    nest = [f"uint8_t *at = nest_begin(p, {f.number});", ""]
    if f.label == "map":
        body = [f"for (uint32_t i = 0; i < {v}_n; i++) {{"] + ["\t" + line if line else "" for line in nest] + [
            f"\tp = put_str(at + 1, 1, {v}[i].key);", f"\tp = put_{put_name(f)}(p, 2, {v}[i].value);",
            "\tp = nest_end(at, p);", "}"]
    elif f.label == "many" and f.kind == "message":
        body = [f"for (uint32_t i = 0; i < {v}_n; i++) {{"] + ["\t" + line if line else "" for line in nest] + [
            f"\tp = nest_end(at, write_{snake(f.type.name)}(at + 1, &{v}[i]));", "}"]
    elif f.label == "many" and f.kind in ("string", "bytes"):
        body = [f"for (uint32_t i = 0; i < {v}_n; i++)",
                f"\tp = put_{put_name(f)}_set(p, {f.number}, {v}[i]);"]
    elif f.label == "many":
        body = [f"if ({v}_n) {{"] + ["\t" + line if line else "" for line in nest] + [
            "\tp = at + 1;", f"\tfor (uint32_t i = 0; i < {v}_n; i++)",
            f"\t\tp = wire_{put_name(f)}(p, {v}[i]);", "\tp = nest_end(at, p);", "}"]
    elif f.kind == "message":
        body = [f"if ({m}has & {has_bit(msg, f)}) {{"] + ["\t" + line if line else "" for line in nest] + [
            f"\tp = nest_end(at, write_{snake(f.type.name)}(at + 1, &{v}));", "}"]
    elif f.label == "opt":
        body = [f"if ({m}has & {has_bit(msg, f)})", f"\tp = put_{put_name(f)}_set(p, {f.number}, {v});"]
    else:
        body = [f"p = put_{put_name(f)}(p, {f.number}, {v});"]
    return [indent + line if line else "" for line in body]


def bound_const(msg):
    """What the fields take whose size is not known from the struct's type alone, at most."""
    n = 0
    for f in fields_of(msg):
        if f.label in ("many", "map", "payload"):
            continue
        n += key_len(f.number)
        if f.kind in VARINT_MAX:
            n += VARINT_MAX[f.kind]
        elif f.kind in FIXED:
            n += FIXED[f.kind]
        else:
            n += LENGTH_MAX
    return n


def bound_terms(msg, m, indent="\t"):
    """(terms of the sum, loops) that depend on the content."""
    terms, loops = [], []
    for f in fields_of(msg):
        v, per = f"{m}{f.name}", key_len(f.number) + LENGTH_MAX
        if f.label == "payload":
            continue
        if f.label in ("many", "map"):
            if f.label == "map":
                value = f"{v}[i].value.len + {1 + LENGTH_MAX}" if f.kind == "string" else "9"
                term = f"{per} + {v}[i].key.len + {1 + LENGTH_MAX} + {value}"
            elif f.kind == "message":
                term = f"{per} + bound_{snake(f.type.name)}(&{v}[i])"
            elif f.kind in ("string", "bytes"):
                term = f"{per} + " + (f"{v}[i].len" if f.kind == "string" else f"bytes_len({v}[i])")
            else:
                terms.append(f"{per} + (size_t){v}_n * {VARINT_MAX.get(f.kind) or FIXED[f.kind]}")
                continue
            loops += [f"{indent}for (uint32_t i = 0; i < {v}_n; i++)", f"{indent}\tn += {term};"]
        elif f.kind == "string":
            terms.append(f"{v}.len")
        elif f.kind == "bytes":
            terms.append(f"bytes_len({v})")
        elif f.kind == "message":
            terms.append(f"bound_{snake(f.type.name)}(&{v})")
    return terms, loops


def message_writer(msg):
    name = snake(msg.name)
    how = "static inline" if msg.name in INLINE else "static __attribute__((noinline))"
    out = [f"{how} uint8_t *write_{name}(uint8_t *p, const struct {struct_of(msg)} *m)", "{"]
    for f in fields_of(msg):
        out += write_field(msg, f, "m->")
    out += ["\treturn p;", "}", ""]
    terms, loops = bound_terms(msg, "m->")
    out += [f"static inline size_t bound_{name}(const struct {struct_of(msg)} *m)", "{"]
    total = " + ".join([str(bound_const(msg))] + terms)
    if loops:
        out += [f"\tsize_t n = {total};", ""] + loops + ["\treturn n;"]
    else:
        out += ([] if terms else ["\t(void)m;"]) + [f"\treturn {total};"]
    return out + ["}", ""]


def event_writer(event):
    payloads = [f for f in event.fields if f.label == "payload"]
    before = [f for f in event.fields if f.number < payloads[0].number]
    behind = [f for f in event.fields if f.number > payloads[-1].number]
    zero = " | ".join(f"ev->{f.name}.len" if f.kind == "string" else f"ev->{f.name}"
                      for f in behind if f.name in TAIL)
    out = ["/* has_tail: most events have none of these, and one test skips them all. */",
           "static inline bool has_tail(const struct event *ev)", "{", f"\treturn ({zero}) != 0;", "}", "",
           "static inline uint8_t *write_payload(uint8_t *p, const struct event *ev)", "{", "\tuint8_t *at;", "",
           "\tswitch (ev->type) {"]
    for f in payloads:
        out += [f"\tcase {event_constant(f)}:", f"\t\tat = nest_begin(p, {f.number});",
                f"\t\treturn nest_end(at, write_{snake(f.type.name)}(at + 1, &ev->{f.name}));"]
    out += ["\tcase EVENT_NONE:", "\tcase EVENT_TYPES:", "\t\tbreak;", "\t}", "\treturn p;", "}", "",
            "__attribute__((flatten)) size_t event_write(uint8_t *out, const struct event *ev)", "{",
            "\tuint8_t *p = out;", ""]
    for f in before:
        out += write_field(event, f, "ev->")
    out += ["\tp = write_payload(p, ev);", "\tif (__builtin_expect(has_tail(ev), 0)) {"]
    for f in behind:
        out += write_field(event, f, "ev->", "\t\t")
    out.append("\t} else {")
    for f in behind:
        if f.name not in TAIL:
            out += write_field(event, f, "ev->", "\t\t")
    out += ["\t}", "\treturn (size_t)(p - out);", "}", "",
            "size_t event_tail_write(uint8_t *out, const struct event *ev)", "{", "\tuint8_t *p = out;", ""]
    for f in behind:
        if f.name in TAIL:
            out += write_field(event, f, "ev->")
    out += ["\treturn (size_t)(p - out);", "}", ""]
    terms, _ = bound_terms(event, "ev->")
    row = 1 + LENGTH_MAX
    out += ["size_t event_bound(const struct event *ev)", "{",
            f"\tsize_t n = {row} + WIRE_SLACK + {bound_const(event)} + " + " + ".join(terms) + ";", "",
            "\tswitch (ev->type) {"]
    for f in payloads:
        out += [f"\tcase {event_constant(f)}:",
                f"\t\treturn n + {key_len(f.number) + LENGTH_MAX} + bound_{snake(f.type.name)}(&ev->{f.name});"]
    return out + ["\tcase EVENT_NONE:", "\tcase EVENT_TYPES:", "\t\tbreak;", "\t}", "\treturn n;", "}", ""]


def batch_writer(batch):
    rows = batch.fields[0].number
    return ["size_t event_row_write(uint8_t *out, const struct event *ev)", "{",
            f"\tuint8_t *at = nest_begin(out, {rows});", "",
            "\treturn (size_t)(nest_end(at, at + 1 + event_write(at + 1, ev)) - out);", "}", "",
            "size_t event_batch_bound(const struct ev_event_batch *facts)", "{",
            "\treturn WIRE_SLACK + bound_event_batch(facts);", "}", "",
            "size_t event_batch_write(uint8_t *out, const struct ev_event_batch *facts)", "{",
            "\treturn (size_t)(write_event_batch(out, facts) - out);", "}"]


def source(schema):
    out = ["/* Generated from proto/ by schemac. */",
           "/* Hot path: no allocation, lock, system call or log. */", '#include "events/event_write.h"', "",
           '#include "proto/wire.h"', ""]
    for msg in schema.messages:
        if msg.name != EVENT:
            out += message_writer(msg)
    return out + event_writer(schema.message(EVENT)) + batch_writer(schema.message(BATCH))
