"""IEX TOPS and DEEP over IEX-TP: what each field of the dissector's tree must have become."""
from .wire import Surprise, Wire

LEFT_OUT = {
    "messagelength": "framing: says where the next message starts",
    "messagecount": "framing: as many messages stand in the tree, or the test says so",
    "payloadlength": "framing: where the packet ends",
    "version": "framing: the only one there is",
    "messageprotocolid": "framing: TOPS or DEEP; each has its page",
    "reserved": "reserved by the specification",
    "streamoffset": "byte offset in the session: the sequence number finds every gap that it finds",
}
STRUCTURE = {
    "S": "systemeventmessage", "D": "securitydirectorymessage", "H": "tradingstatusmessage",
    "O": "operationalhaltstatusmessage", "P": "shortsalepriceteststatusmessage", "E": "securityeventmessage",
    "8": "pricelevelbuyupdatemessage", "5": "pricelevelsellupdatemessage", "Q": "quoteupdatemessage",
    "T": "tradereportmessage", "B": "tradebreakmessage", "X": "officialpricemessage",
    "A": "auctioninformationmessage"}
SYSTEM = {"O": "START_OF_MESSAGES", "S": "START_OF_SYSTEM", "R": "START_OF_MARKET", "M": "END_OF_MARKET",
          "E": "END_OF_SYSTEM", "C": "END_OF_MESSAGES"}
STATE = {"H": "HALTED", "O": "PRE_OPEN", "P": "PAUSED", "T": "TRADING"}
HALT = {"O": "OPERATIONAL_HALT", "N": "OPERATIONAL_RESUME"}
AUCTION = {"O": "OPEN", "C": "CLOSE", "I": "IPO", "H": "HALT", "V": "VOLATILITY"}
SIDE = {"B": "SIDE_BUY", "S": "SIDE_SELL", "N": None}
LAST, TEST = 1, 32


def letters(flags, known):
    """Flags as text: a letter a bit, highest bit first."""
    if flags & ~sum(known):
        raise Surprise(f"flags {flags:#x}")
    return "".join(letter for bit, letter in known.items() if flags & bit)


def sale(m):
    """Sweep, extended hours, odd lot, trade-through exempt, single-price cross."""
    return letters(m.bits("saleconditionflags"), {0x80: "F", 0x40: "T", 0x20: "I", 0x10: "8", 0x08: "X"})


