#!/usr/bin/python3
"""Steady state: one capture played for three lengths asks the heap equally often and takes the same memory.

usage: test_steady.py [BUILD]
Sinks that are ours alone (null, file, json, text) may ask for nothing more however long the run. libzmq and librdkafka ask a
number of times that grows with what is sent: it must be the same for each batch at every length, and is printed
(docs/performance.md states it). The build with sanitizers (build-asan), if it is there, must find no leak."""
import os
import re
import subprocess
import sys
import tempfile
import threading

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUILD", "build"))
ROUNDS = (4, 16, 48)


class Play:
    """The capture played some rounds: heap calls, blocks left at the end, peak memory in KiB."""

    def __init__(self, folder, uri, rounds, *options):
        env = dict(os.environ, LD_PRELOAD=os.path.join(folder, "count.so"))
        with open(os.path.join(folder, "said"), "w+b") as said:
            with subprocess.Popen(["timeout", "90", os.path.join(build, "pkt-sniffer"), "-q", "-r", os.path.join(folder, "sim.pcap"),
                                   "--loop", str(rounds), "-o", uri, *options], env=env, stderr=said) as program:
                _, status, usage = os.wait4(program.pid, 0)
                program.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read().decode()
        found = re.findall(r"heap calls (\d+)", text)
        if program.returncode or not found:
            raise RuntimeError(f"{uri}: exit status {program.returncode}: {text[-500:]}")
        self.calls, self.peak = int(found[0]), usage.ru_maxrss  # the first to end is pkt-sniffer, then timeout


def flat(plays):
    """Peak memory does not grow with the length: 4 MiB, 64 buffers, are for how threads happen to meet."""
    return plays[-1].peak <= plays[0].peak + 4096


def memory(plays):
    return ", ".join(f"{p.peak / 1024:.1f}" for p in plays) + " MiB"


def ours(folder):
    for uri in "null:", "file:/dev/null", "json:/dev/null", "text:/dev/null":
        plays = [Play(folder, uri, rounds) for rounds in ROUNDS]
        result(len({p.calls for p in plays}) == 1,
               f"{uri} asks the heap {plays[0].calls} times, for {', '.join(map(str, ROUNDS))} rounds", str([p.calls for p in plays]))
        result(flat(plays), f"{uri} takes {memory(plays)}")


def per_batch(name, plays, batches, most, same):
    """same: the rate is that of the batches alone, so two lengths have the same."""
    rates = [(b.calls - a.calls) / (m - n) for a, b, n, m in zip(plays, plays[1:], batches, batches[1:])]
    result(0 <= max(rates) <= most and (not same or abs(rates[0] - rates[1]) <= .5),
           f"{name}: the library asks the heap {rates[0]:.2f} and {rates[1]:.2f} times a batch ({batches[-1]} batches)",
           f"at most {most}{' and the same' if same else ''}; calls {[p.calls for p in plays]}, batches {batches}")
    result(flat(plays[1:]), f"{name} takes {memory(plays)}")  # first it fills its quota of buffers


class Counter(threading.Thread):
    """A subscriber that counts messages."""

    def __init__(self, zmq, endpoint):
        super().__init__()
        self.zmq, self.count, self.over = zmq, 0, False
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        self.socket.setsockopt(zmq.RCVTIMEO, 200)
        self.socket.connect(endpoint)

    def run(self):
        while True:
            try:
                self.socket.recv_multipart()
                self.count += 1
            except self.zmq.Again:
                if self.over:
                    break
        self.socket.close(linger=0)
        self.context.term()


def zeromq(folder):
    try:
        import zmq
    except ImportError:
        print("skip - steady state of zmq: /usr/bin/python3 has no zmq")
        return
    plays, batches = [], []
    endpoint = f"ipc://{folder}/zmq"
    for rounds in ROUNDS:
        reader = Counter(zmq, endpoint)
        reader.start()
        try:
            plays.append(Play(folder, f"zmq:{endpoint}?wait=1&when_full=block", rounds))
        finally:
            reader.over = True
            reader.join()
        batches.append(reader.count)
    per_batch("zmq", plays, batches, 3, True)


def kafka(folder):
    script, env = os.path.join(root, "deploy", "kafka-local.sh"), dict(os.environ, KAFKA_PORT="29492")
    try:
        started = subprocess.run([script, "start"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=200, check=True)
    except (OSError, subprocess.SubprocessError) as e:
        print(f"skip - steady state of kafka: no broker: {e}")
        return
    broker = started.stdout.split()[-1]
    try:
        plays, batches = [], []
        for rounds in ROUNDS:
            prefix = f"steady{rounds}"
            plays.append(Play(folder, f"kafka://{broker}/{prefix}", rounds))
            listed = subprocess.run(["kcat", "-L", "-b", broker], stdout=subprocess.PIPE, text=True, timeout=30, check=True).stdout
            count = 0
            for topic in re.findall(rf'topic "({prefix}\.[^"]*)"', listed):
                out = subprocess.run(["kcat", "-C", "-q", "-e", "-o", "beginning", "-b", broker, "-t", topic, "-f", "%o\n"],
                                     stdout=subprocess.PIPE, timeout=60, check=True).stdout
                count += out.count(b"\n")
            batches.append(count)
        per_batch("kafka", plays, batches, 8, False)  # some a request, which carries one to five
    finally:
        subprocess.run([script, "stop"], env=env, stdout=subprocess.DEVNULL, timeout=60, check=False)


def leaks(folder):
    sniffer = os.path.join(root, "build-asan", "pkt-sniffer")
    if not os.path.exists(sniffer):
        print("skip - leaks: no build with sanitizers (build-asan)")
        return
    for uri in "null:", "file:/dev/null", "json:/dev/null", "text:/dev/null", f"zmq:ipc://{folder}/zmq":
        done = subprocess.run(["timeout", "60", sniffer, "-q", "-r", os.path.join(folder, "sim.pcap"), "--loop", "2", "-o", uri],
                              env=dict(os.environ, ASAN_OPTIONS="detect_leaks=1:exitcode=99"), stderr=subprocess.PIPE, text=True, check=False)
        result(done.returncode == 0 and "Sanitizer" not in done.stderr, f"{uri}: nothing leaks", done.stderr[-600:])


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(build, "feed-sim"), "--quiet", "--messages", "20000", "--seed", "3", "--pcap",
                        os.path.join(folder, "sim.pcap")], check=True, timeout=60)
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", os.path.join(folder, "count.so"),
                        os.path.join(root, "tests", "support", "count_mallocs.c")], check=True)
        ours(folder)
        zeromq(folder)
        kafka(folder)
        leaks(folder)
    return bool(failures)


sys.exit(main())
