"""check: ties a protocol's mapping to the event schema, and refuses what does not fit.

`bind` resolves names (ADD -> ACTION_ADD -> 1), gives every Set the facts of its target field (`Set.field`), and
checks types, units and that no wire field is forgotten. Both readers, layout.py and sbe.py, rely on it.
"""

from __future__ import annotations

import os
from typing import List, Optional, Set as Names, Tuple

from .ir import ENVELOPE, INTEGERS, Emit, Message, Protocol, Row, SchemaError, Set, Wire
from .model import Field, Model, Struct

UNSIGNED = {"uint32": 4, "uint64": 8, "fixed64": 8}


def bind(protocol: Protocol, model: Model) -> None:
    """Raises SchemaError at the first thing that is wrong."""
    seen: Names[Tuple[int, int]] = set()
    for msg in protocol.messages:
        if (msg.schema, msg.type) in seen:
            raise SchemaError(msg.where, f"message type {msg.type} is defined twice")
        seen.add((msg.schema, msg.type))
        Binder(protocol, model, msg).bind()


class Binder:
    """Binds one message."""

    def __init__(self, protocol: Protocol, model: Model, msg: Message):
        self.protocol, self.model, self.msg = protocol, model, msg

    def bind(self) -> None:
        for emit in self.msg.emits:
            self.emit(emit)
        for group in self.msg.groups:
            for emit in group.emits:
                self.emit(emit)
        if self.msg.none:
            return
        used = uses(self.msg)
        for block in [self.msg.root] + [g.entry for g in self.msg.groups]:
            for wire in block.fields:
                framing = self.protocol.framing
                is_type = not framing.sbe and block is self.msg.root and wire.at == framing.type_at
                if id(wire) not in used and not wire.none and wire.type != "pad" and not is_type:
                    raise SchemaError(wire.where or self.msg.where,
                                      f'{wire.name} goes nowhere: expected a target, or none "reason"')

    def emit(self, emit: Emit) -> None:
        payload = self.model.payload(emit.event)
        if payload is None:
            raise SchemaError(emit.where or self.msg.where, f"unknown event {emit.event}; expected one of "
                              + ", ".join(sorted(self.model.payloads)))
        self.sets(payload, emit.sets)
        for row in emit.rows:
            self.row(payload, row, emit)
        for rows in emit.from_groups:
            for row in rows.rows:
                self.row(payload, row, emit)

    def row(self, payload: Struct, row: Row, emit: Emit) -> None:
        if row.into is None:
            self.sets(payload, row.sets)
            return
        where = (row.sets[0].where if row.sets else "") or emit.where or self.msg.where
        field = payload.fields.get(row.into)
        if field is None or not field.repeated or field.struct is None:
            names = [f.name for f in payload.fields.values() if f.repeated and f.struct]
            raise SchemaError(where, f"{payload.name} has no repeated field {row.into} of messages"
                              + (f"; expected {' or '.join(names)}" if names else ""))
        self.sets(field.struct, row.sets, envelope=False)

    def sets(self, struct: Struct, sets: List[Set], envelope: bool = True) -> None:
        done: Names[str] = set()
        for made in sets:
            where = made.where or self.msg.where
            if envelope and made.target in ENVELOPE:
                made.field = self.model.event.fields[made.target]
            else:
                made.field = struct.fields.get(made.target)
                if made.field is None:
                    raise SchemaError(where, f"{struct.name} has no field {made.target}; expected one of "
                                      + ", ".join(struct.fields))
                if made.field.repeated or made.field.struct:
                    raise SchemaError(where, f"{struct.name}.{made.target} is repeated or a message: "
                                      "its parts are targets, not itself")
            if made.target in done and not made.target.endswith("flags") and made.verb != "note":
                raise SchemaError(where, f"{struct.name}.{made.target} is set twice")
            if made.verb in OF_SYMBOLS and (made.target != "symbol" or "instrument_id" not in done):
                raise SchemaError(where, f"{made.verb} is for symbol, behind the row that sets instrument_id")
            if made.verb in OF_SYMBOLS and not self.protocol.instruments_max:
                raise SchemaError(where, f"{made.verb} needs the statement instruments")
            if made.verb.startswith("midnight") and not self.protocol.timezone:
                raise SchemaError(where, "time since midnight needs the statement timezone")
            done.add(made.target)
            problem = self.resolve(made, made.field)
            if problem:
                raise SchemaError(where, problem)

    def resolve(self, made: Set, field: Field) -> Optional[str]:
        """Names to numbers, and types; returns what is wrong."""
        if made.verb in ("enum", "bits"):
            for key, to in list(made.table.items()):
                value = self.constant(field, to)
                if value is None:
                    return self.expected(field, to)
                made.table[key] = value
            if made.verb in ("enum", "bits"):
                value = self.constant(field, made.other) if made.other != 0 else 0
                if value is None:
                    return self.expected(field, made.other)
                made.other = value
        if made.verb == "lookup":
            return None
        if isinstance(made.source, Wire):
            return fits(made, made.source, field)
        if isinstance(made.source, tuple):
            if (made.verb, field.kind) in (("yyyymm", "uint32"), ("join", "string")):
                return None
            return f"{made.verb} does not go to {field.name} ({field.kind})"
        if made.verb == "numbered":
            return None if field.kind == "string" else f"numbered does not go to {field.name} ({field.kind})"
        value = self.constant(field, made.source)
        if value is None:
            return self.expected(field, made.source)
        made.source = value
        return None

    def constant(self, field: Field, value):
        """A constant as the field has it: int, or str for strings; None when it does not fit."""
        if field.kind == "string":
            return value if isinstance(value, str) else None
        names = self.model.flags if field.name == "flags" and not field.enum else field.enum
        if isinstance(value, str):
            if names and value in names:
                return names[value]
            if field.kind == "bool" and value in ("true", "false"):
                return int(value == "true")
            try:
                value = int(value, 0)
            except ValueError:
                return None
        if field.enum and value not in field.enum.values() or field.kind not in KINDS_OF_NUMBERS:
            return None
        return int(value)

    def expected(self, field: Field, found) -> str:
        names = self.model.flags if field.name == "flags" and not field.enum else field.enum
        return f"{field.name} ({field.kind}) has no value {found}" + (
            f"; expected one of {', '.join(names)}" if names else "")


