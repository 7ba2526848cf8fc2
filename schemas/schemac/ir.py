"""ir: one wire format as data, between the readers of schema files and the writers of code.

    NAME.layout ── layout.py ──┐                      ┌── decoder_c.py ── NAME.c, protocols.c
                               ├── Protocol ── check ─┼── reference.py ── NAME.md
    NAME.xml + .map ── sbe.py ─┘                      └── vectors.py   ── vectors.c

How it fits together
    Protocol            one wire format: facts, Header of a packet, Framing of a message, Messages
    Message             one type: a root Block, Groups behind it, and the events they make
    Block               bytes at fixed offsets: a list of Wire fields. A message has one block `root`;
                        each Group has one for its entries. In the generated C a block is one pointer,
                        so a mapping may use any field whose block is in scope:
                        root everywhere; the own entry inside a group; an entry of an earlier group
                        where `Group.refer` names it
    Emit                "here one event of this kind is made", when all its conditions hold
    Set                 one field of that event: from a Wire, or from a constant, by a verb
    Row / Rows          one element of a repeated field (a statistic, a leg, an attribute, a fill),
                        made once (Emit.rows) or once an entry of a group (Emit.from_groups)

A Wire that no Set or When uses must say why (`none`), or the build stops: nothing is lost by oversight.
Nothing here knows text formats or C.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple, Union

# Wire types. Integers: u8 u16 u24 u32 u48 u64, i8 i16 i32 i64. Text of a fixed length: `char` (1 byte),
# `text` (trailing spaces are padding), `ztext` (ends at the first NUL, trailing spaces are padding too).
# `pad` is bytes without meaning.
INTEGERS = {"u8": 1, "u16": 2, "u24": 3, "u32": 4, "u48": 6, "u64": 8,
            "i8": 1, "i16": 2, "i32": 4, "i64": 8}
TEXTS = ("char", "text", "ztext")


class SchemaError(Exception):
    """A schema file is wrong. `where` is "file:line"; the text says what was expected."""

    def __init__(self, where: str, text: str):
        super().__init__(f"{where}: {text}")
        self.where = where


@dataclass(eq=False)
class Wire:
    """One field as it lies on the wire.

    at        offset in its block (of a layout message: from its first byte, the length prefix not counted)
    decimals  set for prices and other decimal numbers: value = n / 10**decimals. Goes to *_e9 fields only
    null      the integer that means "absent" (for char and text: always absent when blank or NUL)
    since     first schema version that has it; older senders do not send it
    optional  may be missing at the end of a shorter block (a field appended later): absent then.
              A block's `length` counts only fields that are neither optional nor since a later version
    none      why no event carries it
    """
    name: str
    at: int
    size: int
    type: str
    big: bool = False
    decimals: Optional[int] = None
    null: Optional[int] = None
    since: int = 0
    optional: bool = False
    none: Optional[str] = None
    where: str = ""
    block: Optional["Block"] = None  # set by Block.add

    @property
    def end(self) -> int:
        return self.at + self.size

    @property
    def is_text(self) -> bool:
        return self.type in ("text", "ztext")


@dataclass(eq=False)
class Block:
    """Bytes at fixed offsets.

    name      unique in its message: "root" or the group's name in snake_case; the C name of its pointer
    length    bytes it has at least: shorter is refused
    """
    name: str
    length: int = 0
    fields: List[Wire] = field(default_factory=list)

    def add(self, wire: Wire) -> Wire:
        wire.block = self
        self.fields.append(wire)
        return wire


@dataclass
class When:
    """A condition on a wire field: present and (one of values), or with negate: absent or none of them.
    values None: present at all. Characters are their codes."""
    wire: Wire
    values: Optional[Tuple[int, ...]]
    negate: bool = False


@dataclass
class Set:
    """One field of an event.

    target    name in the payload ("price_e9") or the row, or one of the ENVELOPE
    source    Wire; or int / str / bool constant (an enum value as its integer); or None for `lookup`
    verb      what happens on the way; an absent Wire leaves the target absent:
      "plain"     as it is. decimals -> 1e-9 units with an exact check: what does not fit is left absent
                  and the event gets EVENT_FLAG_PRICE_INEXACT. integer or char -> string: decimal digits or
                  the character. text -> string, padding cut. Integers -> bool: not zero
      "enum"      table: wire value -> integer; a value not listed takes `other`
      "bits"      table: one-bit wire mask -> bits of the target, or-ed together
      "letters"   table: one-bit wire mask -> text; target is a string: the texts of the bits that are set,
                  one after the other; a bit without a text appears as its number. At most 8 bits wide
      "seconds"   times 10**9
      "midnight"  plus the midnight of the channel's day (feed_state.midnight_ns); the wire is in ns
      "midnight_seconds"  both
      "date"      days since 1970-01-01 -> yyyymmdd
      "learn"     symbol only: text is remembered for this event's instrument_id (set that one before)
      "learn_new" the same where no text is known yet: cheaper, for messages that carry it over and over
      "lookup"    symbol only: text known for this event's instrument_id; unknown: EVENT_FLAG_NO_DEFINITION
      "yyyymm"    source: tuple (year u16, month u8, day u8): yyyymmdd, day 0 when absent
      "join"      source: tuple of texts -> string: those that are present, with "/" between
      "note"      target is a string: " NAME=value" is appended, NAME the wire's name, value as `plain` makes it
                  (decimals: exact decimal text; in Rows: NAME.i, i the entry's number from 1). Absent: nothing
      "numbered"  source: str; in Rows only: the text, a dot, the entry's number from 1 ("EventTime.2")
    Signed wire integers that are negative leave an unsigned target absent. decimals -> string target: exact
    decimal text, no trailing zeros. "lookup" in a row: text known for the row's own instrument_id.
    Sets run in order; targets named *flags are or-ed, notes appended, everything else stored once.
    """
    target: str
    source: Union[Wire, Tuple[Wire, ...], int, str, bool, None]
    verb: str = "plain"
    table: Dict[int, Union[int, str]] = field(default_factory=dict)
    other: int = 0
    where: str = ""


ENVELOPE = ("ts_event_ns", "instrument_id", "symbol", "flags", "template_id", "qty_scale", "channel")


@dataclass
class Row:
    """One element of the repeated field `into` (attributes: a row with `key` and `value`), made when all
    conditions hold. into None: the sets go to the event itself (a group entry that fills plain fields)."""
    into: Optional[str]
    sets: List[Set]
    when: List[When] = field(default_factory=list)


@dataclass
class Rows:
    """Rows made once for each entry of a group.

    take      None: all entries. Else a Wire that says how many entries, taken in order behind those that
              earlier events of this message took (CME 48: NumberOfOrders rows of the order list belong to
              each trade); what the list does not have is not made up
    """
    group: "Group"
    rows: List[Row]
    take: Optional[Wire] = None


@dataclass
class Emit:
    """One event: `event` is the member of the oneof in events.v1.Event ("mbo")."""
    event: str
    sets: List[Set] = field(default_factory=list)
    when: List[When] = field(default_factory=list)
    rows: List[Row] = field(default_factory=list)
    from_groups: List[Rows] = field(default_factory=list)
    where: str = ""


@dataclass(eq=False)
class Group:
    """A repeating group: dimension header, then entries of the block length that the wire says.

    dim_size, block_at, block_size, count_at, count_size   the dimension header (sizes 1 or 2 bytes)
    since     a sender of an older version does not have this group on the wire at all
    refer     (earlier group, Wire of this entry): 1-based number of an entry there, whose fields the emits
              of this group may use. No such entry: these fields are absent
    """
    name: str
    entry: Block
    dim_size: int = 3
    block_at: int = 0
    block_size: int = 2
    count_at: int = 2
    count_size: int = 1
    since: int = 0
    refer: Optional[Tuple["Group", Wire]] = None
    emits: List[Emit] = field(default_factory=list)
    where: str = ""


@dataclass(eq=False)
class Message:
    """One message type.

    type      value of the type field (characters: their code); SBE: template id
    schema    SBE schema id, else 0
    lengths   lengths that `recognise` accepts (layout messages); empty: any from root.length up
    emits     events of the root block; those of groups follow in wire order
    last      when the newest event of the message gets EVENT_FLAG_LAST: True always, False never,
              (Wire, mask) when a bit of mask is set. A message that has the mark and made no event makes
              SystemEvent END_OF_EVENT
    none      why the whole message makes no event (then its fields need no reason of their own)
    """
    type: int
    name: str
    root: Block
    schema: int = 0
    lengths: Tuple[int, ...] = ()
    groups: List[Group] = field(default_factory=list)
    emits: List[Emit] = field(default_factory=list)
    last: Union[bool, Tuple[Wire, int]] = True
    none: Optional[str] = None
    where: str = ""


@dataclass
class HeaderField:
    """A field of the packet header and what it is for.

    role      session (text, or a number) | seq | count | ts_send | channel | length (bytes behind the header)
              | None
    values    the only values allowed (empty: any)
    most      largest value that is sane (used by recognise only)
    none      why it has no role
    """
    wire: Wire
    role: Optional[str] = None
    values: Tuple[int, ...] = ()
    most: Optional[int] = None


@dataclass
class Header:
    """The packet header. A count in `heartbeat` / `end` says that the packet carries no messages but tells
    the next sequence number / that the session has ended.

    marker    over TCP each packet begins with this u16, then the header, then messages until the next marker
              (none of them as long as the marker's number)
    """
    length: int
    fields: List[HeaderField] = field(default_factory=list)
    heartbeat: Optional[int] = None
    end: Optional[int] = None
    marker: Optional[int] = None

    def role(self, role: str) -> Optional[HeaderField]:
        return next((f for f in self.fields if f.role == role), None)


@dataclass
class Sbe:
    """The SBE message header: offsets of its u16 / u8 members, and the schema ids this file decodes."""
    size: int = 8
    block_at: int = 0
    template_at: int = 2
    schema_at: int = 4
    version_at: int = 6
    template_size: int = 2
    schema_size: int = 2
    schemas: Tuple[int, ...] = ()
    version_max: int = 0  # newest version that the file knows


@dataclass
class Framing:
    """How messages follow each other: a length of `size` bytes, then the message.

    inclusive  the length counts itself
    type_at, type_size  where the type is, from the first byte behind the length (not used with sbe)
    sbe        messages begin with an SBE header; blocks begin behind it
    """
    size: int = 2
    inclusive: bool = False
    type_at: int = 0
    type_size: int = 1
    sbe: Optional[Sbe] = None


@dataclass
class Vector:
    """A message composed by hand and the events it must make, written as "mbo action=ADD size=100 …"."""
    title: str
    data: bytes               # without length prefix (SBE: with the SBE header)
    events: List[Tuple[str, str]]  # (where, text)
    after: Optional[str] = None  # title of a vector that must have been decoded before (a definition)
    where: str = ""


@dataclass
class Protocol:
    """One wire format: the fields of `struct protocol` (decode/feed/protocol.h) and everything behind them."""
    name: str
    title: str
    venue: str
    big: bool
    header: Header
    framing: Framing
    messages: List[Message]
    where: str
    spec: str = ""
    timezone: Optional[str] = None
    seq_unit: str = "message"      # or "packet"
    weekly_session: bool = False
    instruments_max: int = 0
    recognisable: bool = True      # False: only by the feed table, never by its bytes
    vectors: List[Vector] = field(default_factory=list)
