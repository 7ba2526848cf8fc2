"""CME MDP 3.0: what each field of the dissector's tree must have become."""
import datetime

from .wire import Surprise, Wire, decimal_text

LEFT_OUT = {
    "messagesize": "framing: says where the next message starts",
    "tcpmessagesize": "framing: says where the next message starts",
    "encodingtype": "framing: starts a packet on TCP",
    "blocklength": "framing: where groups and entries start",
    "schemaid": "framing: market data, the only schema with answers",
    "version": "framing: how much of a block is there; fields that are not have no leaf in the tree",
    "groupsize": "framing: as many entries stand in the tree, or the test says so",
    "groupsize8byte": "framing: as many entries stand in the tree, or the test says so",
}
# Fields that events carry in part:
# MatchEventIndicator: bits 0 to 4 mark the last trade, volume, quote, statistics and implied quote inside an event,
#   which the kind of the events and FLAG_LAST say. Bit 5, recovery, is not in these captures.
# MDUpdateAction of a statistic: new and changed are both just its value; deleted is a bit of stat_flags.
MEI_LEFT_OUT, MEI_END = 0x1F, 0x80
TELLING = {"mdupdateaction": ("0", "2")}  # values that must differ in what comes out
NULL_I32, NULL_U32, NULL_U64, NULL_U16, NULL_U8, NULL_I8 = 2**31 - 1, 2**32 - 1, 2**64 - 1, 65535, 255, 127
SIDE = {"0": "SIDE_BUY", "1": "SIDE_SELL", "E": "SIDE_BUY", "F": "SIDE_SELL"}
MBP_ACTION = ["NEW", "CHANGE", "DELETE", "DELETE_THRU", "DELETE_FROM", "OVERLAY"]
MBO_ACTION = ["ADD", "MODIFY", "DELETE"]
TRADE_KIND = ["REGULAR", "CORRECT", "BREAK"]
AGGRESSOR = {0: None, 1: "SIDE_BUY", 2: "SIDE_SELL", NULL_U8: None}
STATISTIC = {"4": "OPEN", "7": "HIGH", "8": "LOW", "9": "VWAP", "N": "HIGHEST_BID", "O": "LOWEST_OFFER"}
STATE = {2: "HALTED", 4: "CLOSED", 15: "AUCTION", 17: "TRADING", 18: "UNAVAILABLE", 20: None, 21: "PRE_OPEN",
         24: "AUCTION", 25: "AUCTION", 26: "POST_CLOSE", 103: "NO_CHANGE"}
LAST, SNAPSHOT, IMPLIED, NO_DEFINITION = 1, 2, 8, 64
PRICE = "mdentrypx", "mdentrypxex", "mdentrypxoptional", "mdentrypxoptionalex"
SIZE = "mdentrysize", "mdentrysizeoptional", "mdentrysizeshort", "mdentrysizeshortoptional"
ORDERS = "numberoforders", "numberofordersoptional"
# The attributes of a definition: name in the event, name in the tree, null.
ATTRIBUTES = [
    ("TotNumReports", "totnumreportsoptional", NULL_U32),
    ("MDSecurityTradingStatus", "mdsecuritytradingstatus", NULL_U8),
    ("ApplID", "applid", None), ("MarketSegmentID", "marketsegmentid", None), ("MainFraction", "mainfraction", NULL_U8),
    ("SubFraction", "subfraction", NULL_U8), ("PriceDisplayFormat", "pricedisplayformat", NULL_U8),
    ("MinTradeVol", "mintradevol", None), ("MaxTradeVol", "maxtradevol", None),
    ("OpenInterestQty", "openinterestqty", NULL_I32), ("ClearedVolume", "clearedvolume", NULL_I32)]
