"""sbe: reads SBE XML (Simple Binary Encoding 1.0) into types and messages, with the line of everything.

What an event becomes of a field is not here: map.py joins these messages with a .map file.

Taken      messageSchema, types, type (also arrays of char, constants, nullValue), composite, enum, set,
           message, field, group; offset, sinceVersion, presence, byteOrder, headerType, dimensionType;
           xi:include of a file beside this one that holds <types>
Refused    with file:line and what was expected: nested groups, data (variable length), floats, arrays of
           numbers, overlapping fields, fields past blockLength, unknown types, duplicate names and ids
"""

from __future__ import annotations

import os
import xml.parsers.expat
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

from .ir import Block, Group, SchemaError, Wire

PRIMITIVES = {"char": "char", "int8": "i8", "uint8": "u8", "int16": "i16", "uint16": "u16",
              "int32": "i32", "uint32": "u32", "int64": "i64", "uint64": "u64"}
SIZES = {"char": 1, "i8": 1, "u8": 1, "i16": 2, "u16": 2, "i32": 4, "u32": 4, "i64": 8, "u64": 8}
# what `presence="optional"` means where the schema says no nullValue
NULLS = {"char": 0, "i8": -2**7, "u8": 2**8 - 1, "i16": -2**15, "u16": 2**16 - 1,
         "i32": -2**31, "u32": 2**32 - 1, "i64": -2**63, "u64": 2**64 - 1}


@dataclass
class Node:
    """One XML element and where it stands."""
    tag: str
    attrs: Dict[str, str]
    where: str
    text: str = ""
    children: List["Node"] = field(default_factory=list)

    def need(self, name: str) -> str:
        if name not in self.attrs:
            raise SchemaError(self.where, f"<{self.tag}> needs the attribute {name}")
        return self.attrs[name]

    def number(self, name: str, default: Optional[int] = None) -> int:
        text = self.attrs.get(name)
        if text is None:
            if default is None:
                raise SchemaError(self.where, f"<{self.tag}> needs the attribute {name}")
            return default
        return number(text, self.where, f"{name} of <{self.tag}>")


