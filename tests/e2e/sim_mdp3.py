#!/usr/bin/env python3
"""Reads the MDP 3.0 packets of feed-sim with a reader of its own and says where they differ from what feed-sim says.

usage: sim_mdp3.py DIR [--all], which holds sim.pcap, sim.feeds, sim.mdp3 (--truth-mdp3) and sim.books of one run without faults.
--all: every template must occur. Checked: every byte of every message, packets and both lines, numbers of instruments (RptSeq),
marks of events, books by price and by order against the engine's, snapshots against the books at their packet."""
import collections
import json
import struct
import sys

from sim_check import finish, wrong
from sim_wire import read

ENTRY46 = ("MDEntryPx q0 MDEntrySize i8 SecurityID i12 RptSeq I16 NumberOfOrders i20 MDPriceLevel B24 MDUpdateAction B25 "
           "MDEntryType c26 TradeableSize i27")
DEFINITION = ("MatchEventIndicator B0 TotNumReports I1 SecurityUpdateAction c5 LastUpdateTime Q6 MDSecurityTradingStatus B14 ApplID h15 "
              "MarketSegmentID B17 UnderlyingProduct B18 SecurityExchange 4s19 SecurityGroup 6s23 Asset 6s29 Symbol 20s35 SecurityID i55 "
              "SecurityType 6s59 CFICode 6s65 MaturityYear H71 MaturityMonth B73 MaturityDay B74 MaturityWeek B75 Currency 3s76 ")
DEFINITION_GROUPS = (("NoEvents", 3, 9, "EventType B0 EventTime Q1"), ("NoMDFeedTypes", 3, 4, "MDFeedType 3s0 MarketDepth b3"),
                     ("NoInstAttrib", 3, 4, "InstAttribValue I0"), ("NoLotTypeRules", 3, 5, "LotType b0 MinLotSize i1"))
HEAD = "TransactTime Q0 MatchEventIndicator B8"
# template: (block, fields, groups of (name, bytes of the dimension, block, fields)), schema version 13
LAYOUT = {
    4: (9, HEAD, (("NoMDEntries", 3, 2, "ApplID h0"),)),
    12: (0, "", ()),
    30: (30, "TransactTime Q0 SecurityGroup 6s8 Asset 6s14 SecurityID i20 TradeDate H24 MatchEventIndicator B26 SecurityTradingStatus B27 "
             "HaltReason B28 SecurityTradingEvent B29", ()),
    37: (11, HEAD, (("NoMDEntries", 3, 16, "MDEntrySize i0 SecurityID i4 RptSeq I8 MDUpdateAction B12"),)),
    46: (11, HEAD, (("NoMDEntries", 3, 32, ENTRY46),
                    ("NoOrderIDEntries", 8, 24, "OrderID Q0 MDOrderPriority Q8 MDDisplayQty i16 ReferenceID B20 OrderUpdateAction B21"))),
    47: (11, HEAD, (("NoMDEntries", 3, 40, "OrderID Q0 MDOrderPriority Q8 MDEntryPx q16 MDDisplayQty i24 SecurityID i28 "
                                           "MDUpdateAction B32 MDEntryType c33"),)),
    48: (11, HEAD, (("NoMDEntries", 3, 32, "MDEntryPx q0 MDEntrySize i8 SecurityID i12 RptSeq I16 NumberOfOrders i20 AggressorSide B24 "
                                           "MDUpdateAction B25 MDTradeEntryID I26"),
                    ("NoOrderIDEntries", 8, 16, "OrderID Q0 LastQty i8"))),
    49: (11, HEAD, (("NoMDEntries", 3, 32, "MDEntryPx q0 MDEntrySize i8 SecurityID i12 RptSeq I16 TradingReferenceDate H20 "
                                           "SettlPriceType B22 MDUpdateAction B23 MDEntryType c24"),)),
    50: (11, HEAD, (("NoMDEntries", 3, 32, "HighLimitPrice q0 LowLimitPrice q8 MaxPriceVariation q16 SecurityID i24 RptSeq I28"),)),
    51: (11, HEAD, (("NoMDEntries", 3, 24, "MDEntryPx q0 SecurityID i8 RptSeq I12 OpenCloseSettlFlag B16 MDUpdateAction B17 "
                                           "MDEntryType c18 MDEntrySize i19"),)),
    52: (59, "LastMsgSeqNumProcessed I0 TotNumReports I4 SecurityID i8 RptSeq I12 TransactTime Q16 LastUpdateTime Q24 TradeDate H32 "
             "MDSecurityTradingStatus B34 HighLimitPrice q35 LowLimitPrice q43 MaxPriceVariation q51",
         (("NoMDEntries", 3, 22, "MDEntryPx q0 MDEntrySize i8 NumberOfOrders i12 MDPriceLevel b16 TradingReferenceDate H17 "
                                 "OpenCloseSettlFlag B19 SettlPriceType B20 MDEntryType c21"),)),
    53: (28, "LastMsgSeqNumProcessed I0 TotNumReports I4 SecurityID i8 NoChunks I12 CurrentChunk I16 TransactTime Q20",
         (("NoMDEntries", 3, 29, "OrderID Q0 MDOrderPriority Q8 MDEntryPx q16 MDDisplayQty i24 MDEntryType c28"),)),
    54: (224, DEFINITION + "SettlCurrency 3s79 MatchAlgorithm c82 MinTradeVol I83 MaxTradeVol I87 MinPriceIncrement q91 DisplayFactor q99 "
         "MainFraction B107 SubFraction B108 PriceDisplayFormat B109 UnitOfMeasure 30s110 UnitOfMeasureQty q140 TradingReferencePrice q148 "
         "SettlPriceType B156 OpenInterestQty i157 ClearedVolume i161 HighLimitPrice q165 LowLimitPrice q173 MaxPriceVariation q181 "
         "DecayQuantity i189 DecayStartDate H193 OriginalContractSize i195 ContractMultiplier i199 ContractMultiplierUnit b203 "
         "FlowScheduleType b204 MinPriceIncrementAmount q205 UserDefinedInstrument 1s213 TradingReferenceDate H214 InstrumentGUID Q216",
         DEFINITION_GROUPS),
    56: (255, DEFINITION + "SecuritySubType 5s79 UserDefinedInstrument 1s84 MatchAlgorithm c85 MinTradeVol I86 MaxTradeVol I90 "
         "MinPriceIncrement q94 DisplayFactor q102 PriceDisplayFormat B110 PriceRatio q111 TickRule b119 UnitOfMeasure 30s120 "
         "TradingReferencePrice q150 SettlPriceType B158 OpenInterestQty i159 ClearedVolume i163 HighLimitPrice q167 LowLimitPrice q175 "
         "MaxPriceVariation q183 MainFraction B191 SubFraction B192 TradingReferenceDate H193 PriceQuoteMethod 5s195 RiskSet 6s200 "
         "MarketSet 6s206 InstrumentGUID Q212 FinancialInstrumentFullName 35s220",
         DEFINITION_GROUPS + (("NoLegs", 3, 18, "LegSecurityID i0 LegSide B4 LegRatioQty b5 LegPrice q6 LegOptionDelta i14"),)),
}
BEFORE_10 = {54: 216, 56: 195}  # blocks
NULL = {"B": 255, "b": 127, "H": 65535, "I": 2**32 - 1, "i": 2**31 - 1, "Q": 2**64 - 1, "q": 2**63 - 1}


