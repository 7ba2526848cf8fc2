"""layout: reads a NAME.layout file into the intermediate form (ir.Protocol). schemas/README.md has the language.

A file is lines; `#` starts a comment; a line that begins with a blank belongs to the statement above it.
Whatever is wrong is a SchemaError that says file, line and what was expected.
"""

from __future__ import annotations

import os
import re
from typing import Dict, List, Optional, Tuple

from .ir import (ENVELOPE, INTEGERS, Block, Emit, Framing, Header, HeaderField, Message, Protocol, Row,
                 SchemaError, Set, Vector, When, Wire)

TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\{[^}]*\}|\'.\'|->|==|!=|[=&,|]|[^\s,=&|{}"]+)')
TYPE = re.compile(r"^(?P<base>[a-z]+\d*)(?:\.(?P<decimals>\d+))?(?:\?(?P<null>-?\w+))?$")
VERBS = ("plain", "bits", "letters", "seconds", "midnight", "midnight_seconds", "date", "learn",
         "learn_new")
STATEMENTS = ("include", "protocol", "title", "venue", "timezone", "order", "sequence", "instruments", "spec",
              "recognise", "packet", "framing", "common", "map", "message", "vector")


class Line:
    """One line: its tokens, and where it stands for messages."""

    def __init__(self, where: str, text: str):
        self.where = where
        self.tokens: List[str] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            m = TOKEN.match(text, at)
            if not m:
                raise SchemaError(where, f"expected a word, a number, \"text\" or {{a map}} at: {text[at:].strip()}")
            self.tokens.append(m.group(1))
            at = m.end()

    def error(self, text: str) -> SchemaError:
        return SchemaError(self.where, text)

    def take(self, what: str) -> str:
        if not self.tokens:
            raise self.error(f"expected {what} at the end of the line")
        return self.tokens.pop(0)

    def text(self, what: str) -> str:
        token = self.take(what)
        if len(token) < 2 or token[0] != '"':
            raise self.error(f"expected {what} in double quotes, found {token}")
        return token[1:-1].replace('\\"', '"')

    def number(self, what: str) -> int:
        return parse_number(self, self.take(what), what)

    def end(self) -> None:
        if self.tokens:
            raise self.error(f"expected the end of the line, found {' '.join(self.tokens)}")


def parse_number(line: Line, token: str, what: str) -> int:
    try:
        return int(token, 0)
    except ValueError:
        raise line.error(f"expected {what} (a number), found {token}") from None


def parse_value(line: Line, token: str, wire_type: str) -> int:
    """A value as a field of this type has it: for char fields one character is its own name, else a number."""
    if len(token) == 3 and token[0] == token[2] == "'":
        return ord(token[1])
    if wire_type == "char":
        if len(token) == 1:
            return ord(token)
        raise line.error(f"expected one character, found {token}")
    return parse_number(line, token, "a value")


def strip_comment(text: str) -> str:
    quoted = False
    for i, c in enumerate(text):
        if c == '"':
            quoted = not quoted
        elif c == "#" and not quoted:
            return text[:i]
    return text


Statement = Tuple[Line, List[Tuple[str, str]]]


def split(path: str, text: str) -> List[Statement]:
    """Statements with their indented lines; `include "FILE"` is replaced by the statements of that file."""
    out: List[Statement] = []
    for number, raw in enumerate(text.splitlines(), 1):
        where, body = f"{path}:{number}", strip_comment(raw)
        if not body.strip():
            continue
        if body[0] in " \t":
            if not out:
                raise SchemaError(where, "expected a statement in the first column: " + ", ".join(STATEMENTS))
            out[-1][1].append((where, body.strip()))
            continue
        line = Line(where, body)
        if line.tokens[0] != "include":
            out.append((line, []))
            continue
        line.take("include")
        part = os.path.join(os.path.dirname(path), line.text("a file name"))
        line.end()
        if not part.endswith(".part"):
            raise line.error("expected a file NAME.part (a .layout file is a protocol of its own)")
        try:
            with open(part, encoding="utf-8") as f:
                out += split(part, f.read())
        except OSError as error:
            raise line.error(f"cannot read {part}: {error.strerror}") from None
    return out


