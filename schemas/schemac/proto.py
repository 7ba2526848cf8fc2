"""proto: reads proto/**/*.proto, strictly, as far as the event schema uses the language.

    schema = proto.load("proto")
    schema.message("Mbo").field("price_e9").kind        # "sint64"
    schema.enum("Mbo.Action").values["ACTION_ADD"]      # 1

What the rest of the build could not represent is refused here, with file, line and what was expected:
proto3 `optional` (protoc-c 1.4.1 rejects it; a one-member oneof has the same bytes), int32 and int64
(ten bytes when negative), unpacked repeated numbers, recursion, enum values without prefix.
protoc checks the rest of the language; it reads the same files in the same build.
"""

import os
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional

from .ir import SchemaError

SCALARS = ("uint32", "uint64", "sint64", "fixed64", "bool", "string", "bytes", "float", "double")
PACKED = ("uint32", "uint64", "sint64", "fixed64", "bool", "float", "double")
C_KEYWORDS = frozenset("""auto break case char const continue default do double else enum extern float for goto
if inline int long register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while has""".split())
NUMBER_MAX = 2047  # keys of at most two bytes

TOKEN = re.compile(r"""(?P<space>[ \t\r]+)|(?P<line>\n)|(?P<comment>//[^\n]*)|(?P<string>"[^"\\\n]*")
    |(?P<number>-?[0-9]+)|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)|(?P<mark>[{}\[\]();=,<>])""", re.VERBOSE)


@dataclass
class Field:
    """label: "one" (absent when zero), "opt" (has a bit), "payload" (member of the oneof), "many", "map".
    kind: a scalar name, "enum" or "message"; type: the Enum or Message then (of a map: its value)."""
    name: str
    number: int
    label: str
    kind: str
    where: str
    comment: str = ""
    type: Optional[object] = field(default=None, repr=False)
    type_name: str = ""


@dataclass
class Enum:
    name: str  # "Side", "Mbo.Action"
    where: str
    comment: str = ""
    values: Dict[str, int] = field(default_factory=dict)
    comments: Dict[str, str] = field(default_factory=dict)


@dataclass
class Message:
    name: str  # "Trade", "Trade.Fill"
    where: str
    comment: str = ""
    fields: List[Field] = field(default_factory=list)  # by number
    reserved: List[int] = field(default_factory=list)

    def field(self, name):
        return next((f for f in self.fields if f.name == name), None)


@dataclass
class Schema:
    package: str = ""
    messages: List[Message] = field(default_factory=list)  # what a message contains stands before it
    enums: List[Enum] = field(default_factory=list)

    def message(self, name):
        return next((m for m in self.messages if m.name == name), None)

    def enum(self, name):
        return next((e for e in self.enums if e.name == name), None)


class Reader:
    """Tokens of one file, each with its line; the comment right above a token is kept for its owner."""

    def __init__(self, path, text):
        self.path, self.tokens, self.at, self.comments = path, [], 0, {}
        line, pos, above = 1, 0, []
        while pos < len(text):
            match = TOKEN.match(text, pos)
            if not match:
                raise SchemaError(f"{path}:{line}", f"expected a token of proto3, found {text[pos]!r}")
            pos = match.end()
            if match.lastgroup == "line":
                line += 1
            elif match.lastgroup == "comment":
                above = [c for c in above if c[0] >= line - len(above)] + [(line, match.group()[2:].strip())]
            elif match.lastgroup != "space":
                if above and above[-1][0] == line - 1:
                    self.comments[len(self.tokens)] = " ".join(c[1] for c in above)
                above = []
                self.tokens.append((match.lastgroup, match.group(), line))
        self.last_line = line

    def where(self):
        line = self.tokens[self.at][2] if self.at < len(self.tokens) else self.last_line
        return f"{self.path}:{line}"

    def peek(self):
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def comment(self):
        return self.comments.get(self.at, "")

    def fail(self, expected):
        found = self.peek()
        raise SchemaError(self.where(), f"expected {expected}, found " + (found or "the end of the file"))

    def take(self, expected):
        if self.peek() != expected:
            self.fail(f'"{expected}"')
        self.at += 1

    def accept(self, text):
        if self.peek() != text:
            return False
        self.at += 1
        return True

    def kind(self, kind, expected):
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != kind:
            self.fail(expected)
        self.at += 1
        return self.tokens[self.at - 1][1]

    def word(self, expected):
        return self.kind("word", expected)

    def number(self, expected):
        return int(self.kind("number", expected))


