#!/usr/bin/python3
"""Wrong input of every kind: the program says what, where and what to do, or counts it by name; it never falls over.

usage: test_wrong_input.py [BUILD]; without BUILD the one with sanitizers (build-asan), if it is there.
Of every run: an exit status that --help lists, no report of a sanitizer, a ledger that balances; what was decoded before
the damage is in the output. Captures under $PCAP_CORPUS are read too: whatever is in them, none may be a fault."""
import collections
import concurrent.futures
import glob
import gzip
import json
import os
import random
import re
import struct
import subprocess
import sys
import tarfile
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
corpus = os.path.join(os.environ.get("PCAP_CORPUS", os.path.join(root, "..", "shared", "data")))
asan = os.path.join(root, "build-asan", "pkt-sniffer")
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build-asan" if os.path.exists(asan) else "build")
sniffer = os.path.join(build, "pkt-sniffer")
sys.path.insert(0, here)
import captures as cap
from support import failures, result

FAULT = re.compile(r"Sanitizer|runtime error:|does not add up|NOT balanced|DIFFERENCE|CHECK|did not come back")
ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:exitcode=99", UBSAN_OPTIONS="print_stacktrace=1:exitcode=99")
PROTOCOL = {"itch50": ("233.54.12.111", 26477, cap.mold_head), "cme_mdp3": ("224.0.31.1", 14310, cap.cme_head),
            "iex_tops": ("224.0.0.5", 10378, cap.iex_head), "iex_deep": ("224.0.0.6", 10379, cap.iex_head)}


class Run:
    """One run of the program. why: what is wrong with it, whatever the input was."""

    def __init__(self, *options, stdin=None, prefix=(), out=None, ledger=True):
        done = subprocess.run([*prefix, sniffer, *options], input=stdin, stdout=out or subprocess.DEVNULL,
                              stderr=subprocess.PIPE, env=ENV, timeout=60, check=False)
        self.status, self.said = done.returncode, done.stderr.decode(errors="replace")
        self.drops = collections.Counter()
        for line in self.said.splitlines():
            words = line.split()
            if len(words) > 2 and words[1] == "dropped:":
                self.drops[words[2]] += int(words[0])
        self.why = ""
        if self.status not in (0, 1, 2, 3):
            self.why = f"exit status {self.status}: {self.said[-1500:]}"
        elif FAULT.search(self.said):
            self.why = self.said[-1500:]
        elif ledger and self.status == 0 and self.said.count(" balanced") < 9:
            self.why = f"no ledger: {self.said[-500:]}"
        elif self.status and " error " not in self.said and "pkt-sniffer: " not in self.said:
            self.why = f"status {self.status} without a word of why"

    def expect(self, text, status, *says):
        why = self.why
        if not why and self.status != status:
            why = f"exit status {self.status}, expected {status}: {self.said[-500:]}"
        missing = [s for s in says if s not in self.said]
        if not why and missing:
            why = f"not said: {missing}: {self.said[-700:]}"
        result(not why, text, why)
        return self


def events(path):
    """What a JSON file holds, without what is of the run; reports are left out."""
    out = []
    with open(path) as file:
        for line in file:
            event = json.loads(line)
            if "ledger" not in event and "latency" not in event:
                event.pop("boot_id", None)
                out.append(event)
    return out


class Files:
    """Damaged captures: a good one of each format, decoded once, then spoiled."""

    def __init__(self, folder):
        self.out = os.path.join(folder, "out.json")
        self.folder = folder
        self.whole = {}

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def decode(self, data, name="input", *options, stdin=None):
        where = "-" if stdin is not None else self.write(name, data)
        if os.path.exists(self.out):
            os.remove(self.out)
        run = Run("-r", where, "-o", "json:" + self.out, *options, stdin=stdin)
        run.events = events(self.out) if os.path.exists(self.out) else []
        return run

    def good(self, name, data, *options):
        run = self.decode(data, name, *options)
        self.whole[name] = run.events
        result(not run.why and run.status == 0 and len(run.events) > 20, f"{name}: {len(run.events)} events",
               run.why or run.said)

    def spoiled(self, name, text, data, says, *options, status=2):
        """The events are the first of the whole file's, not all of them."""
        run = self.decode(data, name, *options).expect(f"{name} {text}: {says}", status, name, says)
        n = len(run.events)
        whole = self.whole[name]
        same = n > 0 and closed(run.events, whole)
        result(same and n < len(whole), f"{name} {text}: {n} of {len(whole)} events, those before it")
        piped = self.decode(data, name, *options, stdin=data)
        result(piped.status == status and says in piped.said and len(piped.events) == n and not piped.why,
               f"{name} {text}: the same through a pipe", f"{piped.status} {len(piped.events)} {piped.why or piped.said[-300:]}")


