#!/usr/bin/env python3
"""Reads what feed-sim wrote with readers of its own and says where its files disagree.

usage: sim_check.py DIR, which holds sim.pcap, sim.bin, sim.jsonl, sim.fix.jsonl and sim.books of one run.
--all-types: all 23 message types must occur."""
import collections
import json
import struct
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

LENGTH = {"S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36, "F": 40,
          "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20, "O": 48}
# what follows the common header (11 bytes): names of the truth, and a struct format; s is text without its padding
BODY = {
    "S": ("event", "1s"),
    "R": ("stock market_category financial_status round_lot round_lots_only issue_class issue_subtype authenticity "
          "short_sale_threshold ipo luld_tier etp etp_leverage inverse", "8s1s1sI1s1s2s1s1s1s1s1sI1s"),
    "H": ("stock state _ reason", "8s1s1s4s"), "Y": ("stock action", "8s1s"),
    "L": ("mpid stock primary mode state", "4s8s1s1s1s"), "V": ("level1_e8 level2_e8 level3_e8", "QQQ"),
    "W": ("level", "1s"), "K": ("stock release_s qualifier price", "8sI1sI"),
    "J": ("stock reference upper lower extension", "8sIIII"), "h": ("stock market action", "8s1s1s"),
    "A": ("ref side shares stock price", "Q1sI8sI"), "F": ("ref side shares stock price mpid", "Q1sI8sI4s"),
    "E": ("ref shares match", "QIQ"), "C": ("ref shares match printable price", "QIQ1sI"),
    "X": ("ref shares", "QI"), "D": ("ref", "Q"), "U": ("ref new_ref shares price", "QQII"),
    "P": ("ref side shares stock price match", "Q1sI8sIQ"), "Q": ("shares stock price match cross", "Q8sIQ1s"),
    "B": ("match", "Q"),
    "I": ("paired imbalance direction stock far near reference cross variation", "QQ1s8sIII1s1s"),
    "N": ("stock interest", "8s1s"), "O": ("stock eligible min max near near_time_ns lower upper", "8s1sIIIQII"),
}
BODY = {t: (names.split(), struct.Struct(">" + fmt), [f for f in fmt.replace("Q", "Q ").replace("I", "I ").replace(
    "s", "s ").split()]) for t, (names, fmt) in BODY.items()}
problems = []


def wrong(text):
    problems.append(text)
    if len(problems) > 20:
        finish()


def finish():
    for text in problems:
        print("wrong:", text)
    sys.exit(1 if problems else 0)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def frames(path):
    with open(path, "rb") as file:
        head = file.read(24)
        scale = {b"\x4d\x3c\xb2\xa1": 1, b"\xd4\xc3\xb2\xa1": 1000}[head[:4]]
        last = 0
        while record := file.read(16):
            sec, fraction, caplen, wirelen = struct.unpack("<IIII", record)
            data = file.read(caplen)
            ts = sec * 1000000000 + fraction * scale
            if caplen != wirelen or len(data) != caplen:
                wrong("a record is cut short")
            if ts < last:
                wrong("packets are not in order of time at %d" % ts)
            last = ts
            yield ts, data


def packets(path):
    """(ts, protocol, (source ip, port, destination ip, port), header bytes of TCP, payload)"""
    for number, (ts, data) in enumerate(frames(path)):
        ip = data[14:]
        if data[12:14] != b"\x08\0" or ip[0] != 0x45 or struct.unpack(">H", ip[2:4])[0] != len(ip):
            wrong("packet %d: Ethernet or IP header" % number)
        if checksum(ip[:20]):
            wrong("packet %d: IP checksum" % number)
        if checksum(ip[12:20] + struct.pack(">HH", ip[9], len(ip) - 20) + ip[20:]):
            wrong("packet %d: UDP or TCP checksum" % number)
        source, destination = struct.unpack(">HH", ip[20:24])
        flow = (ip[12:16], source, ip[16:20], destination)
        if ip[9] == 17:
            if struct.unpack(">H", ip[24:26])[0] != len(ip) - 20:
                wrong("packet %d: UDP length" % number)
            if ip[16] >> 4 == 14 and data[:6] != b"\x01\0\x5e" + bytes([ip[17] & 127]) + ip[18:20]:
                wrong("packet %d: multicast address" % number)
            yield ts, 17, flow, b"", ip[28:]
        else:
            head = ip[32] >> 4
            yield ts, 6, flow, ip[20:20 + head * 4], ip[20 + head * 4:]


class Line:
    def __init__(self):
        self.seq, self.messages, self.heartbeats, self.ends, self.session = 1, [], 0, 0, None
        self.cuts = set()

    def packet(self, ts, payload):
        session, seq, count = struct.unpack(">10sQH", payload[:20])
        if self.session not in (None, session):
            wrong("a line changes its session")
        self.session = session
        if seq != self.seq:
            wrong("sequence %d instead of %d" % (seq, self.seq))
        if self.ends and count != 0xffff:
            wrong("a packet after the end of the session")
        if count in (0, 0xffff):
            self.heartbeats += count == 0
            self.ends += count == 0xffff
            if len(payload) != 20:
                wrong("a heartbeat with messages")
            return
        at = 20
        for _ in range(count):
            size = payload[at] << 8 | payload[at + 1]
            self.messages.append(payload[at + 2:at + 2 + size])
            at += 2 + size
        if at != len(payload):
            wrong("the blocks of packet %d end at %d of %d" % (seq, at, len(payload)))
        if int.from_bytes(self.messages[-1][5:11], "big") > ts % 86400000000000 + 86400000000000:
            wrong("sent before it happened")
        self.seq += count
        self.cuts.add(seq)


class Tcp:
    """Both directions of the one connection: in order, without a hole, opened and closed properly."""

    def __init__(self):
        self.next, self.text, self.flags = {}, collections.defaultdict(bytearray), collections.defaultdict(int)
        self.segments = collections.defaultdict(list)

    def segment(self, flow, head, payload):
        side = flow[:2]
        seq, ack = struct.unpack(">II", head[4:12])
        flags = head[13]
        if flags & 2:
            self.next[side] = seq
        if seq != self.next.get(side):
            wrong("TCP sequence %d instead of %s" % (seq, self.next.get(side)))
        if flags & 16 and ack != self.next.get(flow[2:]):
            wrong("TCP acknowledges %d instead of %s" % (ack, self.next.get(flow[2:])))
        self.next[side] = (seq + len(payload) + (flags & 1) + (flags >> 1 & 1)) & 0xffffffff
        self.flags[side] |= flags
        if payload:
            self.segments[side].append(len(self.text[side]))
        self.text[side] += payload


def fix_messages(text):
    """[[tag, value], …] of each message, framed by BodyLength; data fields by the length before them."""
    at = 0
    while at < len(text):
        start = text.index(b"\x01", at) + 1
        end = text.index(b"\x01", start)
        if text[at:start - 1] != b"8=FIX.4.4" or text[start:start + 2] != b"9=":
            wrong("FIX begins with %r" % bytes(text[at:end]))
            return
        stop = end + 1 + int(text[start + 2:end]) + 7
        if text[stop - 7:stop - 4] + text[stop - 1:stop] != b"10=\x01":
            wrong("BodyLength of %r" % bytes(text[at:stop]))
            return
        if sum(text[at:stop - 7]) % 256 != int(text[stop - 4:stop - 1]):
            wrong("CheckSum of %r" % bytes(text[at:stop]))
        fields, p = [], at
        while p < stop:
            equals = text.index(b"=", p)
            tag = int(text[p:equals])
            last = text.index(b"\x01", equals)
            if tag in (96, 355):
                last = equals + 1 + int(fields[-1][1])
            fields.append([tag, text[equals + 1:last].decode("latin-1")])
            p = last + 1
        yield at, fields
        at = stop


def parse(message, midnight):
    kind = chr(message[0])
    if LENGTH.get(kind) != len(message):
        wrong("a message %s of %d bytes" % (kind, len(message)))
        return {"type": kind}
    locate, tracking = struct.unpack(">HH", message[1:5])
    event = {"type": kind, "ts": midnight + int.from_bytes(message[5:11], "big"), "locate": locate, "tracking": tracking}
    names, layout, formats = BODY[kind]
    for name, value, form in zip(names, layout.unpack(message[11:]), formats):
        if form[-1] == "s":
            text = value.decode("ascii")
            value = text if len(text) == 1 else text.rstrip(" ")
        if name != "_":
            event[name] = value
    return event


class Books:
    """The book rules of ITCH 5.0, nothing more."""

    def __init__(self):
        self.orders, self.sides, self.names, self.states = {}, {}, {}, {}

    def add(self, locate, side, ref, shares, price):
        if ref in self.orders:
            wrong("order %d is added twice" % ref)
        self.orders[ref] = [locate, side, price, shares]
        self.sides.setdefault((locate, side), {}).setdefault(price, {})[ref] = None

    def remove(self, ref):
        locate, side, price, _ = self.orders.pop(ref)
        level = self.sides[locate, side][price]
        del level[ref]
        if not level:
            del self.sides[locate, side][price]

    def event(self, e):
        kind = e["type"]
        if kind == "R":
            self.names[e["locate"]] = e["stock"]
        elif kind == "H":
            self.states[e["locate"]] = e["state"]
        elif kind in "AF":
            self.add(e["locate"], e["side"], e["ref"], e["shares"], e["price"])
            self.uncrossed(e["locate"])
        elif kind in "ECX":
            order = self.orders.get(e["ref"])
            if not order or order[3] < e["shares"] or not e["shares"] or order[0] != e["locate"]:
                wrong("%s takes %d shares of %s" % (kind, e["shares"], order))
                return
            if kind != "X":
                best = (max if order[1] == "B" else min)(self.sides[order[0], order[1]])
                if order[2] != best:
                    wrong("%s trades behind the best price" % kind)
                if next(iter(self.sides[order[0], order[1]][best])) != e["ref"]:
                    wrong("%s trades behind an older order" % kind)
            order[3] -= e["shares"]
            if not order[3]:
                self.remove(e["ref"])
        elif kind == "D":
            if e["ref"] in self.orders:
                self.remove(e["ref"])
            else:
                wrong("D of an unknown order")
        elif kind == "U":
            locate, side = self.orders[e["ref"]][:2]
            self.remove(e["ref"])
            self.add(locate, side, e["new_ref"], e["shares"], e["price"])
            self.uncrossed(locate)

    def uncrossed(self, locate):
        bids, asks = self.sides.get((locate, "B")), self.sides.get((locate, "S"))
        if bids and asks and len(bids) + len(asks) < 40 and max(bids) >= min(asks):
            wrong("the book of %s is crossed" % self.names.get(locate))

    def side(self, locate, side):
        levels = self.sides.get((locate, side), {})
        return [{"price": price, "shares": sum(self.orders[r][3] for r in levels[price]), "count": len(levels[price]),
                 "orders": [{"ref": r, "shares": self.orders[r][3]} for r in levels[price]]}
                for price in sorted(levels, reverse=side == "B")]


def main():
    where = sys.argv[1]
    lines, tcp = {}, Tcp()
    first = None
    for ts, protocol, flow, head, payload in packets(where + "/sim.pcap"):
        first = first or ts
        if protocol == 17:
            if flow[2][0] == 233:  # MDP 3.0 goes to 224.0.31 and 32: sim_mdp3.py reads it
                lines.setdefault(flow[2:], Line()).packet(ts, payload)
        else:
            tcp.segment(flow, head, payload)
    blob = open(where + "/sim.bin", "rb").read()
    messages, at = [], 0
    while at < len(blob):
        size = blob[at] << 8 | blob[at + 1]
        messages.append(blob[at + 2:at + 2 + size])
        at += 2 + size
    if at != len(blob):
        wrong("the BinaryFILE is cut short")
    if len(lines) != 2:
        wrong("%d lines instead of 2" % len(lines))
    for address, line in lines.items():
        if line.messages != messages:
            wrong("line %s and the BinaryFILE differ" % (address,))
        if line.heartbeats == 0 or line.ends != 3:
            wrong("line %s: %d heartbeats, %d ends" % (address, line.heartbeats, line.ends))
    cuts = [line.cuts for line in lines.values()]
    if cuts[0] == cuts[1]:
        wrong("both lines are cut alike")

    eastern = datetime.fromtimestamp(first // 1000000000, timezone.utc).astimezone(ZoneInfo("America/New_York"))
    midnight = int(eastern.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 1000000000
    books, types, matches, last = Books(), collections.Counter(), {}, 0
    with open(where + "/sim.jsonl") as truth:
        for number, (line, message) in enumerate(zip(truth, messages)):
            said, event = json.loads(line), parse(message, midnight)
            types[event["type"]] += 1
            if said.pop("seq") != number + 1 or said.pop("channel") != 0 or said.pop("session") != "SIM0000001":
                wrong("truth %d has another number" % number)
            if "stock" not in event and event["locate"]:
                event["stock"] = books.names.get(event["locate"])
            if said != event:
                wrong("truth %s, bytes %s" % (said, event))
            if event["ts"] < last:
                wrong("time goes back at %d" % number)
            last = event["ts"]
            if "match" in event:
                if event["type"] == "B" and event["match"] not in matches:
                    wrong("a trade is broken that never was")
                matches.setdefault(event["match"], []).append(event)
            books.event(event)
        if truth.readline() or number + 1 != len(messages):
            wrong("truth and BinaryFILE have different lengths")
    if "--all-types" in sys.argv and set(types) != set(LENGTH):
        wrong("types that did not occur: %s" % sorted(set(LENGTH) - set(types)))

    with open(where + "/sim.books") as file:
        for line in file:
            said = {k: v for k, v in json.loads(line).items() if k not in ("security", "origin")}  # of MDP 3.0
            locate = said["locate"]
            mine = {"channel": 0, "locate": locate, "stock": books.names[locate], "state": books.states[locate],
                    "bids": books.side(locate, "B"), "asks": books.side(locate, "S")}
            if said != mine:
                wrong("the book of %s differs" % said["stock"])

    said = {"client": [], "gateway": []}
    with open(where + "/sim.fix.jsonl") as file:
        for line in file:
            entry = json.loads(line)
            said[entry["dir"]].append(entry)
    kinds, inside = collections.Counter(), 0
    for side, text in tcp.text.items():
        name = "gateway" if side[1] == 9876 else "client"
        if tcp.flags[side] & 3 != 3:
            wrong("%s: no SYN or no FIN" % name)
        got = list(fix_messages(text))
        inside += len(set(tcp.segments[side]) - {at for at, _ in got})
        if len(got) != len(said[name]):
            wrong("%s: %d messages on the wire, %d in the truth" % (name, len(got), len(said[name])))
        for number, ((_, fields), entry) in enumerate(zip(got, said[name]), 1):
            if fields != entry["fields"] or dict(fields)[34] != str(number) or entry["seq"] != number:
                wrong("%s: wire %s, truth %s" % (name, fields, entry))
            kinds[dict(fields)[35]] += 1
            if dict(fields).get(150) == "F":
                trade = dict(fields)
                event = matches.get(int(trade[880]), [{}])[0]
                if event.get("shares") != int(trade[32]) and event.get("printable") != "N":
                    wrong("a fill that is not on the feed: %s" % fields)
                if event.get("stock") != trade[55]:
                    wrong("a fill in another instrument: %s" % fields)
    for needed in "A05D8":
        if said["client"] and not kinds[needed]:
            wrong("no FIX message %s" % needed)
    if said["client"] and len(messages) >= 50000 and (not inside or set("A015DFG8933jV") - set(kinds)):
        wrong("FIX: %d segments begin inside a message, kinds %s" % (inside, dict(kinds)))
    print("%d messages of %d types, %d FIX messages, %d segments begin inside a message, %d orders stand" % (
        len(messages), len(types), sum(kinds.values()), inside, len(books.orders)))
    finish()


if __name__ == "__main__":
    main()
