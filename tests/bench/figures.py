#!/usr/bin/python3
"""The figures of docs/performance.md, each beside its floor, taken in turns in one run.

usage: tests/bench/run.sh [--quick|--smoke] [--write] [--list] [NAME…]
  --quick   fewer rounds, to see whether a change did something
  --smoke   one tiny round: says "ok - NAME" where a figure comes out, whatever it is
  --write   put the rows into the table of docs/performance.md too
  --list    the names
  NAME      only these figures"""
import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import typing
import urllib.request

import programs
from programs import Skip, output, root


class Figure(typing.NamedTuple):
    """What is measured, what it must be and should be. most: the less the better."""
    text: str
    floor: float
    aim: float
    most: bool
    take: typing.Callable


class Taken(typing.NamedTuple):
    """values: the figure in each round; note: what it is made of."""
    values: list
    note: str


FIGURES = {}


def figure(name, text, floor, aim, most=False):
    def put(take):
        FIGURES[name] = Figure(text, floor, aim, most, take)
        return take
    return put


rounds, level = 11, 0  # level: 0 all, 1 --quick, 2 --smoke


def pick(*sizes):
    """The size for this level."""
    return sizes[level]


def median(values):
    return statistics.median(values)


def ratios(over, under):
    return [a / b for a, b in zip(over, under)]


def in_turns(*takes):
    """Each take once a round, another one first each time. Returns a list of values for each."""
    values = [[] for _ in takes]
    for r in range(rounds):
        for i in range(len(takes)):
            k = (i + r) % len(takes)
            values[k].append(takes[k]())
    return values


_once = {}


def once(make, *args):
    """Inputs that several figures share are made once."""
    key = (make, args)
    if key not in _once:
        _once[key] = make(*args)
    return _once[key]


def cme():
    return once(programs.Cme, pick(1000000, 1000000, 500))


def bench(noun):
    return os.path.join(programs.build, "bench_" + noun)


def market():
    """All of bench_market: decoders, writers and their floors."""
    return once(programs.ways, bench("market"), cme().file)


@figure("replay", "replay → batches into `null:`, packets/s of a worker ÷ receive-only of DPDK's `net_pcap`", .30, .45)
def replay():
    loops = pick(1000, 200, 20)

    def ours():
        run = programs.run(*cme().sniffer(loops, "-o", "null:"))
        return sum(run.workers_ns()) / run.ledger("frame")[0]

    with programs.huge_pages(160) as (memory, pages):
        def floor():
            return programs.ways(bench("rx"), "-l", "0", "--no-pci", "--no-telemetry", "--log-level=error", *memory,
                                 "--vdev=net_pcap0,rx_pcap=%s,infinite_rx=1" % cme().file,
                                 BENCH_ROUNDS="1", BENCH_MS="300")["receive"][0]
        a, b = in_turns(ours, floor)
    return Taken(ratios(b, a), "%.1f ns a packet against %.1f (%s)" % (median(a), median(b), pages))


def whole_instructions():
    """Instructions of worker_do_work a packet and an event: the start is taken out by two lengths."""
    counts = []
    for loops in (2, 12):
        # not what is measured at the start, which has no time below valgrind
        n, _, said = programs.instructions("worker_do_work", *cme().sniffer(loops, "-o", "null:", "--set", "batch.block=streamed"))
        run = programs.Said(said)
        counts.append((n, run.ledger("frame")[0], run.ledger("event")[1]))
    n, packets, events = (b - a for a, b in zip(*counts))
    return n / packets, n / events


@figure("instructions", "instructions an event, from packet to batch (callgrind, whole program)", 300, 200, most=True)
def instructions():
    packet, event = once(whole_instructions)
    return Taken([event], "%.0f a packet" % packet)


def counted(way, *args, calls=2):
    """Instructions a unit of one way of a program on bench.h."""
    n, printed, _ = programs.instructions("bench_call", *args, BENCH_COUNT=way, BENCH_CALLS=str(calls))
    return n / int(printed.split("\t")[1])


@figure("writer", "generated writer ÷ protobuf-c `pack`, same events, same bytes", 6, 9)
def writer():
    ways = market()
    return Taken(ratios(ways["protobuf-c pack"], ways["writer"]),
                 "%.1f ns an event against %.1f" % (median(ways["writer"]), median(ways["protobuf-c pack"])))


