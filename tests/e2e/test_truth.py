#!/usr/bin/python3
"""The simulated exchange's day through the whole program, against what the exchange says happened.

usage: test_truth.py [BUILD] [--messages N]
Three days (seeds), as the file: sink writes them and once as ZeroMQ brings them: every field of every market event against
the truth of feed-sim, every tag and every typed field of its FIX session against its log, times of arrival against the
capture, the facts of the envelope, books rebuilt from the events against the final books of the engine, and no planted
secret in anything that was written."""
import argparse
import base64
import json
import mmap
import os
import sys
import tempfile
import time
from datetime import datetime, timezone
from decimal import Decimal

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
sys.path.insert(0, here)
try:
    import captures as cap
    from events import Batches, Program, plain
except ImportError as e:
    print(f"skip - truth: {e.name} is missing for /usr/bin/python3")
    sys.exit(0)

LAST, TS_USER, TS_FILE, SCHEMA = 1, 3, 4, 1000
SMALL = 20000
PASSWORD, SECRET, SEEN = "Pl4nted-Password-554", "Pl4nted=RawData-96", "trader7"


class Words:
    """Numbers of the schema's enum values by their names."""

    def __init__(self, schema):
        event = schema.Event.DESCRIPTOR
        self.payload = {f.name: f.message_type for f in event.oneofs_by_name["payload"].fields}
        mbo, trade, status = self.payload["mbo"], self.payload["trade"], self.payload["status"]

        def names(enum, prefix, **letters):
            return {letter: enum.values_by_name[prefix + name].number for letter, name in letters.items()}

        self.side = names(mbo.fields_by_name["side"].enum_type, "SIDE_", B="BUY", S="SELL")
        self.mbo = names(mbo.enum_types_by_name["Action"], "ACTION_", A="ADD", F="ADD", E="EXECUTE", C="EXECUTE",
                         X="CANCEL", D="DELETE", U="REPLACE")
        self.kind = names(trade.enum_types_by_name["Kind"], "KIND_", P="HIDDEN", Q="AUCTION", B="BREAK")
        state = status.enum_types_by_name["State"]
        self.state = names(state, "STATE_", H="HALTED", P="PAUSED", Q="QUOTE_ONLY", T="TRADING", none="NO_CHANGE")
        self.operational = names(state, "STATE_OPERATIONAL_", H="HALT", T="RESUME")
        self.instrument = names(status.enum_types_by_name["Scope"], "SCOPE_", i="INSTRUMENT")["i"]
        self.auction = names(self.payload["imbalance"].fields_by_name["auction"].enum_type, "AUCTION_TYPE_", O="OPEN",
                             C="CLOSE", H="HALT", A="EXTENDED_CLOSE", volatility="VOLATILITY", ipo="IPO")
        self.system = names(self.payload["system"].enum_types_by_name["Code"], "CODE_", O="START_OF_MESSAGES",
                            S="START_OF_SYSTEM", Q="START_OF_MARKET", M="END_OF_MARKET", E="END_OF_SYSTEM",
                            C="END_OF_MESSAGES", breach="MWCB_BREACH", end="SESSION_END")
        self.define = names(self.payload["definition"].enum_types_by_name["Action"], "ACTION_", R="ADD", more="MODIFY")
        self.level = [self.payload["stats"].enum_types_by_name["Type"].values_by_name[f"TYPE_MWCB_LEVEL{n}"].number
                      for n in (1, 2, 3)]


def short(fields):
    """Without what is zero or empty: not set, in proto3."""
    return {k: v for k, v in fields.items() if v not in (0, "", " ", None)}


def e9(price):
    return price * 100000


def seen(price):
    """A price where 0 says that there is none."""
    return e9(price) if price else None


