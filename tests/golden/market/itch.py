"""Nasdaq TotalView-ITCH 5.0 over MoldUDP64: what each field of the dissector's tree must have become."""
import datetime
import zoneinfo

from .wire import Surprise, Wire

LEFT_OUT = {
    "messagelength": "framing: says where the next message starts",
    "messagecount": "framing: as many messages stand in the tree, or the test says so",
    "trackingnumber": "numbers Nasdaq's own publishing path; means nothing outside",
    "reserved": "reserved by the specification",
}
STRUCTURE = {
    "S": "systemeventmessage", "R": "stockdirectorymessage", "H": "stocktradingactionmessage",
    "A": "addordernompidattributionmessage", "F": "addorderwithmpidattributionmessage", "E": "orderexecutedmessage",
    "X": "ordercancelmessage", "D": "orderdeletemessage", "U": "orderreplacemessage", "P": "noncrosstrademessage",
    "L": "marketparticipantpositionmessage", "I": "netorderimbalanceindicatormessage"}
SIDE = {"B": "SIDE_BUY", "S": "SIDE_SELL"}
SYSTEM = {"O": "START_OF_MESSAGES", "S": "START_OF_SYSTEM", "Q": "START_OF_MARKET", "M": "END_OF_MARKET",
          "E": "END_OF_SYSTEM", "C": "END_OF_MESSAGES"}
STATE = {"H": "HALTED", "P": "PAUSED", "Q": "QUOTE_ONLY", "T": "TRADING"}
CROSS = {"O": "OPEN", "C": "CLOSE", "H": "HALT", "A": "EXTENDED_CLOSE"}
EASTERN = zoneinfo.ZoneInfo("America/New_York")
LAST, TEST, NO_DEFINITION = 1, 32, 64


def midnight_ns(year, month, day):
    """The exchange's midnight, from the zone database."""
    return int(datetime.datetime(year, month, day, tzinfo=EASTERN).timestamp()) * 10**9


