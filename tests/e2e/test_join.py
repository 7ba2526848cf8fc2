#!/usr/bin/python3
"""Multicast groups of a DPDK port, as the switch sees them: tcpdump at the other end of the wire, tshark reads what it wrote.

usage: test_join.py [BUILD]
The port is net_af_packet; the test asks as a router does (IGMPv3, IGMPv2, MLDv2, MLDv1)."""
import os
import socket
import struct
import subprocess
import time

import live_wire as wire
from live_wire import LEFT, RIGHT, dpdk, inside, port, result, sh

GROUPS4 = ["233.54.12.%d" % (111 + i) for i in range(3)]
GROUPS6 = ["ff05::%x" % (0x1234 + i) for i in range(2)]
FEEDS = []
for n, group in enumerate(GROUPS4):
    FEEDS += ["--feed", "itch50@%s:26477,channel=%d" % (group, n)]
for n, group in enumerate(GROUPS6):
    FEEDS += ["--feed", "itch50@[%s]:26477,channel=%d" % (group, 10 + n)]
FIELDS = ["frame.time_epoch", "eth.dst", "ip.dst", "ip.src", "ip.ttl", "ip.opt.type", "ip.checksum.status", "igmp.type", "igmp.checksum.status",
          "igmp.record_type", "igmp.maddr", "ipv6.dst", "ipv6.src", "ipv6.hlim", "ipv6.opt.type", "icmpv6.type", "icmpv6.checksum.status",
          "icmpv6.mldr.mar.record_type", "icmpv6.mldr.mar.multicast_address", "icmpv6.mld.multicast_address", "_ws.expert.severity"]
CHANGE_TO_EXCLUDE, MODE_IS_EXCLUDE, CHANGE_TO_INCLUDE = "4", "2", "3"


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack(">H", ~total & 0xffff)


def igmp_query(group="0.0.0.0", code=10, version=3):
    to = group if group != "0.0.0.0" else "224.0.0.1"
    body = bytes((0x11, code, 0, 0)) + socket.inet_aton(group) + (bytes((2, 125, 0, 0)) if version == 3 else b"")
    body = body[:2] + checksum(body) + body[4:]
    ip = bytes((0x46, 0xc0)) + struct.pack(">H", 24 + len(body)) + bytes((0, 0, 0, 0, 1, 2, 0, 0)) + socket.inet_aton("10.9.7.1") + socket.inet_aton(to)
    ip += bytes((0x94, 4, 0, 0))
    ip = ip[:10] + checksum(ip) + ip[12:]
    address = socket.inet_aton(to)
    return (bytes((1, 0, 0x5e, address[1] & 127, address[2], address[3], 2, 0, 0, 0, 0, 9, 8, 0)) + ip + body).ljust(60, b"\0")


def mld_query(group="::", ms=1000, version=2):
    to = socket.inet_pton(socket.AF_INET6, group if group != "::" else "ff02::1")
    source = socket.inet_pton(socket.AF_INET6, "fe80::9")
    body = bytes((130, 0, 0, 0)) + struct.pack(">HH", ms, 0) + socket.inet_pton(socket.AF_INET6, group) + (bytes((2, 125, 0, 0)) if version == 2 else b"")
    body = body[:2] + checksum(source + to + struct.pack(">II", len(body), 58) + body) + body[4:]
    ip = bytes((0x60, 0, 0, 0)) + struct.pack(">H", 8 + len(body)) + bytes((0, 1)) + source + to + bytes((58, 0, 5, 2, 0, 0, 1, 0))
    return bytes((0x33, 0x33)) + to[12:] + bytes((2, 0, 0, 0, 0, 9, 0x86, 0xdd)) + ip + body