def payloads(t, w, midnight_ns):
    """[(payload, its fields)] that a message of the truth must make; w: Words."""
    kind = t["type"]
    if kind in "AF":
        return [("mbo", short({"action": w.mbo[kind], "side": w.side[t["side"]], "order_id": t["ref"], "price_e9": e9(t["price"]),
                               "size": t["shares"], "participant": t.get("mpid"), "order_flags": 8 * (kind == "F")}))]
    if kind in "XD":
        return [("mbo", short({"action": w.mbo[kind], "order_id": t["ref"], "size": t.get("shares")}))]
    if kind == "U":
        return [("mbo", {"action": w.mbo[kind], "order_id": t["new_ref"], "prev_order_id": t["ref"], "size": t["shares"],
                         "price_e9": e9(t["price"])})]
    if kind in "EC":
        fields = {"action": w.mbo[kind], "order_id": t["ref"], "size": t["shares"], "match_id": t["match"]}
        if kind == "C":
            fields.update(price_e9=e9(t["price"]), order_flags=int(t["printable"] == "N"))
        return [("mbo", short(fields))]
    if kind == "P":
        return [("trade", short({"kind": w.kind["P"], "order_id": t["ref"], "conditions": t["side"], "size": t["shares"],
                                 "price_e9": e9(t["price"]), "trade_id": t["match"]}))]
    if kind == "B":
        return [("trade", {"kind": w.kind["B"], "ref_trade_id": t["match"]})]
    if kind == "Q" and t["shares"]:
        return [("trade", {"kind": w.kind["Q"], "size": t["shares"], "price_e9": e9(t["price"]), "trade_id": t["match"],
                           "conditions": t["cross"]})]
    if kind == "I":
        return [("imbalance", short({
            "paired_size": t["paired"], "imbalance_size": t["imbalance"], "side": w.side.get(t["direction"]),
            "raw_direction": t["direction"], "far_price_e9": seen(t["far"]), "near_price_e9": seen(t["near"]),
            "ref_price_e9": seen(t["reference"]), "auction": w.auction[t["cross"]], "variation": t["variation"]}))]
    if kind == "J":
        return [("imbalance", short({"auction": w.auction["volatility"], "ref_price_e9": seen(t["reference"]),
                                     "upper_collar_e9": seen(t["upper"]), "lower_collar_e9": seen(t["lower"]),
                                     "extensions": t["extension"]}))]
    if kind == "O":
        return [("definition", short({"action": w.define["more"], "low_limit_e9": seen(t["min"]), "high_limit_e9": seen(t["max"]),
                                      "attributes": {"open_eligibility": t["eligible"]}})),
                ("imbalance", short({"auction": w.auction["ipo"], "auction_status": {"Y": 1, "N": 2}[t["eligible"]],
                                     "indicative_price_e9": seen(t["near"]), "lower_collar_e9": seen(t["lower"]),
                                     "upper_collar_e9": seen(t["upper"]), "ts_auction_ns": midnight_ns + t["near_time_ns"]}))]
    if kind in "HYhNQ":
        fields = {"H": lambda: {"state": w.state[t["state"]], "raw_state": t["state"], "reason": t["reason"]},
                  "Y": lambda: {"raw_state": t["action"], "short_sale": 1 + int(t["action"])},
                  "h": lambda: {"state": w.operational[t["action"]], "raw_state": t["action"], "reason": t["market"]},
                  "N": lambda: {"raw_state": t["interest"], "trading_event": "NBSA".index(t["interest"]),
                                "reason": "retail interest"},
                  "Q": lambda: {"raw_state": t["cross"], "reason": "cross without shares"}}[kind]()
        return [("status", short({"state": w.state["none"], **fields, "scope": w.instrument}))]
    if kind == "R":
        names = {"market_category": "market_category", "financial_status": "financial_status", "round_lots_only": "round_lots_only",
                 "issue_sub_type": "issue_subtype", "authenticity": "authenticity", "short_sale_threshold": "short_sale_threshold",
                 "ipo_flag": "ipo", "luld_tier": "luld_tier", "etp_flag": "etp", "etp_leverage": "etp_leverage", "inverse": "inverse"}
        return [("definition", short({"action": w.define["R"], "price_scale": 4, "round_lot": t["round_lot"],
                                      "security_type": t["issue_class"], "test_instrument": t["authenticity"] == "T",
                                      "attributes": {ours: str(t[said]) for ours, said in names.items() if t[said] != " "}}))]
    if kind == "L":
        attributes = {"mpid": t["mpid"], "primary_market_maker": t["primary"], "market_maker_mode": t["mode"],
                      "participant_state": t["state"]}
    elif kind == "K":
        attributes = {"ipo_release_seconds": str(t["release_s"]), "ipo_release_qualifier": t["qualifier"],
                      "ipo_price": f"{(Decimal(t['price']) / 10000).normalize():f}"}
    elif kind == "V":
        return [("stats", {"stats": [{"type": type_, "price_e9": t[f"level{n}_e8"] * 10}
                                     for n, type_ in enumerate(w.level, 1)]})]
    elif kind == "W":
        return [("system", {"code": w.system["breach"], "raw_code": t["level"]})]
    else:
        assert kind == "S", kind
        return [("system", {"code": w.system[t["event"]], "raw_code": t["event"]})]
    return [("definition", {"action": w.define["more"], "attributes": attributes})]


