#!/usr/bin/python3
"""Where the threads run and what they take when there is nothing to do, as the kernel counts it.

usage: test_threads.py [BUILD]
A worker has its core for itself, the others' threads (publishers, librdkafka, libzmq, EAL) run elsewhere; idle, the program
takes next to nothing; --busy-poll never sleeps; a worker whose ring is full sleeps. Interfaces are in a namespace of its own."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build")
sniffer = os.path.join(build, "pkt-sniffer")
SPACE = f"threads-{os.getpid()}"
SECONDS = 2


def first_line(path, start=""):
    with open(path, encoding="ascii", errors="replace") as file:
        return next((line for line in file if line.startswith(start)), "").strip()


class Program:
    """pkt-sniffer, running; its threads by id."""

    def __init__(self, *words, space=True, **options):
        self.log = tempfile.TemporaryFile("w+")
        inside = ["nsenter", f"--net=/run/netns/{SPACE}"] if space else []
        self.process = subprocess.Popen([*inside, sniffer, *words], stderr=self.log, stdin=subprocess.DEVNULL, **options)
        until = time.monotonic() + 30
        while "worker-0" not in (t["name"] for t in self.threads().values()) and time.monotonic() < until and self.process.poll() is None:
            time.sleep(.05)
        time.sleep(1.2)  # the libraries make their threads when they like; then the first second of silence is over

    def text(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def threads(self):
        found = {}
        folder = f"/proc/{self.process.pid}/task"
        for tid in os.listdir(folder) if os.path.exists(folder) else ():
            try:
                ran, waited = map(int, first_line(f"{folder}/{tid}/schedstat").split()[:2])
                found[tid] = {"name": first_line(f"{folder}/{tid}/comm"), "ran_ns": ran, "waited_ns": waited,
                              "cores": first_line(f"{folder}/{tid}/status", "Cpus_allowed_list").split(":")[-1].strip(),
                              "slept": int(first_line(f"{folder}/{tid}/status", "voluntary_ctxt").split()[-1])}
            except (OSError, ValueError, IndexError):
                pass  # it has ended
        return found

    def watch(self):
        """What each thread did in some seconds: {name: {ran, waited: share of the time, slept: times}}"""
        before, start = self.threads(), time.monotonic_ns()
        time.sleep(SECONDS)
        after, took = self.threads(), time.monotonic_ns() - start
        return {t["name"]: {"ran": (t["ran_ns"] - before[i]["ran_ns"]) / took, "waited": (t["waited_ns"] - before[i]["waited_ns"]) / took,
                            "slept": t["slept"] - before[i]["slept"]} for i, t in after.items() if i in before}

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "hangs"


def cores_of(text):
    out = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        out |= set(range(int(low), int(high or low) + 1))
    return out


def placed(name, own, *words):
    program = Program(*words)
    threads = program.threads()
    worker = [t for t in threads.values() if t["name"] == "worker-0"]
    elsewhere = [t for t in threads.values() if t["name"] != "worker-0"]
    status = program.stop()
    said = f"workers={own} all_else="
    wrong = [f"{t['name']} on {t['cores']}" for t in elsewhere if own in cores_of(t["cores"])]
    result(status in (0, 3) and len(worker) == 1 and worker[0]["cores"] == str(own) and len(elsewhere) >= 2 and not wrong
           and program.text().count(said) == 1, f"{name}: the worker alone on core {own}, {len(elsewhere)} other threads elsewhere",
           f"exit status {status}, worker {worker}, {wrong}: {program.text()[-400:]}")
    return {t["name"] for t in elsewhere}


def placement():
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("skip - placement of threads: one core")
        return
    names = placed("--cores, zmq and kafka", cores[-1], "t0", "--cores", str(cores[-1]), "-o", "zmq://127.0.0.1:15771", "-o", "kafka://127.0.0.1:15772/x?kafka.test.mock.num.brokers=2")  # librdkafka makes them
    result({"sink-zmq", "sink-kafka", "ZMQbg/IO/0", "rdk:main"} <= names and any(n.startswith("rdk:broker") for n in names),
           "threads of libzmq and librdkafka are among them", names)
    names = placed("EAL's -l", cores[1], "-l", f"{cores[0]},{cores[1]}", "--no-pci", "--vdev=net_null0", "--", "-o", "null:", "--feed", "none")
    result("eal-intr-thread" in names, "EAL's own threads are among them", names)
    program = Program("t0", "--workers", str(len(cores)), "--cores", ",".join(map(str, cores)), "-o", "null:")
    allowed = {t["cores"] for t in program.threads().values()}
    program.stop()
    result(len(allowed) == 1 and cores_of(allowed.pop()) == set(cores) and "threads share cores=" in program.text(),
           "cores for workers alone: it says that they are shared, and pins nothing", program.text()[-300:])
    for word, says in ("4095", "core 4095: expected 0 to"), ("1-", "expected numbers of cores, as 2,4-7"), ("1,1", "core 1 stands twice"):
        done = subprocess.run([sniffer, "-r", "/dev/null", "--cores", word], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=20,
                              check=False)
        result(done.returncode == 2 and says in done.stderr, f"--cores {word}: {says}", done.stderr)
    done = subprocess.run(["nsenter", f"--net=/run/netns/{SPACE}", sniffer, "t0", "--cores", "1023", "-o", "null:"], stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, timeout=20, check=False)
    result(done.returncode == 2 and "core 1023 is none that this program may use" in done.stderr, "a core that is not there: said, exit status 2", done.stderr)


def idle():
    for name, most, words in (("AF_PACKET to zmq", 2000, ("t0", "-o", "zmq://127.0.0.1:15771")),
                              ("AF_PACKET, 2 workers", 4500, ("t0", "--workers", "2", "-o", "null:"))):
        program = Program(*words)
        did = program.watch()
        status = program.stop()
        ran, slept = sum(t["ran"] for t in did.values()), sum(t["slept"] for t in did.values()) / SECONDS
        # what a wake-up costs is the machine's; how many there are is ours, and that no thread spins
        result(status == 0 and "worker-0" in did and slept < most and ran < .2,
               f"{name}: idle, it wakes {slept:.0f} times a second and takes {100 * ran:.1f} % of a core",
               f"{status} " + ", ".join(f"{n} {t['slept'] / SECONDS:.0f} times, {100 * t['ran']:.2f} %" for n, t in did.items()))
    program = Program("t0", "--busy-poll", "-o", "null:")
    did = program.watch().get("worker-0", {"ran": 0, "waited": 0, "slept": -1})
    status = program.stop()
    result(status == 0 and did["ran"] + did["waited"] > .9 and 0 <= did["slept"] < 20,
           f"--busy-poll: the worker runs or waits for its core {100 * (did['ran'] + did['waited']):.0f} % of the time", did)


def full(folder):
    capture = os.path.join(folder, "day.pcap")
    subprocess.run([os.path.join(build, "feed-sim"), "--quiet", "--messages", "20000", "--pcap", capture], check=True, timeout=60)
    end, pipe = os.pipe()  # nobody reads it
    program = Program("-q", "-r", capture, "--loop", "0", "--busy-poll", "-o", "json:-", space=False, stdout=pipe)
    os.close(pipe)
    did = program.watch()
    os.close(end)
    status = program.stop()
    ran = sum(t["ran"] for t in did.values())
    result(ran < .2 and did["worker-0"]["slept"] > 100, f"a pipe that nobody reads: the worker whose ring is full sleeps, {100 * ran:.1f} % of a core", did)
    result(status == 1, "and when the reader goes, the program ends with 1", f"exit status {status}: {program.text()[-300:]}")


def main():
    if os.geteuid() != 0 and subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.execvp("sudo", ["sudo", "-n", "--preserve-env=PCAP_CORPUS,TESTS_LONG", sys.executable, *sys.argv])
    made = shutil.which("ip") and subprocess.run(["ip", "netns", "add", SPACE], stderr=subprocess.DEVNULL, check=False).returncode == 0
    if not made:
        print("skip - threads: no right to make a namespace, or no ip")
        return 0
    try:
        inside = ["nsenter", f"--net=/run/netns/{SPACE}"]
        for words in ("sysctl -qw net.ipv6.conf.all.disable_ipv6=1", "ip link add t0 type veth peer name t1", "ip link set lo up", "ip link set t0 up", "ip link set t1 up"):
            subprocess.run([*inside, *words.split()], check=True)
        placement()
        idle()
        with tempfile.TemporaryDirectory() as folder:
            full(folder)
    finally:
        subprocess.run(["ip", "netns", "delete", SPACE], check=False)
    return bool(failures)


sys.exit(main())
