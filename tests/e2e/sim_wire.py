#!/usr/bin/env python3
"""Compares the packets of a capture with what feed-sim says became of each, and says what it finds.

usage: sim_wire.py DIR [KEY=VALUE…], which holds sim.pcap, sim.wire (--truth-wire) and sim.feeds (--print-feeds) of one run.
loss, late, twice: shares that must nearly be; depth: most packets that one comes late; outage=LINE:FROM:UNTIL in s behind the
first packet; clean=FILE: the capture of the same run without faults, of which nothing else may differ."""
import collections
import json
import re
import struct
import sys

from sim_check import finish, packets, wrong

Packet = collections.namedtuple("Packet", "channel line session seq count kind")
ON_WIRE = "sent", "again", "late"


def head(protocol, payload):
    """(session, seq, count, kind) as the packet itself says."""
    if protocol == "itch50":
        session, seq, count = struct.unpack_from(">10sQH", payload)
        kind = {0: "heartbeat", 0xffff: "end"}.get(count, "data")
        return session.decode(), seq, count if kind == "data" else 0, kind
    seq, _, size, block, template = struct.unpack_from("<IQHHH", payload)
    return None, seq, 1, "heartbeat" if (template, block, size, len(payload)) == (12, 0, 10, 22) else "data"


def read(folder, name="sim.pcap"):
    """[(ts, Packet, payload)] of the capture, in its order."""
    lines = {}
    for text in open(folder + "/sim.feeds", encoding="ascii"):
        protocol, ip, port, channel, line = re.fullmatch(r"--feed (\w+)@([\d.]+):(\d+),channel=(\d+),line=([AB])\n", text).groups()
        lines[bytes(map(int, ip.split("."))), int(port)] = protocol, int(channel), line
    out = []
    for ts, protocol, flow, _, payload in packets(folder + "/" + name):
        if protocol == 17:
            if flow[2:] not in lines:
                wrong("a packet to %s, which no --feed names" % (flow[2:],))
                continue
            protocol, channel, line = lines[flow[2:]]
            out.append((ts, Packet(channel, line, *head(protocol, payload)), payload))
    return out


def main():
    folder = sys.argv[1]
    want = dict(word.split("=", 1) for word in sys.argv[2:])
    told, fates, known = collections.Counter(), collections.Counter(), collections.defaultdict(list)
    for text in open(folder + "/sim.wire", encoding="ascii"):
        e = json.loads(text)
        packet = Packet(*(e[name] for name in Packet._fields))
        fates[e["fate"]] += 1
        known[packet.channel, packet.line].append((e["ts"], packet, e["fate"]))
        if e["fate"] in ON_WIRE:
            told[e["ts"], packet if packet.session.startswith("SIM") else packet._replace(session=None)] += 1
    seen = read(folder)
    got = collections.Counter((ts, packet) for ts, packet, _ in seen)
    if got != told:
        odd = list(((got - told) + (told - got)).items())
        wrong("%d packets, %d told; %d differ: %s" % (sum(got.values()), sum(told.values()), len(odd), odd[:3]))
    start = seen[0][0]
    for (channel, line), entries in known.items():
        once = [(p.session, p.seq, p.count) for _, p, fate in entries if fate != "again" and p.count]
        once.sort(key=lambda p: (int(p[0].split(".")[1]) if "." in p[0] else 0, *p))
        session, due = None, 1
        for s, seq, count in once:  # each number once, whatever became of it
            due = 1 if s != session else due
            if seq != due:
                wrong("channel %s line %s: session %s goes on with %d instead of %d" % (channel, line, s, seq, due))
                break
            session, due = s, seq + count
        order = [p for _, p, fate in sorted(entries) if fate in ("sent", "late") and p.kind == "data"]
        late = {p for _, p, fate in entries if fate == "late"}
        for i, p in enumerate(order):
            behind = 0
            while p in late and behind < i and order[i - 1 - behind].session == p.session and order[i - 1 - behind].seq > p.seq:
                behind += 1
            if behind > int(want.get("depth", 0)):
                wrong("a packet came %d packets late" % behind)
                break
        for text in want.get("outage", "").split(","):
            if text[:1] == line:
                first, last = (start + int(float(s) * 1e9) for s in text[2:].split(":"))
                # the first packet is up to 10 us behind the clock of the exchange
                inside = [fate for ts, _, fate in entries if first <= ts < last - 10000]
                if (not inside and channel < 1000) or set(inside) - {"outage", "lost"}:
                    wrong("line %s: %s in its outage" % (line, collections.Counter(inside)))
            elif text and not any(fate == "sent" for _, _, fate in entries):
                wrong("line %s is silent too" % line)
    sent = fates["sent"] + fates["late"] + fates["outage"]
    for name, part, whole in (("loss", fates["lost"], sent + fates["lost"]), ("late", fates["late"], sent),
                              ("twice", fates["again"], fates["sent"])):
        if name in want and not .7 * float(want[name]) <= part / whole <= 1.3 * float(want[name]):
            wrong("%s: %d of %d, %s asked" % (name, part, whole, want[name]))
    if "clean" in want:
        clean = collections.Counter(payload for _, _, payload in read(folder, want["clean"]))
        gone = clean - collections.Counter({payload: clean[payload] for _, _, payload in seen})
        new = {payload for _, _, payload in seen} - set(clean)
        if new or (fates["lost"] + fates["outage"] and not gone):
            wrong("%d payloads that the run without faults has not, %d gone" % (len(new), len(gone)))
    print("%d packets on %d lines: %s" % (len(seen), len(known), dict(fates)))
    finish()


if __name__ == "__main__":
    main()
