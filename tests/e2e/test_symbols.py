#!/usr/bin/python3
"""--symbols keeps what Python keeps of the unfiltered events: by name, by pattern, by number; and counts the rest.

usage: test_symbols.py [BUILD]
Simulated ITCH (the name is on some messages, the number on all), CME (the name in definitions alone), IEX (no number) and
FIX (Symbol, tag 55). Gaps, system events, trading status and definitions stay, and what names no instrument."""
import base64
import functools
import json
import os
import re
import subprocess
import sys
import tempfile

from support import failures, result, sniffed

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build")
sniff = functools.partial(sniffed, os.path.join(build, "pkt-sniffer"), without=("event_no",))
market = os.path.join(os.environ.get("PCAP_CORPUS", os.path.join(root, "..", "shared", "data")), "market")
INSTRUMENT = "mbo", "mbp", "bbo", "trade", "imbalance", "stats"


class Wanted:
    """Patterns as Python has them: names by regular expressions, numbers by equality."""

    def __init__(self, patterns):
        words = patterns.split(",")
        self.ids = {w[1:] for w in words if w[0] == "#"}
        self.names = [re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in w) + r"\Z") for w in words if w[0] != "#"]

    def name(self, text):
        return any(p.match(text) for p in self.names)

    def __call__(self, event):
        if "fix" in event:
            texts = [base64.b64decode(tag.get("value", "")).decode("latin-1") for tag in event["fix"].get("tags", []) if tag["tag"] == 55]
            return not texts or any(map(self.name, texts))
        if not any(kind in event for kind in INSTRUMENT):
            return True
        number, name = event.get("instrument_id", "0"), event.get("symbol", "")
        return number in self.ids or (self.name(name) if name else number == "0")


def check(text, source, patterns, *options, unfiltered=None, least=1):
    want, all_n, kept = {}, 0, Wanted(patterns)
    for stream, events in (unfiltered or sniff(source, *options)[1]).items():
        all_n += len(events)
        left = [e for e in events if kept(e)]
        if left:
            want[stream] = left
    n = sum(map(len, want.values()))
    status, got, log = sniff(source, "--symbols", patterns, *options)
    dropped = sum(int(x) for x in re.findall(r"(\d+)  dropped: not_selected ", log))
    why = ""
    for stream in set(got) | set(want):
        a, b = got.get(stream, []), want.get(stream, [])
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            why = f"stream {stream}: {len(a)} events, {len(b)} wanted; at {at}: {json.dumps(a[at:at + 1])[:300]} instead of {json.dumps(b[at:at + 1])[:300]}"
    result(status == 0 and not why and least <= n < all_n and dropped == all_n - n and "NOT balanced" not in log,
           f"{text}, {patterns}: {n} of {all_n} events, as Python chooses", why or f"exit status {status}, {dropped} dropped: {log[-500:]}")


def names_of(streams, kind):
    return sorted({e["symbol"] for events in streams.values() for e in events if kind in e and "symbol" in e})


def itch(folder):
    source, late = os.path.join(folder, "sim.pcap"), os.path.join(folder, "late.pcap")
    subprocess.run([os.path.join(build, "feed-sim"), "--quiet", "--messages", "12000", "--channels", "2", "--instruments", "60", "--seed", "8",
                    "--pcap", source], check=True, timeout=60)
    events = sniff(source)[1]
    names = names_of(events, "mbo")
    number = next(e["instrument_id"] for s in events.values() for e in s if "mbo" in e and e["symbol"] == names[5])
    check("ITCH", source, names[0], unfiltered=events)
    check("ITCH", source, f"{names[1][:2]}*,?{names[2][1:]},#{number}", unfiltered=events)
    check("ITCH, 2 workers", source, f"{names[3]},*{names[4][-1]}", "--workers", "2", unfiltered=events)
    check("ITCH, no such instrument", source, "NOSUCH", unfiltered=events, least=20)
    subprocess.run(["editcap", "-r", source, late, "2500-9999999"], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    check("ITCH without its directory", late, f"{names[0]},{names[6]}")
    check("ITCH without its directory", late, f"#{number}")


def mdp3(folder):
    """Names stand in definitions alone, which come once in a while: before them there are numbers."""
    source = os.path.join(folder, "mdp3.pcap")
    subprocess.run([os.path.join(build, "feed-sim"), "--quiet", "--protocol", "mdp3", "--messages", "12000", "--instruments", "60", "--seed", "8",
                    "--no-fix", "--pcap", source], check=True, timeout=60)
    events = sniff(source)[1]
    names = names_of(events, "mbp")
    unnamed = sum("mbp" in e and "symbol" not in e for s in events.values() for e in s)
    number = next(e["instrument_id"] for s in events.values() for e in s if "mbp" in e)
    check(f"CME, {unnamed} events before their definition", source, f"{names[0]},{names[len(names) // 2][:-1]}*", unfiltered=events)
    check("CME, 2 workers", source, f"#{number},{names[-1]}", "--workers", "2", unfiltered=events)


def others():
    for text, name, kind, options in (("CME", "cme-mdp3-sbe-v1.6.pcapng", "trade", ()), ("CME with definitions", "cme-mdp3-sbe-v1.8-volume.pcap", "mbp", ()),
                                      ("IEX TOPS", "iex-tops-v1.6.part1.pcap", "bbo", ()), ("IEX DEEP", "iex-deep-v1.0.part1.pcap", "mbp", ()),
                                      ("FIX", "fixt11-jse-md.part1.fix", "fix", ()),
                                      ("FIX orders", "fix41-session.fix", "fix", ())):
        source = os.path.join(market, name)
        if not os.path.exists(source):
            print(f"skip - symbols of {text}: no captures (set PCAP_CORPUS)")
            continue
        events = sniff(source, *options)[1]
        names = names_of(events, kind)
        numbers = sorted({e["instrument_id"] for s in events.values() for e in s if kind in e and "instrument_id" in e})
        if names:
            check(text, source, f"{names[0]},{names[len(names) // 2][:-1]}*", *options, unfiltered=events)
        if numbers:
            check(text, source, f"#{numbers[0]},#{numbers[-1]}", *options, unfiltered=events)
        if not names and not numbers:
            print(f"skip - symbols of {text}: it names none")


def words():
    for value, says in (("", None), ("AAPL,,ES*", "expected names or patterns"), ("#12x", "number of an instrument behind #"), (" ES* , #7 ", None)):
        done = subprocess.run([os.path.join(build, "pkt-sniffer"), "-r", "x.pcap", "--symbols", value, "--check"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
        result(done.returncode == (2 if says else 0) and (says or "sound") in done.stdout, f"--symbols '{value}': {says or 'taken'}", done.stdout)


def main():
    with tempfile.TemporaryDirectory(prefix="symbols.") as folder:
        words()
        itch(folder)
        mdp3(folder)
        others()
    return bool(failures)


sys.exit(main())
