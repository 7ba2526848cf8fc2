"""The captures and their answers: times and lines of frames, decoded trees, sums."""
import csv
import gzip
import json
import os
import struct


def opened(path):
    return gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")


def answers(path):
    """[(frame, tree)] of a capture."""
    with opened(path + ".messages.jsonl.gz") as lines:
        return [(line["frame"], line["p"]) for line in map(json.loads, lines)]


def summary(path):
    with opened(path + ".messages.summary.json") as file:
        return json.load(file)


def packets(path):
    """frame -> (receive time in ns, destination), from the table that another program made of the capture."""
    table = path + ".packets.csv"
    with opened(table if os.path.exists(table) else table + ".gz") as rows:
        return {int(row["frame.number"]): (int(row["frame.time_epoch"].replace(".", "")), row["ip.dst"])
                for row in csv.DictReader(rows)}


def only_packet(path):
    """The same of a pcap of one packet, from its bytes."""
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[0] in (0xD4, 0x4D) else ">"
    unit = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}[struct.unpack(order + "I", data[:4])[0]]
    seconds, fraction, length = struct.unpack(order + "3I", data[24:36])
    if 40 + length != len(data):
        raise ValueError(f"{path}: not one packet")
    return {1: (seconds * 10**9 + fraction * unit, "")}


def samples(folder, prefixes):
    """[(file, tree or None)] of the captures of one packet, by name."""
    trees = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".expected.jsonl"):
            with opened(os.path.join(folder, name)) as lines:
                trees.update((line["file"], line["p"]) for line in map(json.loads, lines))
    return [(name, trees.get(name)) for name in sorted(os.listdir(folder))
            if name.endswith(".pcap") and name.startswith(prefixes)]