def fields(text):
    words = text.split()
    out = []
    for name, where in zip(words[::2], words[1::2]):
        split = where.index("s") + 1 if "s" in where else 1
        out.append((name, where[:split], int(where[split:])))
    return out


LAYOUT = {t: (block, fields(root), [(n, d, b, fields(f)) for n, d, b, f in groups]) for t, (block, root, groups) in LAYOUT.items()}


def block(data, at, length, layout, version):
    out, covered = {}, bytearray(length)
    for name, kind, offset in layout:
        size = struct.calcsize("<" + kind)
        if offset + size > length or (name == "TradeableSize" and version < 10):
            continue
        covered[offset:offset + size] = b"x" * size
        value = struct.unpack_from("<" + kind, data, at + offset)[0]
        if isinstance(value, bytes):
            value = value.split(b"\0")[0].decode("ascii")
        if value != NULL.get(kind, ""):
            out[name] = value
    if any(data[at + i] for i in range(length) if not covered[i]):
        wrong("bytes that no field has are not zero")
    return out


def message(data):
    size, length, template, schema, version = struct.unpack_from("<HHHHH", data)
    out, at = {"template": template, "version": version}, 10
    want, layout, groups = LAYOUT[template]
    if schema != 1 or size != len(data) or length != (BEFORE_10.get(template, want) if version < 10 else want):
        wrong("header of template %d: schema %d, size %d, block %d" % (template, schema, size, length))
    out.update(block(data, at, length, layout, version))
    at += length
    for name, dimension, length, layout in groups:
        said, number = struct.unpack_from("<H", data, at)[0], data[at + dimension - 1]
        if said != length or any(data[at + 2:at + dimension - 1]):
            wrong("group %s of template %d" % (name, template))
        at += dimension
        out[name] = [block(data, at + i * length, length, layout, version) for i in range(number)]
        at += number * length
    if at != len(data):
        wrong("template %d ends at %d of %d" % (template, at, len(data)))
    return out


