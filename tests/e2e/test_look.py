#!/usr/bin/python3
"""The first look, live: ping, curl and dig between two namespaces, against what they printed.

usage: test_look.py [BUILD]
Namespaces and the packet socket need root: runs itself again under sudo where the user may."""
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build")
sys.path.insert(0, here)
LEFT, RIGHT = f"look-left-{os.getpid()}", f"look-right-{os.getpid()}"
HERE, THERE, HERE6, THERE6, PORT = "10.83.0.1", "10.83.0.2", "fd83::1", "fd83::2", 8083

if os.geteuid() != 0 and subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
    os.execvp("sudo", ["sudo", "-n", "--preserve-env=PCAP_CORPUS,TESTS_LONG", "/usr/bin/python3", os.path.abspath(__file__), *sys.argv[1:]])


def inside(ns, *command, **more):
    return subprocess.run(["nsenter", f"--net=/run/netns/{ns}", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, check=False, **more)


class Listener:
    """The program on one end of the wire: readable lines, and the same events in a file."""

    def __init__(self, folder, *options):
        self.lines, self.file, self.log = (os.path.join(folder, name) for name in ("lines", "events", "log"))
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{RIGHT}", os.path.join(build, "pkt-sniffer"), "wire1", "-o", "text:" + self.lines,
                 "-o", "file:" + self.file, "--events", "net", *options], stdout=subprocess.DEVNULL, stderr=log)
        until = time.monotonic() + 20
        bound = re.compile(r"^\S+ +\d+ +\d+ +0003 +[1-9]\d* +1 ", re.M)  # to an interface, and running
        while time.monotonic() < until and not bound.search(inside(RIGHT, "cat", "/proc/net/packet").stdout):
            time.sleep(0.1)
        time.sleep(0.2)

    def stop(self):
        time.sleep(0.5)
        self.process.terminate()
        self.process.wait(30)
        with open(self.lines, encoding="utf-8") as lines, open(self.file, "rb") as file, open(self.log, encoding="utf-8") as log:
            events = list(Schema(os.path.join(build, "events.binpb")).delimited(file.read()))
            return lines.read().splitlines(), events, log.read()


def of(events, kind):
    return [getattr(event, kind) for event in events if event.WhichOneof("payload") == kind]


