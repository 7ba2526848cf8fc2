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
import time

import live_wire as wire
from live_wire import LEFT, RIGHT, SIM, SNIFFER, afpacket, difference, dpdk, edit, exchange, inside, port, promiscuity, replay, result, send, sh, streams, tcpdump

HUGE = "/proc/sys/vm/nr_hugepages"


def truth_difference(got, channels):
    """Against what the exchange says: number, time and type of every message, direction, number and type of FIX."""
    want = collections.Counter()
    with open(os.path.join(wire.work, "truth")) as file:
        for line in file:
            said = json.loads(line)
            want[said["channel"], said["seq"], said["ts"], ord(said["type"])] += 1
    with open(os.path.join(wire.work, "truth.fix")) as file:
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
    simulator = exchange("--channels", "2", "--messages", "12000", "--truth", wire.work + "/truth", "--truth-fix", wire.work + "/truth.fix")
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
        # lines A and B may lie in two queues: then nobody knows whose copy came first
        wrong = difference(got, want, ("feed",) if "queues" in p.name else ())
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
    on_wire = {(s, e["event_no"]): int(e["ts_recv_ns"]) for s in recognised for e in recognised[s]}
    ours = {(s, e["event_no"]): int(e["ts_recv_ns"]) for s in streams("AF_PACKET") for e in streams("AF_PACKET")[s]}
    apart = [abs(ours[k] - on_wire[k]) for k in on_wire if k in ours]
    result(apart and max(apart) < 1000000 and any(t % 1000 for t in ours.values()),
           "AF_PACKET: receive times in ns, as tcpdump has them", "up to %s ns apart" % max(apart, default="?"))
    groups = {feed.split("@")[1].split(":")[0] for feed in FEEDS[1::2]}
    result(groups <= joined and not groups & memberships(), "the groups of the feed table are joined, and left at the end", joined)
    result(all_promiscuous > 2 and promiscuity() == 0, "promiscuous mode is undone", "%d, then %d" % (all_promiscuous, promiscuity()))


def filters_and_counts():
    sh(SIM, "--quiet", "--messages", "4000", "--channels", "2", "--instruments", "20", "--pcap", wire.work + "/plain.pcap")
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
           "-c 500 ends live capture after 500 packets, with two workers too", "%s %s %s" % (statuses, [p.captured() for p in counted], [p.text()[-600:] for p in counted if p.process.returncode]))
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
    sh(SIM, "--quiet", "--messages", "3000", "--instruments", "20", "--lines", "A", "--no-fix", "--pcap", wire.work + "/whole.pcap")
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
    shutil.copy(SNIFFER, wire.work + "/pkt-sniffer")
    os.chmod(wire.work, 0o755)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", wire.work + "/pkt-sniffer")
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


wire.run("live capture over veth", same_events, filters_and_counts, gaps, errors, huge_pages, removed,
         tools=("ip", "tcpdump", "tcpreplay", "taskset", "setpriv"))
