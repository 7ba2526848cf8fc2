#!/usr/bin/python3
"""A capture through the whole program to ZeroMQ, Kafka, file, json and null; consumers have the descriptor set alone.

usage: test_publish.py [BUILD]
The same events must come out everywhere: same bytes, same order in each stream (mode single: under each key), none
missing, none twice; for batches of 1 event, 7 events and 64 KiB, for 1, 2 and 4 workers. The capture is the
simulated exchange's; Kafka is a real broker (deploy/kafka-local.sh)."""
import collections
import os
import subprocess
import sys
import tempfile
import threading

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build")
sys.path.insert(0, here)
CHANNELS = 3
FEEDS = [option for n in range(CHANNELS) for line, group in (("A", "233.54.12."), ("B", "233.49.196."))
         for option in ("--feed", f"itch50@{group}{111 + n}:{26477 + n},channel={n},line={line}")]


def skip(why):
    print(f"skip - publish: {why}")
    sys.exit(0)


try:
    import zmq
    from events_io import Schema
except ImportError as e:
    skip(f"{e.name} is missing for /usr/bin/python3")
schema = Schema(os.path.join(build, "events.binpb"))


def sniff(capture, *options, timeout=120):
    """Runs the program; its ledger must balance. Returns its standard error."""
    done = subprocess.run([os.path.join(build, "pkt-sniffer"), "-r", capture, *FEEDS, *options], timeout=timeout,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0 or "DIFFERENCE" in done.stderr:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr}")
    return done.stderr


def is_report(row):
    return schema.Event.FromString(row).WhichOneof("payload") in ("ledger", "latency")


def streams_of(rows):
    """rows -> {stream: [bytes…]}; numbers must be 1, 2, 3 … in each. Reports are of a run, and left out."""
    streams = collections.defaultdict(list)
    for stream, number, data in rows:
        if is_report(data):
            continue
        if number != len(streams[stream]) + 1:
            raise RuntimeError(f"stream {stream}: event {number} where {len(streams[stream]) + 1} was due")
        streams[stream].append(data)
    return dict(streams)


def same(got, expected):
    if got == expected:
        return ""
    if set(got) != set(expected):
        return f"streams {sorted(got)} instead of {sorted(expected)}"
    return "; ".join(f"stream {s}: {len(got[s])} events, {len(expected[s])} expected, or other bytes"
                     for s in got if got[s] != expected[s])


def file_streams(capture, path, *options):
    sniff(capture, "-o", f"file:{path}", *options)
    with open(path, "rb") as f:
        return streams_of(map(schema.row, schema.delimited(f.read())))


class Subscriber(threading.Thread):
    """Takes all messages of one endpoint until it is told to end and nothing more comes."""

    def __init__(self, endpoint, topic=b""):
        super().__init__()
        self.messages, self.over = [], False
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.SUBSCRIBE, topic)
        self.socket.setsockopt(zmq.RCVTIMEO, 200)
        self.socket.connect(endpoint)

    def run(self):
        while True:
            try:
                self.messages.append(self.socket.recv_multipart())
            except zmq.Again:
                if self.over:
                    break
        self.socket.close(linger=0)
        self.context.term()


def subscribe(capture, endpoint, query, *options, topic=b""):
    sub = Subscriber(endpoint, topic)
    sub.start()
    try:
        sniff(capture, "-o", f"zmq:{endpoint}?wait=1&when_full=block&{query}", *options)
    finally:
        sub.over = True
        sub.join()
    return sub.messages


def numbered(rows, expected):
    """Whether rows (in any order between keys) are those of expected, each once."""
    got = collections.defaultdict(dict)
    for stream, number, data in rows:
        if is_report(data):
            continue
        if number in got[stream]:
            return f"stream {stream}: event {number} twice"
        got[stream][number] = data
    return same({s: [e[n] for n in sorted(e)] for s, e in got.items()}, expected)


def rising(groups):
    """Whether the numbers rise in each (key, stream)."""
    for key, rows in groups.items():
        last = {}
        for stream, number, _ in rows:
            if number <= last.get(stream, 0):
                return f"{key}: event {number} after {last[stream]}"
            last[stream] = number
    return ""


