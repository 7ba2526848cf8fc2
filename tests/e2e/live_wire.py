"""A wire for live tests: a veth pair between two network namespaces of the test's own, and programs at its ends.

A test imports this, sees to its namespaces by run(test, ...), and prints results by result()."""
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from support import failures, result  # noqa: F401, the tests take it from here

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUILD", "build"))
SNIFFER, SIM = os.path.join(build, "pkt-sniffer"), os.path.join(build, "feed-sim")
LEFT, RIGHT = "wire-left-%d" % os.getpid(), "wire-right-%d" % os.getpid()
running = []
work = ""


def sh(*command, check=True):
    return subprocess.run(command, check=check, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def inside(namespace, *command):
    # not "ip netns exec", which cannot remount /sys in a chroot
    return ("nsenter", "--net=/run/netns/" + namespace) + command


def port(interface, queues=1):
    # a ring that holds all of a run: this driver does not count what it loses
    return "--vdev=net_af_packet0,iface=%s,framecnt=32768,qpairs=%d" % (interface, queues)


class Program:
    """A program in the right namespace, whose standard error is read when it has ended."""

    def __init__(self, name, ready, *command):
        self.name, self.log = name, os.path.join(work, name + ".log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(inside(RIGHT, *command), stdout=log, stderr=log)
        running.append(self.process)
        for _ in range(150):
            if self.process.poll() is not None or ready(self):
                break
            time.sleep(.1)

    def text(self):
        with open(self.log) as log:
            return log.read()

    def stop(self, sig=signal.SIGINT):
        """Sends the signal if it still runs. Returns the exit status."""
        if sig and self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def captured(self, which=-1):
        """[entered, left, dropped] packets of one of the ledgers it printed, over its workers."""
        found = re.findall(r"^capture +packet +(\d+) +(\d+) +(\d+)", self.text(), re.M)
        return [int(n) for n in found[which]] if found else [-1, -1, -1]

    def balanced(self):
        return "balanced" in self.text() and "NOT balanced" not in self.text() and "does not add up" not in self.text()


def listed(program):
    """Whether the kernel lists the program's packet socket."""
    return any(line.split()[-1] in inodes(program.process.pid) for line in sh(
        *inside(RIGHT, "cat", "/proc/net/packet")).splitlines()[1:])


def inodes(pid):
    found = set()
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            found.add(os.readlink("/proc/%d/fd/%s" % (pid, fd)).strip("socket:[]"))
    except OSError:
        pass  # it has closed one meanwhile, or ended
    return found


def tcpdump(name, *words):
    return Program(name, lambda p: "listening on" in p.text(), "tcpdump", "-i", "wire1", "-Q", "in", "-n", "-B", "65536", "--immediate-mode", "-U",
                   "--time-stamp-precision=nano", "-Z", "root", "-w", os.path.join(work, name + ".pcap"), *words)


def afpacket(name, *words):
    return Program(name, lambda p: "captures interface" in p.text(), SNIFFER, "wire1", "-o", "json:%s?when_full=block" % os.path.join(work, name), *words)


def dpdk(name, *words):
    return Program(name, lambda p: "DPDK port runs" in p.text(), SNIFFER, *words[:words.index("-o") + 1],
                   "json:%s?when_full=block" % os.path.join(work, name), *words[words.index("-o") + 1:])


def exchange(*words):
    """The exchange, live; on one processor, so that every listener sees the frames in one order."""
    process = subprocess.Popen(inside(LEFT, "timeout", "40", "taskset", "-c", "0", SIM, "--quiet", "--live", "wire0", "--live-raw",
                                      "--rate", "6000", "--instruments", "40", *words))
    running.append(process)
    return process


def edit(name, edited, change):
    """Writes a capture anew, frame by frame: what change returns, None leaves the frame out. Returns frames read."""
    with open(os.path.join(work, name + ".pcap"), "rb") as file:
        raw = file.read()
    at, number, out = 24, 0, [raw[:24]]
    while at < len(raw):
        size = int.from_bytes(raw[at + 8:at + 12], "little")
        frame = change(number, raw[at + 16:at + 16 + size])
        if frame is not None:
            out += raw[at:at + 8], len(frame).to_bytes(4, "little") * 2, frame
        at += 16 + size
        number += 1
    with open(os.path.join(work, edited + ".pcap"), "wb") as file:
        file.write(b"".join(out))
    return number


def send(name, pps=5000):
    sh(*inside(LEFT, "timeout", "55", "taskset", "-c", "0", "tcpreplay", "-q", "-i", "wire0", "--pps", str(pps),
               os.path.join(work, name + ".pcap")))
    settle()


def settle():
    """Waits until nobody writes any more: on a loaded machine programs read what was sent for a while."""
    before = None
    for _ in range(30):
        sizes = {name: os.path.getsize(os.path.join(work, name)) for name in os.listdir(work)}
        if sizes == before:
            break
        before = sizes
        time.sleep(.3)


def replay(name, *words):
    path = os.path.join(work, name)
    sh(SNIFFER, "-q", "-r", path + ".pcap", "-o", "json:%s.file" % path, *words)
    return streams(name + ".file")


def streams(name):
    """{stream: [event]} without the program's own accounts."""
    found = collections.defaultdict(list)
    with open(os.path.join(work, name)) as file:
        for line in file:
            event = json.loads(line)
            if "ledger" not in event and "latency" not in event:
                found[event["stream"]].append(event)
    return found


RECEIVED = "ts_recv_ns", "ts_quality", "boot_id", "worker"


def difference(got, want, without=()):
    """Where two {stream: [event]} differ, in what the wire decides, or "". without: fields that need not be equal."""
    if set(got) != set(want):
        return "streams %s, %s" % (sorted(got), sorted(want))
    for stream in want:
        if len(got[stream]) != len(want[stream]):
            return "stream %s has %d events, %d wanted" % (stream, len(got[stream]), len(want[stream]))
        for a, b in zip(got[stream], want[stream]):
            a, b = [{k: v for k, v in e.items() if k not in RECEIVED and k not in without} for e in (a, b)]
            if a != b:
                return "%s, wanted %s" % (json.dumps(a)[:300], json.dumps(b)[:300])
    return ""


def promiscuity():
    return int(re.search(r"promiscuity (\d+)", sh(*inside(RIGHT, "ip", "-d", "link", "show", "wire1"))).group(1))


def today():
    """ITCH times count from midnight of the day of receipt: what is sent live is to be of today."""
    return subprocess.run(["date", "+%FT10:00:00"], env={"TZ": "America/New_York"}, stdout=subprocess.PIPE, text=True).stdout.strip()


def wire_make():
    sh("ip", "link", "add", "wire0", "netns", LEFT, "type", "veth", "peer", "name", "wire1", "netns", RIGHT)
    for ns, link, address in ((LEFT, "wire0", "10.9.7.1/24"), (RIGHT, "wire1", "10.9.7.2/24")):
        sh(*inside(ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"))  # or the kernel sends of its own accord
        sh(*inside(ns, "ip", "address", "add", address, "dev", link))
        sh(*inside(ns, "ip", "link", "set", link, "mtu", "9000", "up"))


def run(what, *tests, tools=("ip", "tcpdump", "tcpreplay", "taskset")):
    """Runs the tests with a wire, and exits; skips by name what cannot run here."""
    global work
    if os.geteuid() != 0 and subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.environ.setdefault("KAFKA_HOME", os.path.expanduser("~/.cache/dpdk-stock-ai/kafka"))  # root has none of its jars
        os.execvp("sudo", ["sudo", "-n", "--preserve-env=BUILD,KAFKA_HOME,PCAP_CORPUS,TESTS_LONG", sys.executable] + sys.argv)
    for tool in tools:
        if not shutil.which(tool):
            print("skip - %s: no %s" % (what, tool))
            sys.exit(0)
    if subprocess.run(["ip", "netns", "add", LEFT], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        print("skip - %s: no right to make a namespace" % what)
        sys.exit(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="wire.") as work:
        try:
            sh("ip", "netns", "add", RIGHT)
            wire_make()
            for test in tests:
                test()
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            for ns in (LEFT, RIGHT):
                subprocess.run(["ip", "netns", "delete", ns], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sys.exit(bool(failures))
