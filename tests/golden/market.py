#!/usr/bin/python3
"""Market data field by field: captures, a message file and samples against answers made by an independent dissector.

usage: market.py [BUILD]
Every event must be equal to what the answer says, presence included, and every field of the answer must be read or be
in a list of what no event carries. What it checks and how: README.md. Captures are under $PCAP_CORPUS; needs
pkt-sniffer, events.binpb and docs/protocols of the build. Prints ok, not ok and skip lines.

Where the dissector and the wire differ, the wire holds; these are the dissector's:
* CME InstAttribValue: its four bytes are printed in wire order, but the number is little-endian.
* IEX extension number of an auction: a byte, printed as a character.
* CME optional prices that are null are printed as -nan.
"""
import gzip
import json
import os
import struct
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUILD", "build"))
CORPUS = os.path.join(os.environ.get("PCAP_CORPUS", os.path.join(ROOT, "..", "shared", "data")), "market")
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))  # events_io
failed = 0


def check(good, text, why=""):
    global failed
    failed += not good
    print(("ok - " if good else "not ok - ") + text + (f": {why}" if why and not good else ""), flush=True)


try:
    import google.protobuf  # noqa: F401
except ImportError:
    print("skip - market: google.protobuf is missing for /usr/bin/python3")
    sys.exit(0)
from market import cme, corpus, iex, itch, mutants, pages, stream, sums  # noqa: E402
from market.events import Program, differences  # noqa: E402

CAPTURES = [
    ("cme-mdp3-sbe-v1.6.pcapng", cme.Cme, sums.cme),
    ("cme-mdp3-sbe-v1.8-volume.pcap", cme.Cme, sums.cme),
    ("iex-deep-v1.0.part1.pcap", lambda: iex.Iex("iex_deep"), sums.iex),
    ("iex-tops-v1.6.part1.pcap", lambda: iex.Iex("iex_tops"), sums.iex)]
SAMPLES = {
    "Cme.Mdp3.": cme.Cme, "Iex.Deep.": lambda: iex.Iex("iex_deep"), "Iex.Tops.": lambda: iex.Iex("iex_tops"),
    "Nasdaq.Nasdaq.Equities.TotalView": itch.Itch, "Nasdaq.Bx.Equities.TotalView": itch.Itch,
    "Memx.Equities.MemiorDepth.v1.3__StockTradingAction": itch.Itch}
LEFT_OUT = {"cme_mdp3": cme.LEFT_OUT, "iex_deep": iex.LEFT_OUT, "iex_tops": iex.LEFT_OUT, "itch50": itch.LEFT_OUT}
# Read by hand from their bytes: the dissector knows no CME session messages (schema 2), and takes the one packet of
# Nasdaq's that stands among MEMX's for one of MEMX.
BY_HAND = {
    "Cme.Mdp3.Sbe.v1.12__SecurityListRequest.Tcp.pcap": {
        "venue": "XCME", "seq": 2, "ts_send_ns": 0x16A2C2E15559FDA0, "session": "2021-W36", "template_id": 208,
        "flags": 1,
        "system": {"text": "MDReqID=1 SubscriptionReqType=1 SecurityID.1=11827320 SecurityID.2=11827357"}},
    "Memx.Equities.MemiorDepth.v1.3__StockTradingActionMessage.pcap": {
        "venue": "XNAS", "seq": 0x73C0, "session": "000010059B", "template_id": ord("H"), "flags": 1,
        "ts_event_ns": itch.midnight_ns(2023, 8, 22) + 0x0A30E7948132, "instrument_id": 0x23D0, "symbol": "SHYG",
        "status": {"state": "STATE_TRADING", "raw_state": "T", "scope": "SCOPE_INSTRUMENT"}}}
# Summer, winter, and the trading days behind both changes of the clock: the exchange's midnight is in another zone.
DAYS = [(2023, 8, 22), (2024, 1, 16), (2024, 3, 11), (2023, 11, 6)]


class Seen:
    """What all answers hold: kinds of messages and of events, for the checks that do not need every one."""

    def __init__(self):
        self.headers, self.messages, self.packets, self.events = {}, {}, {}, {}

    def answer(self, make, tree, capture):
        protocol = make()
        self.headers.setdefault(protocol.page, set()).add(tuple(protocol.header(tree)))
        fresh = False
        messages = tree.get("message") or tree.get("tcpmessage") or []
        for message in messages if isinstance(messages, list) else [messages]:
            code = message["messageheader"].get("templateid") or ord(message["messageheader"]["messagetype"])
            structures = [part for name, part in message.items()
                          if name not in ("messagesize", "tcpmessagesize", "messageheader")]
            blocks = pages.blocks_of(structures[0]) if structures else []
            key = code, tuple(block and tuple(block) for block in blocks)
            kinds = self.messages.setdefault(protocol.page, set())
            fresh |= key not in kinds
            kinds.add(key)
        if fresh:
            self.packets.setdefault(protocol.page, []).append((make, tree, capture))

    def event(self, event):
        some = self.events.setdefault((event.WhichOneof("payload"), event.template_id), [])
        if len(some) < 3:
            some.append(event)