class Books:
    """Books by the rules of MDP 3.0: levels that shift, 10 of them; orders by number."""

    def __init__(self):
        self.sides, self.orders, self.rpt, self.seen = collections.defaultdict(list), {}, collections.Counter(), set()

    def level(self, e):
        side, at = self.sides[e["SecurityID"], e["MDEntryType"]], e["MDPriceLevel"] - 1
        entry = [e["MDEntryPx"], e.get("MDEntrySize"), e.get("NumberOfOrders")]
        if e["MDUpdateAction"] == 0:
            if at > len(side):
                wrong("a new level %d where there are %d" % (at + 1, len(side)))
            side.insert(at, entry)
            del side[10:]
        elif at >= len(side) or side[at][0] != e["MDEntryPx"]:
            wrong("a level that is not there: %s in %s" % (e, side))
        elif e["MDUpdateAction"] == 1:
            if side[at] == entry:
                wrong("a change that changes nothing: %s" % e)
            side[at] = entry
        else:
            del side[at]

    def order(self, security, side, price, e, action):
        key, entry = (security, e["OrderID"]), [side, price, e.get("MDDisplayQty"), e.get("MDOrderPriority")]
        if (key in self.orders) == (action == 0) or (action and self.orders[key][:2] != entry[:2]):
            wrong("action %d on order %s, which is %s" % (action, key, self.orders.get(key)))
        if action == 2:
            self.orders.pop(key, None)
        else:
            self.orders[key] = entry

    def take(self, m):
        t = m["template"]
        for e in m.get("NoMDEntries", ()):
            if "RptSeq" in e:
                self.rpt[e["SecurityID"]] += 1
                if e["RptSeq"] != self.rpt[e["SecurityID"]] or e["SecurityID"] not in self.seen:
                    wrong("RptSeq %d instead of %d: %s" % (e["RptSeq"], self.rpt[e["SecurityID"]], e))
            if t == 46:
                self.level(e)
            elif t == 47:
                self.order(e["SecurityID"], e["MDEntryType"], e["MDEntryPx"], e, e["MDUpdateAction"])
            elif t == 4:
                self.sides.clear()
                self.orders.clear()
                self.rpt.clear()
        for e in m.get("NoOrderIDEntries", ()) if t == 46 else ():
            level = m["NoMDEntries"][e["ReferenceID"] - 1]
            self.order(level["SecurityID"], level["MDEntryType"], level["MDEntryPx"], e, e["OrderUpdateAction"])
        if t in (54, 56):
            self.seen.add(m["SecurityID"])
            if any(leg["LegSecurityID"] not in self.seen for leg in m.get("NoLegs", ())):
                wrong("a leg that was not defined before")
        if t == 48 and sum(e["NumberOfOrders"] for e in m["NoMDEntries"]) != len(m["NoOrderIDEntries"]):
            wrong("rows of orders of a trade: %s" % m)

    def full(self, security):
        """(orders of a side by price and priority)"""
        sides = collections.defaultdict(lambda: collections.defaultdict(list))
        for (s, ref), (side, price, size, priority) in self.orders.items():
            if s == security:
                sides[side][price].append((priority, ref, size))
        return {side: [(price, sorted(orders)) for price, orders in sorted(levels.items(), reverse=side == "0")]
                for side, levels in sides.items()}

    def copy(self, security):
        return ({side: [list(e) for e in self.sides[security, side]] for side in "01"}, self.full(security), self.rpt[security])


KIND = {37: 2, 46: 4, 47: 4, 48: 1, 51: 8, 49: 8}


class Events:
    """Marks of the events of a channel: messages of one time until bit 7; before it, the last one of each kind but the last."""

    def __init__(self):
        self.event = []

    def take(self, m):
        if "MatchEventIndicator" not in m:
            return
        self.event.append(m)
        if not m["MatchEventIndicator"] & 128:
            return
        event, self.event = self.event, []
        if len({e.get("TransactTime") for e in event}) != 1:
            wrong("an event of several times: %s" % event)
        if len(event) == 1:
            return
        for i, e in enumerate(event):
            kind = KIND[e["template"]]
            last = not any(KIND[o["template"]] == kind and (o["NoMDEntries"] or kind != 4) for o in event[i + 1:])
            if not e["NoMDEntries"]:
                continue
            if bool(e["MatchEventIndicator"] & kind) != last or e["MatchEventIndicator"] & 127 & ~kind:
                wrong("marks of message %d of %s" % (i, event))


