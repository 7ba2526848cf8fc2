#!/usr/bin/python3
"""What README.md and docs/ tell a stranger to type is run as it stands there, against the real program.

usage: test_documents.py [BUILD]
Commands of the README: test_readme_commands.py. Python of docs/consumers.md with what its `pip install` brings
(test_consumers.py has Debian's libraries): each block as it is printed, addresses alone exchanged, must print exactly the
trades that the json: sink wrote, over ZeroMQ and from a real Kafka. Links between documents lead somewhere, and files that they name exist."""
import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

from support import failures, result

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build")
sniffer, client = os.path.join(build, "pkt-sniffer"), os.path.join(root, "clients", "python")


def document(name):
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return file.read()


def blocks(name, language):
    return re.findall(rf"^```{language}\n(.*?)^```", document(name), re.M | re.S)


def check_links():
    names = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "proto/README.md", "schemas/README.md"]
    names += [os.path.relpath(path, root) for path in glob.glob(os.path.join(root, "docs", "**", "*.md"), recursive=True)]
    links = [(name, link) for name in names for link in re.findall(r"\]\(([^)#:]+)\)", document(name))]
    broken = [f"{name}: {link}" for name, link in links
              if not os.path.exists(os.path.join(root, os.path.dirname(name), link))]
    result(len(links) > 10 and not broken, f"{len(links)} links of {len(names)} documents", ", ".join(broken))
    paths = set(re.findall(r"\b(?:base|proto|schemas|decode|capture|publish|engine|tests|deploy|clients|docs)/[\w./-]*\w",
                           "".join(map(document, ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/operations.md")))))
    missing = sorted(p for p in paths if "NAME" not in p and "NOUN" not in p and not os.path.exists(os.path.join(root, p)))
    result(len(paths) > 20 and not missing, f"{len(paths)} files that the documents name", ", ".join(missing))


class Block:
    """A block of a document, running until it has printed what is due."""

    def __init__(self, python, code, folder, name):
        self.out = os.path.join(folder, name + ".out")
        env = {**os.environ, "PYTHONPATH": "", "PYTHONUNBUFFERED": "1",
               "DPDK_STOCK_AI_DESCRIPTORS": os.path.join(build, "events.binpb")}
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen([python, "-c", code], cwd=root, env=env, stdout=out, stderr=subprocess.STDOUT)

    def lines(self, due):
        """What it printed: waits for due lines, and a little for lines that nobody expects."""
        until, text = time.monotonic() + 30, ""
        while time.monotonic() < until:
            over = self.process.poll() is not None
            with open(self.out, encoding="utf-8") as out:
                text = out.read()
            if over:
                break
            if text.count("\n") >= due:
                until = min(until, time.monotonic() + 0.5)
            time.sleep(0.05)
        return text.splitlines()

    def end(self):
        self.process.kill()
        self.process.wait()


def judge(text, got, trades):
    result(got == trades, f"{text}: {len(trades)} trades", f"{len(got)} lines; last: {got[-2:]}")


def check_zmq(python, text, code, capture, trades, folder):
    endpoint = f"ipc://{folder}/events"
    block = Block(python, code.replace("tcp://127.0.0.1:5556", endpoint), folder, "zmq")
    try:
        subprocess.run([sniffer, "-q", "-r", capture, "-o", f"zmq:{endpoint}?wait=1"], timeout=40, check=True)
        judge(f"{text}, ZeroMQ", block.lines(len(trades)), trades)
    except subprocess.TimeoutExpired:
        result(False, f"{text}, ZeroMQ", "nobody subscribed: " + " ".join(block.lines(0)[-2:]))
    finally:
        block.end()


def check_kafka(python, text, code, broker, trades, folder):
    block = Block(python, code.replace("127.0.0.1:9092", broker), folder, "kafka")
    try:
        judge(f"{text}, Kafka", block.lines(len(trades)), trades)
    finally:
        block.end()


def check_bare(python, text, code, capture, folder):
    """Without the package: the block makes a batch of a payload that it is given."""
    path = os.path.join(folder, "payload")
    take = ("import sys, zmq\ns = zmq.Context().socket(zmq.SUB)\ns.subscribe(b'md.')\ns.connect(sys.argv[1])\n"
            "open(sys.argv[2], 'wb').write(s.recv_multipart()[1])\n")
    with subprocess.Popen([python, "-c", take, f"ipc://{folder}/bare", path]) as subscriber:
        try:
            subprocess.run([sniffer, "-q", "-r", capture, "-c", "2000", "-o", f"zmq:ipc://{folder}/bare?wait=1"], timeout=40, check=True)
            subscriber.wait(20)
        except subprocess.TimeoutExpired:
            subscriber.kill()
            result(False, f"{text}, without the package", "no message came")
            return
    code = code.replace("build/events.binpb", os.path.join(build, "events.binpb"))
    code = f"payload = open({path!r}, 'rb').read()\n{code}\nprint(batch.venue, len(batch.events) > 0)\n"
    done = subprocess.run([python, "-c", code], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
    result(done.stdout == "XNAS True\n", f"{text}, without the package", done.stdout[-300:])


def installed(folder):
    """An interpreter with the package as the page installs it; None if that cannot be tried here."""
    line = next(line for line in "".join(blocks("docs/consumers.md", "sh")).splitlines() if line.startswith("pip install"))
    shutil.copytree(client, os.path.join(folder, "clients", "python"))  # pip leaves its products beside the sources
    venv = os.path.join(folder, "venv")
    try:
        subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        subprocess.run([os.path.join(venv, "bin", "pip"), *shlex.split(line)[1:]], cwd=folder, check=True, timeout=120,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except (subprocess.SubprocessError, OSError) as e:
        said = (getattr(e, "output", None) or b"").decode(errors="replace").strip().splitlines()
        print(f"skip - documents, with libraries by pip: {said[-1] if said else e}")
        return None
    return os.path.join(venv, "bin", "python")


def kafka(verb):
    done = subprocess.run([os.path.join(root, "deploy", "kafka-local.sh"), verb], env=dict(os.environ, KAFKA_PORT="29592"),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=200, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def trades_of(path):
    """What the blocks print, of the events as the json: sink wrote them."""
    out = []
    with open(path, encoding="utf-8") as file:
        for event in map(json.loads, file):
            if "trade" in event:
                trade = event["trade"]
                out.append(f"{event['ts_event_ns']} {event.get('symbol', '')} {int(trade.get('price_e9', 0)) / 1e9} {trade.get('size', 0)}")
    return out


def check_python(folder, capture, trades):
    zmq_code, kafka_code, bare_code = blocks("docs/consumers.md", "python")
    python = installed(folder)
    if not python:
        return
    asked = subprocess.run([python, "-c", "import google.protobuf as p, zmq, confluent_kafka; print(p.__version__)"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
    result(asked.returncode == 0, "pip brings what the programs import", asked.stdout[-300:])
    text = f"protobuf {asked.stdout.strip()}"
    check_zmq(python, text, zmq_code, capture, trades, folder)
    check_bare(python, text, bare_code, capture, folder)
    broker = kafka("start")
    if not broker:
        print("skip - documents, with a real Kafka: it does not start")
        return
    try:
        subprocess.run([sniffer, "-q", "-r", capture, "-o", f"kafka://{broker}/prod"], timeout=60, check=True)
        check_kafka(python, text, kafka_code, broker, trades, folder)
    finally:
        kafka("stop")


def main():
    with tempfile.TemporaryDirectory() as folder:
        capture = os.path.join(folder, "day.pcap")
        subprocess.run([os.path.join(build, "feed-sim"), "--quiet", "--messages", "30000", "--seed", "9", "--pcap", capture],
                       check=True, timeout=60)
        check_links()
        path = os.path.join(folder, "events.json")
        subprocess.run([sniffer, "-q", "-r", capture, "-o", f"json:{path}"], check=True, timeout=60)
        trades = trades_of(path)
        result(len(trades) > 50, f"{len(trades)} trades in the capture")
        check_python(folder, capture, trades)
    return bool(failures)


sys.exit(main())
