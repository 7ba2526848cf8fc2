"""decoders: the command that turns schema files into C decoders, reference pages and test vectors.

    schemac decoders --proto proto --out BUILD/gen --docs BUILD/docs/protocols FILE.layout FILE.map …
"""

from __future__ import annotations

import argparse
import os
from typing import List

from . import check, decoder_c, layout, model, reference, vectors
from . import map as map_file
from .ir import ENVELOPE, Protocol, SchemaError


def read(path: str) -> Protocol:
    if path.endswith(".layout"):
        return layout.read(path)
    if path.endswith(".map"):
        return map_file.read(path)
    raise SchemaError(f"{path}:1", "expected a file NAME.layout or NAME.map")


def load(paths: List[str], proto: str):
    """Reads and checks everything. Returns (protocols ordered by name, model)."""
    events = model.load(proto)
    protocols = [read(path) for path in paths]
    check.check_claims(protocols)
    for protocol in protocols:
        check.bind(protocol, events)
        vectors.check(protocol, events)
        if not protocol.vectors and protocol.where.rpartition(":")[0].endswith(".layout"):
            raise SchemaError(protocol.where, "expected vectors: each message type composed in hex, with its events")
    return sorted(protocols, key=lambda p: p.name), events


def save(folder: str, name: str, text: str) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(text)


def main(argv: List[str]) -> None:
    parser = argparse.ArgumentParser(prog="schemac decoders", description="schema files to C")
    parser.add_argument("--proto", required=True, help="folder of the .proto files")
    parser.add_argument("--out", required=True, help="folder for NAME.c, protocols.c, protocols.h, vectors.c")
    parser.add_argument("--docs", required=True, help="folder for NAME.md")
    parser.add_argument("files", nargs="+", help="NAME.layout and NAME.map")
    args = parser.parse_args(argv)
    protocols, events = load(args.files, args.proto)
    os.makedirs(args.out, exist_ok=True)
    os.makedirs(args.docs, exist_ok=True)
    for protocol in protocols:
        save(args.out, protocol.name + ".c", decoder_c.write_protocol(protocol, events))
        save(args.docs, protocol.name + ".md", reference.write(protocol, ENVELOPE))
    save(args.out, "protocols.c", decoder_c.write_table(protocols))
    save(args.out, "protocols.h", decoder_c.write_header(protocols))
    save(args.out, "vectors.c", vectors.write(protocols, events))
