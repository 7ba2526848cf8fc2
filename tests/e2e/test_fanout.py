#!/usr/bin/python3
"""AF_PACKET with several workers: the kernel puts each packet into the ring of the worker that owns it; an interface that goes.

usage: test_fanout.py [BUILD]
Which worker owns a packet is decided twice, by a program in the kernel and by steer_packet in ours: packets that the two see
differently are handed on, and counted as resteer. On real captures of many protocols, tagged and not, there must be none."""
import glob
import json
import os
import re
import struct
import sys
import time

import live_wire as wire
from live_wire import LEFT, RIGHT, afpacket, difference, dpdk, edit, inside, port, replay, result, send, sh, streams, tcpdump

CORPUS = os.environ.get("PCAP_CORPUS", os.path.join(wire.root, "../shared/data"))
FEEDS = []
for channel in range(4):
    FEEDS += ["--feed", "itch50@233.54.12.%d:%d,channel=%d,line=A" % (111 + channel, 26477 + channel, channel)]
    FEEDS += ["--feed", "itch50@233.49.196.%d:%d,channel=%d,line=B" % (111 + channel, 26477 + channel, channel)]
TAG = bytes((0x81, 0, 0x20, 77))


def stage(program, name):
    """[entered, left, dropped, held] of a stage in the last ledger it printed."""
    found = re.findall(r"^%s +packet +(\d+) +(\d+) +(\d+) +(\d+)" % name, program.text(), re.M)
    return [int(n) for n in found[-1]] if found else None


def workers_of(program):
    """Packets that each worker took, by the last ledger among its events."""
    with open(os.path.join(wire.work, program.name)) as file:
        ledgers = [e["ledger"] for e in map(json.loads, file) if "ledger" in e]
    return [int(s.get("left", 0)) for s in ledgers[-1]["stages"] if s["stage"] == "capture"]