def compare(program, seen, name, path, answers, capture, make, *options):
    """One capture. Returns its events."""
    try:
        want, unread = stream.expected(answers, capture, make())
    except (stream.Surprise, KeyError) as error:
        check(False, f"{name}: the answer is understood", repr(error))
        return []
    got, ledger = program.events(path, *options)
    want = program.wanted(want)
    found = differences(got, want)
    check(not found, f"{name}: {len(want)} events equal the answer, every field of them", "; ".join(found))
    check(not unread, f"{name}: every field of the answer was read", ", ".join(sorted(unread)))
    stage = ledger["message"]
    first = list(stream.first_copies(answers, capture, make()))
    messages = sum(len(part) if isinstance(part, list) else 1 for _, _, tree, _ in first
                   for part in [tree.get("message") or tree.get("tcpmessage") or []])
    check((stage.entered, stage.left) == (messages, messages), f"{name}: all {messages} messages decoded",
          f"{stage.left} of {stage.entered}")
    for frame, tree in answers:
        seen.answer(make, tree, {"ts_recv_ns": capture[frame][0]})
    for event in got:
        seen.event(event)
    return got


def with_lengths(program, path, answers):
    """Writes the file as Nasdaq does, each length where a zero stands. Returns its name."""
    with open(path, "rb") as file, gzip.open(program.out + ".gz", "wb", 1) as out:
        for _, tree in answers:
            for message in tree["message"]:
                length = int(message["messageheader"]["messagelength"])
                out.write(struct.pack(">H", length) + file.read(2 + length)[2:])
    return program.out + ".gz"


def message_file(program, seen, name):
    path = os.path.join(CORPUS, name)
    answers = corpus.answers(path)
    with open(path + ".expected.json", encoding="utf-8") as file:
        counts = json.load(file)["message_counts_by_length_table"]
    for day in DAYS + [None]:
        options = ["--date", f"{day[0]}{day[1]:02}{day[2]:02}"] if day else []
        protocol, want, unread = itch.Itch(itch.midnight_ns(*day) if day else 0), [], set()
        for _, tree in answers:
            events, left = protocol.packet(tree, {})
            want += [dict(event, session=None) for event in events]  # a file has no session
            unread |= left
        got, _ = program.events(path, "--format", "itch50-nolength", *options)
        found = differences(got, program.wanted(want))
        check(not found, f"{name}, day {options[1] if day else 'unknown'}: {len(want)} events equal the answer",
              "; ".join(found))
        check(not unread, f"{name}: every field of the answer was read", ", ".join(sorted(unread)))
    other = program.events(with_lengths(program, path, answers), "--feed", "itch50,venue=XBOS,channel=3")[0]
    found = differences(other, program.wanted(dict(event, venue="XBOS", channel=3) for event in want))
    check(not found, f"{name} with true lengths, as BinaryFILE.gz of a named feed: the same events", "; ".join(found))
    check(sums.messages(got) == counts, f"{name}: messages of each type", f"{sums.messages(got)}, {counts}")
    for _, tree in answers:
        seen.answer(lambda: itch.Itch(0), tree, {})
    for event in got:
        seen.event(event)


def by_hand(program, name, path, fields):
    (ts_recv_ns, _), = corpus.only_packet(path).values()
    want = dict(fields, ts_recv_ns=ts_recv_ns, feed=1, ts_quality="TS_QUALITY_FILE")
    found = differences(program.events(path)[0], program.wanted([want]))
    check(not found, f"{name}: equals what its bytes say", "; ".join(found))


def samples(program, seen):
    folder = os.path.join(CORPUS, "samples")
    for name, tree in corpus.samples(folder, tuple(SAMPLES)):
        path = os.path.join(folder, name)
        make = next(make for prefix, make in SAMPLES.items() if name.startswith(prefix))
        if name in BY_HAND:
            by_hand(program, name, path, BY_HAND[name])
        elif tree is None:
            check(False, f"{name}: has an answer")
        else:
            compare(program, seen, name, path, [(1, tree)], corpus.only_packet(path), make)


def reference_pages(seen):
    for name, messages in sorted(seen.messages.items()):
        path = os.path.join(BUILD, "docs", "protocols", name + ".md")
        found = pages.faults(path, seen.headers[name], messages, LEFT_OUT[name])
        check(not found, f"page {name}: has the fields of {len(messages)} kinds of messages, and leaves out the same",
              "; ".join(found))


def faults_noticed(seen):
    count, ignored = 0, []
    for name, packets in seen.packets.items():
        for make, tree, capture in packets:
            some, missed = mutants.answers_read(tree, capture, make, LEFT_OUT[name], cme.TELLING)
            count += some
            ignored += missed
    check(count and not ignored, f"{count} changes of single fields of the answers: each changes what must come out",
          ", ".join(ignored[:5]))
    count, unseen = 0, []
    for events in seen.events.values():
        for event in events:
            some, missed = mutants.events_compared(event)
            count += some
            unseen += missed
        some, missed = mutants.streams_compared(events)
        count += some
        unseen += missed
    check(count and not unseen, f"{count} changes of single fields and events of {len(seen.events)} kinds: each is "
          "noticed", ", ".join(unseen[:5]))


def main():
    if not os.path.isdir(CORPUS):
        print("skip - market: no captures under $PCAP_CORPUS")
        return 0
    seen = Seen()
    with tempfile.TemporaryDirectory() as scratch:
        program = Program(BUILD, scratch)
        for name, make, facts in CAPTURES:
            path = os.path.join(CORPUS, name)
            if not os.path.exists(path):
                print(f"skip - {name}: not under $PCAP_CORPUS")
                continue
            got = compare(program, seen, name, path, corpus.answers(path), corpus.packets(path), make)
            wrong = [f"{what}: {ours}, the answer {theirs}"
                     for what, ours, theirs in (facts(got, corpus.summary(path)) if got else []) if ours != theirs]
            check(got and not wrong, f"{name}: counts and sums are those of the answer's summary", "; ".join(wrong))
        message_file(program, seen, "itch50-ritch-example.bin")
        samples(program, seen)
    reference_pages(seen)
    faults_noticed(seen)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
