#!/usr/bin/python3
"""Packets header by header: every packet of the network captures against the table that tshark made of it.

usage: net.py [BUILD]
Compared of each packet: number, time, lengths, Ethernet addresses and type, VLAN tags, IP addresses, protocol, length, TTL
and identification, fragment, ports, TCP flags, sequence, acknowledgement, window and payload, UDP length, ICMP type and
code, ARP. Then counts per protocol and talkers of the reports, and DNS. Captures are under $PCAP_CORPUS; their link types
that the program does not decode are listed. Prints ok, not ok and skip lines.

Where the table and the wire differ, the wire holds: tshark puts ports and lengths of a datagram that came in fragments
into its last one, and looks into tunnels and ICMP errors, whose fields stand behind those of the outer packet."""
import collections
import csv
import gzip
import ipaddress
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUILD", "build"))
CORPUS = os.path.join(os.environ.get("PCAP_CORPUS", os.path.join(ROOT, "..", "shared", "data")), "net")
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))  # events_io
failed = 0
DECODED = {"ether", "rawip", "rawip4", "rawip6", "null", "linux-sll", "linux-sll2"}
FOLDERS = ["anomaly", "checksums", "dns", "frag", "fuzz", "http", "icmp_arp", "linktypes", "mixed", "quic", "tcp", "tls"]


def check(good, text, why=""):
    global failed
    failed += not good
    print(("ok - " if good else "not ok - ") + text + (f": {why}" if why and not good else ""), flush=True)


def opened(path):
    return gzip.open(path + ".gz", "rt", encoding="utf-8") if os.path.exists(path + ".gz") else open(path, encoding="utf-8")


def facts(path):
    with opened(path + ".expected.json") as file:
        return json.load(file)


def table(path, expected):
    """A dict a frame: the first value of each column, as the outermost header says it."""
    if "packets" in expected:
        rows = [dict(zip(expected["packets_columns"], row)) for row in expected["packets"]]
    else:
        with opened(path + ".packets.csv") as file:
            rows = list(csv.DictReader(file))
    return rows


def outer(row, name):
    return row.get(name, "").split(";")[0]


def number(text):
    return int(text, 0) if text else 0


def mac(raw):
    return ":".join(f"{byte:02x}" for byte in raw)


def address(raw):
    return str(ipaddress.ip_address(raw)) if raw else ""


TCP, UDP, ICMP, ICMP6, EXTENSIONS = 6, 17, 1, 58, (0, 43, 44, 51, 60)
INNER = {"tcp": TCP, "udp": UDP, "icmpv6": ICMP6, "sctp": 132, "ospf": 89}


def is_set(text):
    return text in ("1", "True")


def link_pairs(row, packet):
    if row.get("eth.src"):
        yield "eth_src", mac(packet.eth_src), outer(row, "eth.src")
        yield "eth_dst", mac(packet.eth_dst), outer(row, "eth.dst")
    tags = [int(tag) for tag in row.get("vlan.id", "").split(";") if tag]
    if row.get("eth.src") and "vlan" not in "".join(row["frame.protocols"].split(":ip")[1:]):
        yield "vlan", [tci & 0xfff for tci in packet.vlan_tci], tags
    if row.get("eth.type") and not tags:
        yield "ethertype", packet.ethertype, number(outer(row, "eth.type"))


