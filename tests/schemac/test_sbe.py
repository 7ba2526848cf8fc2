"""SBE XML and .map files: what is right is read as it is meant, what is wrong is refused with file, line and what was
expected."""

import os
import re
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "schemas"))

from schemac import check, decoder_c, map as map_file, model, reference, sbe, vectors  # noqa: E402
from schemac.ir import ENVELOPE, SchemaError  # noqa: E402

MODEL = model.load(os.path.join(ROOT, "proto"))

XML = """<?xml version="1.0"?>
<messageSchema package="t" id="7" version="3" byteOrder="bigEndian" headerType="head">
	<types>
		<composite name="head">
			<type name="blockLength" primitiveType="uint16"/>
			<type name="templateId" primitiveType="uint8"/>
			<type name="schemaId" primitiveType="uint8"/>
			<type name="version" primitiveType="uint16"/>
		</composite>
		<composite name="size">
			<type name="blockLength" primitiveType="uint16"/>
			<type name="numInGroup" primitiveType="uint8" offset="7"/>
		</composite>
		<composite name="px">
			<type name="mantissa" primitiveType="int64" presence="optional" nullValue="9223372036854775807"/>
			<type name="exponent" primitiveType="int8" presence="constant">-4</type>
		</composite>
		<composite name="month">
			<type name="year" primitiveType="uint16"/>
			<type name="month" primitiveType="uint8"/>
			<type name="day" primitiveType="uint8" presence="optional"/>
		</composite>
		<type name="text4" primitiveType="char" length="4"/>
		<type name="fixed" primitiveType="char" length="1" presence="constant">x</type>
		<enum name="Side" encodingType="char">
			<validValue name="Buy">B</validValue>
			<validValue name="Sell">S</validValue>
		</enum>
		<set name="Marks" encodingType="uint8">
			<choice name="End">7</choice>
			<choice name="Test">0</choice>
		</set>
	</types>
	<message name="Order" id="1" blockLength="20">
		<field name="Time" type="uint64"/>
		<field name="Source" type="fixed"/>
		<field name="Marks" type="Marks" offset="10"/>
		<field name="Note" type="text4" sinceVersion="2"/>
		<group name="Rows" blockLength="20" dimensionType="size" sinceVersion="1">
			<field name="Price" type="px"/>
			<field name="Size" type="int32" presence="optional" offset="8"/>
			<field name="Side" type="Side"/>
		</group>
	</message>
	<message name="Idle" id="2" blockLength="0"/>
</messageSchema>
"""

MAP = """protocol test_feed
	title "A test"
	venue XTST
	schema t.xml
	sequence packet
	last Marks End
	framing u16 exclusive
	header 8
		0 u64 Seq seq
table side Buy=BUY Sell=SELL
table marks Test=TEST
message 1
	always
		ts_event_ns = Time
		flags = Marks bits marks
	none Note "free text"
	group Rows
		mbo when Side is Buy Sell
			action = ADD
			price_e9 = Price
			size = Size
			side = Side via side
message 2
	system
		code = HEARTBEAT
"""


def line_of(text, part):
    """Number of the line where a part of a text begins."""
    return text[:text.index(part)].count("\n") + 1


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, xml=XML, text=MAP, vector=None):
        for name, body in (("t.xml", xml), ("t.map", text), ("t.vectors", vector)):
            if body is not None:
                with open(os.path.join(self.folder.name, name), "w", encoding="utf-8") as file:
                    file.write(body)
        return os.path.join(self.folder.name, "t.map")

    def read(self, xml=XML, text=MAP, vector=None):
        protocol = map_file.read(self.write(xml, text, vector))
        check.bind(protocol, MODEL)
        vectors.check(protocol, MODEL)
        return protocol

    def refused(self, line, what, **parts):
        """The build stops at FILE:line with this text."""
        with self.assertRaises(SchemaError) as caught:
            self.read(**parts)
        name, _, at = caught.exception.where.rpartition(":")
        self.assertEqual((os.path.basename(name), int(at)), line, str(caught.exception))
        self.assertRegex(str(caught.exception), what)


