#!/usr/bin/python3
"""Loss, repetition and disorder on feed lines: edited captures through the whole program, against an arbiter of its own.

usage: test_gaps.py [BUILD]
The simulated exchange's capture (lines A and B, numbered messages), a CME capture (lines A and B, numbered packets) and an
IEX capture (one line) are edited by seed: packets cut out, swapped, repeated, sent late. Arbiter below says from the edited
packets alone what must come out: which messages, first seen when and on which line, which gaps, and what became of each
packet. Every event that is due must equal the event of the unedited capture."""
import collections
import json
import os
import random
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUILD", "build"))
market = os.path.join(os.environ.get("PCAP_CORPUS", os.path.join(root, "..", "shared", "data")), "market")
sys.path.insert(0, here)
import captures as cap
from support import failures, result

STALE = 16

# a packet of the feed: its place in the capture, the line and what its header says
Packet = collections.namedtuple("Packet", "frame line head")
Gap = collections.namedtuple("Gap", "session first last opened")


class Arbiter:
    """What docs/architecture.md promises for one channel, in the plainest words.

    A packet ahead of a hole waits, at most until `packets` wait or until the channel's clock is `ns` past the first of them;
    the end of the capture ends all waiting. What is then missing is one gap. First copies win."""

    def __init__(self, lines):
        self.packets, self.ns = (1024, 10_000_000) if lines > 1 else (64, 1_000_000)
        self.session = self.next = None
        self.over = set()  # sessions that have ended
        self.waiting, self.opened = [], 0
        self.stale = False
        self.first = {}  # (session, number) -> (time, line, stale) of the first copy
        self.gaps, self.sessions = [], []
        self.packets_of = collections.Counter()
        self.repeated, self.late = 0, 0  # messages of packets that bring some new ones
        self.ends = set()

    def lost(self, number):
        return any(g.session == self.session and g.first <= number <= g.last for g in self.gaps)

    def take(self, p):
        h = p.head
        end = h.seq + h.count
        if h.kind == cap.DATA and end > self.next:
            for n in range(h.seq, end):
                if n >= self.next:
                    self.first[self.session, n] = p.frame.ts, p.line, self.stale
                elif self.lost(n):
                    self.late += 1
                else:
                    self.repeated += 1
            self.next = end
            self.packets_of["left"] += 1
        elif h.kind == cap.HEARTBEAT:
            self.packets_of["left"] += 1
        elif h.kind == cap.END and self.session not in self.ends:
            self.ends.add(self.session)
            self.packets_of["left"] += 1
        elif any(self.lost(n) for n in range(h.seq, end)):
            self.packets_of["late"] += 1
        else:
            self.packets_of["duplicate"] += 1

    def drain(self):
        while self.waiting and self.waiting[0].head.seq <= self.next:
            self.take(self.waiting.pop(0))
        if self.waiting:
            self.opened = self.waiting[0].frame.ts

    def give_up(self):
        first = self.waiting[0].head.seq
        self.gaps.append(Gap(self.session, self.next, first - 1, self.opened))
        self.next, self.stale = first, True
        self.drain()

    def finish(self):
        while self.waiting:
            self.give_up()

    def packet(self, p):
        h = p.head
        if self.session is None:
            self.session, self.next = h.session, h.seq
            self.sessions.append(h.session)
        elif h.session in self.over:
            self.packets_of["old_session"] += 1
            return
        elif h.session != self.session:
            self.finish()
            self.over.add(self.session)
            self.session, self.next, self.stale = h.session, 1, False
            self.sessions.append(h.session)
        if h.seq <= self.next:
            self.take(p)
            self.drain()
        elif any(w.head.seq == h.seq and w.head.count >= h.count and w.head.kind == h.kind for w in self.waiting):
            self.packets_of["duplicate"] += 1
        else:
            if not self.waiting:
                self.opened = p.frame.ts
            place = sum(w.head.seq <= h.seq for w in self.waiting)
            self.waiting.insert(place, p)
        while self.waiting and (len(self.waiting) >= self.packets or p.frame.ts >= self.opened + self.ns):
            self.give_up()