def frames_of(paths, tagged, fragments):
    """One capture of the Ethernet frames of many that fit the wire, with or without fragments of IPv4."""
    out, n = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)], 0
    for path in paths:
        with open(path, "rb") as file:
            raw = file.read()
        order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(raw[:4])
        if not order or struct.unpack(order + "I", raw[20:24])[0] != 1:
            continue
        at = 24
        while at + 16 <= len(raw) and n < 20000:
            size, length = struct.unpack(order + "II", raw[at + 8:at + 16])
            frame = raw[at + 16:at + 16 + size]
            at += 16 + size
            if size < 60:
                continue
            is_fragment = frame[12:14] == b"\x08\0" and struct.unpack(">H", frame[20:22])[0] & 0x3fff
            if size == length <= 1514 and (fragments or not is_fragment):
                frame = frame[:12] + TAG + frame[12:] if tagged else frame
                out += struct.pack("<IIII", n // 1000, n % 1000, len(frame), len(frame)), frame
                n += 1
    with open(os.path.join(wire.work, "corpus.pcap"), "wb") as file:
        file.write(b"".join(out))
    return n


def what(tagged, fragments):
    return "real captures" + ", tagged" * tagged + ", no fragments" * (not fragments)


def seen(found):
    """{stream: [event]} without a packet's number on its own queue, and times between packets, which are those of bursts with DPDK."""
    for events in found.values():
        for e in events:
            for part in e.values():
                if isinstance(part, dict):
                    for key in [k for k in part if k == "number" or k.endswith("_ns")]:
                        part.pop(key)
    return found


def same_worker():
    paths = sorted(glob.glob(CORPUS + "/net/*/*.pcap"))
    if not paths:
        print("skip - real captures through the fan-out: no captures (set PCAP_CORPUS)")
        return
    words = FEEDS + ["--set", "decode.packets=on", "--set", "decode.buckets=12", "--set", "source.join=false"]
    for tagged, fragments in (False, True), (True, True), (False, False):
        frames = frames_of(paths, tagged, fragments)
        dump = tcpdump("wire")
        p = afpacket("corpus", "--workers", "3", *words)
        # the kernel puts datagrams together before this driver gets them
        port_too = [] if fragments else [dpdk("corpus.dpdk", "--no-pci", port("wire1"), "-o", "--workers", "3", *words)]
        send("corpus", 10000)
        status = p.stop()
        dump.stop()
        want = seen(replay("wire", *words))
        wrong = difference(seen(streams("corpus")), want)
        result(not wrong and len(want) > 3, "%s, AF_PACKET: the events of tcpdump's file" % what(tagged, fragments), wrong)
        for d in port_too:
            status = d.stop() or status
            wrong = difference(seen(streams("corpus.dpdk")), want)
            result(not wrong and d.balanced() and stage(d, "resteer")[0] > 1000,
                   "%s, DPDK (net_af_packet) with 3 workers: the events of tcpdump's file" % what(tagged, fragments), wrong)
        entered, left, dropped = p.captured()
        handed = stage(p, "resteer")
        result(frames > 5000 and status == 0 and p.balanced() and entered >= frames and dropped == 0 and
               handed == [0, 0, 0, 0],
               "%s: %d frames reach their worker through the kernel" % (what(tagged, fragments), frames),
               "%s entered, resteer %s" % (entered, handed))


def same_events():
    sh(wire.SIM, "--quiet", "--messages", "16000", "--channels", "4", "--instruments", "20", "--start-time", wire.today(), "--pcap", wire.work + "/sim.pcap")
    edit("sim", "plain", lambda number, frame: frame)
    edit("sim", "tags", lambda number, frame: frame[:12] + TAG + frame[12:])
    want = replay("plain", *FEEDS)
    for name in "plain", "tags":
        p = afpacket("fan." + name, "--workers", "3", *FEEDS)
        send(name, 20000)
        status = p.stop()
        got = streams(p.name)
        wrong = difference(got, want)
        result(not wrong and status == 0 and p.balanced() and stage(p, "resteer") == [0, 0, 0, 0],
               "3 workers, %s: the events of the file, no packet handed on" % name, wrong or p.text()[-300:])
        took = workers_of(p)
        result(len(took) == 3 and min(took) > 500, "3 workers, %s: each takes packets" % name, took)


def refused():
    """A feed table that is too long for the kernel: one socket, and packets are handed on."""
    sh(wire.SIM, "--quiet", "--messages", "4000", "--channels", "4", "--instruments", "20", "--start-time", wire.today(), "--pcap", wire.work + "/few.pcap")
    many = ["--set", "engine.channels_max=2000"]
    for i in range(700):
        many += ["--feed", "itch50@239.%d.%d.1:26477,channel=%d" % (1 + i // 200, i % 200, 100 + i)]
    p = afpacket("long", "--workers", "3", *FEEDS, *many)
    send("few", 5000)
    status = p.stop()
    handed = stage(p, "resteer")
    wrong = difference(streams("long"), replay("few", *FEEDS))
    result(status == 0 and not wrong and "too long for a program" in p.text() and handed[0] == handed[1] > 100 and p.balanced(),
           "a feed table too long for the kernel: said, and packets are handed on, counted as resteer", "%s %s" % (handed, wrong))


def gaps(program):
    return [e["gap"] for s in streams(program.name).values() for e in s if "gap" in e]


def numbers(found):
    """(channel, sequence) of every message that made an event."""
    return {(e.get("channel", 0), int(e["seq"])) for s in found.values() for e in s if "template_id" in e}


def ready():
    """What /readyz says of the programs with 1 and 3 workers, on one line each."""
    ask = "import urllib.request as u, urllib.error as e\nfor n in (1, 3):\n try: print(u.urlopen('http://127.0.0.1:910%d/readyz' % n, timeout=5).read())\n " \
          "except e.HTTPError as a: print(a.code, a.read())"
    return sh(*inside(RIGHT, sys.executable, "-c", ask)).splitlines()


def goes_and_comes():
    """The link goes down; the interface does; it is removed, and made again: what was lost meanwhile is our loss."""
    sh(wire.SIM, "--quiet", "--messages", "6000", "--channels", "4", "--instruments", "20", "--lines", "A", "--no-fix",
       "--start-time", wire.today(), "--pcap", wire.work + "/trip.pcap")
    frames = edit("trip", "all", lambda number, frame: frame)
    part = frames // 7
    for i in range(7):
        edit("trip", "part%d" % i, lambda number, frame, i=i: frame if number // part == i or (i == 6 and number >= 7 * part) else None)
    sh(*inside(RIGHT, "ip", "link", "set", "lo", "up"))
    p = {n: afpacket("trip.%d" % n, "--workers", str(n), "--set", "source.on_gone=wait", "--metrics", "127.0.0.1:910%d" % n, *FEEDS) for n in (1, 3)}
    send("part0", 5000)
    said = [ready()]
    sh(*inside(LEFT, "ip", "link", "set", "wire0", "down"))  # the link alone
    time.sleep(.3)
    sh(*inside(LEFT, "ip", "link", "set", "wire0", "up"))
    time.sleep(.3)
    send("part2", 5000)
    sh(*inside(RIGHT, "ip", "link", "set", "wire1", "down"))
    time.sleep(.3)
    said.append(ready())
    sh(*inside(RIGHT, "ip", "link", "set", "wire1", "up"))
    time.sleep(.6)
    said.append(ready())
    send("part4", 5000)
    sh(*inside(LEFT, "ip", "link", "delete", "wire0"))
    time.sleep(.3)
    said.append(ready())
    wire.wire_make()
    time.sleep(.6)
    said.append(ready())
    send("part6", 5000)
    here, away = ["b'ready\\n'"] * 2, ["503 b'interface wire1 is away\\n'"] * 2
    result(said == [here, away, here, away, here], "/readyz is 503 while the interface is away, with 1 worker and with 3", said)
    sent = set().union(*(numbers(replay(name, *FEEDS)) for name in ("part0", "part2", "part4", "part6")))
    ends = {c: [f(seq for channel, seq in sent if channel == c) for f in (min, max)] for c in range(4)}
    missing = {(c, seq) for c, seq in numbers(replay("all", *FEEDS)) - sent if ends[c][0] < seq < ends[c][1]}
    for n, program in p.items():
        status = program.stop()
        text, found = program.text(), gaps(program)
        result(status == 0 and program.balanced() and text.count("went away, waiting") == 2 and text.count("the interface is back") == 2 and
               "the link went down" in text.split("went away")[0],
               "%d workers: a link and an interface that went down, and one that was removed, are waited for" % n,
               "status %d %s" % (status, [line for line in text.splitlines() if "link" in line or "interface" in line]))
        taken = numbers(streams(program.name))
        result(taken == sent, "%d workers: everything sent while it was up was taken" % n, "%d of %d" % (len(taken), len(sent)))
        told = {(int(g["session"][-1]) - 1, seq) for g in found for seq in range(int(g["first_missing"]), int(g["last_missing"]) + 1)}
        result(missing and missing <= told and not told & sent and {g.get("cause") for g in found} == {"CAUSE_LOCAL"},
               "%d workers: every message of that time is in a gap that is local" % n, "%d missing, %s" % (len(missing), found))
        result(stage(program, "resteer") in (None, [0, 0, 0, 0]), "%d workers: and the kernel spreads again as before" % n,
               stage(program, "resteer"))


wire.run("AF_PACKET with several workers", same_worker, same_events, refused, goes_and_comes)
