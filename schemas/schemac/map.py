"""map: reads NAME.map, which says what the fields of SBE messages become, and joins it with the XML it names.

A .map file is lines, nested by tabs; # begins a comment, "…" is text. At the top:

    protocol NAME                    facts of the protocol as children: title, venue, spec "…"; schema FILE.xml;
                                     sequence message|packet; session weekly; instruments N;
                                     recognise never; vectors FILE (see below); framing u16 inclusive|exclusive; last FIELD CHOICE; tcp MARKER;
                                     dates TYPE; header LENGTH with children `OFFSET TYPE NAME [ROLE]`
    table NAME VALUE=TO …            a map of wire values (by their XML names, or numbers); *=TO for all others.
                                     Children continue it. Every XML value must be in it unless it has *
    part NAME                        statements, spliced in where `use NAME` stands
    none FIELD "why"                 why no event carries this field, in any message; below a message or group: there
    message ID …                     templates that are mapped alike; children:

    none "why"                       the whole message makes no event
    always                           children: sets that every event of this message (or group) begins with
    group NAME [by FIELD of GROUP]   entries; with `by`, FIELD is the 1-based number of an entry of GROUP
    EVENT [when COND [and COND …]]   one event; children:

    TARGET = SOURCE [VERB]           SOURCE: a field, a "text", a number, or the name of an enum value.
                                     VERB: via TABLE, bits TABLE, or one of ir.Set (learn, date, join, yyyymm …)
    symbol lookup
    row REPEATED [when …]            one element; children: sets
    rows REPEATED from GROUP [take FIELD]
    attributes FIELD …               one attribute each, named as on the wire, where present
    attributes from GROUP FIELD …    the same for each entry: NAME.1, NAME.2 …
    notes FIELD … / notes from GROUP FIELD …      NAME=value words in SystemEvent.text
    fields from GROUP [when …]       children: sets of the event itself, for each entry (the last one stays)

    COND: FIELD is VALUE … | FIELD not VALUE … | FIELD present | FIELD absent
    FIELD? or GROUP?: the statement is left out for templates that have no such field or group.

The file of vectors has lines `vector "title" [after "title"]`; children: the message behind its length as hex and
'text', then `expect EVENT FIELD=VALUE …`, one an event (schemac/vectors.py).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Tuple

from . import sbe
from .ir import (INTEGERS, Emit, Framing, Group, Header, HeaderField, Message, Protocol, Row, Rows, Sbe,
                 SchemaError, Set, Vector, When, Wire)
from .layout import parse_hex

VERBS = ("seconds", "midnight", "midnight_seconds", "date", "learn", "learn_new", "yyyymm", "join", "letters", "note")
TOKEN = re.compile(r'\s*(?:"([^"]*)"|#.*|([^\s"#]+))')


@dataclass
class Line:
    where: str
    words: List[str]                 # texts in quotes keep their opening quote
    children: List["Line"] = field(default_factory=list)
    raw: str = ""

    def error(self, text: str) -> SchemaError:
        return SchemaError(self.where, text)

    def take(self, what: str) -> str:
        if not self.words:
            raise self.error(f"expected {what} at the end of the line")
        return self.words.pop(0)

    def text(self, what: str) -> str:
        word = self.take(what + " in quotes")
        if word[0] != '"':
            raise self.error(f"expected {what} in quotes, found {word}")
        return word[1:]

    def number(self, what: str) -> int:
        word = self.take(what)
        if not re.fullmatch(r"-?\d+|0x[0-9A-Fa-f]+", word):
            raise self.error(f"expected {what}, found {word}")
        return int(word, 0)

    def end(self) -> None:
        if self.words:
            raise self.error(f"expected the end of the line, found {self.words[0]}")


@dataclass
class Table:
    line: Line
    pairs: Dict[str, str]
    used: set = field(default_factory=set)


@dataclass
class Scope:
    """Fields that a statement may name: blocks from the nearest out."""
    message: sbe.SbeMessage
    blocks: List[Tuple[Dict[str, Wire], Dict[str, sbe.Type]]]
    groups: Dict[str, sbe.SbeGroup]

    def inside(self, *groups: sbe.SbeGroup) -> "Scope":
        own = [({w.name: w for w in g.group.entry.fields}, g.kinds) for g in groups]
        return Scope(self.message, own + self.blocks, self.groups)


def read(path: str) -> Protocol:
    """read makes a Protocol of a .map file and the XML files it names. Raises SchemaError."""
    return _Reader(path).protocol()


def parse(path: str) -> List[Line]:
    """parse reads lines nested by tabs."""
    top: List[Line] = []
    stack: List[List[Line]] = [top]
    try:
        with open(path, encoding="utf-8") as file:
            raw = file.read().split("\n")
    except OSError as error:
        raise SchemaError(f"{path}:1", f"cannot be read: {error.strerror}") from None
    for number, text in enumerate(raw, 1):
        where = f"{path}:{number}"
        depth = len(text) - len(text.lstrip("\t"))
        words, at, body = [], 0, text.strip()
        while at < len(body):
            match = TOKEN.match(body, at)
            if not match:
                raise SchemaError(where, "a text without its closing quote")
            at = match.end()
            if match.group(1) is not None:
                words.append('"' + match.group(1))
            elif match.group(2):
                words.append(match.group(2))
            else:
                break
        if not words:
            continue
        if text.startswith(" ") or depth >= len(stack):
            raise SchemaError(where, f"indented too far; expected at most {len(stack) - 1} tabs")
        del stack[depth + 1:]
        line = Line(where, words, raw=body)
        stack[-1].append(line)
        stack.append(line.children)
    return top


class _Reader:
    def __init__(self, path: str):
        self.path = path
        self.tables: Dict[str, Table] = {}
        self.parts: Dict[str, Line] = {}
        self.nones: List[Tuple[str, str, Line]] = []
        self.dates: List[str] = []
        self.last: Optional[Tuple[str, str]] = None
        self.out = Protocol("", "", "", False, Header(0), Framing(), [], path + ":1")
        self.templates: Dict[int, sbe.SbeMessage] = {}

    def protocol(self) -> Protocol:
        lines = parse(self.path)
        readers = {"protocol": self.facts, "table": self.table, "part": self.part, "none": self.none,
                   "message": self.messages}
        for line in lines:
            word = line.take("a statement")
            if word not in readers:
                raise line.error(f"{word}; expected one of " + ", ".join(readers))
            readers[word](line)
        if not self.out.name:
            raise SchemaError(self.path + ":1", "expected the statement protocol")
        mapped = {m.type for m in self.out.messages}
        for template in self.templates.values():
            if template.id not in mapped:
                raise SchemaError(self.path + ":1", f"{template.name} ({template.id}) is not mapped: "
                                  f'expected message {template.id} (defined at {template.where})')
        for name, reason, line in self.nones:
            hits = [w for m in self.out.messages for w in wires(m) if w.name == name and not w.none]
            if not hits:
                raise line.error(f"no message has a field {name} without a reason of its own")
            for wire in hits:
                wire.none = reason
        for table in self.tables.values():
            for key in table.pairs:
                if key != "*" and key not in table.used:
                    raise table.line.error(f"no field that uses this table has a value {key}")
        self.out.messages.sort(key=lambda m: m.type)
        return self.out

    # top level

    def facts(self, line: Line) -> None:
        out = self.out
        out.name, out.where = line.take("the name"), line.where
        line.end()
        schemas: List[sbe.Schema] = []
        for child in line.children:
            word = child.take("a fact")
            if word in ("title", "spec"):
                setattr(out, word, child.text(word))
            elif word == "venue":
                out.venue = child.take("a MIC")
            elif word == "schema":
                schemas.append(sbe.read(os.path.join(os.path.dirname(self.path), child.take("a file"))))
            elif word == "sequence":
                out.seq_unit = child.take("message or packet")
                if out.seq_unit not in ("message", "packet"):
                    raise child.error(f"sequence {out.seq_unit}; expected message or packet")
            elif word == "session":
                if child.take("weekly") != "weekly":
                    raise child.error("expected session weekly")
                out.weekly_session = True
            elif word == "instruments":
                out.instruments_max = child.number("how many")
            elif word == "tcp":
                out.header.marker = child.number("the marker of a packet")
            elif word == "recognise":
                if child.take("never") != "never":
                    raise child.error("expected recognise never")
                out.recognisable = False
            elif word == "framing":
                size = INTEGERS.get(child.take("a type"), 0)
                kind = child.take("inclusive or exclusive")
                if size not in (1, 2, 4) or kind not in ("inclusive", "exclusive"):
                    raise child.error("expected framing u8, u16 or u32, then inclusive or exclusive")
                out.framing = Framing(size, kind == "inclusive")
            elif word == "last":
                self.last = child.take("a field"), child.take("a choice")
            elif word == "dates":
                self.dates.append(child.take("a type"))
            elif word == "vectors":
                self.vectors(os.path.join(os.path.dirname(self.path), child.take("a file")))
            elif word == "header":
                self.header(child)
            else:
                raise child.error(f"unknown fact {word}")
            child.end()
        for need, value in (("title", out.title), ("venue", out.venue), ("schema", schemas)):
            if not value:
                raise line.error(f"expected the fact {need}")
        self.join(line, schemas)

    def header(self, line: Line) -> None:
        header = self.out.header
        header.length = line.number("the length")
        for child in line.children:
            at, kind = child.number("an offset"), child.take("a type")
            if kind not in INTEGERS:
                raise child.error(f"unknown type {kind}; expected one of " + ", ".join(INTEGERS))
            wire = Wire(child.take("a name"), at, INTEGERS[kind], kind, where=child.where)
            if wire.end > header.length:
                raise child.error(f"{wire.name} ends at {wire.end}, past the length of the header, {header.length}")
            one = HeaderField(wire, child.take("a role") if child.words else None)
            if one.role not in (None, "session", "seq", "count", "ts_send", "channel", "length"):
                raise child.error(f"unknown role {one.role}")
            child.end()
            header.fields.append(one)

    def vectors(self, path: str) -> None:
        for line in parse(path):
            if line.take("vector") != "vector":
                raise line.error('expected vector "title"')
            vector = Vector(line.text("the title"), b"", [], where=line.where)
            if line.words:
                if line.take("after") != "after":
                    raise line.error('expected after "title"')
                vector.after = line.text("the title of another vector")
                if all(v.title != vector.after for v in self.out.vectors):
                    raise line.error(f"no vector {vector.after!r} above this one")
            line.end()
            for child in line.children:
                if child.words[0] == "expect":
                    vector.events.append((child.where, child.raw[len("expect"):].strip()))
                elif vector.events:
                    raise child.error("expected the message before what it makes")
                else:
                    vector.data += parse_hex(child.where, child.raw.split("#")[0])
            if any(v.title == vector.title for v in self.out.vectors) or not vector.data:
                raise line.error("expected a title of its own and a message")
            self.out.vectors.append(vector)

    def join(self, line: Line, schemas: List[sbe.Schema]) -> None:
        """join makes the facts of the SBE header and the list of templates out of all schemas."""
        first = schemas[0]
        for schema in schemas:
            if schema.big != first.big or schema.header.members != first.header.members:
                raise line.error(f"{schema.path}: byte order or header differ from {first.path}")
            for message in schema.messages:
                if message.id in self.templates:
                    raise SchemaError(message.where, f"template {message.id} is there already: "
                                      f"{self.templates[message.id].where}")
                self.templates[message.id] = message
        at = {name: offset for name, offset, _ in first.header.members}
        size = {name: kind.size for name, _, kind in first.header.members}
        self.out.big = first.big
        for one in self.out.header.fields:
            one.wire.big = first.big
        self.out.framing.sbe = Sbe(first.header.size, at["blockLength"], at["templateId"], at["schemaId"],
                                   at["version"], size["templateId"], size["schemaId"],
                                   tuple(sorted({s.id for s in schemas})), max(s.version for s in schemas))

    def table(self, line: Line) -> None:
        name = line.take("a name")
        if name in self.tables:
            raise line.error(f"table {name} is there already: {self.tables[name].line.where}")
        table = self.tables[name] = Table(line, {})
        for part in [line] + line.children:
            for pair in part.words:
                key, sign, to = pair.rpartition("=")
                if not sign or not key or not to or key in table.pairs:
                    raise part.error(f"expected VALUE=TO, each VALUE once, found {pair}")
                table.pairs[key] = to

    def part(self, line: Line) -> None:
        name = line.take("a name")
        if name in self.parts:
            raise line.error(f"part {name} is there already: {self.parts[name].where}")
        line.end()
        self.parts[name] = line

    def none(self, line: Line) -> None:
        self.nones.append((line.take("a field"), line.text("a reason"), line))

    # messages

    def spliced(self, lines: Iterable[Line], depth: int = 0) -> List[Line]:
        """spliced copies lines, with `use NAME` replaced by the part."""
        out: List[Line] = []
        for line in lines:
            if line.words[0] == "use":
                name = line.words[1] if len(line.words) == 2 else ""
                if name not in self.parts or depth > 4:
                    raise line.error(f"no part {name}; expected use and the name of a part above")
                out += self.spliced(self.parts[name].children, depth + 1)
            else:
                out.append(Line(line.where, list(line.words), self.spliced(line.children, depth)))
        return out

    def messages(self, line: Line) -> None:
        if not self.templates:
            raise line.error("expected the statement protocol before the first message")
        while line.words:
            number = line.number("a template id")
            template = self.templates.get(number)
            if template is None:
                raise line.error(f"no schema has a template {number}")
            if any(m.type == number for m in self.out.messages):
                raise line.error(f"template {number} is mapped twice")
            self.out.messages.append(self.message(line, template))

    def message(self, line: Line, template: sbe.SbeMessage) -> Message:
        groups = {g.group.name: g for g in template.groups}
        scope = Scope(template, [({w.name: w for w in template.root.fields}, template.kinds)], groups)
        out = Message(template.id, template.name, template.root, template.schema,
                      groups=[g.group for g in template.groups], where=line.where)
        if self.last and self.last[0] in scope.blocks[0][0]:
            wire, kind = scope.blocks[0][0][self.last[0]], template.kinds[self.last[0]]
            if self.last[1] not in kind.values:
                raise line.error(f"{kind.name} has no choice {self.last[1]}")
            out.last = (wire, kind.values[self.last[1]])
        always: List[Set] = []
        seen = set()
        for child in self.spliced(line.children):
            word = child.take("a statement")
            if word == "none" and child.words[:1] and child.words[0][0] == '"':
                out.none = child.text("a reason")
                child.end()
            elif word == "none":
                self.none_here(child, scope)
            elif word == "always":
                always += self.sets(child.children, scope)
            elif word == "group":
                group = self.group(child, scope, always)
                if group is not None:
                    if group.name in seen:
                        raise child.error(f"group {group.name} is mapped twice")
                    seen.add(group.name)
            else:
                out.emits.append(self.emit(child, word, scope, always))
        return out

    def none_here(self, line: Line, scope: Scope) -> None:
        wire = self.wire(line, line.take("a field"), scope, innermost=True)
        reason = line.text("a reason")
        line.end()
        if wire is not None:
            wire.none = reason

    def group(self, line: Line, scope: Scope, always: List[Set]) -> Optional[Group]:
        found = self.find_group(line, line.take("a group"), scope)
        if found is None:
            return None
        inner = scope.inside(found)
        if line.words:
            if line.take("by") != "by":
                raise line.error("expected by FIELD of GROUP")
            by = self.wire(line, line.take("a field"), inner)
            if line.take("of") != "of":
                raise line.error("expected of GROUP")
            other = self.find_group(line, line.take("a group"), scope)
            if by is None or other is None:
                raise line.error("by FIELD of GROUP cannot be optional")
            found.group.refer = (other.group, by)
            inner = scope.inside(found, other)
        line.end()
        own = list(always)
        for child in self.spliced(line.children):
            word = child.take("a statement")
            if word == "none":
                self.none_here(child, inner)
            elif word == "always":
                own += self.sets(child.children, inner)
            else:
                found.group.emits.append(self.emit(child, word, inner, own))
        return found.group

    def emit(self, line: Line, event: str, scope: Scope, always: List[Set]) -> Emit:
        out = Emit(event, list(always), self.whens(line, scope), where=line.where)
        for child in line.children:
            word = child.words[0]
            if word == "row":
                child.take("")
                into = child.take("a repeated field")
                when = self.whens(child, scope)
                out.rows.append(Row(into, self.sets(child.children, scope), when))
            elif word == "rows":
                child.take("")
                self.rows(child, out, scope)
            elif word == "fields":
                child.take("")
                self.fields(child, out, scope)
            elif word in ("attributes", "notes"):
                self.listed(child, out, scope)
            else:
                out.sets += self.sets([child], scope)
        return out

    def rows(self, line: Line, out: Emit, scope: Scope) -> None:
        into = line.take("a repeated field")
        if line.take("from") != "from":
            raise line.error("expected from GROUP")
        group = self.find_group(line, line.take("a group"), scope)
        if group is None:
            return
        take = None
        if line.words:
            if line.take("take") != "take":
                raise line.error("expected take FIELD")
            take = self.wire(line, line.take("a field"), scope)
        line.end()
        out.from_groups.append(Rows(group.group, [Row(into, self.sets(line.children, scope.inside(group)))], take))

    def fields(self, line: Line, out: Emit, scope: Scope) -> None:
        if line.take("from") != "from":
            raise line.error("expected from GROUP")
        group = self.find_group(line, line.take("a group"), scope)
        if group is None:
            return
        inner = scope.inside(group)
        when = self.whens(line, inner)
        out.from_groups.append(Rows(group.group, [Row(None, self.sets(line.children, inner), when)]))

    def listed(self, line: Line, out: Emit, scope: Scope) -> None:
        """listed reads `attributes …` and `notes …`."""
        word = line.take("")
        group = None
        if line.words[:1] == ["from"]:
            line.take("")
            group = self.find_group(line, line.take("a group"), scope)
            if group is None:
                return
            scope = scope.inside(group)
        if not line.words:
            raise line.error("expected fields")
        rows: List[Row] = []
        while line.words:
            wire = self.wire(line, line.take("a field"), scope, innermost=group is not None)
            if wire is None:
                continue
            verb = self.verb_of(wire, scope)
            if word == "notes":
                rows.append(Row(None, [Set("text", wire, "note", where=line.where)]))
                continue
            key = Set("key", wire.name, "numbered" if group else "plain", where=line.where)
            rows.append(Row("attributes", [key, Set("value", wire, verb, where=line.where)], [When(wire, None)]))
        if group:
            out.from_groups.append(Rows(group.group, rows))
        elif word == "notes":
            out.sets += [made for row in rows for made in row.sets]
        else:
            out.rows += rows

    def verb_of(self, wire: Wire, scope: Scope) -> str:
        for names, kinds in scope.blocks:
            if names.get(wire.name) is wire:
                return "date" if kinds[wire.name].name in self.dates else "plain"
        return "plain"

    def whens(self, line: Line, scope: Scope) -> List[When]:
        out: List[When] = []
        while line.words:
            word = line.take("when")
            if word != ("and" if out else "when"):
                raise line.error(f"expected {'and' if out else 'when'} FIELD is VALUE, found {word}")
            wire = self.wire(line, line.take("a field"), scope)
            if wire is None:
                raise line.error("a condition cannot be optional")
            sign = line.take("is, not, present or absent")
            if sign in ("present", "absent"):
                out.append(When(wire, None, sign == "absent"))
                continue
            if sign not in ("is", "not"):
                raise line.error(f"expected is, not, present or absent, found {sign}")
            values: List[int] = []
            while line.words and line.words[0] != "and":
                values.append(self.value(line, line.take("a value"), wire, self.kind(wire, scope)))
            if not values:
                raise line.error("expected a value")
            out.append(When(wire, tuple(values), sign == "not"))
        return out

    def sets(self, lines: Iterable[Line], scope: Scope) -> List[Set]:
        out: List[Set] = []
        for line in lines:
            target = line.take("a target")
            if line.words == ["lookup"]:
                out.append(Set(target, None, "lookup", where=line.where))
                continue
            if line.take("=") != "=":
                raise line.error("expected TARGET = SOURCE")
            made = self.source(line, target, scope)
            line.end()
            if made is not None:
                out.append(made)
        return out

    def source(self, line: Line, target: str, scope: Scope) -> Optional[Set]:
        word = line.take("a source")
        made = Set(target, None, where=line.where)
        if word[0] == '"':
            made.source = word[1:]
            return made
        if re.fullmatch(r"-?\d+", word) or re.fullmatch(r"[A-Z][A-Z0-9_]*", word):
            made.source = int(word) if word[-1].isdigit() and word.lstrip("-").isdigit() else word
            return made
        names = [word]
        while line.words and line.words[0] not in VERBS + ("via", "bits"):
            names.append(line.take(""))
        verb = line.take("") if line.words else "plain"
        if verb == "yyyymm":
            names = [word.rstrip("?") + f".{part}" + "?" * word.endswith("?") for part in ("year", "month", "day")]
        found = [self.wire(line, name, scope) for name in names]
        found = [wire for wire in found if wire is not None]
        if not found:
            line.words = []
            return None
        if verb in ("yyyymm", "join"):
            made.source, made.verb = tuple(found), verb
            return made
        if len(names) > 1:
            raise line.error(f"expected one field, found {len(names)}")
        made.source = wire = found[0]
        if verb in ("via", "bits"):
            made.verb = "enum" if verb == "via" else "bits"
            self.fill(line, made, wire, self.kind(wire, scope))
        else:
            made.verb = self.verb_of(wire, scope) if verb == "plain" else verb
        return made

    def fill(self, line: Line, made: Set, wire: Wire, kind: sbe.Type) -> None:
        """fill puts a table's pairs into a set, as numbers of this field's type."""
        name = line.take("a table")
        table = self.tables.get(name)
        if table is None:
            raise line.error(f"no table {name}; expected one of " + ", ".join(self.tables))
        for value_name, value in kind.values.items():
            if value_name in table.pairs:
                made.table[value] = table.pairs[value_name]
                table.used.add(value_name)
            elif made.verb == "enum" and "*" not in table.pairs:
                raise line.error(f"table {name} has no {value_name} of {kind.name}; expected every value, or *")
        for key, to in table.pairs.items():
            if re.fullmatch(r"\d+", key):
                made.table[int(key)] = to
                table.used.add(key)
        if not made.table:
            raise line.error(f"table {name} has no value of {wire.name}")
        if "*" in table.pairs:
            made.other = table.pairs["*"]  # a name until check.bind

    # names

    def kind(self, wire: Wire, scope: Scope) -> sbe.Type:
        for names, kinds in scope.blocks:
            if names.get(wire.name) is wire:
                return kinds[wire.name]
        raise SchemaError(wire.where, f"{wire.name} is of no block here")

    @staticmethod
    def value(line: Line, word: str, wire: Wire, kind: sbe.Type) -> int:
        if wire.is_text:
            text = word[1:].encode()
            if word[0] != '"' or len(text) > wire.size or wire.size not in (2, 3, 4, 8):
                raise line.error(f"{wire.name} is text of {wire.size}; expected a text in quotes that fits "
                                 "(texts of 2, 3, 4 or 8 bytes can be compared)")
            return int.from_bytes(text.ljust(wire.size, b"\0"), "big" if wire.big else "little")
        if word in kind.values:
            return kind.values[word]
        if not re.fullmatch(r"-?\d+", word):
            raise line.error(f"{kind.name} has no value {word}; expected a number"
                             + (f" or one of {', '.join(kind.values)}" if kind.values else ""))
        return int(word)

    def wire(self, line: Line, name: str, scope: Scope, innermost: bool = False) -> Optional[Wire]:
        """wire finds a field; None when it is optional and not there."""
        optional, name = name.endswith("?"), name.rstrip("?")
        for names, _ in scope.blocks[:1] if innermost else scope.blocks:
            if name in names:
                return names[name]
        if optional:
            return None
        near = sorted({n for names, _ in scope.blocks for n in names})
        raise line.error(f"{scope.message.name} has no field {name} here; expected one of {', '.join(near)}")

    @staticmethod
    def find_group(line: Line, name: str, scope: Scope) -> Optional[sbe.SbeGroup]:
        optional, name = name.endswith("?"), name.rstrip("?")
        if name in scope.groups:
            return scope.groups[name]
        if optional:
            return None
        raise line.error(f"{scope.message.name} has no group {name}"
                         + (f"; expected one of {', '.join(scope.groups)}" if scope.groups else ""))


def wires(message: Message) -> List[Wire]:
    """wires lists every field of a message, those of its groups too."""
    return [w for block in [message.root] + [g.entry for g in message.groups] for w in block.fields]