def uses(msg: Message) -> Names[int]:
    """ids of the Wires that the mapping of a message reads."""
    found: List[object] = [msg.last[0]] if isinstance(msg.last, tuple) else []
    rows: List[Row] = []
    for group in msg.groups:
        found += [group.refer[1]] if group.refer else []
    for emit in msg.emits + [e for g in msg.groups for e in g.emits]:
        rows += [Row(None, emit.sets, emit.when)] + emit.rows
        for each in emit.from_groups:
            rows += each.rows
            found += [each.take]
    for row in rows:
        found += [when.wire for when in row.when]
        for made in row.sets:
            found += made.source if isinstance(made.source, tuple) else [made.source]
    return {id(wire) for wire in found if isinstance(wire, Wire)}


OF_SYMBOLS = ("learn", "learn_new", "lookup")
KINDS_OF_NUMBERS = ("enum", "uint32", "uint64", "fixed64", "sint64", "bool")


def fits(made: Set, wire: Wire, field: Field) -> Optional[str]:
    """Whether a wire field of this type may go to this field by this verb; None, or what is wrong."""
    number = wire.type in INTEGERS
    what = f"{wire.name} ({wire.type}) to {field.name} ({field.kind})"
    if wire.type == "pad":
        return f"{wire.name} is padding: it goes nowhere"
    if made.verb == "note":
        return None if field.kind == "string" else f"note is for strings, not {field.name}"
    if made.verb == "enum":
        return None if (number or wire.type == "char") and field.kind != "bytes" else f"no map from {what}"
    if made.verb == "bits":
        return None if number and field.kind in ("uint32", "bool", "enum") else f"no bits from {what}"
    if made.verb == "letters":
        return None if wire.type == "u8" and field.kind == "string" else f"letters are for u8 to string, not {what}"
    if made.verb in OF_SYMBOLS:
        return None if wire.is_text else f"{made.verb} is for text, not {what}"
    if made.verb in ("seconds", "midnight", "midnight_seconds"):
        if not number or field.kind not in ("fixed64", "uint64") or wire.decimals is not None:
            return f"{made.verb} is for integers to times, not {what}"
        return None
    if made.verb == "date":
        if wire.type == "u16" and field.kind in ("uint32", "string"):
            return None
        return f"date is for u16 to uint32 or string, not {what}"
    if made.verb == "note":
        return None if field.kind == "string" else f"note is for strings, not {what}"
    if field.kind == "string":
        return None
    if wire.is_text or wire.type == "char":
        return f"{what} needs a map {{from TO, …}}" if wire.type == "char" else f"no way from {what}"
    if field.name.endswith("_e9"):
        return None if wire.decimals is not None else f"{what}: a price needs its decimals, as {wire.type}.4"
    if wire.decimals is not None:
        return f"{what}: a number with decimals goes to a field *_e9"
    if field.kind == "bool":
        return None
    if field.kind == "enum":
        return f"{what} needs a map {{from TO, …}}"
    if field.kind not in UNSIGNED and field.kind != "sint64":
        return f"no way from {what}"
    if wire.size > UNSIGNED.get(field.kind, 8):
        return f"{what} would be cut"
    return None


def check_claims(protocols: List[Protocol]) -> None:
    """No two protocols may claim the same name, or datagrams that cannot be told apart."""
    for i, a in enumerate(protocols):
        for b in protocols[i + 1:]:
            if a.name == b.name:
                raise SchemaError(b.where, f"the name {b.name} is taken by {os.path.basename(a.where)}")
            if a.recognisable and b.recognisable and overlap(a, b):
                raise SchemaError(b.where, f"{b.name} and {a.name} ({os.path.basename(a.where)}) claim the same "
                                  "datagrams: expected a fixed value that tells them apart, or recognise never")


def overlap(a: Protocol, b: Protocol) -> bool:
    if a.header.length != b.header.length or a.framing.size != b.framing.size or a.big != b.big:
        return False
    if a.framing.inclusive != b.framing.inclusive or bool(a.framing.sbe) != bool(b.framing.sbe):
        return False
    fixed = {(f.wire.at, f.wire.size): f.values for f in a.header.fields if f.values}
    for f in b.header.fields:
        mine = fixed.get((f.wire.at, f.wire.size))
        if f.values and mine and not set(mine) & set(f.values):
            return False
    if a.framing.sbe and b.framing.sbe:
        return bool(set(a.framing.sbe.schemas) & set(b.framing.sbe.schemas))
    shapes = {(m.type, n) for m in a.messages for n in m.lengths}
    return any((m.type, n) in shapes for m in b.messages for n in m.lengths)