@figure("mdp3", "MDP3 decode, instructions an event (callgrind)", 150, 80, most=True)
def mdp3():
    ways = market()
    return Taken([counted("mdp3 decoder", bench("market"), cme().file)],
                 "with frame, feed table and arbitration %.0f; and encoded %.0f; %.1f ns, %.1f, %.1f" % (
                     counted("mdp3 decode", bench("market"), cme().file),
                     counted("mdp3 decode+encode", bench("market"), cme().file),
                     *(median(ways[way]) for way in ("mdp3 decoder", "mdp3 decode", "mdp3 decode+encode"))))


@figure("itch", "ITCH decode and encode ÷ bare walk over the messages, 29 a packet, time", 7, 3.5, most=True)
def itch():
    ways = market()
    return Taken(ratios(ways["itch decode+encode"], ways["itch walk"]), "%.1f ns a message against %.1f; decoded only %.1f" % tuple(
        median(ways[way]) for way in ("itch decode+encode", "itch walk", "itch decode")))


@figure("fix", "FIX typed values and checksum ÷ QuickFIX validated, same messages", 5, 10)
def fix():
    ways = once(programs.ways, bench("fix"))
    if "quickfix" not in ways:
        raise Skip("bench_fix was built without QuickFIX (libquickfix-dev)")
    return Taken(ratios(ways["quickfix"], ways["fix"]), "%.0f ns a message against %.0f; %.0f instructions" % (
        median(ways["fix"]), median(ways["quickfix"]), counted("fix", bench("fix"))))


@figure("handover", "full batches to another core ÷ the best of the ways to write them, 64 KiB, 32 buffers", .8, .95)
def handover():
    ways = programs.ways(bench("ring"), BENCH_BUFFERS=str(pick(4096, 1024, 64)))
    written = [way for way in ways if way not in ("ours", "hand over only")]
    best = max(written, key=lambda way: median(ways[way]))
    return Taken(ratios(ways["ours"], ways[best]), "M events/s of 81 B: ours %.0f; %s" % (
        median(ways["ours"]), ", ".join("%s %.0f" % (way, median(ways[way])) for way in ways if way != "ours")))


ENDPOINT = "tcp://127.0.0.1:%d" % (23000 + os.getpid() % 900)


def delivered(*publisher):
    """(messages, bytes, ns) that a subscriber of publisher sees."""
    with subprocess.Popen([bench("zmq"), "sub", ENDPOINT], stdout=subprocess.PIPE, text=True) as subscriber:
        try:
            programs.run(*publisher)
            return tuple(int(word) for word in subscriber.communicate(timeout=60)[0].split()[:3])
        finally:
            subscriber.kill()


def to_zmq(loops):
    return delivered(*cme().sniffer(loops, "-o", "zmq:%s?wait=1&when_full=block" % ENDPOINT))


def batches():
    """(bytes a batch, bytes a loop, events a loop) of the capture."""
    run = programs.run(*cme().sniffer(20, "-o", "null:"))
    messages, size, _ = to_zmq(20)
    return size // messages, size / 20, run.ledger("event")[1] / 20


@figure("zmq", "ZeroMQ, events delivered a second, whole program ÷ a bare PUB and SUB, same sizes", .8, .95)
def zmq():
    size, loop, events = once(batches)
    loops = pick(800, 200, 20)

    def rate(seen):
        return seen[1] / seen[2] * 1e3

    a, b = in_turns(lambda: rate(to_zmq(loops)),
                    lambda: rate(delivered(bench("zmq"), "pub", ENDPOINT, str(size), str(int(loops * loop / size)))))
    return Taken(ratios(a, b), "%.0f MB/s against %.0f; %.1f M events/s; messages of %d bytes" % (
        median(a), median(b), median(a) / loop * events, size))


def kafka_rounds():
    """In turns: the program at two lengths, a bare producer of 64 KiB, and one that produces every event. What is read is
    (MB/s, ns of CPU an event) of each; of the program the sink's and librdkafka's threads."""
    size, loop, events = once(batches)
    few, many = pick((50, 450), (20, 120), (10, 20))
    same = ("enable.idempotence=true", "acks=all", "linger.ms=0", "queue.buffering.max.messages=1000000")
    seconds = lambda loops: programs.run(*cme().sniffer(loops, "-o", "kafka://%s/bench" % broker))

    def ours():
        a, b = seconds(few), seconds(many)
        n = many - few
        publish = [run.cpu_ns - sum(run.workers_ns()) for run in (a, b)]
        return n * loop / (b.seconds - a.seconds) / 1e6, (publish[1] - publish[0]) / n / events, (b.cpu_ns - a.cpu_ns) / n / events

    def bare(bytes_each, count, *conf):
        ns, cpu_ns = (int(word) for word in output(bench("kafka"), broker, "bare", str(bytes_each), str(count), *conf).split())
        return bytes_each * count / ns * 1e3, cpu_ns / (bytes_each * count) * loop / events

    if level == 2 and not os.environ.get("TESTS_LONG"):
        raise Skip("a broker takes its time to start; tests/run.sh --long has one")
    with programs.kafka() as broker:
        seconds(2)
        return in_turns(ours, lambda: bare(65536, int((many - few) * loop / 65536), *same),
                        lambda: bare(int(loop / events), pick(1000000, 200000, 1000), "linger.ms=5",
                                     "queue.buffering.max.messages=1000000"))


