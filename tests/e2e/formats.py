"""The same packets in every capture format, and the same messages in every message file format. Standard library alone."""
import gzip
import struct


def pcap(frames, link=1, order="<", ns=True):
    out = [struct.pack(order + "IHHiIII", 0xa1b23c4d if ns else 0xa1b2c3d4, 2, 4, 0, 0, 262144, link)]
    for ts, data in frames:
        out += struct.pack(order + "IIII", ts // 10**9, ts % 10**9 // (1 if ns else 1000), len(data), len(data)), data
    return b"".join(out)


def pcapng(frames, link=1, order="<", resolutions=(9,), extra=False, sections=1):
    """resolutions: if_tsresol of each interface, which take turns. extra: also comments and blocks of other kinds."""
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)

    def option(code, value):
        return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)

    ticks = [2**(r & 127) if r & 128 else 10**r for r in resolutions]
    frames = list(frames)
    out = []
    for section in range(sections):
        out.append(block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1) +
                         (option(1, b"converted by a test") + option(0, b"") if extra else b"")))
        for resolution in resolutions:
            out.append(block(1, struct.pack(order + "HHI", link, 0, 262144) + option(9, bytes([resolution])) + option(0, b"")))
        part = frames[len(frames) * section // sections:len(frames) * (section + 1) // sections]
        for n, (ts, data) in enumerate(part):
            interface = n % len(resolutions)
            at = -(-ts * ticks[interface] // 10**9)  # the first tick that is not before
            out.append(block(6, struct.pack(order + "IIIII", interface, at >> 32, at & 0xffffffff, len(data), len(data)) +
                             data + b"\0" * (-len(data) % 4) + (option(2, b"\0\0\0\0") + option(0, b"") if extra else b"")))
            if extra and n % 100 == 0:
                out.append(block(5, struct.pack(order + "III", interface, 0, 0)))     # statistics
                out.append(block(0x0bad, b"of somebody else's kind"))
    return b"".join(out)


def gz(data, members=1):
    """members: gzip files may stand behind each other."""
    cut = [data[len(data) * i // members:len(data) * (i + 1) // members] for i in range(members)]
    return b"".join(gzip.compress(part, 1) for part in cut)


def captures(frames, link=1):
    """(name, bytes, whether times are whole microseconds)."""
    frames = list(frames)
    plain = pcap(frames, link)
    yield "pcap ns", plain, False
    yield "pcap ns, big-endian", pcap(frames, link, ">"), False
    yield "pcap us", pcap(frames, link, ns=False), True
    yield "pcap us, big-endian", pcap(frames, link, ">", False), True
    yield "pcapng ns", pcapng(frames, link), False
    yield "pcapng ns, big-endian", pcapng(frames, link, ">"), False
    yield "pcapng, interfaces of 1e-9, 1e-10 and 2^-33 s", pcapng(frames, link, resolutions=(9, 10, 0x80 | 33)), False
    yield "pcapng, two sections, other blocks between", pcapng(frames, link, extra=True, sections=2), False
    yield "pcapng us", pcapng([(ts // 1000 * 1000, d) for ts, d in frames], link, resolutions=(6,)), True
    yield "pcap.gz", gz(plain), False
    yield "pcap.gz of three members", gz(plain, 3), False
    yield "pcapng.gz", gz(pcapng(frames, link)), False


def message_files(binaryfile):
    """(name, bytes) of the messages of a BinaryFILE."""
    yield "BinaryFILE", binaryfile
    yield "BinaryFILE with an end mark", binaryfile + b"\0\0"
    yield "BinaryFILE.gz", gz(binaryfile)
    out, at = [], 0
    while at < len(binaryfile):
        size = binaryfile[at] << 8 | binaryfile[at + 1]
        out += b"\0\0", binaryfile[at + 2:at + 2 + size]
        at += 2 + size
    yield "messages without lengths", b"".join(out)
