"""A real broker and the auditor in the namespace of a live test's programs (live_wire)."""
import json
import os
import subprocess

import live_wire as wire

CLIENT = os.path.join(wire.root, "clients", "python")


class Broker:
    """deploy/kafka-local.sh on a port of the test's own; address is empty when it does not start."""

    def __init__(self, port):
        self.port = port
        wire.sh(*wire.inside(wire.RIGHT, "ip", "link", "set", "lo", "up"))
        self.address = self.call("start")

    def call(self, verb):
        env = {**os.environ, "KAFKA_PORT": str(self.port), "KAFKA_MAX_MB": "8192"}
        done = subprocess.run(wire.inside(wire.RIGHT, os.path.join(wire.root, "deploy", "kafka-local.sh"), verb), timeout=200, text=True, check=False,
                              env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return done.stdout.strip().splitlines()[-1] if done.returncode == 0 and done.stdout.strip() else ""

    def pid(self):
        return int(self.call("status").split("process ")[1].split(",")[0])

    def batches(self, schema, topic):
        """EventBatches of a topic; kcat carries, nothing of it looks inside."""
        with subprocess.Popen(wire.inside(wire.RIGHT, "kcat", "-C", "-q", "-e", "-o", "beginning", "-b", self.address, "-t", topic,
                                          "-f", "%S\n%s"), stdout=subprocess.PIPE) as kcat:
            while size := kcat.stdout.readline():
                yield schema.EventBatch.FromString(kcat.stdout.read(int(size)))


def auditor(*words):
    env = {**os.environ, "PYTHONPATH": CLIENT, "DPDK_STOCK_AI_DESCRIPTORS": os.path.join(wire.build, "events.binpb")}
    return subprocess.Popen(wire.inside(wire.RIGHT, "/usr/bin/python3", "-m", "dpdk_stock_ai.audit", "--json", *words), env=env,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def found(process, timeout=900):
    """(exit status, what it found)"""
    out, err = process.communicate(timeout=timeout)
    return process.returncode, json.loads(out) if out else {"error": err}


def midnight_ns(path):
    """New York's midnight of the day of a truth file."""
    from datetime import datetime, timezone
    from zoneinfo import ZoneInfo

    with open(path, encoding="ascii") as file:
        first = json.loads(file.readline())["ts"]
    day = datetime.fromtimestamp(first // 10**9, timezone.utc).astimezone(ZoneInfo("America/New_York"))
    return int(day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 10**9