def check_zmq(capture, expected, folder):
    for text, query, options in (("64 KiB", "", ()), ("7 events", "", ("--batch-events", "7")),
                                 ("a slow reader's mark", "hwm=1&quota=2", ())):
        messages = subscribe(capture, f"ipc://{folder}/zmq", query, *options)
        rows = (r for m in messages for r in schema.rows(m[1]))
        try:
            why = same(streams_of(rows), expected)
        except RuntimeError as e:
            why = str(e)
        result(not why and all(len(m) == 2 for m in messages), f"zmq, batches of {text}", why)
    messages = subscribe(capture, f"ipc://{folder}/zmq", "mode=single")
    rows = collections.defaultdict(list)
    for topic, data in messages:
        rows[topic].extend(schema.rows(data))
    why = rising(rows) or numbered((r for group in rows.values() for r in group), expected)
    result(not why, "zmq, mode single", why)
    wanted = next(t for t in sorted(rows) if t.startswith(b"md.mbo."))
    messages = subscribe(capture, f"ipc://{folder}/zmq", "mode=single", topic=wanted)
    got = [r for _, data in messages for r in schema.rows(data)]
    result(got == rows[wanted], f"zmq, mode single, {wanted.decode()} alone")


def consume(broker, topic):
    """(key, value) of every record of a topic; kcat carries, nothing of it looks inside."""
    out = subprocess.run(["kcat", "-C", "-q", "-e", "-o", "beginning", "-b", broker, "-t", topic, "-f", "%K %S\n%k%s"],
                         stdout=subprocess.PIPE, timeout=60, check=True).stdout
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        key, size = (max(int(n), 0) for n in out[at:end].split())
        yield out[end + 1:end + 1 + key], out[end + 1 + key:end + 1 + key + size]
        at = end + 1 + key + size


def topics(broker, prefix):
    listed = subprocess.run(["kcat", "-L", "-b", broker], stdout=subprocess.PIPE, timeout=60, text=True, check=True)
    names = (line.split('"')[1] for line in listed.stdout.splitlines() if line.strip().startswith("topic "))
    return [n for n in names if n.startswith(prefix + ".")]


def check_kafka(capture, expected, broker):
    for mode in ("batch", "single", "delimited"):
        prefix = f"t{os.getpid()}{mode}"
        sniff(capture, "-o", f"kafka://{broker}/{prefix}?mode={mode}")
        keyed = collections.defaultdict(list)
        for topic in topics(broker, prefix):
            for key, value in consume(broker, topic):
                if mode == "batch":
                    rows = schema.rows(value)
                elif mode == "single":
                    rows = [schema.row(schema.Event.FromString(value))]
                else:
                    rows = map(schema.row, schema.delimited(value))
                keyed[topic, key].extend(rows)
        rows = (r for group in keyed.values() for r in group)
        why = rising(keyed)
        if not why:
            try:
                why = numbered(rows, expected) if mode == "single" else same(streams_of(rows), expected)
            except RuntimeError as e:
                why = str(e)
        result(not why, f"kafka, mode {mode}, {len(keyed)} keys", why)


def check_unknown_topic(capture):
    """A broker of its own that makes no topics."""
    env = dict(os.environ, KAFKA_PORT="29392", KAFKA_AUTO_CREATE="false")
    broker = kafka(env)
    try:
        done = subprocess.run([os.path.join(build, "pkt-sniffer"), "-r", capture, *FEEDS, "-o",
                               f"kafka://{broker}/none"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        result(done.returncode == 1 and "create the topic" in done.stderr and "topic none." in done.stderr
               and "DIFFERENCE" not in done.stderr, "kafka, unknown topic", f"{done.returncode} {done.stderr[-800:]}")
    finally:
        kafka(env, "stop")


def kafka(env, verb="start"):
    done = subprocess.run([os.path.join(root, "deploy", "kafka-local.sh"), verb], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no broker")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def main():
    with tempfile.TemporaryDirectory() as folder:
        capture = os.path.join(folder, "sim.pcap")
        subprocess.run([os.path.join(build, "feed-sim"), "--quiet", "--messages", "20000", "--channels",
                        str(CHANNELS), "--seed", "5", "--pcap", capture], check=True, timeout=60)
        expected = file_streams(capture, os.path.join(folder, "a.pb"))
        events = sum(map(len, expected.values()))
        result(events >= 60000 and len(expected) >= 3, f"file, {events} events in {len(expected)} streams")
        for text, options in (("1 event", ("--batch-events", "1")), ("7 events", ("--batch-events", "7")),
                              ("4 KiB", ("--batch-bytes", "4096"))):
            why = same(file_streams(capture, os.path.join(folder, "b.pb"), *options), expected)
            result(not why, f"file, batches of {text}", why)
        for workers in ("2", "4"):
            why = same(file_streams(capture, os.path.join(folder, "b.pb"), "--workers", workers), expected)
            result(not why, f"file, {workers} workers", why)
        check_zmq(capture, expected, folder)
        try:
            env = dict(os.environ, KAFKA_PORT="29292")
            broker = kafka(env)
        except (OSError, subprocess.SubprocessError) as e:
            print(f"skip - publish to a real Kafka: {e}")
        else:
            try:
                check_kafka(capture, expected, broker)
            finally:
                kafka(env, "stop")
            check_unknown_topic(capture)
    return bool(failures)


sys.exit(main())
