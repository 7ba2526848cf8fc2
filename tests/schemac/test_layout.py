"""Schema files: what is right is read as it is meant, what is wrong is refused with file, line and what was expected."""

import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "schemas"), HERE]

from schemac import check, decoder_c, layout, model, reference, vectors  # noqa: E402
from schemac.ir import ENVELOPE, SchemaError  # noqa: E402
from venue_from_docs import layout_of  # noqa: E402

MODEL = model.load(os.path.join(ROOT, "proto"))
with open(os.path.join(ROOT, "docs/adding-a-venue.md"), encoding="utf-8") as document:
    VENUE = layout_of(document.read())


def read(text, name="example_feed"):
    protocol = layout.Reader(f"{name}.layout", text).read()
    check.bind(protocol, MODEL)
    vectors.check(protocol, MODEL)
    return protocol


class Right(unittest.TestCase):
    def setUp(self):
        self.protocol = read(VENUE)
        self.messages = {chr(m.type): m for m in self.protocol.messages}

    def test_facts(self):
        p = self.protocol
        self.assertEqual((p.name, p.venue, p.timezone, p.big, p.seq_unit, p.instruments_max),
                         ("example_feed", "XEXM", "JST-9", False, "message", 1000))
        self.assertEqual((p.header.length, p.header.heartbeat, p.header.end), (12, 0, None))
        self.assertTrue(p.framing.inclusive)

    def test_a_field_behind_the_shortest_length_is_optional(self):
        d = self.messages["D"]
        self.assertEqual((d.lengths, d.root.length), ((32, 36), 32))
        self.assertEqual([w.name for w in d.root.fields if w.optional], ["segment"])

    def test_names_become_the_numbers_of_the_proto(self):
        sets = {s.target: s for s in self.messages["L"].emits[0].sets}
        self.assertEqual(sets["side"].table, {ord("B"): 1, ord("S"): 2})
        self.assertEqual((sets["action"].table, sets["action"].other), ({0: 3}, 7))

    def test_the_c_is_the_same_every_time(self):
        again = read(VENUE)
        self.assertEqual(decoder_c.write_protocol(self.protocol, MODEL), decoder_c.write_protocol(again, MODEL))

    def test_the_reference_lists_what_no_event_carries(self):
        page = reference.write(self.protocol, ENVELOPE)
        tail = page[page.index("## Wire fields that no event carries"):]
        self.assertIn("* Level, reserved: reserved by the specification", tail)
        self.assertNotIn("flags", tail)
        self.assertIn("| 18:8 | price | i64, 2 decimals | `mbp.price_e9` |", page)

    def test_every_schema_of_the_house_is_read(self):
        folder = os.path.join(ROOT, "schemas")
        for name in sorted(os.listdir(folder)):
            if name.endswith(".layout"):
                p = layout.read(os.path.join(folder, name))
                check.bind(p, MODEL)
                vectors.check(p, MODEL)
                self.assertEqual(p.name + ".layout", name)

    def test_expected_bytes_are_protobuf(self):
        at = vectors.Expected(MODEL, "x:1", "mbo action=ADD price_e9=-1 size=300 flags=LAST|TEST", 1).encode()
        # flags 6: 33; mbo 9: action 1: 1, price 4: zigzag 1, size 5: 300; sub_seq 50: 1
        self.assertEqual(at.hex(), "3021" "4a07" "0801" "2001" "28ac02" "900301")
        zero = vectors.Expected(MODEL, "x:1", "mbp price_e9=0 size=0 level=0", 0).encode()
        self.assertEqual(zero.hex(), "52041800" "2000", "zero is written where presence counts, and only there")


