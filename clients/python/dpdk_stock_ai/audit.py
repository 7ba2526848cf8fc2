"""What was lost, where and why, from the events alone: needs nothing but the descriptor set.

    python -m dpdk_stock_ai.audit kafka://127.0.0.1:9092/prod
    python -m dpdk_stock_ai.audit zmq://127.0.0.1:5556 --idle 10
    python -m dpdk_stock_ai.audit file:day.pb --json

A source is written as the sink was: its URI, ?mode=single and ?mode=delimited included. Exit status: 0 nothing was lost,
1 something was, 2 it could not be read.
"""
import argparse
import bisect
import collections
import json
import re
import sys
import time

from google.protobuf.message import DecodeError

from dpdk_stock_ai import message_class

# drops that the stream was meant to have; every other reason is a loss
MEANT = {"filtered", "no_feed", "duplicate", "not_selected", "no_payload", "not_ip", "not_udp_tcp", "unknown_link_type",
         "tcp_retransmit", "late", "old_session"}
SHOWN = 20  # ranges of one kind in the text


class Numbers:
    """Which numbers came: ranges that do not touch, in order; and how many came again."""

    def __init__(self):
        self.ranges, self.again = [], 0

    def add(self, first, last):
        ranges = self.ranges
        if ranges and first == ranges[-1][1] + 1:  # nearly always
            ranges[-1][1] = last
            return
        at = bisect.bisect_left(ranges, [first])
        if at and ranges[at - 1][1] >= first - 1:
            at -= 1
        end = at
        low, high = first, last
        while end < len(ranges) and ranges[end][0] <= last + 1:
            self.again += max(0, min(last, ranges[end][1]) - max(first, ranges[end][0]) + 1)
            low, high = min(low, ranges[end][0]), max(high, ranges[end][1])
            end += 1
        ranges[at:end] = [[low, high]]

    def count(self):
        return sum(last - first + 1 for first, last in self.ranges)

    def missing(self, first, last):
        """Ranges of [first, last] that did not come. first, last: None = the first, the last that came."""
        out = []
        due = first if first is not None else self.ranges[0][0] if self.ranges else 1
        for begin, end in self.ranges:
            if begin > due:
                out.append((due, begin - 1))
            due = max(due, end + 1)
        if last is not None and last >= due:
            out.append((due, last))
        return out


class Stream:
    """One stream of one run."""

    def __init__(self, facts):
        self.source, self.boot_id, self.number = facts.source, facts.boot_id, facts.stream
        self.venue, self.channel = facts.venue, facts.channel
        self.batches, self.events = Numbers(), Numbers()
        self.batch_told = self.event_told = None  # highest number that there is, as a heartbeat says
        self.dropped = {}


class Run:
    """One run of the program: its own accounts."""

    def __init__(self):
        self.reports, self.last, self.stages, self.gaps = Numbers(), False, [], []

    def gap_counts(self, names):
        """{cause: gaps} as the newest report has it."""
        counts = collections.Counter()
        for g in self.gaps:
            counts[names.get(g.cause, str(g.cause))] += g.gaps
        return dict(counts)


