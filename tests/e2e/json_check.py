#!/usr/bin/env python3
"""Compares json: with google.protobuf on the same events.

json_check.py DESCRIPTORS FILE.pb FILE.json
FILE.pb holds what file: wrote, FILE.json what json: wrote from the same batches. Each line must be
the object that json_format makes of the event: field names of the .proto, 64-bit integers as text,
bytes as base64, enums by name, absent fields left out.
"""
import json
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


def event_class(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as f:
        files.ParseFromString(f.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    descriptor = pool.FindMessageTypeByName("events.v1.Event")
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def events(path, cls):
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        size = shift = 0
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield cls.FromString(data[at:at + size])
        at += size


def refuse_duplicates(pairs):
    out = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"{key} stands twice")
        out[key] = value
    return out


def main():
    cls = event_class(sys.argv[1])
    n = 0
    with open(sys.argv[3], encoding="utf-8") as lines:
        for event in events(sys.argv[2], cls):
            line = next(lines, None)
            if line is None:
                sys.exit(f"event {n}: no line for it")
            ours = json.loads(line, object_pairs_hook=refuse_duplicates)
            theirs = json.loads(json_format.MessageToJson(event, preserving_proto_field_name=True))
            if ours != theirs:
                keys = [k for k in {**ours, **theirs} if ours.get(k) != theirs.get(k)]
                sys.exit(f"event {n}: differs in {keys}\nours   {ours}\ntheirs {theirs}")
            back = json_format.Parse(line, cls())
            if back.SerializeToString(deterministic=True) != event.SerializeToString(deterministic=True):
                sys.exit(f"event {n}: does not read back as itself")
            n += 1
        if next(lines, None) is not None:
            sys.exit("more lines than events")
    print(f"{n} events equal")


main()
