#!/usr/bin/python3
"""More comes than a sink takes: a slow subscriber under each when_full, and a broker that stands still.

usage: test_overload.py [BUILD [SECONDS [FROZEN]]]   of the slow subscribers, of the broker
Programs on one wire, each with a ZeroMQ sink that takes a third of what comes, and a file beside it. Memory must not grow; what is
lost must be lost by the stated policy and counted to the event, or be seen by the subscriber where libzmq drops for it alone;
the file must have everything; and the last event must arrive when the subscriber has caught up."""
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import live_wire as wire
from live_kafka import CLIENT, Broker, auditor, found

sys.path.insert(0, CLIENT)
SECONDS, FROZEN = (int(sys.argv[2]) if len(sys.argv) > 2 else 7, int(sys.argv[3]) if len(sys.argv) > 3 else 5)
DESCRIPTORS = os.path.join(wire.build, "events.binpb")
# what each policy may count at the sink
POLICIES = {"subscriber": set(), "drop": {"subscriber_full", "ring_full"}, "drop_newest": {"ring_full"}, "drop_oldest": {"ring_evicted", "ring_full"},
            "block": set()}
GROWTH_KIB, LOCAL = 16384, 2


class Subscriber(threading.Thread):
    """Takes a message every pause seconds; with pause 0 all there are, until it is told to end and nothing more comes."""

    def __init__(self, endpoint, pause):
        import zmq
        from dpdk_stock_ai import message_class
        from dpdk_stock_ai.audit import Auditor
        super().__init__(daemon=True)
        self.zmq, self.pause, self.over, self.batch = zmq, pause, False, message_class("events.v1.EventBatch", DESCRIPTORS)
        self.audit, self.last = Auditor(DESCRIPTORS), 0
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        for option, value in ((zmq.RCVHWM, 4), (zmq.RCVBUF, 4096), (zmq.RCVTIMEO, 500)):
            self.socket.setsockopt(option, value)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        self.socket.connect(endpoint)
        self.start()

    def run(self):
        while True:
            try:
                batch = self.batch.FromString(self.socket.recv_multipart()[1])
            except self.zmq.Again:
                if self.over:
                    break
                continue
            self.audit.take_batch(batch)
            if batch.venue == "XNAS" and batch.events:
                self.last = max(self.last, batch.first_event + len(batch.events) - 1)
            if self.pause:
                time.sleep(self.pause)
        self.socket.close(0)