class Auditor:
    """Takes what comes and says what is missing.

    whole: the source begins with the first event of each run, as Kafka and files do; a ZeroMQ subscriber comes later."""

    def __init__(self, descriptors=None, whole=True, sink=""):
        event = message_class("events.v1.Event", descriptors)
        fields = event.DESCRIPTOR.fields_by_name
        gap, system = fields["gap"].message_type, fields["system"].message_type
        self.cause = {v.number: v.name[len("CAUSE_"):].lower() for v in gap.enum_types_by_name["Cause"].values}
        self.recovered = gap.enum_types_by_name["Resolution"].values_by_name["RESOLUTION_RECOVERED"].number
        self.step = system.enum_types_by_name["Code"].values_by_name["CODE_CLOCK_STEP"].number
        self.whole, self.sink = whole, sink
        self.streams, self.runs = {}, collections.defaultdict(Run)
        self.gaps, self.unbalanced, self.steps, self.broken = [], [], [], []

    def stream(self, facts):
        key = facts.source, facts.boot_id, facts.stream
        if key not in self.streams:
            self.streams[key] = Stream(facts)
            self.runs[key[:2]]
        return self.streams[key]

    def take_batch(self, batch):
        """An EventBatch, heartbeats too."""
        stream = self.stream(batch)
        if batch.events:
            stream.batches.add(batch.batch_seq, batch.batch_seq)
            stream.events.add(batch.first_event, batch.first_event + len(batch.events) - 1)
        else:  # it names the batch that comes next
            stream.batch_told = max(stream.batch_told or 0, batch.batch_seq - 1)
            stream.event_told = max(stream.event_told or 0, batch.first_event - 1)
        for dropped in batch.dropped:
            stream.dropped[dropped.reason] = max(dropped.count, stream.dropped.get(dropped.reason, 0))
        for event in batch.events:
            if event.WhichOneof("payload") in ("gap", "ledger", "system"):
                self.special(stream, batch.session, event)

    def take_event(self, event):
        """An Event that came alone, with its facts."""
        stream = self.stream(event)
        stream.events.add(event.event_no, event.event_no)
        self.special(stream, event.session, event)

    def special(self, stream, session, event):
        kind = event.WhichOneof("payload")
        where = {"source": stream.source, "boot_id": stream.boot_id, "venue": event.venue, "channel": event.channel}
        if kind == "gap":
            gap = event.gap
            if gap.resolution != self.recovered:
                self.gaps.append({**where, "session": gap.session or session, "first": gap.first_missing, "last": gap.last_missing,
                                  "messages": gap.lost_messages, "bytes": gap.lost_bytes, "cause": self.cause.get(gap.cause, str(gap.cause)),
                                  "local_drops": gap.local_drops, "ts_opened_ns": gap.ts_opened_ns})
        elif kind == "ledger":
            self.report(stream, event)
        elif kind == "system" and event.system.code == self.step:
            self.steps.append({"source": stream.source, "boot_id": stream.boot_id, "ts_ns": event.ts_recv_ns,
                               "step_ns": event.system.clock_step_ns})

    def report(self, stream, event):
        run = self.runs[stream.source, stream.boot_id]
        newest = not run.reports.ranges or event.seq > run.reports.ranges[-1][1]
        run.reports.add(event.seq, event.seq)
        for s in event.ledger.stages:
            difference = s.entered - s.left - s.held - sum(d.count for d in s.dropped)
            if difference:
                self.unbalanced.append({"source": stream.source, "boot_id": stream.boot_id, "report": event.seq, "worker": s.worker,
                                        "stage": s.stage, "sink": s.sink, "difference": difference})
        if newest:
            run.stages, run.gaps, run.last = list(event.ledger.stages), list(event.ledger.gaps), event.ledger.last

    def drops(self):
        """What the newest report of each run says was given up, over its workers."""
        total = collections.Counter()
        for (source, boot_id), run in self.runs.items():
            for s in run.stages:
                for d in s.dropped:
                    total[source, boot_id, s.stage, s.sink, s.unit, d.reason] += d.count
        return [{"source": source, "boot_id": boot_id, "stage": stage, "sink": sink, "unit": unit, "reason": reason, "count": count,
                 "loss": reason not in MEANT and (not sink or not self.sink or sink.startswith(self.sink))}
                for (source, boot_id, stage, sink, unit, reason), count in total.items()]

    def holes(self):
        """Events that were made and did not come, by stream."""
        out = []
        begin = 1 if self.whole else None
        for s in self.streams.values():
            events = s.events.missing(begin, s.event_told)
            batches = s.batches.missing(begin, s.batch_told) if s.batches.ranges or s.batch_told else []
            for n, (first, last) in enumerate(events):
                hole = {"source": s.source, "boot_id": s.boot_id, "stream": s.number, "venue": s.venue, "channel": s.channel,
                        "first_event": first, "last_event": last, "events": last - first + 1}
                if len(batches) == len(events):
                    hole.update(first_batch=batches[n][0], last_batch=batches[n][1])
                out.append(hole)
        return out

    def result(self):
        """All of it, for json.dumps."""
        runs = [{"source": source, "boot_id": boot_id, "streams": 0, "events": 0, "events_again": 0, "reports": run.reports.count(),
                 "ended": run.last, "gaps": run.gap_counts(self.cause)} for (source, boot_id), run in self.runs.items()]
        of = {(run["source"], run["boot_id"]): run for run in runs}
        for s in self.streams.values():
            run = of[s.source, s.boot_id]
            run["streams"] += 1
            run["events"] += s.events.count()
            run["events_again"] += s.events.again
        out = {"runs": runs, "gaps": self.gaps, "holes": self.holes(), "drops": self.drops(),
               "told_drops": [{"source": s.source, "boot_id": s.boot_id, "stream": s.number, "venue": s.venue, "channel": s.channel,
                               "reason": reason, "events": count} for s in self.streams.values() for reason, count in s.dropped.items()],
               "unbalanced": self.unbalanced, "clock_steps": self.steps, "damaged": self.broken}
        out["lost"] = bool(out["gaps"] or out["holes"] or out["unbalanced"] or out["damaged"] or any(d["loss"] for d in out["drops"]))
        return out


