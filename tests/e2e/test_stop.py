#!/usr/bin/python3
"""Starts and stops under load, in every state: the status is right, the ledger adds up, nothing hangs, nothing leaks.

usage: test_stop.py [ROUNDS [BUILD]]
Each round starts the program on a live interface under load or on a capture played for ever, waits for a moment, and
ends it: by signals, by a reader or an interface that goes, with a sink that takes nothing more (frozen broker, full pipe, subscriber
that does not read). What reached a file is counted against the ledger. Every fifth round runs the build with sanitizers
(build-asan), if there is one. docs/operations.md says what each status means."""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
build = os.path.join(root, sys.argv[2] if len(sys.argv) > 2 else "build")
asan = os.path.join(root, "build-asan", "pkt-sniffer")
SPACE, PORT = f"stop-{os.getpid()}", 15781
STOP_S = 2  # from the signal to the end; a machine that runs other tests meanwhile gets twice that
FLUSH_S = 1.5


def inside(*words):
    return ["nsenter", f"--net=/run/netns/{SPACE}", *words]


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


class Program:
    """One round's program."""

    def __init__(self, number, words, live, **options):
        self.log = tempfile.TemporaryFile("w+")
        self.sanitized = number % 5 == 3 and os.path.exists(asan)
        self.slow = 5 if self.sanitized else 1
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:exitcode=99", UBSAN_OPTIONS="print_stacktrace=1",
                   LSAN_OPTIONS=f"suppressions={root}/tests/support/lsan.supp:print_suppressions=0")
        command = [asan if self.sanitized else os.path.join(build, "pkt-sniffer"), *words]
        self.process = subprocess.Popen(inside(*command) if live else command, stdin=subprocess.DEVNULL, stderr=self.log, env=env, **options)

    def runs(self):
        """Waits until its worker does."""
        until, folder = time.monotonic() + 20 * self.slow, f"/proc/{self.process.pid}/task"
        while time.monotonic() < until and self.process.poll() is None:
            for tid in os.listdir(folder):
                try:
                    with open(f"{folder}/{tid}/comm", encoding="ascii") as file:
                        if file.read().startswith("worker-"):
                            return
                except OSError:
                    pass
            time.sleep(.05)

    def ask(self, number):
        self.process.send_signal(number)
        self.asked = time.monotonic()

    def end(self):
        """(exit status, seconds since it was asked); a program that hangs is ended."""
        try:
            status = self.process.wait(20 * self.slow)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = "hangs"
        return status, time.monotonic() - getattr(self, "asked", time.monotonic())

    def text(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()


def ledger(text):
    """{(stage, sink): (entered, left)} of the last report; None when it does not add up or there is none."""
    rows = re.findall(r"^(\w+) +\w+ +(\d+) +(\d+) +(\d+) +(\d+) +(.*)$", text, re.M)
    if not rows or any(not row[5].startswith("balanced") for row in rows):
        return None
    return {(row[0], row[5][len("balanced"):].strip()): (int(row[1]), int(row[2])) for row in rows}


def judge(name, program, statuses, lines=None, most_s=STOP_S):
    """lines: a file of one event a line: as many as the ledger says have left for it."""
    status, took = program.end()
    text = program.text()
    report = ledger(text)
    why = []
    if status not in statuses:
        why.append(f"exit status {status}, not {statuses}")
    if len(statuses) > 1 and (status == 3) != ("purge_" in text):
        why.append(f"exit status {status}, with purge_ in the ledger or without")
    if took > 2 * most_s * program.slow:
        why.append(f"took {took:.1f} s")
    if report is None:
        why.append("the ledger does not add up, or was not printed")
    elif lines:
        with open(lines, "rb") as file:
            n = sum(1 for _ in file)
        left = next((v[1] for k, v in report.items() if k[0] == "sink" and lines in k[1]), None)
        if n != left:
            why.append(f"{n} lines in the file, {left} by the ledger")
    if "Sanitizer" in text or "runtime error" in text or "fault of the program" in text or "did not come back" in text:
        why.append("a fault of the program")
    result(not why, f"{name}{' (sanitizers)' if program.sanitized else ''}: status {status} after {took:.2f} s", "; ".join(why) + ": " + text[-1500:])
    return report


class Rig:
    """Interfaces under load, a capture, a broker that can be frozen."""

    def __init__(self, folder):
        self.folder, self.capture = folder, os.path.join(folder, "day.pcap")
        self.load = self.broker = None
        run(os.path.join(build, "feed-sim"), "--quiet", "--messages", "20000", "--seed", "2", "--pcap", self.capture)
        run("ip", "netns", "add", SPACE)
        run(*inside("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"))
        run(*inside("ip", "link", "set", "lo", "up"))
        self.link()

    def link(self):
        run(*inside("ip", "link", "add", "s0", "type", "veth", "peer", "name", "s1"))
        run(*inside("ip", "address", "add", "10.9.9.1/24", "dev", "s0"))
        for name in "s0", "s1":
            run(*inside("ip", "link", "set", name, "up"))

    def blow(self):
        """Packets on s1, until calm."""
        if self.load is None or self.load.poll() is not None:
            self.load = subprocess.Popen(inside(os.path.join(build, "feed-sim"), "--quiet", "--live", "s0", "--seconds", "600", "--rate", "40000",
                                                "--channels", "2", "--no-fix"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def calm(self):
        if self.load:
            self.load.kill()
            self.load.wait()
            self.load = None

    def start_broker(self):
        self.broker = subprocess.Popen([os.path.join(build, "mock_broker")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self.broker.stdout.readline().strip()

    def end_broker(self):
        if self.broker:
            self.broker.kill()
            self.broker.wait()
            self.broker = None

    def close(self):
        self.calm()
        self.end_broker()
        subprocess.run(["ip", "netns", "delete", SPACE], check=False)


def moment(rng):
    time.sleep(rng.uniform(.2, .9))


def live(rig, rng, number):
    rig.blow()
    lines, workers = os.path.join(rig.folder, f"live{number}"), rng.choice("123")
    program = Program(number, ["s1", "--feed", "none", "--workers", workers, "-o", f"json:{lines}", "-o", "null:"] if number % 2 else
                      ["s1", "--workers", workers, "-o", f"json:{lines}", "-o", f"zmq://127.0.0.1:{PORT}"], True)
    program.runs()
    moment(rng)
    program.ask(rng.choice((signal.SIGINT, signal.SIGTERM)))
    judge(f"live, {workers} workers, a signal", program, (0, 3), lines)  # 3 where the machine is too busy to write it all
    os.remove(lines)


def replay(rig, rng, number):
    lines, workers = os.path.join(rig.folder, f"replay{number}"), rng.choice("124")
    program = Program(number, ["-r", rig.capture, "--loop", "0", "--workers", workers, "-o", f"json:{lines}", "-o", "null:"], False)
    program.runs()
    moment(rng)
    program.ask(rng.choice((signal.SIGINT, signal.SIGTERM)))
    judge(f"a capture for ever, {workers} workers, a signal", program, (0, 3), lines)  # 3 where the machine is too busy to write it all
    os.remove(lines)


def start(rig, rng, number):
    """A signal while it starts: before it can answer, the signal ends it as it ends any program."""
    rig.blow()
    program = Program(number, ["s1", "-o", "null:", "-o", f"zmq://127.0.0.1:{PORT}"], True)
    time.sleep(rng.uniform(0, .15))
    program.ask(signal.SIGINT)
    status, took = program.end()
    text = program.text()
    result((status == 0 and (ledger(text) is not None or "stopped while" in text) or status == -signal.SIGINT and "packet" not in text) and took < 4 * program.slow,
           f"a signal while it starts: status {status}", text[-500:])


def reader_goes(rig, rng, number):
    kind = rng.choice(("json", "text"))
    program = Program(number, ["-r", rig.capture, "--loop", "0", "-o", f"{kind}:-", "-o", "null:"], False, stdout=subprocess.PIPE)
    for _ in range(rng.randrange(1, 5000)):
        program.process.stdout.readline()
    program.process.stdout.close()
    program.asked = time.monotonic()
    judge(f"the reader of {kind}: goes away", program, (1,))


def interface_goes(rig, rng, number):
    rig.blow()
    program = Program(number, ["s1", "--workers", rng.choice("12"), "-o", "null:"], True)
    program.runs()
    moment(rng)
    rig.calm()
    run(*inside("ip", "link", "delete", "s0"))
    program.asked = time.monotonic()
    judge("the interface is removed", program, (1,))
    rig.link()


def broker_freezes(rig, rng, number):
    address = rig.start_broker()
    program = Program(number, ["-r", rig.capture, "--loop", "0", "-o", f"kafka://{address}/stop{number}", "-o", "null:"], False)
    program.runs()
    time.sleep(1)
    rig.broker.send_signal(signal.SIGSTOP)
    time.sleep(.7)
    program.ask(signal.SIGINT)
    report = judge("the broker is frozen, the queue full", program, (3,))
    if report:
        entered, left = next(v for k, v in report.items() if "kafka" in k[1])
        result(entered > left, f"  {entered - left} of {entered} events for it were not delivered, and counted")
    rig.end_broker()


def pipe_fills(rig, rng, number):
    end, pipe = os.pipe()
    program = Program(number, ["-r", rig.capture, "--loop", "0", "--workers", rng.choice("12"), "-o", "json:-", "-o", "null:"], False, stdout=pipe)
    os.close(pipe)
    program.runs()
    moment(rng)
    time.sleep(.3)
    program.ask(signal.SIGTERM)
    judge("a pipe that nobody reads is full", program, (3,))
    os.close(end)


def subscriber_sleeps(rig, rng, number):
    try:
        import zmq
    except ImportError:
        print("skip - stop with a subscriber that does not read: /usr/bin/python3 has no zmq")
        return
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 1)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    endpoint = f"ipc://{rig.folder}/zmq{number}"
    socket.connect(endpoint)
    program = Program(number, ["-r", rig.capture, "--loop", "0", "-o", f"zmq:{endpoint}?wait=1&hwm=4&when_full=block", "-o", "null:"], False)
    program.runs()
    time.sleep(1)
    program.ask(signal.SIGINT)
    judge("a subscriber that does not read, and everything waits for it", program, (3,))
    socket.close(linger=0)
    context.term()


def second(rig, rng, number):
    """With a pipe that nobody reads the first one would wait for stop.flush_ms."""
    end, pipe = os.pipe()
    program = Program(number, ["-r", rig.capture, "--loop", "0", "--set", "stop.flush_ms=60000", "-o", "json:-", "-o", "null:"], False, stdout=pipe)
    os.close(pipe)
    program.runs()
    time.sleep(.8)
    program.ask(signal.SIGINT)
    time.sleep(.5)
    waits = program.process.poll() is None
    program.ask(rng.choice((signal.SIGINT, signal.SIGTERM)))
    judge("a second Ctrl-C", program, (3,), most_s=.7)
    result(waits, "  the first one had waited for the reader")
    os.close(end)


def port(rig, rng, number):
    """A DPDK port; EAL has threads of its own."""
    rig.blow()
    lines = os.path.join(rig.folder, f"port{number}")
    program = Program(number, ["--no-pci", "--vdev=net_af_packet0,iface=s1", "--workers", rng.choice("12"), "-o", f"json:{lines}", "-o", "null:"], True)
    program.runs()
    moment(rng)
    program.ask(rng.choice((signal.SIGINT, signal.SIGTERM)))
    judge("a DPDK port, a signal", program, (0, 3), lines)
    os.remove(lines)


def absent(rig, rng, number):
    """The interface is away, and waited for."""
    rig.blow()
    program = Program(number, ["s1", "--workers", rng.choice("12"), "--set", "source.on_gone=wait", "-o", "null:"], True)
    program.runs()
    moment(rng)
    rig.calm()
    run(*inside("ip", "link", "delete", "s0"))
    moment(rng)
    program.ask(signal.SIGINT)
    judge("the interface is away and waited for, a signal", program, (0,))
    rig.link()


def waits(rig, rng, number):
    """For a broker that is not there, a pipe's other end, a subscriber: nothing was taken, a signal ends it at once."""
    fifo = os.path.join(rig.folder, "fifo")
    if not os.path.exists(fifo):
        os.mkfifo(fifo)
    for what, words in (("a broker", ["-r", rig.capture, "-o", "kafka://127.0.0.1:1/x"]), ("a pipe's writer", ["-r", fifo, "-o", "null:"]),
                        ("a pipe's reader", ["-r", rig.capture, "-o", f"json:{fifo}"]),
                        ("a subscriber", ["-r", rig.capture, "-o", f"zmq:ipc://{rig.folder}/nobody?wait=1"])):
        program = Program(number, words, False)
        time.sleep(.5 * program.slow)
        program.ask(rng.choice((signal.SIGINT, signal.SIGTERM)))
        status, took = program.end()
        text = program.text()
        asked_early = status in (-signal.SIGINT, -signal.SIGTERM) and "stopped" not in text  # a busy machine: it was not there yet
        result(took < 1 * program.slow and (asked_early or (status == 0 and "stopped while" in text)), f"it waits for {what}: status {status} after {took:.2f} s",
               text[-300:])


CASES = waits, live, replay, reader_goes, broker_freezes, pipe_fills, subscriber_sleeps, second, port, interface_goes, start, absent


def main():
    if os.geteuid() != 0 and subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.execvp("sudo", ["sudo", "-n", "--preserve-env=PCAP_CORPUS,TESTS_LONG", sys.executable, *sys.argv])
    if os.geteuid() != 0 or not shutil.which("ip"):
        print("skip - starts and stops under load: no right to make a namespace, or no ip")
        return 0
    if not os.path.exists(asan):
        print("skip - starts and stops with sanitizers: no build-asan")
    with tempfile.TemporaryDirectory(prefix="stop.") as folder:
        rig = Rig(folder)
        try:
            for number in range(ROUNDS):
                CASES[number % len(CASES)](rig, random.Random(number), number)
        finally:
            rig.close()
    return bool(failures)


sys.exit(main())
