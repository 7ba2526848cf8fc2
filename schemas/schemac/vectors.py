"""vectors: expected events of a schema file, written "mbo action=ADD size=100 …", as the protobuf bytes they must be.

The encoder here is written from the protobuf specification and shares nothing with the generated C, so a vector
tests decoder and writer at once. C side: tests/support/vectors.h.
"""

from __future__ import annotations

import re
from typing import Dict, List, Tuple

from .ir import Protocol, SchemaError, Vector
from .model import Field, Model, Struct

WORD = re.compile(r'\s*([a-z0-9_]+(?:\[\d+\])?(?:\.[A-Za-z0-9_]+)*)=("[^"]*"|\S*)')


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def key(field: Field, wire_type: int) -> bytes:
    return varint(field.number << 3 | wire_type)


def sized(field: Field, data: bytes) -> bytes:
    return key(field, 2) + varint(len(data)) + data


class Expected:
    """One expect line as a tree: field name -> text, or a list of trees for repeated fields."""

    def __init__(self, model: Model, where: str, text: str, index: int):
        self.model, self.where = model, where
        kind, _, rest = text.partition(" ")
        self.payload = model.payload(kind)
        if self.payload is None:
            raise SchemaError(where, f"unknown event {kind}; expected one of {', '.join(sorted(model.payloads))}")
        self.member = model.event.fields[kind]
        self.envelope: Dict[str, str] = {"sub_seq": str(index)}
        self.values: Dict[str, object] = {}
        at = 0
        while rest[at:].strip():
            m = WORD.match(rest, at)
            if not m:
                raise SchemaError(where, f"expected FIELD=VALUE at: {rest[at:].strip()}")
            self.put(m.group(1), m.group(2).strip('"'))
            at = m.end()

    def put(self, path: str, value: str) -> None:
        parts = path.split(".", 1)
        m = re.match(r"^(\w+)\[(\d+)\]$", parts[0])
        if m and len(parts) == 2:
            rows = self.values.setdefault(m.group(1), [])
            while len(rows) <= int(m.group(2)):
                rows.append({})
            rows[int(m.group(2))][parts[1]] = value
        elif len(parts) == 2:
            self.values.setdefault(parts[0], []).append({"key": parts[1], "value": value})
        elif path in self.model.event.fields and path not in self.payload.fields:
            self.envelope[path] = value
        else:
            self.values[path] = value

    def encode(self) -> bytes:
        payload = sized(self.member, self.message(self.payload, self.values))
        rows: List[Tuple[int, bytes]] = [(self.member.number, payload)]
        rows += [(self.model.event.fields[n].number, self.scalar(self.model.event.fields[n], v))
                 for n, v in self.envelope.items()]
        return b"".join(data for _, data in sorted(rows))

    def message(self, struct: Struct, values: Dict[str, object]) -> bytes:
        rows = []
        for name, value in values.items():
            field = struct.fields.get(name)
            if field is None:
                raise SchemaError(self.where, f"{struct.name} has no field {name}")
            if isinstance(value, list) != field.repeated:
                raise SchemaError(self.where, f"{struct.name}.{name}: expected "
                                  + (f"{name}[0].FIELD=VALUE" if field.repeated else f"{name}=VALUE"))
            data = b"".join(sized(field, self.message(field.struct, v)) for v in value) if field.repeated \
                else self.scalar(field, value)
            rows.append((field.number, data))
        return b"".join(data for _, data in sorted(rows))

    def scalar(self, field: Field, text: str) -> bytes:
        if field.kind == "string":
            return sized(field, text.encode()) if text or field.presence else b""
        value = self.number(field, text)
        if not value and not field.presence:
            return b""
        if field.kind == "fixed64":
            return key(field, 1) + value.to_bytes(8, "little")
        if field.kind == "sint64":
            value = value << 1 if value >= 0 else -value * 2 - 1
        return key(field, 0) + varint(value)

    def number(self, field: Field, text: str) -> int:
        if field.kind == "bool" and text in ("true", "false"):
            return int(text == "true")
        names = self.model.flags if field.name == "flags" else field.enum
        value = 0
        for part in text.split("|"):
            if part in names:
                value |= names[part]
                continue
            try:
                value |= int(part, 0)
            except ValueError:
                raise SchemaError(self.where, f"{field.name} has no value {part}" + (
                    f"; expected one of {', '.join(names)}" if names else "; expected a number")) from None
        return value


def check(protocol: Protocol, model: Model) -> None:
    """Every vector is of a known message and long enough; a protocol with vectors has one for each message type."""
    done = set()
    for vector in protocol.vectors:
        done.add(message_of(protocol, vector))
        for i, (where, text) in enumerate(vector.events):
            Expected(model, where, text, i).encode()
    for msg in protocol.messages:
        if protocol.vectors and (msg.schema, msg.type) not in done:
            raise SchemaError(msg.where, f"message {msg.name} has no vector")


def message_of(protocol: Protocol, vector: Vector) -> Tuple[int, int]:
    order = "big" if protocol.big else "little"
    f = protocol.framing
    if f.sbe:
        s = f.sbe
        schema = int.from_bytes(vector.data[s.schema_at:s.schema_at + s.schema_size], order)
        type_ = int.from_bytes(vector.data[s.template_at:s.template_at + s.template_size], order)
    else:
        schema, type_ = 0, int.from_bytes(vector.data[f.type_at:f.type_at + f.type_size], order)
    for msg in protocol.messages:
        if (msg.schema, msg.type) == (schema, type_):
            if msg.lengths and len(vector.data) not in msg.lengths:
                raise SchemaError(vector.where, f"{len(vector.data)} bytes; expected {msg.lengths[-1]} of {msg.name}")
            return schema, type_
    raise SchemaError(vector.where, f"the message is of no known type ({type_})")


def c_bytes(data: bytes) -> str:
    return "(const uint8_t[]){" + ", ".join(f"{b:#04x}" for b in data) + "}" if data else "NULL"


def write(protocols: List[Protocol], model: Model) -> str:
    """vectors.c: the table test_vectors[] of tests/support/vectors.h."""
    out = ["/* Generated by schemac. Do not edit. */", '#include "tests/support/vectors.h"', "",
           "#include <stddef.h>", "", "const struct test_vector test_vectors[] = {"]
    at, number = {}, 0
    for protocol in protocols:
        for vector in protocol.vectors:
            at[(protocol.name, vector.title)] = number
            events = [Expected(model, where, text, i).encode() for i, (where, text) in enumerate(vector.events)]
            after = at[(protocol.name, vector.after)] if vector.after else -1
            title = vector.title.replace('"', '\\"')
            out.append(f'\t{{"{protocol.name}", "{title}", {c_bytes(vector.data)}, {len(vector.data)}, {after}, '
                       f"{len(events)}, {{")
            out += [f"\t\t{{{c_bytes(e)}, {len(e)}}}," for e in events]
            out.append("\t}},")
            number += 1
    out.append("};")
    out.append(f"const unsigned int test_vectors_n = {number};")
    return "\n".join(out) + "\n"