class Feed:
    """A capture, and how to read and decode it."""

    def __init__(self, path, protocol, head, lines, folder, numbered="message"):
        self.path, self.protocol, self.lines, self.folder, self.numbered = path, protocol, lines, folder, numbered
        self.packets = []
        for frame in cap.read(path):
            group, port, payload = cap.udp(frame.data)
            if (group, port) in lines:
                self.packets.append(Packet(frame, lines.index((group, port)), head(payload)))
        self.base = self.run(self.packets)[0]

    def options(self):
        return [o for n, (group, port) in enumerate(self.lines)
                for o in ("--feed", f"{self.protocol}@{group}:{port},channel=0,line={'AB'[n]}")]

    def run(self, packets):
        """(events by (session, seq), gaps, ledger, standard error) of the program on these packets."""
        path, out = os.path.join(self.folder, "edited.pcap"), os.path.join(self.folder, "out.json")
        cap.write(path, (p.frame for p in packets))
        done = subprocess.run([os.path.join(build, "pkt-sniffer"), "-r", path, "-o", f"json:{out}", *self.options()],
                              stderr=subprocess.PIPE, text=True, timeout=100, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"exit status {done.returncode}: {done.stderr[-600:]}")
        events, gaps, system = collections.defaultdict(list), [], []
        with open(out) as file:
            for line in file:
                event = json.loads(line)
                if "ledger" in event or "latency" in event:
                    continue
                if "gap" in event:
                    gaps.append(event)
                elif int(event.get("seq", 0)) == 0 or event.get("system", {}).get("code") == "CODE_SESSION_END":
                    system.append((event["session"], event["system"]["code"]))
                else:
                    events[event.get("session", ""), int(event["seq"])].append(event)
        self.system = system
        return events, gaps, ledger(done.stderr), done.stderr


def ledger(text):
    """{stage: Counter(entered, left, dropped, held, and each reason)} of the printed table."""
    stages, stage = {}, None
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 7 and words[6] == "balanced":
            stage = stages[words[0]] = collections.Counter(
                dict(zip(("entered", "left", "dropped", "held"), map(int, words[2:6]))))
        elif len(words) > 2 and words[1] == "dropped:":
            stage[words[2]] = int(words[0])
        elif "DIFFERENCE" in line or "NOT balanced" in line or "does not add up" in line:
            raise RuntimeError(f"the ledger does not balance: {line}")
    return stages


def bare(events):
    """Events without what may differ between first copies."""
    out = []
    for event in events:
        event = {k: v for k, v in event.items() if k not in ("ts_recv_ns", "feed", "boot_id", "event_no", "stream")}
        event["flags"] = event.get("flags", 0) & ~STALE
        out.append(event)
    return out


def differences(feed, packets, want):
    """Runs the program and says what is not as want (an Arbiter that has seen the packets) has it."""
    events, gaps, stages, said = feed.run(packets)
    got = [Gap(e["gap"].get("session", e["session"]), int(e["gap"]["first_missing"]), int(e["gap"]["last_missing"]),
               int(e["gap"]["ts_opened_ns"])) for e in gaps]
    weekly = feed.numbered == "packet"  # its session is not on the wire
    if weekly:
        got = [g._replace(session="") for g in got]
    if got != want.gaps:
        odd = set(got) ^ set(want.gaps)
        yield f"{len(got)} gaps, {len(want.gaps)} expected; first odd {min(odd, key=lambda g: g.first) if odd else 'order'}"
    for event in gaps:
        gap = event["gap"]
        lost = int(gap["last_missing"]) - int(gap["first_missing"]) + 1
        if gap["resolution"] != "RESOLUTION_DECLARED_LOST" or gap["cause"] != "CAUSE_UPSTREAM" or "local_drops" in gap or \
                int(gap.get("lost_messages", 0)) != (0 if weekly else lost) or event["seq"] != gap["first_missing"]:
            yield f"gap event {event}"
            break
    made = {("", n) if weekly else (s, n): e for (s, n), e in events.items()}
    base = {("", n) if weekly else (s, n): e for (s, n), e in feed.base.items()}
    due = {k for k in want.first if k in base}
    if set(made) != due:
        yield f"{len(due - set(made))} messages missing, {len(set(made) - due)} too many, first {min(due ^ set(made))}"
    for key in sorted(due & set(made)):
        ts, line, stale = want.first[key]
        if bare(made[key]) != bare(base[key]):
            yield f"{key}: {bare(made[key])}, in the whole capture {bare(base[key])}"
            break
        if any((int(e["ts_recv_ns"]), e["feed"] - 1, bool(e.get("flags", 0) & STALE)) != (ts, line, stale)
               for e in made[key]):
            yield f"{key}: {made[key][0]}: expected time {ts}, line {'AB'[line]}, stale {stale}"
            break
    lost = 0 if weekly else sum(g.last - g.first + 1 for g in want.gaps)
    if (f" gaps={len(want.gaps)} messages_lost={lost} upstream={len(want.gaps)} local=0 undecided=0\n" in said) != bool(want.gaps):
        yield f"the number of gaps is not said at the end: {said[-300:]}"
    stage = stages["feed"]
    for name in "left", "duplicate", "late", "old_session":
        if stage[name] != want.packets_of[name]:
            yield f"feed packets {name}: {stage[name]}, expected {want.packets_of[name]}"
    if stage["entered"] != len(packets) or stage["held"]:
        yield f"feed packets entered {stage['entered']} of {len(packets)}, held {stage['held']}"
    if not weekly:
        for name, number in ("left", len(want.first)), ("duplicate", want.repeated), ("late", want.late):
            if stages["message"][name] != number:
                yield f"messages {name}: {stages['message'][name]}, expected {number}"


