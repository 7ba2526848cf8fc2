"""Events of whole runs, streamed from a file or from ZeroMQ, as plain values: memory stays small however long the run."""
import collections
import mmap
import os
import re
import subprocess

from events_io import LONE, Schema

# what a batch says once and a lone event says itself: the last is the number in the stream
Facts = collections.namedtuple("Facts", "source worker schema_version session boot_id stream clock number")
SCALARS = {int, str, bytes, bool, float}


def plain(message):
    """{field: value} of what is set; messages and maps become dicts, enums numbers."""
    out = {}
    for field, value in message.ListFields():
        if type(value) in SCALARS:
            out[field.name] = value
        elif hasattr(value, "ListFields"):
            out[field.name] = plain(value)
        elif hasattr(value, "items"):
            out[field.name] = dict(value.items())
        else:
            out[field.name] = [v if type(v) in SCALARS else plain(v) for v in value]
    return out


class Program:
    """The program of a build, run on a capture."""

    def __init__(self, build):
        self.path = os.path.join(build, "pkt-sniffer")
        self.sim_path = os.path.join(build, "feed-sim")
        self.schema = Schema(os.path.join(build, "events.binpb"))

    def sim(self, *options, timeout=100):
        subprocess.run([self.sim_path, "--quiet", *options], check=True, timeout=timeout)

    def run(self, *options, status=0, timeout=100, **how):
        """What the program says on standard error; its ledger must balance."""
        done = subprocess.run([self.path, *options], timeout=timeout, check=False,
                              **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **how})
        return self.judge(done.returncode, done.stderr.decode(errors="replace"), status)

    @staticmethod
    def judge(returned, said, status=0):
        rows = re.findall(r"^\S+ +\S+ +\d+ +\d+ +\d+ +\d+ .*$", said, re.M)
        if returned != status or not rows or not all(row.split()[6] == "balanced" for row in rows):
            raise RuntimeError(f"exit status {returned}, {len(rows)} rows of the ledger: {said[-1500:]}")
        return said

    def events(self, path):
        """(facts, Event without them) of each event of a file: sink."""
        with open(path, "rb") as file:
            if os.path.getsize(path) == 0:
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                for event in self.schema.delimited(data):
                    facts = Facts(event.source, event.worker, event.schema_version, event.session, event.boot_id,
                                  event.stream, event.ts_quality, event.event_no)
                    for name in LONE:
                        event.ClearField(name)
                    yield facts, event

    def batches(self, endpoint, *options, raw=None):
        """Each EventBatch, with its topic, that a run sends to ZeroMQ; then, last, what it says on standard error.

        raw: a file that gets every byte of both frames."""
        import zmq
        context = zmq.Context()
        socket = context.socket(zmq.SUB)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.setsockopt(zmq.RCVTIMEO, 300)
        socket.connect(endpoint)
        # a log in a file: a pipe that nobody reads could stop the program
        with open(endpoint.split("://")[1] + ".log", "w+b") as log, \
                subprocess.Popen([self.path, *options, "-o", f"zmq:{endpoint}?wait=1&when_full=block"],
                                 stdout=subprocess.DEVNULL, stderr=log) as program:
            try:
                quiet = 0
                while quiet < 200:
                    over = program.poll() is not None
                    try:
                        topic, data = socket.recv_multipart()
                        quiet = 0
                        if raw:
                            raw.write(topic + data)
                        yield topic.decode(), self.schema.EventBatch.FromString(data)
                    except zmq.Again:
                        if over:
                            break
                        quiet += 1
            finally:
                program.kill()
                socket.close(linger=0)
                context.term()
            log.seek(0)
            yield None, self.judge(program.wait(), log.read().decode(errors="replace"))


class Batches:
    """The facts of the batches of one run: numbers without holes, in each (boot_id, stream)."""

    def __init__(self):
        self.next = {}  # stream -> (batch_seq, first_event)
        self.named, self.boots, self.workers, self.sizes = {}, set(), {}, []

    def rows(self, topic, batch):
        """(facts, Event) of each event of a batch, after the batch itself was judged."""
        due = self.next.get((batch.boot_id, batch.stream), (1, 1))
        if (batch.batch_seq, batch.first_event) != due:
            raise RuntimeError(f"stream {batch.stream}: batch {batch.batch_seq} from event {batch.first_event}, due were {due}")
        if not batch.events:
            return  # a heartbeat, of a stream that was quiet for a second: it names the batch that comes next
        self.next[batch.boot_id, batch.stream] = batch.batch_seq + 1, batch.first_event + len(batch.events)
        name = batch.venue, batch.channel, topic
        if self.named.setdefault(batch.stream, name) != name:
            raise RuntimeError(f"stream {batch.stream} is {name} and {self.named[batch.stream]}")
        if not batch.ts_close_ns or not batch.boot_id or batch.dropped or \
                self.workers.setdefault(batch.stream, batch.worker) != batch.worker:
            raise RuntimeError(f"facts of batch {batch.batch_seq} of stream {batch.stream}: worker {batch.worker}, closed at "
                               f"{batch.ts_close_ns}, boot_id {batch.boot_id}, {len(batch.dropped)} drops")
        self.boots.add(batch.boot_id)
        self.sizes.append(len(batch.events))
        for i, event in enumerate(batch.events):
            if event.venue != batch.venue or event.channel != batch.channel:
                raise RuntimeError(f"an event of {event.venue}/{event.channel} in a batch of {name}")
            yield Facts(batch.source, batch.worker, batch.schema_version, batch.session, batch.boot_id, batch.stream,
                        batch.clock_source, batch.first_event + i), event
