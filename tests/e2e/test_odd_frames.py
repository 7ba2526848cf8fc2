#!/usr/bin/python3
"""Frames with tags, jumbo ones, fragments, short ones, ones with wrong check sums: live and offline the same events, the same counts.

usage: test_odd_frames.py [BUILD]
By AF_PACKET with 1 and 3 workers, and by net_af_packet without fragments, against tcpdump's file of the same wire; whole, and with a snaplen. By net_ring:
tests/unit/test_net_ring.c."""
import os
import re

import live_wire as wire
import odd_frames
from live_wire import SIM, SNIFFER, afpacket, dpdk, result, send, sh, streams, tcpdump

FEEDS = []
for channel in range(2):
    FEEDS += ["--feed", "itch50@233.54.12.%d:%d,channel=%d,line=A" % (111 + channel, 26477 + channel, channel)]
    FEEDS += ["--feed", "itch50@233.49.196.%d:%d,channel=%d,line=B" % (111 + channel, 26477 + channel, channel)]
# holes close by the number of packets behind them: net_af_packet's receive times are those of a burst
# and this driver sees what its own host sends: reports of joins
FEEDS += ["--set", "source.join=false", "--set", "ledger.interval_s=0", "--set", "arbitration.window_ms=10000", "--set", "arbitration.single_line_ms=10000"]
# frames of this driver fill a block without rest (77824 = 8 * 9728 = 19 pages), or it reads them where they are not
RING = "--vdev=net_af_packet0,iface=wire1,framecnt=4096,framesz=9728,blocksz=77824"
WHERE = "ts_recv_ns", "ts_quality", "boot_id", "worker"


def counts(text):
    """{stage: {entered, left, every reason}} of the last ledger; events, some of which are the program's own, are compared one by one."""
    found, stage = {}, None
    for line in text.splitlines():
        number = re.match(r"^([a-z]+) +[a-z]+ +(\d+) +(\d+) +(\d+) +(\d+)  ", line)
        reason = re.match(r"^ +(\d+)  dropped: (\w+)", line)
        if number:
            stage = found[number.group(1)] = {"entered": int(number.group(2)), "left": int(number.group(3))}
        elif reason and stage is not None:
            stage[reason.group(2)] = int(reason.group(1))
    return {name: found.get(name) for name in ("frame", "feed", "message", "tcp", "fix")}


def plain(found):
    """{stream: [event]} without what tells a wire from a file."""
    for events in found.values():
        for e in events:
            for key in WHERE:
                e.pop(key, None)
            for key in "cause", "local_drops", "ts_opened_ns":
                e.get("gap", {}).pop(key, None)
            e.get("packet", {}).pop("number", None)
    return found


def difference(got, want):
    if set(got) != set(want):
        return "streams %s, %s" % (sorted(got), sorted(want))
    for stream in want:
        for a, b in zip(got[stream], want[stream]):
            if a != b:
                return "%s, wanted %s" % (a, b)
        if len(got[stream]) != len(want[stream]):
            return "stream %s has %d events, wanted %d" % (stream, len(got[stream]), len(want[stream]))
    return ""


def odd():
    sh(SIM, "--quiet", "--messages", "12000", "--channels", "2", "--instruments", "30", "--start-time", wire.today(), "--fix-rate", "3000", "--pcap", wire.work + "/sim.pcap")
    wire.edit("sim", "even", lambda number, frame: frame)
    odd_frames.main(wire.work + "/even.pcap", wire.work + "/odd.pcap")
    odd_frames.main(wire.work + "/even.pcap", wire.work + "/no-fragments.pcap", "fragments")
    for name, sent, snaplen in ("whole frames", "odd", ()), ("snaplen 96", "odd", ("-s", "96")), ("no fragments", "no-fragments", ()):
        dump = tcpdump("wire")
        words = FEEDS + list(snaplen)
        programs = [afpacket("AF_PACKET", *words), afpacket("AF_PACKET, 3 workers", "--workers", "3", *words)]
        if sent == "no-fragments":  # the kernel puts datagrams together before this driver gets them
            programs.append(dpdk("net_af_packet", "--no-pci", RING, "-o", *words))
        send(sent, 2000)
        statuses = [p.stop() for p in programs]
        dump.stop()
        offline = sh(SNIFFER, "-r", wire.work + "/wire.pcap", "-o", "json:%s/file" % wire.work, *words)
        want, want_counts = plain(streams("file")), counts(offline)
        reasons = {r for stage in want_counts.values() for r in stage} - {"entered", "left"}
        need = {"truncated", "bad_udp_length", "duplicate", "too_short"} | ({"fragment"} if sent == "odd" else set())
        large = sh("tcpdump", "-r", wire.work + "/wire.pcap", "-n", "greater", "2500").count("UDP")
        result(need <= reasons and large > 20 and sum(len(s) for s in want.values()) > 1000, "%s: what is sent has what it is to have" % name,
               "%s, %d large" % (sorted(reasons), large))
        for p, status in zip(programs, statuses):
            got = counts(p.text())
            wrong = difference(plain(streams(p.name)), want)
            result(status == 0 and not wrong and p.balanced(), "%s, %s: the events of the file" % (name, p.name), wrong)
            result(got == want_counts, "%s, %s: the counts of the file, for each reason" % (name, p.name),
                   [(s, got[s], want_counts[s]) for s in want_counts if got[s] != want_counts[s]])


wire.run("odd frames live", odd)
