#!/usr/bin/python3
"""cme_json.py CAPTURE: what many write first: CME MDP 3.0 packets of a pcap file to a JSON line an entry, by struct. Knows the
incremental refresh of books and of trades, and steps over the rest. The measure of `bench/run.sh json`."""
import json
import struct
import sys

BOOK, TRADE = 32, 42
ENTRY, TRADES = struct.Struct("<qiiIiBBB5x"), struct.Struct("<qiiIiBBI2x")


def packets(path):
    with open(path, "rb") as file:
        data = file.read()
    magic, = struct.unpack_from("<I", data)
    unit = 1 if magic == 0xa1b23c4d else 1000
    at = 24
    while at + 16 <= len(data):
        sec, frac, caplen, _ = struct.unpack_from("<IIII", data, at)
        yield sec * 1000000000 + frac * unit, data[at + 16:at + 16 + caplen]
        at += 16 + caplen


def main(path):
    out = sys.stdout.write
    for ts_recv_ns, frame in packets(path):
        ethertype, = struct.unpack_from(">H", frame, 12)
        if ethertype != 0x0800 or frame[23] != 17:
            continue
        at = 14 + (frame[14] & 15) * 4 + 8
        seq, sent = struct.unpack_from("<IQ", frame, at)
        at += 12
        while at + 10 <= len(frame):
            size, block, template, schema, version = struct.unpack_from("<HHHHH", frame, at)
            if size < 10:
                break
            if template in (BOOK, TRADE):
                body = at + 10
                time, = struct.unpack_from("<Q", frame, body)
                group = body + block
                length, = struct.unpack_from("<H", frame, group)
                layout = ENTRY if template == BOOK else TRADES
                for k in range(frame[group + 2]):
                    price, quantity, security, rpt, orders, a, b, c = layout.unpack_from(frame, group + 3 + k * length)
                    out(json.dumps({"ts_recv_ns": ts_recv_ns, "ts_send_ns": sent, "ts_event_ns": time, "seq": seq,
                                    "security": security, "rpt_seq": rpt, "price": price / 1e7, "size": quantity,
                                    "orders": orders, "level": a, "action": b, "type": c}) + "\n")
            at += size
    return 0


sys.exit(main(sys.argv[1]))
