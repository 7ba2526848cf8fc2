#!/usr/bin/python3
"""Live capture end to end: the simulated exchange at one end of a veth pair, several programs at the other end at once.

usage: test_live.py [BUILD]
AF_PACKET and DPDK (net_af_packet), with one and two workers, see the same frames as tcpdump does; their events must be those
of tcpdump's file, stream by stream and in order, and those the exchange says happened. Everything happens in two network
namespaces of this test's own."""
import collections
import fcntl
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUILD", "build"))
SNIFFER, SIM = os.path.join(build, "pkt-sniffer"), os.path.join(build, "feed-sim")
LEFT, RIGHT = "live-left-%d" % os.getpid(), "live-right-%d" % os.getpid()
HUGE = "/proc/sys/vm/nr_hugepages"
bad = 0
running = []


def result(ok, text, why=""):
    global bad
    print(("ok - " if ok else "not ok - ") + text + ("" if ok or not why else ": %s" % why), flush=True)
    bad |= not ok


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
    return Program(name, lambda p: "listening on" in p.text(), "tcpdump", "-i", "wire1", "-Q", "in", "-n", "-B", "65536", "--immediate-mode",
                   "--time-stamp-precision=nano", "-Z", "root", "-w", os.path.join(work, name + ".pcap"), *words)


def afpacket(name, *words):
    return Program(name, listed, SNIFFER, "wire1", "-o", "json:%s?when_full=block" % os.path.join(work, name), *words)


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


def send(name):
    sh(*inside(LEFT, "timeout", "20", "taskset", "-c", "0", "tcpreplay", "-q", "-i", "wire0", "--pps", "5000",
               os.path.join(work, name + ".pcap")))
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
            if "ledger" not in event:
                found[event["stream"]].append(event)
    return found


RECEIVED = "ts_recv_ns", "ts_quality", "boot_id", "worker"


def difference(got, want):
    """Where two {stream: [event]} differ, in what the wire decides, or ""."""
    if set(got) != set(want):
        return "streams %s, %s" % (sorted(got), sorted(want))
    for stream in want:
        if len(got[stream]) != len(want[stream]):
            return "stream %s has %d events, %d wanted" % (stream, len(got[stream]), len(want[stream]))
        for a, b in zip(got[stream], want[stream]):
            a, b = [{k: v for k, v in e.items() if k not in RECEIVED} for e in (a, b)]
            if a != b:
                return "%s, wanted %s" % (json.dumps(a)[:300], json.dumps(b)[:300])
    return ""


def truth_difference(got, channels):
    """Against what the exchange says: number, time and type of every message, direction, number and type of FIX."""
    want = collections.Counter()
    with open(os.path.join(work, "truth")) as file:
        for line in file:
            said = json.loads(line)
            want[said["channel"], said["seq"], said["ts"], ord(said["type"])] += 1
    with open(os.path.join(work, "truth.fix")) as file:
        for line in file:
            said = json.loads(line)
            want["fix", dict((tag, text) for tag, text in said["fields"])[49], said["seq"]] += 1
    have = collections.Counter()
    for events in got.values():
        for e in events:
            if "fix" in e:
                have["fix", e["fix"]["sender"], int(e["seq"])] = 1
            elif "ts_event_ns" in e:  # a message; it may make several events
                have[e.get("channel", 0), int(e["seq"]), int(e["ts_event_ns"]), e["template_id"]] = 1
    if len({k[0] for k in want if k[0] != "fix"}) != channels:
        return "the exchange has not %d channels" % channels
    return "" if have == want else "missing %s, too much %s" % (list((want - have))[:3], list((have - want))[:3])


FEEDS = []
for channel in range(2):
    FEEDS += ["--feed", "itch50@233.54.12.%d:%d,channel=%d,line=A" % (111 + channel, 26477 + channel, channel)]
    FEEDS += ["--feed", "itch50@233.49.196.%d:%d,channel=%d,line=B" % (111 + channel, 26477 + channel, channel)]


def memberships():
    return set(re.findall(r"inet +(233\.[\d.]+)", sh(*inside(RIGHT, "ip", "maddr", "show", "wire1"))))