def frames(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        yield from cap.read_pcap(raw)


def arrivals(path, channel):
    """(number behind it, ts, feed) of each packet that brings something new to the channel; last, of its end."""
    ports = {("233.54.12.%d" % (111 + channel), 26477 + channel): 2 * channel + 1,
             ("233.49.196.%d" % (111 + channel), 26477 + channel): 2 * channel + 2}
    due = 1
    for ts, data in frames(path):
        packet = cap.udp(data)
        feed = packet and ports.get(packet[:2])
        if not feed:
            continue
        head = cap.mold_head(packet[2])
        if head.kind == cap.END:
            yield None, ts, feed
            return
        if head.seq + head.count > due:
            due = head.seq + head.count
            yield due, ts, feed


def market(day, channel, words):
    """Every event that the channel must make, in order."""
    came, until = arrivals(day.pcap, channel), 0
    own = '{"channel":%d,' % channel
    seq = 0
    with open(day.truth, encoding="ascii") as truth:
        for line in truth:
            if not line.startswith(own):
                continue
            t = json.loads(line)
            seq = t["seq"]
            while until is not None and seq >= until:
                until, ts, feed = next(came)
            for sub, (name, fields) in enumerate(made := payloads(t, words, day.midnight_ns)):
                yield short({"ts_recv_ns": ts, "ts_event_ns": t["ts"], "venue": "XNAS", "channel": channel, "seq": seq,
                             "flags": LAST * (sub == len(made) - 1), "instrument_id": t["locate"], "symbol": t.get("stock"),
                             "template_id": ord(t["type"]), "feed": feed, "sub_seq": sub, name: fields})
    until, ts, feed = next(came)
    assert until is None
    yield short({"ts_recv_ns": ts, "venue": "XNAS", "channel": channel, "seq": seq + 1, "flags": LAST, "feed": feed,
                 "system": {"code": words.system["end"], "session": day.session(channel)}})


def utc_ns(text):
    """ns of a FIX time stamp."""
    whole, _, part = text.partition(".")
    seconds = datetime.strptime(whole, "%Y%m%d-%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    return int(seconds) * 10**9 + int(part.ljust(9, "0"))


def price(text):
    value = Decimal(text) * 10**9
    assert value == int(value)
    return int(value)


def number(text):
    assert text.isdigit()
    return int(text)


def text(value):
    return value


TYPED = {35: ("msg_type", text), 34: ("msg_seq_num", number), 49: ("sender", text), 56: ("target", text),
         52: ("sending_time_ns", utc_ns), 11: ("cl_ord_id", text), 37: ("order_id", text), 17: ("exec_id", text),
         150: ("exec_type", text), 39: ("ord_status", text), 44: ("price_e9", price), 38: ("order_qty", number),
         31: ("last_px_e9", price), 32: ("last_qty", number), 151: ("leaves_qty", number), 14: ("cum_qty", number),
         6: ("avg_px_e9", price), 41: ("orig_cl_ord_id", text), 40: ("ord_type", text), 59: ("time_in_force", text),
         60: ("transact_time_ns", utc_ns), 1: ("account", text), 58: ("text", text), 8: ("begin_string", text),
         48: ("security_id", text), 54: ("side_raw", text), 19: ("exec_ref_id", text), 207: ("security_exchange", text),
         9: ("body_length", number), 43: ("poss_dup", lambda v: v == "Y"), 97: ("poss_resend", lambda v: v == "Y"),
         **{tag: ("reject_reason", text) for tag in (102, 103, 373, 380)}}
PRESENCE = {"price_e9", "last_px_e9", "avg_px_e9"}  # 0 is a value


def fix(day, direction, words):
    """Every event that one direction of the FIX session must make."""
    def segments():
        total = 0
        for ts, data in frames(day.pcap):
            if data[23] == 6 and (int.from_bytes(data[34:36], "big") == 9876) == (direction == "gateway"):
                total += int.from_bytes(data[16:18], "big") - 20 - (data[46] >> 4) * 4
                yield total, ts
    came, until, end = segments(), 0, 0
    with open(day.truth_fix, encoding="latin-1") as truth:
        for line in truth:
            t = json.loads(line)
            if t["dir"] != direction:
                continue
            end += sum(len(str(tag)) + len(value) + 2 for tag, value in t["fields"])
            while until < end:  # the segment that ends the message
                until, ts = next(came)
            typed, tags, first = {}, [], {}
            for tag, value in t["fields"]:
                hidden = tag == 554 or (tag == 96 and first[35] == "A")
                tags.append(short({"tag": tag, "value": b"" if hidden else value.encode("latin-1"), "length": len(value),
                                   "redacted": hidden}))
                if not tags[-1].get("value"):
                    tags[-1].pop("value", None)
                if tag not in first and tag in TYPED:
                    name, convert = TYPED[tag]
                    typed[name] = convert(value)
                first.setdefault(tag, value)
            typed["side"] = words.side.get({"1": "B", "2": "S"}.get(first.get(54)))
            typed["direction_to_acceptor"] = direction == "client"
            typed = {k: v for k, v in typed.items() if k in PRESENCE or v not in (0, "", None)}
            yield short({"ts_recv_ns": ts, "ts_event_ns": utc_ns(first[52]), "venue": f"{first[49]}-{first[56]}"[:24],
                         "seq": t["seq"], "flags": LAST, "symbol": first.get(55), "template_id": ord(first[35]),
                         "fix": {**typed, "tags": tags}})


class Books:
    """Books as a consumer builds them from Mbo events alone: price levels with their orders in priority."""

    def __init__(self, words):
        self.words, self.orders, self.levels, self.states = words, {}, {}, {}

    def add(self, book, side, price_e9, order, size):
        self.orders[order] = [book, side, price_e9, size]
        self.levels.setdefault((book, side), {}).setdefault(price_e9, {})[order] = None

    def take_off(self, order):
        book, side, price_e9, _ = self.orders.pop(order)
        level = self.levels[book, side][price_e9]
        del level[order]
        if not level:
            del self.levels[book, side][price_e9]
        return side

    def event(self, event):
        book = event.get("channel", 0), event.get("instrument_id")
        if "status" in event and event["template_id"] == ord("H"):
            self.states[book] = event["symbol"], event["status"]["raw_state"]
        if "mbo" not in event:
            return
        mbo, w = event["mbo"], self.words.mbo
        action, order = mbo["action"], mbo["order_id"]
        key = book[0], order
        if action == w["A"]:
            self.add(book, mbo["side"], mbo["price_e9"], key, mbo["size"])
        elif action == w["U"]:
            self.add(book, self.take_off((book[0], mbo["prev_order_id"])), mbo["price_e9"], key, mbo["size"])
        elif action == w["D"]:
            self.take_off(key)
        else:
            self.orders[key][3] -= mbo["size"]
            if not self.orders[key][3]:
                self.take_off(key)

    def side(self, book, letter):
        levels = self.levels.get((book, self.words.side[letter]), {})
        return [{"price": p // 100000, "shares": sum(self.orders[o][3] for o in levels[p]), "count": len(levels[p]),
                 "orders": [{"ref": o[1], "shares": self.orders[o][3]} for o in levels[p]]}
                for p in sorted(levels, reverse=letter == "B")]

    def differ(self, path):
        """What is not as the engine's own final books say."""
        with open(path, encoding="ascii") as file:
            n = 0
            for line in file:
                said, n = json.loads(line), n + 1
                book = said["channel"], said["locate"]
                stock, state = self.states.get(book, (None, None))
                mine = {"channel": book[0], "locate": book[1], "stock": stock, "state": state, "bids": self.side(book, "B"),
                        "asks": self.side(book, "S")}
                if mine != said:
                    return f"the book of {said['stock']} is {mine}, should be {said}"
        return "" if n == len(self.states) else f"{len(self.states)} books, should be {n}"


class Day:
    """The files of one run of feed-sim."""

    def __init__(self, program, folder, seed, messages, channels=1):
        self.folder, self.seed, self.channels = folder, seed, channels
        self.pcap, self.truth, self.truth_fix, self.books = (
            os.path.join(folder, f"{seed}.{name}") for name in ("pcap", "truth", "fix", "books"))
        program.sim("--seed", str(seed), "--messages", str(messages), "--channels", str(channels), "--pcap", self.pcap,
                    "--truth", self.truth, "--truth-fix", self.truth_fix, "--books", self.books, "--fix-password", PASSWORD,
                    "--fix-secret", SECRET, "--fix-user", SEEN)
        self.midnight_ns = int(datetime(2024, 6, 3, 4, tzinfo=timezone.utc).timestamp()) * 10**9  # New York, summer

    @staticmethod
    def session(channel):
        return f"SIM{channel + 1:07}"

    def feeds(self):
        return [option for n in range(self.channels) for line, group in (("A", "233.54.12."), ("B", "233.49.196."))
                for option in ("--feed", f"itch50@{group}{111 + n}:{26477 + n},channel={n},line={line}")]

    def remove(self):
        for name in self.pcap, self.truth, self.truth_fix, self.books:
            os.remove(name)


class Judge:
    """Compares the events of a run, as they come, with what is due on each stream."""

    def __init__(self, day, words):
        self.day, self.books, self.wrong = day, Books(words), []
        self.due = {("XNAS", n): market(day, n, words) for n in range(day.channels)}
        self.due.update({(name, 0): fix(day, side, words) for name, side in (("BROKER7-SIMX", "client"), ("SIMX-BROKER7", "gateway"))})
        self.streams, self.events, self.ledgers, self.boots, self.hashes, self.types = {}, 0, 0, set(), {}, set()

    def say(self, problem):
        self.wrong.append(problem[:1200])
        if len(self.wrong) > 3:
            raise RuntimeError("; ".join(self.wrong))

    def take(self, facts, event):
        self.boots.add(facts.boot_id)
        if facts.source != "truth" or facts.schema_version != SCHEMA or facts.worker:
            self.say(f"facts {facts}")
        if "ledger" in event:
            self.ledgers += 1
            if facts.clock != TS_USER:
                self.say(f"facts of the ledger: {facts}")
            return
        if "latency" in event:
            return
        venue = event.get("venue")
        if "fix" in event:  # its channel is a hash: the same in all, but not for the test to know
            channel = event.pop("channel", 0)
            if not channel or self.hashes.setdefault(venue, channel) != channel:
                self.say(f"channel {channel} of {venue}")
            key, session = (venue, 0), venue
        else:
            key = venue, event.get("channel", 0)
            session = self.day.session(key[1])
        stream, last = self.streams.get(key, (facts.stream, 0))
        if facts.session != session or facts.clock != TS_FILE or facts.stream != stream or facts.number != last + 1:
            self.say(f"{key}: {facts} behind event {last} of stream {stream} in session {session}")
        self.streams[key] = facts.stream, facts.number
        want = next(self.due[key], None) if key in self.due else None
        if event != want:
            self.say(f"event {facts.number} of {key} is {event}, should be {want}")
        self.events += 1
        self.types.add(chr(event.get("template_id", 0)) + "fix"[:3 * ("fix" in event)])
        self.books.event(event)

    def finish(self):
        """Why it is wrong, or nothing."""
        for key, due in self.due.items():
            if (more := next(due, None)) is not None:
                self.say(f"{key}: missing at the end: {more}")
        if len({stream for stream, _ in self.streams.values()}) != len(self.due) or len(self.boots) != 1 or not self.ledgers:
            self.say(f"streams {self.streams}, boots {self.boots}, {self.ledgers} ledger reports")
        if why := self.books.differ(self.day.books):
            self.say(why)
        return "; ".join(self.wrong)


def judged(day, words, events):
    """(why, judge) for an iterable of (facts, event)."""
    judge = Judge(day, words)
    try:
        for facts, event in events:
            judge.take(facts, plain(event))
        return judge.finish(), judge
    except (RuntimeError, LookupError, StopIteration) as e:
        return f"{type(e).__name__}: {e}", judge


def hidden(paths):
    """What of the planted secrets is in the files, as it is or in base64 at any offset; what may be seen is there."""
    def forms(word):
        out = [word.encode()]
        for shift in range(3):
            out.append(base64.b64encode(b"\0" * shift + word.encode())[4 if shift else 0:].rstrip(b"=")[:-1])
        return out
    for path in paths:
        with open(path, "rb") as file:
            if os.path.getsize(path) == 0:
                return f"{path} is empty"
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                for word in PASSWORD, SECRET, PASSWORD[4:-3], SECRET[3:]:
                    if any(data.find(form) >= 0 for form in forms(word)):
                        return f"{word} is in {os.path.basename(path)}"
                if not path.endswith(".log") and not any(data.find(form) >= 0 for form in forms(SEEN)):
                    return f"{os.path.basename(path)} has not even {SEEN}"
    return ""


def from_zmq(program, day, options, facts, raw=None):
    for topic, batch in program.batches(f"ipc://{day.folder}/zmq", "-r", day.pcap, *day.feeds(), *options, raw=raw):
        if topic is not None:
            yield from facts.rows(topic, batch)


def notices(program, day, words, pb):
    """The comparison finds one changed digit, wherever it is."""
    def change(path, pattern, at):
        with open(path, "r+b") as file:
            data = file.read()
            place = data.index(pattern, at) + len(pattern)
            file.seek(place)
            file.write(b"2" if data[place:place + 1] == b"1" else b"1")
        return place, data[place:place + 1]
    why, _ = judged(day, words, program.events(pb))
    result(not why, "the small day is right", why)
    for name, path, pattern in (("a price", day.truth, b'"price":'), ("a time", day.truth, b'"type":"D","ts":17174214'),
                                ("shares", day.truth, b'"shares":'), ("a FIX value", day.truth_fix, b'[38,"'),
                                ("a FIX length", day.truth_fix, b'[9,"'), ("a book", day.books, b'"shares":')):
        place, byte = change(path, pattern, os.path.getsize(path) // 2)
        why, _ = judged(day, words, program.events(pb))
        with open(path, "r+b") as file:
            file.seek(place)
            file.write(byte)
        result(bool(why), f"a wrong digit in {name} is noticed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--messages", type=int, default=100000)
    args = parser.parse_args()
    program = Program(os.path.join(root, args.build))
    words = Words(program.schema)
    name = ("--set", "engine.name=truth")
    with tempfile.TemporaryDirectory() as folder:
        pb, log = os.path.join(folder, "out.pb"), os.path.join(folder, "said.log")
        for seed in 1, 2, 3:
            start = time.monotonic()
            channels = 1 + (seed == 3)
            day = Day(program, folder, seed, args.messages // channels, channels)
            said = program.run("-r", day.pcap, "-v", *name, "-o", f"file:{pb}", *day.feeds())
            why, judge = judged(day, words, program.events(pb))
            result(not why and judge.events > args.messages,
                   f"seed {seed}, file: {judge.events} events in {len(judge.streams)} streams equal the truth, "
                   f"{len(judge.books.states)} books equal the engine's", why)
            with open(log, "w", encoding="utf-8") as file:
                file.write(said)
            missing = {*"SRHYLVWKJhAFECXDUPQBINO", *(kind + "fix" for kind in "A015DFG893jV")} - judge.types
            result(not missing, f"seed {seed}: all 23 types of ITCH and 12 of FIX occurred", f"not {missing}")
            result(not (why := hidden([pb, log])), f"seed {seed}: no planted secret in file or log", why)
            print(f"# {time.monotonic() - start:.1f} s", flush=True)
            if seed == 1:
                facts = Batches()
                why, judge = judged(day, words, from_zmq(program, day, name, facts))
                batches = len(facts.sizes)
                result(not why and batches > 10, f"seed {seed}, zmq: {judge.events} events in {batches} batches equal the truth", why)
            day.remove()
        small = Day(program, folder, 4, SMALL)
        outputs = {kind: os.path.join(folder, f"small.{kind}") for kind in ("file", "json", "text")}
        said = program.run("-r", small.pcap, "-v", "--set", "log.level=debug", *name, *small.feeds(),
                           *(o for kind, path in outputs.items() for o in ("-o", f"{kind}:{path}")))
        with open(log, "w", encoding="utf-8") as file:
            file.write(said)
        with open(os.path.join(folder, "small.zmq"), "wb") as raw:
            why, _ = judged(small, words, from_zmq(program, small, name, Batches(), raw))
        why = why or hidden([*outputs.values(), raw.name, log])
        result(not why, "no planted secret in file, json, text, zmq or log", why)
        notices(program, small, words, outputs["file"])
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