class Itch:
    page = "itch50"
    seq_unit = 1

    def __init__(self, midnight=None):
        self.midnight = midnight  # of a message file; None: of the day of the capture
        self.symbols = {}

    @staticmethod
    def header(tree):
        return tree["packetheader"]

    @staticmethod
    def sequence(tree):
        return int(tree["packetheader"]["sequencenumber"]), int(tree["packetheader"]["messagecount"])

    def packet(self, tree, capture):
        """The events of one packet, and what of it was not read. capture: what the capture says of each event."""
        wire = Wire(tree, LEFT_OUT)
        header = wire.part("packetheader")
        session, first = header.text("session"), header.number("sequencenumber")
        messages = wire.each("message")
        if len(messages) != int(tree["packetheader"]["messagecount"]):
            raise Surprise(f"{len(messages)} messages")
        midnight = self.midnight
        if midnight is None:
            day = datetime.datetime.fromtimestamp(capture["ts_recv_ns"] // 10**9, EASTERN)
            midnight = midnight_ns(day.year, day.month, day.day)
        events = []
        for i, message in enumerate(messages):
            event = self.message(message, midnight)
            events.append(dict(capture, venue="XNAS", seq=first + i, session=session, **event))
        return events, wire.not_read()

    def message(self, wire, midnight):
        kind = wire.part("messageheader").text("messagetype")
        m = wire.part(STRUCTURE[kind])
        locate = m.number("stocklocate")
        if m.has("stock"):
            self.symbols[locate] = m.text("stock")
        event = getattr(self, kind)(m)
        flags = LAST | event.pop("flags", 0)
        if locate and locate not in self.symbols:
            flags |= NO_DEFINITION
        return dict(event, ts_event_ns=midnight + m.number("timestamp"), template_id=ord(kind), flags=flags,
                    instrument_id=locate, symbol=self.symbols.get(locate) if locate else None)

    @staticmethod
    def S(m):
        code = m.text("eventcode")
        return {"system": {"code": "CODE_" + SYSTEM[code], "raw_code": code}}

    @staticmethod
    def R(m):
        authenticity = m.text("authenticity")
        return {"flags": {"P": 0, "T": TEST}[authenticity], "definition": {
            "action": "ACTION_ADD", "price_scale": 4, "round_lot": m.number("roundlotsize"),
            "security_type": m.text("issueclassification"), "test_instrument": authenticity == "T",
            "attributes": {
                "market_category": m.text("marketcategory"), "financial_status": m.text("financialstatusindicator"),
                "round_lots_only": m.text("roundlotsonly"), "issue_sub_type": m.text("issuesubtype"),
                "authenticity": authenticity, "short_sale_threshold": m.text("shortsalethresholdindicator"),
                "ipo_flag": m.text("ipoflag"), "luld_tier": m.text("luldreferencepricetier"),
                "etp_flag": m.text("etpflag"), "etp_leverage": m.text("etpleveragefactor"),
                "inverse": m.text("inverseindicator")}}}

    @staticmethod
    def H(m):
        state = m.text("tradingstate")
        return {"status": {"state": "STATE_" + STATE[state], "raw_state": state, "reason": m.text("reason"),
                           "scope": "SCOPE_INSTRUMENT"}}

    @staticmethod
    def A(m):
        return {"mbo": {"action": "ACTION_ADD", "side": SIDE[m.text("buysellindicator")], "size": m.number("shares"),
                        "order_id": m.number("orderreferencenumber"), "price_e9": m.price("price")}}

    @classmethod
    def F(cls, m):
        event = cls.A(m)
        event["mbo"].update(participant=m.text("attribution"), order_flags=8)
        return event

    @staticmethod
    def E(m):
        return {"mbo": {"action": "ACTION_EXECUTE", "order_id": m.number("orderreferencenumber"),
                        "size": m.number("executedshares"), "match_id": m.number("matchnumber")}}

    @staticmethod
    def X(m):
        return {"mbo": {"action": "ACTION_CANCEL", "order_id": m.number("orderreferencenumber"),
                        "size": m.number("canceledshares")}}

    @staticmethod
    def D(m):
        return {"mbo": {"action": "ACTION_DELETE", "order_id": m.number("orderreferencenumber")}}

    @staticmethod
    def U(m):
        return {"mbo": {"action": "ACTION_REPLACE", "prev_order_id": m.number("originalorderreferencenumber"),
                        "order_id": m.number("neworderreferencenumber"), "size": m.number("shares"),
                        "price_e9": m.price("price")}}

    @staticmethod
    def P(m):
        """The side is always B and says nothing: it stays a code, and nobody is called the aggressor."""
        return {"trade": {"kind": "KIND_HIDDEN", "order_id": m.number("orderreferencenumber"),
                          "conditions": m.text("buysellindicator"), "size": m.number("shares"),
                          "price_e9": m.price("price"), "trade_id": m.number("matchnumber")}}

    @staticmethod
    def L(m):
        return {"definition": {"action": "ACTION_MODIFY", "attributes": {
            "mpid": m.text("mpid"), "primary_market_maker": m.text("primarymarketmaker"),
            "market_maker_mode": m.text("marketmakermode"), "participant_state": m.text("marketparticipantstate")}}}

    @staticmethod
    def I(m):
        direction = m.text("imbalancedirection")
        return {"imbalance": {
            "paired_size": m.number("pairedshares"), "imbalance_size": m.number("imbalanceshares"),
            "side": SIDE.get(direction), "raw_direction": direction,
            "far_price_e9": m.price("farprice", zero_is_none=True),
            "near_price_e9": m.price("nearprice", zero_is_none=True),
            "ref_price_e9": m.price("currentreferenceprice", zero_is_none=True),
            "auction": "AUCTION_TYPE_" + CROSS[m.text("crosstype")], "variation": m.text("pricevariationindicator")}}
