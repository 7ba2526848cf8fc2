#!/usr/bin/python3
"""The simulated exchange in both protocols and with the faults of real lines, through the whole program.

usage: test_truth_mdp3.py [BUILD] [--messages N]
From a capture, and live over a veth pair: whatever a line delivered is an event, each field as the exchange says (MDP 3.0 and
ITCH, several seeds and schema versions); whatever none delivered is inside a gap event, and nothing else is; sessions are those of the
wire; books built from the events equal the engine's."""
import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from zoneinfo import ZoneInfo

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
sys.path.insert(0, here)
try:
    from events import Program, plain
    from test_truth import Words, payloads, short
except ImportError as e:
    print(f"skip - truth of MDP 3.0: {e.name} is missing for /usr/bin/python3")
    sys.exit(0)
from truth_mdp3 import Mdp3
from support import failures, result

LAST, STALE = 1, 16
LOCAL = 2
LEFT, RIGHT = f"truth-left-{os.getpid()}", f"truth-right-{os.getpid()}"


class Day:
    """The files of one run of feed-sim."""

    def __init__(self, program, folder, name, options):
        self.options = ["--protocol", "both", *options]
        self.path = {kind: os.path.join(folder, f"{name}.{kind}") for kind in ("pcap", "truth", "mdp3", "wire", "books")}
        self.files = [w for kind, option in (("truth", "--truth"), ("mdp3", "--truth-mdp3"), ("wire", "--truth-wire"),
                                             ("books", "--books")) for w in (option, self.path[kind])]
        said = subprocess.run([program.sim_path, *self.options, "--print-feeds"], check=True, stdout=subprocess.PIPE, timeout=10, text=True)
        self.feeds = said.stdout.split()
        self.feed = {}
        for number, words in enumerate(self.feeds[1::2], 1):
            channel, line = (w.split("=")[1] for w in words.split(",")[1:])
            self.feed[int(channel), line] = number

    def lines(self, kind):
        with open(self.path[kind], encoding="ascii") as file:
            for text in file:
                yield json.loads(text)

    def units(self):
        """{channel: {session: {number: [(time, feed) of each copy that was put on the wire]}}}, and {channel: {session: the highest number
        that a packet tells}}."""
        units = collections.defaultdict(lambda: collections.defaultdict(dict))
        told = collections.defaultdict(collections.Counter)
        self.ends, self.first = set(), {}
        packets = [p for p in self.lines("wire") if p["fate"] in ("sent", "late", "again")]
        for p in sorted(packets, key=lambda p: p["ts"]):
            channel, session = p["channel"], p["session"]
            self.first.setdefault(channel, (session, p["seq"]))
            told[channel][session] = max(told[channel][session], p["seq"] + p["count"] - 1)
            if p["kind"] == "end":
                self.ends.add((channel, session))
            for n in range(p["seq"], p["seq"] + p["count"]):
                units[channel][session].setdefault(n, []).append((p["ts"], self.feed[channel, p["line"]]))
        return units, told