def ip_pairs(row, packet, six):
    """Addresses and what else the IP header says."""
    source = "ipv6" if six else "ip"
    yield "src", address(packet.src.ip), outer(row, source + ".src")
    if outer(row, source + ".dst"):  # not where the header is cut
        yield "dst", address(packet.dst.ip), outer(row, source + ".dst")
    yield "ttl", packet.ttl, number(outer(row, "ipv6.hlim" if six else "ip.ttl"))
    if six:
        if number(outer(row, "ipv6.plen")):
            yield "ip_len", packet.ip_len, number(outer(row, "ipv6.plen")) + 40
        yield "frag_offset", packet.frag_offset, 8 * number(outer(row, "ipv6.fraghdr.offset"))
        yield "more", packet.more_fragments, is_set(outer(row, "ipv6.fraghdr.more"))
        return
    if number(outer(row, "ip.len")):
        yield "ip_len", packet.ip_len, number(outer(row, "ip.len"))
    yield "ip_id", packet.ip_id, number(outer(row, "ip.id"))
    yield "dont_fragment", packet.dont_fragment, is_set(outer(row, "ip.flags.df"))
    yield "more", packet.more_fragments, is_set(outer(row, "ip.flags.mf"))
    yield "frag_offset", packet.frag_offset, 8 * number(outer(row, "ip.frag_offset"))


def proto_of(row, six):
    proto = number(outer(row, "ipv6.nxt" if six else "ip.proto"))
    if six and proto in EXTENSIONS:
        names = row["frame.protocols"].split(":")
        if names.count("ipv6.fraghdr") > 8:  # a chain of headers is followed so far
            return None
        return next((INNER[name] for name in names[names.index("ipv6"):] if name in INNER), None)
    return proto


def cut_on_wire(row, packet):
    """The frame was shorter on the wire than its IP header says: tshark then counts to the end of the frame."""
    return number(outer(row, "ip.len")) > number(row["frame.len"]) - packet.net_offset


def transport_pairs(row, packet, proto):
    if proto == TCP and outer(row, "tcp.srcport"):
        yield "src_port", packet.src.port, number(outer(row, "tcp.srcport"))
        yield "dst_port", packet.dst.port, number(outer(row, "tcp.dstport"))
        for ours, theirs in ("tcp_seq", "tcp.seq_raw"), ("tcp_ack", "tcp.ack_raw"), ("tcp_flags", "tcp.flags"), (
                "tcp_window", "tcp.window_size_value"), ("payload_len", "tcp.len"):
            if outer(row, theirs) and not (theirs == "tcp.len" and cut_on_wire(row, packet)):
                yield ours, getattr(packet, ours), number(outer(row, theirs))
    elif proto == UDP and outer(row, "udp.srcport"):
        yield "src_port", packet.src.port, number(outer(row, "udp.srcport"))
        yield "dst_port", packet.dst.port, number(outer(row, "udp.dstport"))
        if number(outer(row, "udp.length")) >= 8:
            yield "payload_len", packet.payload_len, number(outer(row, "udp.length")) - 8


def arp_pairs(row, packet):
    op, src, dst = (outer(row, name) for name in ("arp.opcode", "arp.src.proto_ipv4", "arp.dst.proto_ipv4"))
    if src and dst:
        yield "src", address(packet.src.ip), src
        yield "dst", address(packet.dst.ip), dst
        yield "info", packet.info.split(" ")[0], {"1": "Request", "2": "Reply"}.get(op, "op")


def pairs_of(row, event):
    """(field, ours, theirs) of all that is compared."""
    packet, names = event.packet, row.get("frame.protocols", "").split(":")
    yield "number", packet.number, number(row["frame.number"])
    yield "time", event.ts_recv_ns, int(row["frame.time_epoch"].replace(".", ""))
    yield "cap_len", packet.cap_len, number(row["frame.cap_len"])
    yield "wire_len", packet.wire_len, number(row["frame.len"])
    yield from link_pairs(row, packet)
    network = next((name for name in names if name in ("ip", "ipv6", "arp")), "")
    if network == "arp":
        yield from arp_pairs(row, packet)
    elif network and outer(row, network + ".src"):
        six = network == "ipv6"
        yield from ip_pairs(row, packet, six)
        proto = proto_of(row, six)
        if proto is not None:
            yield "ip_proto", packet.ip_proto, proto
        if not packet.more_fragments and not packet.frag_offset:
            yield from transport_pairs(row, packet, proto)


