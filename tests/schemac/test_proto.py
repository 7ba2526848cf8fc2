"""The reader of proto/ refuses what the build could not represent, with file, line and what was expected."""

import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "schemas"))

from schemac import events_c, proto  # noqa: E402
from schemac.ir import SchemaError  # noqa: E402

HEAD = 'syntax = "proto3";\npackage t.v1;\n'
GOOD = HEAD + """
// Which side.
enum Side {
  SIDE_UNSPECIFIED = 0;
  SIDE_BUY = 1; // behind: belongs to nothing
}
// A message
// of two lines.
message Order {
  message Part { uint64 size = 1; }
  // ns.
  fixed64 at_ns = 1;
  oneof price_opt { sint64 price_e9 = 2; }
  repeated Part parts = 3;
  map<string, string> notes = 4;
  Side side = 5;
  repeated float values = 6 [packed = true];
  Part first = 7;
  reserved 8, 9;
}
"""


def parse(text):
    return proto.parse({"t.proto": text})


# (what is wrong, text, line, words of the message)
WRONG = [
    ("proto2", 'syntax = "proto2";\n', 1, '"proto3"'),
    ("no syntax", "package t.v1;\n", 1, '"syntax"'),
    ("no package", 'syntax = "proto3";\nmessage A {}\n', 2, '"package"'),
    ("a stray character", HEAD + "message A { uint32 a = 1; }\n@", 4, "a token"),
    ("optional", HEAD + "message A {\n  optional uint32 a = 1;\n}", 4, "one-member oneof"),
    ("required", HEAD + "message A { required uint32 a = 1; }", 3, "a field"),
    ("int64", HEAD + "message A {\n\n  int64 a = 1; }", 5, "found int64"),
    ("an unknown type", HEAD + "message A { Order a = 1; }", 3, "found Order"),
    ("a number used twice", HEAD + "message A {\n  uint32 a = 1;\n  uint32 b = 1;\n}", 5, "1 is a"),
    ("a name used twice", HEAD + "message A { uint32 a = 1;\n  uint32 a = 2;\n}", 4, "a new name"),
    ("a reserved number", HEAD + "message A { reserved 3;\n  uint32 a = 3; }", 4, "not reserved"),
    ("a number reserved later", HEAD + "message A { uint32 a = 3;\n  reserved 3; }", 3, "not reserved"),
    ("number zero", HEAD + "message A { uint32 a = 0; }", 3, "from 1"),
    ("a number of three key bytes", HEAD + "message A { uint32 a = 2048; }", 3, "to 2047"),
    ("an unpacked array", HEAD + "message A { repeated uint32 a = 1; }", 3, "packed = true"),
    ("a packed scalar", HEAD + "message A { uint32 a = 1 [packed = true]; }", 3, "packed = true"),
    ("a repeated enum", HEAD + "enum E { E_UNSPECIFIED = 0; }\nmessage A { repeated E a = 1; }", 4, "repeated enum"),
    ("a map by number", HEAD + "message A { map<uint32, string> a = 1; }", 3, "as the key"),
    ("a map of bytes", HEAD + "message A { map<string, bytes> a = 1; }", 3, "found bytes"),
    ("a name that is C's", HEAD + "message A { uint32 register = 1; }", 3, "free in C"),
    ("a CamelCase field", HEAD + "message A { uint32 aB = 1; }", 3, "lower_snake_case"),
    ("an enum without zero", HEAD + "enum E {\n  E_ONE = 1;\n}", 4, "E_UNSPECIFIED = 0"),
    ("an enum value without prefix", HEAD + "enum E { E_UNSPECIFIED = 0;\n  ONE = 1;\n}", 4, "begins with E_"),
    ("a negative enum value", HEAD + "enum E { E_UNSPECIFIED = 0;\n  E_ONE = -1;\n}", 4, "from 0"),
    ("an alias", HEAD + "enum E { E_UNSPECIFIED = 0; E_A = 1;\n  E_B = 1;\n}", 4, "a new number"),
    ("an empty enum", HEAD + "enum E {\n}", 3, "values in enum E"),
    ("an empty oneof", HEAD + "message A {\n  oneof o { }\n}", 4, "a field in the oneof"),
    ("a message in itself", HEAD + "message A { repeated B b = 1; }\nmessage B { repeated A a = 1; }", 3, "itself"),
    ("scalars in a big oneof", HEAD + "message A { oneof o { uint32 a = 1;\n uint32 b = 2; } }", 3, "messages alone"),
    ("a missing import", HEAD + 'import "other.proto";\n', 3, "other.proto"),
    ("an import without semicolon", HEAD + 'import "t.proto"\nmessage A {}', 4, '";"'),
    ("an option on a field", HEAD + "message A { uint32 a = 1 [deprecated = true]; }", 3, '"packed"'),
    ("a name declared twice", HEAD + "message A {}\nenum A { A_UNSPECIFIED = 0; }", 4, "a new name"),
    ("the end too early", HEAD + "message A {\n  uint32 a = 1;\n", 5, "the end of the file"),
    ("a service", HEAD + "service S {}\n", 3, '"message"'),
]


