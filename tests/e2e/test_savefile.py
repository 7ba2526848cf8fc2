#!/usr/bin/python3
"""What -w writes equals what came in, packet by packet, as other programs read it; a file that takes no more is said.

usage: test_savefile.py [BUILD]"""
import collections
import os
import subprocess
import sys
import tempfile

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
sniffer = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build", "pkt-sniffer")
corpus = os.environ.get("PCAP_CORPUS", os.path.join(root, "..", "shared", "data"))
CAPTURES = ["net/linktypes", "net/vlan_tunnel/zeek-http-qinq-0.pcap", "net/tcp/zeek-tcp-timestamp.pcap",
            "net/frag/ndpi-dns_fragmented.pcap", "market/cme-mdp3-sbe-v1.8-volume.pcap"]
MANY = "market/cme-mdp3-sbe-v1.6.pcapng"
# its nanoseconds are more than a second, which is carried over
LEFT_OUT = "tcpdump-timestamp_invalid_nano.pcap"
FIELDS = ["frame.number", "frame.time_epoch", "frame.cap_len", "frame.len", "frame.encap_type"]


def run(*args, **more):
    return subprocess.run([sniffer, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False, **more)


def table(path, *more):
    """A line a packet, as tshark reads the file: its number, time, lengths and link type, and its bytes in hex."""
    fields = [arg for field in FIELDS for arg in ("-e", field)]
    lines = subprocess.run(["tshark", "-n", "-r", path, "-T", "fields", *fields, *more], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True, timeout=60, check=False).stdout.splitlines()
    raw = subprocess.run(["tshark", "-n", "-r", path, "-x"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                         timeout=60, check=False).stdout.split("\n\n") if not more else []
    return lines, raw


def captures():
    for name in CAPTURES:
        path = os.path.join(corpus, name)
        files = [path] if os.path.isfile(path) else sorted(
            os.path.join(path, file) for file in os.listdir(path) if file.endswith((".pcap", ".pcapng")) and file != LEFT_OUT)
        yield from files[::2] or files


def equal(folder):
    out, same, packets, apart = os.path.join(folder, "out.pcapng"), 0, 0, []
    for path in captures():
        done = run("-q", "-r", path, "-w", out)
        want, got = table(path), table(out)
        if done.returncode != 0 or not want[0] or want != got or done.stdout:
            apart.append(f"{os.path.basename(path)}: status {done.returncode}, {len(got[0])} of {len(want[0])} packets "
                         f"{done.stderr[:200]}")
        same += want == got
        packets += len(got[0])
    result(not apart and same > 10, f"{packets} packets of {same} captures are written as they were, as tshark reads them",
           "; ".join(apart[:3]))


def workers(folder):
    path, out = os.path.join(corpus, MANY), os.path.join(folder, "workers.pcapng")
    run("-q", "-r", path, "-w", out, "--workers", "3")
    want, got = (collections.Counter(line.split("\t", 1)[1] for line in table(file)[0]) for file in (path, out))
    result(want == got and want.total() == 10000, "three workers write each packet once", f"{got.total()}")
    run("-q", "-r", path, "-w", out, "-c", "77", "udp")
    result(len(table(out)[0]) == 77, "with a filter and -c, what was taken is written")


def full(folder):
    """A limit on the size of files stands for a disk that is full."""
    path, out, shown = os.path.join(corpus, MANY), os.path.join(folder, "full.pcapng"), os.path.join(folder, "events")
    done = subprocess.run(["bash", "-c", 'trap "" XFSZ; ulimit -f 1100; exec "$@"', "-", sniffer, "-r", path, "-w", out, "-o",
                           "null:"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    stage = [line.split() for line in done.stderr.splitlines() if line.startswith("write ")]
    written = len(table(out)[0])
    result(done.returncode == 1 and "File too large" in done.stderr and stage and int(stage[0][3]) == written > 0 and
           int(stage[0][2]) == 10000 and stage[0][-1] == "balanced" and "write_failed" in done.stderr,
           f"a disk that is full is said, {written} packets before it are whole, the others counted",
           f"status {done.returncode}: {stage} {done.stderr[-300:]}")
    done = run("-r", path, "-w", os.path.join(folder, "none", "out"), "-o", "text:" + shown)
    result(done.returncode == 1 and "No such file or directory" in done.stderr, "a folder that is not there is said")
    done = run("-r", out, "-w", out)
    result(done.returncode == 2 and "another file" in done.stderr and os.path.getsize(out) > 0, "the input is not overwritten")


if not os.path.exists(os.path.join(corpus, MANY)):
    print("skip - savefile: no captures (set PCAP_CORPUS)")
    sys.exit(0)
with tempfile.TemporaryDirectory() as scratch:
    equal(scratch)
    workers(scratch)
    full(scratch)
sys.exit(bool(failures))