def promiscuity():
    return int(re.search(r"promiscuity (\d+)", sh(*inside(RIGHT, "ip", "-d", "link", "show", "wire1"))).group(1))


def same_events():
    dump = tcpdump("all")
    programs = [
        afpacket("AF_PACKET"),
        afpacket("AF_PACKET, 2 workers", "--workers", "2", *FEEDS),
        dpdk("DPDK as its users type it", "-l", "0-1", "-n", "4", "--no-pci", port("wire1"), "--", "-i", "net_af_packet0", "-o"),
        dpdk("DPDK, 2 workers", "--no-pci", port("wire1"), "-o", "--workers", "2", *FEEDS),
        dpdk("DPDK, 2 queues and 1 worker", "--no-pci", port("wire1", 2), "-o"),
    ]
    joined, all_promiscuous = memberships(), promiscuity()
    simulator = exchange("--channels", "2", "--messages", "12000", "--truth", work + "/truth", "--truth-fix", work + "/truth.fix")
    time.sleep(1)
    for p in programs:
        p.process.send_signal(signal.SIGUSR1)
    simulator.wait(timeout=60)
    time.sleep(.5)
    statuses = [p.stop() for p in programs]
    dump.stop()
    frames = int(re.search(r"(\d+) packets captured", dump.text()).group(1))
    recognised, fed = replay("all"), replay("all", *FEEDS)
    wrong = truth_difference(fed, 2)
    result(not wrong, "tcpdump's file has the events that the exchange says happened", wrong)
    for p, status in zip(programs, statuses):
        want = fed if "workers" in p.name else recognised
        got = streams(p.name)
        wrong = difference(got, want)
        result(not wrong, "%s: the events of tcpdump's file" % p.name, wrong)
        wrong = truth_difference(got, 2)
        result(not wrong, "%s: what the exchange says happened" % p.name, wrong)
        taken = p.captured()
        result(status == 0 and p.balanced() and taken[1] >= frames and taken[2] == 0 and (taken[1] == frames or "DPDK" in p.name),
               "%s: SIGINT ends it with 0, the ledger balances" % p.name, "status %d, %s of %d frames" % (status, taken, frames))
        middle = p.captured(0)
        result(0 < middle[1] < taken[1] and p.text().count("packet_") == 0 and len(re.findall("^capture ", p.text(), re.M)) >= 2,
               "%s: SIGUSR1 prints a balanced ledger under load" % p.name, "%s then %s" % (middle, taken))
        quality = "TS_QUALITY_USER" if "DPDK" in p.name else "TS_QUALITY_KERNEL"
        result({e["ts_quality"] for s in got.values() for e in s} == {quality}, "%s: time stamps are %s" % (p.name, quality))
    wire = {(s, e["event_no"]): int(e["ts_recv_ns"]) for s in recognised for e in recognised[s]}
    ours = {(s, e["event_no"]): int(e["ts_recv_ns"]) for s in streams("AF_PACKET") for e in streams("AF_PACKET")[s]}
    apart = [abs(ours[k] - wire[k]) for k in wire if k in ours]
    result(apart and max(apart) < 1000000 and any(t % 1000 for t in ours.values()),
           "AF_PACKET: receive times in ns, as tcpdump has them", "up to %s ns apart" % max(apart, default="?"))
    groups = {feed.split("@")[1].split(":")[0] for feed in FEEDS[1::2]}
    result(groups <= joined and not groups & memberships(), "the groups of the feed table are joined, and left at the end", joined)
    result(all_promiscuous > 2 and promiscuity() == 0, "promiscuous mode is undone", "%d, then %d" % (all_promiscuous, promiscuity()))