@figure("kafka", "Kafka, real broker, MB/s, whole program ÷ a bare librdkafka producer of 64 KiB values", .75, .95)
def kafka():
    a, b, _ = once(kafka_rounds)
    return Taken([x[0] / y[0] for x, y in zip(a, b)], "%.0f MB/s against %.0f" % (median([x[0] for x in a]), median([y[0] for y in b])))


@figure("kafka-cpu", "Kafka, CPU an event of sink and librdkafka ÷ one `produce` an event", .12, .06, most=True)
def kafka_cpu():
    a, _, c = once(kafka_rounds)
    return Taken([x[1] / y[1] for x, y in zip(a, c)], "%.1f ns against %.0f; with the worker %.1f" % (
        median([x[1] for x in a]), median([y[1] for y in c]), median([x[2] for x in a])))


def day():
    """One line of a simulated exchange, long enough for a live run without repeats, and what names it."""
    path = os.path.join(programs.work, "day.pcap")
    output(programs.SIM, "--quiet", "--no-fix", "--lines", "A", "--messages", str(pick(2000000, 600000, 30000)), "--pcap", path)
    return path, programs.run(programs.SNIFFER, "-r", path, "-o", "null:").ledger("frame")[0]


def live(wire, *pace):
    """(packets/s, messages, bytes, ns, p50, p99) of a subscriber while tcpreplay puts the day on the wire."""
    path, packets = once(day)
    endpoint = "ipc://" + os.path.join(programs.work, "live")
    sniffer = programs.Run(*wire.right, programs.SNIFFER, "wire1", "-n", "-q", "--feed", "itch50@233.54.12.111:26477", "-o", "zmq:" + endpoint)
    with subprocess.Popen([bench("zmq"), "sub", endpoint], stdout=subprocess.PIPE, text=True, env=dict(os.environ, BENCH_LATENCY="1")) as sub:
        try:
            time.sleep(1)
            start = time.monotonic()
            output(*wire.left, "tcpreplay", "-q", "-K", "-i", "wire0", *pace, path)
            rate = packets / (time.monotonic() - start)
            seen = [int(word) for word in sub.communicate(timeout=60)[0].split()]
        finally:
            sub.kill()
            sniffer.process.send_signal(signal.SIGINT)
            sniffer.wait()
    return (rate, *seen)


def paced(count, size, gap_us):
    """p99 of a bare publisher and subscriber, ns."""
    endpoint = "ipc://" + os.path.join(programs.work, "bare")
    with subprocess.Popen([bench("zmq"), "sub", endpoint], stdout=subprocess.PIPE, text=True, env=dict(os.environ, BENCH_LATENCY="1")) as sub:
        try:
            output(bench("zmq"), "pub", endpoint, str(size), str(count), str(gap_us))
            return int(sub.communicate(timeout=60)[0].split()[4])
        finally:
            sub.kill()