class Right(Folder):
    def test_the_header_may_be_any_composite(self):
        s = self.read().framing.sbe
        self.assertEqual((s.size, s.block_at, s.template_at, s.template_size, s.schema_at, s.schema_size, s.version_at),
                         (6, 0, 2, 1, 3, 1, 4))
        self.assertEqual((s.schemas, s.version_max), ((7,), 3))

    def test_fields_have_offsets_versions_and_nulls(self):
        order = self.read().messages[0]
        root = {w.name: w for w in order.root.fields}
        self.assertEqual(sorted(root), ["Marks", "Note", "Time"], "constants are not on the wire")
        self.assertEqual([(w.at, w.end, w.since, w.big) for w in (root["Time"], root["Marks"], root["Note"])],
                         [(0, 8, 0, True), (10, 11, 0, True), (11, 15, 2, True)])
        self.assertEqual(order.root.length, 11, "the oldest sender's block")
        rows = order.groups[0]
        price, size, _ = rows.entry.fields
        self.assertEqual((rows.dim_size, rows.count_at, rows.since, rows.entry.length), (8, 7, 1, 13))
        self.assertEqual((price.decimals, price.null), (4, 2**63 - 1))
        self.assertEqual(size.null, -2**31, "the default of SBE")

    def test_the_mark_of_the_last_message_is_a_bit(self):
        order, idle = self.read().messages
        self.assertEqual((order.last[0].name, order.last[1], idle.last), ("Marks", 0x80, True))

    def test_names_of_the_xml_become_values(self):
        emit = self.read().messages[0].groups[0].emits[0]
        self.assertEqual(emit.when[0].values, (ord("B"), ord("S")))
        self.assertEqual({s.target: s.table for s in emit.sets if s.table},
                         {"side": {ord("B"): 1, ord("S"): 2}, "flags": {1: MODEL.flags["TEST"]}})

    def test_the_c_is_the_same_every_time(self):
        first = decoder_c.write_protocol(self.read(), MODEL)
        self.assertEqual(first, decoder_c.write_protocol(self.read(), MODEL))
        self.assertIn("load_be64", first)

    def test_types_may_come_from_a_file_of_their_own(self):
        types = XML[XML.index("\t<types>"):XML.index("</types>") + 9]
        with open(os.path.join(self.folder.name, "u.xml"), "w", encoding="utf-8") as file:
            file.write(types)
        apart = XML.replace(types, '<xi:include href="u.xml"/>').replace(
            "<messageSchema", '<messageSchema xmlns:xi="http://www.w3.org/2001/XInclude"')
        self.assertEqual(decoder_c.write_protocol(self.read(xml=apart), MODEL),
                         decoder_c.write_protocol(self.read(), MODEL))

    def test_a_vector_needs_an_event_for_each_expect_line(self):
        both = MAP.replace("\tsequence", "\tvectors t.vectors\n\tsequence")
        text = ('vector "order"\n\t000b 01 07 0003  0000000000000001 0000 80\n\t0014 0000000000 00\n'
                '\texpect system ts_event_ns=1\nvector "idle"\n\t0000 02 07 0003\n\texpect system code=HEARTBEAT\n')
        self.assertEqual([v.title for v in self.read(text=both, vector=text).vectors], ["order", "idle"])
        self.refused(("t.vectors", 2), "expect", text=both, vector=text.replace("000b 01", "xx"))
        self.refused(("t.vectors", 4), "has no field colour", text=both,
                     vector=text.replace("ts_event_ns=1", "colour=1"))
        self.refused(("t.map", 24), "Idle has no vector", text=both, vector=text[:text.index('vector "idle"')])


class Cme(unittest.TestCase):
    """The field tables of versions 10, 11 and 13, which no capture here has."""

    @classmethod
    def setUpClass(cls):
        cls.protocol = map_file.read(os.path.join(ROOT, "schemas", "cme_mdp3.map"))
        check.bind(cls.protocol, MODEL)
        cls.messages = {m.type: m for m in cls.protocol.messages}

    def block(self, template, version, group=None):
        """Bytes that the fields of a version take."""
        message = self.messages[template]
        block = message.root if group is None else next(g.entry for g in message.groups if g.name == group)
        return max(w.end for w in block.fields if w.since <= version)

    def test_every_template_of_the_field_tables_is_mapped(self):
        known = {4, 12, 15, 16, 27, 29, 30, *range(32, 40), *range(41, 45), *range(46, 70),
                 *range(200, 204), *range(205, 211)}
        self.assertEqual(set(self.messages), known)

    def test_root_blocks_are_as_long_as_their_version(self):
        for template, lengths in {27: {5: 214, 6: 216, 9: 216}, 54: {9: 216, 10: 224, 13: 224},
                                  29: {5: 193, 6: 195}, 56: {9: 195, 10: 255, 12: 255},
                                  41: {5: 211, 6: 213}, 55: {9: 213, 10: 221, 13: 221},
                                  57: {10: 338, 13: 338}, 58: {10: 255, 11: 275, 13: 276},
                                  63: {12: 309, 13: 337}, 52: {9: 59}, 69: {12: 59}, 59: {10: 13}}.items():
            for version, length in lengths.items():
                with self.subTest(template=template, version=version):
                    self.assertEqual(self.block(template, version), length)

    def test_entries_grew_at_their_ends(self):
        for template, group, lengths in ((46, "NoMDEntries", {9: 27, 10: 31}), (35, "NoMDEntries", {6: 19, 7: 23}),
                                         (42, "NoMDEntries", {6: 26, 7: 30}), (58, "NoUnderlyings", {10: 108, 11: 118}),
                                         (62, "NoMDEntries", {11: 38}), (60, "NoOrderIDEntries", {10: 10})):
            for version, length in lengths.items():
                with self.subTest(template=template, version=version):
                    self.assertEqual(self.block(template, version, group), length)

    def test_groups_that_came_later_say_since_when(self):
        later = {(t, g.name): g.since for t, m in self.messages.items() for g in m.groups if g.since}
        self.assertEqual(later, {(32, "NoOrderIDEntries"): 7, (41, "NoRelatedInstruments"): 7,
                                 (58, "NoBrokenDates"): 13})

    def test_prices_have_7_decimals_below_template_46_and_9_from_there(self):
        for template, message in self.messages.items():
            for wire in map_file.wires(message):
                if wire.decimals in (7, 9):
                    self.assertEqual(wire.decimals, 7 if template < 46 else 9, (template, wire.name))

    def test_nothing_is_left_out_without_a_reason(self):
        page = reference.write(self.protocol, ENVELOPE)
        tail = page[page.index("## Wire fields that no event carries"):]
        self.assertEqual(sorted(set(re.findall(r"^\* \w+, ([\w.]+):", tail, re.M))),
                         ["AccessKeyID", "HMACSignature", "UnderlyingSecurityAltIDSource"])


