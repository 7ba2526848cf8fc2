"""model: the event schema as mappings see it: events, their fields, what may be stored there, and the C names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional

from . import proto


@dataclass
class Field:
    """kind: "uint32", "uint64", "sint64", "fixed64", "bool", "string", "bytes", "enum", "message" …
    presence: has a bit in the struct's `has`; enum: short names ("ADD") to values; number: of the .proto"""
    name: str
    number: int
    kind: str
    presence: bool = False
    repeated: bool = False
    enum: Dict[str, int] = field(default_factory=dict)
    struct: Optional["Struct"] = None
    has: str = ""  # C constant of the bit


@dataclass
class Struct:
    name: str    # "Trade.Fill"
    c_name: str  # "struct ev_trade_fill"
    fields: Dict[str, Field] = field(default_factory=dict)


class Model:
    def __init__(self, schema: proto.Schema):
        self.structs: Dict[str, Struct] = {}
        for message in schema.messages:  # what a message contains stands before it
            self.structs[message.name] = self.struct(message)
        self.event = self.structs["Event"]
        self.payloads = {f.name: f.struct for f in self.event.fields.values() if f.kind == "payload"}
        self.flags = short_names(schema.enum("EventFlag"))

    def struct(self, message: proto.Message) -> Struct:
        name = proto.snake(message.name)
        made = Struct(message.name, f"struct ev_{name}")
        for f in message.fields:
            made.fields[f.name] = Field(
                f.name, f.number, "payload" if f.label == "payload" else f.kind, f.label == "opt",
                f.label in ("many", "map"), short_names(f.type) if f.kind == "enum" else {},
                self.structs[f.type.name] if f.kind == "message" else pair(f, made) if f.label == "map" else None,
                f"{name.upper()}_HAS_{f.name.upper()}")
        return made

    def payload(self, name: str) -> Optional[Struct]:
        return self.payloads.get(name)


def pair(f: proto.Field, owner: Struct) -> Struct:
    """The element of a map."""
    return Struct(f"{owner.name}.{f.name}", f"{owner.c_name}_{f.name}", {"key": Field("key", 1, "string"), "value": Field("value", 2, f.kind)})


def short_names(enum: proto.Enum) -> Dict[str, int]:
    """ACTION_ADD of enum Action is ADD."""
    prefix = proto.snake(enum.name.split(".")[-1]).upper() + "_"
    return {name[len(prefix):]: value for name, value in enum.values.items()}


def load(root: str) -> Model:
    return Model(proto.load(root))
