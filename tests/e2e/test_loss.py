#!/usr/bin/python3
"""Loss on the wire and in the kernel, live: what came, what did not, and whose loss it was.

usage: test_loss.py [BUILD [MESSAGES [RATE [LOSS]]]]   MESSAGES and RATE of each of two channels
The exchange sends lines A and B over a veth pair; each loses, repeats and reorders packets by seed, and says what became of
each. The program captures with two workers, sends to Kafka and ZeroMQ, and is stopped (SIGSTOP) now and then until the kernel
drops. Every event in Kafka must equal the truth; every message that made none must lie in exactly one gap; a gap that is called
upstream holds nothing that either line delivered. The auditor (clients/python) must find the same from the events alone, and
every ledger report must add up."""
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import live_wire as wire
from live_kafka import Broker, auditor, found, midnight_ns

KAFKA_PORT, ZMQ_PORT, CHANNELS, STALE = 29660, 29663, 2, 16
MESSAGES, RATE, LOSS = (int(sys.argv[2]) if len(sys.argv) > 2 else 60000, int(sys.argv[3]) if len(sys.argv) > 3 else 9000,
                        sys.argv[4] if len(sys.argv) > 4 else "0.03")


class Stopper(threading.Thread):
    """Stops the whole program now and then, for so long that the rings overflow."""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.over, self.times, self.rng = pid, threading.Event(), 0, random.Random(5)

    def run(self):
        while not self.over.wait(self.rng.uniform(.8, 1.6)):
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(self.rng.uniform(.3, .5))
            os.kill(self.pid, signal.SIGCONT)
            self.times += 1


class Channel:
    """What is due on a channel, against what comes of it in order."""

    def __init__(self, number, words, payloads, midnight_ns, delivered):
        self.number, self.words, self.payloads, self.midnight_ns, self.delivered = number, words, payloads, midnight_ns, delivered
        self.truth, self.due, self.seq = self.lines(), [], 0
        self.made, self.missing, self.gaps, self.stale, self.wrong = 0, [], [], False, []
        self.last, self.too_late, self.tail = 0, 0, 0

    def lines(self):
        own = '{"channel":%d,' % self.number
        with open(os.path.join(wire.work, "truth"), encoding="ascii") as file:
            for line in file:
                if line.startswith(own):
                    yield json.loads(line)

    def say(self, text):
        if len(self.wrong) < 4:
            self.wrong.append(("channel %d: " % self.number + text)[:600])

    def next(self, until):
        """Goes on to message until; those before it made no event."""
        if self.due:
            self.say("message %d: missing %s" % (self.seq, self.due))
            self.due = []
        while self.seq < until:
            said = next(self.truth, None)
            if said is None:
                return False
            self.seq = said["seq"]
            if self.seq < until:
                self.missing.append(self.seq)
            else:
                made = self.payloads(said, self.words, self.midnight_ns)
                self.due = [(said, sub, name, fields, sub == len(made) - 1) for sub, (name, fields) in enumerate(made)]
        return True

    def take(self, event, plain):
        kind = event.WhichOneof("payload")
        if kind == "gap":
            self.gaps.append((event.gap.first_missing, event.gap.last_missing, event.gap.cause))
            self.stale, self.last = True, event.gap.last_missing
            return
        if kind == "system" and event.system.code == self.words.system["end"]:
            return
        if event.seq != self.seq and (event.seq < self.seq or not self.next(event.seq)):
            self.say("event %d behind %d" % (event.seq, self.seq))
            return
        if not self.due:
            self.say("message %d: one event too much" % event.seq)
            return
        said, sub, name, fields, last = self.due.pop(0)
        got = plain(event)
        for field in ("ts_recv_ns", "feed"):
            got.pop(field, None)
        want = {"ts_event_ns": said["ts"], "venue": "XNAS", "channel": self.number, "seq": said["seq"], "flags": int(last) + STALE * self.stale,
                "instrument_id": said["locate"], "symbol": said.get("stock"), "template_id": ord(said["type"]), "sub_seq": sub, name: fields}
        if got != {k: v for k, v in want.items() if v not in (0, "", None)}:
            self.say("event %s, should be %s" % (got, want))
        self.made, self.last = self.made + 1, event.seq

    def finish(self, causes):
        """Whether exactly what is in gaps is missing; {cause: messages}."""
        self.next(1 << 62)
        lost = dict.fromkeys(causes.values(), 0)
        at = 0
        for first, last, cause in self.gaps:
            for n in range(first, last + 1):
                if at == len(self.missing) or self.missing[at] != n:
                    self.say("gap %d-%d (%s), but %d is not what is missing" % (first, last, causes[cause], n))
                    break
                at += 1
                lost[causes[cause]] += 1
                self.too_late += causes[cause] == "upstream" and self.delivered[n]
        while at < len(self.missing) and self.missing[at] > self.last:  # behind them nothing came that could have told
            at += 1
            self.tail += 1
        if at != len(self.missing):
            self.say("%d messages have neither event nor gap: %s" % (len(self.missing) - at, self.missing[at:at + 5]))
        return lost


