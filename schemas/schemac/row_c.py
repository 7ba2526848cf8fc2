"""row_c: events of a message as rows, straight from the wire; message_c.py makes the same events for who looks at them."""

from __future__ import annotations

from typing import List

from .c_text import Out, literal, load, quote
from .event_write import TEXTS_MAX as ROW_TEXTS_MAX
from .ir import Emit, Message, Row, Set, Wire

E9 = 9
ROW_ROWS_MAX = 512  # of ROW_MAX (event_write.py): what the rows of one event may take there


class StraightRows:
    """What Messages (message_c.py) is besides: it has the blocks, tables and conditions."""

    def is_flat(self, emit: Emit) -> bool:
        """Whether a row can be written as the fields lie on the wire: a usual event, no text put together."""
        if emit.event not in self.flat or len(emit.from_groups) + bool(emit.rows) > 1:  # ROW_ROWS_MAX is for one group
            return False
        targets = [s.target for s in emit.sets if s.target != "flags"]
        return (len(set(targets)) == len(targets) and "ts_event_ns" in targets and self.texts_len(emit) <= ROW_TEXTS_MAX
                and all(map(self.is_plain, emit.sets)) and all(map(self.is_plain_row, emit.rows))
                and all(map(self.is_plain_row, (r for source in emit.from_groups for r in source.rows))))

    def is_plain_row(self, row: Row) -> bool:
        targets = [s.target for s in row.sets]  # flags of several fields are or-ed: not in a row
        return row.into is not None and row.into != "attributes" and len(set(targets)) == len(targets) and all(
            self.is_plain(s) and s.verb != "lookup" and s.field.kind != "string" for s in row.sets)

    def is_plain(self, made: Set) -> bool:
        if made.field is self.model.event.fields.get(made.target) and made.target not in ("ts_event_ns", "instrument_id", "symbol", "flags", "template_id"):
            return False
        if isinstance(made.source, Wire) and made.field.kind == "string" and made.verb == "plain":
            return made.source.is_text or made.source.type == "char"
        return made.verb not in ("note", "join", "numbered", "date", "yyyymm") and made.field.kind in (
            "string", "bool", "enum", "uint32", "uint64", "sint64", "fixed64")

    @staticmethod
    def texts_len(emit: Emit) -> int:
        return sum(s.source.size if isinstance(s.source, Wire) else 32 for s in emit.sets if s.field.kind == "string")

    def straight(self, out: Out, msg: Message, emit: Emit, vector: str) -> None:
        """The row of an event, straight from the wire; what it cannot say goes to the label vector: nothing is kept of
        a row before events_row_done."""
        own = [s for s in emit.sets if self.home(s, "") == "ev"]
        names = {s.target for s in own}
        time = next(self.hoisted.get((id(s.source), s.verb), s.target) for s in own if s.target == "ts_event_ns")
        out("uint8_t *row = out->row, *p, *at;", *["uint64_t ts_event_ns = 0;"] * (time == "ts_event_ns"), "uint32_t flags = out->base.flags;",
            *["uint64_t instrument_id = 0;"] * ("instrument_id" in names), *["struct str symbol = {0};"] * ("symbol" in names), "")
        odd = [" && ".join(self.present(s.source) + [f"text_is_odd({self.blocks[id(s.source.block)]} + {s.source.at}, {s.source.size})"])
               for s in emit.sets if isinstance(s.source, Wire) and s.field.kind == "string" and s.verb in ("plain", "learn", "learn_new")]
        if odd:
            out(f"if (__builtin_expect({' || '.join(odd)}, 0))", f"\tgoto {vector};")
        for made in own:
            if made.target != "template_id" and (made.target != "ts_event_ns" or time == "ts_event_ns"):
                self.set(out, made, "local", self.model.event)
        out(f"if (__builtin_expect(!{time}, 0))", f"\tgoto {vector};",
            f"p = row_begin(row, &out->head, {time});",
            *["p = row_seq(row, &out->head, out->base.seq);"] * (self.p.seq_unit == "message"))
        number = {name: f.number for name, f in self.model.event.fields.items()}
        out(f"p = put_uint32_usual(p, {number['flags']}, flags);")
        if "instrument_id" in names:
            out(f"p = put_uint64_usual(p, {number['instrument_id']}, instrument_id);")
        if "symbol" in names:
            out(f"p = put_str(p, {number['symbol']}, symbol);")
        out(f"at = nest_begin(p, {number[emit.event]});", "p = at + 1;")
        struct = self.model.payload(emit.event)
        parts = [(s.field.number, s) for s in emit.sets if s not in own]
        parts += [(struct.fields[name].number, name) for name in dict.fromkeys(
            [r.into for r in emit.rows] + [r.into for source in emit.from_groups for r in source.rows])]
        for n, part in sorted(parts, key=lambda part: part[0]):
            if isinstance(part, str):
                self.row_rows(out, msg, emit, part, n, vector)
            else:
                self.row_field(out, part, vector)
        template = next((s.source for s in own if s.target == "template_id"), self.template(msg))
        if isinstance(template, Wire):
            template = load(template, self.blocks[id(template.block)])
        out("p = nest_end(at, p);", f"events_row_done(out, row, row_end(row, p, &out->head, out->sub_seq, {template}));", "ev = NULL;", "n++;")
        for source in emit.from_groups:
            if source.take:
                out(f"taken{msg.groups.index(source.group)} += {self.amount(msg, source)};")

    def row_rows(self, out: Out, msg: Message, emit: Emit, name: str, n: int, vector: str) -> None:
        """A repeated field of the payload."""
        for row in (r for r in emit.rows if r.into == name):
            self.row_row(out, row, n, vector)
        for source in emit.from_groups:
            rows = [r for r in source.rows if r.into == name]
            if not rows:
                continue
            i = msg.groups.index(source.group)
            out(f"if ({self.amount(msg, source)} > {ROW_ROWS_MAX // sum(2 + 12 * len(r.sets) for r in rows)})", f"\tgoto {vector};")
            self.entries(out, msg, source, rows, lambda row, _: self.row_row(out, row, n, vector))

    def row_row(self, out: Out, row: Row, n: int, vector: str) -> None:
        tests = self.conditions(row.when)
        out.open(f"if ({' && '.join(tests)})" if tests else "do")
        out(f"uint8_t *in = nest_begin(p, {n});", "", "p = in + 1;")
        for made in sorted(row.sets, key=lambda s: s.field.number):
            self.row_field(out, made, vector)
        out("p = nest_end(in, p);")
        out.close("" if tests else " while (0);")

    def row_field(self, out: Out, made: Set, vector: str) -> None:
        """One field of the payload. What is absent or zero is passed over without a branch."""
        field, wire, n = made.field, made.source, made.field.number
        put = "uint32" if field.kind == "enum" else "uint64" if field.kind == "fixed64" else field.kind
        if not isinstance(wire, Wire):
            value = f"STR({quote(wire)})" if field.kind == "string" else literal(wire)
            out(f"p = put_{'str' if field.kind == 'string' else put}{'_set' if field.presence else ''}(p, {n}, {value});")
            return
        pointer = self.blocks[id(wire.block)]
        tests, value, there = self.tests(made), None if wire.is_text else load(wire, pointer), " && ".join(self.present(wire))
        test = " && ".join(tests)
        if there and value:  # what is not there is not read, even to be thrown away
            value = f"({there} ? {value} : 0)"
        if field.kind == "string":
            text = (f"{self.table_enum(made, wire)}({value})" if made.verb == "enum" else
                    f"{self.table_letters(made)}[{value}]" if made.verb == "letters" else self.text(wire, pointer))
            out(*([f"if ({test})"] if tests else []), ("\t" if tests else "") + f"p = put_str(p, {n}, {text});")
        elif wire.decimals is not None and made.verb == "plain":
            out.open("")
            out.lines[-1] = "\t" * (out.depth - 1) + "{"
            out("int64_t price = 0;", f"const uint32_t has = {test or '1'};", "")
            power, biggest = 10 ** abs(E9 - wire.decimals), 1 << 8 * wire.size - (wire.type[0] == "i")
            if wire.decimals <= E9 and biggest * power <= 1 << 63:
                out(f"price = (int64_t){value}{f' * {power}' if power > 1 else ''};")
            else:
                fits = f"price_{'times' if wire.decimals <= E9 else 'over'}((int64_t){value}, {power}, &price)"
                if wire.type[0] != "i" and wire.size == 8:
                    fits = f"{value} <= INT64_MAX && {fits}"
                out(f"if (has && __builtin_expect(!({fits}), 0))", f"\tgoto {vector};")
            out(f"p = put_sint64_opt(p, {n}, price, has);")
            out.close()
        elif field.kind == "sint64":
            out(f"p = put_sint64_opt(p, {n}, (int64_t){value}, {test or '1'}{'' if field.presence else f' && {value} != 0'});")
        else:
            small = False
            if made.verb == "enum":
                small = max([*made.table.values(), made.other]) < 128
                value = f"{self.table_enum(made, wire)}({value})"
            elif made.verb == "bits":
                value = self.bits(made)
            elif field.kind == "bool":
                small, put, value = True, "uint32", f"({value} != 0)"
            else:
                small, value = wire.type == "char", value if wire.type[0] != "i" else f"(uint{8 * wire.size}_t){value}"
            if field.kind == "bool":
                put = "uint32"
            if field.presence:
                out(f"p = put_{put}_opt(p, {n}, {value}, {test or '1'});")
            else:
                value = f"{test} ? {value} : 0" if tests else value
                out(f"p = put_{'small' if small else put + '_usual'}(p, {n}, {value});")