def filters_and_counts():
    sh(SIM, "--quiet", "--messages", "4000", "--channels", "2", "--instruments", "20", "--pcap", work + "/plain.pcap")
    edit("plain", "tags", lambda number, frame: frame[:12] + bytes((0x81, 0, 0x20, 77)) + frame[12:])
    dump = tcpdump("tagged")
    tag = "vlan 77 and udp dst port 26478"
    programs = {
        "AF_PACKET": afpacket("af.tag", *tag.split()),
        "DPDK": dpdk("dpdk.tag", "--no-pci", port("wire1"), "-o", *tag.split()),
    }
    other = [afpacket("af.other", "vlan", "78"), dpdk("dpdk.other", "--no-pci", port("wire1"), "-o", "vlan", "78")]
    counted = [afpacket("af.count", "-c", "500", "--workers", "2"),
               dpdk("dpdk.count", "--no-pci", port("wire1", 2), "-o", "-c", "500", "--workers", "2")]
    send("tags")
    statuses = [p.stop(None) for p in counted]
    result(statuses == [0, 0] and [p.captured()[1] for p in counted] == [500, 500] and all(p.balanced() for p in counted),
           "-c 500 ends live capture after 500 packets, with two workers too", "%s %s" % (statuses, [p.captured() for p in counted]))
    for p in other + list(programs.values()):
        p.stop()
    dump.stop()
    result(all(p.captured()[1] == 0 and p.balanced() for p in other), "no frame passes a filter for another tag", [p.captured() for p in other])
    want = replay("tagged", *tag.split())
    for name, p in programs.items():
        wrong = difference(streams(os.path.basename(p.log)[:-4]), want) or (not want and "no events")
        result(not wrong and p.balanced(), "%s: tagged frames through a filter give the events of tcpdump's file" % name, wrong)


def gaps():
    """A line that lost packets on its way. net_af_packet cannot know whether it was it that lost them."""
    sh(SIM, "--quiet", "--messages", "3000", "--instruments", "20", "--lines", "A", "--no-fix", "--pcap", work + "/whole.pcap")
    frames = edit("whole", "holes", lambda number, frame: None if number in (300, 301) else frame)
    edit("whole", "first", lambda number, frame: frame if number < 20 else None)
    edit("whole", "rest", lambda number, frame: frame if 20 <= number <= frames - 20 else None)
    edit("whole", "last", lambda number, frame: frame if number > frames - 20 else None)
    programs = [afpacket("af.gap"), dpdk("dpdk.gap", "--no-pci", port("wire1"), "-o")]
    send("holes")
    for p in programs:
        p.stop()
    causes = [[e["gap"].get("cause") for s in streams(p.name).values() for e in s if "gap" in e] for p in programs]
    result(causes == [["CAUSE_UPSTREAM"], ["CAUSE_UNDECIDED"]],
           "a gap is upstream for AF_PACKET, which counts its losses, undecided for net_af_packet, which hides them", causes)

    stopped = afpacket("af.full", "--set", "source.ring_mib=1")
    send("first")  # now it certainly listens
    stopped.process.send_signal(signal.SIGSTOP)
    send("rest")
    stopped.process.send_signal(signal.SIGCONT)
    time.sleep(.3)
    send("last")
    stopped.stop()
    lost = stopped.captured()[2]
    found = [e["gap"] for s in streams(stopped.name).values() for e in s if "gap" in e]
    result(lost > 0 and found and all(g.get("cause") == "CAUSE_LOCAL" and 0 < int(g["local_drops"]) <= lost for g in found),
           "gaps are local when our own ring was full", "%d lost, %s" % (lost, found[:3]))