class Reader:
    """Reads one file; `read` gives its Protocol."""

    def __init__(self, path: str, text: str):
        self.path = path
        self.facts: Dict[str, object] = {}
        self.maps: Dict[str, str] = {}
        self.common: List[List[str]] = []
        self.messages: List[Message] = []
        self.vectors: List[Vector] = []
        self.header: Optional[Header] = None
        self.framing: Optional[Framing] = None
        self.type_wire: Optional[Wire] = None
        self.statements = split(path, text)

    def read(self) -> Protocol:
        for line, body in self.statements:
            word = line.take("a statement")
            if word not in STATEMENTS:
                raise line.error(f"unknown statement {word}; expected one of {', '.join(STATEMENTS)}")
            if body and word not in ("packet", "common", "message", "vector", "map"):
                raise SchemaError(body[0][0], f"expected no indented line behind {word}")
            getattr(self, "read_" + word, self.read_fact)(line, body, word)
            line.end()
        return self.protocol()

    def protocol(self) -> Protocol:
        for need in ("protocol", "title", "venue", "order"):
            if need not in self.facts:
                raise SchemaError(f"{self.path}:1", f"expected a statement {need}")
        if not self.header or not self.framing:
            raise SchemaError(f"{self.path}:1", "expected the statements packet and framing")
        if not self.messages:
            raise SchemaError(f"{self.path}:1", "expected at least one message")
        f = self.facts
        return Protocol(name=f["protocol"], title=f["title"], venue=f["venue"], big=f["order"] == "big",
                        header=self.header, framing=self.framing, messages=self.messages,
                        where=f"{self.path}:1", spec=f.get("spec", ""), timezone=f.get("timezone"),
                        seq_unit=f.get("sequence", "message"), instruments_max=f.get("instruments", 0),
                        recognisable="recognise" not in f, vectors=self.vectors)

    # statements

    def read_fact(self, line: Line, body, word: str) -> None:
        if word in self.facts:
            raise line.error(f"{word} is stated twice")
        if word in ("title", "spec"):
            value = line.text(word)
        elif word == "instruments":
            value = line.number("the size of the symbol table")
        else:
            value = line.take(word)
        allowed = {"order": ("big", "little"), "sequence": ("message", "packet"), "recognise": ("never",)}
        if word in allowed and value not in allowed[word]:
            raise line.error(f"expected {word} {' or '.join(allowed[word])}, found {value}")
        stem = os.path.basename(self.path).rsplit(".", 1)[0]
        if word == "protocol" and value != stem:
            raise line.error(f"expected protocol {stem}, as the file is called, found {value}")
        self.facts[word] = value

    def read_timezone(self, line: Line, body, word: str) -> None:
        rule = line.take("a POSIX TZ rule")
        while line.tokens:  # the rule has commas, which are tokens
            rule += line.tokens.pop(0)
        if not re.match(r"^[A-Za-z]{3,}[-+]?\d+", rule):
            raise line.error(f"expected a POSIX TZ rule such as EST5EDT,M3.2.0,M11.1.0, found {rule}")
        self.facts[word] = rule

    def read_framing(self, line: Line, body, word: str) -> None:
        size = INTEGERS.get(line.take("the type of the length, u8 or u16"))
        if size not in (1, 2):
            raise line.error("expected framing u8 or u16, then exclusive or inclusive")
        kind = line.take("exclusive or inclusive")
        if kind not in ("exclusive", "inclusive"):
            raise line.error(f"expected exclusive or inclusive (does the length count itself), found {kind}")
        self.framing = Framing(size=size, inclusive=kind == "inclusive")

    def read_map(self, line: Line, body, word: str) -> None:
        name = line.take("a name for the map")
        text = line.take("{from TO, …}") if line.tokens else " ".join(b for _, b in body)
        if not (text.startswith("{") and text.endswith("}")):
            raise line.error(f"expected map {name} {{from TO, …}}")
        if name in self.maps or name in VERBS:
            raise line.error(f"the name {name} is taken")
        self.maps[name] = text

    def read_packet(self, line: Line, body, word: str) -> None:
        header = Header(length=line.number("the length of the packet header"))
        block = Block("packet", header.length)
        for where, text in body:
            row = Line(where, text)
            wire = self.wire(row, block)
            hf = HeaderField(wire)
            while row.tokens:
                word = row.take("")
                if word == "->":
                    hf.role = row.take("a role")
                    if hf.role not in ("session", "seq", "count", "ts_send", "channel", "length"):
                        raise row.error(f"unknown role {hf.role}; expected session, seq, count, ts_send, "
                                        "channel or length")
                    if header.role(hf.role):
                        raise row.error(f"a second field with the role {hf.role}")
                elif word == "=":
                    values = [row.number("a value")]
                    while row.tokens[:1] == ["|"]:
                        row.take("|")
                        values.append(row.number("a value"))
                    hf.values = tuple(values)
                elif word == "max":
                    hf.most = row.number("the largest sane value")
                elif word in ("heartbeat", "end"):
                    setattr(header, word, row.number("a count"))
                elif word == "none":
                    wire.none = row.text("a reason")
                else:
                    raise row.error(f"expected -> ROLE, = VALUE, max N, heartbeat N, end N or none \"reason\", "
                                    f"found {word}")
            if not hf.role and not hf.values and not wire.none:
                raise row.error(f"{wire.name} has no role, no fixed value and no none \"reason\"")
            header.fields.append(hf)
        check_cover(line, block, header.length)
        for need in ("seq", "count"):
            if not header.role(need):
                raise line.error(f"expected a field with the role {need}")
        self.header = header

    def read_common(self, line: Line, body, word: str) -> None:
        if self.messages or self.common:
            raise line.error("expected one common statement, before the first message")
        self.common = body

    def read_message(self, line: Line, body, word: str) -> None:
        if not self.common or not self.framing:
            raise line.error("expected the statements framing and common before the first message")
        key = line.take("the message type")
        lengths = [parse_number(line, n, "a length") for n in line.take("the length").split("/")]
        name = line.text("the name of the message")
        if lengths != sorted(set(lengths)):
            raise line.error(f"expected lengths in rising order, found {lengths}")
        root = Block("root", lengths[0])
        msg = Message(type=0, name=name, root=root, lengths=tuple(lengths), where=line.where)
        events: Dict[str, Emit] = {}
        declared = [b for b in body if b[1].split()[0] in ("event", "last", "none")]
        rows = [b for b in body if b not in declared]
        late: List[Tuple[Line, str]] = []
        for where, text in declared:  # events first: rows refer to them; conditions refer to rows
            row = Line(where, text)
            word = row.take("")
            if word == "event":
                event = row.take("the kind of event")
                if event in events:
                    raise row.error(f"{event} is declared twice")
                events[event] = Emit(event, where=where)
                msg.emits.append(events[event])
                if row.tokens:
                    late.append((row, event))
            elif word == "none":
                msg.none = row.text("a reason")
                row.end()
            else:
                late.append((row, ""))
        for where, text in self.common + rows:
            self.read_row(Line(where, text), msg, events, common=(where, text) in self.common)
        for row, event in late:
            self.read_late(row, msg, events, event)
        if not events and not msg.none:
            raise line.error('expected an event line, or none "reason"')
        check_cover(line, root, lengths[-1])
        wire = root.fields[0]
        if wire.at != 0 or wire.name != "type":
            raise line.error("expected the first common row to be 0:N type")
        msg.type = parse_value(line, key, wire.type)
        self.framing.type_at, self.framing.type_size = wire.at, wire.size
        if any(m.type == msg.type for m in self.messages):
            raise line.error(f"message type {key} is defined twice")
        self.messages.append(msg)

    def read_late(self, row: Line, msg: Message, events: Dict[str, Emit], event: str) -> None:
        """`event E when FIELD == A | B` and `last never`, `last FIELD & MASK`."""
        if not event:
            name = row.take("never, or FIELD & MASK")
            if name == "never":
                msg.last = False
            else:
                wire = self.find(row, msg, name)
                if row.take("&") != "&":
                    raise row.error("expected last never, or last FIELD & MASK")
                msg.last = (wire, row.number("a mask"))
            row.end()
            return
        while row.tokens:
            word = row.take("when")
            if word not in ("when", "and"):
                raise row.error(f"expected when FIELD == VALUE, found {word}")
            wire = self.find(row, msg, row.take("a field"))
            sign = row.take("== or !=")
            if sign not in ("==", "!="):
                raise row.error(f"expected == or !=, found {sign}")
            values = [parse_value(row, row.take("a value"), wire.type)]
            while row.tokens[:1] == ["|"]:
                row.take("|")
                values.append(parse_value(row, row.take("a value"), wire.type))
            events[event].when.append(When(wire, tuple(values), sign == "!="))

    @staticmethod
    def find(row: Line, msg: Message, name: str) -> Wire:
        for wire in msg.root.fields:
            if wire.name == name:
                return wire
        raise row.error(f"message {msg.name} has no field {name}")

    def read_row(self, row: Line, msg: Message, events: Dict[str, Emit], common: bool) -> None:
        if row.tokens[0] == "=":
            row.take("=")
            self.read_target(row, msg, events, None)
            row.end()
            return
        wire = self.wire(row, msg.root)
        wire.optional = wire.end > msg.root.length
        if wire.end > msg.lengths[-1]:
            raise row.error(f"{wire.name} ends at {wire.end}, past the length of the message, {msg.lengths[-1]}")
        if not row.tokens:  # used by a condition, or check.py refuses it
            return
        sign = row.take("-> or none")
        if sign == "none":
            wire.none = row.text("a reason")
        elif sign != "->":
            raise row.error(f'expected -> target or none "reason", found {sign}')
        elif not (msg.none and common):
            self.read_target(row, msg, events, wire)
            while row.tokens[:1] == [","]:
                row.take(",")
                self.read_target(row, msg, events, wire)
        else:
            row.tokens = []
        row.end()

    def read_target(self, row: Line, msg: Message, events: Dict[str, Emit], wire: Optional[Wire]) -> None:
        """EVENT.FIELD, EVENT.REPEATED[N].FIELD, EVENT.attributes.KEY, or a field of the envelope; then a verb or map;
        without a wire field a constant follows."""
        path = row.take("a target")
        parts = path.split(".")
        if len(parts) == 1:
            if path not in ENVELOPE:
                raise row.error(f"unknown target {path}; expected EVENT.FIELD or one of {', '.join(ENVELOPE)}")
            emits = list(events.values())
        elif parts[0] in events:
            emits = [events[parts.pop(0)]]
        else:
            raise row.error(f"message {msg.name} makes no {parts[0]}: expected a line `event {parts[0]}`, or one of "
                            + ", ".join(sorted(events) + list(ENVELOPE)))
        made = Set(parts[-1], wire, where=row.where)
        if wire is None:
            token = row.take("a constant")
            if token == "lookup":
                made.verb = "lookup"
            elif token[0] == '"':
                made.source = token[1:-1]
            else:
                made.source = int(token, 0) if re.match(r"^-?\d", token) else token
        elif row.tokens and row.tokens[0] not in (",",):
            self.read_verb(row, made, wire)
        for emit in emits:
            self.place(row, emit, parts, made)

    def read_verb(self, row: Line, made: Set, wire: Wire) -> None:
        word = row.take("a verb")
        if word in VERBS:
            made.verb = word
            if word not in ("bits", "letters"):
                return
            word = row.take("{mask TO, …}")
        else:
            made.verb = "enum"
        text = self.maps.get(word, word)
        if not text.startswith("{"):
            raise row.error(f"unknown verb or map {word}; expected {', '.join(VERBS)}, a map's name or {{from TO, …}}")
        for pair in text[1:-1].split(","):
            m = re.match(r"^\s*('.'|\S+)\s+(\S+)\s*$", pair)
            if not m:
                raise row.error(f"expected pairs `from TO` with commas between, found {pair.strip() or 'nothing'}")
            source, to = m.groups()
            if source == "*" and made.verb != "letters":
                made.other = to
                continue
            value = parse_value(row, source, wire.type if made.verb == "enum" else "")
            if value in made.table:
                raise row.error(f"{source} is mapped twice")
            if made.verb != "enum" and (value & (value - 1) or not 0 < value < 1 << 8 * wire.size):
                raise row.error(f"expected a mask of one bit that {wire.name} has, found {source}")
            made.table[value] = to

    @staticmethod
    def place(row: Line, emit: Emit, parts: List[str], made: Set) -> None:
        if len(parts) == 1:
            emit.sets.append(made)
            return
        m = re.match(r"^(\w+)(?:\[(\d+)\])?$", parts[0])
        if not m or len(parts) != 2:
            raise row.error(f"expected EVENT.FIELD, EVENT.REPEATED[N].FIELD or EVENT.attributes.KEY, found "
                            f"{'.'.join(parts)}")
        name, index = m.groups()
        if index is None:  # a map: the key is the last part
            bare = (0,) if made.verb == "letters" else None  # no flag set: no attribute
            when = [When(made.source, bare, bare is not None)] if isinstance(made.source, Wire) else []
            value = Set("value", made.source, made.verb, made.table, made.other, made.where)
            emit.rows.append(Row(name, [Set("key", parts[1], where=row.where), value], when))
            return
        rows = [r for r in emit.rows if r.into == name]
        if int(index) > len(rows):
            raise row.error(f"expected {name}[{len(rows)}] before {name}[{index}]")
        if int(index) == len(rows):
            rows.append(Row(name, []))
            emit.rows.append(rows[-1])
        rows[int(index)].sets.append(made)

    def read_vector(self, line: Line, body, word: str) -> None:
        vector = Vector(line.text("a title"), b"", [], where=line.where)
        if line.tokens:
            if line.take("after") != "after":
                raise line.error('expected nothing more, or after "title of another vector"')
            vector.after = line.text("the title of another vector")
            if all(v.title != vector.after for v in self.vectors):
                raise line.error(f'no vector "{vector.after}" above this one')
        if any(v.title == vector.title for v in self.vectors):
            raise line.error(f'a second vector "{vector.title}"')
        for where, text in body:
            if text.startswith("expect"):
                vector.events.append((where, text[len("expect"):].strip()))
                continue
            if vector.events:
                raise SchemaError(where, "expected hex before the expect lines")
            vector.data += parse_hex(where, text)
        if not vector.data:
            raise line.error("expected the message in hex")
        self.vectors.append(vector)

    # rows

    def wire(self, row: Line, block: Block) -> Wire:
        where = row.take("OFFSET:LENGTH")
        m = re.match(r"^(\d+):(\d+)$", where)
        if not m:
            raise row.error(f"expected OFFSET:LENGTH name type, found {where}")
        at, size = int(m.group(1)), int(m.group(2))
        name = row.take("a name")
        text = row.take("a type")
        m = TYPE.match(text)
        base = m.group("base") if m else text
        if base in INTEGERS:
            if INTEGERS[base] != size:
                raise row.error(f"{name} is {base}, which has {INTEGERS[base]} bytes, not {size}")
        elif base == "char":
            if size != 1:
                raise row.error(f"{name} is char, which has 1 byte, not {size}")
        elif base not in ("text", "ztext", "pad"):
            raise row.error(f"unknown type {text}; expected {', '.join(INTEGERS)}, char, text, ztext or pad, "
                            "then .DECIMALS and ?NULL for integers")
        if m.group("decimals") and base not in INTEGERS or m.group("null") and base not in INTEGERS:
            raise row.error(f"{base} has neither decimals nor a null value")
        if any(f.name == name for f in block.fields):
            raise row.error(f"a second field {name}")
        for f in block.fields:
            if at < f.end and f.at < at + size:
                raise row.error(f"{name} ({at}:{size}) overlaps {f.name} ({f.at}:{f.size})")
        if at + size > block.length and block.name == "packet":
            raise row.error(f"{name} ends at {at + size}, past the length of the header, {block.length}")
        null = m.group("null")
        return block.add(Wire(name, at, size, base, self.facts.get("order") == "big",
                              int(m.group("decimals")) if m.group("decimals") else None,
                              parse_number(row, null, "a null value") if null else None, where=row.where))


def check_cover(line: Line, block: Block, length: int) -> None:
    at = 0
    for wire in sorted(block.fields, key=lambda w: w.at):
        if wire.at > at:
            break
        at = wire.end
    if at < length:
        raise line.error(f"byte {at} of {length} is in no row: expected one (type pad when it means nothing)")


def parse_hex(where: str, text: str) -> bytes:
    """Hex digits with blanks, and 'quoted' ASCII."""
    out = b""
    for part in re.findall(r"'[^']*'|[^\s']+", text):
        if part[0] == "'":
            out += part[1:-1].encode("latin-1")
            continue
        try:
            out += bytes.fromhex(part)
        except ValueError:
            raise SchemaError(where, f"expected pairs of hex digits or 'text', found {part}") from None
    return out


def read(path: str) -> Protocol:
    with open(path, encoding="utf-8") as f:
        return Reader(path, f.read()).read()