class Judge:
    """clean: no line has faults, and the capture has the simulator's times: the first copy makes the events."""

    def __init__(self, program, day, clean):
        self.day, self.clean, self.wrong, self.count = day, clean, [], 0
        self.units, self.told = day.units()
        self.midnight_ns = 0
        self.words, self.mdp3 = Words(program.schema), collections.defaultdict(lambda: Mdp3(program.schema))
        self.due = collections.defaultdict(dict)  # (channel, session) -> {number: [event]}
        for m in day.lines("truth"):
            if m["seq"] in self.units[m["channel"]][m["session"]]:
                self.due[m["channel"], m["session"]][m["seq"]] = self.itch(m)
        for m in day.lines("mdp3"):
            if m["seq"] in self.units[m["channel"]][m["session"]]:
                row = self.due[m["channel"], m["session"]].setdefault(m["seq"], [])
                row += self.mdp3[m["channel"]].events(m, len(row), channel=m["channel"], seq=m["seq"])
        self.got = collections.defaultdict(lambda: collections.defaultdict(list))
        self.gaps, self.resets, self.sessions = collections.defaultdict(list), collections.Counter(), collections.defaultdict(list)
        self.ends = set()
        self.causes = collections.Counter()

    def say(self, text):
        self.wrong.append(text[:1000])
        if len(self.wrong) > 3:
            raise RuntimeError("; ".join(self.wrong))

    def itch(self, m):
        if not self.midnight_ns:
            east = datetime.fromtimestamp(m["ts"] // 10**9, ZoneInfo("America/New_York"))
            self.midnight_ns = int(east.replace(hour=0, minute=0, second=0).timestamp()) * 10**9
        made = payloads(m, self.words, self.midnight_ns)
        return [short({"ts_event_ns": m["ts"], "venue": "XNAS", "channel": m["channel"], "seq": m["seq"], "flags": LAST * (i == len(made) - 1),
                       "instrument_id": m["locate"], "symbol": m.get("stock"), "template_id": ord(m["type"]), "sub_seq": i, name: fields})
                for i, (name, fields) in enumerate(made)]

    def take(self, facts, event):
        if event.get("venue") not in ("XNAS", "XCME"):
            return  # the program's own: ledger, latency
        key = event.get("channel", 0), facts.session
        if not self.sessions[key[0]] or self.sessions[key[0]][-1] != facts.session:
            self.sessions[key[0]].append(facts.session)
        event["flags"] = event.get("flags", 0) & ~STALE
        if not event["flags"]:
            del event["flags"]
        seq = event.get("seq", 0)
        if "gap" in event:
            gap = event["gap"]
            self.gaps[key] += range(gap["first_missing"], gap["last_missing"] + 1)
            self.causes[gap["cause"]] += 1
            if gap.get("session") != facts.session:
                self.say(f"gap of session {gap.get('session')} in {facts.session}")
        elif "system" in event and seq == 0:
            self.resets[key] += 1
        elif "system" in event and event["system"].get("code") == self.words.system["end"]:
            self.ends.add(key)
        else:
            self.count += 1
            self.got[key][seq].append(event)

    def arrived(self, key, events, copies):
        """Whether the events came in a packet that was on the wire. Which copy it was, where one filled a hole, is test_gaps.py's."""
        for event in events:
            ts, feed = event.pop("ts_recv_ns", 0), event.pop("feed", 0)
            if self.clean and (ts, feed) != copies[0] or feed not in {feed for _, feed in copies}:
                self.say(f"{key}: {event} came {ts, feed}, copies were {copies}")

    def finish(self):
        for channel, sessions in self.units.items():
            if self.sessions[channel] != list(sessions):
                self.say(f"channel {channel}: sessions {self.sessions[channel]}, should be {list(sessions)}")
            for session, units in sessions.items():
                self.session((channel, session), units)
        if set(self.ends) != self.day.ends:
            self.say(f"ends of sessions {self.ends}, should be {self.day.ends}")
        return "; ".join(self.wrong)

    def session(self, key, units):
        first, start = self.day.first[key[0]]
        start = start if first == key[1] else 1
        if self.resets[key] != (first != key[1]):
            self.say(f"{key}: {self.resets[key]} SEQ_RESET")
        lost = [n for n in range(start, self.told[key[0]][key[1]] + 1) if n not in units]
        if sorted(self.gaps[key]) != lost:
            odd = sorted(set(self.gaps[key]) ^ set(lost))
            self.say(f"{key}: {len(self.gaps[key])} numbers in gaps, {len(lost)} lost on all lines; {odd[:5]} differ")
        got, due = self.got.pop(key, {}), self.due.get(key, {})
        for n in units:
            mine = got.pop(n, [])
            if n < start:
                continue
            self.arrived((*key, n), mine, units[n])
            for event in mine:
                event.pop("ts_send_ns", None) if event["venue"] == "XNAS" else None
                if event["venue"] == "XCME" and not event.pop("ts_send_ns", 0):
                    self.say(f"{key}: {event} has no sending time")
            if mine != due.get(n):
                self.say(f"{key} {n}: {mine}, should be {due.get(n)}")
        if got:
            self.say(f"{key}: events of {sorted(got)[:5]}, which nobody sent")


class Books:
    """MDP 3.0 as a reader builds it: levels that shift, and orders by number."""

    def __init__(self, program):
        w = Mdp3(program.schema)
        self.levels, self.orders, self.w = collections.defaultdict(list), {}, w

    def take(self, event):
        mbp, mbo, security = event.get("mbp"), event.get("mbo"), event.get("instrument_id")
        if event.get("channel", 0) != 310 or not security or event.get("flags", 0) & 2:
            if event.get("channel") == 310 and event.get("template_id") == 4:
                self.levels.clear()
                self.orders.clear()
            return
        if mbp:
            side, at = self.levels[security, mbp["side"]], mbp["level"] - 1
            entry = [mbp["price_e9"], mbp.get("size"), mbp.get("orders")]
            if mbp["action"] == self.w.level["NEW"]:
                side.insert(at, entry)
                del side[10:]
            elif mbp["action"] == self.w.level["CHANGE"]:
                side[at] = entry
            else:
                del side[at]
        if mbo:
            if mbo["action"] == self.w.order["DELETE"]:
                del self.orders[security, mbo["order_id"]]
            else:
                self.orders[security, mbo["order_id"]] = mbo["side"], mbo["price_e9"], mbo["priority"], mbo["size"]

    def shot(self, event):
        """An event of a snapshot of an empty book; all of an order book's are new orders."""
        mbp, mbo, security = event.get("mbp"), event.get("mbo"), event["instrument_id"]
        if mbp:
            self.levels[security, mbp["side"]].append([mbp["price_e9"], mbp["size"], mbp["orders"]])
        if mbo:
            self.orders[security, mbo["order_id"]] = mbo["side"], mbo["price_e9"], mbo["priority"], mbo["size"]

    def differ(self, path):
        by_book = collections.defaultdict(list)
        for (security, ref), (side, price, priority, size) in self.orders.items():
            by_book[security, side].append((price, priority, ref, size))
        n = 0
        for text in open(path, encoding="ascii"):
            said = json.loads(text)
            if said["channel"]:
                continue
            n += 1
            for name, side in ("bids", self.w.side["BUY"]), ("asks", self.w.side["SELL"]):
                px = [(level["price"] - said["origin"]) * 100000 for level in said[name]]
                levels = [[p, level["shares"], level["count"]] for p, level in zip(px, said[name])]
                sign = -1 if name == "bids" else 1
                orders = [(price, ref, size) for price, _, ref, size in sorted(by_book[said["security"], side],
                                                                              key=lambda o: (sign * o[0], o[1]))]
                if self.levels[said["security"], side] != levels[:10] or \
                        orders != [(p, o["ref"], o["shares"]) for p, level in zip(px, said[name]) for o in level["orders"]]:
                    return f"the {name} of {said['stock']} are {self.levels[said['security'], side]}, should be {levels[:10]}"
        return "" if n else "no books"


class Recovery:
    """Books of a reader that lost packets: from the first snapshot behind the last gap, and what came after it."""

    def __init__(self, program):
        self.program, self.kept, self.until = program, [], 0
        self.levels, self.orders = {}, {}  # security -> (packet of the incremental feed that it stands in, [event])

    def take(self, event):
        if event.get("channel") == 310:
            if "gap" in event:
                self.until = event["gap"]["last_missing"]
                self.kept.clear()  # what came before it is of no use
            self.kept.append(event)
        elif event.get("channel") == 1310 and "gap" not in event and event.get("seq"):
            shot = self.levels if event["template_id"] == 52 else self.orders
            facts = dict(word.split("=") for word in event.get("system", {}).get("text", "").split())
            if facts.get("CurrentChunk", "1") == "1" and facts:
                shot.setdefault(event["instrument_id"], []).append((int(facts["LastMsgSeqNumProcessed"]), []))
            elif event["instrument_id"] in shot:
                shot[event["instrument_id"]][-1][1].append(event)

    def differ(self, path):
        """Why books are not the engine's; the number of them that needed events behind their snapshot."""
        reader, begin, continued = Books(self.program), [{}, {}], set()
        for kind, shots in enumerate((self.levels, self.orders)):
            for security, loops in shots.items():
                begin[kind][security], events = next(shot for shot in loops if shot[0] >= self.until)
                for event in events:
                    reader.shot(event)
        for event in self.kept:
            security = event.get("instrument_id")
            kind = 0 if "mbp" in event else 1 if "mbo" in event else None
            if kind is not None and event["seq"] > begin[kind].get(security, 0):
                reader.take(event)
                continued.add(security)
        return reader.differ(path), len(continued)


def judged(program, day, events, clean=True):
    """(why it is wrong or nothing, what was found)"""
    judge, reader = Judge(program, day, clean), Books(program)
    try:
        for facts, event in events:
            event = plain(event)
            judge.take(facts, event)
            if clean:
                reader.take(event)
        why = judge.finish() or (clean and reader.differ(day.path["books"]))
    except (RuntimeError, LookupError) as e:
        why = f"{type(e).__name__}: {e}"
    lost = sum(map(len, judge.gaps.values()))
    if not why and LOCAL in judge.causes:
        why = f"nothing was lost here, but gaps have causes {dict(judge.causes)}"
    return why, f"{judge.count} events, {lost} numbers in {sum(judge.causes.values())} gaps"


def replayed(program, folder, text, *options, clean=True, workers=1):
    day = Day(program, folder, "day", options)
    program.sim(*day.options, "--no-fix", "--pcap", day.path["pcap"], *day.files)
    pb = os.path.join(folder, "out.pb")
    program.run("-r", day.path["pcap"], "-o", f"file:{pb}", "--workers", str(workers), *day.feeds)
    why, found = judged(program, day, program.events(pb), clean)
    result(not why, f"{text}: {found}", why)
    return day, pb


def recovered(program, folder, *options):
    """Both lines are silent for a while in the middle of the day."""
    day, pb = replayed(program, folder, "seed 8, both lines silent for 20 ms", *options, "--outage", "A:.2:.02,B:.2:.02", "--seed", "8",
                       clean=False)
    reader = Recovery(program)
    for _, event in program.events(pb):
        reader.take(plain(event))
    why, continued = reader.differ(day.path["books"])
    result(not why and reader.until and continued > 10,
           f"books from snapshots behind the gap equal the engine's; {continued} of them went on with later packets", why)


def inside(namespace, *command):
    return ["nsenter", f"--net=/run/netns/{namespace}", *command]


def live(program, folder, seed):
    day = Day(program, folder, f"live{seed}", ["--seed", str(seed), "--messages", "12000", "--instruments", "40", "--rate", "6000",
                                               "--snapshot-ms", "500", "--loss", ".02", "--dup", ".02", "--reorder", ".03",
                                               "--outage", "B:.5:.4", "--reset-at", "8000", "--new-session-at", "6000", "--start-time", "now"])
    pb, log = os.path.join(folder, "live.pb"), os.path.join(folder, "live.log")
    with open(log, "w", encoding="utf-8") as said:
        # the simulator may be stopped for more than the 10 ms that a hole usually stays open
        sniffer = subprocess.Popen(inside(RIGHT, program.path, "right0", "-o", f"file:{pb}?when_full=block", "--workers", "2",
                                          "--set", "arbitration.window_ms=1000", *day.feeds),
                                   stderr=said, stdout=subprocess.DEVNULL)
        try:
            time.sleep(1.5)
            subprocess.run(inside(LEFT, program.sim_path, "--quiet", *day.options, "--no-fix", "--live", "left0", *day.files), check=True,
                           timeout=40)
            time.sleep(1)
        finally:
            sniffer.terminate()
            status = sniffer.wait(20)
    with open(log, encoding="utf-8") as said:
        program.judge(status, said.read())
    why, found = judged(program, day, program.events(pb), False)
    result(not why, f"live over veth, 2 workers, seed {seed}, lines with faults, a reset, a new session: {found}", why)


def namespaces(make):
    done = subprocess.run(["ip", "netns", "add" if make else "delete", LEFT], check=False, stderr=subprocess.DEVNULL).returncode
    if done:
        return False
    subprocess.run(["ip", "netns", "add" if make else "delete", RIGHT], check=True)
    if make:
        subprocess.run(["ip", "link", "add", "left0", "netns", LEFT, "type", "veth", "peer", "name", "right0", "netns", RIGHT], check=True)
        for name, link, ip in (LEFT, "left0", "10.9.7.1/24"), (RIGHT, "right0", "10.9.7.2/24"):
            subprocess.run(inside(name, "ip", "addr", "add", ip, "dev", link), check=True)
            subprocess.run(inside(name, "ip", "link", "set", link, "up"), check=True)
        time.sleep(.3)
    return True


def notices(program, day, pb):
    """The comparison finds one changed digit."""
    for kind, pattern in ("mdp3", b'"MDEntryPx":'), ("mdp3", b'"OrderID":'), ("truth", b'"price":'), ("books", b'"shares":'):
        with open(day.path[kind], "r+b") as file:
            data = file.read()
            at = data.index(pattern, len(data) // 2) + len(pattern)
            file.seek(at)
            file.write(b"2" if data[at:at + 1] == b"1" else b"1")
        why, _ = judged(program, day, program.events(pb))
        result(bool(why), f"a wrong digit behind {pattern.decode()} is noticed")
        with open(day.path[kind], "wb") as file:
            file.write(data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--messages", type=int, default=12000)
    args = parser.parse_args()
    if os.getuid() and not subprocess.run(["sudo", "-n", "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        os.execvp("sudo", ["sudo", "-n", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    program = Program(os.path.join(root, args.build))
    some = ["--messages", str(args.messages), "--instruments", "40", "--snapshot-ms", "100"]
    anew = ["--reset-at", str(args.messages * 2 // 3), "--new-session-at", str(args.messages // 2)]
    faults = ["--loss", ".03", "--dup", ".03", "--reorder", ".05", "--outage", "A:.12:.03,B:.2:.05"]
    with tempfile.TemporaryDirectory() as folder:
        day, pb = replayed(program, folder, "seed 1", *some, "--seed", "1")
        notices(program, day, pb)
        replayed(program, folder, "seed 2, schema version 9, two channels", *some, "--seed", "2", "--mdp3-version", "9", "--channels", "2",
                 workers=2)
        replayed(program, folder, "seed 3, schema version 11, a reset, a new session", *some, *anew, "--seed", "3",
                 "--mdp3-version", "11", "--payload-max", "720")
        replayed(program, folder, "seed 4, lines with faults", *some, *faults, "--seed", "4", clean=False)
        replayed(program, folder, "seed 5, lines with faults, a reset, a new session", *some, *faults, *anew, "--seed", "5",
                 clean=False)
        recovered(program, folder, *some)
        if namespaces(True):
            try:
                for seed in 6, 7:
                    live(program, folder, seed)
            finally:
                namespaces(False)
        else:
            print("skip - live over veth: no right to make a namespace")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
