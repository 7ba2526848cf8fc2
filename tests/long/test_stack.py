#!/usr/bin/python3
"""The demo stack: its images are built by buildah from deploy/Dockerfile, and each service's own command is run in its image.

usage: test_stack.py
Needs root (or sudo without a password) and buildah; without them it is skipped by name. Where no image registry is reached,
debootstrap makes the Debian that the images are built on. The services stand in a network namespace of the test's own, started
in the order of deploy/compose.yaml: the consumer must count exactly what the exchange sent, every panel of the dashboard must
have data, and a broker that goes must be told by /readyz. Grafana is no Debian package: its image is built where its maker's
package source is reached."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEBIAN = "docker.io/library/debian:bookworm-slim"
NAME = f"stack-{os.getpid()}"
SECONDS = 30
bad = 0
running, containers, images = [], [], []


def result(ok, text, why=""):
    global bad
    print(("ok - " if ok else "not ok - ") + text + (f": {why}" if why and not ok else ""), flush=True)
    bad |= not ok


def skip(why):
    print(f"skip - demo stack: {why}")
    sys.exit(0)


def run(*command, timeout=1500):
    """(status, output)"""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=timeout, check=False)
    return done.returncode, done.stdout


def must(*command):
    status, said = run(*command)
    if status:
        raise RuntimeError(f"{' '.join(command)}: {said[-800:]}")
    return said.strip()


def inside(*command, timeout=20):
    return run("nsenter", f"--net=/run/netns/{NAME}", *command, timeout=timeout)


def base(folder):
    """The Debian that images are built on: pulled, or made here with this machine's package sources and certificates."""
    if run("buildah", "inspect", "--type", "image", DEBIAN)[0] == 0 or run("buildah", "pull", "-q", DEBIAN, timeout=120)[0] == 0:
        return DEBIAN
    if not shutil.which("debootstrap"):
        skip("no image registry is reached, and no debootstrap")
    sources = "".join(open(os.path.join(d, f)).read() for d, _, files in os.walk("/etc/apt") for f in files if f.endswith((".list", ".sources")))
    mirror = re.search(r"^(?:URIs: *|deb (?:\[[^]]*\] )?)(\S+)", sources, re.M)[1]
    made = os.path.join(folder, "debian")
    must("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", made, mirror)
    for path in ("etc/apt/sources.list.d", "etc/apt/apt.conf.d", "usr/local/share/ca-certificates"):
        if os.path.isdir("/" + path):
            shutil.copytree("/" + path, os.path.join(made, path), dirs_exist_ok=True)
    must("chroot", made, "update-ca-certificates")
    container = must("buildah", "from", "scratch")
    must("buildah", "add", "-q", container, made, "/")
    must("buildah", "commit", "-q", "--rm", container, NAME + "-debian")
    images.append(NAME + "-debian")
    shutil.rmtree(made)
    return NAME + "-debian"