@figure("latency", "p99 from capture to subscriber at 25 % of peak ÷ (linger of 1 ms + p99 of bare ZeroMQ)", 2, 1.25, most=True)
def latency():
    if os.geteuid() or not shutil.which("tcpreplay"):
        raise Skip("live capture between namespaces needs root and tcpreplay")
    linger_ns = 1e6
    with programs.wire() as wire:
        rate, _, peak_bytes, peak_ns, *_ = live(wire, "-t")
        pps = str(int(rate / 4))
        notes = []

        def ours():
            notes.append(live(wire, "--pps=" + pps))
            return notes[-1][5]

        def bare():
            _, messages, size, ns, *_ = notes[-1]
            return paced(min(messages, 5000), size // messages, max(1, ns // messages // 1000))

        ours()
        a, b = in_turns(ours, bare)
    return Taken([x / (linger_ns + y) for x, y in zip(a, b)], "%.0f µs against 1000 + %.0f; p50 %.0f; at %s packets/s; messages of %d bytes" % (
        median(a) / 1e3, median(b) / 1e3, median([n[4] for n in notes]) / 1e3, pps, median([n[2] // n[1] for n in notes])))


def sixteen():
    """A capture of 16 equal channels, and what names them."""
    path = os.path.join(programs.work, "sixteen.pcap")
    output(programs.SIM, "--quiet", "--no-fix", "--channels", "16", "--lines", "A", "--instruments", "50", "--messages", str(pick(20000, 20000, 5000)), "--pcap", path)
    feeds = []
    for n in range(16):
        feeds += ["--feed", "itch50@233.54.12.%d:%d,channel=%d,line=A" % (111 + n, 26477 + n, n)]
    return path, feeds


@figure("workers", "2 workers ÷ 1, offline, `null:`, 16 equal channels, packets/s", 1.6, 1.8)
def workers():
    path, feeds = once(sixteen)
    few, many = pick((10, 110), (5, 25), (1, 2))

    def seconds(n):
        runs = [programs.run(programs.SNIFFER, "-r", path, *feeds, "--workers", str(n), "--loop", str(loops), "-o", "null:")
                for loops in (few, many)]
        packets = runs[1].ledger("frame")[0] - runs[0].ledger("frame")[0]
        cpu = [max(run.workers_ns()) for run in runs]
        return (runs[1].seconds - runs[0].seconds) / packets * 1e9, (cpu[1] - cpu[0]) / packets

    one, two = in_turns(lambda: seconds(1), lambda: seconds(2))
    return Taken([a[1] / b[1] for a, b in zip(one, two)], "by CPU of the busiest worker, %.1f ns a packet against %.1f; by the wall clock %.2f" % (
        median([b[1] for b in two]), median([a[1] for a in one]), median([a[0] / b[0] for a, b in zip(one, two)])))


def per_packet(*command):
    """ns of CPU a packet of the capture, the program's start included."""
    return programs.run(*command, timeout=600).cpu_ns / once(lambda: programs.run(*cme().sniffer(1, "-o", "null:")).ledger("frame")[0])


def to_json(loops):
    return per_packet(*cme().sniffer(loops, "-o", "json:/dev/null")) / loops


def tshark():
    script = os.environ.get("CME_DISSECTOR")
    return per_packet("tshark", "-n", *(("-X", "lua_script:" + script) if script else ()), "-r", cme().file, "-T", "ek")


@figure("json", "CME capture → JSON lines ÷ `tshark` with the public CME dissector, CPU", 1, 200)
def json_lines():
    if not shutil.which("tshark"):
        raise Skip("no tshark")
    a, c = in_turns(lambda: to_json(20), lambda: per_packet("/usr/bin/python3", os.path.join(programs.here, "cme_json.py"), cme().file))
    b = [tshark() for _ in range(pick(3, 1, 1))]
    return Taken([median(b) / x for x in a], "%.2f µs a packet against %.0f%s; Python's struct %.0f (÷ %.0f); start included, one pass, ÷ %.0f" % (
        median(a) / 1e3, median(b) / 1e3, "" if os.environ.get("CME_DISSECTOR") else " without the dissector: CME_DISSECTOR names none",
        median(c) / 1e3, median(c) / median(a), median(b) / to_json(1)))


@figure("metrics", "worker's packets/s with a scrape of `--metrics` each second ÷ without", .99, 1)
def metrics():
    loops, port = pick(4000, 1500, 20), 24000 + os.getpid() % 900

    def rate(*options):
        over = threading.Event()

        def scrape():
            while not over.is_set():
                with contextlib.suppress(OSError):
                    urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=5).read()
                    scraped.append(1)
                over.wait(1)

        thread = threading.Thread(target=scrape)
        if options:
            thread.start()
        try:
            run = programs.run(*cme().sniffer(loops, "-o", "null:", *options))
        finally:
            over.set()
        if options:
            thread.join()
        return run.ledger("frame")[0] / sum(run.workers_ns())

    scraped = []
    a, b = in_turns(lambda: rate("--metrics", "127.0.0.1:%d" % port), rate)
    return Taken(ratios(a, b), "by CPU of the worker, %.1f ns a packet against %.1f; %d scrapes" % (
        1 / median(a), 1 / median(b), len(scraped)))


def heap_calls(loops, sink):
    """Heap calls and events of a run."""
    count = os.path.join(programs.work, "count.so")
    if not os.path.exists(count):
        output("cc", "-O1", "-shared", "-fPIC", "-o", count, os.path.join(root, "tests", "support", "count_mallocs.c"))
    run = programs.run(*cme().sniffer(loops, "-o", sink), env=dict(os.environ, LD_PRELOAD=count))
    return int(re.findall(r"heap calls (\d+)", run.said)[0]), run.ledger("event")[1]


@figure("heap", "heap allocations an event, ours (`null:`, two lengths)", 0, 0, most=True)
def heap():
    (calls, events), (calls_more, events_more) = heap_calls(2, "null:"), heap_calls(22, "null:")
    return Taken([(calls_more - calls) / (events_more - events)], "%d calls at the start, none in %d events more" % (
        calls, events_more - events))


def row(name, taken):
    f = FIGURES[name]
    value = median(taken.values)
    good = (lambda limit: value <= limit) if f.most else (lambda limit: value >= limit)
    reached = "aim" if good(f.aim) else "floor" if good(f.floor) else "**below the floor**"
    spread = "–"
    if len(taken.values) > 3:
        q = statistics.quantiles(taken.values, n=4)
        spread = "%.0f %%" % (100 * (q[2] - q[0]) / value) if value else "–"
    sign = "≤ " if f.most else ""
    return "| %s | %s | **%.3g** | %s | %s%g | %s%g | %s | %s | %s |" % (
        name, f.text, value, spread, sign, f.floor, sign, f.aim, reached, taken.note, taken_at())


HEAD = ["| name | figure | median | IQR | floor | aim | reached | of | commit, load |", "|---|---|---:|---:|---:|---:|---|---|---|"]


def commit():
    changed = subprocess.run(["git", "-C", root, "diff", "--quiet", "HEAD", "--", ".", ":!docs"], check=False).returncode
    return output("git", "-C", root, "rev-parse", "--short", "HEAD").strip() + ("-dirty" if changed else "")


def taken_at():
    return "%s, %.0f" % (commit(), os.getloadavg()[0])


def processor():
    with open("/proc/cpuinfo") as info:
        text = info.read()
    model, family, number = (re.search(r"^%s\s*: (.*)" % key, text, re.M)[1] for key in ("model name", "cpu family", "model"))
    return "%s (family %s, model %s), %d cores" % (model, family, number, os.cpu_count())


def write(rows):
    """Rows that were not taken now stay as they are."""
    path = os.path.join(root, "docs", "performance.md")
    with open(path) as file:
        text = file.read()
    begin, end = "<!-- figures -->\n", "<!-- end of figures -->"
    head, rest = text.split(begin)
    old, tail = rest.split(end)
    known = {line.split("|")[1].strip(): line for line in old.splitlines() if line.startswith("| ") and line not in HEAD}
    known.update(rows)
    table = "\n".join(HEAD + [known[name] for name in FIGURES if name in known])
    with open(path, "w") as file:
        file.write("%s%sTaken on %s; load is that of the machine, the figure's own one or two included.\n\n%s\n%s%s" % (head, begin, processor(), table, end, tail))


def main(args):
    global rounds, level
    names = [a for a in args if not a.startswith("-")]
    unknown = [a for a in args if a not in FIGURES and a not in ("--quick", "--smoke", "--write", "--list")]
    if unknown:
        sys.stderr.write("%s: unknown; names are: %s\n%s\n" % (unknown[0], " ".join(FIGURES), __doc__))
        return 2
    if "--list" in args:
        print("\n".join(FIGURES))
        return 0
    if "--quick" in args:
        rounds, level = 3, 1
        os.environ.setdefault("BENCH_MS", "20")
    if "--smoke" in args:
        rounds, level = 1, 2
        os.environ["BENCH_MS"] = "1"
    os.environ["BENCH_ROUNDS"] = str(rounds)
    if level < 2:
        print("%s; commit %s\n\n%s" % (processor(), commit(), "\n".join(HEAD)), flush=True)
    rows, failed = {}, False
    for name in names or FIGURES:
        try:
            rows[name] = row(name, FIGURES[name].take())
            print("ok - %s gives a figure" % name if level == 2 else rows[name], flush=True)
        except Skip as why:
            print("skip - %s: %s" % (name, why), flush=True)
        except (RuntimeError, OSError, subprocess.SubprocessError) as why:
            print("not ok - %s: %s" % (name, why), flush=True)
            failed = True
    if "--write" in args:
        write(rows)
    return failed


try:
    sys.exit(main(sys.argv[1:]))
finally:
    shutil.rmtree(programs.work, ignore_errors=True)
