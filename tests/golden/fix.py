#!/usr/bin/env python3
"""FIX captures and texts against answers made by an independent dissector, message by message, tag by tag.

Needs fix_dump (build it first) and the captures under $PCAP_CORPUS. Prints ok, not ok and skip lines.

Differences that are the dissector's are listed here, each with its reason:
* fix-ib-gateway.pcap, 575 entries without any tag: the gateway's own dialects, "8=O" (binary behind MsgType, no
  checksum) and "8=FIXCOMP" (zlib), which the dissector calls FIX by their first bytes and then gives up on. For us
  they are bytes that are no message: the packet makes no FixMessage for them.
* fix-ib-gateway.pcap, frame 480: tags 6040, 6566 and 9806 are on the wire (BodyLength and CheckSum count them) and in
  our message; the dissector lists no tag that its dictionary lacks.
"""
import csv
import gzip
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(os.environ.get("PCAP_CORPUS", os.path.join(ROOT, "..", "shared", "data")), "market")
DUMP = os.path.join(os.environ.get("BUILD", os.path.join(ROOT, "build")), "fix_dump")
NOT_IN_DICTIONARY = {("fix-ib-gateway.pcap", 480): {6040, 6566, 9806}}
failed = 0


def check(good, text):
    global failed
    failed += not good
    print(("ok - " if good else "not ok - ") + text)


def dump(path, *args):
    done = subprocess.run([DUMP, path, *args], stdout=subprocess.PIPE, check=True, timeout=300)
    lines = [json.loads(line) for line in done.stdout.decode("ascii").splitlines()]
    return lines[:-1], lines[-1]


def messages(lines):
    return [line for line in lines if line.get("event") == "fix"]


def tags(line):
    return [[tag, value] for tag, value in line["tags"]]


def first_difference(ours, theirs):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            return f"message {i}: ours {a}, theirs {b}"
    return f"{len(ours)} messages, theirs {len(theirs)}"


def typed(line):
    """What the typed fields must be, read from the tags in our own words."""
    first = {}
    for tag, value in line["tags"]:
        first.setdefault(tag, value)
    names = {11: "cl_ord_id", 41: "orig_cl_ord_id", 37: "order_id", 17: "exec_id", 150: "exec_type", 39: "ord_status",
             40: "ord_type", 59: "time_in_force", 1: "account", 58: "text", 1128: "appl_ver_id", 48: "security_id",
             207: "security_exchange", 54: "side_raw", 19: "exec_ref_id", 55: "symbol", 49: "sender", 56: "target",
             35: "msg_type", 8: "begin_string"}
    want = {name: first[tag] for tag, name in names.items() if tag in first}
    have = {name: line[name] for name in names.values() if name in line}
    for tag, name in {44: "price_e9", 31: "last_px_e9", 6: "avg_px_e9"}.items():
        if tag in first:
            whole, _, part = first[tag].partition(".")
            want[name] = int(whole + part.ljust(9, "0"))
        if name in line:
            have[name] = line[name]
    for tag, name in {38: "order_qty", 32: "last_qty", 151: "leaves_qty", 14: "cum_qty", 34: "msg_seq_num",
                      9: "body_length"}.items():
        want[name] = int(first.get(tag, 0))
        have[name] = line.get(name, 0)
    return have == want


def text(name, chunks):
    path = os.path.join(CORPUS, name)
    if not os.path.exists(path):
        print(f"skip - {name}: not under $PCAP_CORPUS")
        return
    with gzip.open(path + ".expected.jsonl.gz", "rt") as answers:
        theirs = [json.loads(line)["tags"] for line in answers]
    for chunk in chunks:
        lines, counts = dump(path, str(chunk))
        ours = [tags(line) for line in messages(lines)]
        check(ours == theirs, f"{name} in pieces of {chunk}: {len(theirs)} messages equal"
              + ("" if ours == theirs else "; " + first_difference(ours, theirs)))
        check(all(typed(line) for line in messages(lines)), f"{name}: typed fields say what the tags say")
        check(counts["bytes_in"] == os.path.getsize(path) == counts["bytes_out"] + counts["bytes_skipped"],
              f"{name}: every byte is in a message or counted as skipped")


def capture(name, wanted):
    path = os.path.join(CORPUS, name)
    if not os.path.exists(path):
        print(f"skip - {name}: not under $PCAP_CORPUS")
        return
    with open(path + ".expected.json", encoding="utf-8") as answers:
        answer = json.load(answers)["fix"]
    lines, counts = dump(path)
    theirs = [(entry["frame"], entry["tags"]) for entry in answer if entry["tags"]]
    ours = []
    for line in messages(lines):
        left_out = NOT_IN_DICTIONARY.get((name, line["packet"]), set())
        if left_out:
            check(left_out <= {tag for tag, _ in tags(line)}, f"{name}: packet {line['packet']} has the tags left out")
        ours.append((line["packet"], [field for field in tags(line) if field[0] not in left_out]))
    check(len(answer) == wanted, f"{name}: the answer has {wanted} entries")
    check(ours == theirs, f"{name}: {len(theirs)} messages equal"
          + ("" if ours == theirs else "; " + first_difference(ours, theirs)))
    check(all(typed(line) for line in messages(lines)), f"{name}: typed fields say what the tags say")
    check(counts["bytes_in"] == counts["bytes_out"] + counts["bytes_skipped"], f"{name}: bytes add up")
    check(counts["messages_in"] == counts["messages_out"] + counts["garbled"], f"{name}: messages add up")
    empty = [entry["frame"] for entry in answer if not entry["tags"]]
    whole = {}
    for frame, _ in ours:
        whole[frame] = whole.get(frame, 0) + 1
    with_tags = {}
    for frame, _ in theirs:
        with_tags[frame] = with_tags.get(frame, 0) + 1
    check(all(whole.get(frame, 0) == with_tags.get(frame, 0) for frame in empty),
          f"{name}: {len(empty)} entries of other dialects make no message")
    if empty:
        with gzip.open(path + ".packets.csv.gz", "rt") as packets:
            way = {int(row["frame.number"]): (row["ip.src"], row["tcp.srcport"], row["ip.dst"], row["tcp.dstport"])
                   for row in csv.DictReader(packets)}
        skipped = {line["packet"] for line in lines if "skipped" in line}
        since = {}
        for frame in sorted(skipped | set(whole)):
            since.setdefault(way[frame], frame)
        late = [frame for frame in empty if frame >= since.get(way[frame], 1 << 32)]
        check(late and all(frame in skipped for frame in late),
              f"{name}: {len(late)} of them came after FIX on their direction, and their bytes are counted as skipped")


def main():
    if not os.path.exists(DUMP):
        print(f"not ok - no {DUMP}: build the target fix_dump first")
        return 1
    capture("fix-ib-gateway.pcap", 609)
    capture("fixt11-generator.part1.pcap", 116)
    text("fixt11-jse-md.part1.fix", (65536, 1, 79))
    text("fix41-session.fix", (65536, 1, 7))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
