#!/usr/bin/python3
"""DNS messages of every opcode, made here: each request joined with its answer as tshark says it, lines as tcpdump says them.

usage: test_dns.py [BUILD]"""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

from events import Program
from odd_frames import checksum
from support import failures, result

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
program = Program(os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build"))
CLIENT, SERVER = (bytes((10, 0, 0, 1)), 4242), (bytes((10, 0, 0, 2)), 53)
ZONE = b"\7example\3com\0" + struct.pack(">HH", 6, 1)  # SOA IN
ANSWERED, REFUSED = 0x8400, 0x8005
OURS = {"op6": "dso"}  # what tcpdump calls otherwise


def record(kind, data):
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


def frame(source, target, message):
    udp = struct.pack(">4H", source[1], target[1], 8 + len(message), 0) + message
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + source[0] + target[0]
    return bytes(12) + b"\x08\0" + head[:10] + checksum(head) + head[12:] + udp


def messages():
    """Of each opcode a request and its answer; one id for a query and an update that wait at a time; a notify without answer."""
    address, serial = record(1, bytes((192, 0, 2, 1))), record(6, b"\2ns\xc0\x0c\4root\xc0\x0c" + struct.pack(">5I", 7, 1, 2, 3, 4))
    bodies = {1: ((0, 1, 0), b"\0" + address[2:]), 2: ((0, 0, 0), b""), 4: ((1, 1, 0), ZONE + serial), 5: ((1, 1, 1), ZONE + address + address),
              6: ((0, 0, 0), struct.pack(">HHII", 1, 8, 0, 60000))}
    for opcode in range(16):
        (questions, answers, authorities), body = bodies.get(opcode, ((1, 0, 0), ZONE))
        head = lambda ident, flags, *counts: struct.pack(">6H", ident, flags | opcode << 11, *counts, 0)
        yield frame(CLIENT, SERVER, head(opcode + 1, 0x100 if opcode == 0 else 0, questions, answers, authorities) + body)
        yield frame(SERVER, CLIENT, head(opcode + 1, REFUSED if opcode == 5 else ANSWERED, questions, 0, 0) + (ZONE if questions else b""))
    asks = [frame(CLIENT, SERVER, struct.pack(">6H", 99, opcode << 11, 1, 0, 0, 0) + ZONE) for opcode in (0, 5)]
    yield from asks
    yield frame(SERVER, CLIENT, struct.pack(">6H", 99, ANSWERED | 5 << 11, 1, 0, 0, 0) + ZONE)
    yield frame(SERVER, CLIENT, struct.pack(">6H", 99, ANSWERED, 1, 0, 0, 0) + ZONE)
    yield frame(CLIENT, SERVER, struct.pack(">6H", 100, 4 << 11, 1, 0, 0, 0) + ZONE)


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60, check=True).stdout.splitlines()


def wanted(capture):
    """(opcode, id, flags, rcode, name, type, answered, ns) of each transaction, from tshark's messages."""
    asked, found = {}, []
    columns = "frame.time_relative", "dns.flags.response", "dns.flags.opcode", "dns.id", "dns.flags", "dns.flags.rcode", "dns.qry.name", "dns.qry.type"
    for line in output("tshark", "-r", capture, "-T", "fields", *[word for column in columns for word in ("-e", column)]):
        at, response, opcode, ident, flags, rcode, name, kind = line.split("\t")
        facts = [int(opcode), int(ident, 16), int(flags, 16), int(rcode or 0), name, int(kind or 0)]
        if response in ("1", "True"):
            found.append((*facts, True, round(1e9 * (float(at) - asked.pop((opcode, ident))[0]))))
        else:
            asked[opcode, ident] = float(at), facts
    return found + [(*facts, False, 0) for _, facts in asked.values()]


def word(line):
    """"op3", "notify": what stands behind the id of a message, "" for a query."""
    said = re.search(r": \d+(?: (inv_q|stat|notify|update|dso|op\d+))?[ +*%$|-]", line)
    return said and said.group(1) or ""


def test(folder):
    capture, events = os.path.join(folder, "dns.pcap"), os.path.join(folder, "dns.pb")
    with open(capture, "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for number, data in enumerate(messages()):
            file.write(struct.pack("<4I", 1700000000, 100 * number ** 2, len(data), len(data)) + data)
    program.run("-r", capture, "--events", "net", "-o", "file:" + events)
    got = [(d.opcode, d.id, d.flags, d.rcode, d.qname, d.qtype, d.answered, d.rtt_ns)
           for _, event in program.events(events) if event.WhichOneof("payload") == "dns" for d in [event.dns]]
    want = wanted(capture)
    result(len(want) == 19 and got == want, "a transaction for each request, as tshark has them, whatever is asked for",
           [(a, b) for a, b in zip(got, want) if a != b] or (len(got), len(want)))
    lines, theirs = output(program.path, "-r", capture), output("tcpdump", "-nn", "-r", capture)
    ours, theirs = [word(line) for line in lines], [word(line) for line in theirs]
    apart = [(a, b) for a, b in zip(ours, theirs) if a != OURS.get(b, b) and b]
    result(len(ours) == len(theirs) == 37 and not apart and {"inv_q", "stat", "op3", "notify", "update", "dso", "op7", "op15"} <= set(ours),
           "lines name what is asked for, in requests and answers, as tcpdump's do", apart or sorted(set(ours)))
    result(ours[:2] == ["", ""] and ours.count("notify") == 3 and ours.count("update") == 4 and ours.count("dso") == 2, "and nothing for a query", ours)


for tool in "tshark", "tcpdump":
    if not shutil.which(tool):
        print(f"skip - dns: no {tool}")
        sys.exit(0)
with tempfile.TemporaryDirectory(prefix="dns.") as scratch:
    test(scratch)
sys.exit(bool(failures))