class Parser:
    def __init__(self):
        self.schema = Schema()
        self.imports = []  # (where, path)

    def file(self, path, text):
        r = Reader(path, text)
        r.take("syntax")
        r.take("=")
        if r.peek() != '"proto3"':
            r.fail('"proto3"')
        r.at += 1
        r.take(";")
        r.take("package")
        package = r.word("the name of the package")
        if self.schema.package not in ("", package):
            raise SchemaError(r.where(), f"expected package {self.schema.package} as in the other files, "
                              f"found {package}")
        self.schema.package = package
        r.take(";")
        while r.peek():
            if r.accept("import"):
                self.imports.append((r.where(), r.kind("string", "a file name").strip('"')))
                r.take(";")
            elif r.accept("option"):
                r.word("the name of an option")
                r.take("=")
                r.at += 1
                r.take(";")
            elif r.peek() == "message":
                self.message(r, "")
            elif r.peek() == "enum":
                self.enum(r, "")
            else:
                r.fail('"import", "option", "message" or "enum"')

    def declare(self, r, scope, comment):
        where = r.where()
        name = scope + r.word("a name")
        if self.schema.message(name) or self.schema.enum(name):
            raise SchemaError(where, f"expected a new name, {name} was declared before")
        return name, where, comment

    def message(self, r, scope):
        comment = r.comment()
        r.take("message")
        msg = Message(*self.declare(r, scope, comment))
        self.schema.messages.append(msg)
        r.take("{")
        while not r.accept("}"):
            if r.peek() == "message":
                self.message(r, msg.name + ".")
            elif r.peek() == "enum":
                self.enum(r, msg.name + ".")
            elif r.accept("reserved"):
                msg.reserved.append(r.number("a field number"))
                while r.accept(","):
                    msg.reserved.append(r.number("a field number"))
                r.take(";")
            elif r.accept("oneof"):
                self.oneof(r, msg)
            elif r.peek() == "optional":
                r.fail("a one-member oneof instead of optional (same bytes, and protoc-c takes it)")
            elif r.peek() in ("required", "group", "extend", "extensions", "option"):
                r.fail("a field")
            elif r.accept("map"):
                self.map(r, msg)
            else:
                label = "many" if r.accept("repeated") else "one"
                self.field(r, msg, label)
        msg.fields.sort(key=lambda f: f.number)

    def oneof(self, r, msg):
        where = r.where()
        r.word("the name of the oneof")
        r.take("{")
        members = []
        while not r.accept("}"):
            members.append(self.field(r, msg, "opt"))
        if not members:
            raise SchemaError(where, "expected a field in the oneof")
        if len(members) > 1:
            for member in members:
                member.label = "payload"

    def map(self, r, msg):
        where, comment = r.where(), r.comments.get(r.at - 1, "")
        r.take("<")
        if r.word("string") != "string":
            raise SchemaError(where, "expected string as the key of a map")
        r.take(",")
        kind = r.word("the type of the map's value")
        if kind not in ("string", "double"):
            raise SchemaError(where, f"expected string or double as the value of a map, found {kind}")
        r.take(">")
        self.numbered(r, msg, Field("", 0, "map", kind, where, comment))

    def field(self, r, msg, label):
        where = r.where()
        comment = r.comment() or r.comments.get(r.at - 1, "")
        f = Field("", 0, label, r.word("the type of a field"), where, comment)
        if re.fullmatch("s?fixed32|sfixed64|u?s?int(32|64)", f.kind) and f.kind not in SCALARS:
            raise SchemaError(where, f"expected one of {', '.join(SCALARS)}, found {f.kind}")
        if f.kind not in SCALARS:
            f.kind, f.type_name = "", f.kind
        self.numbered(r, msg, f)
        return f

    def numbered(self, r, msg, f):
        f.name = r.word("the name of a field")
        r.take("=")
        number_at = r.where()
        f.number = r.number("a field number")
        packed = False
        if r.accept("["):
            r.take("packed")
            r.take("=")
            r.take("true")
            r.take("]")
            packed = True
        if packed != (f.label == "many" and f.kind in PACKED):
            raise SchemaError(f.where, "expected [packed = true] on repeated numbers, and only there")
        r.take(";")
        if not re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", f.name):
            raise SchemaError(f.where, f"expected a lower_snake_case name, found {f.name}")
        if f.name in C_KEYWORDS or (msg.name, f.name) == ("Event", "type"):
            raise SchemaError(f.where, f"expected a name that is free in C, found {f.name}")
        if not 1 <= f.number <= NUMBER_MAX:
            raise SchemaError(number_at, f"expected a field number from 1 to {NUMBER_MAX}, found {f.number}")
        if f.number in msg.reserved:
            raise SchemaError(number_at, f"expected a number that is not reserved, found {f.number}")
        for other in msg.fields:
            if other.number == f.number:
                raise SchemaError(number_at, f"expected a new number, {f.number} is {other.name}")
            if other.name == f.name:
                raise SchemaError(f.where, f"expected a new name, {f.name} stands at {other.where}")
        msg.fields.append(f)

    def enum(self, r, scope):
        comment = r.comment()
        r.take("enum")
        e = Enum(*self.declare(r, scope, comment))
        self.schema.enums.append(e)
        prefix = snake(e.name.split(".")[-1]).upper() + "_"
        r.take("{")
        while not r.accept("}"):
            where, comment = r.where(), r.comment()
            name = r.word("the name of an enum value")
            r.take("=")
            value = r.number("a number")
            r.take(";")
            if not e.values and (value != 0 or name != prefix + "UNSPECIFIED"):
                raise SchemaError(where, f"expected {prefix}UNSPECIFIED = 0 as the first value")
            if not re.fullmatch(prefix + "[A-Z0-9]+(_[A-Z0-9]+)*", name):
                raise SchemaError(where, f"expected a name that begins with {prefix}, found {name}")
            if value < 0 or value >= 1 << 31:
                raise SchemaError(where, f"expected a value from 0 to 2147483647, found {value}")
            if name in e.values or value in e.values.values():
                raise SchemaError(where, f"expected a new name and a new number, found {name} = {value}")
            e.values[name] = value
            e.comments[name] = comment
        if not e.values:
            raise SchemaError(e.where, f"expected values in enum {e.name}")

    def resolve(self):
        for msg in self.schema.messages:
            for f in msg.fields:
                if f.number in msg.reserved:
                    raise SchemaError(f.where, f"expected a number that is not reserved, found {f.number}")
                if f.type_name:
                    self.resolve_field(msg, f)
                if f.label == "payload" and f.kind != "message":
                    raise SchemaError(f.where, "expected messages alone in a oneof of several members")
        ordered, state = [], {}

        def visit(msg):
            if state.get(msg.name) == "open":
                raise SchemaError(msg.where, f"expected no message that contains itself, {msg.name} does")
            if msg.name in state:
                return
            state[msg.name] = "open"
            for f in msg.fields:
                if f.kind == "message":
                    visit(f.type)
            state[msg.name] = "done"
            ordered.append(msg)

        for msg in self.schema.messages:
            visit(msg)
        self.schema.messages = ordered

    def resolve_field(self, msg, f):
        scope = msg.name.split(".")
        while True:
            name = ".".join(scope + [f.type_name])
            f.type = self.schema.message(name) or self.schema.enum(name)
            if f.type or not scope:
                break
            scope.pop()
        if not f.type:
            raise SchemaError(f.where, f"expected a known type, found {f.type_name}")
        f.kind = "message" if isinstance(f.type, Message) else "enum"
        if f.label == "many" and f.kind == "enum":
            raise SchemaError(f.where, "expected no repeated enum")


def snake(name):
    """ "DnsTransaction" -> "dns_transaction", "Trade.Fill" -> "trade_fill" """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace(".", "_")).lower()


def parse(files):
    """files: {path: text}; returns the Schema or raises SchemaError."""
    parser = Parser()
    for path in sorted(files):
        parser.file(path, files[path])
    for where, name in parser.imports:
        if not any(path.endswith(name) for path in files):
            raise SchemaError(where, f"expected a file of this schema, found {name}")
    parser.resolve()
    return parser.schema


def load(root):
    """Reads every .proto below root."""
    files = {}
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(".proto"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as f:
                    files[path] = f.read()
    if not files:
        raise SchemaError(f"{root}:1", "expected .proto files below this folder")
    return parse(files)
