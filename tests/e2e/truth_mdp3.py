"""What events the messages of feed-sim's MDP 3.0 truth must make, in the plainest words."""
from datetime import date, timedelta
from decimal import Decimal

LAST, SNAPSHOT, NO_DEFINITION = 1, 2, 64
# members of one-member oneofs: 0 is a value there, absent is None
OPTIONAL = {"price_e9", "size", "orders", "tradeable_size", "order_count", "min_price_increment_e9", "high_limit_e9", "low_limit_e9",
            "reference_price_e9", "strike_price_e9"}


def day(days):
    """yyyymmdd of days since 1970."""
    return int((date(1970, 1, 1) + timedelta(days)).strftime("%Y%m%d")) if days is not None else None


def decimal(value, scale):
    return None if value is None else f"{(Decimal(value).scaleb(-scale)).normalize():f}"


def short(fields, optional=OPTIONAL):
    """Without what is absent; 0 is absent but where the schema has presence."""
    return {k: v for k, v in fields.items() if v is not None and (k in optional or v not in (0, "", [], False))}


class Mdp3:
    """Numbers of the schema's enums by their names, and what the channel's definitions taught."""

    def __init__(self, schema, channel_snapshots=False):
        payload = {f.name: f.message_type for f in schema.Event.DESCRIPTOR.oneofs_by_name["payload"].fields}

        def names(enum, prefix):
            return {v.name[len(prefix):]: v.number for v in enum.values}

        mbp, mbo, trade, status = payload["mbp"], payload["mbo"], payload["trade"], payload["status"]
        self.side = names(mbo.fields_by_name["side"].enum_type, "SIDE_")
        self.level = names(mbp.enum_types_by_name["Action"], "ACTION_")
        self.order = names(mbo.enum_types_by_name["Action"], "ACTION_")
        self.kind = names(trade.enum_types_by_name["Kind"], "KIND_")
        self.state = names(status.enum_types_by_name["State"], "STATE_")
        self.scope = names(status.enum_types_by_name["Scope"], "SCOPE_")
        self.system = names(payload["system"].enum_types_by_name["Code"], "CODE_")
        self.stat = names(payload["stats"].enum_types_by_name["Type"], "TYPE_")
        self.define = names(payload["definition"].enum_types_by_name["Action"], "ACTION_")
        self.symbols = {}

    def sided(self, letter):
        return self.side["BUY" if letter == "0" else "SELL"]

    def made(self, m):
        """[(payload, its fields, instrument id or None)] of a message."""
        return getattr(self, f"t{m['template']}")(m)

    def events(self, m, sub, **common):
        """Every event of a message whose first one is number sub of its packet."""
        out, made = [], self.made(m)
        bits = m.get("MatchEventIndicator")
        for i, (name, fields, security) in enumerate(made):
            flags = LAST * (i == len(made) - 1 and (bits is None or bits >= 128)) | SNAPSHOT * (m["template"] in (52, 53))
            if security is not None and security not in self.symbols:
                flags |= NO_DEFINITION
            out.append(short({**common, "ts_event_ns": m.get("TransactTime", m.get("LastUpdateTime")), "venue": "XCME", "flags": flags,
                              "instrument_id": security, "symbol": self.symbols.get(security), "template_id": m["template"],
                              "sub_seq": sub + i, name: fields}))
        return out

    def t4(self, m):
        return [("system", {"code": self.system["BOOK_CLEAR"], "text": f"ApplID={e['ApplID']}"}, None) for e in m["NoMDEntries"]]

    def t12(self, _):
        return [("system", {"code": self.system["HEARTBEAT"]}, None)]

    def t30(self, m):
        state = {2: "HALTED", 4: "CLOSED", 15: "AUCTION", 17: "TRADING", 18: "UNAVAILABLE", 21: "PRE_OPEN", 24: "AUCTION",
                 26: "POST_CLOSE"}[m["SecurityTradingStatus"]]
        security = m.get("SecurityID")
        return [("status", short({
            "state": self.state[state], "raw_state": str(m["SecurityTradingStatus"]), "reason": str(m["HaltReason"]),
            "scope": self.scope["GROUP" if security is None else "INSTRUMENT"],
            "group": "/".join(m[k] for k in ("SecurityGroup", "Asset") if k in m), "trading_event": m["SecurityTradingEvent"],
            "trade_date": day(m.get("TradeDate"))}), security)]

    def t37(self, m):
        return [self.stats(e, [self.row("VOLUME", size=e["MDEntrySize"], rpt_seq=e["RptSeq"])]) for e in m["NoMDEntries"]]

    def row(self, kind, **fields):
        return short({"type": self.stat[kind], **fields})

    @staticmethod
    def stats(e, rows):
        return "stats", {"stats": rows}, e["SecurityID"]

    def t46(self, m):
        entries = m["NoMDEntries"]
        out = [("mbp", short({
            "action": self.level[("NEW", "CHANGE", "DELETE")[e["MDUpdateAction"]]], "side": self.sided(e["MDEntryType"]),
            "price_e9": e["MDEntryPx"], "size": e.get("MDEntrySize"), "level": e["MDPriceLevel"], "orders": e.get("NumberOfOrders"),
            "rpt_seq": e["RptSeq"], "tradeable_size": e.get("TradeableSize")}), e["SecurityID"]) for e in entries]
        for row in m["NoOrderIDEntries"]:
            e = entries[row["ReferenceID"] - 1]
            out.append(self.mbo(row, row["OrderUpdateAction"], e))
        if not out and m["MatchEventIndicator"] >= 128:
            out = [("system", {"code": self.system["END_OF_EVENT"]}, None)]
        return out

    def mbo(self, row, action, e):
        return "mbo", short({"action": self.order[("ADD", "MODIFY", "DELETE")[action]], "side": self.sided(e["MDEntryType"]),
                             "order_id": row["OrderID"], "price_e9": e["MDEntryPx"], "size": row.get("MDDisplayQty"),
                             "priority": row.get("MDOrderPriority")}, {"price_e9"}), e["SecurityID"]

    def t47(self, m):
        return [self.mbo(e, e["MDUpdateAction"], e) for e in m["NoMDEntries"]]

    def t48(self, m):
        rows, out = list(m["NoOrderIDEntries"]), []
        for e in m["NoMDEntries"]:
            n = e["NumberOfOrders"]
            taken, rows = rows[:n], rows[n:]
            out.append(("trade", short({
                "price_e9": e["MDEntryPx"], "size": e["MDEntrySize"], "aggressor": e["AggressorSide"], "trade_id": e["MDTradeEntryID"],
                "kind": self.kind[("REGULAR", "CORRECT", "BREAK")[e["MDUpdateAction"]]], "order_count": n, "symbol_seq": e["RptSeq"],
                "ref_trade_id": e["MDTradeEntryID"] if e["MDUpdateAction"] else None,
                "fills": [short({"order_id": r["OrderID"], "size": r["LastQty"]}, ()) for r in taken]}), e["SecurityID"]))
        return out

    def t49(self, m):
        kinds = {"6": "SETTLEMENT", "B": "CLEARED_VOLUME", "C": "OPEN_INTEREST"}
        return [self.stats(e, [self.row(kinds[e["MDEntryType"]], price_e9=e.get("MDEntryPx"), size=e.get("MDEntrySize"),
                                        ref_date=day(e.get("TradingReferenceDate")), stat_flags=e["SettlPriceType"],
                                        rpt_seq=e["RptSeq"])]) for e in m["NoMDEntries"]]

    def limits(self, e):
        return [self.row(kind, price_e9=e.get(field), rpt_seq=e["RptSeq"]) for kind, field in (
            ("UPPER_LIMIT", "HighLimitPrice"), ("LOWER_LIMIT", "LowLimitPrice"), ("MAX_VARIATION", "MaxPriceVariation"))]

    def t50(self, m):
        return [self.stats(e, self.limits(e)) for e in m["NoMDEntries"]]

    def session_stat(self, e, rpt_seq):
        kind = {"4": "OPEN", "7": "HIGH", "8": "LOW", "N": "HIGHEST_BID", "O": "LOWEST_OFFER", "6": "SETTLEMENT", "e": "VOLUME"}
        flag = e.get("OpenCloseSettlFlag")  # 1 + the venue's code, above bit 8
        name = "INDICATIVE_OPEN" if e["MDEntryType"] == "4" and flag == 5 else kind[e["MDEntryType"]]
        return [self.row(name, price_e9=e.get("MDEntryPx"), size=e.get("MDEntrySize"), rpt_seq=rpt_seq,
                         stat_flags=({0: 256, 5: 1552, None: 0}[flag]) | e.get("SettlPriceType", 0))]

    def t51(self, m):
        return [self.stats(e, self.session_stat(e, e["RptSeq"])) for e in m["NoMDEntries"]]

    def t52(self, m):
        security, rpt_seq = m["SecurityID"], m["RptSeq"]
        out = [("system", {"code": self.system["BOOK_CLEAR"], "text": " ".join(f"{k}={m[k]}" for k in (
            "LastMsgSeqNumProcessed", "TotNumReports", "RptSeq", "LastUpdateTime"))}, security),
            self.stats(m, self.limits(m)),
            ("status", {**self.t30({"SecurityTradingStatus": m["MDSecurityTradingStatus"], "HaltReason": "", "SecurityTradingEvent": 0,
                                    "TradeDate": m["TradeDate"], "SecurityID": security})[0][1]}, security)]
        for e in m["NoMDEntries"]:
            if e["MDEntryType"] in "01":
                out.append(("mbp", short({"action": self.level["SET"], "side": self.sided(e["MDEntryType"]), "price_e9": e["MDEntryPx"],
                                          "size": e["MDEntrySize"], "level": e["MDPriceLevel"], "orders": e["NumberOfOrders"],
                                          "rpt_seq": rpt_seq}), security))
            elif e["MDEntryType"] == "2":
                out.append(("trade", short({"kind": self.kind["REGULAR"], "price_e9": e["MDEntryPx"], "size": e["MDEntrySize"],
                                            "symbol_seq": rpt_seq}), security))
            else:
                out.append(self.stats(m, self.session_stat(e, rpt_seq)))
        return out

    def t53(self, m):
        out = [("system", short({"code": self.system["BOOK_CLEAR"] if m["CurrentChunk"] == 1 else None, "text": " ".join(
            f"{k}={m[k]}" for k in ("LastMsgSeqNumProcessed", "TotNumReports", "NoChunks", "CurrentChunk"))}), m["SecurityID"])]
        return out + [self.mbo(e, 0, {**e, "SecurityID": m["SecurityID"]}) for e in m["NoMDEntries"]]

    def definition(self, m):
        self.symbols[m["SecurityID"]] = m["Symbol"]
        plain = ("TotNumReports MDSecurityTradingStatus ApplID MarketSegmentID UnderlyingProduct SettlCurrency MinTradeVol MaxTradeVol "
                 "MainFraction SubFraction PriceDisplayFormat UserDefinedInstrument InstrumentGUID SettlPriceType OpenInterestQty "
                 "ClearedVolume TickRule PriceQuoteMethod RiskSet MarketSet FinancialInstrumentFullName SecuritySubType DecayQuantity "
                 "OriginalContractSize ContractMultiplierUnit FlowScheduleType").split()
        attributes = {k: str(m[k]) for k in plain if k in m}
        for k in "MaxPriceVariation", "MinPriceIncrementAmount", "PriceRatio":
            attributes[k] = decimal(m.get(k), 9)
        for k in "TradingReferenceDate", "DecayStartDate":
            attributes[k] = m.get(k) and str(day(m[k]))
        if "MaturityWeek" in m:
            attributes["MaturityMonthYear.week"] = str(m["MaturityWeek"])
        for group, names in (("NoEvents", "EventType EventTime"), ("NoMDFeedTypes", "MDFeedType MarketDepth"),
                             ("NoInstAttrib", "InstAttribValue"), ("NoLotTypeRules", "LotType MinLotSize"), ("NoLegs", "LegOptionDelta")):
            for i, e in enumerate(m.get(group, ()), 1):
                for k in names.split():
                    if k in e:
                        attributes[f"{k}.{i}"] = decimal(e[k], 4) if k in ("MinLotSize", "LegOptionDelta") else str(e[k])
        maturity = m.get("MaturityYear") and m["MaturityYear"] * 10000 + m["MaturityMonth"] * 100 + m.get("MaturityDay", 0)
        return [("definition", short({
            "action": self.define["ADD"], "security_type": m["SecurityType"], "cfi": m["CFICode"], "currency": m["Currency"],
            "min_price_increment_e9": m["MinPriceIncrement"], "display_factor_e9": m["DisplayFactor"], "price_scale": 9,
            "group": m["SecurityGroup"], "asset": m["Asset"], "exchange": m["SecurityExchange"], "maturity": maturity,
            "high_limit_e9": m.get("HighLimitPrice"), "low_limit_e9": m.get("LowLimitPrice"),
            "reference_price_e9": m.get("TradingReferencePrice"), "contract_multiplier": m.get("ContractMultiplier"),
            "unit_of_measure": m["UnitOfMeasure"], "unit_of_measure_qty_e9": m.get("UnitOfMeasureQty"),
            "match_algorithm": m["MatchAlgorithm"], "market_depth": 10,
            "attributes": {k: v for k, v in attributes.items() if v is not None},
            "legs": [short({"instrument_id": e["LegSecurityID"], "symbol": self.symbols.get(e["LegSecurityID"]),
                            "side": e["LegSide"], "ratio": e["LegRatioQty"], "price_e9": e.get("LegPrice")})
                     for e in m.get("NoLegs", ())]}), m["SecurityID"])]

    t54 = t56 = definition
