#!/usr/bin/env python3
"""Google's protobuf, with nothing but the descriptor set, reads what the C writers wrote: every field is what
was put in, and packing again gives the same bytes.

    test_descriptors.py DUMP_EVENTS EVENTS.binpb      (needs python3-protobuf)
"""

import os
import struct
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as F

COUNT = 40


def classes(path):
    """{full name: class} of a descriptor set that must be complete in itself."""
    with open(path, "rb") as f:
        files = descriptor_pb2.FileDescriptorSet.FromString(f.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName("events.v1." + name))
            for name in ("Event", "EventBatch")}


def value(v, kind):
    if kind == F.TYPE_STRING:
        return v.encode().hex()
    if kind == F.TYPE_BYTES:
        return v.hex()
    if kind == F.TYPE_FLOAT:
        return struct.pack(">f", v).hex()
    if kind == F.TYPE_DOUBLE:
        return struct.pack(">d", v).hex()
    return str(int(v))


def lines(msg, prefix=""):
    """What dump_events prints of a message."""
    for field, v in msg.ListFields():
        path = prefix + field.name
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            for key in sorted(v):
                yield f"{path}{{{key.encode().hex()}}}={value(v[key], entry.fields_by_name['value'].type)}"
        elif prefix == "" and field.name == "events":
            continue
        else:
            many = field.label == F.LABEL_REPEATED
            for i, one in enumerate(v if many else [v]):
                at = f"{path}[{i}]" if many else path
                if entry is not None:
                    yield at
                    yield from lines(one, at + ".")
                else:
                    yield f"{at}={value(one, field.type)}"


def main(dump, descriptors):
    cls = classes(descriptors)
    events = fields = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([dump, folder, "7", str(COUNT)], check=True)
        for n in range(COUNT):
            def read(kind, mode="rb", n=n):
                with open(os.path.join(folder, f"{n}.{kind}"), mode) as f:
                    return f.read()

            data, lone, want = read("batch"), read("lone"), read("txt", "r").splitlines()
            batch = cls["EventBatch"].FromString(data)
            got = []
            for event in batch.events:
                got += ["event"] + list(lines(event))
                (length,), lone = struct.unpack("<I", lone[:4]), lone[4:]
                bytes_, lone = lone[:length], lone[length:]
                assert cls["Event"].FromString(bytes_) == event, f"batch {n}: a lone event differs from its row"
                assert event.SerializeToString(deterministic=True) == bytes_, f"batch {n}: packed again, it differs"
            got += ["batch"] + list(lines(batch))
            for i, (g, w) in enumerate(zip(got, want)):
                assert g == w, f"batch {n}, line {i + 1}: read {g}, put in {w}"
            assert len(got) == len(want), f"batch {n}: read {len(got)} lines, put in {len(want)}"
            assert batch.SerializeToString(deterministic=True) == data, f"batch {n}: packed again, it differs"
            assert not lone and len(batch.events) > 20
            events += len(batch.events)
            fields += len(want)
    print(f"ok - {events} events, {fields} fields: read as put in, packed again to the same bytes")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
