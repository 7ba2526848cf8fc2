#!/usr/bin/python3
"""The same packets make the same events: whatever the number of workers, the pace, the batches and the file format.

usage: test_same.py [BUILD]
Each run's events are compared with those of one plain run, stream by stream and in order, bytes of every event, numbers
of streams and of events; times of arrival where the format can hold them. From ZeroMQ also the facts of the batches.
Captures: the simulated exchange's with eight channels and a feed table, and those of CME, IEX and FIX in the corpus."""
import collections
import os
import sys
import tempfile
import time

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUILD", "build"))
market = os.path.join(os.environ.get("PCAP_CORPUS", os.path.join(root, "..", "shared", "data")), "market")
sys.path.insert(0, here)
try:
    import captures as cap
    import formats
    from events import Batches, Program
except ImportError as e:
    print(f"skip - sameness: {e.name} is missing for /usr/bin/python3")
    sys.exit(0)

CHANNELS, MESSAGES, INSTRUMENTS = 8, 2500, 30
FEEDS = [option for n in range(CHANNELS) for line, group in (("A", "233.54.12."), ("B", "233.49.196."))
         for option in ("--feed", f"itch50@{group}{111 + n}:{26477 + n},channel={n},line={line}")]
FILE_CLOCK, NO_CLOCK = 4, 0
# what is compared of an event: times are (ts_recv_ns, ts_opened_ns of a gap), data are all other bytes
Row = collections.namedtuple("Row", "session clock times data")
program = Program(build)


class Run:
    """The events of a run: rows by stream."""

    def __init__(self):
        self.streams, self.names, self.workers = collections.defaultdict(list), {}, {}

    def take(self, facts, event):
        """event: as in a batch; the facts are those of its batch."""
        kind = event.WhichOneof("payload")
        if kind in ("ledger", "latency"):  # of the run, not of its packets
            return
        rows = self.streams[facts.stream]
        name = event.venue, event.channel
        if self.names.setdefault(facts.stream, name) != name or facts.number != len(rows) + 1 or facts.schema_version != 1000 \
                or self.workers.setdefault(facts.stream, facts.worker) != facts.worker:
            raise RuntimeError(f"stream {facts.stream} of {self.names[facts.stream]} on worker {self.workers[facts.stream]}: "
                               f"{facts} of {name} where event {len(rows) + 1} was due")
        times = event.ts_recv_ns, event.gap.ts_opened_ns if kind == "gap" else 0
        event.ClearField("ts_recv_ns")
        if kind == "gap":
            event.gap.ClearField("ts_opened_ns")
        rows.append(Row(facts.session, facts.clock, times, event.SerializeToString(deterministic=True)))

    def events(self):
        return sum(map(len, self.streams.values()))

    def only(self, wanted):
        """The part of it whose streams have these names."""
        part = Run()
        for stream, name in self.names.items():
            if wanted(*name):
                part.names[stream], part.streams[stream], part.workers[stream] = name, self.streams[stream], self.workers[stream]
        return part

    def map(self, change):
        """The same with every row changed; None leaves it out."""
        part = Run()
        part.names, part.workers = self.names, self.workers
        for stream, rows in self.streams.items():
            part.streams[stream] = [new for row in rows if (new := change(row)) is not None]
        return part


def differs(got, want):
    """Why two runs are not the same, or nothing."""
    if got.names != want.names:
        odd = set(got.names.items()) ^ set(want.names.items())
        return f"{len(got.names)} streams, {len(want.names)} expected; odd {sorted(odd)[:3]}"
    for stream, rows in want.streams.items():
        mine = got.streams[stream]
        if mine != rows:
            at = next((i for i, (a, b) in enumerate(zip(mine, rows)) if a != b), min(len(mine), len(rows)))
            show = [str(r[at])[:400] if at < len(r) else "none" for r in (mine, rows)]
            return f"{got.names[stream]}: {len(mine)} events, {len(rows)} expected; event {at + 1} is {show[0]}, expected {show[1]}"
    return "" if want.events() else "no events at all"


