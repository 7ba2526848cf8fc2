#!/usr/bin/python3
"""A directory of captures gives the events of the one capture that mergecap makes of it.

usage: test_directory.py [BUILD]
The simulated exchange's capture is cut into lines and pieces that overlap in time, packed by the programs gzip and zstd, and
read with 1, 2 and 4 workers. A file that is cut short is told, the rest delivered; what is no capture is named."""
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build")
sys.path.insert(0, here)
import captures  # noqa: E402
from formats import pcapng  # noqa: E402
from support import failures, result, sniffed  # noqa: E402

sniff = functools.partial(sniffed, os.path.join(build, "pkt-sniffer"))
market = os.path.join(os.environ.get("PCAP_CORPUS", os.path.join(root, "..", "shared", "data")), "market")
FEEDS = [word for n in range(2) for line, group in (("A", "233.54.12."), ("B", "233.49.196."))
         for word in ("--feed", f"itch50@{group}{111 + n}:{26477 + n},channel={n},line={line}")]


def balanced(log):
    return "NOT balanced" not in log and "DIFFERENCE" not in log and "balanced" in log


def packed(path, program):
    subprocess.run([program, "-q", path], check=True)
    if os.path.exists(path):
        os.remove(path)


def pieces(folder, frames):
    """Lines A and B apart, all else in turns; every piece of them begins inside the one before."""
    lines = {"A": [], "B": [], "other": []}
    for frame in frames:
        to = captures.udp(frame.data)
        group = to[0] if to else ""
        lines["A" if "233.54." in group else "B" if "233.49." in group else "other"].append(frame)
    if not all(len(v) > 100 for v in lines.values()):
        raise RuntimeError({k: len(v) for k, v in lines.items()})
    half = len(lines["A"]) // 2
    captures.write(os.path.join(folder, "line-a.1.pcap"), lines["A"][:half])
    captures.write(os.path.join(folder, "line-a.2.pcap"), lines["A"][half:])
    captures.write(os.path.join(folder, "line-b.pcap"), lines["B"])
    with open(os.path.join(folder, "fix.pcapng"), "wb") as file:
        file.write(pcapng(lines["other"]))


def merged(folder, path):
    """As mergecap does it; of equal times it takes the last file's packet first, we the first's."""
    files = sorted((os.path.join(folder, name) for name in os.listdir(folder)), reverse=True)
    subprocess.run(["mergecap", "-F", "pcapng", "-w", path, *files], check=True, stderr=subprocess.DEVNULL)


def same(got, want):
    if set(got) != set(want):
        return f"streams {sorted(got)} instead of {sorted(want)}"
    for stream in want:
        for n, (a, b) in enumerate(zip(got[stream], want[stream])):
            if a != b:
                return f"event {n}: {json.dumps(a)[:300]} instead of {json.dumps(b)[:300]}"
        if len(got[stream]) != len(want[stream]):
            return f"{len(got[stream])} events, {len(want[stream])} wanted"
    return "" if want else "no events"


def exchange(folder):
    whole, parts, one = (os.path.join(folder, name) for name in ("whole.pcap", "parts", "one.pcapng"))
    os.mkdir(parts)
    subprocess.run([os.path.join(build, "feed-sim"), "--quiet", "--messages", "8000", "--instruments", "40", "--channels", "2", "--seed", "4", "--pcap", whole],
                   check=True, timeout=60)
    pieces(parts, captures.read(whole))
    merged(parts, one)
    packed(os.path.join(parts, "line-b.pcap"), "zstd")
    packed(os.path.join(parts, "line-a.2.pcap"), "gzip")
    status, want, log = sniff(one, *FEEDS)
    events = sum(map(len, want.values()))
    first = [{s: [{**e, "feed": 0} for e in events] for s, events in streams.items()} for streams in (want, sniff(whole, *FEEDS)[1])]
    why = same(*first)  # which line was first is open where both bear one time
    result(status == 0 and events > 16000 and not why, f"mergecap's file has the {events} events of the exchange", why)
    for workers in "1", "2", "4":
        status, got, log = sniff(parts, "--workers", workers, *FEEDS)
        result(status == 0 and not same(got, want) and balanced(log), f"lines and pieces, .gz and .zst, {workers} workers: the events of mergecap's file",
               f"exit status {status}: {same(got, want)}: {log[-300:]}")
    _, want, _ = sniff(one, "-c", "3000", *FEEDS, "udp")
    status, got, log = sniff(parts, "-c", "3000", "--workers", "2", *FEEDS, "udp")
    result(status == 0 and not same(got, want), "a filter and -c, 2 workers: as of mergecap's file", same(got, want))
    _, want, _ = sniff(one, "--loop", "2", *FEEDS)
    status, got, log = sniff(parts, "--loop", "2", "--workers", "2", *FEEDS)
    result(status == 0 and not same(got, want) and balanced(log), "--loop 2: as of mergecap's file", same(got, want))
    piped(folder, whole)
    broken(folder, parts)