def deliveries():
    """For each channel a byte a message: 0 = no line put it on the wire."""
    out = [bytearray(MESSAGES + 2) for _ in range(CHANNELS)]
    with open(os.path.join(wire.work, "truth.wire"), encoding="ascii") as file:
        for line in file:  # a long run has many millions: taken apart by hand
            if '"kind":"data","fate":"sent"' in line or '"kind":"data","fate":"late"' in line:
                channel, _, _, seq, count, _ = line[len('{"channel":'):].split(",", 5)
                seq, count = int(seq[len('"seq":'):]), int(count[len('"count":'):])
                out[int(channel)][seq:seq + count] = b"\1" * count
    return out


def judge(broker, late, kernel):
    """late: packets and messages that came when their gap was given up; kernel: packets that it dropped."""
    from events import plain
    from events_io import Schema
    from test_truth import Words, payloads

    schema = Schema(os.path.join(wire.build, "events.binpb"))
    words = Words(schema)
    gap = words.payload["gap"].enum_types_by_name["Cause"]
    causes = {v.number: v.name[len("CAUSE_"):].lower() for v in gap.values}
    midnight = midnight_ns(os.path.join(wire.work, "truth"))
    channels = [Channel(n, words, payloads, midnight, delivered) for n, delivered in enumerate(deliveries())]
    for batch in broker.batches(schema, "loss.md"):
        for event in batch.events:
            channels[batch.channel].take(event, plain)
    lost = [c.finish(causes) for c in channels]
    wrong = [w for c in channels for w in c.wrong]
    too_late, tail = sum(c.too_late for c in channels), sum(c.tail for c in channels)
    if (too_late and not late) or (tail and not kernel):
        wrong.append("%d messages are called upstream that a line delivered; %d are missing at the end" % (too_late, tail))
    made, gaps = sum(c.made for c in channels), sum(len(c.gaps) for c in channels)
    undelivered = sum(c.delivered[1:MESSAGES + 1].count(0) for c in channels)
    total = {cause: sum(one[cause] for one in lost) for cause in lost[0] if any(one[cause] for one in lost)}
    wire.result(not wrong and made > MESSAGES * CHANNELS // 2 and total.get("upstream", 0) > 0 and total.get("local", 0) > 0,
                "%d events in Kafka equal the truth of %d messages; every other message is in one of %d gaps with its cause: %s "
                "(neither line delivered %d; %d came too late, with %d late copies; %d were lost at the very end)" % (
                    made, MESSAGES * CHANNELS, gaps, total, undelivered, too_late, late, tail), "; ".join(wrong) or str(total))
    return gaps, made