def microseconds(row):
    return row._replace(times=tuple(t // 1000 * 1000 for t in row.times))


def timeless(row):
    return row._replace(times=None)


def sniff(path, folder, *options, **how):
    """(run, standard error) through a file: sink."""
    out = os.path.join(folder, "same.pb")
    said = program.run("-r", path, "-o", f"file:{out}", *options, **how)
    run = Run()
    for facts, event in program.events(out):
        run.take(facts, event)
    return run, said


def check(text, path, folder, want, *options, also=None, change=None, **how):
    """One run; the number of its events is told. change: of what is wanted. Returns the run."""
    try:
        run, said = sniff(path, folder, *options, **how)
        why = differs(run.map(change) if change else run, want.map(change) if change else want)
        if not why and also:
            why = also(run, said)
    except (RuntimeError, OSError) as e:
        run, why = None, str(e)
    result(not why, f"{text}: {want.events()} events in {len(want.names)} streams", why)
    return run


def write(folder, data):
    path = os.path.join(folder, "converted")
    with open(path, "wb") as file:
        file.write(data)
    return path


def piped(text, path, folder, want, *options, change=None):
    """From standard input, which has one reader."""
    with open(path, "rb") as file:
        check(f"{text} from standard input", "-", folder, want, *options, change=change, stdin=file)


def all_formats(name, frames, link, folder, want, *options, thorough=False):
    """Every format, with one worker or several; thorough: both, and each from standard input."""
    for n, (kind, data, coarse) in enumerate(formats.captures(frames, link)):
        path, change = write(folder, data), microseconds if coarse else None
        for workers in (1, (2, 3, 4)[n % 3]) if thorough else ((1, 2, 3, 4)[n % 4],):
            check(f"{name}: {kind}, {workers} workers", path, folder, want, *options, "--workers", str(workers), change=change)
        if thorough or kind in ("pcap ns", "pcapng.gz"):
            piped(f"{name}: {kind}", path, folder, want, *options, change=change)


def noticed(frames, folder, want):
    """The comparison finds what is not the same: times of arrival, and a bit in the middle of the capture."""
    run, _ = sniff(write(folder, formats.pcap((ts + 1, data) for ts, data in frames)), folder, *FEEDS)
    result(differs(run, want) and not differs(run.map(timeless), want.map(timeless)), "times of arrival 1 ns later are noticed")
    at = next(n for n in range(len(frames) // 2, len(frames)) if is_news(frames[n].data))
    edited = frames[at]._replace(data=frames[at].data[:-1] + bytes([frames[at].data[-1] ^ 1]))
    run, _ = sniff(write(folder, formats.pcap(frames[:at] + [edited] + frames[at + 1:])), folder, *FEEDS)
    result(differs(run.map(timeless), want.map(timeless)), "one bit of a packet is noticed")


def is_news(data):
    """Whether it is a packet of line A that ends in a new order, whose last byte is of its price."""
    packet = cap.udp(data)
    return packet and packet[0].startswith("233.54.12.") and packet[2][-38:-36] == b"\0\x24" and packet[2][-36:-35] == b"A"


def shared_work(run, _):
    """All four workers had packets."""
    workers = set(run.workers.values())
    return "" if workers == set(range(4)) else f"only workers {sorted(workers)} made events"


def from_zmq(path, endpoint, *options):
    """(run, facts of batches) through ZeroMQ; facts are judged as they come."""
    facts, run = Batches(), Run()
    for topic, batch in program.batches(endpoint, "-r", path, *options):
        if topic is not None:
            for pair in facts.rows(topic, batch):
                run.take(*pair)
    return run, facts


def batch_facts(path, folder, want):
    """Facts of batches over ZeroMQ, in sizes, for workers."""
    named, boots = [], set()
    for events, workers in ((0, 1), (0, 4), (7, 2), (1, 4)):
        options = ("--workers", str(workers), *(("--batch-events", str(events)) if events else ()))
        try:
            run, facts = from_zmq(path, f"ipc://{folder}/zmq", *FEEDS, *options)
            why = differs(run, want)
            most = max(facts.sizes) if facts.sizes else 0
            if not why and (events and most != events or not events and most < 100):
                why = f"the largest batch has {most} events"
            if not why and (len(facts.boots) != 1 or facts.boots & boots):
                why = f"boot_id {facts.boots} after {boots}"
            if not why and workers == 4:
                why = shared_work(run, "")
            boots |= facts.boots
            named.append(facts.named)
        except RuntimeError as e:
            why = str(e)
        result(not why, f"batches of {events or 'any number of'} events, {workers} workers: numbers without holes, same events", why)
    result(all(n == named[0] for n in named), "streams have the same number, venue, channel and topic in every run")


def loop(path, folder, want):
    """A second round: sessions with .1, one SEQ_RESET first, the rest as in the first round, no gap."""
    for workers in 1, 4:
        try:
            run, _ = sniff(path, folder, *FEEDS, "--loop", "2", "--workers", str(workers))
            why = "" if run.names == want.names else f"streams {run.names}"
            for stream, rows in run.streams.items():
                first = want.streams[stream]
                head = program.schema.Event.FromString(rows[len(first)].data)
                second = [r._replace(session=r.session + ".1") for r in first]
                again = [r._replace(data=suffix(r.data)) for r in second]
                if rows[:len(first)] != first or head.system.code != head.system.DESCRIPTOR.enum_values_by_name[
                        "CODE_SEQ_RESET"].number or rows[len(first)].session != first[0].session + ".1":
                    why = why or f"{run.names[stream]}: the first round, or {head} in session {rows[len(first)].session}"
                if rows[len(first) + 1:] != again:
                    why = why or f"{run.names[stream]}: the second round"
        except (RuntimeError, IndexError) as e:
            why = str(e)
        result(not why, f"--loop 2, {workers} workers: the second round is a session of its own, no gap", why)


def suffix(data):
    """SESSION_END names the session that ends."""
    event = program.schema.Event.FromString(data)
    if event.WhichOneof("payload") != "system" or not event.system.session:
        return data
    event.system.session += ".1"
    return event.SerializeToString(deterministic=True)


def simulated(folder):
    path, binary = os.path.join(folder, "sim.pcap"), os.path.join(folder, "sim.bin")
    program.sim("--messages", str(MESSAGES), "--instruments", str(INSTRUMENTS), "--channels", str(CHANNELS), "--seed", "7", "--rate", "20000",
                "--pcap", path, "--binaryfile", binary)
    frames = cap.read(path)
    want, _ = sniff(path, folder, *FEEDS)
    result(want.events() > CHANNELS * MESSAGES and len(want.names) == CHANNELS + 2 and
           all(r.clock == FILE_CLOCK and r.session for rows in want.streams.values() for r in rows),
           f"simulated: {want.events()} events in {len(want.names)} streams, each with session and clock")
    check("again", path, folder, want, *FEEDS)
    for workers in 2, 4:
        check(f"{workers} workers", path, folder, want, *FEEDS, "--workers", str(workers),
              also=shared_work if workers == 4 else None)
    span = (frames[-1].ts - frames[0].ts) / 1e9
    for speed, workers in (1, 1), (0.8, 4):
        start = time.monotonic()
        check(f"paced {speed}, {workers} workers", path, folder, want, *FEEDS, "--speed", str(speed), "--workers",
              str(workers))
        took = time.monotonic() - start
        result(took > span / speed, f"paced {speed}: it took the time", f"{took} s for {span} s")
    for n, (text, options) in enumerate((("1 event", ("--batch-events", "1")), ("7 events", ("--batch-events", "7")),
                                         ("4 KiB", ("--batch-bytes", "4096")), ("64 KiB", ("--batch-bytes", "65536")))):
        check(f"batches of {text}", path, folder, want, *FEEDS, *options, "--workers", str((1, 4, 2, 4)[n]))
    for way, workers in ("streamed", 1), ("copied", 2), ("in_place", 1), ("in_place", 4):
        check(f"blocks {way}, {workers} workers", path, folder, want, *FEEDS, "--set", "batch.block=" + way, "--workers", str(workers),
              also=lambda _, said, way=way: "" if f"block={way}: as configured" in said else said[-500:])
    all_formats("simulated", frames, 1, folder, want, *FEEDS, thorough=True)
    noticed(frames, folder, want)
    batch_facts(path, folder, want)
    loop(path, folder, want)
    counted(path, folder, frames)
    together(path, folder, frames)
    filtered(path, folder, want)
    messages(binary, folder, want)


def counted(path, folder, frames):
    """-c takes the first packets of the capture, however many workers share them."""
    for count in 1, 777, len(frames) // 2, len(frames), len(frames) + 5:
        part = write(folder, formats.pcap(frames[:count]))
        want, _ = sniff(part, folder, *FEEDS)
        for workers in 1, 2, 4:
            text = f"-c {count}, {workers} workers"
            if not want.events():
                run, said = sniff(path, folder, *FEEDS, "-c", str(count), "--workers", str(workers))
                result(run.events() == 0, text + ": nothing yet", said[-300:])
            else:
                check(text, path, folder, want, *FEEDS, "-c", str(count), "--workers", str(workers))


def together(path, folder, frames):
    """What decides which packets are taken decides it alike for any number of workers."""
    with open(path, "rb") as file:
        cut = file.read()[:os.path.getsize(path) // 2]
    for text, options, status, data in (
            ("-c behind a filter", ("-c", "999", "udp dst port 26479"), 0, None),
            ("-c inside the second round", ("--loop", "2", "-c", str(len(frames) * 3 // 2)), 0, None),
            ("--snaplen 200", ("--snaplen", "200"), 0, None), ("a file cut short", (), 2, cut)):
        part = write(folder, data) if data else path
        want, _ = sniff(part, folder, *FEEDS, *options, status=status)
        for workers in 2, 4:
            check(f"{text}, {workers} workers", part, folder, want, *FEEDS, "--workers", str(workers), *options, status=status)
    want, _ = sniff(path, folder, *FEEDS)
    for workers in 2, 4:
        with open(path, "rb") as file:
            check(f"standard input, {workers} workers", "-", folder, want, *FEEDS, "--workers", str(workers), stdin=file)


def filtered(path, folder, want):
    """A filter leaves whole streams or nothing of them; one line of two brings the same events."""
    ports = [26477 + n for n in (0, 3, 4)]
    some = want.only(lambda venue, channel: venue == "XNAS" and channel in (0, 3, 4))
    fix = want.only(lambda venue, channel: "SIMX" in venue)
    for workers in "1", "2", "4":
        check(f"filter on ports, {workers} workers", path, folder, some, *FEEDS, "--workers", workers,
              " or ".join(f"udp dst port {p}" for p in ports))
        check(f"filter tcp, {workers} workers", path, folder, fix, *FEEDS, "--workers", workers, "tcp")
        check(f"--events fix, {workers} workers", path, folder, fix, *FEEDS, "--workers", workers, "--events", "fix")
    base, _ = sniff(path, folder, *FEEDS, "net 233.49.196.0/24")
    result(base.names == want.only(lambda venue, _: venue == "XNAS").names, "filter on line B: every channel is there")
    for workers in "2", "4":
        check(f"filter on line B, {workers} workers", path, folder, base, *FEEDS, "--workers", workers, "net 233.49.196.0/24")


def messages(binary, folder, want):
    """The messages alone have no packets: no session, no clock, no line, no end; all else is the same."""
    end = program.schema.Event.DESCRIPTOR.fields_by_name["system"].message_type.enum_values_by_name["CODE_SESSION_END"].number

    def bare(row):
        event = program.schema.Event.FromString(row.data)
        if event.system.code == end:
            return None
        event.ClearField("feed")
        return Row("", NO_CLOCK, None, event.SerializeToString(deterministic=True))

    first = want.only(lambda venue, channel: (venue, channel) == ("XNAS", 0)).map(bare)
    with open(binary, "rb") as file:
        blob = file.read()
    for kind, data in formats.message_files(blob):
        path = write(folder, data)
        for workers in "1", "4":
            check(f"{kind}, {workers} workers", path, folder, first, "--date", "20240603", "--workers", workers, change=timeless)
        piped(kind, path, folder, first, "--date", "20240603", change=timeless)


def real(folder):
    """The captures of the corpus; feeds of a table and recognised ones."""
    cme = [o for line, at in (("A", "224.0.31.64:14340"), ("B", "224.0.32.64:15340"))
           for o in ("--feed", f"cme_mdp3@{at},channel=0,line={line}")]
    for name, options in (("cme-mdp3-sbe-v1.6.pcapng", cme), ("iex-tops-v1.6.part1.pcap", ()), ("iex-deep-v1.0.part1.pcap", ()),
                          ("fix-ib-gateway.pcap", ()), ("fixt11-generator.part1.pcap", ())):
        path = os.path.join(market, name)
        if not os.path.exists(path):
            print(f"skip - {name}: not under $PCAP_CORPUS")
            continue
        frames = cap.read(path)
        want, _ = sniff(path, folder, *options)
        for workers, events in ("2", "7"), ("4", "0"):
            check(f"{name}, {workers} workers, batches of {events if int(events) else 'any number of'} events", path, folder, want,
                  *options, "--batch-events", events, "--workers", workers)
        all_formats(name, frames, 1, folder, want, *options)
    for name in "itch50-ritch-example.bin", "fix41-session.fix", "fixt11-jse-md.part1.fix":
        path = os.path.join(market, name)
        if not os.path.exists(path):
            print(f"skip - {name}: not under $PCAP_CORPUS")
            continue
        want, _ = sniff(path, folder)
        check(f"{name}, 4 workers, batches of 7 events", path, folder, want, "--workers", "4", "--batch-events", "7")
        piped(name, path, folder, want)
        with open(path, "rb") as file:
            packed = write(folder, formats.gz(file.read(), 2))
        check(f"{name}, gz of two members", packed, folder, want)
        piped(f"{name}, gz", packed, folder, want)


def main():
    with tempfile.TemporaryDirectory() as folder:
        simulated(folder)
        real(folder)
    return bool(failures)


sys.exit(main())
