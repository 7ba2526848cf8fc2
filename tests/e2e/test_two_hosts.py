#!/usr/bin/python3
"""Two programs on the same traffic, each losing packets of its own and killed now and then: one tape for who reads both.

usage: test_two_hosts.py [BUILD [KILLS [RATE]]]   RATE of each of four channels
Programs with 2 and with 4 workers capture the same wire; a filter of each takes one packet of 128 away by a hash of its sequence
and line, another one for each program. They are killed (SIGKILL) and started again in turn. A consumer of the one Kafka topic
that both write removes duplicates by identity (docs/consumers.md). Each event must equal the truth, whoever sent it; a message
without event lies in a gap; and between the first and the last message that a run brought, it brought each one of which a
packet passed its filter, but for gaps that it calls its own (local)."""
import collections
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import live_wire as wire
from live_kafka import Broker, midnight_ns

CHANNELS, STALE, NO_DEFINITION, LAST = 4, 16, 64, 1
KILLS, RATE = (int(sys.argv[2]) if len(sys.argv) > 2 else 4, int(sys.argv[3]) if len(sys.argv) > 3 else 1000)
MULTIPLIER, LINE, SHIFT, OF = 40503, 7919, 7, 128  # of the hash


class Host:
    """A program that is killed and started again."""

    def __init__(self, name, workers, seed, broker, feeds):
        self.name, self.seed, self.starts = name, seed, 0
        take = "((udp[22:4] * %d + ip[17] * %d + %d) >> %d) & %d != 0" % (MULTIPLIER, LINE, seed, SHIFT, OF - 1)
        sink = "kafka://%s/two?when_full=block" % broker.address
        self.words = (wire.SNIFFER, "wire1", "--workers", str(workers), *feeds, "-o", sink,
                      # a busy machine may hold the exchange up between the two lines
                      "--set", "arbitration.window_ms=400", "--set", "arbitration.window_packets=16384", "--set", "stop.flush_ms=20000",
                      "--set", "source.ring_mib=128", "--set", "engine.name=" + name, "udp and " + take)
        self.start()

    def start(self):
        self.starts += 1
        self.program = wire.Program("%s.%d" % (self.name, self.starts), wire.listed, *self.words)
        time.sleep(.2)

    def behind(self):
        """Events that Kafka has not acknowledged."""
        self.program.process.send_signal(signal.SIGUSR1)
        time.sleep(.3)
        rows = re.findall(r"^sink +event +\d+ +\d+ +\d+ +(\d+)", self.program.text(), re.M)
        return int(rows[-1]) if rows else 1 << 30

    def restart(self):
        self.program.process.kill()
        self.program.process.wait()
        self.start()

    def lost(self, line, seq):
        """Whether its filter takes the packet away; line: as the address says it."""
        return ((seq * MULTIPLIER + line * LINE + self.seed) % 2**32 >> SHIFT) & (OF - 1) == 0


def whole_lines(file):
    """The exchange was killed: its last line may be half."""
    return (line for line in file if line.endswith("\n"))


def passed(hosts):
    """{host: for each channel a byte a message: 0 = its filter let no copy pass that was on the wire}"""
    out = {host.name: [bytearray(1 << 20) for _ in range(CHANNELS)] for host in hosts}
    with open(wire.work + "/truth.wire", encoding="ascii") as file:
        for line in whole_lines(file):
            p = json.loads(line)
            if p["kind"] == "data" and p["fate"] in ("sent", "late", "again"):
                for host in hosts:
                    if not host.lost(54 if p["line"] == "A" else 49, p["seq"]):
                        out[host.name][p["channel"]][p["seq"]:p["seq"] + p["count"]] = b"\1" * p["count"]
    return out


class Run:
    """What one run brought of one channel."""

    def __init__(self):
        self.events, self.gaps = set(), {}