class Reader(unittest.TestCase):
    def test_what_is_read(self):
        schema = parse(GOOD)
        order = schema.message("Order")
        self.assertEqual(order.comment, "A message of two lines.")
        self.assertEqual([(f.name, f.number, f.label, f.kind) for f in order.fields], [
            ("at_ns", 1, "one", "fixed64"), ("price_e9", 2, "opt", "sint64"), ("parts", 3, "many", "message"),
            ("notes", 4, "map", "string"), ("side", 5, "one", "enum"), ("values", 6, "many", "float"),
            ("first", 7, "one", "message")])
        self.assertEqual(order.field("at_ns").comment, "ns.")
        self.assertIs(order.field("parts").type, schema.message("Order.Part"))
        self.assertEqual(schema.enum("Side").values, {"SIDE_UNSPECIFIED": 0, "SIDE_BUY": 1})
        self.assertEqual([m.name for m in schema.messages], ["Order.Part", "Order"])  # parts first

    def test_wrong_schemas_are_refused_with_file_and_line(self):
        for what, text, line, words in WRONG:
            with self.subTest(what):
                with self.assertRaises(SchemaError) as caught:
                    parse(text)
                message = str(caught.exception)
                self.assertTrue(message.startswith(f"t.proto:{line}: expected "), message)
                self.assertIn(words, message)

    def test_every_prefix_is_refused_or_read(self):
        for end in range(len(GOOD)):
            try:
                parse(GOOD[:end])
            except SchemaError as error:
                self.assertRegex(str(error), r"^t\.proto:\d+: expected ")

    def test_another_package_is_refused(self):
        with self.assertRaisesRegex(SchemaError, r"^b\.proto:2: expected package t\.v1"):
            proto.parse({"a.proto": HEAD, "b.proto": 'syntax = "proto3";\npackage u.v1;\n'})

    def test_the_event_schema_needs_its_special_messages(self):
        with self.assertRaisesRegex(SchemaError, "expected messages Event and EventBatch"):
            events_c.generate(parse(GOOD))


class EventSchema(unittest.TestCase):
    """The schema in proto/ itself."""

    @classmethod
    def setUpClass(cls):
        cls.schema = proto.load(os.path.join(ROOT, "proto"))

    def test_every_field_says_what_it_is(self):
        for msg in self.schema.messages:
            self.assertTrue(msg.comment, msg.name)
            for f in msg.fields:
                self.assertTrue(f.comment or f.label == "payload", f"{msg.name}.{f.name}")

    def test_units_end_the_names(self):
        for msg in self.schema.messages:
            for f in msg.fields:
                if f.kind == "fixed64" and f.name != "boot_id":
                    self.assertRegex(f.name, "^(ts_.*|.*_time|.*_after)_ns$", msg.name)
                if "price" in f.name and f.kind == "sint64":
                    self.assertRegex(f.name, "_e9$", msg.name)

    def test_hot_payloads_have_keys_of_one_byte(self):
        event = self.schema.message("Event")
        for name in ("mbo", "mbp", "bbo", "trade", "fix", "signal", "flow"):
            self.assertLess(event.field(name).number, 16)

    def test_the_generated_names_are_those_that_others_use(self):
        text = "\n".join(events_c.generate(self.schema)["event.h"])
        for word in ("struct ev_trade_fill {", "MBP_UPDATE_HAS_PRICE_E9 =", "MBO_ACTION_ADD = 1", "SIDE_BUY = 1",
                     "EVENT_FLAG_LAST = 1", "EVENT_MBP = 10", "struct ev_mbp_update mbp;",
                     "const struct ev_trade_fill *fills;", "uint32_t fills_n;"):
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main()
