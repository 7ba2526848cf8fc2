"""Captures read, edited and written by the tests alone: pcap and pcapng in, frames of known feeds, pcap out."""
import collections
import struct

Frame = collections.namedtuple("Frame", "ts data")
# what the header of a feed packet says: count is in the units that are numbered (messages, or the packet itself)
Head = collections.namedtuple("Head", "session seq count kind sent")
DATA, HEARTBEAT, END = "data", "heartbeat", "end"


def read_pcap(raw):
    order = "<" if raw[0] in (0xd4, 0x4d) else ">"
    scale = 1 if 0x4d in (raw[0], raw[3]) else 1000
    at = 24
    while at < len(raw):
        seconds, fraction, caplen, _ = struct.unpack_from(order + "IIII", raw, at)
        yield Frame(seconds * 10**9 + fraction * scale, raw[at + 16:at + 16 + caplen])
        at += 16 + caplen


def read_pcapng(raw):
    at, units = 0, []
    order = "<" if raw[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    while at < len(raw):
        kind, total = struct.unpack_from(order + "II", raw, at)
        body = raw[at + 8:at + total - 4]
        if kind == 1:
            units.append(10**6)
            option = 8
            while option + 4 <= len(body):
                code, length = struct.unpack_from(order + "HH", body, option)
                if code == 9:
                    units[-1] = 2**(body[option + 4] & 127) if body[option + 4] & 128 else 10**body[option + 4]
                option += 4 + (length + 3) // 4 * 4
        elif kind == 6:
            interface, high, low, caplen, _ = struct.unpack_from(order + "IIIII", body)
            yield Frame((high << 32 | low) * 10**9 // units[interface], body[20:20 + caplen])
        at += total


def read(path):
    with open(path, "rb") as file:
        raw = file.read()
    return list((read_pcapng if raw[:4] == b"\x0a\x0d\x0d\x0a" else read_pcap)(raw))


def pcap(frames, link=1):
    """The bytes of a capture with ns time stamps."""
    out = [struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, link)]
    for ts, data in frames:
        out += struct.pack("<IIII", ts // 10**9, ts % 10**9, len(data), len(data)), data
    return b"".join(out)


def write(path, frames):
    with open(path, "wb") as file:
        file.write(pcap(frames))


def udp(data):
    """(destination, port, payload) of a frame, or None."""
    at = 12
    while data[at:at + 2] == b"\x81\x00":
        at += 4
    ip = data[at + 2:]
    if data[at:at + 2] != b"\x08\x00" or ip[9] != 17:
        return None
    head = (ip[0] & 15) * 4
    port, length = struct.unpack_from(">HH", ip, head + 2)
    return ".".join(map(str, ip[16:20])), port, ip[head + 8:head + length]


def mold_head(payload):
    session, seq, count = struct.unpack_from(">10sQH", payload)
    kind = {0: HEARTBEAT, 0xffff: END}.get(count, DATA)
    return Head(session.decode().strip(), seq, count if kind == DATA else 0, kind, 0)


def cme_head(payload):
    seq, sent = struct.unpack_from("<IQ", payload)
    return Head("", seq, 1, DATA, sent)


def iex_head(payload):
    session, length, count, _, first, sent = struct.unpack_from("<IHHqqQ", payload, 8)
    return Head(str(session), first, count, DATA if length else HEARTBEAT, sent)
