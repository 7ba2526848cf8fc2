#!/usr/bin/python3
"""Metrics, health and latency of the real program, as promtool and a real Prometheus read them.

usage: test_metrics.py [BUILD]
The simulated exchange's capture is played; scrapes under load must balance stage by stage, agree with the ledger that the
program prints, and name no address and no symbol. Every panel of the Grafana dashboard has its query run by a Prometheus
that scrapes the program. Latencies of a live capture are compared with what a ZeroMQ subscriber measures by its own clock."""
import collections
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build")
sniffer, sim = os.path.join(build, "pkt-sniffer"), os.path.join(build, "feed-sim")
sys.path.insert(0, here)
running = []


def have(program):
    return any(os.access(os.path.join(d, program), os.X_OK) for d in os.environ["PATH"].split(":"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url, timeout=10):
    """(status, text)"""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError as e:
        return 0, str(e)


def until(what, seconds=20):
    """Waits until what() is true. Returns whether it came true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(.1)
    return False


class Sniffer:
    def __init__(self, folder, *options, prefix=()):
        self.log = os.path.join(folder, f"log{len(running)}")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([*prefix, sniffer, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        running.append(self.process)

    def stop(self, sig=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        status = self.process.wait(timeout=20)
        with open(self.log) as log:
            return status, log.read()


SAMPLE = re.compile(r'^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$')


def parse(text):
    """{(name, {label: value}…): number} of a scrape."""
    samples = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        labels = tuple(sorted(re.findall(r'([a-z]+)="([^"]*)"', labels or "")))
        if (name, labels) in samples:
            raise RuntimeError(f"{line}: twice")
        samples[name, labels] = float(value)
    return samples


def stages(samples):
    """{(stage, worker, sink): [entered, left, dropped, held]}"""
    out = collections.defaultdict(lambda: [0, 0, 0, 0])
    for (name, labels), value in samples.items():
        for i, part in enumerate(("entered_total", "left_total", "dropped_total", "held")):
            if name == "pkt_sniffer_stage_" + part:
                labels_of = dict(labels)
                out[labels_of["stage"], labels_of["worker"], labels_of["sink"]][i] += int(value)
    return out


def promtool(*words, text=None):
    done = subprocess.run(["promtool", *words], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          check=False)
    return done.returncode == 0, done.stdout


def check_refusals(folder, capture):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, said = Sniffer(folder, "-r", capture, "-o", "null:", "--metrics", f"127.0.0.1:{port}").stop(0)
        result(status == 1 and "Address already in use" in said and "choose another port" in said, "a port in use: exit status 1, and what to do", said)
    for wrong in ("9100", "127.0.0.1", "::1:9100", "127.0.0.1:99999", "[::1]", "127.0.0.1:http"):
        done = subprocess.run([sniffer, "--check", "lo", "--metrics", wrong], stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        result(done.returncode == 2 and "expected ADDR:PORT" in done.stderr, f"refused: --metrics {wrong}", done.stderr)


def check_addresses(folder, capture):
    """Each form of an address answers where it says, and there alone."""
    for listen, reached, not_reached in (("127.0.0.1", ("127.0.0.1",), ("[::1]",)), ("[::1]", ("[::1]",), ("127.0.0.1",)),
                                         ("*", ("127.0.0.1", "[::1]"), ()), ("localhost", ("localhost",), ())):
        port = free_port()
        program = Sniffer(folder, "-r", capture, "--speed", "1", "-o", "null:", "--metrics", f"{listen}:{port}")
        good = until(lambda: get(f"http://{reached[0]}:{port}/healthz")[1] == "ok\n")
        good = good and all(get(f"http://{a}:{port}/readyz") == (200, "ready\n") for a in reached)
        good = good and not any(get(f"http://{a}:{port}/healthz")[0] for a in not_reached)
        status, said = program.stop()
        result(good and status == 0, f"--metrics {listen}:PORT", said[-300:])


def check_answers(folder, capture):
    """Ready only when subscribers are there; what else a client may ask."""
    import zmq

    port, events = free_port(), free_port()
    where = f"http://127.0.0.1:{port}"
    program = Sniffer(folder, "-r", capture, "--speed", "1", "--loop", "0", "-o", f"zmq:tcp://127.0.0.1:{events}?wait=1", "-o", "null:",
                      "--metrics", f"127.0.0.1:{port}")
    until(lambda: "zmq" in get(where + "/readyz")[1])
    result(get(where + "/readyz") == (503, "sink zmq-0 waits for subscribers\n"), "not ready without the subscribers of wait=N",
           str(get(where + "/readyz")))
    result(get(where + "/healthz") == (200, "ok\n"), "alive while it waits")
    context = zmq.Context()
    sub = context.socket(zmq.SUB)
    sub.subscribe(b"")
    sub.connect(f"tcp://127.0.0.1:{events}")
    result(until(lambda: get(where + "/readyz") == (200, "ready\n")), "ready once they are there", str(get(where + "/readyz")))
    ready = until(lambda: parse(get(where + "/metrics")[1]).get(("pkt_sniffer_sink_subscribers", (("sink", "zmq-0"),))) == 1)
    result(ready, "one subscriber is counted")
    request = urllib.request.Request(where + "/metrics", data=b"x", method="POST")
    try:
        urllib.request.urlopen(request, timeout=5)
        code = 200
    except urllib.error.HTTPError as e:
        code = e.code
    result(code == 405 and get(where + "/nothing")[0] == 404, "POST is 405, another path 404")
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(b"\xff\x00garbage\r\n\r\n")
        raw.settimeout(5)
        try:
            raw.recv(100)
        except OSError:
            pass
    result(get(where + "/healthz") == (200, "ok\n"), "garbage on the port does no harm")
    sub.close(0)
    context.term()
    result(until(lambda: parse(get(where + "/metrics")[1]).get(("pkt_sniffer_sink_subscribers", (("sink", "zmq-0"),))) == 0),
           "a subscriber that left is no longer counted")
    program.stop()


def histograms(samples):
    """Why a histogram is wrong, or "". Buckets rise, the last is the count."""
    found = collections.defaultdict(list)
    for (name, labels), value in samples.items():
        if name == "pkt_sniffer_latency_seconds_bucket":
            of = dict(labels)
            found[of["hop"], of["sink"]].append((float(of["le"]), value))
    for (hop, sink), buckets in found.items():
        buckets.sort()
        count = samples["pkt_sniffer_latency_seconds_count", (("hop", hop), ("sink", sink))]
        if [n for _, n in buckets] != sorted(n for _, n in buckets) or buckets[-1] != (float("inf"), count) or not count:
            return f"{hop} {sink}: {buckets}, count {count}"
    return "" if len(found) == 3 else f"hops {sorted(found)}"  # of a file: none that begins at the capture


def check_scrapes(folder, capture, symbols):
    """Flat out, 2 workers: every scrape balances; the last one is the ledger that is printed."""
    port = free_port()
    where = f"http://127.0.0.1:{port}/metrics"
    program = Sniffer(folder, "-r", capture, "--loop", "0", "--workers", "2", "-o", "null:", "--metrics", f"127.0.0.1:{port}",
                      "--feed", "itch50@233.54.12.111:26477,line=A", "--feed", "itch50@233.49.196.111:26477,line=B")
    until(lambda: "stage_entered" in get(where)[1])
    wrong, before, grown, scrapes = "", {}, 0, []
    for _ in range(40):
        status, text = get(where)
        scrapes.append(text)
        samples = parse(text)
        now = stages(samples)
        for key, (entered, left, dropped, held) in now.items():
            if entered != left + dropped + held or entered < before.get(key, [0])[0]:
                wrong = f"{key}: {entered} in, {left} out, {dropped} dropped, {held} held, before {before.get(key)}"
        grown += now.get(("event", "0", ""), [0])[0] > before.get(("event", "0", ""), [0])[0]
        if samples["pkt_sniffer_ledger_age_seconds", ()] > .6 or samples["pkt_sniffer_ledger_difference", ()]:
            wrong = f"age {samples['pkt_sniffer_ledger_age_seconds', ()]}"
        before = now
    result(not wrong and len(before) >= 16 and grown >= 38, "40 scrapes under load: each stage of each worker balances, counters grow", wrong or str(grown))
    ok, said = promtool("check", "metrics", text=scrapes[-1]) if have("promtool") else (None, "")
    if ok is None:
        print("skip - promtool check metrics: no promtool")
    else:
        result(ok and not said.strip(), "promtool check metrics", said)
    samples = parse(scrapes[-1])
    result(not (why := histograms(samples)), "histograms: buckets rise to the count; a file has no hop from the capture", why)
    batches = sum(v for (name, _), v in samples.items() if name == "pkt_sniffer_batches_total")
    measured = samples["pkt_sniffer_latency_seconds_count", (("hop", "worker_to_batch"), ("sink", ""))]
    result(0 <= measured - batches < batches * .2 + 1000, "one latency a batch", f"{measured}, {batches} batches")
    values = {value for _, labels in samples for label, value in labels if label not in ("le", "version")}
    result(len(values) > 30 and not [v for v in values if re.search(r"\d+\.\d+\.\d+|::|/", v) or v in symbols],
           f"no label is an address or one of {len(symbols)} symbols", str(sorted(values)))
    begun = time.monotonic()
    for _ in range(20):
        get(where)
    each_ms = (time.monotonic() - begun) * 50
    result(each_ms < 250, f"a scrape takes less than 250 ms ({each_ms:.0f})")
    program.process.send_signal(signal.SIGUSR1)
    status, said = program.stop()
    printed = {m[0]: [int(n) for n in m[1:]] for m in re.findall(r"^(\w+) +\w+ +(\d+) +(\d+) +(\d+) +(\d+)  balanced", said, re.M)}
    more = [k for k, v in printed.items() if v[0] < sum(s[0] for key, s in before.items() if key[0] == k)]
    result(status == 0 and "DIFFERENCE" not in said and len(printed) >= 7 and not more, "the printed ledger goes on from the last scrape", said[-800:])


def check_blocked(folder, capture):
    """A sink that takes nothing holds the worker: scrapes go on, and say how old their counters are."""
    port = free_port()
    fifo = os.path.join(folder, "fifo")
    os.mkfifo(fifo)
    program = Sniffer(folder, "-r", capture, "--loop", "0", "--speed", "1", "-o", f"json:{fifo}?when_full=block", "--metrics", f"127.0.0.1:{port}")
    where = f"http://127.0.0.1:{port}/metrics"
    reader = os.open(fifo, os.O_RDONLY)
    until(lambda: os.read(reader, 1 << 20) and "stage_entered" in get(where)[1])
    time.sleep(1.5)
    ages = [parse(get(where)[1]).get(("pkt_sniffer_ledger_age_seconds", ()), 0) for _ in range(3)]
    result(ages[0] < ages[1] < ages[2] and ages[2] > 1, "a blocked worker: the last cut is shown, with its age", str(ages))
    result(get(f"http://127.0.0.1:{port}/healthz")[0] == 200, "and the program is alive")
    os.close(reader)
    program.stop(signal.SIGTERM)


def check_samples(folder, capture):
    """LatencySample events against the table at the end."""
    out = os.path.join(folder, "samples")
    status, said = Sniffer(folder, "-r", capture, "-o", f"json:{out}", "--set", "ledger.interval_s=1").stop(0)
    counts, wrong = collections.Counter(), ""
    with open(out) as file:
        for event in map(json.loads, file):
            if "latency" not in event:
                continue
            sample = {k: int(v) if k.endswith("_ns") or k == "count" else v for k, v in event["latency"].items()}
            counts[sample["probe"]] += sample["count"]
            rising = [sample.get(k, 0) for k in ("min_ns", "p50_ns", "p99_ns", "p999_ns", "max_ns")]
            if rising != sorted(rising) or not rising[0] * 63 // 64 <= sample["value_ns"] <= rising[-1]:
                wrong = str(sample)
    table = dict(re.findall(r"^(\w+_to_\w+) +(\d+) ", said, re.M))
    result(status == 0 and not wrong and set(table) == set(counts) == {"worker_to_batch", "batch_to_publisher", "publisher_to_sink"}
           and all(counts[k] <= int(table[k]) for k in table) and int(table["worker_to_batch"]) - counts["worker_to_batch"] <= 2,
           "LatencySample events add up to the table at the end; none from the capture of a file", wrong or f"{counts}, {table}, {said[-500:]}")


def check_prometheus(folder, capture):
    """A real Prometheus scrapes the real program; the query of every panel has data, and no alarm is wrong."""
    rules = os.path.join(root, "deploy/prometheus/alerts.yaml")
    if not have("prometheus"):
        print("skip - panels and alarms: no prometheus (Debian package prometheus)")
        return
    ok, said = promtool("check", "rules", rules)
    result(ok, "promtool check rules", said)
    ok, said = promtool("test", "rules", os.path.join(here, "alerts_test.yaml"))
    result(ok, "promtool test rules: each alarm on made series", said)
    ok, said = promtool("check", "config", os.path.join(root, "deploy/prometheus/prometheus.yaml"))
    result(ok, "promtool check config", said)
    port, own = free_port(), free_port()
    with open(os.path.join(root, "deploy/prometheus/prometheus.yaml")) as file:
        config = file.read().replace("sniffer:9100", f"127.0.0.1:{port}").replace("alerts.yaml", rules)
    with open(os.path.join(folder, "prometheus.yaml"), "w") as file:
        file.write(config)
    program = Sniffer(folder, "-r", capture, "--speed", "1", "--loop", "0", "-o", "null:", "--metrics", f"127.0.0.1:{port}")
    with open(os.path.join(folder, "prometheus.log"), "w") as log:
        prometheus = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb",
                                       f"--web.listen-address=127.0.0.1:{own}"], stdout=log, stderr=log)
    running.append(prometheus)

    def query(expr):
        status, text = get(f"http://127.0.0.1:{own}/api/v1/query?" + urllib.parse.urlencode({"query": expr}))
        return json.loads(text)["data"]["result"] if status == 200 else []

    until(lambda: query("count_over_time(pkt_sniffer_build_info[1m]) > 8"), 30)
    with open(os.path.join(root, "deploy/grafana/dashboards/pkt-sniffer.json")) as file:
        dashboard = json.load(file)
    variables = {v["name"] for v in dashboard["templating"]["list"]}
    result(dashboard["uid"] == "pkt-sniffer" and "id" not in dashboard and variables == {"datasource", "instance"} and
           len({p["id"] for p in dashboard["panels"]}) == len(dashboard["panels"]) and
           all(t["datasource"]["uid"] == "${datasource}" and p["fieldConfig"]["defaults"]["unit"] for p in dashboard["panels"] for t in p["targets"]),
           "the dashboard has a fixed uid, a variable data source and units")
    wrong = []
    targets = [(p["title"], t["expr"]) for p in dashboard["panels"] for t in p["targets"]]
    for title, expr in targets:
        for name, value in (("$__rate_interval", "5s"), ("$__range", "1m"), ("$instance", ".*")):
            expr = expr.replace(name, value)
        data = query(expr)
        if not data or all(d["value"][1] == "NaN" for d in data):
            wrong.append(f"{title}: {data}")
    result(len(targets) > 20 and not wrong, f"the queries of all {len(targets)} panel targets have data", "; ".join(wrong))
    up = query('up{job="pkt-sniffer"}')
    firing = query('ALERTS{alertstate="firing"}')
    result(up and up[0]["value"][1] == "1" and firing == [], "Prometheus scrapes it, no alarm", f"{up} {firing}")
    rate = query('sum(rate(pkt_sniffer_stage_left_total{stage="message"}[5s]))')
    result(rate and 20000 < float(rate[0]["value"][1]) < 80000, "the rate is the exchange's, 50,000 messages a second", str(rate))
    prometheus.terminate()
    prometheus.wait(timeout=20)
    program.stop()


def check_live(folder):
    """Over a veth: the program's capture_to_sink against a subscriber's clock."""
    if os.geteuid() != 0:
        if subprocess.run(["sudo", "-n", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            done = subprocess.run(["sudo", "-n", "--preserve-env=PATH", sys.executable, os.path.abspath(__file__), build, "live"], timeout=100, check=False)
            result(done.returncode == 0, "the live part, as root")
        else:
            print("skip - latency of a live capture: not root, and no sudo without a password")
        return
    import zmq
    from events_io import Schema

    name = f"metrics-{os.getpid()}"
    inside = ("nsenter", f"--net=/run/netns/{name}")
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for command in ("link add wire0 type veth peer name wire1", "link set wire0 up", "link set wire1 up", "link set lo up"):
            subprocess.run([*inside, "ip", *command.split()], check=True)
        time.sleep(.5)
        path = os.path.join(folder, "live.sock")
        program = Sniffer(folder, "wire1", "-o", f"zmq:ipc://{path}?wait=1&heartbeat_ms=0", "--feed", "itch50@233.54.12.111:26477,line=A",
                          "--set", "ledger.interval_s=0", prefix=inside)
        context = zmq.Context()
        sub = context.socket(zmq.SUB)
        sub.subscribe(b"md.")
        sub.set_hwm(0)
        sub.connect(f"ipc://{path}")
        schema, waits = Schema(os.path.join(build, "events.binpb")), []
        ended = threading.Event()

        def read():
            while not ended.is_set() or sub.poll(500):
                if sub.poll(100):
                    data = sub.recv_multipart()[1]
                    now = time.time_ns()
                    batch = schema.EventBatch.FromString(data)
                    if batch.events:
                        waits.append(now - batch.events[0].ts_recv_ns)

        thread = threading.Thread(target=read)
        thread.start()
        until(lambda: "wire1" in open(program.log).read() or os.path.exists(path), 10)
        time.sleep(1.5)
        subprocess.run([*inside, "timeout", "30", sim, "--quiet", "--live", "wire0", "--seconds", "3", "--rate", "2000", "--instruments", "40",
                        "--lines", "A"], check=True)
        time.sleep(.5)
        status, said = program.stop()
        ended.set()
        thread.join()
        sub.close(0)
        context.term()
        table = {m[0]: (int(m[1]), *map(float, m[2:])) for m in re.findall(r"^(\w+_to_\w+) +(\d+) +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)", said, re.M)}
        count, _, p50, _, _, most = table.get("capture_to_sink", (0, 0, 0, 0, 0, 0))
        waits.sort()
        seen = waits[len(waits) // 2] / 1000 if waits else 0
        result(status == 0 and count == len(waits) > 100, "live: capture_to_sink has a value for each batch that the subscriber saw",
               f"{count}, {len(waits)}: {said[-900:]}")
        # taken when submit has returned, which may be after libzmq's thread has sent it
        near = seen / 50 < p50 < seen * 1.1 + 50
        result(near, f"live: its p50, {p50:.0f} us, is no more than what the subscriber measures, {seen:.0f} us", said[-900:])
        result(table.get("capture_to_worker", [0])[0] > 100 and table["capture_to_worker"][2] <= p50 * 65 / 64 and most > p50,
               "live: the worker has packets before the sink has batches", str(table))
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


def main():
    with tempfile.TemporaryDirectory(prefix="metrics.") as folder:
        try:
            if sys.argv[2:] == ["live"]:
                check_live(folder)
                return bool(failures)
            capture, truth = os.path.join(folder, "day.pcap"), os.path.join(folder, "truth")
            subprocess.run([sim, "--messages", "100000", "--quiet", "--pcap", capture, "--truth", truth], check=True, timeout=60)
            with open(truth) as file:
                symbols = {m[1] for m in map(re.compile(r'"stock":"([^"]+)"').search, file) if m}
            check_refusals(folder, capture)
            check_addresses(folder, capture)
            check_scrapes(folder, capture, symbols)
            check_blocked(folder, capture)
            check_samples(folder, capture)
            try:
                import zmq  # noqa: F401
                check_answers(folder, capture)
                check_live(folder)
            except ImportError as e:
                print(f"skip - subscribers: {e.name} is missing for /usr/bin/python3")
            check_prometheus(folder, capture)
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