def text_of(found):
    """The result for people."""
    lines = []

    def part(title, rows):
        if rows:
            lines.append(title)
            lines.extend("  " + row for row in rows[:SHOWN])
            if len(rows) > SHOWN:
                lines.append(f"  … and {len(rows) - SHOWN} more (--json has all)")

    for run in found["runs"]:
        again = f", {run['events_again']} of them twice" if run["events_again"] else ""
        lines.append(f"{run['source']} (boot {run['boot_id']}): {run['events']} events{again} in {run['streams']} streams, {run['reports']} "
                     f"ledger reports, {'ended' if run['ended'] else 'still runs, or did not end by itself'}")
    causes = collections.Counter()
    for gap in found["gaps"]:
        causes[gap["cause"]] += 1
    part("never seen on the wire, or lost before it was decoded: " + ", ".join(f"{n} gaps {cause}" for cause, n in causes.items()), [
        f"{g['venue']} channel {g['channel']} session {g['session']}: {g['first']}..{g['last']}, {g['cause']}"
        + (f", {g['local_drops']} packets dropped here meanwhile" if g["local_drops"] else "") for g in found["gaps"]])
    part("made and not received:", [
        f"{h['venue']} channel {h['channel']}: events {h['first_event']}..{h['last_event']}"
        + (f", batches {h['first_batch']}..{h['last_batch']}" if "first_batch" in h else "") for h in found["holes"]])
    part("shed, as the batches say:", [f"{d['venue']} channel {d['channel']}: {d['events']} events, {d['reason']}" for d in found["told_drops"]])
    part("given up, as the ledger says:", [f"{d['stage']}{' ' + d['sink'] if d['sink'] else ''}: {d['count']} {d['unit']}s, {d['reason']}"
                                          for d in found["drops"] if d["loss"]])
    part("left out on purpose, repeated, or too late:", [
        f"{d['stage']}{' ' + d['sink'] if d['sink'] else ''}: {d['count']} {d['unit']}s, {d['reason']}" for d in found["drops"] if not d["loss"]])
    part("reports that do not add up:", [f"report {u['report']}, worker {u['worker']}, {u['stage']} {u['sink']}: {u['difference']}"
                                        for u in found["unbalanced"]])
    part("the clock was set:", [f"at {s['ts_ns']} by {s['step_ns'] / 1e9:+.9f} s" for s in found["clock_steps"]])
    part("damaged:", found["damaged"])
    lines.append("something was lost" if found["lost"] else "nothing was lost")
    return "\n".join(lines)


def split_delimited(data):
    """(bytes of each message, how many bytes at the end are no whole one) of length-delimited bytes."""
    at = 0
    while at < len(data):
        size = shift = 0
        begin = at
        while at < len(data):
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        else:
            yield None, len(data) - begin
            return
        if at + size > len(data):
            yield None, len(data) - begin
            return
        yield data[at:at + size], 0
        at += size


def take_file(auditor, path, descriptors):
    event = message_class("events.v1.Event", descriptors)
    with (sys.stdin.buffer if path == "-" else open(path, "rb")) as file:
        rest, at = b"", 0
        while True:
            block = file.read(1 << 20)
            rest += block
            used = 0
            for message, over in split_delimited(rest):
                if message is None:
                    used = len(rest) - over
                    break
                try:
                    one = event.FromString(message)
                except DecodeError:
                    one = event()
                if not one.stream:
                    raise ValueError(f"{path}: no event of pkt-sniffer at byte {at + used}: expected what a file: sink wrote")
                auditor.take_event(one)
                used += len(message) + size_of_size(len(message))
            else:
                used = len(rest)
            rest, at = rest[used:], at + used
            if not block:
                break
        if rest and not auditor.streams:
            raise ValueError(f"{path}: no event of pkt-sniffer: expected what a file: sink wrote")
        if rest:
            auditor.broken.append(f"{path} ends inside an event: its last {len(rest)} bytes")