def number(text: str, where: str, what: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise SchemaError(where, f"{what} is {text.strip()!r}; expected a whole number") from None


@dataclass
class Type:
    """A named type, resolved to what lies on the wire.

    kind       plain | enum | set | composite (several members)
    wire       wire type of ir.py; ztext for arrays of char
    size       bytes; 0 for constants
    decimals   of a composite of a mantissa and a constant negative exponent
    values     enum: name -> number (characters: their code); set: name -> mask
    members    composite: its members with their offsets
    """
    name: str
    kind: str
    wire: str = ""
    size: int = 0
    null: Optional[int] = None
    decimals: Optional[int] = None
    values: Dict[str, int] = field(default_factory=dict)
    members: List[Tuple[str, int, "Type"]] = field(default_factory=list)


@dataclass
class SbeGroup:
    group: Group
    kinds: Dict[str, Type]


@dataclass
class SbeMessage:
    """A message as the XML has it. kinds: type of each field, by field name."""
    id: int
    name: str
    schema: int
    since: int
    root: Block
    kinds: Dict[str, Type]
    groups: List[SbeGroup]
    where: str


@dataclass
class Schema:
    id: int
    version: int
    big: bool
    header: Type
    messages: List[SbeMessage]
    path: str


def read(path: str) -> Schema:
    """read parses one SBE XML file. Raises SchemaError."""
    return _Reader(path).schema()


def parse_xml(path: str) -> Node:
    """parse_xml reads a file into Nodes; namespace prefixes are dropped."""
    parser = xml.parsers.expat.ParserCreate()
    stack: List[Node] = []
    roots: List[Node] = []

    def start(tag: str, attrs: Dict[str, str]) -> None:
        node = Node(tag.split(":")[-1], attrs, f"{path}:{parser.CurrentLineNumber}")
        (stack[-1].children if stack else roots).append(node)
        stack.append(node)

    def text(data: str) -> None:
        stack[-1].text += data

    def doctype(*_: object) -> None:
        raise SchemaError(f"{path}:{parser.CurrentLineNumber}", "a DOCTYPE is not taken")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: stack.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        with open(path, "rb") as file:
            parser.ParseFile(file)
    except xml.parsers.expat.ExpatError as error:
        raise SchemaError(f"{path}:{error.lineno}",
                          f"{xml.parsers.expat.ErrorString(error.code)}; expected XML") from None
    except OSError as error:
        raise SchemaError(f"{path}:1", f"cannot be read: {error.strerror}") from None
    return roots[0]


class _Reader:
    def __init__(self, path: str):
        self.path = path
        self.nodes: Dict[str, Node] = {}
        self.done: Dict[str, Type] = {}

    def schema(self) -> Schema:
        root = parse_xml(self.path)
        if root.tag != "messageSchema":
            raise SchemaError(root.where, f"<{root.tag}>; expected <messageSchema>")
        order = root.attrs.get("byteOrder", "littleEndian")
        if order not in ("littleEndian", "bigEndian"):
            raise SchemaError(root.where, f"byteOrder {order!r}; expected littleEndian or bigEndian")
        self.big = order == "bigEndian"
        self.id, self.version = root.number("id"), root.number("version", 0)
        messages: List[Node] = []
        for node in root.children:
            if node.tag == "types":
                self.take_types(node)
            elif node.tag == "include":
                types = parse_xml(os.path.join(os.path.dirname(self.path), os.path.basename(node.need("href"))))
                if types.tag != "types":
                    raise SchemaError(types.where, f"<{types.tag}>; expected <types>")
                self.take_types(types)
            elif node.tag == "message":
                messages.append(node)
            else:
                raise SchemaError(node.where, f"<{node.tag}>; expected <types>, <include> or <message>")
        header = self.type(root.attrs.get("headerType", "messageHeader"), root.where)
        for name in ("blockLength", "templateId", "schemaId", "version"):
            if name not in (m[0] for m in header.members):
                raise SchemaError(root.where, f"composite {header.name} has no {name}; expected the SBE header")
        out: List[SbeMessage] = []
        for node in messages:
            message = self.message(node)
            for other in out:
                if other.id == message.id or other.name == message.name:
                    raise SchemaError(node.where, f"message {message.name} ({message.id}) is there already: {other.where}")
            out.append(message)
        if not out:
            raise SchemaError(root.where, "no <message>; expected at least one")
        return Schema(self.id, self.version, self.big, header, out, self.path)

    def take_types(self, node: Node) -> None:
        for child in node.children:
            if child.tag not in ("type", "composite", "enum", "set"):
                raise SchemaError(child.where, f"<{child.tag}>; expected <type>, <composite>, <enum> or <set>")
            name = child.need("name")
            if name in self.nodes:
                raise SchemaError(child.where, f"type {name} is there already: {self.nodes[name].where}")
            self.nodes[name] = child

    def type(self, name: str, where: str) -> Type:
        """type resolves a type by name: a named type, or a primitive."""
        if name not in self.done:
            node = self.nodes.get(name)
            if node is None:
                if name not in PRIMITIVES:
                    raise SchemaError(where, f"unknown type {name}; expected a name of <types> or one of "
                                             + ", ".join(PRIMITIVES))
                wire = PRIMITIVES[name]
                return Type(name, "plain", wire, SIZES[wire])
            self.done[name] = Type(name, "cycle")
            self.done[name] = {"type": self.simple, "composite": self.composite,
                               "enum": self.choices, "set": self.choices}[node.tag](node)
        if self.done[name].kind == "cycle":
            raise SchemaError(where, f"type {name} contains itself")
        return self.done[name]

    def simple(self, node: Node) -> Type:
        primitive, length = node.need("primitiveType"), node.number("length", 1)
        if primitive not in PRIMITIVES:
            raise SchemaError(node.where, f"primitiveType {primitive}; expected one of " + ", ".join(PRIMITIVES))
        wire = PRIMITIVES[primitive]
        if length < 1 or (length > 1 and primitive != "char"):
            raise SchemaError(node.where, f"array of {length} {primitive}; expected arrays of char only")
        presence = node.attrs.get("presence", "required")
        if presence not in ("required", "optional", "constant"):
            raise SchemaError(node.where, f"presence {presence!r}; expected required, optional or constant")
        if presence == "constant":
            return Type(node.attrs["name"], "plain", wire, 0)
        null = None
        if presence == "optional":
            null = node.number("nullValue", NULLS[wire])
        if "length" in node.attrs and primitive == "char":
            wire = "ztext"
            null = None
        return Type(node.need("name"), "plain", wire, length * SIZES.get(wire, 1), null)

    def composite(self, node: Node) -> Type:
        out = Type(node.need("name"), "composite")
        exponent = None
        for child in node.children:
            if child.tag not in ("type", "enum", "set", "ref"):
                raise SchemaError(child.where, f"<{child.tag}> in a composite; expected <type>, <enum>, <set> or <ref>")
            name = child.need("name")
            if child.tag == "ref":
                member = self.type(child.need("type"), child.where)
            else:
                member = self.simple(child) if child.tag == "type" else self.choices(child)
            at = child.number("offset", out.size)
            if at < out.size:
                raise SchemaError(child.where, f"{name} at {at} overlaps what ends at {out.size}")
            if member.kind == "composite":
                raise SchemaError(child.where, "composite in a composite; expected plain members")
            if child.attrs.get("presence") == "constant":
                if name == "exponent":
                    exponent = number(child.text, child.where, "exponent")
                continue
            out.members.append((name, at, member))
            out.size = at + member.size
        if exponent is not None and len(out.members) == 1 and out.members[0][0] == "mantissa":
            if exponent > 0:
                raise SchemaError(node.where, f"exponent {exponent}; expected zero or less")
            mantissa = out.members[0][2]
            return Type(out.name, "plain", mantissa.wire, mantissa.size, mantissa.null, -exponent)
        return out

    def choices(self, node: Node) -> Type:
        base = self.type(node.need("encodingType"), node.where)
        if base.kind != "plain" or base.wire == "ztext" or (node.tag == "set" and base.wire == "char"):
            raise SchemaError(node.where, f"encodingType {base.name}; expected an integer" +
                              ("" if node.tag == "set" else " or char"))
        out = Type(node.need("name"), node.tag, base.wire, base.size, base.null)
        tag = "validValue" if node.tag == "enum" else "choice"
        for child in node.children:
            if child.tag != tag:
                raise SchemaError(child.where, f"<{child.tag}> in <{node.tag}>; expected <{tag}>")
            text = child.text.strip()
            if node.tag == "set":
                bit = number(text, child.where, "choice")
                if not 0 <= bit < 8 * base.size:
                    raise SchemaError(child.where, f"bit {bit}; expected 0 to {8 * base.size - 1}")
                value = 1 << bit
            elif base.wire == "char":
                if len(text) != 1:
                    raise SchemaError(child.where, f"{text!r}; expected one character")
                value = ord(text)
            else:
                value = number(text, child.where, "validValue")
            name = child.need("name")
            if name in out.values or value in out.values.values():
                raise SchemaError(child.where, f"{name} = {text} is there already")
            out.values[name] = value
        return out

    def message(self, node: Node) -> SbeMessage:
        since = node.number("sinceVersion", 0)
        root, kinds = Block("root"), {}
        groups: List[SbeGroup] = []
        for child in node.children:
            if child.tag == "field" and groups:
                raise SchemaError(child.where, "a field behind a group; expected fields first")
            if child.tag == "field":
                self.field(child, root, kinds, since)
            elif child.tag == "group":
                group = self.group(child, since)
                if any(g.group.name == group.group.name for g in groups):
                    raise SchemaError(child.where, f"group {group.group.name} is there already")
                groups.append(group)
            else:
                raise SchemaError(child.where, f"<{child.tag}>; expected <field> or <group>")
        self.close(node, root)
        return SbeMessage(node.number("id"), node.need("name"), self.id, since, root, kinds, groups, node.where)

    def group(self, node: Node, since: int) -> SbeGroup:
        dimension = self.type(node.attrs.get("dimensionType", "groupSizeEncoding"), node.where)
        members = {name: (at, kind) for name, at, kind in dimension.members}
        for name in ("blockLength", "numInGroup"):
            if name not in members or members[name][1].wire not in ("u8", "u16"):
                raise SchemaError(node.where, f"dimensionType {dimension.name} has no {name} of 1 or 2 bytes")
        name, kinds = node.need("name"), {}
        own = max(node.number("sinceVersion", 0), since)
        entry = Block(name)
        for child in node.children:
            if child.tag != "field":
                raise SchemaError(child.where, f"<{child.tag}> in a group; expected <field>")
            self.field(child, entry, kinds, own)
        self.close(node, entry)
        block_at, block = members["blockLength"]
        count_at, count = members["numInGroup"]
        return SbeGroup(Group(name, entry, dimension.size, block_at, block.size, count_at, count.size,
                              own if own > since else 0, where=node.where), kinds)

    def field(self, node: Node, block: Block, kinds: Dict[str, Type], since: int) -> None:
        """field adds a field to its block; since: the version that has the block from its beginning."""
        name = node.need("name")
        kind = self.type(node.need("type"), node.where)
        if kind.size == 0 or node.attrs.get("presence") == "constant":
            return
        end = max((w.end for w in block.fields), default=0)
        at = node.number("offset", end)
        if at < end:
            raise SchemaError(node.where, f"{name} at {at} overlaps the field before it, which ends at {end}")
        own = node.number("sinceVersion", 0)
        if own > self.version:
            raise SchemaError(node.where, f"sinceVersion {own}; expected at most the schema's version {self.version}")
        if own <= since and any(w.since for w in block.fields):
            raise SchemaError(node.where, f"{name} is older than a field before it; expected newer fields at the end")
        null = kind.null
        if node.attrs.get("presence") == "optional" and null is None and kind.kind != "composite" \
                and kind.wire != "ztext":
            null = NULLS[kind.wire]
        parts = kind.members if kind.kind == "composite" else [("", 0, kind)]
        for part, offset, member in parts:
            full = f"{name}.{part}" if part else name
            if any(w.name == full for w in block.fields):
                raise SchemaError(node.where, f"field {full} is there already")
            block.add(Wire(full, at + offset, member.size, member.wire, self.big, member.decimals,
                           null if member is kind else member.null, own if own > since else 0, where=node.where))
            kinds[full] = member

    @staticmethod
    def close(node: Node, block: Block) -> None:
        """close checks the declared length and sets how many bytes every sender's block has at least."""
        declared = node.number("blockLength", max((w.end for w in block.fields), default=0))
        for wire in block.fields:
            if wire.end > declared:
                raise SchemaError(wire.where, f"{wire.name} ends at {wire.end}, behind blockLength {declared}")
        block.length = max((w.end for w in block.fields if not w.since), default=0)