def errors():
    def says(text, status, *words, command=(SNIFFER,)):
        p = subprocess.run(inside(RIGHT, "timeout", "20", *command), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
        result(p.returncode == status and all(w in p.stdout for w in words), text, "status %d, %s" % (p.returncode, p.stdout[-400:]))

    says("no such interface: the ones there are", 1, "nosuch0: no such interface", " lo", " wire1", command=(SNIFFER, "nosuch0"))
    says("no such DPDK port: the ones there are", 1, "no DPDK port net_null1", "there are: net_null0",
         command=(SNIFFER, "--no-pci", "--vdev=net_null0", "-i", "net_null1"))
    says("no DPDK port at all: what to do", 1, "DPDK drives none", "--vdev", command=(SNIFFER, "--no-pci", "-i", "0000:18:00.0"))
    free = sum(int(open(path).read()) for path in glob.glob("/sys/kernel/mm/hugepages/*/free_hugepages"))
    for words in ("--no-huge",), ("--in-memory",), ("-m", "64"):
        if words[0] == "--no-huge" or free == 0:
            says("DPDK without huge pages, " + " ".join(words), 0, 'memory="no huge pages"',
                 command=(SNIFFER,) + words + ("--no-pci", "--vdev=net_null0", "-o", "null:", "-c", "1000"))
    shutil.copy(SNIFFER, work + "/pkt-sniffer")
    os.chmod(work, 0o755)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", work + "/pkt-sniffer")
    says("AF_PACKET without rights: capability and command", 1, "CAP_NET_RAW", "sudo setcap cap_net_raw=ep", command=nobody + ("wire1",))
    says("net_af_packet without rights: capability and command", 1, "CAP_NET_RAW", "sudo setcap cap_net_raw",
         command=nobody + ("--no-pci", "--vdev=net_af_packet0,iface=wire1"))
    says("other DPDK ports need no rights", 0, "balanced", command=nobody + ("--no-pci", "--vdev=net_null0", "-o", "null:", "-c", "1000"))


def huge_pages():
    lock = open(HUGE)
    fcntl.flock(lock, fcntl.LOCK_EX)  # they are the machine's, and another run may want them
    before = int(lock.read())
    try:
        with open(HUGE, "w") as file:
            file.write(str(before + 64))
        with open(HUGE) as file:
            got = int(file.read())
        if got < before + 64:
            print("skip - DPDK with huge pages: the machine gives none")
            return
        for words in ((), ("--in-memory",)):
            p = dpdk("huge", *words, "--no-pci", "--vdev=net_null0", "-o", "-c", "1000")
            result(p.stop(None) == 0 and 'memory="huge pages' in p.text(),
                   " ".join(("DPDK takes huge pages when there are some",) + words), p.text()[-300:])
    except OSError:
        print("skip - DPDK with huge pages: no right to reserve them")
    finally:
        try:
            with open(HUGE, "w") as file:
                file.write(str(before))
        except OSError:
            pass
        lock.close()


def removed():
    programs = [afpacket("af.gone", "--workers", "2"), dpdk("dpdk.gone", "--no-pci", port("wire1"), "-o", "--workers", "2")]
    exchange("--messages", "4000").wait(timeout=60)
    time.sleep(.3)
    sh(*inside(LEFT, "ip", "link", "delete", "wire0"))
    for p, words in zip(programs, ("wire1: the interface was removed", "net_af_packet0: the port was removed")):
        status = p.stop(None)
        events = sum(len(s) for s in streams(p.name).values())
        result(status == 1 and words in p.text() and p.balanced() and events >= 4000,
               "%s: a removed interface ends it with 1, after what had come" % p.name, "status %d, %d events: %s" % (status, events, p.text()[-300:]))


def main():
    if os.geteuid() != 0 and subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.execvp("sudo", ["sudo", "-n", "--preserve-env=BUILD,PCAP_CORPUS,TESTS_LONG", sys.executable] + sys.argv)
    for tool in ("ip", "tcpdump", "tcpreplay", "taskset", "setpriv"):
        if not shutil.which(tool):
            print("skip - live capture over veth: no %s" % tool)
            return
    made = subprocess.run(["ip", "netns", "add", LEFT], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    if made != 0:
        print("skip - live capture over veth: no right to make a namespace")
        return
    try:
        sh("ip", "netns", "add", RIGHT)
        sh("ip", "link", "add", "wire0", "netns", LEFT, "type", "veth", "peer", "name", "wire1", "netns", RIGHT)
        for ns, link, address in ((LEFT, "wire0", "10.9.7.1/24"), (RIGHT, "wire1", "10.9.7.2/24")):
            sh(*inside(ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"))  # or the kernel sends of its own accord
            sh(*inside(ns, "ip", "address", "add", address, "dev", link))
            sh(*inside(ns, "ip", "link", "set", link, "up"))
        same_events()
        filters_and_counts()
        gaps()
        errors()
        huge_pages()
        removed()
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
        for ns in (LEFT, RIGHT):
            subprocess.run(["ip", "netns", "delete", ns], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
with tempfile.TemporaryDirectory(prefix="live.") as work:
    main()
sys.exit(bad)