class Capture:
    """What the program and tshark make of one capture."""

    def __init__(self, schema, folder, name):
        self.path, self.name = os.path.join(CORPUS, folder, name), f"{folder}/{name}"
        self.facts = facts(self.path)
        self.rows = table(self.path, self.facts)
        out = os.path.join(scratch, "events")
        self.done = subprocess.run([os.path.join(BUILD, "pkt-sniffer"), "-q", "-r", self.path, "-o", "file:" + out, "--events", "net",
                                    "--stats", "3600", "--set", "stats.talkers=100"], timeout=60, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        with open(out, "rb") as file:
            self.events = list(schema.delimited(file.read()))

    def of(self, kind):
        return [event for event in self.events if event.WhichOneof("payload") == kind]

    def packets(self):
        """What is wrong, in words."""
        ours = self.of("packet")
        if len(ours) != len(self.rows):
            return [f"{self.name}: {len(ours)} packets instead of {len(self.rows)}: {self.done.stderr[:200]}"], 0
        wrong, values = [], 0
        for row, event in zip(self.rows, ours):
            for field, got, want in pairs_of(row, event):
                values += 1
                if got != want:
                    wrong.append(f"{self.name} packet {row['frame.number']} ({row.get('frame.protocols')}): {field} {got!r} instead of {want!r}")
        return wrong, values


# RFC 1042 (SNAP) is not decoded; nanoseconds of more than a second are carried over, which tshark does not
LEFT_OUT = {"zeek-snap-tcp.pcap", "tcpdump-timestamp_invalid_nano.pcap"}


# a pointer forwards is refused; fragments are not put together; IPv4 behind a link that says IPv6 is read all the same
DNS_LEFT_OUT = {"tcpdump-dns_fwdptr.pcap", "ndpi-dns_fragmented.pcap", "tcpdump-LINKTYPE_IPV6_invalid.pcap"}


PROTO_NAMES = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah"}


def reports_wrong(capture):
    """Counts per protocol and talkers against sums over tshark's table."""
    traffic, talkers = capture.of("traffic"), capture.of("talker")
    if (len(traffic), len(talkers)) != (1, 2):
        return [f"{capture.name}: {len(traffic)} TrafficReport and {len(talkers)} TalkerReport"]
    rows, src, dst = (collections.defaultdict(lambda: [0, 0]) for _ in range(3))
    for row, event in zip(capture.rows, capture.of("packet")):
        network = next((name for name in row.get("frame.protocols", "").split(":") if name in ("ip", "ipv6", "arp")), "")
        named = "arp" if network == "arp" and event.packet.ethertype == 0x806 else "not-ip"
        if network in ("ip", "ipv6") and outer(row, network + ".src") and event.packet.src.ip:
            six = network == "ipv6"
            proto = proto_of(row, six)
            proto = event.packet.ip_proto if proto is None else proto
            named = PROTO_NAMES.get(proto, str(proto))
            size = number(outer(row, "ipv6.plen")) + 40 if six else number(outer(row, "ip.len"))
            if size == (40 if six else 0):  # left to the card
                size = event.packet.wire_len - event.packet.net_offset
            for table_of, end in (src, outer(row, network + ".src")), (dst, outer(row, network + ".dst") or address(event.packet.dst.ip)):
                table_of[end][0] += 1
                table_of[end][1] += size
        rows["proto/" + named][0] += 1
        rows["proto/" + named][1] += number(row["frame.len"])
    got = {row.key: [row.packets, row.bytes] for row in traffic[0].traffic.rows}
    wrong = [] if got == dict(rows) else [f"{capture.name}: traffic {got} instead of {dict(rows)}"]
    for event, want in zip(talkers, (src, dst)):
        report = event.talker
        got = {talker.key: [talker.packets, talker.bytes] for talker in report.talkers}
        top = [talker.bytes for talker in report.talkers]
        fits = top == sorted((size for _, size in want.values()), reverse=True)[:100]
        if not fits or any(want.get(key) != value for key, value in got.items()) or report.approximate or (
                report.total_packets, report.total_bytes) != tuple(map(sum, zip(*want.values(), (0, 0)))):
            wrong.append(f"{capture.name}: talkers {got} instead of {dict(want)}")
    return wrong


def plain(name):
    return name.isascii() and name.isprintable() and not set(name) & set(' \\"<>') and name != ""


def dns_wanted(capture):
    """What each DNS message over UDP port 53 must make, from tshark's answers: (time, id, answered) -> fields."""
    waits, wanted = {}, collections.defaultdict(list)
    times = {int(row["frame.number"]): int(row["frame.time_epoch"].replace(".", "")) for row in capture.rows}
    for row in capture.facts.get("dns", []):
        ports = row.get("udp.srcport"), row.get("udp.dstport")
        if "53" not in ports or ";" in (row.get("ip.src") or row.get("ipv6.src")):  # in an ICMP error
            continue
        ident, now = int(row["dns.id"], 16), times[int(row["frame.number"])]
        source, target = row.get("ip.src") or row.get("ipv6.src"), row.get("ip.dst") or row.get("ipv6.dst")
        fields = {"id": ident, "qtype": number(outer(row, "dns.qry.type")), "qclass": number(outer(row, "dns.qry.class"))}
        if plain(outer(row, "dns.qry.name")):
            fields["qname"] = outer(row, "dns.qry.name")
        if row["dns.flags.response"] == "0":
            fields.update(client=source, server=target, answered=False)
            waits.setdefault((source, target, ports, ident), (now, fields))
            continue
        asked = waits.pop((target, source, ports[::-1], ident), None)
        count = int(outer(row, "dns.count.answers"))
        types = row.get("dns.resp.type", "").split(";")[:count]
        fields.update(client=target, server=source, answered=True, rcode=number(outer(row, "dns.flags.rcode")) & 15,
                      truncated=is_set(outer(row, "dns.flags.truncated")), rtt_ns=now - asked[0] if asked else 0,
                      a=row.get("dns.a", "").split(";")[:types.count("1")], aaaa=row.get("dns.aaaa", "").split(";")[:types.count("28")])
        wanted[now, ident].append(fields)
    for asked, fields in waits.values():
        wanted[asked, fields["id"]].append(fields)
    return wanted


def dns_got(event):
    dns = event.dns
    got = {name: getattr(dns, name) for name in ("id", "qtype", "qclass", "qname", "answered", "rcode", "truncated", "rtt_ns")}
    got.update(client=address(dns.client.ip), server=address(dns.server.ip),
               a=[text[2:] for text in dns.answers if text.startswith("A ")],
               aaaa=[text[5:] for text in dns.answers if text.startswith("AAAA ")])
    return got


def dns_wrong(capture):
    """(what differs, messages compared)"""
    wanted, wrong, compared = dns_wanted(capture), [], 0
    for event in capture.of("dns"):
        if event.dns.over_tcp:
            continue
        fields = wanted.get((event.ts_recv_ns, event.dns.id))
        if not fields:
            wrong.append(f"{capture.name}: id {event.dns.id:#x} is not expected")
            continue
        want, got = fields.pop(0), dns_got(event)
        compared += 1
        wrong += [f"{capture.name} id {event.dns.id:#x}: {name} {got[name]!r} instead of {want[name]!r}"
                  for name in want if got[name] != want[name]]
    missing = [fields["id"] for rest in wanted.values() for fields in rest]
    if missing:
        wrong.append(f"{capture.name}: ids {missing[:4]} are missing")
    return wrong, compared


def names_of(folder):
    return sorted(name for name in os.listdir(os.path.join(CORPUS, folder)) if name.endswith((".pcap", ".pcapng")) and name not in LEFT_OUT)


def all_captures(schema):
    for folder in FOLDERS:
        for name in names_of(folder):
            if facts(os.path.join(CORPUS, folder, name))["capinfos"]["link_type"] in DECODED:
                yield Capture(schema, folder, name)


def streams(schema, path, *options):
    """Events by stream, with their numbers there."""
    out = os.path.join(scratch, "events")
    subprocess.run([os.path.join(BUILD, "pkt-sniffer"), "-q", "-r", path, "-o", "file:" + out, "--events", "net.packet,net.app", *options],
                   timeout=60, check=True, stdout=subprocess.DEVNULL)
    with open(out, "rb") as file:
        return sorted(schema.row(event) for event in schema.delimited(file.read()))


def any_workers(schema):
    """Streams, numbers and events are the same for any number of workers."""
    for folder, name in ("mixed", "ndpi-android.pcap"), ("frag", "ndpi-dns_fragmented.pcap"):
        path = os.path.join(CORPUS, folder, name)
        for buckets in "1", "8":
            one, three = (streams(schema, path, "--workers", workers, "--set", "decode.buckets=" + buckets) for workers in "13")
            check(one == three and len(one) > 5 and (len({row[0] for row in one}) > 1) == (buckets == "8"),
                  f"{name}: {buckets} streams are the same for three workers", f"{len(one)} and {len(three)} events")


def feeds_count_too(schema):
    """Packets that a feed takes are in the reports as well."""
    path = os.path.join(os.path.dirname(CORPUS), "market", "cme-mdp3-sbe-v1.6.pcapng")
    out = os.path.join(scratch, "events")
    subprocess.run([os.path.join(BUILD, "pkt-sniffer"), "-q", "-r", path, "-o", "file:" + out, "--events", "md.trade,net.flow", "--stats",
                    "3600"], timeout=60, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with opened(path + ".packets.csv") as rows, open(out, "rb") as file:
        lengths = [int(row["frame.len"]) for row in csv.DictReader(rows)]
        events = list(schema.delimited(file.read()))
    reports = [event.traffic for event in events if event.WhichOneof("payload") == "traffic"]
    check([(report.packets, report.bytes) for report in reports] == [(len(lengths), sum(lengths))] and
          any(event.WhichOneof("payload") == "trade" for event in events), f"{len(lengths)} packets of a feed are in the report of traffic",
          str([(report.packets, report.bytes) for report in reports]))


def main():
    if not os.path.isdir(CORPUS):
        print("skip - net: no captures (set PCAP_CORPUS)")
        return 0
    schema = Schema(os.path.join(BUILD, "events.binpb"))
    totals = collections.Counter()
    for capture in all_captures(schema):
        wrong, values = capture.packets()
        totals["captures"] += 1
        totals["packets"] += len(capture.rows)
        totals["values"] += values
        if wrong:
            check(False, f"{capture.name}: packets as tshark has them", f"{len(wrong)}: " + "; ".join(wrong[:3]))
        wrong = reports_wrong(capture) if "_invalid" not in capture.name else []  # see DNS_LEFT_OUT
        if wrong:
            check(False, f"{capture.name}: reports", "; ".join(wrong)[:600])
        totals["reports"] += not wrong
        if capture.name.split("/")[1] not in DNS_LEFT_OUT:
            wrong, compared = dns_wrong(capture)
            totals["dns"] += compared
            if wrong:
                check(False, f"{capture.name}: DNS as tshark has it", f"{len(wrong)}: " + "; ".join(wrong[:4]))
    any_workers(schema)
    feeds_count_too(schema)
    check(totals["dns"] > 300, f"{totals['dns']} DNS transactions: names, types, addresses, times")
    check(totals["reports"] == totals["captures"], f"traffic by protocol and talkers of {totals['reports']} captures")
    check(totals["captures"] > 200 and totals["values"] > 100000,
          f"{totals['packets']} packets of {totals['captures']} captures: {totals['values']} values compared")
    return failed > 0


try:
    from events_io import Schema
except ImportError:
    print("skip - net: google.protobuf is missing for /usr/bin/python3")
    sys.exit(0)
with tempfile.TemporaryDirectory() as scratch:
    sys.exit(main())
