"""message_c: messages of a bound protocol (ir.py, check.py) as C functions that make events; decoder_c.py calls it.

The C has fixed offsets, one length check a block, and for each event either its row (row_c.py) or one events_push and
plain stores.
"""

from __future__ import annotations

import itertools
from typing import Callable, Dict, List, Optional, Tuple

from .c_text import Out, exclude, literal, load, quote, shown
from .event_write import STRAIGHT
from .ir import Block, Emit, Group, Message, Protocol, Row, Rows, Set, When, Wire
from .model import Model, Struct
from .row_c import E9, StraightRows

PARTS_MAX = 512 * 1024  # below EVENT_PARTS_MAX (decode/events.h): what the rows of one event may take
ROW_BYTES_MAX = 128


class Messages(StraightRows):
    """Writes the functions of one protocol's messages."""

    def __init__(self, protocol: Protocol, model: Model):
        self.p, self.model = protocol, model
        self.flat = {n: s for n, s in model.payloads.items() if s.name in STRAIGHT}
        self.tables: Dict[Tuple, str] = {}
        self.table_code = Out()
        self.names = itertools.count()

    # messages

    def function(self, msg: Message) -> str:
        return f"message_{msg.schema}_{msg.type}" if msg.schema else f"message_{msg.type}"

    def message(self, out: Out, msg: Message) -> None:
        self.blocks = {id(msg.root): "root"}
        self.lengths = {id(msg.root): "root_len"}
        self.maybe: Dict[int, bool] = {}  # blocks whose pointer may be NULL
        self.hoisted: Dict[int, str] = {}
        sbe = self.p.framing.sbe
        out(f"/* {msg.name} */")
        args = "struct feed_state *st, const uint8_t *root, uint32_t root_len"
        args += ", uint32_t version, struct bytes rest" if sbe else ""
        out(f"static __attribute__((noinline)) int {self.function(msg)}({args}, struct events *out)", "{")
        out.depth += 1
        out("struct event *ev = NULL;", "int n = 0;")
        groups = [g for g in msg.groups]
        for i, group in enumerate(groups):
            out(f"struct group group{i} = {{root, 0, 0}};")
            self.blocks[id(group.entry)] = f"entry{i}"
            self.lengths[id(group.entry)] = f"group{i}.block"
        takes = {id(r.group) for e in self.all_emits(msg) for r in e.from_groups if r.take}
        for i, group in enumerate(groups):
            if id(group) in takes:
                out(f"uint32_t taken{i} = 0;")
        out("", "(void)st;", "(void)root;", "(void)root_len;")
        if sbe:
            out("(void)version;", "(void)rest;")
        for i, group in enumerate(groups):
            self.group_read(out, msg, i, group)
        if msg.last is True and self.is_one(msg):
            for emit in msg.emits:
                emit.sets.append(self.constant("flags", self.model.event, self.model.flags["LAST"]))
        self.emits(out, msg, msg.emits)
        self.hoist(out, msg)
        for i, group in enumerate(groups):
            if group.emits:
                self.group_loop(out, msg, i, group)
        self.last(out, msg)
        out("return n;")
        out.depth -= 1
        out("}", "")

    def hoist(self, out: Out, msg: Message) -> None:
        """Bits of the root that every entry's event gets are made once, before the loops."""
        for emit in (e for g in msg.groups for e in g.emits):
            for made in emit.sets:
                if made.verb == "bits" and made.source.block is msg.root and id(made) not in self.hoisted:
                    name, test = f"bits{len(self.hoisted)}", " && ".join(self.present(made.source))
                    out(f"const uint32_t {name} = {f'!({test}) ? 0 : ' if test else ''}{self.bits(made)};")
                    self.hoisted[id(made)] = name
            for made in emit.sets:
                if made.target == "ts_event_ns" and isinstance(made.source, Wire) and made.source.block is msg.root and self.is_flat(emit):
                    key = (id(made.source), made.verb)
                    if key not in self.hoisted:
                        name = self.hoisted[key] = f"time{len(self.hoisted)}"
                        lines = Out()
                        self.set(lines, made, "local", self.model.event)
                        out(f"uint64_t {name} = 0;", "", *(line.replace("ts_event_ns", name) for line in lines.lines))

    @staticmethod
    def all_emits(msg: Message) -> List[Emit]:
        return msg.emits + [e for g in msg.groups for e in g.emits]

    def group_read(self, out: Out, msg: Message, i: int, group: Group) -> None:
        out(f"if ({self.group_refused(msg, group, f'group{i}')}) /* {group.name} */", "\treturn -REASON_group_size;")

    def group_refused(self, msg: Message, group: Group, name: str) -> str:
        """Condition that is true when a group does not fit; reads it off rest into the variable name."""
        most = (1 << 8 * group.count_size) - 1
        per_entry = max([len(r.rows) for e in self.all_emits(msg) for r in e.from_groups if r.group is group] + [1])
        most = min(most, PARTS_MAX // (ROW_BYTES_MAX * per_entry))
        dim = (f"(struct group_dimension){{{group.dim_size}, {group.block_at}, {group.block_size}, "
               f"{group.count_at}, {group.count_size}, {'true' if self.p.big else 'false'}}}")
        test = f"!group_read(&rest, {dim}, {max(group.entry.length, 1)}, {most}, &{name})"
        return f"version >= {group.since} && {test}" if group.since else test

    def group_loop(self, out: Out, msg: Message, i: int, group: Group) -> None:
        entry = f"entry{i}"
        out.open(f"for (const uint8_t *{entry} = group{i}.p, *end = {entry} + (size_t)group{i}.n * group{i}.block; "
                 f"{entry} < end; {entry} += group{i}.block)")
        if group.refer:
            other, number = group.refer
            j = msg.groups.index(other)
            out(f"const uint8_t *entry{j} = NULL;")
            present, value = self.present(number), load(number, entry)
            test = " && ".join(present + [f"(uint32_t)({value} - 1) < group{j}.n"])
            out("", f"if ({test})", f"\tentry{j} = group{j}.p + (size_t)({value} - 1) * group{j}.block;")
            self.maybe[id(other.entry)] = True
        self.emits(out, msg, group.emits)
        if group.refer:
            del self.maybe[id(group.refer[0].entry)]
        out.close()

    @staticmethod
    def is_one(msg: Message) -> bool:
        """Whether a message makes one event at most."""
        return not any(g.emits for g in msg.groups) and all(
            exclude(a.when, b.when) for a, b in itertools.combinations(msg.emits, 2))

    def last(self, out: Out, msg: Message) -> None:
        if msg.last is True and not self.is_one(msg):
            out("if (n)", "\tevents_last(out, ev);")
        elif msg.last and msg.last is not True:
            wire, mask = msg.last
            test = " && ".join(self.present(wire) + [f"({load(wire, 'root')} & {mask:#x})"])
            out.open(f"if ({test})")
            out.open("if (n)")
            out("events_last(out, ev);")
            out.close(" else {")
            out.depth += 1
            system = self.model.payload("system")
            end = Emit("system", [*self.common_sets(msg), self.constant("flags", self.model.event, self.model.flags["LAST"]),
                                  self.constant("code", system, system.fields["code"].enum["END_OF_EVENT"])])
            self.emit(out, msg, end)
            out.close()
            out.close()

    @staticmethod
    def constant(target: str, struct: Struct, value: int) -> Set:
        made = Set(target, value)
        made.field = struct.fields[target]
        return made

    @staticmethod
    def common_sets(msg: Message) -> List[Set]:
        """What an END_OF_EVENT knows of its message: the time."""
        for emit in Messages.all_emits(msg):
            for made in emit.sets:
                if made.target == "ts_event_ns" and isinstance(made.source, Wire) and made.source.block is msg.root:
                    return [made]
        return []

    @staticmethod
    def template(msg: Message) -> int:
        return msg.type

    # events

    def emits(self, out: Out, msg: Message, emits: List[Emit]) -> None:
        """Events whose conditions exclude each other become a chain of else-ifs."""
        chain: List[Emit] = []
        for emit in emits:
            if not (chain and all(exclude(emit.when, other.when) for other in chain)):
                chain = []
            self.emit(out, msg, emit, "else " if chain else "")
            chain.append(emit)

    def emit(self, out: Out, msg: Message, emit: Emit, link: str = "") -> None:
        """One event: as a row where rows are written, else into the vector."""
        if not self.is_flat(emit):
            self.push(out, msg, emit, link)
            return
        tests, vector = self.conditions(emit.when), f"vector{next(self.names)}"
        out.open(f"{link}if ({' && '.join(tests)})" if tests else "do")
        out.open("if (events_rows(out))")
        self.straight(out, msg, emit, vector)
        out.close(" else {")
        out.lines.append(f"{vector}:")
        out.depth += 1
        self.push(out, msg, Emit(emit.event, emit.sets, rows=emit.rows, from_groups=emit.from_groups))
        out.close()
        out.close("" if tests else " while (0);")

    def push(self, out: Out, msg: Message, emit: Emit, link: str = "") -> None:
        """One event in the vector. Its flags and presence bits gather in locals: bytes of the packet may alias the event, so the
        compiler cannot keep them in a register by itself."""
        tests = self.conditions(emit.when)
        body = Out()
        body.depth = out.depth + 1
        self.emit_body(body, msg, emit)
        locals_ = {line.strip().split(" |= ")[0] for line in body.lines if " |= " in line} & {"flags", "has"}
        out.open(f"{link}if ({' && '.join(tests)})" if tests else "do" if locals_ else "")
        if not tests and not locals_:
            out.lines.pop()
            out.depth -= 1
            body.lines = [line[1:] for line in body.lines]
        head, body.lines = body.lines[:1], body.lines[1:]
        out.lines += head
        if "flags" in locals_:
            out("uint32_t flags = ev->flags;")
        if "has" in locals_:
            out("uint32_t has = 0;")
        out.lines += body.lines
        if "flags" in locals_:
            out("ev->flags = flags;")
        if "has" in locals_:
            out(f"ev->{emit.event}.has = has;")
        if tests or locals_:
            out.close("" if tests else " while (0);")

    def emit_body(self, out: Out, msg: Message, emit: Emit) -> None:
        out(f"ev = events_push(out, EVENT_{emit.event.upper()});", "n++;")
        struct = self.model.payload(emit.event)
        if not any(s.target == "template_id" for s in emit.sets):
            out(f"ev->template_id = {self.template(msg)};")
        for made in emit.sets:
            self.set(out, made, self.home(made, f"ev->{emit.event}"), struct)
        self.rows(out, msg, emit, struct)

    def home(self, made: Set, payload: str) -> str:
        return "ev" if made.field is self.model.event.fields.get(made.target) else payload

    def conditions(self, whens: List[When]) -> List[str]:
        tests = []
        for when in whens:
            present = self.present(when.wire)
            if when.values is None:
                present += self.not_null(when.wire)
                test = " && ".join(present) or "true"
            else:
                value = load(when.wire, self.blocks[id(when.wire.block)])
                same = " || ".join(f"{value} == {literal(v)}" for v in when.values)
                if len(when.values) > 2 and when.wire.size == 1 and when.wire.type[0] != "i":
                    same = f"{self.table_set(when)}[{value}]"
                test = " && ".join(present + [f"({same})" if len(when.values) > 1 else same])
            tests.append(f"!({test})" if when.negate else test)
        return [t for t in tests if t != "true"]

    def present(self, wire: Wire) -> List[str]:
        """Conditions under which the bytes of a field are there."""
        tests = []
        if id(wire.block) in self.maybe:
            tests.append(self.blocks[id(wire.block)])
        if wire.optional or wire.since:
            tests.append(f"{self.lengths[id(wire.block)]} >= {wire.end}")
        if wire.since:
            tests.append(f"version >= {wire.since}")
        return tests

    def not_null(self, wire: Wire) -> List[str]:
        pointer = self.blocks[id(wire.block)]
        if wire.type == "char":
            return [f"{pointer}[{wire.at}] != ' '", f"{pointer}[{wire.at}] != 0"]
        if wire.is_text:
            return [f"{pointer}[{wire.at}] != {c}" for c in (("' '", "0") if wire.type == "ztext" else ("' '",))]
        if wire.null is None:
            return []
        null = wire.null if wire.type[0] == "i" else wire.null % (1 << 8 * wire.size)
        return [f"{load(wire, pointer)} != {literal(null)}"]

    # one field

    def set(self, out: Out, made: Set, home: str, struct: Struct, entry: Optional[str] = None) -> None:
        """entry: C expression of the entry's number from 1, inside Rows."""
        store = "|=" if made.target.endswith("flags") else "="
        field, target = made.field, f"{home}->{made.target}" if home in ("ev", "row") else f"{home}.{made.target}"
        if home == "local":  # of a row: plain variables
            target = made.target
        owner = target[:-len(made.target)]
        has = [f"{'' if owner.startswith('ev->') else owner}has |= {field.has};"] if field.presence else []
        target = "flags" if target == "ev->flags" else target
        if made.verb == "lookup":
            self.lookup(out, target, "" if home == "local" else owner if home == "row" else "ev->")
            return
        if made.verb == "numbered":
            out(f"{target} = text_numbered(out, STR({quote(made.source)}), {entry});")
            return
        if not isinstance(made.source, (Wire, tuple)):
            value = f"STR({quote(made.source)})" if field.kind == "string" else literal(made.source)
            out(f"{target} {store} {value};", *has)
            return
        if isinstance(made.source, tuple):
            self.set_tuple(out, made, target)
            return
        wire = made.source
        tests = self.tests(made)
        if tests:
            out.open(f"if ({' && '.join(tests)})")
        self.store(out, made, target, has, entry, "" if home == "local" else "ev->")
        if tests:
            out.close()

    def tests(self, made: Set) -> List[str]:
        """Conditions under which a wire field sets its target."""
        wire = made.source
        tests = self.present(wire)
        if not wire.is_text and made.verb not in ("enum", "bits", "letters") or made.verb == "note":
            tests += self.not_null(wire) if wire.type != "char" or made.verb == "note" else []
        if wire.type[0] == "i" and made.field.kind in ("uint32", "uint64", "fixed64") and made.verb != "enum":
            tests.append(f"{load(wire, self.blocks[id(wire.block)])} >= 0")
        return tests

    def store(self, out: Out, made: Set, target: str, has: List[str], entry: Optional[str], owner: str) -> None:
        wire, field = made.source, made.field
        store = "|=" if made.target.endswith("flags") else "="
        pointer = self.blocks[id(wire.block)]
        value = None if wire.is_text else load(wire, pointer)
        if made.verb == "note":
            name = f"text_numbered(out, STR({quote(wire.name)}), {entry})" if entry else f"STR({quote(wire.name)})"
            out(f"{target} = text_note(out, {target}, {name}, {self.text(wire, pointer)});")
        elif made.verb == "enum":
            out(f"{target} {store} {self.table_enum(made, wire)}({value});", *has)
        elif made.verb == "bits":
            out(f"{target} {store} {self.hoisted.get(id(made)) or self.bits(made)};", *has)
        elif made.verb == "letters":
            out(f"{target} = {self.table_letters(made)}[{value}];")
        elif made.verb == "learn":
            out(f"{target} = {self.text(wire, pointer)};", f"symbols_learn(st->symbols, {owner}instrument_id, {target});")
        elif made.verb == "learn_new":
            out(f"{target} = {self.text(wire, pointer)};", f"if (!symbols_find(st->symbols, {owner}instrument_id).len)",
                f"\tsymbols_learn(st->symbols, {owner}instrument_id, {target});")
        elif made.verb == "seconds":
            out(f"{target} = (uint64_t){value} * 1000000000;")
        elif made.verb == "midnight":
            out(f"{target} = st->midnight_ns + {value};")
        elif made.verb == "midnight_seconds":
            out(f"{target} = st->midnight_ns + (uint64_t){value} * 1000000000;")
        elif made.verb == "date":
            date = f"date_of_days({value})"
            out(f"{target} = {f'text_decimal_u(out, {date})' if field.kind == 'string' else date};")
        elif field.kind == "string":
            out(f"{target} = {self.text(wire, pointer)};")
        elif wire.decimals is not None:
            self.price(out, wire, value, target, has)
        elif field.kind == "bool":
            out(f"{target} = {value} != 0;", *has)
        else:
            cast = "(int64_t)" if field.kind == "sint64" else ""
            wide = "(uint64_t)" if wire.type[0] == "i" and field.kind in ("uint64", "fixed64") else \
                "(uint32_t)" if wire.type[0] == "i" and field.kind == "uint32" else ""
            out(f"{target} {store} {cast}{wide}{value};", *has)

    def bits(self, made: Set) -> str:
        value = load(made.source, self.blocks[id(made.source.block)])
        bits = " | ".join(f"({value} & {m:#x} ? {to:#x} : 0)" for m, to in made.table.items())
        return f"or_else({bits}, {made.other})" if made.other else bits

    def text(self, wire: Wire, pointer: str) -> str:
        """Expression of type struct str."""
        at = f"{pointer} + {wire.at}" if wire.at else pointer
        if wire.type == "text":
            return f"text_space(out, {at}, {wire.size})"
        if wire.type == "ztext":
            return f"text_nul(out, {at}, {wire.size})"
        if wire.type == "char":
            return f"text_char(out, {at})"
        if wire.decimals:
            return f"text_exact(out, {load(wire, pointer)}, {wire.decimals})"
        return f"text_decimal{'' if wire.type[0] == 'i' else '_u'}(out, {load(wire, pointer)})"

    def set_tuple(self, out: Out, made: Set, target: str) -> None:
        if made.verb == "join":
            out(f"{target} = (struct str){{0}};")
            for wire in made.source:
                tests = self.present(wire) + self.not_null(wire)
                pointer = self.blocks[id(wire.block)]
                out(f"if ({' && '.join(tests) or 'true'})",
                    f"\t{target} = text_join(out, {target}, {self.text(wire, pointer)});")
            return
        year, month, day = made.source  # yyyymm
        pointer = self.blocks[id(year.block)]
        tests = [t for w in (year, month) for t in self.present(w) + self.not_null(w)]
        out.open(f"if ({' && '.join(dict.fromkeys(tests)) or 'true'})")
        out(f"{target} = {load(year, pointer)} * 10000u + {load(month, pointer)} * 100u;")
        out(f"if ({' && '.join(self.present(day) + self.not_null(day)) or 'true'})",
            f"\t{target} += {load(day, pointer)};")
        out.close()

    @staticmethod
    def lookup(out: Out, target: str, owner: str) -> None:
        out(f"{target} = symbols_find(st->symbols, {owner}instrument_id);")
        if owner != "row->":
            out(f"if (!{target}.len && {owner}instrument_id)", "\tflags |= EVENT_FLAG_NO_DEFINITION;")

    def price(self, out: Out, wire: Wire, value: str, target: str, has: List[str]) -> None:
        """Decimals to 1e-9 units; checked only where the wire's range could overflow."""
        power = 10 ** abs(E9 - wire.decimals)
        signed = wire.type[0] == "i"
        biggest = 1 << 8 * wire.size - (1 if signed else 0)
        if wire.decimals <= E9 and biggest * power <= 1 << 63:
            out(f"{target} = (int64_t){value}{f' * {power}' if power > 1 else ''};", *has)
            return
        function = "price_times" if wire.decimals <= E9 else "price_over"
        test = f"{function}((int64_t){value}, {power}, &{target})"
        if not signed and wire.size == 8:
            test = f"{value} <= INT64_MAX && {test}"
        out.open(f"if ({test})")
        if has:
            out(*has)
        out.close(" else {")
        out("\tflags |= EVENT_FLAG_PRICE_INEXACT;", "}")

    # tables

    def table_enum(self, made: Set, wire: Wire) -> str:
        text = made.field.kind == "string"
        key = ("enum", text, wire.size, wire.type[0] == "i", tuple(sorted(made.table.items())), made.other)
        if key in self.tables:
            return self.tables[key]
        name = self.tables[key] = f"map{next(self.names)}"
        out = self.table_code
        if wire.size == 1 and wire.type[0] != "i" and not text and not made.other:
            kind = "uint8_t" if max(made.table.values()) < 256 else "uint16_t"
            pairs = [f"[{shown(v, wire)}] = {to}" for v, to in sorted(made.table.items()) if to]
            out(f"static const {kind} {name}_of[256] = {{{', '.join(pairs)}}};", "",
                f"static inline uint32_t {name}(uint8_t value)", "{", f"\treturn {name}_of[value];", "}", "")
            return name
        wrap = (lambda v: f"STR({quote(v)})" if v else "(struct str){0}") if text else str
        out(f"static inline {'struct str' if text else 'uint32_t'} {name}(int64_t value)", "{")
        out.depth += 1
        out("switch (value) {")
        for value, to in sorted(made.table.items()):
            out(f"case {shown(value, wire)}:", f"\treturn {wrap(to)};")
        out("default:", f"\treturn {wrap(made.other)};", "}")
        out.depth -= 1
        out("}", "")
        return name

    def table_set(self, when: When) -> str:
        key = ("set", tuple(when.values))
        if key not in self.tables:
            self.tables[key] = f"set{next(self.names)}_of"
            listed = ", ".join(f"[{shown(v, when.wire)}] = true" for v in sorted(when.values))
            self.table_code(f"static const bool {self.tables[key]}[256] = {{{listed}}};", "")
        return self.tables[key]

    def table_letters(self, made: Set) -> str:
        key = ("letters", tuple(sorted(made.table.items())))
        if key in self.tables:
            return self.tables[key]
        name = self.tables[key] = f"letters{next(self.names)}"
        texts = []
        for value in range(256):
            text = "".join(str(made.table.get(1 << b, b)) for b in range(7, -1, -1) if value >> b & 1)
            texts.append(f"\t[{value}] = {{{quote(text)}, {len(text)}}}," if text else "")
        self.table_code(f"static const struct str {name}[256] = {{", *[t for t in texts if t], "};", "")
        return name

    # rows

    def rows(self, out: Out, msg: Message, emit: Emit, struct: Struct) -> None:
        names = [r.into for r in emit.rows] + [r.into for f in emit.from_groups for r in f.rows]
        for name in dict.fromkeys(n for n in names if n):
            self.rows_into(out, msg, emit, struct, name)
        for source in emit.from_groups:
            if any(r.into is None for r in source.rows):
                self.entries(out, msg, source, [r for r in source.rows if r.into is None],
                             lambda row, number: self.row(out, row, struct, "", emit.event, number))
            if source.take:
                i = msg.groups.index(source.group)
                out(f"taken{i} += {self.amount(msg, source)};")

    def amount(self, msg: Message, source: Rows) -> str:
        i = msg.groups.index(source.group)
        if not source.take:
            return f"group{i}.n"
        tests = self.present(source.take) + self.not_null(source.take)
        pointer = self.blocks[id(source.take.block)]
        value = f"rows_left((uint32_t){load(source.take, pointer)}, group{i}.n - taken{i})"
        return f"({' && '.join(tests)} ? {value} : 0)" if tests else value

    def rows_into(self, out: Out, msg: Message, emit: Emit, struct: Struct, name: str) -> None:
        fixed = [r for r in emit.rows if r.into == name]
        sources = [s for s in emit.from_groups if any(r.into == name for r in s.rows)]
        kind = struct.fields[name].struct
        most = [str(len(fixed))] if fixed else []
        for s in sources:
            count = sum(r.into == name for r in s.rows)
            most.append(f"{self.amount(msg, s)}{f' * {count}' if count > 1 else ''}")
        target = f"ev->{emit.event}.{name}"
        out.open("do")
        out(f"{kind.c_name} *row = events_alloc(out, ({' + '.join(most)}) * sizeof(*row));", "",
            "if (!row) /* cannot be: counts are bounded */", "\tbreak;", f"{target} = row;")
        for row in fixed:
            self.row(out, row, kind, f"{target}_n++;")
        for s in sources:
            self.entries(out, msg, s, [r for r in s.rows if r.into == name],
                         lambda row, number: self.row(out, row, kind, f"{target}_n++;", emit.event, number))
        out.close(" while (0);")

    def entries(self, out: Out, msg: Message, source: Rows, rows: List[Row], write: Callable[[Row, str], None]) -> None:
        i = msg.groups.index(source.group)
        first = f" + taken{i} * group{i}.block" if source.take else ""
        out.open("")
        out.lines[-1] = "\t" * (out.depth - 1) + "{"
        out(f"const uint8_t *entry{i} = group{i}.p{first};", f"uint32_t left{i} = {self.amount(msg, source)};", "")
        out.open(f"for (uint32_t r{i} = 1; r{i} <= left{i}; r{i}++, entry{i} += group{i}.block)")
        for row in rows:
            write(row, f"r{i}")
        out.close()
        out.close()

    def row(self, out: Out, row: Row, kind: Struct, count: str, event: str = "", entry: Optional[str] = None) -> None:
        tests = self.conditions(row.when)
        if tests:
            out.open(f"if ({' && '.join(tests)})")
        if row.into:
            out(f"*row = ({kind.c_name}){{0}};")
        for made in row.sets:
            home = "row" if row.into else self.home(made, f"ev->{event}")
            self.set(out, made, home, kind, entry)
        if row.into:
            out("row++;", count)
        if tests:
            out.close()