def snapshot(m, states, done):
    """A snapshot against the books behind its packet of the incremental feed."""
    levels, orders, rpt = states[m["LastMsgSeqNumProcessed"], m["SecurityID"]]
    if m["template"] == 52:
        mine = {side: [[e["MDEntryPx"], e["MDEntrySize"], e["NumberOfOrders"]] for e in m["NoMDEntries"] if e["MDEntryType"] == side]
                for side in "01"}
        if mine != levels or m["RptSeq"] != rpt:
            wrong("snapshot %s, should be %s" % (m, levels))
    else:
        got = done.setdefault(m["SecurityID"], [])
        got += m["NoMDEntries"]
        if m["CurrentChunk"] == m["NoChunks"]:
            want = [(side, price, size, priority, ref) for side in "01" for price, row in orders.get(side, [])
                    for priority, ref, size in row]
            if [(e["MDEntryType"], e["MDEntryPx"], e["MDDisplayQty"], e["MDOrderPriority"], e["OrderID"])
                    for e in done.pop(m["SecurityID"])] != want:
                wrong("orders of the snapshot of %d differ" % m["SecurityID"])


def books_differ(books, number, path):
    n = 0
    for text in open(path, encoding="ascii"):
        said = json.loads(text)
        if said["channel"] != number:
            continue
        n += 1
        px = lambda price: (price - said["origin"]) * 100000
        full = books.full(said["security"])
        for letter, name in ("0", "bids"), ("1", "asks"):
            want = [[px(level["price"]), level["shares"], level["count"]] for level in said[name][:10]]
            if books.sides[said["security"], letter] != want:
                wrong("the levels of %s are %s, should be %s" % (said["stock"], books.sides[said["security"], letter], want))
            orders = [(px(level["price"]), [(o["ref"], o["shares"]) for o in level["orders"]]) for level in said[name]]
            if [(price, [row[1:] for row in rows]) for price, rows in full.get(letter, [])] != orders:
                wrong("the orders of %s differ" % said["stock"])
    return n


def main():
    folder = sys.argv[1]
    truth = collections.defaultdict(dict)
    for text in open(folder + "/sim.mdp3", encoding="ascii"):
        said = json.loads(text)
        truth[said.pop("channel")].setdefault((said.pop("session"), said.pop("seq")), []).append(said)
    lines = collections.defaultdict(list)
    for ts, packet, payload in read(folder):
        if packet.session is None:
            lines[packet.channel, packet.line].append((ts, payload))
    templates, wanted = collections.Counter(), collections.defaultdict(set)
    for channel, packets in truth.items():  # what snapshots need to be compared with
        for (session, _), said in packets.items():
            for m in said:
                if m["template"] in (52, 53):
                    wanted[channel - 1000].add((m["LastMsgSeqNumProcessed"], m["SecurityID"]))
    shots, states, books_n = [], collections.defaultdict(dict), 0
    for channel, packets in sorted(truth.items()):
        a, b = lines[channel, "A"], lines[channel, "B"]
        if not a or sorted(p for _, p in a) != sorted(p for _, p in b):
            wrong("lines of channel %d differ" % channel)
        books, events, sent_last = Books(), Events(), 0
        needs = collections.defaultdict(set)
        for seq, security in wanted[channel]:
            needs[seq].add(security)
        for (ts, payload), ((session, seq), said) in zip(a, packets.items()):
            number, sent = struct.unpack_from("<IQ", payload)
            if number != seq or not sent_last < sent < ts:
                wrong("packet %d sent %d instead of %d of %s" % (number, sent, seq, session))
            sent_last, at = sent, 12
            for i, want in enumerate(said):
                size = struct.unpack_from("<H", payload, at)[0]
                got = message(payload[at:at + size])
                at += size
                if want.pop("at") != i or got != want:
                    wrong("truth %s, bytes %s" % (want, got))
                templates[got["template"]] += 1
                events.take(got)
                if got["template"] in (52, 53):
                    shots.append((channel - 1000, got))
                else:
                    books.take(got)
            if at != len(payload):
                wrong("packet %d ends at %d of %d" % (seq, at, len(payload)))
            for security in needs.get(seq, ()):
                states[channel][seq, security] = books.copy(security)
        if len(a) != len(packets):
            wrong("channel %d: %d packets, %d told" % (channel, len(a), len(packets)))
        if channel < 1310:
            books_n += books_differ(books, channel - 310, folder + "/sim.books")
    done = {}
    for channel, m in shots:
        snapshot(m, states[channel], done)
    if "--all" in sys.argv and set(LAYOUT) - {4} - set(templates):
        wrong("templates that did not occur: %s" % (set(LAYOUT) - set(templates)))
    if not books_n:
        wrong("no books")
    print("%d messages of %d templates, %d snapshots, %d books" % (sum(templates.values()), len(templates), len(shots), books_n))
    finish()


if __name__ == "__main__":
    main()
