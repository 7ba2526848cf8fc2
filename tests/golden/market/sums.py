"""Counts and sums of the events against those that the answers' own summaries give."""
from collections import Counter
from decimal import Decimal


def by_type(counts):
    """{"Add Order (A)": 3} -> {"A": 3}"""
    return {name[name.rindex("(") + 1:-1]: count for name, count in counts.items()}


def messages(events):
    """One event of each message: every message makes one that is its first."""
    return dict(Counter(chr(event.template_id) for event in events if event.sub_seq == 0))


def iex(events, answer):
    """[(what, ours, theirs)]"""
    facts = answer["stream_facts"]
    trades = [event.trade for event in events if chr(event.template_id) == "T"]
    notional = sum(Decimal(trade.size) * trade.price_e9 for trade in trades).scaleb(-9)
    return [
        ("messages of each type", messages(events), by_type(answer["message_type_counts"])),
        ("first sequence", events[0].seq, facts["first_sequence"]),
        ("gaps", sum(event.WhichOneof("payload") == "gap" for event in events), facts["sequence_gaps"]),
        ("trades", len(trades), facts["trades"]),
        ("shares", sum(trade.size for trade in trades), facts["trade_shares"]),
        ("symbols traded", len({event.symbol for event in events if chr(event.template_id) == "T"}),
         facts["trade_symbols"]),
        ("notional", float(notional.quantize(Decimal("0.01"))), facts["trade_notional"])]


def cme(events, answer):
    """The answer counts both lines, which are equal."""
    facts, counts = answer["stream_facts"], answer["structure_counts"]
    kinds = Counter(event.WhichOneof("payload") for event in events)
    copies = {copies: count for copies, count in facts["copies_histogram"].items()}
    trades = [event.trade for event in events if event.WhichOneof("payload") == "trade"]
    gaps = [event.gap for event in events if event.WhichOneof("payload") == "gap"]
    numbers = {event.seq for event in events if event.WhichOneof("payload") != "gap"}
    heartbeats = sum(event.template_id == 12 for event in events)
    return [
        ("copies of each packet", copies, {"2": facts["unique_packet_sequence_numbers"]}),
        ("levels", 2 * kinds["mbp"], counts["incrementalrefreshbookgroup"]),
        ("statistics", 2 * kinds["stats"], counts.get("incrementalrefreshsessionstatisticsgroup", 0) +
         counts.get("incrementalrefreshvolumegroup", 0)),
        ("order fills", 2 * sum(len(trade.fills) for trade in trades),
         counts.get("incrementalrefreshtradesummaryorderidgroup", 0)),
        ("states", 2 * kinds["status"], counts.get("securitystatus", 0)),
        ("heartbeats", 2 * heartbeats, answer["message_type_counts"].get("Admin Heartbeat (12)", 0)),
        ("trades", len(trades), facts["trade_entries_after_ab_dedup"]),
        ("quantity traded", sum(trade.size for trade in trades), facts["trade_quantity_after_ab_dedup"]),
        ("first and last packet", (min(numbers), max(numbers)), (facts["min_seq"], facts["max_seq"])),
        ("packets missing", sum(gap.last_missing - gap.first_missing + 1 for gap in gaps), facts["missing_in_range"])]