def check(feed, packets, text, gaps=None):
    """gaps: what the editor meant to cut, as (first, last) or their number: so that the arbiter is watched too."""
    want = Arbiter(len(feed.lines))
    for p in packets:
        want.packet(p)
    want.finish()
    try:
        why = "; ".join(differences(feed, packets, want))
    except (RuntimeError, subprocess.SubprocessError) as e:
        why = str(e)
    ranges = [(g.first, g.last) for g in want.gaps]
    if not why and gaps is not None and gaps not in (ranges, len(ranges)):
        why = f"the edit meant gaps {gaps}, the arbiter finds {ranges[:5]}"
    dropped = ", ".join(f"{want.packets_of[n]} {n}" for n in ("duplicate", "late", "old_session") if want.packets_of[n])
    result(not why, f"{text} ({len(packets)} packets, {len(ranges)} gaps, {dropped or 'none dropped'})", why)
    return want


def retime(packets, order):
    """Packets in another order, the times of arrival staying where they are."""
    return [p._replace(frame=p.frame._replace(ts=at.frame.ts)) for p, at in zip((packets[i] for i in order), packets)]


def jitter(rng, packets, ns):
    """Every packet up to ns later than sent."""
    order = sorted(range(len(packets)), key=lambda i: packets[i].frame.ts + rng.randrange(ns))
    return retime(packets, order)


def span(packets):
    numbers = [n for p in packets for n in (p.head.seq, p.head.seq + p.head.count - 1) if p.head.count]
    return min(numbers), max(numbers)