def check_ping(folder, target, version):
    listener = Listener(folder)
    said = inside(LEFT, "ping", "-n", "-c", "5", "-i", "0.2", target).stdout
    lines, events, _ = listener.stop()
    times = {int(seq): float(ms) * 1e6 for seq, ms in re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms", said)}
    reply = 0 if version == 4 else 129
    rtts = {event.echo_seq: event.rtt_ns for event in of(events, "icmp") if event.type == reply}
    result(sorted(times) == sorted(rtts) == [1, 2, 3, 4, 5] and all(0 < rtts[seq] <= times[seq] + 1000 for seq in times),
           f"ping to {target}: every reply, its sequence and a round trip below what ping saw", f"{times} {rtts} {said[-200:]}")
    words = "ICMP echo re" if version == 4 else "ICMP6, echo re"
    result(sum(words in line and f"seq {seq}, length 64" in line for line in lines for seq in range(1, 6)) == 10,
           f"ping to {target}: a line for each echo and each reply", "\n".join(lines[:20]))
    echoes = [event for event in of(events, "packet") if ("echo request" in event.info or "echo reply" in event.info)]
    result(len(echoes) == 10 and all(event.payload_len == 64 for event in echoes), f"ping to {target}: ten packets of 64 bytes")


def check_curl(folder):
    page = os.path.join(folder, "page")
    with open(page, "wb") as file:
        file.write(os.urandom(300000))
    server = subprocess.Popen(["nsenter", f"--net=/run/netns/{RIGHT}", sys.executable, "-m", "http.server", "--bind", THERE, str(PORT),
                               "--directory", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until and f":{PORT:04X} " not in inside(RIGHT, "cat", "/proc/net/tcp").stdout:
            time.sleep(0.1)
        listener = Listener(folder)
        said = inside(LEFT, "curl", "-s", "-o", "/dev/null", "-w",
                      "%{http_code} %{local_port} %{remote_port} %{size_header} %{size_download} %{size_request}",
                      f"http://{THERE}:{PORT}/page").stdout
        lines, events, _ = listener.stop()
    finally:
        server.kill()
        server.wait()
    status, local, remote, header, size, request = map(int, said.split())
    packets = [event for event in of(events, "packet") if event.ip_proto == 6]
    to = [event for event in packets if (event.src.port, event.dst.port) == (local, remote)]
    back = [event for event in packets if (event.src.port, event.dst.port) == (remote, local)]
    result(status == 200 and len(to) + len(back) == len(packets) > 6 and {event.protocol for event in packets} == {"tcp"},
           f"curl: every packet has its ports, {local} and {remote}", said)
    result(sum(event.payload_len for event in back) == header + size == sum(event.payload_len for event in back if event.tcp_flags & 0x10) and
           sum(event.payload_len for event in to) == request,
           f"curl: {header + size} bytes one way and {request} the other, as it says", f"{said}: {sum(e.payload_len for e in back)}")
    flags = [event.tcp_flags & 0x17 for event in packets]
    result(flags[:3] == [0x02, 0x12, 0x10] and to[0].tcp_seq + 1 == back[0].tcp_ack and any(f & 1 for f in flags),
           "curl: the connection begins with SYN, SYN ACK, ACK and ends with FIN", str(flags))
    result(sum("Flags [S]" in line for line in lines) == 1 and sum(f" {HERE}.{local} > {THERE}.{remote}: Flags [" in line for line in lines)
           == len(to), "curl: a line for each packet", "\n".join(lines[:5]))


class Names(threading.Thread):
    """Answers A questions on port 53 of the other namespace: 192.0.2.N for N answers; NXDOMAIN for names that begin with no."""

    def __init__(self):
        super().__init__(daemon=True)
        ready = threading.Event()
        self.ready = ready
        self.start()
        ready.wait(10)

    def run(self):
        with open(f"/run/netns/{RIGHT}", "rb") as ns:
            import ctypes
            ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), 0x40000000)  # this thread alone
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((THERE, 53))
        self.ready.set()
        while True:
            question, peer = sock.recvfrom(2048)
            end = question.index(b"\0", 12) + 5
            missing = question[13:15] == b"no"
            count = 0 if missing else 2
            answers = b"".join(b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 60 + n, 4) + bytes([192, 0, 2, n]) for n in range(1, count + 1))
            time.sleep(0.02)
            sock.sendto(question[:2] + (b"\x81\x83" if missing else b"\x81\x80") + struct.pack(">HHHH", 1, count, 0, 0) + question[12:end] +
                        answers, peer)


def check_dig(folder):
    Names()
    listener = Listener(folder)
    said = [inside(LEFT, "dig", "@" + THERE, "+noedns", "+tries=1", name, "A").stdout for name in ("www.example.com", "nothing.example.com")]
    lost = inside(LEFT, "dig", "@" + THERE6, "+tries=1", "+timeout=1", "+noedns", "silent.example.com", "AAAA").stdout
    lines, events, log = listener.stop()
    found = [(dns.qname, dns.id, dns.rcode, [text[2:] for text in dns.answers], dns.answered) for dns in of(events, "dns")]
    want = []
    for text in said:
        ident, = re.findall(r"id: (\d+)", text) or ["0"]
        status, = re.findall(r"status: (\w+)", text) or [""]
        want.append((re.findall(r"^;(\S+)\.\s+IN", text, re.M)[0], int(ident), {"NOERROR": 0, "NXDOMAIN": 3}.get(status),
                     re.findall(r"^\S+\s+\d+\s+IN\s+A\s+(\S+)", text, re.M), True))
    result(len(want) == 2 and found[:2] == want and want[0][3] == ["192.0.2.1", "192.0.2.2"],
           "dig: name, id, status and addresses of each answer", f"{found} {want}")
    spent = [int(ms) for text in said for ms in re.findall(r"Query time: (\d+) msec", text)]
    rtts = [dns.rtt_ns for dns in of(events, "dns") if dns.answered]
    # the server waits 20 ms; dig begins to count when it has sent, which may be late on a loaded machine
    result(len(spent) == len(rtts) == 2 and all(20e6 <= rtt <= (ms + 20) * 1e6 for rtt, ms in zip(rtts, spent)),
           "dig: the time of each answer", f"{rtts} {spent}")
    result("silent" in lost and [item for item in found[2:] if item[0] == "silent.example.com" and not item[4]] != [],
           "dig: a question without an answer is one too", f"{found}")
    result(sum(f"{want[0][1]} 2/0/0 A 192.0.2.1, A 192.0.2.2" in line for line in lines) == 1 and
           sum(f"{want[0][1]}+ A? www.example.com." in line for line in lines) == 1, "dig: a line for a question and its answer",
           "\n".join(lines[:8]))
    result("NOT balanced" not in log and re.search(r"^dns +message", log, re.M) and "packets captured" in log,
           "the ledger adds up, and tcpdump's numbers are there", log[-600:])


