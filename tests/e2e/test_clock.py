#!/usr/bin/python3
"""What batches say of the clock, live, while the clock's error changes and the clock is set: for the program alone.

usage: test_clock.py [BUILD]
A library in front of the program (tests/support/set_clock.c) is its clock. Kernel stamps bear the error that the kernel states,
a capture file none; a step is one SystemEvent in the program's own stream, with its size, and a line in the log."""
import os
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import live_wire as wire

TS_KERNEL, TS_USER, TS_FILE, UNSYNCHRONISED = 2, 3, 4, 16 * 10**9


class Subscriber(threading.Thread):
    """Takes all batches of an endpoint: (when, batch)."""

    def __init__(self, endpoint):
        import zmq
        from events_io import Schema
        super().__init__(daemon=True)
        self.schema, self.zmq, self.batches, self.over = Schema(os.path.join(wire.build, "events.binpb")), zmq, [], False
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        self.socket.setsockopt(zmq.RCVTIMEO, 200)
        self.socket.connect(endpoint)
        self.start()

    def run(self):
        while True:
            try:
                body = self.socket.recv_multipart()[1]
                self.batches.append((time.monotonic(), self.schema.EventBatch.FromString(body)))
            except self.zmq.Again:
                if self.over:
                    break
        self.socket.close(0)

    def end(self):
        self.over = True
        self.join(20)
        return self.batches


def clock():
    path, shim, endpoint = (os.path.join(wire.work, name) for name in ("clock", "set_clock.so", "zmq"))
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", shim, os.path.join(wire.root, "tests", "support", "set_clock.c")], check=True)

    def put(ahead_ns, error_us):
        """Sets the clock. Returns the time before."""
        before = time.monotonic()
        with open(path, "r+b" if os.path.exists(path) else "wb") as file:
            file.write(struct.pack("<qq", ahead_ns, error_us))
        return before

    put(0, 250)
    os.chmod(wire.work, 0o755)
    subscriber = Subscriber("ipc://" + endpoint)
    program = wire.Program("clock", wire.listed, "env", "LD_PRELOAD=" + shim, "SET_CLOCK=" + path, wire.SNIFFER, "wire1", "-o",
                           "zmq:ipc://%s?wait=1" % endpoint, "--set", "ledger.interval_s=1")
    exchange = wire.exchange("--seconds", "12", "--rate", "500", "--instruments", "2", "--no-fix")
    time.sleep(2.5)
    changes = [(put(0, 900), 900000)]
    time.sleep(2.5)
    stepped = put(-1500000000, 900)
    time.sleep(2)
    changes.append((put(-1500000000, -1), UNSYNCHRONISED))
    time.sleep(2.5)
    exchange.terminate()
    status = program.stop()
    batches = subscriber.end()
    market = [(at, b) for at, b in batches if b.venue == "XNAS" and b.events]
    own = [(at, b) for at, b in batches if b.events and b.venue != "XNAS"]
    errors = []
    for _, batch in market:
        if not errors or errors[-1] != batch.clock_error_ns:
            errors.append(batch.clock_error_ns)
    wire.result(errors == [250000, 900000, UNSYNCHRONISED] and {b.clock_source for _, b in market} == {TS_KERNEL},
                "batches of kernel stamps say the error that the kernel states, 16 s when nobody keeps the clock", str(errors))
    late = [next((at - when for at, b in market if at > when and b.clock_error_ns == error), 99) for when, error in changes]
    wire.result(max(late) < 2.5, "a change is said within %.1f s" % max(late), str(late))
    wire.result({b.clock_source for _, b in own} == {TS_USER} and {b.clock_error_ns for _, b in own} == {250000, 900000, UNSYNCHRONISED},
                "the program's own stream has stamps of its own clock, with the same errors")
    steps = [(at, e.system) for at, b in own for e in b.events if e.WhichOneof("payload") == "system"]
    wire.result(len(steps) == 1 and steps[0][1].code == 16 and abs(steps[0][1].clock_step_ns + 1500000000) < 100000 and
                0 < steps[0][0] - stepped < 2, "a step of the clock is one event with its size", str([(at - stepped, s) for at, s in steps]))
    wire.result(status == 0 and program.balanced() and "the system clock was set" in program.text() and "not synchronised" in program.text(),
                "the log tells of the step and of the clock that is not synchronised", program.text()[-600:])


def files():
    capture = os.path.join(wire.work, "file.pcap")
    wire.sh(wire.SIM, "--quiet", "--messages", "3000", "--instruments", "2", "--no-fix", "--pcap", capture)
    subscriber = Subscriber("ipc://%s/file" % wire.work)
    wire.sh(wire.SNIFFER, "-q", "-r", capture, "-o", "zmq:ipc://%s/file?wait=1" % wire.work)
    market = [b for _, b in subscriber.end() if b.venue == "XNAS" and b.events]
    wire.result(market and {(b.clock_source, b.clock_error_ns) for b in market} == {(TS_FILE, 0)}, "a capture file's clock is not known")


try:
    import zmq  # noqa: F401
except ImportError:
    print("skip - clock: /usr/bin/python3 has no zmq")
    sys.exit(0)
wire.run("clock", clock, files, tools=("ip", "nsenter", "cc", "taskset"))