def holes(rng, packets, n, longest):
    """n ranges of numbers, apart from each other, of the start and of the end."""
    first, last = span(packets)
    step = (last - first) // (n + 1)
    return [(at, at + rng.randrange(longest)) for at in (first + step * (i + 1) - rng.randrange(step // 2) for i in range(n))]


def touches(p, ranges):
    return p.head.count and any(p.head.seq <= last and first < p.head.seq + p.head.count for first, last in ranges)


def missing(packets):
    """Ranges of numbers that no packet has, between the first and the last that one has."""
    have = sorted((p.head.seq, p.head.seq + p.head.count) for p in packets if p.head.count)
    out, reached = [], have[0][0]
    for seq, end in have:
        if seq > reached:
            out.append((reached, seq - 1))
        reached = max(reached, end)
    return out


def later(packets, moved, places, ns):
    """moved once more, `places` packets and at least ns behind where they were."""
    out = list(packets)
    for p in sorted(moved, key=lambda p: -p.frame.ts):
        at = next((i for i, q in enumerate(out) if q.frame.ts >= p.frame.ts + ns), len(out))
        at = min(max(at, next((i for i, q in enumerate(out) if q.frame.ts >= p.frame.ts), len(out)) + places), len(out))
        ts = out[at - 1].frame.ts
        out.insert(at, p._replace(frame=p.frame._replace(ts=ts)))
    return out


def two_lines(feed, rng, name):
    """What happens on two lines, whatever the feed."""
    packets = feed.packets
    check(feed, packets, f"{name}: nothing edited", [])
    on_a, on_b = holes(rng, packets, 40, 30), holes(rng, packets, 41, 30)
    on_b = [r for r in on_b if all(r[1] + 64 < a[0] or a[1] + 64 < r[0] for a in on_a)]
    check(feed, [p for p in packets if not touches(p, (on_b if p.line else on_a))], f"{name}: cut on one line at a time", [])
    check(feed, [p for p in packets if p.line == 1], f"{name}: line A silent", [])
    ranges = holes(rng, packets, 12, 40)
    cut = [p for p in packets if not touches(p, ranges)]
    check(feed, cut, f"{name}: cut on both lines", missing(cut))
    check(feed, jitter(rng, packets, 4_000_000), f"{name}: reordered", [])
    check(feed, later(packets, rng.sample(packets, len(packets) // 20), 40, 0), f"{name}: repeated", [])
    gone = [p for p in packets if touches(p, ranges)]
    check(feed, later(cut, gone, 10, 30_000_000), f"{name}: cut on both lines, copies 30 ms late")
    random_cut = [p for p in jitter(rng, packets, 2_000_000) if rng.random() > .1]
    check(feed, later(random_cut, rng.sample(packets, 300), 5, 2_000_000), f"{name}: a tenth lost, reordered, repeated, late")


def window(feed, rng, name, filled, late):
    """Holes filled behind so many packets, while the clock nearly stands still: the window counts packets."""
    start = feed.packets[0].frame.ts
    packets = [p._replace(frame=p.frame._replace(ts=start + i)) for i, p in enumerate(feed.packets)]
    ranges = holes(rng, packets, 3, 10)
    gone = [p for p in packets if touches(p, ranges)]
    cut = [p for p in packets if not touches(p, ranges)]
    check(feed, later(cut, gone, filled, 0), f"{name}: holes filled {filled} packets later", [])
    check(feed, later(cut, gone, late, 0), f"{name}: holes filled {late} packets later, too late", missing(cut))


def simulate(folder, name, *options):
    path, truth = os.path.join(folder, name + ".pcap"), os.path.join(folder, name + ".jsonl")
    subprocess.run([os.path.join(build, "feed-sim"), "--quiet", "--no-fix", "--instruments", "20", "--heartbeat-ms", "20",
                    "--pcap", path, "--truth", truth, *options], check=True, timeout=60)
    with open(truth) as file:
        return path, [json.loads(line) for line in file]


def truth_is_there(feed, truth):
    """The whole capture's events are what the exchange says it sent."""
    sent = {(m["seq"], ord(m["type"])) for m in truth}
    made = {(n, e["template_id"]) for (_, n), events in feed.base.items() for e in events}
    result(sent == made, f"{len(truth)} messages of the exchange's own list have their events",
           f"{len(sent - made)} missing, {len(made - sent)} too many")


def tail(feed, rng, name):
    """The end is lost: only what comes behind it can tell."""
    last = span(feed.packets)[1]
    keep = [p for p in feed.packets if p.head.seq + p.head.count <= last - 100]
    alive = [p for p in feed.packets if p.head.kind != cap.DATA]
    both = sorted(keep + [p for p in alive if p not in keep], key=lambda p: p.frame.ts)
    reached = max(p.head.seq + p.head.count for p in keep)
    check(feed, both, f"{name}: tail lost, the end of the session tells", [(reached, last)])
    check(feed, keep, f"{name}: tail lost, nothing tells", [])
    beats = [p for p in both if p.head.kind != cap.END]
    forged = []
    for p in feed.packets:  # heartbeats that come every 20 ms of silence, here also where the lost tail was
        if p.head.kind == cap.END and len(forged) < 4:
            payload = cap.udp(p.frame.data)[2]
            data = p.frame.data.replace(payload, payload[:18] + b"\0\0")
            forged.append(Packet(p.frame._replace(data=data), p.line, p.head._replace(kind=cap.HEARTBEAT)))
    check(feed, beats + forged, f"{name}: tail lost, heartbeats tell", [(reached, last)])


def sessions(feed, folder, rng):
    """Two days in one capture: sessions end with holes open, begin with holes, and leave stragglers."""
    lines = feed.lines
    path, _ = simulate(folder, "second", "--messages", "4000", "--seed", "12", "--session", "SIM0000002",
                       "--start-time", "2024-06-03T09:40:00")
    second = Feed(path, "itch50", cap.mold_head, lines, folder)
    last = span(feed.packets)[1]
    day1 = [p for p in feed.packets if not touches(p, [(last - 20, last - 10)])]
    day2 = [p for p in second.packets if p.head.seq > 50]
    # the hole near the end of the first session is still open when the second begins
    day1 = [p for p in day1 if p.head.kind == cap.DATA]
    close = day1[-1].frame.ts - day2[0].frame.ts + 1000
    day2 = [p._replace(frame=p.frame._replace(ts=p.frame.ts + close)) for p in day2]
    stragglers = [p._replace(frame=p.frame._replace(ts=day2[99].frame.ts)) for p in day1[-40:]]
    packets = day1 + day2[:100] + stragglers + day2[100:]
    both = Feed.__new__(Feed)
    both.__dict__.update(feed.__dict__)
    both.base = {**feed.base, **second.base}
    want = check(both, packets, "two sessions in one capture: open holes, a lost beginning, stragglers")
    result(want.gaps[-1][:2] == ("SIM0000002", 1) and want.packets_of["old_session"] == 40 and
           any(g.session == "SIM0000001" and g.last >= last - 10 for g in want.gaps),
           "two sessions: the arbiter saw a lost beginning and 40 stragglers", str(want.gaps))
    result(both.system.count(("SIM0000002", "CODE_SEQ_RESET")) == 1 and ("SIM0000002", "CODE_SESSION_END") in both.system,
           "two sessions: one SEQ_RESET where the second begins, one SESSION_END", str(both.system))


def main():
    rng = random.Random(20240603)
    with tempfile.TemporaryDirectory() as folder:
        path, truth = simulate(folder, "two", "--messages", "10000", "--seed", "11")
        lines = [("233.54.12.111", 26477), ("233.49.196.111", 26477)]
        feed = Feed(path, "itch50", cap.mold_head, lines, folder)
        truth_is_there(feed, truth)
        two_lines(feed, rng, "ITCH")
        window(feed, rng, "ITCH", 900, 2600)
        tail(feed, rng, "ITCH")
        sessions(feed, folder, rng)
        path, truth = simulate(folder, "one", "--messages", "10000", "--seed", "13", "--lines", "A")
        feed = Feed(path, "itch50", cap.mold_head, lines[:1], folder)
        one_line(feed, rng, "ITCH on one line")
        tail(feed, rng, "ITCH on one line")
        if not os.path.exists(os.path.join(market, "cme-mdp3-sbe-v1.6.pcapng")):
            print("skip - gaps in CME and IEX captures: no captures (set PCAP_CORPUS)")
            return bool(failures)
        feed = Feed(os.path.join(market, "cme-mdp3-sbe-v1.6.pcapng"), "cme_mdp3", cap.cme_head,
                    [("224.0.32.64", 15340), ("224.0.31.64", 14340)], folder, "packet")
        two_lines(feed, rng, "CME")
        window(feed, rng, "CME", 900, 2600)
        for name, protocol, line in (("iex-tops-v1.6.part1.pcap", "iex_tops", ("224.67.0.199", 16642)),
                                     ("iex-deep-v1.0.part1.pcap", "iex_deep", ("224.2.3.10", 16648))):
            one_line(Feed(os.path.join(market, name), protocol, cap.iex_head, [line], folder), rng, protocol)
    return bool(failures)


def one_line(feed, rng, name):
    packets = feed.packets
    ranges = holes(rng, packets, 12, 40)
    cut = [p for p in packets if not touches(p, ranges)]
    check(feed, packets, f"{name}: nothing edited", [])
    check(feed, cut, f"{name}: cut", missing(cut))
    check(feed, later(packets, rng.sample(packets, len(packets) // 20), 40, 0), f"{name}: repeated", [])
    check(feed, jitter(rng, packets, 400_000), f"{name}: reordered", [])
    check(feed, later(cut, [p for p in packets if touches(p, ranges)], 10, 5_000_000), f"{name}: cut, copies 5 ms late")
    window(feed, rng, name, 50, 200)


sys.exit(main())