def closed(made, whole):
    """Whether made is whole up to a point, each stream for itself."""
    streams = collections.defaultdict(list)
    for event in whole:
        streams[event["stream"]].append(event)
    mine = collections.defaultdict(list)
    for event in made:
        mine[event["stream"]].append(event)
    return all(e == streams[s][:len(e)] for s, e in mine.items())


def blocks(raw):
    at = 0
    while at < len(raw):
        kind, total = struct.unpack_from("<II", raw, at)
        yield at, kind, total
        at += total


def pcapng_of(frames):
    out = [struct.pack("<IIIHHqI", 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0, -1, 28),
           struct.pack("<IIHHIHHB3xII", 1, 32, 1, 0, 262144, 9, 1, 9, 0, 32)]
    for ts, data in frames:
        room = (len(data) + 3) // 4 * 4
        out.append(struct.pack("<IIIIIII", 6, 32 + room, 0, ts >> 32, ts & 0xffffffff, len(data), len(data)) +
                   data.ljust(room, b"\0") + struct.pack("<I", 32 + room))
    return b"".join(out)


def check_files(folder):
    files = Files(folder)
    sim, binary = os.path.join(folder, "sim.pcap"), os.path.join(folder, "sim.bin")
    subprocess.run([os.path.join(build, "feed-sim"), "--quiet", "--instruments", "3", "--messages", "1000", "--seed", "21",
                    "--pcap", sim, "--binaryfile", binary], check=True, timeout=60)
    frames = cap.read(sim)
    pcap, ng = cap.pcap(frames), pcapng_of(frames)
    with open(binary, "rb") as file:
        bodies = file.read()
    packed = gzip.compress(pcap, mtime=0)
    for name, data in (("day.pcap", pcap), ("day.pcapng", ng), ("day.pcap.gz", packed), ("day.bin", bodies)):
        files.good(name, data)
    records = [24]
    for _, data in frames:
        records.append(records[-1] + 16 + len(data))
    middle = records[len(records) // 2]
    files.decode(b"", "empty.pcap").expect("empty file", 2, "empty.pcap: is empty", "check where it comes from")
    files.decode(b"", stdin=b"").expect("empty standard input", 2, "standard input: is empty")
    files.decode(b"this is a letter, not a capture\n" * 9, "letter.txt").expect("text", 2, "letter.txt", "no known format", "--format")
    files.decode(b"\x28\xb5\x2f\xfd" + bytes(90), "day.pcap.zst").expect("zstd", 2, "day.pcap.zst: cut short at byte 0 (unpacked)", "fetch the file again")
    os.mkdir(os.path.join(folder, "nothing"))
    Run("-r", os.path.join(folder, "nothing"), "-o", "null:").expect("an empty directory", 2, "nothing: no packet in it", "expected captures")
    for n, text in ((10, "in its header"), (middle + 7, "in a packet's header"), (middle + 40, "in a packet")):
        if n == 10:
            files.decode(pcap[:n], "cut.pcap").expect("pcap cut in its header", 2, "cut.pcap: cut short at byte 0", "fetch the file again")
        else:
            files.spoiled("day.pcap", f"cut {text}", pcap[:n], f"cut short at byte {middle}")
    files.spoiled("day.pcap", "with a packet of 4 GB", pcap[:middle + 8] + b"\xff" * 4 + pcap[middle + 12:], f"damaged at byte {middle}")
    at = [b for b, kind, _ in blocks(ng) if kind == 6][len(frames) // 2]
    total = struct.unpack_from("<I", ng, at + 4)[0]

    def put(where, value):
        return ng[:where] + struct.pack("<I", value) + ng[where + 4:]
    for text, data, says in (
            ("cut in a block", ng[:at + 30], "cut short at byte"), ("cut in a block's head", ng[:at + 5], "cut short at byte"),
            ("with a length of 13", put(at + 4, 13), "length 13"), ("with a length of 4 GB", put(at + 4, 0xfffffffc), "more than"),
            ("with two lengths that differ", put(at + total - 4, total + 4), "two lengths differ"),
            ("with an interface that is not described", put(at + 8, 7), "interface 7, but 1"),
            ("with a packet larger than its block", put(at + 20, total), "room for"),
            ("with a section of unknown byte order", ng[:at] + struct.pack("<IIIHHqI", 0x0a0d0d0a, 28, 0x11223344, 1, 0, -1, 28), "byte order mark"),
            ("with a section of version 9", ng[:at] + struct.pack("<IIIHHqI", 0x0a0d0d0a, 28, 0x1a2b3c4d, 9, 0, -1, 28), "version 9")):
        files.spoiled("day.pcapng", text, data, says)
    files.spoiled("day.pcap.gz", "cut", packed[:len(packed) * 3 // 4], "cut short")
    half = len(packed) // 2
    wrong = packed[:half] + bytes(b ^ 0x5a for b in packed[half:half + 40]) + packed[half + 40:]
    run = files.decode(wrong, "day.pcap.gz").expect("gzip with wrong bytes: said", 2, "damaged at byte")
    whole = sorted(files.whole["day.pcap.gz"], key=lambda e: int(e["ts_recv_ns"]))
    first = whole[:len(whole) // 3]  # some are wrong before zlib sees it
    result(all(e in run.events for e in first), "gzip with wrong bytes: the events before them are there")
    run = files.decode(packed[:-8] + b"\0\0\0\0" + packed[-4:], "day.pcap.gz").expect("gzip with a wrong checksum", 2, "incorrect data check")
    whole = files.whole["day.pcap.gz"]
    result(closed(run.events, whole) and len(run.events) == len(whole), "gzip with a wrong checksum: all events are there")
    files.spoiled("day.bin", "cut", bodies[:len(bodies) // 2 + 3], "cut short at byte")
    files.decode(cap.pcap(frames, 147), "other.pcap").expect("unknown link type: a named count", 0,
                                                             f"{len(frames)}  dropped: unknown_link_type")
    files.decode(cap.pcap(frames, 147), "other.pcap", "udp").expect("unknown link type under a filter", 1, "link type 147")
    return files, ng, frames


def check_random_damage(files, ng, rng):
    """Any byte may be wrong: the file is refused or read on, and the ledger balances."""
    worst, statuses = "", collections.Counter()
    for _ in range(80):
        data = bytearray(ng)
        for _ in range(rng.randrange(1, 20)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        run = files.decode(bytes(data))
        statuses[run.status] += 1
        worst = worst or run.why or ("" if run.status in (0, 2) else run.said[-500:])
    result(not worst and statuses[2] > 10, f"bytes changed at random in 80 files, exit status {dict(statuses)}", worst)


def rebuilt(frame, payload, ts):
    """The frame with another UDP payload, lengths and checksum right."""
    data = frame.data
    at = data.index(cap.udp(data)[2])
    head = bytearray(data[:at])
    ip = at - 8 - (20 if head[at - 28] == 0x45 else 24)
    struct.pack_into(">H", head, at - 4, 8 + len(payload))
    struct.pack_into(">H", head, at - 2, 0)
    struct.pack_into(">H", head, ip + 2, at - ip + len(payload))
    struct.pack_into(">H", head, ip + 10, 0)
    total = sum(struct.unpack(f">{(at - 8 - ip) // 2}H", head[ip:at - 8]))
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    struct.pack_into(">H", head, ip + 10, total ^ 0xffff)
    return cap.Frame(ts, bytes(head) + payload)


def numbered(protocol, payload, seq):
    """The payload under another sequence number. A prefix shorter than its header keeps its bytes."""
    where, fmt = {"itch50": (10, ">Q"), "cme_mdp3": (0, "<I")}.get(protocol, (24, "<q"))
    size = struct.calcsize(fmt)
    if len(payload) < where + size:
        return payload
    return payload[:where] + struct.pack(fmt, seq) + payload[where + size:]


def told(event):
    """What of an event the message alone decides."""
    for leg in event.get("definition", {}).get("legs", ()):
        leg.pop("symbol", None)  # known from earlier definitions
    return {k: v for k, v in event.items() if k not in ("ts_recv_ns", "seq", "flags", "event_no", "stream", "session")}


def sample_protocol(name, frame):
    for start, protocol in (("Cme.Mdp3", "cme_mdp3"), ("Iex.Tops", "iex_tops"), ("Iex.Deep", "iex_deep")):
        if name.startswith(start) and cap.udp(frame.data):
            return protocol
    return "itch50" if ".Equities.TotalView.Itch." in name else None


def check_prefixes(files):
    samples = sorted(glob.glob(os.path.join(corpus, "market", "samples", "*.pcap")))
    if not samples:
        print("skip - every prefix of each sample message: no captures (set PCAP_CORPUS)")
        return
    faults, cut, known = [], [], 0
    ts = 1700000000 * 10**9
    for path in samples:
        name, frames = os.path.basename(path), cap.read(path)
        protocol = sample_protocol(name, frames[0])
        cut += [cap.Frame(f.ts, f.data[:n]) for f in frames for n in range(len(f.data))]
        if not protocol:
            continue
        frame = frames[0]
        payload = cap.udp(frame.data)[2]
        whole = [told(e) for e in files.decode(cap.pcap([rebuilt(frame, payload, ts)]), "one", "--feed", protocol).events]
        # the whole message first, so that the channel knows its session; then each prefix, 100 numbers and 20 ms apart
        series = [rebuilt(frame, numbered(protocol, payload, 100), ts)]
        series += [rebuilt(frame, numbered(protocol, payload[:n], 100 * (n + 2)), ts + (n + 1) * 20_000_000)
                   for n in range(len(payload))]
        run = files.decode(cap.pcap(series), "series", "--feed", protocol)
        if run.why or run.status:
            faults.append(f"{name}: {run.why or run.said[-300:]}")
        by_number = collections.defaultdict(list)
        for event in run.events:
            if not {"gap", "unknown"} & set(event):
                by_number[int(event.get("seq", 0)) // 100].append(told(event))
        known += 1
        if by_number.pop(1, []) != whole or not whole and "Heartbeat" not in name:
            faults.append(f"{name}: the whole message gives other events in a series")
        for number, made in by_number.items():
            sub = [e for e in made if e.get("system", {}).get("code") != "CODE_SEQ_RESET"]
            if sub != whole[:len(sub)] or len(sub) >= len(whole) > 0 and protocol != "cme_mdp3":
                faults.append(f"{name}: prefix {number - 2} of {len(payload)} gives {sub[:2]} of {whole[:2]}")
                break
    run = files.decode(cap.pcap(cut))
    if run.why or run.status:
        faults.append(f"every sample cut at every byte: {run.why or run.said[-300:]}")
    result(not faults, f"{len(cut)} prefixes of {len(samples)} samples, {known} of them also with lengths that agree",
           "; ".join(faults[:4]))


def edited(files, frames, protocol, feed_lines, edit, every=10):
    """Frames with every tenth packet of the feed edited; (run, number of packets edited)."""
    out, n, seen = [], 0, 0
    for frame in frames:
        udp = cap.udp(frame.data)
        if udp and udp[:2] in feed_lines:
            seen += 1
            payload = edit(udp[2]) if seen % every == 0 and seen > every else None
            if payload is not None:
                n += 1
                frame = cap.Frame(frame.ts, frame.data[:-len(udp[2])] + payload if len(payload) == len(udp[2])
                                  else rebuilt(frame, payload, frame.ts).data)
        out.append(frame)
    options = [o for group, port in feed_lines for o in ("--feed", f"{protocol}@{group}:{port}")]
    return files.decode(cap.pcap(out), "lies.pcap", *options), n


def put(fmt, at, value):
    def edit(payload):
        if len(payload) < at + struct.calcsize(fmt):
            return None
        return payload[:at] + struct.pack(fmt, value) + payload[at + struct.calcsize(fmt):]
    return edit


def only(condition, edit):
    return lambda payload: edit(payload) if condition(payload) else None


def check_lies(files, sim):
    """Messages that say of themselves what is not so. The packets between them are decoded as if nothing were."""
    market = os.path.join(corpus, "market")
    sets = [("ITCH", sim, "itch50", [("233.54.12.111", 26477)], "itch",
             [("message count too large", only(lambda p: 0 < p[19] < 200, lambda p: p[:18] + struct.pack(">H", p[19] + 5) + p[20:]), "count_mismatch"),
              ("message count too small", only(lambda p: p[19] > 1, lambda p: p[:18] + b"\0\1" + p[20:]), "count_mismatch"),
              ("message count 65534", put(">H", 18, 65534), "count_mismatch"),
              ("length past the packet", put(">H", 20, 9999), "message_length"),
              ("length 0", put(">H", 20, 0), "message_length"),
              ("length below its type's", only(lambda p: len(p) > 24, lambda p: p[:20] + b"\0\5" + p[22:]), None),
              ("unknown type", only(lambda p: len(p) > 24, put("B", 22, ord("~"))), "unknown_type"),
              ("header cut short", lambda p: p[:13], "feed_header")])]
    if os.path.exists(os.path.join(market, "cme-mdp3-sbe-v1.6.pcapng")):
        cme = cap.read(os.path.join(market, "cme-mdp3-sbe-v1.6.pcapng"))[:3000]
        books = lambda p: len(p) > 40 and struct.unpack_from("<H", p, 16)[0] in (32, 42)
        sets.append(("CME", cme, "cme_mdp3", [("224.0.32.64", 15340)], "cme", [
            ("unknown template", put("<H", 16, 999), "unknown_type"), ("unknown schema", put("<H", 18, 77), "unknown_schema"),
            ("message size 0", put("<H", 12, 0), "message_length"), ("message size 65535", put("<H", 12, 65535), "message_length"),
            ("block length 65535", only(books, put("<H", 14, 65535)), "message_length"),
            ("block length 0", only(books, put("<H", 14, 0)), None),
            ("255 group entries", only(books, put("B", 22 + 11 + 2, 255)), "group_size"),
            ("group entries of 65535 bytes", only(books, put("<H", 22 + 11, 65535)), "group_size"),
            ("group entries of 0 bytes", only(books, put("<H", 22 + 11, 0)), None)]))
        iex = cap.read(os.path.join(market, "iex-tops-v1.6.part1.pcap"))[:3000]
        sets.append(("IEX", iex, "iex_tops", [("224.67.0.199", 16642)], "iex", [
            ("message count too large", put("<H", 14, 999), "count_mismatch"), ("message count 0", only(lambda p: len(p) > 40, put("<H", 14, 0)), "count_mismatch"),
            ("payload length too large", put("<H", 12, 9999), "feed_header"), ("payload length 0", only(lambda p: len(p) > 40, put("<H", 12, 0)), "count_mismatch"),
            ("message length past the packet", put("<H", 40, 9999), "message_length"),
            ("message length 0", put("<H", 40, 0), "message_length"), ("unknown type", put("B", 42, 1), "unknown_type")]))
    else:
        print("skip - lies in CME and IEX packets: no captures (set PCAP_CORPUS)")
    for name, frames, protocol, lines, _, lies in sets:
        base = edited(files, frames, protocol, lines, lambda p: None)[0]
        base_keys = {(e.get("seq"), json.dumps(told(e), sort_keys=True)) for e in base.events}
        for text, edit, reason in lies:
            run, n = edited(files, frames, protocol, lines, edit)
            why = run.why
            mine = {(e.get("seq"), json.dumps(told(e), sort_keys=True)) for e in run.events if not {"gap", "unknown"} & set(e)}
            told_of = sum("unknown" in e or "gap" in e for e in run.events) + sum(
                run.drops[r] for r in run.drops if r not in ("duplicate", "no_feed", "no_payload"))
            if not why and run.status != 0:
                why = f"exit status {run.status}"
            elif not why and reason and run.drops[reason] < n:
                why = f"{run.drops[reason]} dropped as {reason}: {dict(run.drops)}"
            elif not why and not told_of:
                why = "nothing tells of it"
            elif not why and len(base_keys & mine) < len(base_keys) * .6:
                why = f"{len(base_keys & mine)} events of {len(base_keys)} are left"
            result(not why and n > 5, f"{name} with {text} in {n} packets: {dict(run.drops) or 'an event'}", why)


def check_world(folder, sim):
    out = ("-r", sim, "-o")
    Run("-r", sim, "-o", "kafka://127.0.0.1:1/x?connect_ms=700").expect(
        "unreachable broker", 1, "127.0.0.1:1", "check the address or start it")
    Run(*out, f"file:{folder}/none/x.pb").expect("file in no folder", 1, f"{folder}/none/x.pb", "No such file", "check that its folder")
    Run(*out, "zmq://203.0.113.9:5556").expect("zmq on an address of another host", 1, "203.0.113.9:5556", "give an address of this host")
    root = os.geteuid() == 0  # without root, rights are what stands in the way first
    Run("nosuch0", "-o", "null:").expect("no such interface", 1, "nosuch0", "there are: " if root else "setcap")
    Run("-l", "0", "--no-pci", "--no-huge", "--no-shconf", "-m", "64", "--", "-i", "0000:99:00.0", "-o", "null:").expect(
        "no such DPDK port", 1, "0000:99:00.0", "--vdev" if root else "setcap")
    read, write = os.pipe()
    os.close(read)
    Run(*out, "json:-", out=write).expect("closed pipe under json:-", 1, "json:-", "the reader of the pipe went away", "write_failed")
    os.close(write)
    with subprocess.Popen(["head", "-n", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as head:
        Run("-r", sim, "--loop", "20", "-o", "json:-", out=head.stdin).expect("head under json:-", 1, "the reader of the pipe went away")
        head.stdin.close()
        line = head.stdout.read()
    result(bool(json.loads(line)), "head under json:-: the first line is an event")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
    if os.getuid() != 0 or subprocess.run([*nobody, "test", "-x", sniffer], check=False, stderr=subprocess.DEVNULL).returncode:
        print("skip - no rights: not root, or others may not run the program from here")
    else:
        Run("lo", "-o", "null:", prefix=nobody).expect("no right to capture", 1, "lo: ", "CAP_NET_RAW", "setcap")
        os.chmod(folder, 0o755)
        secret = os.path.join(folder, "secret.pcap")
        os.close(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600))
        Run("-r", secret, "-o", "null:", prefix=nobody).expect("no right to read the file", 1, secret, "Permission denied", "check the path and its rights")
        os.chmod(sim, 0o644)
        Run(*out, f"file:{folder}/x.pb", prefix=nobody).expect("no right to write the file", 1, "Permission denied", "may be written")
    if subprocess.run(["unshare", "-m", "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        print("skip - full disk: no right to mount")
        return
    small = os.path.join(folder, "small")
    os.mkdir(small)
    for kind in "file", "json":
        inside = ("unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=64k none {small} && \"$@\"; s=$?; cp {small}/x {folder}/full.{kind}; exit $s", "sh")
        run = Run("-r", sim, "-o", f"{kind}:{small}/x", prefix=inside).expect(
            f"full disk under {kind}:", 1, f"{small}/x", "No space left on device", "make room", "write_failed")
        left = re.search(r"^sink +event +\d+ +(\d+)", run.said, re.M)
        with open(f"{folder}/full.{kind}", "rb") as file:
            kept = file.read()
        whole = delimited(kept) if kind == "file" else [json.loads(line) for line in kept.splitlines()]
        result(left and len(whole) == int(left[1]) > 0, f"full disk under {kind}: the {len(whole)} events that were counted are in it",
               f"{left and left[1]} counted")


def delimited(data):
    at, out = 0, []
    while at < len(data):
        size = shift = 0
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if at + size > len(data):
            raise ValueError("an event is cut")
        out.append(data[at:at + size])
        at += size
    return out


def check_corpus(folder):
    """Everything that is there, a file a run: none is a fault, all balance."""
    paths = [p for pattern in ("net/**", "market/*") for p in glob.glob(os.path.join(corpus, pattern), recursive=True)
             if os.path.isfile(p) and re.search(r"\.(pcap|pcapng|cap|bin|fix|dat|pcap\.gz)$", p)]
    archive = os.path.join(corpus, "robust", "tcpdump-tests.tar.gz")
    if os.path.exists(archive):
        with tarfile.open(archive) as tar:
            tar.extractall(os.path.join(folder, "tar"))
        paths += [p for p in glob.glob(os.path.join(folder, "tar", "**"), recursive=True) if os.path.isfile(p)]
    if not paths:
        print("skip - every capture there is: no captures (set PCAP_CORPUS)")
        return

    def one(path):
        try:
            run = Run("-r", path, "-o", "null:")
        except subprocess.TimeoutExpired:
            return path, None, "takes longer than 60 s"
        return path, run.status, run.why or ("" if run.status in (0, 2) else run.said[-500:])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(one, paths))
    wrong = [f"{os.path.basename(path)}: {why}" for path, _, why in runs if why]
    statuses = dict(collections.Counter(status for _, status, _ in runs))
    result(not wrong and len(runs) > 50, f"{len(runs)} captures, exit status {statuses}", "; ".join(wrong[:3]))


def main():
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        files, ng, frames = check_files(folder)
        check_random_damage(files, ng, rng)
        check_lies(files, frames)
        check_prefixes(files)
        check_world(folder, os.path.join(folder, "sim.pcap"))
        check_corpus(folder)
    return bool(failures)


sys.exit(main())