# What is changed in the venue of the document; the line (by a piece of it) that must be named; what must be said.
WRONG = [
    ("unknown statement", "venue       XEXM", "venues      XEXM", "venues", "unknown statement venues"),
    ("name unlike the file", "protocol    example_feed", "protocol    other", "protocol", "expected protocol example_feed"),
    ("a fact twice", "venue       XEXM", "venue       XEXM\nvenue       XEXN", "XEXN", "venue is stated twice"),
    ("a fact left out", "title       \"Example Exchange depth feed 1.0\"\n", "", "", "expected a statement title"),
    ("a fact without quotes", "title       \"Ex", "title       Ex\"Ex", "title", "expected title in double quotes"),
    ("neither big nor little", "order       little", "order       middle", "middle", "expected order big or little"),
    ("no number", "instruments 1000", "instruments many", "many", "expected the size of the symbol table"),
    ("no time zone", "JST-9", "Tokyo", "Tokyo", "expected a POSIX TZ rule"),
    ("time zone needed", "timezone    JST-9\n", "", "midnight", "needs the statement timezone"),
    ("table needed", "instruments 1000\n", "", "learn", "learn needs the statement instruments"),
    ("unknown role", "-> seq max", "-> sequenced max", "sequenced", "unknown role sequenced"),
    ("header without count", "-> count heartbeat 0", "none \"not needed\"", "packet 12", "expected a field with the role count"),
    ("header field past its end", "4:8    sequence", "6:8    sequence", "6:8", "past the length of the header, 12"),
    ("header field for nothing", "= 0x5858", "", "0:2    magic", "magic has no role, no fixed value"),
    ("framing", "framing u16 inclusive", "framing u16 included", "included", "expected exclusive or inclusive"),
    ("unknown type", "24:4   lot        u32", "24:4   lot        int", "int", "unknown type int; expected u8"),
    ("length unlike the type", "24:4   lot        u32", "24:4   lot        u64", "u64", "lot is u64, which has 8 bytes, not 4"),
    ("overlap", "24:4   lot", "23:4   lot", "23:4", "lot (23:4) overlaps code (12:12)"),
    ("past the message", "18:8   price", "20:8   price", "20:8", "price ends at 28, past the length of the message, 26"),
    ("hole", "12:12  code", "14:10  code", "message D", "byte 12 of 36 is in no row"),
    ("no offset", "12:12  code", "12-12  code", "12-12", "expected OFFSET:LENGTH name type"),
    ("a field twice", "24:4   lot", "24:4   code", "24:4", "a second field code"),
    ("unknown event", "event mbp", "event mbp\n\tevent book", "book", "unknown event book; expected one of anomaly, bbo"),
    ("event not declared", "mbp.side {B", "mbo.side {B", "mbo.side", "makes no mbo: expected a line `event mbo`"),
    ("event twice", "event mbp", "event mbp\n\tevent mbp", "event mbp", "mbp is declared twice"),
    ("unknown event field", "definition.round_lot", "definition.lot_size", "lot_size", "SecurityDefinition has no field lot_size; expected one of action"),
    ("unknown envelope field", "-> instrument_id", "-> instrument", "instrument", "unknown target instrument; expected EVENT.FIELD or one of ts_event_ns"),
    ("no target", "-> definition.round_lot", "", "24:4", "lot goes nowhere: expected a target, or none"),
    ("target twice", "-> definition.round_lot", "-> definition.round_lot, definition.round_lot", "24:4", "is set twice"),
    ("unknown enum value", "{B BUY, S SELL}", "{B BUY, S SELLS}", "SELLS", "side (enum) has no value SELLS; expected one of UNSPECIFIED, BUY, SELL"),
    ("mapped twice", "{B BUY, S SELL}", "{B BUY, B SELL}", "B SELL", "B is mapped twice"),
    ("no pairs", "{B BUY, S SELL}", "{B, S}", "{B, S}", "expected pairs `from TO`"),
    ("no such map", "{B BUY, S SELL}", "sides", "sides", "unknown verb or map sides"),
    ("enum without a map", " {B BUY, S SELL}", "", "12:1   side", "needs a map"),
    ("mask of two bits", "bits {0x80 true}", "bits {0xc0 true}", "0xc0", "expected a mask of one bit that flags has"),
    ("price without decimals", "i64.2   ->", "i64     ->", "18:8", "a price needs its decimals, as i64.4"),
    ("decimals to a size", "size       u32  ", "size       u32.1", "14:4", "a number with decimals goes to a field *_e9"),
    ("constant that does not fit", "definition.action ADD", "definition.action 9", "action 9", "action (enum) has no value 9"),
    ("would be cut", "time       u64     -> ts_event_ns midnight", "time       u64     -> template_id", "4:8    time", "would be cut"),
    ("text to a number", "12:12  code       text    -> symbol learn", "12:12  code       text    -> definition.maturity", "12:12", "no way from code (text) to maturity (uint32)"),
    ("decimals of text", "12:12  code       text", "12:12  code       text.2", "text.2", "text has neither decimals nor a null value"),
    ("time is a number", "-> ts_event_ns midnight", "-> ts_event_ns noon", "noon", "unknown verb or map noon"),
    ("a row that is no row", "round_lot\n", "round_lot ->\n", "24:4", "unknown verb or map ->"),
    ("learn for a symbol", "-> symbol learn", "-> definition.asset learn", "learn", "learn is for symbol"),
    ("unknown field in a condition", "when state == O", "when stage == O", "stage", "has no field stage"),
    ("no condition", "when state == O | C", "when state is O", "is O", "expected == or !="),
    ("no character", "== O | C", "== Open", "Open", "expected one character, found Open"),
    ("mask of last", "last flags & 1", "last flags", "last flags", "expected &"),
    ("message type twice", "message H 13", "message L 13", "message L 13", "is defined twice"),
    ("lengths", "message D 32/36", "message D 36/32", "36/32", "expected lengths in rising order"),
    ("message without event", "\tevent mbp\n", "", "mbp.side", "makes no mbp"),
    ("vector of an unknown type", "'H' 00 0000 ea03000000000000 'H'", "'K' 00 0000 ea03000000000000 'H'", "halted\"", "no known type (75)"),
    ("vector too short", "d204000000000000\n\texpect mbp ts_event_ns=1001 instrument_id=7", "d2040000\n\texpect mbp ts_event_ns=1001 instrument_id=7", "level of 500", "22 bytes; expected 26"),
    ("vector not hex", "'H' 00 0000 ea03000000000000 'O'", "'H' 00 000 ea03000000000000 'O'", "'H' 00 000 ", "expected pairs of hex digits"),
    ("vector left out", VENUE[VENUE.index('vector "the market opens"'):], "", "message H", "has no vector"),
    ("vector's event", "expect system", "expect systems", "systems", "unknown event systems"),
    ("vector's field", "raw_code=O", "raw=O", "raw=O", "SystemEvent has no field raw"),
    ("vector's value", "code=START_OF_MARKET", "code=OPEN", "code=OPEN", "code has no value OPEN; expected one of"),
    ("vector before", 'after "instrument 7 with a segment"', 'after "instrument 6"', "instrument 6", "no vector"),
    ("vector twice", 'vector "the market is halted"', 'vector "the market opens"', "", "a second vector"),
    ("half a string", 'title       "Example', 'title       Example', "title", "expected a word, a number"),
    ("a line without a statement", VENUE, "\t0:1 x u8\n" + VENUE, "0:1 x u8", "expected a statement in the first column"),
    ("lines where none belong", "framing u16 inclusive", "framing u16 inclusive\n\t0:1 x u8", "0:1 x u8", "expected no indented line"),
    ("a part that is not there", "framing u16 inclusive", 'include "nothing.part"', "include", "cannot read"),
    ("a part that is none", "framing u16 inclusive", 'include "itch50.layout"', "include", "expected a file NAME.part"),
]