def piped(folder, whole):
    """A .zst through a pipe, which comes in pieces, to one worker and to two."""
    _, want, _ = sniff(whole, *FEEDS)
    for workers in "1", "2":
        out = os.path.join(folder, "piped")
        with subprocess.Popen(["zstd", "-qc", "--long=27", whole], stdout=subprocess.PIPE) as zstd:
            done = subprocess.run([os.path.join(build, "pkt-sniffer"), "-r", "-", "-o", f"json:{out}", "--workers", workers, *FEEDS], timeout=100,
                                  stdin=zstd.stdout, stderr=subprocess.PIPE, text=True, check=False)
        n = sum(1 for line in open(out, encoding="utf-8") if '"ledger"' not in line and '"latency"' not in line)
        os.remove(out)
        result(done.returncode == 0 and n >= sum(map(len, want.values())) and balanced(done.stderr), f"a .zst through a pipe, {workers} workers: {n} events",
               f"exit status {done.returncode}: {done.stderr[-300:]}")


def broken(folder, parts):
    path = os.path.join(parts, "line-b.pcap.zst")
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.truncate(size * 3 // 5)
    with open(os.path.join(parts, "notes.txt"), "w") as file:
        file.write("captured on the ground floor\n")
    os.mkdir(os.path.join(parts, "older"))
    status, got, log = sniff(parts, "--workers", "2", *FEEDS)
    held = subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    cut = os.path.join(folder, "cut")
    shutil.copytree(parts, cut, ignore=lambda *_: ["older", "notes.txt", "line-b.pcap.zst"])
    with open(os.path.join(cut, "line-b.pcap"), "wb") as file:
        file.write(held)
    _, want, _ = sniff(cut, *FEEDS)
    result(status == 2 and not same(got, want) and balanced(log) and "file_damaged" in log and log.count("line-b.pcap.zst: cut short") == 1,
           "a .zst that is cut short: what zstd itself unpacks of it is delivered, the rest too, exit status 2", f"exit status {status}: {same(got, want)}: {log[-600:]}")
    result(log.count("notes.txt: skipped, it is no capture") == 1 and log.count("older: skipped, it is a directory") == 1, "what is no capture is named, once", log[:600])


def corpus(folder):
    """Captures of one feed cut into files by another program, editcap, as a rotation leaves them."""
    source = os.path.join(market, "cme-mdp3-sbe-v1.6.pcapng")
    if not os.path.exists(source):
        print("skip - directory of a real capture: no captures (set PCAP_CORPUS)")
        return
    parts = os.path.join(folder, "cme")
    os.mkdir(parts)
    subprocess.run(["editcap", "-c", "700", source, os.path.join(parts, "day.pcapng")], check=True, stderr=subprocess.DEVNULL)
    files = len(os.listdir(parts))
    status, got, log = sniff(parts)
    want = sniff(source)[1]
    result(status == 0 and files > 10 and not same(got, want), f"a real capture, rotated into {files} files, gives its events", f"{status}: {same(got, want)} {log[-300:]}")
    status, got, log = sniff(os.path.join(folder, "cme", "none"))
    result(status != 0 and "cannot be opened" in log, "no such directory: said")
    empty = os.path.join(folder, "empty")
    os.mkdir(empty)
    status, _, log = sniff(empty)
    result(status == 2 and "no packet in it: expected captures" in log, "an empty directory: said, exit status 2", f"{status} {log}")


def main():
    for tool in "mergecap", "editcap", "zstd", "gzip":
        if not shutil.which(tool):
            print(f"skip - directories: no {tool}")
            return 0
    with tempfile.TemporaryDirectory(prefix="directory.") as folder:
        exchange(folder)
        corpus(folder)
    return bool(failures)


sys.exit(main())
