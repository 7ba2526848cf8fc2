"""events_c: the event schema as C: structs (event.h), direct writers (event_write.[ch]), and tables that
describe the structs (event_fields.[ch]) for tests and readers that go through fields by name.

    python3 -m schemac events PROTO_FOLDER OUT_FOLDER

One message of the schema is special: Event, whose oneof of several members becomes `type` and a union.
"""

import argparse
import os

from . import event_fields, event_write
from .event_struct import BATCH, EVENT, TAIL, event_h
from .ir import SchemaError
from .proto import load


def check_special(schema):
    """What the generators below rely on."""
    event, batch = schema.message(EVENT), schema.message(BATCH)
    if not event or not batch or not schema.enum("SchemaVersion"):
        raise SchemaError(schema.messages[0].where if schema.messages else "proto",
                          "expected messages Event and EventBatch and an enum SchemaVersion")
    for msg in schema.messages:
        for f in msg.fields:
            if f.label == "payload" and msg is not event:
                raise SchemaError(f.where, "expected a oneof of several members in Event alone")
    for name in TAIL:
        if not event.field(name):
            raise SchemaError(event.where, f"expected a field {name} in Event")
    payload = [f.number for f in event.fields if f.label == "payload"]
    for f in event.fields:
        if f.name in TAIL and (not payload or f.number < payload[-1]):
            raise SchemaError(f.where, f"expected {f.name} behind the payloads")
    rows = batch.fields[0]
    if rows.number != 1 or rows.label != "many" or rows.type is not event:
        raise SchemaError(batch.where, "expected repeated Event as field 1 of EventBatch")


def generate(schema):
    """Returns {file name: lines}."""
    check_special(schema)
    return {"event.h": event_h(schema), "event_write.h": event_write.header(),
            "event_row.h": event_write.rows_header(schema), "event_write.c": event_write.source(schema), "event_fields.h": event_fields.header(schema),
            "event_fields.c": event_fields.source(schema)}


def main(argv):
    parser = argparse.ArgumentParser(prog="schemac events", description="proto/ to C")
    parser.add_argument("proto", help="folder of the .proto files")
    parser.add_argument("out", help="folder for event.h, event_write.[ch], event_row.h, event_fields.[ch]")
    args = parser.parse_args(argv)
    files = generate(load(args.proto))
    os.makedirs(args.out, exist_ok=True)
    for name, lines in files.items():
        with open(os.path.join(args.out, name), "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