def accounts(name, status, told, gaps, counted):
    """What the auditor found, against what the judge did."""
    if "error" in told:
        wire.result(False, "%s: the auditor" % name, told["error"][-600:])
        return 0
    run = told["runs"][0] if told["runs"] else {}
    before = sum(run.get("gaps", {}).values())  # holes that were open at the end are given up behind the last report
    kernel = sum(d["count"] for d in told["drops"] if d["reason"] == "kernel_drop")
    wire.result(status == 1 and len(told["runs"]) == 1 and run["ended"] and len(told["gaps"]) == gaps == counted and
                0 < before <= gaps and kernel > 0,
                "%s: the auditor finds %d gaps, as the program counts them, and %d packets that the kernel dropped" % (name, gaps, kernel),
                "status %d, %d gaps, %s counted, runs %s, drops %s" % (status, len(told["gaps"]), counted, told["runs"], told["drops"]))
    wire.result(run.get("reports", 0) > 5 and not told["unbalanced"], "%s: %d ledger reports, each adds up" % (name, run.get("reports", 0)),
                str(told["unbalanced"][:3]))
    wire.result(not told["holes"], "%s: every event that was made came" % name, str(told["holes"][:3]))
    return run.get("events", 0)


def loss():
    broker = Broker(KAFKA_PORT)
    if not broker.address:
        print("skip - loss, live into a real Kafka: it does not start")
        return
    try:
        feeds = wire.sh(wire.SIM, "--channels", str(CHANNELS), "--print-feeds").split()
        program = wire.Program("loss", lambda p: "waiting for subscribers" in p.text(), wire.SNIFFER, "wire1", "--workers", "2", *feeds,
                               "-o", "kafka://%s/loss?when_full=block" % broker.address, "-o", "zmq://127.0.0.1:%d?wait=1&when_full=block" % ZMQ_PORT,
                               # a busy machine may hold the exchange up between the two lines
                               "--set", "arbitration.window_ms=400", "--set", "arbitration.window_packets=16384",
                               "--set", "ledger.interval_s=1", "--set", "source.ring_mib=16", "--set", "stop.flush_ms=20000")
        subscriber = auditor("zmq://127.0.0.1:%d" % ZMQ_PORT)
        for _ in range(100):
            if wire.listed(program):
                break
            time.sleep(.1)
        time.sleep(1)
        exchange = subprocess.Popen(wire.inside(wire.LEFT, wire.SIM, "--quiet", "--live", "wire0", "--no-fix", "--channels", str(CHANNELS),
                                                "--messages", str(MESSAGES), "--rate", str(RATE), "--loss", LOSS, "--dup", ".01",
                                                "--reorder", ".02", "--truth", wire.work + "/truth", "--truth-wire", wire.work + "/truth.wire"))
        wire.running.append(exchange)
        stopper = Stopper(program.process.pid)
        stopper.start()
        stopper.over.wait(MESSAGES / RATE * .6)  # what is lost at the very end nobody can miss; a channel may end early
        stopper.over.set()
        exchange.wait(timeout=MESSAGES / RATE * 3 + 60)
        stopper.join()
        time.sleep(2)
        status = program.stop()
        wire.result(status == 0 and program.balanced(), "stopped %d times and ended: exit status 0, the ledger adds up" % stopper.times,
                    "status %d: %s" % (status, program.text()[-600:]))
        time.sleep(1)
        subscriber.send_signal(signal.SIGINT)  # it says what it found
        late = sum(int(n) for n in re.findall(r"(\d+)  dropped: late", program.text()))
        gaps, made = judge(broker, late, program.captured()[2])
        counted = int(re.search(r" gaps=(\d+) ", program.text() + " gaps=-1 ").group(1))
        at_kafka = accounts("Kafka", *found(auditor("kafka://%s/loss" % broker.address)), gaps, counted)
        at_zmq = accounts("ZeroMQ", *found(subscriber), gaps, counted)
        wire.result(at_kafka == at_zmq >= made, "ZeroMQ brought the %d events that Kafka has" % at_kafka, "%d" % at_zmq)
    finally:
        broker.call("stop")


wire.run("loss, live", loss, tools=("ip", "nsenter", "kcat", "java"))