class Service:
    """A service of the compose file, run in its image as the file says."""

    def __init__(self, folder, name, spec, **environment):
        self.name, self.log = name, os.path.join(folder, name + ".log")
        self.container = must("buildah", "from", "--pull-never", f"{NAME}-{spec['build']['target']}")
        containers.append(self.container)
        config = json.loads(must("buildah", "inspect", self.container))["OCIv1"]["config"]
        command = (config.get("Entrypoint") or []) + (spec.get("command") or config["Cmd"])
        values = {k: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", v) for k, v in spec.get("environment", {}).items()}
        self.base = ["nsenter", f"--net=/run/netns/{NAME}", "buildah", "run", "--isolation", "chroot",
                     *(f"--env={k}={v}" for k, v in {**values, **environment}.items()), "--volume", f"{folder}/hosts:/etc/hosts:ro", self.container, "--"]
        self.check = spec.get("healthcheck", {}).get("test", ["CMD", "true"])[1:]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([*self.base, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        running.append(self.process)

    def healthy(self, seconds=60):
        """Whether its own health check comes true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if run(*self.base, *self.check, timeout=20)[0] == 0:
                return True
            time.sleep(.5)
        return False

    def text(self):
        with open(self.log) as log:
            return log.read()

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def get(url):
    return inside("curl", "-s", "-m", "5", url)[1]


def query(expr):
    text = get("http://127.0.0.1:9090/api/v1/query?" + urllib.parse.urlencode({"query": expr}))
    return json.loads(text)["data"]["result"] if text.startswith("{") else []


def check_panels():
    with open(os.path.join(root, "deploy/grafana/dashboards/pkt-sniffer.json")) as file:
        panels = json.load(file)["panels"]
    empty = []
    for title, expr in ((p["title"], t["expr"]) for p in panels for t in p["targets"]):
        data = query(expr.replace("$__rate_interval", "5s").replace("$__range", "1m").replace("$instance", ".*"))
        if not data or all(d["value"][1] == "NaN" for d in data):
            empty.append(title)
    result(not empty, "every panel of the dashboard has data in the stack's Prometheus", ", ".join(empty))
    acks = query('pkt_sniffer_latency_seconds_count{hop="batch_to_ack",sink="kafka-0"}')
    result(acks and float(acks[0]["value"][1]) > 10, "Kafka's delivery reports are measured", str(acks))


def build(base_image, services):
    for target in ["sniffer"] + [s["build"]["target"] for s in services.values()]:
        image = f"{NAME}-{target}"
        status, said = run("buildah", "bud", "--isolation", "chroot", "--network", "host", "--layers", "--build-arg", f"DEBIAN={base_image}",
                           "-f", os.path.join(root, "deploy/Dockerfile"), "--target", target, "-t", image, root)
        if status and target == "grafana":
            print("skip - image grafana: its maker's package source is not reached from here")
            continue
        result(status == 0, f"image {target} is built", said[-1500:])
        if status:
            return False
        images.append(image)
        user = must("buildah", "inspect", "--type", "image", "--format", "{{.OCIv1.Config.User}}", image)
        result(user not in ("", "0", "root"), f"image {target} does not run as root", user)
    return True


def check_compose(folder):
    """The compose file against its schema, by a program that knows it."""
    if not shutil.which("npx"):
        print("skip - dclint: no npx")
        return
    path = os.path.join(folder, "compose.yaml")
    shutil.copy(os.path.join(root, "deploy/compose.yaml"), path)
    done = subprocess.run(["npx", "-y", "dclint@3.1.0", path], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    result(done.returncode == 0, "deploy/compose.yaml by dclint: no errors", done.stdout[-800:])


def stack(folder, services):
    with open(os.path.join(folder, "hosts"), "w") as hosts:
        hosts.write("127.0.0.1 localhost kafka sniffer prometheus\n")
    must("ip", "netns", "add", NAME)
    inside("ip", "link", "set", "lo", "up")
    kafka = Service(folder, "kafka", services["kafka"])
    result(kafka.healthy(), "kafka comes up, by its own health check", kafka.text()[-800:])
    prometheus = Service(folder, "prometheus", services["prometheus"])
    consumer = Service(folder, "consumer", services["consumer"])
    sniffer = Service(folder, "sniffer", services["sniffer"], SECONDS_LONG=str(SECONDS), RATE="20000")
    result(sniffer.healthy(), "the program comes up, by its own health check", sniffer.text()[-800:])
    for _ in range(SECONDS * 2 // 3):  # Prometheus itself takes some seconds until it scrapes
        if query("count_over_time(pkt_sniffer_build_info[1m]) > 6"):
            break
        time.sleep(1)
    check_panels()
    status = sniffer.process.wait(timeout=120)
    said = sniffer.text()
    sent = re.search(r"feed-sim: (\d+) messages, (\d+) FIX messages", said)
    result(status == 0 and sent and "DIFFERENCE" not in said and len(re.findall("balanced", said)) >= 8, "the program ends with 0 and a balanced ledger", said[-800:])
    status = consumer.process.wait(timeout=120)
    counted = re.search(r"kafka: (\d+) feed messages, (\d+) FIX messages", consumer.text())
    result(status == 0 and sent and counted and sent.groups() == counted.groups() and int(sent[1]) > 100000,
           f"the consumer counts what the exchange sent: {sent and sent.groups()}", f"{counted and counted.groups()}: {consumer.text()[-800:]}")
    again = Service(folder, "again", services["sniffer"], SECONDS_LONG="120", RATE="1000", PREFIX="again")
    result(again.healthy(), "it starts again", again.text()[-500:])
    kafka.end()
    told = False
    for _ in range(60):
        told = get("http://127.0.0.1:9100/readyz") == "sink kafka-0 is not connected\n"
        if told:
            break
        time.sleep(1)
    result(told and get("http://127.0.0.1:9100/healthz") == "ok\n", "a broker that went: /readyz says so, /healthz goes on", get("http://127.0.0.1:9100/readyz"))
    again.end()
    prometheus.end()


def main():
    if os.geteuid() != 0:
        if shutil.which("sudo") and run("sudo", "-n", "true")[0] == 0:
            sys.exit(subprocess.run(["sudo", "-n", "--preserve-env=PATH", sys.executable, os.path.abspath(__file__)], check=False).returncode)
        skip("not root, and no sudo without a password")
    for program in ("buildah", "curl", "nsenter"):
        if not shutil.which(program):
            skip(f"no {program}")
    try:
        import yaml
    except ImportError:
        skip("no python3-yaml")
    with open(os.path.join(root, "deploy/compose.yaml")) as file:
        services = yaml.safe_load(file)["services"]
    with tempfile.TemporaryDirectory(prefix="stack.", dir="/var/tmp") as folder:
        try:
            check_compose(folder)
            if build(base(folder), services):
                stack(folder, services)
        finally:
            for process in running:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            for container in containers:
                run("buildah", "rm", container)
            for image in images:
                run("buildah", "rmi", "-f", image)
            run("ip", "netns", "del", NAME)
    return bad


if __name__ == "__main__":
    sys.exit(main())