def memory_kib(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def account(text, scheme):
    """(entered, left, {reason: dropped}) of a sink in the table that the program ended with."""
    rows = text.split("stage      unit")[-1].splitlines()
    for n, row in enumerate(rows):
        match = re.match(r"sink +event +(\d+) +(\d+) +\d+ +0  balanced  " + scheme, row)
        if match:
            drops = {}
            for below in rows[n + 1:]:
                dropped = re.match(r" +(\d+)  dropped: (\w+)", below)
                if not dropped:
                    break
                drops[dropped.group(2)] = int(dropped.group(1))
            return int(match.group(1)), int(match.group(2)), drops
    return 0, 0, {"no such row": 1}


def whole(path):
    """(events of the feed in a file, what is wrong with it, causes of its gaps)"""
    from events_io import Schema
    with open(path, "rb") as file:
        events = [e for e in Schema(DESCRIPTORS).delimited(file.read()) if e.venue == "XNAS"]
    causes = [e.gap.cause for e in events if e.WhichOneof("payload") == "gap"]
    return len(events), "" if [e.event_no for e in events] == list(range(1, len(events) + 1)) else "there are holes", causes


def exchange(seconds, rate):
    process = subprocess.Popen(wire.inside(wire.LEFT, wire.SIM, "--quiet", "--live", "wire0", "--no-fix", "--seconds", str(seconds), "--rate", str(rate),
                                           "--instruments", "10"))
    wire.running.append(process)
    return process


def slow_subscribers():
    programs, subscribers = {}, {}
    for policy in [*POLICIES, "stop"]:
        endpoint = "ipc://%s/%s" % (wire.work, policy)
        subscribers[policy] = Subscriber(endpoint, .02)
        programs[policy] = wire.Program(policy, wire.listed, wire.SNIFFER, "wire1", "-o", "zmq:%s?wait=1&hwm=8&quota=16&when_full=%s" % (endpoint, policy),
                                        "-o", "file:%s/%s.pb?when_full=block" % (wire.work, policy), "--set", "batch.bytes=4096",
                                        "--set", "stop.flush_ms=20000")
    process = exchange(SECONDS, 3000)
    time.sleep(SECONDS * .3)
    before = {policy: memory_kib(programs[policy].process.pid) for policy in POLICIES}
    time.sleep(SECONDS * .35)
    after = {policy: memory_kib(programs[policy].process.pid) for policy in POLICIES}
    for subscriber in subscribers.values():
        subscriber.pause = 0  # from now on they keep up
    process.wait(timeout=SECONDS * 5 + 60)
    time.sleep(2.5)
    status = programs["stop"].stop(None)
    wire.result(status == 1 and "when_full says stop" in programs["stop"].text(), "when_full=stop: the program ends with 1 and says why",
                "%d %s" % (status, programs["stop"].text()[-300:]))
    events = {}
    for policy, reasons in POLICIES.items():
        program, subscriber = programs[policy], subscribers[policy]
        status = program.stop()
        subscriber.over = True
        subscriber.join(20)
        entered, left, drops = account(program.text(), "zmq:")
        n, wrong, causes = whole("%s/%s.pb" % (wire.work, policy))
        events[policy] = n
        if policy == "block" and set(causes) == {LOCAL} and program.captured()[2] > 0:  # the worker waits, and the kernel's ring fills
            del events[policy], causes[:]
        holes = sum(h["events"] for h in subscriber.audit.holes())
        counted = sum(drops.values())
        fits = {"subscriber": holes > 0 and not counted and left == entered, "block": holes == 0 and not counted and left == entered}.get(
            policy, holes == counted > 0 and set(drops) <= reasons)
        wire.result(status == 0 and program.balanced() and fits, "when_full=%s: %d of %d events did not come; counted: %s" % (
            policy, holes, entered, drops or "none"), "status %d, left %d, %s" % (status, left, program.text()[-300:]))
        wire.result(subscriber.last == n and not wrong and not causes, "when_full=%s: the file has all %d events, and the subscriber the last%s" % (
            policy, n, "" if policy in events else "; what the kernel dropped is in gaps that are local"), "%s, last %d, gaps %s" % (
                wrong, subscriber.last, causes))
        wire.result(after[policy] - before[policy] < GROWTH_KIB, "when_full=%s: memory grew by %d KiB" % (policy, after[policy] - before[policy]))
    wire.result(len(set(events.values())) == 1, "all programs that never waited captured the same", str(events))


def frozen_broker():
    broker = Broker(29860)
    if not broker.address:
        print("skip - a broker that stands still: Kafka does not start")
        return
    try:
        for topic in ("still.md", "still.ops"):
            wire.sh(*wire.inside(wire.RIGHT, "kcat", "-L", "-b", broker.address, "-t", topic))
        program = wire.Program("still", wire.listed, wire.SNIFFER, "wire1", "-o", "kafka://%s/still?quota=64" % broker.address,
                               "-o", "file:%s/still.pb?when_full=block" % wire.work, "--set", "stop.flush_ms=20000")
        process = exchange(FROZEN + 6, 2000)
        time.sleep(2)
        java = broker.pid()
        os.kill(java, signal.SIGSTOP)
        try:
            time.sleep(1)
            before = memory_kib(program.process.pid)
            time.sleep(FROZEN - 1)
            after = memory_kib(program.process.pid)
        finally:
            os.kill(java, signal.SIGCONT)
        process.wait(timeout=FROZEN * 5 + 60)
        time.sleep(2)
        status = program.stop()
        entered, left, drops = account(program.text(), "kafka:")
        events, wrong, causes = whole("%s/still.pb" % wire.work)
        _, told = found(auditor("kafka://%s/still" % broker.address))
        holes = [h for h in told.get("holes", [])]
        missing = sum(h["events"] for h in holes)
        wire.result(status == 0 and program.balanced() and missing == sum(drops.values()) > 0 and set(drops) == {"ring_full"},
                    "a broker that stands still for %d s: %d of %d events are missing in the topic, each counted: %s" % (FROZEN, missing, entered, drops),
                    "status %d, left %d, %s %s" % (status, left, told.get("error", ""), program.text()[-300:]))
        wire.result(not wrong and not causes and told["runs"][0]["ended"] and all(h["last_event"] < events for h in holes if h["venue"] == "XNAS"),
                    "the file has all %d events; the last ones are in the topic again" % events, "%s %s" % (wrong, told["runs"]))
        wire.result(after - before < GROWTH_KIB, "memory grew by %d KiB meanwhile" % (after - before))
    finally:
        broker.call("stop")


try:
    import zmq  # noqa: F401
except ImportError:
    print("skip - overload: /usr/bin/python3 has no zmq")
    sys.exit(0)
wire.run("overload", slow_subscribers, frozen_broker, tools=("ip", "nsenter", "kcat", "java"))
