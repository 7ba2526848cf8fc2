#!/usr/bin/python3
"""What the process may still do once it runs: /proc/PID/status of every thread, with a user to become and without.

usage: test_rights.py [BUILD]"""
import glob
import os
import pwd
import shutil
import subprocess
import time

import live_wire as wire
from live_wire import LEFT, SNIFFER, afpacket, dpdk, inside, port, promiscuity, result, send, sh

FED = 100  # frames sent at a time
NOBODY = pwd.getpwnam("nobody")
NET_ADMIN, NET_RAW = 1 << 12, 1 << 13


def threads(program):
    """[{field: value}] of every thread of it."""
    found = []
    for path in glob.glob("/proc/%d/task/*/status" % program.process.pid):
        with open(path) as file:
            found.append(dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line))
    return found


def others(program, kept, older=None):
    """The threads that have other capabilities than these, or may get more by starting a program. older: of DPDK's own threads."""
    def wanted(thread):
        dpdk_made = older is not None and thread["Name"].startswith(("eal-", "rte", "telemetry"))
        have = older if dpdk_made else kept
        return {"CapInh": 0, "CapPrm": have, "CapEff": have, "CapAmb": 0, "NoNewPrivs": 1}
    return [(t["Name"], t["CapPrm"], t["CapEff"], t["NoNewPrivs"]) for t in threads(program) for want in [wanted(t)]
            if {name: int(t[name], 16) for name in want} != want]


def is_nobody(program):
    uid, gid = "\t".join([str(NOBODY.pw_uid)] * 4), "\t".join([str(NOBODY.pw_gid)] * 4)
    groups = {str(g) for g in os.getgrouplist("nobody", NOBODY.pw_gid)}
    return all(t["Uid"] == uid and t["Gid"] == gid and set(t["Groups"].split()) == groups for t in threads(program))


def a_user():
    open_to_all = os.path.join(wire.work, "open")
    os.mkdir(open_to_all)
    os.chmod(wire.work, 0o755)
    os.chmod(open_to_all, 0o777)
    zmq = "zmq://ipc://%s/zmq" % open_to_all
    port_words = "--no-pci", port("wire1"), "-o"
    programs = {
        "AF_PACKET": (afpacket("open/af", "--workers", "2", "-o", zmq, "--user", "nobody"), 0, None),
        "AF_PACKET that waits": (afpacket("open/wait", "-Z", "nobody", "--set", "source.on_gone=wait"), NET_RAW, None),
        "DPDK": (dpdk("open/dpdk", *port_words, "--user", "nobody"), NET_ADMIN, 0),
    }
    time.sleep(.5)
    send("fed")
    for name, (p, *kept) in programs.items():
        wrong = others(p, *kept)
        result(is_nobody(p), "%s: every thread is the user's, with the user's groups" % name, [(t["Name"], t["Uid"], t["Groups"]) for t in threads(p)])
        result(not wrong, "%s: every thread has the capabilities that are needed, no other" % name, wrong)
    sh(*inside(LEFT, "ip", "link", "delete", "wire0"))
    time.sleep(.3)
    wire.wire_make()
    time.sleep(.6)
    send("fed")
    waited = programs["AF_PACKET that waits"][0]
    statuses = {name: p.stop() for name, (p, *_) in programs.items()}
    result(statuses["AF_PACKET that waits"] == 0 and waited.captured()[1] >= 2 * FED and waited.balanced(),
           "as that user it opens an interface that comes back", waited.text()[-300:])
    owners = {os.stat(os.path.join(open_to_all, name)).st_uid for name in ("af", "wait", "dpdk")}
    result(owners == {NOBODY.pw_uid}, "files are the user's", owners)


def without_a_user():
    """As root it stays root, of the capabilities nothing stays; files in places that root alone may write can be opened."""
    closed = os.path.join(wire.work, "closed")
    os.mkdir(closed)
    os.chown(closed, NOBODY.pw_uid, NOBODY.pw_gid)
    os.chmod(closed, 0o700)
    sh(*inside(wire.RIGHT, "ip", "link", "set", "lo", "up"))
    broker = subprocess.Popen(inside(wire.RIGHT, os.path.join(wire.build, "mock_broker")), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wire.running.append(broker)
    # threads of libraries, which block every signal, are made while root's files may still be opened
    sinks = "-o", "zmq://ipc://%s/zmq" % closed, "-o", "kafka://%s/rights" % broker.stdout.readline().strip(), "--metrics", "127.0.0.1:9100"
    p = {"AF_PACKET": (afpacket("closed/af"), 0, 3),
         "AF_PACKET, all sinks": (afpacket("closed/all", *sinks), 0, 10),
         "AF_PACKET that waits": (afpacket("closed/wait", "--workers", "2", "--set", "source.on_gone=wait"), NET_RAW, 4),
         "DPDK": (dpdk("closed/dpdk", "-l", "0-1", "--no-pci", port("wire1"), "-o"), NET_ADMIN, 6)}
    time.sleep(.5)
    send("fed")
    for name, (program, kept, threads_min) in p.items():
        wrong, n = others(program, kept), len(threads(program))
        result(not wrong and n >= threads_min, "%s as root: every thread has the capabilities that are needed, no other" % name, [n, wrong])
        result(program.stop() == 0 and program.captured()[1] >= FED, "%s as root: captures, and writes where root may" % name, program.text()[-300:])
    result(promiscuity() == 0, "promiscuous mode is undone all the same", promiscuity())


def refused():
    def says(text, words, *command):
        p = subprocess.run(inside(wire.RIGHT, "timeout", "20", *command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        result(p.returncode in (1, 2) and words in p.stdout, text, "status %d, %s" % (p.returncode, p.stdout[-300:]))

    says("a user that does not exist", "no user nobody7", SNIFFER, "wire1", "-o", "null:", "--user", "nobody7")
    says("a place where the user may not write", "Permission denied", SNIFFER, "wire1", "-o", "json:/root/x", "--user", "nobody")
    shutil.copy(SNIFFER, wire.work + "/pkt-sniffer")
    says("becoming another user without being root", "start as root", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
         "--inh-caps=-all", "--bounding-set=-all", wire.work + "/pkt-sniffer", "-r", wire.work + "/fed.pcap", "-o", "null:", "--user", "daemon")


def feed():
    sh(wire.SIM, "--quiet", "--messages", "2000", "--instruments", "10", "--pcap", wire.work + "/all.pcap")
    wire.edit("all", "fed", lambda number, frame: frame if number < FED else None)


wire.run("rights", feed, a_user, without_a_user, refused, tools=("ip", "tcpreplay", "taskset", "setpriv"))
