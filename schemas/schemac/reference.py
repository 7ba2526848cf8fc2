"""reference: a page per protocol, made from its schema: what lies where, and what becomes of it."""

from __future__ import annotations

from typing import List

from .check import uses
from .ir import Block, Message, Protocol, Row, Set, When, Wire


def type_text(wire: Wire) -> str:
    text = wire.type + (f", {wire.decimals} decimals" if wire.decimals is not None else "")
    if wire.null is not None:
        text += f", {wire.null} = absent"
    if wire.since:
        text += f", since version {wire.since}"
    return text + (", may be missing" if wire.optional else "")


def set_text(event: str, made: Set) -> str:
    name = made.target if event in ("", made.target) else f"{event}.{made.target}"
    if made.verb == "enum":
        names = {v: k for k, v in made.field.enum.items()} if made.field else {}
        pairs = [f"{chr(k) if 32 < k < 127 and made.source.type == 'char' else k} {names.get(v, v)}"
                 for k, v in made.table.items()]
        return f"`{name}` ({', '.join(pairs)})"
    return f"`{name}`" + (f" ({made.verb})" if made.verb != "plain" else "")


def targets(msg: Message, wire: Wire, envelope) -> List[str]:
    """Where a field goes, in words."""
    found: List[str] = []

    def look(event: str, sets: List[Set]) -> None:
        for made in sets:
            sources = made.source if isinstance(made.source, tuple) else (made.source,)
            if any(s is wire for s in sources):
                found.append(set_text("" if made.target in envelope else event, made))

    def look_rows(event: str, rows: List[Row]) -> None:
        for row in rows:
            key = next((s.source for s in row.sets if s.target == "key" and isinstance(s.source, str)), None)
            if key and row.into:
                if any(s.source is wire for s in row.sets):
                    found.append(f"`{event}.{row.into}[{key}]`")
            else:
                look(f"{event}.{row.into}[]" if row.into else event, row.sets)
            look_when(row.when)

    def look_when(whens: List[When]) -> None:
        if any(w.wire is wire for w in whens):
            found.append("decides which event")

    for emit in msg.emits + [e for g in msg.groups for e in g.emits]:
        look_when(emit.when)
        look(emit.event, emit.sets)
        look_rows(emit.event, emit.rows)
        for rows in emit.from_groups:
            look_rows(emit.event, rows.rows)
    return list(dict.fromkeys(found))


def block_table(msg: Message, block: Block, protocol: Protocol, envelope) -> List[str]:
    out = ["", "| bytes | field | type | becomes |", "|---|---|---|---|"]
    for wire in block.fields:
        words = targets(msg, wire, envelope)
        if isinstance(msg.last, tuple) and msg.last[0] is wire:
            words.append("`flags` LAST")
        if not words:
            words = [f"nothing: {wire.none}" if wire.none else "type" if wire.name == "type" else
                     "counts or names other fields" if id(wire) in uses(msg) else "padding" if wire.type == "pad"
                     else f"nothing: {msg.none or 'it decides nothing'}"]
        out.append(f"| {wire.at}:{wire.size} | {wire.name} | {type_text(wire)} | {', '.join(words)} |")
    return out


def write(protocol: Protocol, envelope) -> str:
    p = protocol
    out = [f"# {p.title}", "", "Made by schemac from the schema. Name in a feed table: "
           f"`{p.name}`; venue `{p.venue}` unless the table says another.", ""]
    if p.spec:
        out += [f"After: {p.spec}.", ""]
    out += [f"{'Big' if p.big else 'Little'}-endian. One sequence number a {p.seq_unit}."
            + (f" Times since midnight are of zone `{p.timezone}`." if p.timezone else ""), "",
            f"## Packet header, {p.header.length} bytes", "", "| bytes | field | type | is |", "|---|---|---|---|"]
    for f in p.header.fields:
        words = [f.role] if f.role else []
        words += ["always " + " or ".join(hex(v) for v in f.values)] if f.values else []
        words += [f"nothing: {f.wire.none}"] if f.wire.none else []
        out.append(f"| {f.wire.at}:{f.wire.size} | {f.wire.name} | {f.wire.type} | {', '.join(words)} |")
    for msg in sorted(p.messages, key=lambda m: (m.schema, m.type)):
        char = f" `{chr(msg.type)}`" if not p.framing.sbe and p.framing.type_size == 1 and 32 < msg.type < 127 else ""
        events = [e.event for e in msg.emits + [e for g in msg.groups for e in g.emits]]
        out += ["", f"## {msg.type}{char} {msg.name}", "",
                f"{msg.root.length} bytes. " + (f"No event: {msg.none}." if msg.none else
                                                f"Events: {', '.join(dict.fromkeys(events))}.")]
        out += block_table(msg, msg.root, p, envelope)
        for group in msg.groups:
            since = f", since version {group.since}" if group.since else ""
            out += ["", f"Group {group.name}, {group.entry.length} bytes an entry{since}"]
            out += block_table(msg, group.entry, p, envelope)
    out += ["", "## Wire fields that no event carries", ""]
    rows = [f"* {msg.name}, {w.name}: {w.none}" for msg in p.messages
            for b in [msg.root] + [g.entry for g in msg.groups] for w in b.fields if w.none]
    rows += [f"* {msg.name}, as a whole: {msg.none}" for msg in p.messages if msg.none]
    rows += [f"* packet header, {f.wire.name}: {f.wire.none}" for f in p.header.fields if f.wire.none]
    return "\n".join(out + (list(dict.fromkeys(rows)) or ["None."])) + "\n"