FUTURE_ATTRIBUTES = [
    ("UnderlyingProduct", "underlyingproduct", None), ("DecayQuantity", "decayquantity", NULL_I32),
    ("DecayStartDate", "decaystartdate", NULL_U16), ("OriginalContractSize", "originalcontractsize", NULL_I32),
    ("ContractMultiplierUnit", "contractmultiplierunit", NULL_I8), ("FlowScheduleType", "flowscheduletype", NULL_I8)]
SPREAD_ATTRIBUTES = [("UnderlyingProduct", "underlyingproductoptional", NULL_U8), ("TickRule", "tickrule", NULL_I8)]


def group(m, name, entry):
    """The entries of a group, as many as its header says."""
    part = m.part(name)
    entries = part.each(entry)
    size = part.tree.get("groupsize") or part.tree["groupsize8byte"]
    if len(entries) != int(size["numingroup"]):
        raise Surprise(f"{len(entries)} entries in {name}, whose header says {size['numingroup']}")
    return entries


def pick(codes, number):
    if number >= len(codes):
        raise Surprise(f"code {number} of {codes}")
    return codes[number]


class Cme:
    page = "cme_mdp3"
    seq_unit = 0  # the packet is the unit

    def __init__(self):
        self.symbols = {}

    @staticmethod
    def header(tree):
        return tree.get("binarypacketheader") or tree["technicalheader"]

    @staticmethod
    def sequence(tree):
        header = Cme.header(tree)
        return int(header.get("packetsequencenumber") or header["messagesequencenumber"]), 1

    def packet(self, tree, capture):
        wire = Wire(tree, LEFT_OUT)
        header = wire.part("binarypacketheader", "technicalheader")
        ts_send = header.number("sendingtime", "tcpsendingtime")
        sent = datetime.datetime.fromtimestamp(ts_send // 10**9, datetime.timezone.utc).isocalendar()
        envelope = dict(capture, venue="XCME", ts_send_ns=ts_send, session=f"{sent[0]}-W{sent[1]:02}",
                        seq=header.number("packetsequencenumber", "messagesequencenumber"))
        events = []
        for message in wire.each("message") + wire.each("tcpmessage"):
            for event in self.message(message):
                events.append(dict(envelope, sub_seq=len(events), **event))
        return events, wire.not_read()

    def message(self, wire):
        template = wire.part("messageheader").number("templateid")
        names = [name for name in wire.tree if name not in LEFT_OUT and name != "messageheader"]
        if template == 12:
            return [{"template_id": 12, "flags": LAST, "system": {"code": "CODE_HEARTBEAT"}}]
        if len(names) != 1:
            raise Surprise(f"structures {names} of template {template}")
        m = wire.part(names[0])
        mei = m.bits("matcheventindicator")
        if mei & ~(MEI_LEFT_OUT | MEI_END):
            raise Surprise(f"MatchEventIndicator {mei:#x}")
        events = getattr(self, {32: "book", 46: "book", 35: "statistics", 37: "volume", 42: "trades", 48: "trades",
                                65: "trades", 47: "orders", 30: "status", 27: "future", 29: "spread",
                                68: "snapshot"}[template])(m)
        if not events and mei & MEI_END:
            events = [{"system": {"code": "CODE_END_OF_EVENT"}}]
        for event in events:
            event.setdefault("flags", 0)
            event["template_id"] = template
            event["ts_event_ns"] = m.number("transacttime", "lastupdatetime")
            instrument = event.get("instrument_id")
            if instrument:
                event["symbol"] = self.symbols.get(instrument)
                event["flags"] |= 0 if instrument in self.symbols else NO_DEFINITION
        if events and mei & MEI_END:
            events[-1]["flags"] |= LAST
        return events

    def book(self, m):
        levels = [self.level(e, pick(MBP_ACTION, e.number("mdupdateaction"))) for e in
                  group(m, "incrementalrefreshbookgroups", "incrementalrefreshbookgroup")]
        orders = []
        if m.has("incrementalrefreshbookorderidgroups"):  # from version 7 on
            for e in group(m, "incrementalrefreshbookorderidgroups", "incrementalrefreshbookorderidgroup"):
                level = levels[e.number("referenceid") - 1]
                orders.append({"instrument_id": level["instrument_id"], "mbo": {
                    "action": "ACTION_" + pick(MBO_ACTION, e.number("orderupdateaction")),
                    "side": level["mbp"]["side"], "price_e9": level["mbp"]["price_e9"],
                    "order_id": e.number("orderid"), "priority": e.number("mdorderpriority", null=NULL_U64),
                    "size": e.number("mddisplayqty", "mddisplayqtyoptional", null=NULL_I32)}})
        return levels + orders

    @staticmethod
    def level(e, action):
        kind = e.text("mdentrytypebook", "mdentrytype")
        implied = kind in "EF"
        return {"flags": IMPLIED if implied else 0, "instrument_id": e.number("securityid"), "mbp": {
            "action": "ACTION_" + action, "side": SIDE[kind], "implied": implied, "price_e9": e.price(*PRICE),
            "size": e.number(*SIZE, null=NULL_I32), "orders": e.number(*ORDERS, null=NULL_I32),
            "level": e.number("mdpricelevel"), "rpt_seq": e.number("rptseq")}}

    @staticmethod
    def orders(m):
        events = []
        for e in group(m, "incrementalrefreshorderbookgroups", "incrementalrefreshorderbookgroup"):
            events.append({"instrument_id": e.number("securityid"), "mbo": {
                "action": "ACTION_" + pick(MBO_ACTION, e.number("mdupdateaction")),
                "side": SIDE[e.text("mdentrytypebook")],
                "order_id": e.number("orderidoptional", null=NULL_U64),
                "priority": e.number("mdorderpriority", null=NULL_U64), "price_e9": e.price(*PRICE),
                "size": e.number("mddisplayqtyoptional", null=NULL_I32)}})
        return events

    @staticmethod
    def stat(e, **stat):
        action = e.number("mdupdateaction")
        if action not in (0, 1, 2):
            raise Surprise(f"action {action} of a statistic")
        stat["stat_flags"] = stat.get("stat_flags", 0) | (32 if action == 2 else 0)
        return {"instrument_id": e.number("securityid"), "stats": {"stats": [dict(stat, rpt_seq=e.number("rptseq"))]}}

    @classmethod
    def statistics(cls, m):
        events = []
        for e in group(m, "incrementalrefreshsessionstatisticsgroups", "incrementalrefreshsessionstatisticsgroup"):
            flag = e.number("openclosesettlflag", null=NULL_U8)
            if flag not in (None, 0):
                raise Surprise(f"OpenCloseSettlFlag {flag}")
            events.append(cls.stat(
                e, type="TYPE_" + STATISTIC[e.text("mdentrytypestatistics")], price_e9=e.price(*PRICE),
                size=e.number("mdentrysizeoptional", null=NULL_I32) if e.has("mdentrysizeoptional") else None,
                stat_flags=0 if flag is None else flag + 1 << 8))  # bits 8 to 15: 1 + the code
        return events

    @classmethod
    def volume(cls, m):
        return [cls.stat(e, type="TYPE_VOLUME", size=e.number(*SIZE))
                for e in group(m, "incrementalrefreshvolumegroups", "incrementalrefreshvolumegroup")]

    @staticmethod
    def trades(m):
        """Each trade takes as many rows of the order list as it has orders."""
        long = "long" if m.has("incrementalrefreshtradesummarylonggroups") else ""
        name = "incrementalrefreshtradesummary" + long
        fills = [{"order_id": e.number("orderid"), "size": e.number("lastqty")}
                 for e in group(m, name + "orderidgroups", name + "orderidgroup")]
        events = []
        for e in group(m, name + "groups", name + "group"):
            orders = e.number("numberoforders")
            kind = pick(TRADE_KIND, e.number("mdupdateaction"))
            names = "mdtradeentryid", "mdtradeentry"
            trade_id = e.number(*names, null=NULL_U32) if e.has(*names) else None
            events.append({"instrument_id": e.number("securityid"), "trade": {
                "kind": "KIND_" + kind, "price_e9": e.price(*PRICE), "size": e.number(*SIZE), "order_count": orders,
                "trade_id" if kind == "REGULAR" else "ref_trade_id": trade_id,
                "aggressor": AGGRESSOR[e.number("aggressorside")], "symbol_seq": e.number("rptseq"),
                "fills": fills[:orders]}})
            fills = fills[orders:]
        if fills:
            raise Surprise(f"{len(fills)} order rows beyond what the trades have")
        return events

    @staticmethod
    def status(m):
        if m.number("securityidoptional") != NULL_I32 or m.text("asset"):
            raise Surprise("a status of an instrument or an asset")
        state = m.number("securitytradingstatus")
        date = datetime.date(1970, 1, 1) + datetime.timedelta(days=m.number("tradedate"))
        return [{"status": {
            "state": STATE[state] and "STATE_" + STATE[state], "raw_state": str(state), "scope": "SCOPE_GROUP",
            "group": m.text("securitygroup"), "reason": m.text("haltreason"),
            "trading_event": m.number("securitytradingevent"), "trade_date": int(date.strftime("%Y%m%d"))}}]

    @staticmethod
    def snapshot(m):
        """The book of one instrument anew: first it is cleared."""
        instrument = m.number("securityid")
        limits = [{"type": "TYPE_" + kind, "price_e9": m.price(name)} for kind, name in
                  (("UPPER_LIMIT", "highlimitprice"), ("LOWER_LIMIT", "lowlimitprice"),
                   ("MAX_VARIATION", "maxpricevariation"))]
        payloads = [{"system": {"code": "CODE_BOOK_CLEAR"}}, {"stats": {"stats": limits}}]
        for e in group(m, "snapshotfullrefreshtcplonggroups", "snapshotfullrefreshtcplonggroup"):
            kind, price = e.text("mdentrytype"), e.price(*PRICE)
            size = e.number("mdentrysizeoptional", null=NULL_U64)
            orders = e.number("numberofordersoptional", null=NULL_I32)
            level = e.number("mdpricelevelunsignedoptional", null=NULL_U8)
            if e.number("openclosesettlflag") != NULL_U8:
                raise Surprise("an OpenCloseSettlFlag in a snapshot")
            if kind in "wx":  # the market's best offer and bid: the level is 1 by what they are
                side = {"x": "bid", "w": "ask"}[kind]
                if level != 1:
                    raise Surprise(f"level {level} of the best")
                payloads.append({"bbo": {side + "_price_e9": price, side + "_size": size, side + "_orders": orders,
                                         "condition": kind, "changed": {"bid": 1, "ask": 2}[side]}})
            elif kind == "2":
                if level is not None:
                    raise Surprise(f"level {level} of a trade")
                payloads.append({"trade": {"kind": "KIND_REGULAR", "price_e9": price, "size": size,
                                           "order_count": orders}})
            else:
                payloads.append({"mbp": {"action": "ACTION_SET", "side": SIDE[kind], "price_e9": price, "size": size,
                                         "orders": orders, "level": level}})
        return [dict(payload, instrument_id=instrument, flags=SNAPSHOT) for payload in payloads]

    def definition(self, m, attributes):
        instrument, symbol = m.number("securityid"), m.text("symbol")
        maturity = m.part("maturitymonthyear")
        day, week = maturity.number("day", null=NULL_U8), maturity.number("week", null=NULL_U8)
        notes = {name: str(m.number(tree)) for name, tree, null in ATTRIBUTES + attributes
                 if m.number(tree) != null}
        notes["SettlPriceType"] = str(m.bits("settlpricetype"))
        notes["UserDefinedInstrument"] = m.text("userdefinedinstrument")
        if m.price("maxpricevariation") is not None:
            notes["MaxPriceVariation"] = decimal_text(m.text("maxpricevariation"))
        if week is not None:
            notes["MaturityMonthYear.week"] = str(week)
        for i, e in enumerate(group(m, "eventsgroups", "eventsgroup"), 1):
            notes[f"EventType.{i}"], notes[f"EventTime.{i}"] = e.text("eventtype"), e.text("eventtime")
        depth = {}
        for i, e in enumerate(group(m, "feedtypesgroups", "feedtypesgroup"), 1):
            notes[f"MDFeedType.{i}"], notes[f"MarketDepth.{i}"] = e.text("mdfeedtype"), e.text("marketdepth")
            depth[e.text("mdfeedtype")] = e.number("marketdepth")
        for i, e in enumerate(group(m, "instattribgroups", "instattribgroup"), 1):
            # The dissector prints the four bytes as they stand on the wire; the number is little-endian.
            raw = bytes.fromhex(e.text("instattribvalue")[2:])
            notes[f"InstAttribValue.{i}"] = str(int.from_bytes(raw, "little"))
        if group(m, "lottyperulesgroups", "lottyperulesgroup"):
            raise Surprise("lot type rules")
        self.symbols[instrument] = symbol
        return {"instrument_id": instrument, "definition": {
            "action": {"A": "ACTION_ADD", "M": "ACTION_MODIFY", "D": "ACTION_DELETE"}[m.text("securityupdateaction")],
            "security_type": m.text("securitytype"), "cfi": m.text("cficode"), "currency": m.text("currency"),
            "min_price_increment_e9": m.price("minpriceincrement"), "display_factor_e9": m.price("displayfactor"),
            "price_scale": 7,  # of templates below 46
            "group": m.text("securitygroup"), "asset": m.text("asset"), "exchange": m.text("securityexchange"),
            "maturity": maturity.number("year") * 10000 + maturity.number("month") * 100 + (day or 0),
            "high_limit_e9": m.price("highlimitprice"), "low_limit_e9": m.price("lowlimitprice"),
            "reference_price_e9": m.price("tradingreferenceprice"), "market_depth": depth.get("GBX"),
            "implied_depth": depth.get("GBI"), "unit_of_measure": m.text("unitofmeasure"),
            "match_algorithm": m.text("matchalgorithm"), "attributes": notes}}

    def future(self, m):
        event = self.definition(m, FUTURE_ATTRIBUTES)
        definition = event["definition"]
        definition["unit_of_measure_qty_e9"] = m.price("unitofmeasureqty")
        definition["contract_multiplier"] = m.number("contractmultiplier", null=NULL_I32)
        if m.text("settlcurrency"):
            definition["attributes"]["SettlCurrency"] = m.text("settlcurrency")
        if m.price("minpriceincrementamount") is not None:
            definition["attributes"]["MinPriceIncrementAmount"] = decimal_text(m.text("minpriceincrementamount"))
        return [event]

    def spread(self, m):
        """A leg whose instrument was defined before has its symbol too."""
        event = self.definition(m, SPREAD_ATTRIBUTES)
        definition = event["definition"]
        definition["attributes"]["SecuritySubType"] = m.text("securitysubtype")
        if m.text("priceratio") != "-nan":
            definition["attributes"]["PriceRatio"] = decimal_text(m.text("priceratio"))
        definition["legs"] = []
        for i, e in enumerate(group(m, "legsgroups", "legsgroup"), 1):
            leg = e.number("legsecurityid")
            definition["legs"].append({
                "instrument_id": leg, "side": {1: "SIDE_BUY", 2: "SIDE_SELL"}[e.number("legside")],
                "ratio": e.number("legratioqty"), "price_e9": e.price("legprice"), "symbol": self.symbols.get(leg)})
            if e.text("legoptiondelta") != "-nan":
                definition["attributes"][f"LegOptionDelta.{i}"] = decimal_text(e.text("legoptiondelta"))
        return [event]
