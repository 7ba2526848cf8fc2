#!/usr/bin/python3
"""The programs of docs/consumers.md, as printed there, against the real program: over ZeroMQ and through a real Kafka.

usage: test_consumers.py [BUILD]
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUILD", "build"))
PORT = "29792"
ENV = {**os.environ, "PYTHONPATH": os.path.join(ROOT, "clients", "python"),
       "DPDK_STOCK_AI_DESCRIPTORS": os.path.join(BUILD, "events.binpb"), "PYTHONUNBUFFERED": "1"}
failed = 0


def result(good, text, more=""):
    global failed
    failed += not good
    print(("ok - " if good else "not ok - ") + text + ("" if good else f": {str(more)[-800:]}"), flush=True)


def code_blocks():
    """The Python programs of the page, by a word that only they hold."""
    with open(os.path.join(ROOT, "docs", "consumers.md"), encoding="utf-8") as page:
        blocks = re.findall(r"```python\n(.*?)```", page.read(), re.DOTALL)
    return {word: next(b for b in blocks if word in b) for word in ("zmq_batches", "kafka_batches", "DescriptorPool")}


def bounded(code, calls):
    """The program, told to end when nothing comes any more: printed pages run for ever."""
    assert calls in code
    return code.replace(calls, calls[:-1] + ", idle_s=4)")


def trades_of(truth):
    with open(truth, encoding="ascii") as lines:
        return sum('"type":"P"' in line or ('"type":"Q"' in line and '"shares":0,' not in line)
                   or '"type":"B"' in line for line in lines)


def main():
    blocks = code_blocks()
    with tempfile.TemporaryDirectory() as folder:
        capture, truth = os.path.join(folder, "day.pcap"), os.path.join(folder, "truth")
        subprocess.run([os.path.join(BUILD, "feed-sim"), "--quiet", "--messages", "40000", "--pcap", capture, "--truth",
                        truth], check=True, timeout=60)
        trades = trades_of(truth)
        sniffer = [os.path.join(BUILD, "pkt-sniffer"), "-q", "-r", capture]

        code = bounded(blocks["zmq_batches"], 'topic="md.")').replace("5556", "25556")
        reader = subprocess.Popen(["/usr/bin/python3", "-c", code], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True)
        subprocess.run([*sniffer, "-o", "zmq://127.0.0.1:25556?wait=1"], check=True, timeout=60)
        out, err = reader.communicate(timeout=60)
        lines = out.splitlines()
        result(len(lines) == trades and trades > 50, f"ZeroMQ: the page's program prints all {trades} trades",
               f"{len(lines)} lines {err}")
        result(all(re.fullmatch(r"\d{19} \S+ \d+\.\d+ \d+|\d{19}  0\.0 0", line) for line in lines),
               "ZeroMQ: time, symbol, price and size", lines[:3])

        kafka = subprocess.run([os.path.join(ROOT, "deploy", "kafka-local.sh"), "start"], stdout=subprocess.PIPE,
                               env={**os.environ, "KAFKA_PORT": PORT}, text=True, timeout=240)
        if kafka.returncode:
            result(False, "Kafka: a broker starts")
            return
        try:
            subprocess.run([*sniffer, "-o", f"kafka://127.0.0.1:{PORT}/prod"], check=True, timeout=60)
            code = bounded(blocks["kafka_batches"], '["prod.md"])').replace("9092", PORT)
            reader = subprocess.run(["/usr/bin/python3", "-c", code], env=ENV, capture_output=True, text=True, timeout=60)
            result(sorted(reader.stdout.splitlines()) == sorted(lines), "Kafka: the page's program prints the same trades",
                   reader.stderr)
            payload = ("payload = b''\n" + blocks["DescriptorPool"].replace("build/events.binpb", ENV["DPDK_STOCK_AI_DESCRIPTORS"])
                       .replace("message_factory.GetMessageClass(", "getattr(message_factory, 'GetMessageClass', "
                                "message_factory.MessageFactory(pool).GetPrototype)(") + "\nprint(len(batch.events))")
            reader = subprocess.run(["/usr/bin/python3", "-c", payload], env=ENV, capture_output=True, text=True, timeout=60)
            result(reader.stdout == "0\n", "the page's program without the package", reader.stderr)
        finally:
            subprocess.run([os.path.join(ROOT, "deploy", "kafka-local.sh"), "stop"], env={**os.environ, "KAFKA_PORT": PORT},
                           timeout=60, check=False)


main()
sys.exit(failed > 0)
