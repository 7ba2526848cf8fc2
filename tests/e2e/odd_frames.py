#!/usr/bin/python3
"""Makes frames odd: tagged, tagged twice, jumbo, fragmented, cut short, with wrong check sums.

usage: odd_frames.py IN.pcap OUT.pcap [KIND]      KIND: left out; IN: little-endian pcap of untagged Ethernet"""
import struct
import sys

KINDS = ["as it is", "802.1Q", "802.1ad and 802.1Q", "IP check sum", "UDP or TCP check sum", "fragments", "cut short", "two tags of 802.1Q", "IP length too long",
         "UDP length too short", "cut inside the IP header"]


def checksum(header):
    total = sum(struct.unpack(">%dH" % (len(header) // 2), header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack(">H", ~total & 0xffff)


def ip(header, **changed):
    """An IPv4 header with other fields and a right check sum."""
    header = bytearray(header)
    for at, value in changed.values():
        header[at:at + 2] = struct.pack(">H", value)
    header[10:12] = b"\0\0"
    header[10:12] = checksum(bytes(header))
    return bytes(header)


def flip(frame, at):
    return frame[:at] + bytes((frame[at] ^ 0x55,)) + frame[at + 1:]


def odd(kind, frame):
    """The frames that come instead of an untagged IPv4 frame without IP options."""
    ether, header, body = frame[:14], frame[14:34], frame[34:]
    if kind == "802.1Q":
        return [frame[:12] + bytes((0x81, 0, 0x20, 77)) + frame[12:]]
    if kind == "802.1ad and 802.1Q":
        return [frame[:12] + bytes((0x88, 0xa8, 0, 5, 0x81, 0, 0x20, 77)) + frame[12:]]
    if kind == "two tags of 802.1Q":
        return [frame[:12] + bytes((0x81, 0, 0, 5, 0x81, 0, 0x20, 78)) + frame[12:]]
    if kind == "IP check sum":
        return [flip(frame, 24)]
    if kind == "UDP or TCP check sum":
        return [flip(frame, 40 if header[9] == 17 else 50)]
    if kind == "fragments" and len(body) > 40:
        return [ether + ip(header, length=(2, 52), flags=(6, 0x2000)) + body[:32],
                ether + ip(header, length=(2, 20 + len(body) - 32), flags=(6, 4)) + body[32:]]
    if kind == "cut short" and len(body) > 40:
        return [frame[:len(frame) - 20]]
    if kind == "IP length too long":
        return [ether + ip(header, length=(2, len(frame))) + body]
    if kind == "UDP length too short" and header[9] == 17:
        return [ether + header + body[:4] + struct.pack(">H", 5) + body[6:]]
    if kind == "cut inside the IP header":
        return [frame[:30]]
    return [frame]


def jumbo(frames):
    """Joins MoldUDP64 packets of one line, up to 60 that follow each other, into large ones."""
    waiting = []

    def joined():
        (when, first), rest = waiting[0], [f for _, f in waiting[1:]]
        count = sum(int.from_bytes(f[60:62], "big") for _, f in waiting)
        payload = first[42:60] + struct.pack(">H", count) + first[62:] + b"".join(f[62:] for f in rest)
        waiting.clear()
        return when, first[:14] + ip(first[14:34], length=(2, 28 + len(payload))) + first[34:38] + struct.pack(">HH", 8 + len(payload), 0) + payload

    for when, frame in frames:
        if frame[30:34] != bytes((233, 54, 12, 111)):
            yield when, frame
            continue
        count = int.from_bytes(frame[60:62], "big")
        if waiting and (count in (0, 0xffff) or len(waiting) == 60 or sum(len(f) for _, f in waiting) + len(frame) > 8900):
            yield joined()
        if count in (0, 0xffff):  # heartbeat, end of session
            yield when, frame
        else:
            waiting.append((when, frame))
    if waiting:
        yield joined()


def frames_of(raw):
    at = 24
    while at < len(raw):
        size = int.from_bytes(raw[at + 8:at + 12], "little")
        yield raw[at:at + 8], raw[at + 16:at + 16 + size]
        at += 16 + size


def main(source, target, without=""):
    with open(source, "rb") as file:
        raw = file.read()
    out = [raw[:24]]
    for number, (when, frame) in enumerate(jumbo(frames_of(raw))):
        # runs of plain frames between, so that channels do not stay without a start
        kind = KINDS[number // 4 % len(KINDS)] if number % 4 == 3 else KINDS[0]
        kind = KINDS[0] if kind == without else kind
        for changed in odd(kind, frame):
            out += when, len(changed).to_bytes(4, "little") * 2, changed
    with open(target, "wb") as file:
        file.write(b"".join(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
