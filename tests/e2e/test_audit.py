#!/usr/bin/python3
"""The auditor (clients/python) on files, whole, with gaps, cut and falsified; and as docs/consumers.md has it typed.

usage: test_audit.py [BUILD]
The gaps that it must find are computed here from what the simulated exchange says it put on the wire; what is cut out of a file
is known, because it is cut here. test_loss.py has Kafka and ZeroMQ, live."""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUILD", "build"))
sys.path.insert(0, here)
SNIFFER, SIM = os.path.join(build, "pkt-sniffer"), os.path.join(build, "feed-sim")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.path.join(root, "clients", "python"), "PYTHONDONTWRITEBYTECODE": "1",
               "DPDK_STOCK_AI_DESCRIPTORS": os.path.join(build, "events.binpb")}

try:
    from events_io import Schema
except ImportError as e:
    print(f"skip - audit: {e.name} is missing for /usr/bin/python3")
    sys.exit(0)


def audit(*words, cwd=None):
    """(exit status, standard output, standard error)"""
    done = subprocess.run(["/usr/bin/python3", "-m", "dpdk_stock_ai.audit", *words], env=ENVIRONMENT, cwd=cwd, timeout=100, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stdout, done.stderr


def found(path):
    status, out, err = audit("--json", f"file:{path}")
    return status, json.loads(out) if out else {"error": err}


def lost_on_both(path, messages):
    """Ranges that neither line put on the wire."""
    came = bytearray(messages + 2)
    with open(path, encoding="ascii") as file:
        for line in file:
            p = json.loads(line)
            if p["kind"] == "data" and p["fate"] in ("sent", "late"):
                came[p["seq"]:p["seq"] + p["count"]] = b"\1" * p["count"]
    out, n = [], 1
    while n <= messages:
        if came[n]:
            n += 1
            continue
        first = n
        while n <= messages and not came[n]:
            n += 1
        out.append((first, n - 1))
    return out


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def rewrite(schema, path, out, change):
    """Writes the events anew as change returns them; None leaves one out."""
    with open(path, "rb") as file:
        events = list(schema.delimited(file.read()))
    with open(out, "wb") as file:
        for event in map(change, events):
            if event is not None:
                data = event.SerializeToString()
                file.write(varint(len(data)) + data)
    return events


def whole_and_gaps(folder):
    feeds = subprocess.run([SIM, "--print-feeds"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    subprocess.run([SIM, "--quiet", "--messages", "20000", "--no-fix", "--pcap", f"{folder}/day.pcap"], check=True)
    subprocess.run([SNIFFER, "-q", "-r", f"{folder}/day.pcap", *feeds, "-o", f"file:{folder}/whole.pb"], check=True)
    status, said = found(f"{folder}/whole.pb")
    result(status == 0 and said["lost"] is False and not said["gaps"] and not said["holes"] and said["runs"][0]["ended"],
           f"nothing lost: exit status 0, {said['runs'][0]['events']} events", str(said)[:500])
    subprocess.run([SIM, "--quiet", "--messages", "20000", "--no-fix", "--loss", ".1", "--seed", "8", "--pcap", f"{folder}/lossy.pcap",
                    "--truth-wire", f"{folder}/wire"], check=True)
    subprocess.run([SNIFFER, "-q", "-r", f"{folder}/lossy.pcap", *feeds, "-o", f"file:{folder}/lossy.pb"], check=True)
    status, said = found(f"{folder}/lossy.pb")
    want = lost_on_both(f"{folder}/wire", 20000)
    got = [(g["first"], g["last"]) for g in said["gaps"]]
    result(status == 1 and len(want) > 20 and got == want and {(g["venue"], g["channel"], g["session"], g["cause"]) for g in said["gaps"]} ==
           {("XNAS", 0, "SIM0000001", "upstream")} and said["runs"][0]["gaps"] == {"upstream": len(want)},
           f"{len(want)} gaps, which the exchange says neither line had, are found with range and cause, as the ledger counts them",
           f"{got[:3]} {want[:3]} {said['runs']}")
    status, out, _ = audit(f"file:{folder}/lossy.pb")
    result(status == 1 and f"{len(want)} gaps upstream" in out and f"{want[0][0]}..{want[0][1]}, upstream" in out and
           out.endswith("something was lost\n"), "as text too", out[:400])


def cut(schema, folder):
    lost = {(1, n) for n in list(range(1, 4)) + list(range(500, 623)) + [900]}  # of the stream of the feed
    streams = {}

    def leave_out(event):
        if event.venue != "XNAS":
            return event
        streams[event.stream] = 1
        return None if (1, event.event_no) in lost else event

    rewrite(schema, f"{folder}/whole.pb", f"{folder}/holes.pb", leave_out)
    status, said = found(f"{folder}/holes.pb")
    got = [(h["venue"], h["first_event"], h["last_event"]) for h in said["holes"]]
    result(status == 1 and len(streams) == 1 and got == [("XNAS", 1, 3), ("XNAS", 500, 622), ("XNAS", 900, 900)],
           "events cut out of a file are found, the first ones too", str(got))
    with open(f"{folder}/holes.pb", "rb") as file:
        data = file.read()
    with open(f"{folder}/short.pb", "wb") as file:
        file.write(data[:-7])
    status, said = found(f"{folder}/short.pb")
    result(status == 1 and "ends inside an event" in str(said.get("damaged")), "a file that ends inside an event is said to", str(said)[:300])

    def falsify(event):
        if event.WhichOneof("payload") == "ledger":
            stage = next(s for s in event.ledger.stages if s.stage == "batch")
            stage.left -= 3
        return event

    rewrite(schema, f"{folder}/whole.pb", f"{folder}/false.pb", falsify)
    status, said = found(f"{folder}/false.pb")
    result(status == 1 and [(u["stage"], u["difference"]) for u in said["unbalanced"]] == [("batch", 3)],
           "a ledger report that does not add up is found", str(said["unbalanced"]))
    rewrite(schema, f"{folder}/whole.pb", f"{folder}/twice.pb", lambda e: e)
    with open(f"{folder}/twice.pb", "ab") as file, open(f"{folder}/whole.pb", "rb") as again:
        file.write(again.read())
    status, said = found(f"{folder}/twice.pb")
    run = said["runs"][0]
    result(status == 0 and run["events"] == run["events_again"] > 19000, "what came twice is counted, and no loss", str(run))


def wrong_use(folder):
    with open(f"{folder}/text", "w", encoding="ascii") as file:
        file.write("this is no protobuf\n")
    open(f"{folder}/empty", "wb").close()
    for words, says in ((["kafka//x"], "expected kafka://HOST:PORT"), ([f"file:{folder}/none"], "No such file"),
                        ([f"file:{folder}/text"], "expected what a file: sink wrote"),
                        ([f"file:{folder}/empty"], "no events came"), (["file:x", "--nonsense"], "unrecognized arguments"),
                        (["zmq://127.0.0.1:1?mode=odd"], "mode=odd is not known"), ([], "required"),
                        (["kafka://127.0.0.1:1/x"], "check the address")):
        status, out, err = audit(*words)
        result(status == 2 and says in err and not out and "Traceback" not in err, f"wrong use: {' '.join(words).replace(folder, 'DIR') or 'nothing'}",
               f"{status} {err[-300:]}")


def document(folder):
    """The block of docs/consumers.md, as it stands there."""
    with open(os.path.join(root, "docs", "consumers.md"), encoding="utf-8") as file:
        block = next(b for b in re.findall(r"^```sh\n(.*?)^```", file.read(), re.M | re.S) if "-m dpdk_stock_ai.audit" in b)
    tools = {"pkt-sniffer": SNIFFER, "python3": "/usr/bin/python3"}
    out = ""
    for line in block.splitlines():
        words = shlex.split(line)
        done = subprocess.run([tools[words[0]], *words[1:]], cwd=folder, env=ENVIRONMENT, timeout=60, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        out += done.stdout
        result(done.returncode == 0, f"docs/consumers.md: {line}", out[-300:])
    result(out.endswith("nothing was lost\n"), "docs/consumers.md: it answers", out[-300:])


with tempfile.TemporaryDirectory() as work:
    whole_and_gaps(work)
    cut(Schema(os.path.join(build, "events.binpb")), work)
    wrong_use(work)
    document(work)
sys.exit(bool(failures))