class Iex:
    seq_unit = 1

    def __init__(self, page):
        self.page = page

    @staticmethod
    def header(tree):
        return tree["iextpheader"]

    @staticmethod
    def sequence(tree):
        return int(tree["iextpheader"]["firstmessagesequencenumber"]), int(tree["iextpheader"]["messagecount"])

    def packet(self, tree, capture):
        wire = Wire(tree, LEFT_OUT)
        header = wire.part("iextpheader")
        first, channel = header.number("firstmessagesequencenumber"), header.number("channelid")
        session, ts_send = header.text("sessionid"), header.number("sendtime")
        messages = wire.each("message")
        if len(messages) != int(tree["iextpheader"]["messagecount"]):
            raise Surprise(f"{len(messages)} messages")
        events = []
        for i, message in enumerate(messages):
            for sub_seq, event in enumerate(self.message(message)):
                events.append(dict(capture, venue="IEXG", channel=channel, session=session, ts_send_ns=ts_send,
                                   seq=first + i, sub_seq=sub_seq, **event))
        return events, wire.not_read()

    def message(self, wire):
        kind = wire.part("messageheader").text("messagetype")
        m = wire.part(STRUCTURE[kind])
        events = getattr(self, {"5": "sell", "8": "buy"}.get(kind, kind))(m)
        events = events if isinstance(events, list) else [events]
        for event in events:
            event.setdefault("flags", LAST)
            event.update(ts_event_ns=m.number("timestamp"), template_id=ord(kind))
            if kind != "S":
                event["symbol"] = m.text("symbol")
        return events

    @staticmethod
    def S(m):
        code = m.text("systemevent")
        return {"system": {"code": "CODE_" + SYSTEM[code], "raw_code": code}}

    @staticmethod
    def D(m):
        flags = m.bits("securitydirectoryflags")
        attributes = {"flags": letters(flags, {0x80: "T", 0x40: "W", 0x20: "E"}), "luld_tier": m.text("luldtier")}
        return {"flags": LAST | (TEST if flags & 0x80 else 0), "definition": {
            "action": "ACTION_ADD", "price_scale": 4, "round_lot": m.number("roundlotsize"),
            "reference_price_e9": m.price("adjustedpocprice", zero_is_none=True), "test_instrument": bool(flags & 0x80),
            "attributes": {name: value for name, value in attributes.items() if value}}}

    @staticmethod
    def status(state, **more):
        return {"status": dict(state="STATE_" + state, scope="SCOPE_INSTRUMENT", **more)}

    @classmethod
    def H(cls, m):
        state = m.text("tradingstatus")
        return cls.status(STATE[state], raw_state=state, reason=m.text("reason"))

    @classmethod
    def O(cls, m):
        state = m.text("operationalhaltstatus")
        return cls.status(HALT[state], raw_state=state)

    @classmethod
    def P(cls, m):
        """A detail of space is none."""
        return cls.status("NO_CHANGE", short_sale={"0": 1, "1": 2}[m.text("shortsalepriceteststatus")],
                          raw_state=m.text("detail").strip())

    @classmethod
    def E(cls, m):
        event = m.text("securityevent")
        return cls.status("NO_CHANGE", reason="security event", trading_event={"O": 1, "C": 2}[event], raw_state=event)

    @staticmethod
    def level(m, side):
        size = m.number("size")
        flags = m.number("eventflags")
        if flags not in (0, 1):
            raise Surprise(f"event flags {flags}")
        return {"flags": LAST * flags, "mbp": {
            "action": "ACTION_SET" if size else "ACTION_DELETE", "side": side, "size": size,
            "price_e9": m.price("price")}}

    @classmethod
    def buy(cls, m):
        return cls.level(m, "SIDE_BUY")

    @classmethod
    def sell(cls, m):
        return cls.level(m, "SIDE_SELL")

    @staticmethod
    def Q(m):
        """A price of 0 is no price; unavailable and pre/post session are conditions."""
        return {"bbo": {
            "bid_size": m.number("bidsize"), "bid_price_e9": m.price("bidprice", zero_is_none=True),
            "ask_size": m.number("asksize"), "ask_price_e9": m.price("askprice", zero_is_none=True), "changed": 3,
            "condition": letters(m.bits("quoteupdateflags"), {0x80: "A", 0x40: "P"})}}

    @staticmethod
    def T(m):
        conditions = sale(m)
        return {"trade": {"kind": "KIND_AUCTION" if "X" in conditions else "KIND_REGULAR", "conditions": conditions,
                          "size": m.number("size"), "price_e9": m.price("price"), "trade_id": m.number("tradeid")}}

    @staticmethod
    def B(m):
        return {"trade": {"kind": "KIND_BREAK", "conditions": sale(m), "size": m.number("size"),
                          "price_e9": m.price("price"), "ref_trade_id": m.number("tradeid")}}

    @staticmethod
    def X(m):
        kind = {"Q": "OFFICIAL_OPEN", "M": "OFFICIAL_CLOSE"}[m.text("pricetype")]
        return {"stats": {"stats": [{"type": "TYPE_" + kind, "price_e9": m.price("officialprice")}]}}

    @staticmethod
    def A(m):
        """Two events where the collars' reference is given. The dissector prints the extension, a byte, as text."""
        side, extension = m.text("imbalanceside"), m.text("extensionnumber")
        reference = m.price("collarreferenceprice", zero_is_none=True)
        imbalance = {"imbalance": {
            "auction": "AUCTION_TYPE_" + AUCTION[m.text("auctiontype")], "paired_size": m.number("pairedshares"),
            "ref_price_e9": m.price("referenceprice", zero_is_none=True),
            "indicative_price_e9": m.price("indicativeclearingprice", zero_is_none=True),
            "imbalance_size": m.number("imbalanceshares"), "side": SIDE[side], "raw_direction": side,
            "extensions": ord(extension) if extension else 0,
            "ts_auction_ns": m.number("scheduledauctiontime") * 10**9,
            "far_price_e9": m.price("auctionbookclearingprice", zero_is_none=True),
            "lower_collar_e9": m.price("lowerauctioncollar", zero_is_none=True),
            "upper_collar_e9": m.price("upperauctioncollar", zero_is_none=True)}}
        if reference is None:
            return [imbalance]
        return [{"flags": 0, "definition": {"action": "ACTION_MODIFY", "reference_price_e9": reference}}, imbalance]