class Wrong(unittest.TestCase):
    def test_is_refused_with_its_line(self):
        for name, old, new, line, said in WRONG:
            with self.subTest(name):
                self.assertIn(old, VENUE)
                text = VENUE.replace(old, new, 1)
                with self.assertRaises(SchemaError) as caught:
                    read(text)
                where, message = str(caught.exception).split(": ", 1)
                self.assertIn(said, message)
                file, number = where.rsplit(":", 1)
                self.assertEqual(file, "example_feed.layout")
                self.assertIn(line, text.splitlines()[int(number) - 1])

    def test_no_change_is_without_effect(self):
        for name, old, new, _, _ in WRONG:
            self.assertNotEqual(VENUE, VENUE.replace(old, new, 1), name)


class Claims(unittest.TestCase):
    def claims(self, *texts):
        check.check_claims([layout.Reader(f"{n}.layout", t).read() for n, t in texts])

    def other(self, text):
        return ("other", text.replace("example_feed", "other", 1))

    def test_two_files_of_one_name_are_refused(self):
        with self.assertRaisesRegex(SchemaError, "the name example_feed is taken"):
            self.claims(("example_feed", VENUE), ("example_feed", VENUE))

    def test_the_same_datagrams_are_refused(self):
        with self.assertRaisesRegex(SchemaError, "other.layout:1: other and example_feed .* claim the same datagrams"):
            self.claims(("example_feed", VENUE), self.other(VENUE))

    def test_a_fixed_value_tells_them_apart(self):
        self.claims(("example_feed", VENUE), self.other(VENUE.replace("= 0x5858", "= 0x5859")))

    def test_so_does_another_length_of_each_message(self):
        longer = VENUE.replace("32/36", "40").replace(" 26 ", " 27 ").replace("13 \"Heart", "14 \"Heart")
        longer = longer.replace("\t32:4   segment", "\t36:4 x u32 none \"x\"\n\t32:4   segment")
        longer = longer.replace("\t18:8   price", "\t26:1 x u8 none \"x\"\n\t18:8   price")
        longer = longer.replace("\t12:1   state", "\t13:1 x u8 none \"x\"\n\t12:1   state")
        self.claims(("example_feed", VENUE), self.other(longer))

    def test_who_is_never_recognised_claims_nothing(self):
        self.claims(("example_feed", VENUE), self.other(VENUE.replace("sequence    message", "recognise never")))