def ask(*frames):
    with open(os.path.join(wire.work, "ask.pcap"), "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    at = time.time()
    wire.send("ask")
    return at


class Report:
    """One report that tshark found, of either protocol."""

    def __init__(self, row):
        f = dict(zip(FIELDS, row.rstrip("\n").split("\t")))
        self.at, self.f = float(f["frame.time_epoch"]), f
        self.igmp = f["igmp.type"] != ""
        self.type = int(f["igmp.type"], 0) if self.igmp else int(f["icmpv6.type"] or 0)
        records, groups = ("igmp.record_type", "igmp.maddr") if self.igmp else ("icmpv6.mldr.mar.record_type", "icmpv6.mldr.mar.multicast_address")
        self.groups = sorted(f[groups].split(",")) if f[groups] else sorted(f["icmpv6.mld.multicast_address"].split(","))
        self.records = set(f[records].split(",")) if f[records] else set()

    def wrong(self):
        """What a switch would drop it for."""
        f = self.f
        if "8388608" in f["_ws.expert.severity"]:  # Error
            return "malformed"
        if self.igmp:
            to = {0x22: "224.0.0.22", 0x17: "224.0.0.2"}.get(self.type, self.groups[0])
            mac = "01:00:5e:%02x:%02x:%02x" % tuple(x & m for x, m in zip(socket.inet_aton(to)[1:], (127, 255, 255)))
            good = f["ip.dst"] == to and f["ip.ttl"] == "1" and f["ip.opt.type"] == "148" and f["ip.checksum.status"] == "1" and \
                f["igmp.checksum.status"] == "1"
        else:
            to = {143: "ff02::16", 132: "ff02::2"}.get(self.type, self.groups[0])
            mac = "33:33:" + ":".join("%02x" % x for x in socket.inet_pton(socket.AF_INET6, to)[12:])
            good = f["ipv6.dst"] == to and f["ipv6.hlim"] == "1" and "0x05" in f["ipv6.opt.type"].split(",") and f["icmpv6.checksum.status"] == "1" and \
                f["ipv6.src"].startswith("fe80::")
        return "" if good and f["eth.dst"] == mac else str(f)


def reports(name):
    rows = subprocess.run(["tshark", "-r", os.path.join(wire.work, name + ".pcap"), "-o", "ip.check_checksum:TRUE", "-T", "fields"] +
                          [w for field in FIELDS for w in ("-e", field)] +
                          ["-Y", "igmp.type in {0x12, 0x16, 0x17, 0x22} or icmpv6.type in {131, 132, 143}"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60).stdout
    return [Report(row) for row in rows.splitlines()]


def query_time(name, after):
    """When the switch saw the first query after a time: asking itself takes a while on a loaded machine."""
    rows = subprocess.run(["tshark", "-r", os.path.join(wire.work, name + ".pcap"), "-T", "fields", "-e", "frame.time_epoch", "-Y",
                           "igmp.type == 0x11 or icmpv6.type == 130"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60).stdout
    return min(float(row) for row in rows.split() if float(row) > after)


def run(name, *words):
    """A port with the feeds, and what the switch sees of it."""
    dump = subprocess.Popen(inside(LEFT, "tcpdump", "-i", "wire0", "-n", "--immediate-mode", "-U", "-Z", "root", "-w",
                                   os.path.join(wire.work, name + ".pcap"), "igmp or icmp6 or ip6"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wire.running.append(dump)
    time.sleep(.7)
    return dump, dpdk(name, "--no-pci", port("wire1"), "-o", *FEEDS, *words)


def between(found, igmp, start, end, records):
    return [r for r in found if r.igmp == igmp and start <= r.at <= end and r.records == {records}]


def newest_versions():
    start = time.time()
    dump, p = run("newest", "--set", "source.join_from=10.9.7.2")
    time.sleep(1.3)
    asked = ask(igmp_query(), mld_query())
    time.sleep(1.3)
    asked_one = ask(igmp_query(GROUPS4[1]), mld_query(GROUPS6[1]), igmp_query("239.1.1.1"), mld_query("ff05::9"))
    time.sleep(1.3)
    broken = igmp_query()
    asked_wrong = ask(broken[:39] + b"\x77" + broken[40:], mld_query()[:21] + b"\x40" + mld_query()[22:])
    time.sleep(1.3)
    stopped = time.time()
    status = p.stop()
    time.sleep(.3)
    dump.terminate()
    dump.wait()
    found = reports("newest")
    asked, asked_one, asked_wrong = (query_time("newest", at) for at in (asked, asked_one, asked_wrong))
    wrong = [r.wrong() for r in found if r.wrong()]
    result(found and not wrong, "every report is one that a switch takes: addresses, time to live, router alert, check sums", wrong[:1])
    result({r.f["ip.src"] for r in found if r.igmp} == {"10.9.7.2"}, "IGMP reports come from source.join_from")
    for igmp, protocol, groups in (True, "IGMPv3", GROUPS4), (False, "MLDv2", GROUPS6):
        joins = between(found, igmp, start, asked, CHANGE_TO_EXCLUDE)
        result(len(joins) == 2 and all(r.groups == groups for r in joins) and joins[1].at - joins[0].at < 1.1,
               "%s: joins when it starts, and again within a second" % protocol, [(r.at - start, r.groups) for r in joins])
        answers = between(found, igmp, asked, asked_one, MODE_IS_EXCLUDE)
        result(len(answers) == 1 and answers[0].groups == groups and answers[0].at - asked < 1.15,
               "%s: answers a general query in its time, with all groups" % protocol, [(r.at - asked, r.groups) for r in answers])
        answers = between(found, igmp, asked_one, asked_wrong, MODE_IS_EXCLUDE)
        result(len(answers) == 1 and answers[0].groups == [groups[1]] and answers[0].at - asked_one < 1.15,
               "%s: answers a query for a group, not one for another's" % protocol, [(r.at - asked_one, r.groups) for r in answers])
        result(not between(found, igmp, asked_wrong, stopped, MODE_IS_EXCLUDE), "%s: a query that is damaged, or from afar, is ignored" % protocol)
        leaves = between(found, igmp, stopped, stopped + 5, CHANGE_TO_INCLUDE)
        result(len(leaves) == 2 and all(r.groups == groups for r in leaves) and status == 0,
               "%s: leaves when it stops, twice" % protocol, [(r.at - stopped, r.groups) for r in leaves])


def older_versions():
    dump, p = run("older")
    time.sleep(1.3)
    asked = ask(igmp_query(version=2), mld_query(version=1))
    time.sleep(1.3)
    stopped = time.time()
    p.stop()
    time.sleep(.3)
    dump.terminate()
    dump.wait()
    found = reports("older")
    wrong = [r.wrong() for r in found if r.wrong()]
    result(found and not wrong, "reports of older versions are ones that a switch takes", wrong[:1])
    result({r.f["ip.src"] for r in found if r.igmp} == {"0.0.0.0"}, "without source.join_from IGMP reports come from 0.0.0.0")
    for igmp, protocol, groups, joined, left in (True, "IGMPv2", GROUPS4, 0x16, 0x17), (False, "MLDv1", GROUPS6, 131, 132):
        answers = [r.groups[0] for r in found if r.igmp == igmp and asked < r.at < stopped and r.type == joined]
        result(sorted(answers) == groups, "%s: a querier of that version gets a report for each group" % protocol, answers)
        leaves = [r.groups[0] for r in found if r.igmp == igmp and r.at > stopped and r.type == left]
        result(sorted(leaves) == groups, "%s: and a leave for each" % protocol, leaves)


def memberships(interface):
    return sh(*inside(RIGHT, "ip", "maddr", "show", interface))


def other_ways():
    sh(*inside(RIGHT, "ip", "link", "add", "side", "type", "veth", "peer", "name", "side1"))
    for side in "side", "side1":
        sh(*inside(RIGHT, "ip", "link", "set", side, "up"))
    dump, p = run("via", "--join-via", "side")
    joined, status = memberships("side"), p.stop()
    dump.terminate()
    dump.wait()
    result(status == 0 and all(g in joined for g in GROUPS4) and not reports("via"), "--join-via: the kernel joins on that interface, the port is silent", joined)
    result(not any(g in memberships("side") for g in GROUPS4), "--join-via: and leaves at the end")
    dump, p = run("silent", "--set", "source.join=false")
    status = p.stop()
    dump.terminate()
    dump.wait()
    result(status == 0 and not reports("silent"), "source.join: false sends nothing")
    said = subprocess.run(inside(RIGHT, "timeout", "20", wire.SNIFFER, "--no-pci", "--vdev=net_null0", "-o", "null:", "-c", "10", *FEEDS, "--join-via", "nosuch0"),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    result(said.returncode == 1 and "nosuch0: cannot join groups" in said.stdout, "--join-via an interface that is not there", said.stdout[-300:])


wire.run("multicast membership", newest_versions, older_versions, other_ways, tools=("ip", "tcpdump", "tshark", "tcpreplay", "taskset"))