class Tape:
    """What a consumer makes of both: the first of each identity."""

    def __init__(self, words, payloads, plain):
        self.words, self.payloads, self.plain, self.midnight = words, payloads, plain, midnight_ns(wire.work + "/truth")
        self.truth = [{} for _ in range(CHANNELS)]
        with open(wire.work + "/truth", encoding="ascii") as file:
            for line in whole_lines(file):
                said = json.loads(line)
                self.truth[said["channel"]][said["seq"]] = line
        self.last = [max(of) for of in self.truth]
        self.sessions = ["SIM%07d" % (n + 1) for n in range(CHANNELS)]
        self.seen, self.again, self.events, self.wrong = set(), 0, 0, []
        self.runs = collections.defaultdict(Run)  # by (host, boot_id, channel)

    def say(self, text):
        if len(self.wrong) < 4:
            self.wrong.append(text[:600])

    def take(self, batch, event):
        run = self.runs[batch.source, batch.boot_id, event.channel]
        kind = event.WhichOneof("payload")
        if event.seq > self.last[event.channel]:
            return  # the exchange was killed before it said so
        if batch.session != self.sessions[event.channel]:
            self.say("session %s on channel %d" % (batch.session, event.channel))
        if kind == "gap":
            run.gaps.update(dict.fromkeys(range(event.gap.first_missing, event.gap.last_missing + 1), event.gap.cause))
            return
        if kind == "system" and event.system.code in (self.words.system["end"], 7):
            return
        identity = (event.venue, event.channel, batch.session, event.seq, event.sub_seq)
        known = bool(event.flags & NO_DEFINITION)  # started in the middle of the day: it has not seen the directory
        got = self.plain(event)
        for field in ("ts_recv_ns", "feed") + (("symbol",) if known else ()):
            got.pop(field, None)
        got["flags"] = event.flags & ~(STALE | NO_DEFINITION)
        line = self.truth[event.channel].get(event.seq)
        made = self.payloads(json.loads(line), self.words, self.midnight) if line else []
        if event.sub_seq >= len(made):
            self.say("event %s that never was" % got)
            return
        said, (name, fields) = json.loads(line), made[event.sub_seq]
        want = {"ts_event_ns": said["ts"], "venue": "XNAS", "channel": event.channel, "seq": said["seq"], "instrument_id": said["locate"],
                "symbol": None if known else said.get("stock"), "template_id": ord(said["type"]), "sub_seq": event.sub_seq, name: fields}
        want = {k: v for k, v in want.items() if v not in (0, "", None)}
        want["flags"] = LAST * (event.sub_seq == len(made) - 1)
        if got != want:
            self.say("%s: %s, should be %s" % (batch.source, got, want))
        self.again += identity in self.seen
        self.events += 1
        self.seen.add(identity)
        run.events.add(event.seq)

    def finish(self, hosts):
        """(messages that made no event, gaps that a run calls local)"""
        had, upstream, own = passed(hosts), 1, 0
        for (name, _, channel), run in self.runs.items():
            for seq in range(min(run.events, default=1), max(run.events, default=0) + 1):
                if seq in run.events:
                    if seq in run.gaps:
                        self.say("%s, channel %d: message %d has an event and lies in a gap" % (name, channel, seq))
                elif seq not in run.gaps:
                    self.say("%s, channel %d: message %d has neither event nor gap" % (name, channel, seq))
                elif run.gaps[seq] == upstream and had[name][channel][seq]:
                    self.say("%s, channel %d: the gap of message %d is called upstream, but its packet passed" % (name, channel, seq))
                else:
                    own += run.gaps[seq] != upstream
        missing = 0
        for n in range(CHANNELS):
            gaps = set().union(*(run.gaps for (_, _, channel), run in self.runs.items() if channel == n))
            none = set(self.truth[n]) - {seq for _, channel, _, seq, _ in self.seen if channel == n}
            missing += len(none)
            if none - gaps:
                self.say("channel %d: %d messages have neither event nor gap: %s" % (n, len(none - gaps), sorted(none - gaps)[:5]))
        return missing, own


def two_hosts():
    from events import plain
    from events_io import Schema
    from test_truth import Words, payloads

    broker = Broker(29760)
    if not broker.address:
        print("skip - two hosts: Kafka does not start")
        return
    try:
        for topic in ("two.md", "two.ops"):  # the broker makes them now, and not while the first events wait
            wire.sh(*wire.inside(wire.RIGHT, "kcat", "-L", "-b", broker.address, "-t", topic))
        feeds = wire.sh(wire.SIM, "--channels", str(CHANNELS), "--print-feeds").split()
        hosts = [Host("one", 2, 17, broker, feeds), Host("two", 4, 40000017, broker, feeds)]
        seconds = 60 + KILLS * 10  # at most: the exchange is ended when it is time
        exchange = subprocess.Popen(wire.inside(wire.LEFT, wire.SIM, "--quiet", "--live", "wire0", "--no-fix", "--channels", str(CHANNELS),
                                                "--seconds", str(seconds), "--rate", str(RATE), "--instruments", "50", "--loss", ".01",
                                                "--truth", wire.work + "/truth", "--truth-wire", wire.work + "/truth.wire"))
        wire.running.append(exchange)
        kills, until = 0, time.monotonic() + 20 + KILLS * 3
        while kills < KILLS and time.monotonic() < until:  # a busy machine has no time for all
            time.sleep(1.5)
            if hosts[1 - kills % 2].behind() < 2000:  # the other one has brought what it had
                hosts[kills % 2].restart()
                kills += 1
        time.sleep(2.5)
        exchange.kill()
        exchange.wait()
        time.sleep(1.5)
        statuses = [host.program.stop() for host in hosts]
        wire.result(kills > 0 and statuses == [0, 0] and all(host.program.balanced() for host in hosts), "%d kills and restarts; at the end both stop with 0" % kills,
                    "%d kills, %s %s" % (kills, statuses, [host.program.text()[-300:] for host in hosts]))
        schema = Schema(os.path.join(wire.build, "events.binpb"))
        tape = Tape(Words(schema), payloads, plain)
        for batch in broker.batches(schema, "two.md"):
            for event in batch.events:
                tape.take(batch, event)
        missing, own = tape.finish(hosts)
        runs = len({(name, boot) for name, boot, _ in tape.runs})
        messages = sum(map(len, tape.truth))
        wire.result(not tape.wrong and kills <= runs <= kills + 2 and tape.again > tape.events // 10 and missing < messages // 2,
                    "%d events of %d runs, %d of them twice: one tape that equals the truth of %d messages; %d without event lie in gaps, and "
                    "no run had them (%d lost by the runs' own rings)" % (tape.events, runs, tape.again, messages, missing, own),
                    "; ".join(tape.wrong) or "%d runs, %d events, %d twice" % (runs, tape.events, tape.again))
    finally:
        broker.call("stop")


wire.run("two hosts", two_hosts, tools=("ip", "nsenter", "kcat", "java"))