class CommandLine(unittest.TestCase):
    def run_schemac(self, folder, *files):
        from schemac import __main__
        err, sys.stderr = sys.stderr, open(os.path.join(folder, "err"), "w+", encoding="utf-8")
        try:
            rc = __main__.main(["decoders", "--proto", os.path.join(ROOT, "proto"), "--out", folder + "/gen",
                                "--docs", folder + "/docs", *files])
            sys.stderr.seek(0)
            return rc, sys.stderr.read()
        finally:
            sys.stderr.close()
            sys.stderr = err

    def test_a_file_makes_a_decoder_a_page_and_a_row_of_the_table(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "example_feed.layout")
            with open(path, "w", encoding="utf-8") as f:
                f.write(VENUE)
            rc, err = self.run_schemac(folder, path, os.path.join(ROOT, "schemas/itch50.layout"))
            self.assertEqual((rc, err), (0, ""))
            with open(folder + "/gen/protocols.c", encoding="utf-8") as f:
                table = f.read()
            self.assertLess(table.index("&example_feed_protocol"), table.index("&itch50_protocol"))
            for name in ("gen/example_feed.c", "gen/itch50.c", "gen/vectors.c", "docs/example_feed.md"):
                self.assertTrue(os.path.getsize(os.path.join(folder, name)), name)

    def test_a_wrong_file_is_an_error_with_its_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "example_feed.layout")
            with open(path, "w", encoding="utf-8") as f:
                f.write(VENUE.replace("u32.2", "u33"))
            rc, err = self.run_schemac(folder, path)
            self.assertEqual(rc, 1)
            line = next(i for i, text in enumerate(VENUE.splitlines(), 1) if "u32.2" in text)
            self.assertTrue(err.startswith(f"{path}:{line}: unknown type u33"), err)
            self.assertFalse(os.path.exists(folder + "/gen/protocols.c"))

    def test_a_file_without_vectors_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "example_feed.layout")
            with open(path, "w", encoding="utf-8") as f:
                f.write(VENUE[:VENUE.index("vector")])
            rc, err = self.run_schemac(folder, path)
            self.assertEqual(rc, 1)
            self.assertIn("expected vectors", err)


if __name__ == "__main__":
    unittest.main()