class Wrong(Folder):
    def xml(self, old, new, text, at=None):
        """One change of the XML is refused at the line where it (or the text `at`) stands."""
        self.assertEqual(XML.count(old), 1, old)
        changed = XML.replace(old, new)
        self.refused(("t.xml", line_of(changed, at or new)), text, xml=changed)

    def map(self, old, new, text, at=None):
        self.assertEqual(MAP.count(old), 1, old)
        changed = MAP.replace(old, new)
        self.refused(("t.map", line_of(changed, at or new.strip())), text, text=changed)

    def test_xml_that_is_none(self):
        self.xml('<message name="Idle" id="2" blockLength="0"/>', "<message>", "mismatched tag; expected XML",
                 "</messageSchema>")

    def test_another_document(self):
        self.refused(("t.xml", 1), "expected <messageSchema>", xml="<schema/>")

    def test_a_doctype(self):
        self.xml('<?xml version="1.0"?>', '<!DOCTYPE x [<!ENTITY a "b">]>', "DOCTYPE is not taken")

    def test_byte_order(self):
        self.xml("bigEndian", "pdpEndian", "expected littleEndian or bigEndian")

    def test_an_unknown_element(self):
        self.xml('<message name="Idle" id="2" blockLength="0"/>', "<notice/>", "<notice>; expected <types>")

    def test_a_header_without_version(self):
        self.xml('<type name="version" primitiveType="uint16"/>', "", "has no version; expected the SBE header",
                 "<messageSchema")

    def test_an_unknown_type(self):
        self.xml('type="text4" sinceVersion="2"', 'type="text5"', "unknown type text5; expected a name of <types>")

    def test_an_unknown_primitive(self):
        self.xml('<type name="text4" primitiveType="char"', '<type name="text4" primitiveType="word"',
                 "primitiveType word; expected one of char")

    def test_an_array_of_numbers(self):
        self.xml('name="text4" primitiveType="char"', 'name="text4" primitiveType="uint16"',
                 "expected arrays of char only")

    def test_a_type_twice(self):
        self.xml('<set name="Marks"', '<set name="Side"', "type Side is there already")

    def test_a_value_twice(self):
        self.xml('<validValue name="Sell">S<', '<validValue name="Sell">B<', "Sell = B is there already")

    def test_a_bit_beyond_the_set(self):
        self.xml('<choice name="End">7<', '<choice name="End">8<', "bit 8; expected 0 to 7")

    def test_a_character_of_two(self):
        self.xml('<validValue name="Buy">B<', '<validValue name="Buy">BB<', "'BB'; expected one character")

    def test_an_exponent_above_zero(self):
        self.xml('presence="constant">-4<', 'presence="constant">4<', "exponent 4; expected zero or less",
                 '<composite name="px"')

    def test_fields_that_overlap(self):
        self.xml('type="Marks" offset="10"', 'type="Marks" offset="7"', "overlaps the field before it, which ends at 8")

    def test_a_field_past_its_block(self):
        self.xml('id="1" blockLength="20"', 'id="1" blockLength="14"', "Note ends at 15, behind blockLength 14",
                 '<field name="Note"')

    def test_a_version_that_is_not_yet(self):
        self.xml('sinceVersion="2"', 'sinceVersion="4"', "expected at most the schema's version 3")

    def test_an_old_field_behind_a_new_one(self):
        self.xml('<field name="Marks" type="Marks" offset="10"/>',
                 '<field name="Marks" type="Marks" sinceVersion="2"/>\n<field name="Old" type="Marks"/>',
                 "Old is older than a field before it", '<field name="Old"')

    def test_a_nested_group(self):
        self.xml('<field name="Side" type="Side"/>', '<group name="Inner"/>', "<group> in a group; expected <field>")

    def test_variable_data(self):
        self.xml('<message name="Idle" id="2" blockLength="0"/>',
                 '<message name="Idle" id="2"><data name="d"/></message>',
                 "<data>; expected <field> or <group>")

    def test_a_dimension_without_count(self):
        self.xml('name="numInGroup"', 'name="count"', "size has no numInGroup of 1 or 2 bytes", "<group")

    def test_a_template_twice(self):
        self.xml('name="Idle" id="2"', 'name="Idle" id="1"', r"Idle \(1\) is there already: .*t.xml:34")

    def test_a_number_that_is_none(self):
        self.xml('id="1" blockLength="20"', 'id="one" blockLength="20"', "id of <message> is 'one'; expected a whole")

    def test_an_unknown_statement(self):
        self.map("table marks", "tabel marks", "tabel; expected one of protocol, table")

    def test_spaces_that_indent(self):
        self.map("\ttitle", "    title", "indented too far; expected at most 1 tabs")

    def test_a_text_without_end(self):
        self.map('"A test"', '"A test', "without its closing quote")

    def test_a_missing_fact(self):
        self.map("\tvenue XTST\n", "", "expected the fact venue")

    def test_a_file_that_is_not_there(self):
        self.refused(("none.xml", 1), "cannot be read", text=MAP.replace("t.xml", "none.xml"))

    def test_a_template_that_is_not_mapped(self):
        self.map("message 2\n\tsystem\n\t\tcode = HEARTBEAT\n", "", r"Idle \(2\) is not mapped: expected message 2")

    def test_a_template_mapped_twice(self):
        self.map("message 2", "message 2 1", "template 1 is mapped twice")

    def test_an_unknown_template(self):
        self.map("message 2", "message 2 9", "no schema has a template 9")

    def test_a_field_that_goes_nowhere(self):
        self.refused(("t.xml", line_of(XML, '<field name="Note"')),
                 'Note goes nowhere: expected a target, or none "reason"',
                     text=MAP.replace('\tnone Note "free text"\n', ""))

    def test_a_field_that_is_not_there(self):
        self.map("size = Size", "size = Volume", "Order has no field Volume here; expected one of Marks, Note")

    def test_a_target_that_is_not_there(self):
        self.map("size = Size", "volume = Size", "Mbo has no field volume; expected one of action")

    def test_a_value_that_is_not_there(self):
        self.map("action = ADD", "action = ADDED", "has no value ADDED; expected one of UNSPECIFIED, ADD")

    def test_a_condition_on_no_value(self):
        self.map("Side is Buy Sell", "Side is Bid", "Side has no value Bid; expected a number or one of Buy, Sell")

    def test_an_event_that_is_not_there(self):
        self.map("\tsystem\n", "\tsytem\n", "unknown event sytem; expected one of anomaly")

    def test_a_table_with_a_hole(self):
        self.map("table side Buy=BUY Sell=SELL", "table side Buy=BUY", "table side has no Sell of Side", "side = Side")

    def test_a_table_with_a_name_of_no_field(self):
        self.map("Sell=SELL", "Sell=SELL Short=SELL", "no field that uses this table has a value Short")

    def test_a_table_that_is_not_there(self):
        self.map("via side", "via sides", "no table sides; expected one of side, marks")

    def test_a_price_to_a_size(self):
        self.map("size = Size", "size = Price", r"a number with decimals goes to a field \*_e9")

    def test_a_size_to_a_price(self):
        self.map("price_e9 = Price", "price_e9 = Size", "a price needs its decimals")

    def test_a_group_that_is_not_there(self):
        self.map("group Rows", "group Lines", "Order has no group Lines; expected one of Rows")

    def test_a_part_that_is_not_there(self):
        self.map("\tsystem\n", "\tuse rest\n\tsystem\n", "no part rest")

    def test_a_field_set_twice(self):
        self.map("size = Size", "size = Size\n\t\t\tsize = 1", "Mbo.size is set twice", "size = 1")


if __name__ == "__main__":
    unittest.main()