def check_stats(folder):
    listener = Listener(folder, "--stats", "1")
    said = inside(LEFT, "ping", "-n", "-q", "-c", "30", "-i", "0.1", "-s", "972", THERE).stdout
    time.sleep(1.2)
    lines, events, _ = listener.stop()
    reports, talkers = of(events, "traffic"), of(events, "talker")
    rows = [row for report in reports for row in report.rows if row.key == "proto/icmp"]
    result("30 received" in said and len(reports) >= 3 and (sum(row.packets for row in rows), sum(row.bytes for row in rows)) == (60, 60 * 1014),
           f"{len(reports)} reports of a second each: 60 packets of ICMP, 1014 bytes each", f"{said[-200:]} {rows}")
    result(all(0.8e9 < report.ts_end_ns - report.ts_start_ns < 5e9 for report in reports[:-1]), "a report covers about a second")
    sums = {key: sum(t.bytes for report in talkers if report.key == which for t in report.talkers if t.key == key)
            for which, key in ((1, HERE), (2, THERE), (1, THERE))}
    result(set(sums.values()) == {30 * 1000}, "talkers by source and destination: 30 packets of 1000 IP bytes each way", str(sums))
    result(sum(" traffic " in line for line in lines) == len(reports) and any("talkers by source" in line and HERE in line for line in lines),
           "reports are lines too", "\n".join(lines[-4:]))


def wire():
    for ns in (LEFT, RIGHT):
        if subprocess.run(["ip", "netns", "add", ns], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            return False
    subprocess.run(["ip", "link", "add", "wire0", "netns", LEFT, "type", "veth", "peer", "name", "wire1", "netns", RIGHT], check=True)
    for ns, link, ip, ip6 in (LEFT, "wire0", HERE, HERE6), (RIGHT, "wire1", THERE, THERE6):
        inside(ns, "sysctl", "-qw", f"net.ipv6.conf.{link}.accept_dad=0")
        inside(ns, "ip", "addr", "add", ip + "/24", "dev", link)
        inside(ns, "ip", "addr", "add", ip6 + "/64", "dev", link, "nodad")
        inside(ns, "ip", "link", "set", link, "up")
    time.sleep(1)
    return True


missing = [tool for tool in ("ip", "ping", "curl", "dig") if not shutil.which(tool)]
if missing:
    print(f"skip - first look, live: no {', '.join(missing)}")
    sys.exit(0)
try:
    from events_io import Schema
except ImportError:
    print("skip - first look, live: google.protobuf is missing for /usr/bin/python3")
    sys.exit(0)
try:
    if not wire():
        print("skip - first look, live: no right to make a namespace")
        sys.exit(0)
    with tempfile.TemporaryDirectory() as scratch:
        check_ping(scratch, THERE, 4)
        check_ping(scratch, THERE6, 6)
        check_curl(scratch)
        check_dig(scratch)
        check_stats(scratch)
finally:
    for namespace in (LEFT, RIGHT):
        subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL, check=False)
sys.exit(bool(failures))