def size_of_size(size):
    """Bytes of a length as a varint."""
    return max(1, (size.bit_length() + 6) // 7)


def take_zmq(auditor, endpoint, descriptors, idle_s):
    import zmq

    batch = message_class("events.v1.EventBatch", descriptors)
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.set_hwm(0)
    socket.subscribe(b"")
    socket.connect(endpoint)
    last = None  # when events came: heartbeats alone are idle
    try:
        while last is None or idle_s is None or time.monotonic() < last + idle_s:
            if not socket.poll(200):
                continue
            message = batch.FromString(socket.recv_multipart()[1])
            if message.events or last is None:
                last = time.monotonic()
            auditor.take_batch(message)
    finally:
        socket.close(0)


def topics_of(metadata, prefix):
    """Topics that the sink writes: PREFIX.md and the like; {venue} in the prefix is any venue."""
    words = ".*".join(re.escape(part) for part in prefix.split("{venue}"))
    pattern = re.compile(rf"(?:{words}\.)?(?:md|fix|net|signal|ops)(?:\.[a-z]+)?" if prefix else r"(?:md|fix|net|signal|ops)(?:\.[a-z]+)?")
    return [name for name in metadata.topics if pattern.fullmatch(name)]


def take_kafka(auditor, brokers, prefix, mode, descriptors, follow_s):
    """Reads all topics from their beginning to their end; follow_s: goes on until nothing came for so long."""
    import uuid

    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

    batch, event = (message_class(f"events.v1.{name}", descriptors) for name in ("EventBatch", "Event"))
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": str(uuid.uuid4()), "enable.partition.eof": follow_s is None,
                         "enable.auto.commit": False})
    try:
        metadata = consumer.list_topics(timeout=10)
        names = topics_of(metadata, prefix)
        if not names:
            raise ValueError(f"{brokers} has no topic {prefix + '.' if prefix else ''}md (or .fix, .net, .signal, .ops); "
                             f"it has: {', '.join(sorted(metadata.topics)) or 'none'}")
        parts = [TopicPartition(name, n, OFFSET_BEGINNING) for name in names for n in metadata.topics[name].partitions]
        consumer.assign(parts)
        open_parts, last = {(p.topic, p.partition) for p in parts}, time.monotonic()
        while open_parts:
            for record in consumer.consume(500, 0.2):
                if record.error():
                    if record.error().code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(record.error())
                    open_parts.discard((record.topic(), record.partition()))
                    continue
                last = time.monotonic()
                if mode == "batch":
                    auditor.take_batch(batch.FromString(record.value()))
                elif mode == "single":
                    auditor.take_event(event.FromString(record.value()))
                else:
                    for message, over in split_delimited(record.value()):
                        if over:
                            raise ValueError(f"a record of {record.topic()} ends inside an event; is it written with mode=delimited?")
                        auditor.take_event(event.FromString(message))
            if follow_s is not None and time.monotonic() > last + follow_s:
                break
    except KafkaException as e:
        raise ValueError(f"{brokers}: {e.args[0].str()}; check the address, or start the broker") from e
    finally:
        consumer.close()


def split_uri(uri):
    """(scheme, target, mode) of a sink's URI."""
    scheme, colon, target = uri.partition(":")
    target, _, query = target.partition("?")
    mode = dict(pair.partition("=")[::2] for pair in query.split("&")).get("mode", "batch")
    if not colon or scheme not in ("kafka", "zmq", "file"):
        raise ValueError(f"{uri}: expected kafka://HOST:PORT/PREFIX, zmq://HOST:PORT, zmq:ipc://PATH or file:PATH")
    if mode not in ("batch", "single", "delimited"):
        raise ValueError(f"{uri}: mode={mode} is not known: batch, single or delimited")
    return scheme, target[2:] if target.startswith("//") else target, mode


def audit(uri, descriptors=None, idle_s=None):
    """The result for the source; Ctrl-C ends the reading."""
    scheme, target, mode = split_uri(uri)
    auditor = Auditor(descriptors, whole=scheme != "zmq", sink=scheme + ":")
    try:
        if scheme == "kafka":
            brokers, _, prefix = target.partition("/")
            take_kafka(auditor, brokers, prefix, mode, descriptors, idle_s)
        elif scheme == "zmq":
            take_zmq(auditor, target if "://" in target else "tcp://" + target.replace("*", "127.0.0.1"), descriptors, idle_s)
        else:
            take_file(auditor, target, descriptors)
    except KeyboardInterrupt:
        pass
    if not auditor.streams:
        raise ValueError(f"{uri}: no events came, so nothing can be said of them")
    return auditor.result()


def main(argv=None):
    parser = argparse.ArgumentParser(prog="dpdk-stock-ai-audit", description="Says what was lost of the events of pkt-sniffer, where and why.",
                                     epilog="exit status: 0 nothing was lost, 1 something was, 2 the source could not be read")
    parser.add_argument("source", metavar="URI", help="as the sink was given: kafka://HOST:PORT/PREFIX, zmq://HOST:PORT, zmq:ipc://PATH, file:PATH")
    parser.add_argument("--json", action="store_true", help="one JSON object, with every range")
    parser.add_argument("--idle", type=float, metavar="S", help="zmq: end after S seconds without events (else Ctrl-C); kafka: go on beyond "
                        "the end of the topics until nothing came for S seconds")
    parser.add_argument("--descriptors", metavar="PATH", help="events.binpb (else as in $DPDK_STOCK_AI_DESCRIPTORS, or where it is installed)")
    args = parser.parse_args(argv)
    try:
        found = audit(args.source, args.descriptors, args.idle)
    except (OSError, ValueError, ImportError, DecodeError) as e:
        print(f"dpdk-stock-ai-audit: {e}", file=sys.stderr)
        return 2
    print(json.dumps(found) if args.json else text_of(found))
    return int(found["lost"])


if __name__ == "__main__":
    sys.exit(main())
