#!/usr/bin/env python3
"""Receives what feed-sim sends live, until the session has ended, and compares it with the files of the same run.

usage: sim_subscriber.py udp ADDRESS BINARYFILE   joins both groups on the interface that has ADDRESS
       sim_subscriber.py raw IFACE PCAP           reads whole frames
A line "ready" says that it listens."""
import select
import socket
import struct
import sys
import time

GROUPS = (("233.54.12.111", 26477), ("233.49.196.111", 26477))
QUIET_S = 10


def udp(address, path):
    sockets = {}
    for group, port in GROUPS:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        s.bind((group, port))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(address))
        sockets[s] = {"seq": 1, "messages": [], "late_ns": [], "ends": 0, "heartbeats": 0}
    print("ready", flush=True)
    while any(line["ends"] == 0 for line in sockets.values()):
        readable = select.select(list(sockets), [], [], QUIET_S)[0]
        if not readable:
            sys.exit("wrong: nothing came for %d s" % QUIET_S)
        for s in readable:
            line, packet = sockets[s], s.recv(2048)
            seq, count = struct.unpack(">QH", packet[10:20])
            if seq != line["seq"]:
                sys.exit("wrong: sequence %d instead of %d" % (seq, line["seq"]))
            if count in (0, 0xffff):
                line["heartbeats" if count == 0 else "ends"] += 1
                continue
            at = 20
            for _ in range(count):
                size = struct.unpack(">H", packet[at:at + 2])[0]
                line["messages"].append(packet[at + 2:at + 2 + size])
                at += 2 + size
            line["seq"] += count
    blob, at, messages = b"", 0, []
    for _ in range(50):  # the file is written when the program ends
        blob = open(path, "rb").read()
        if len(blob) >= sum(len(m) + 2 for line in list(sockets.values())[:1] for m in line["messages"]):
            break
        time.sleep(.1)
    while at < len(blob):
        size = struct.unpack(">H", blob[at:at + 2])[0]
        messages.append(blob[at + 2:at + 2 + size])
        at += 2 + size
    for line in sockets.values():
        if line["messages"] != messages or not line["heartbeats"]:
            sys.exit("wrong: %d messages received, %d in the file" % (len(line["messages"]), len(messages)))
    print("%d messages on each line, in order" % len(messages))


def raw(iface, path):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
    s.bind((iface, 0))
    s.settimeout(2)
    print("ready", flush=True)
    got = []
    try:
        while True:
            frame = s.recv(2048)
            if frame[6:10] == b"\2\0\0\0":  # not what the kernel itself sends, such as neighbour discovery
                got.append(frame)
            if not got[-1:]:
                s.settimeout(QUIET_S)
    except socket.timeout:
        pass
    blob, at, want = open(path, "rb").read(), 24, []
    while at < len(blob):
        size = struct.unpack("<I", blob[at + 8:at + 12])[0]
        want.append(blob[at + 16:at + 16 + size])
        at += 16 + size
    if got != want or not want:
        sys.exit("wrong: %d frames received, %d in the file" % (len(got), len(want)))
    print("%d frames, as in the capture" % len(got))


{"udp": udp, "raw": raw}[sys.argv[1]](*sys.argv[2:])
