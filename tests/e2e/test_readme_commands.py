#!/usr/bin/python3
"""The commands of README.md and of --help are typed as they stand there, and do what is said beside them.

usage: test_readme_commands.py [BUILD]
The folder has the files that they name (day.pcap, day.pcap.gz, day.pcapng, captures/), a namespace of its own an interface eth0
with the simulated exchange behind it. What cannot run here (a PCI address, a broker of that name) is skipped by name, after
--check took it. deploy/demo.sh and tests/run.sh are tried by tests/fresh.sh."""
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build")
sniffer = os.path.join(build, "pkt-sniffer")
sys.path.insert(0, here)
from captures import read  # noqa: E402
from formats import pcapng  # noqa: E402
from support import failures, result  # noqa: E402

SPACE = f"readme-{os.getpid()}"


def readme():
    with open(os.path.join(root, "README.md"), encoding="utf-8") as file:
        return "".join(re.findall(r"^```sh\n(.*?)^```", file.read(), re.M | re.S)).splitlines()


def helps():
    """The lines below "Use:", with something in place of what is to be filled in."""
    text = subprocess.run([sniffer, "--help"], stdout=subprocess.PIPE, text=True, timeout=20, check=True).stdout
    for line in re.findall(r"^  (pkt-sniffer .*)$", text, re.M):
        line = line.replace("[FILTER]", "udp").replace(" [OPTION]...", "").replace("--config FILE", "--config all.yaml")
        yield line.replace("-r FILE", "-r day.pcap")


def folder_make(folder):
    capture = os.path.join(folder, "day.pcap")
    subprocess.run([os.path.join(build, "feed-sim"), "--quiet", "--messages", "20000", "--seed", "9", "--pcap", capture], check=True, timeout=60)
    with open(capture, "rb") as raw, gzip.open(capture + ".gz", "wb") as packed:
        packed.write(raw.read())
    with open(os.path.join(folder, "day.pcapng"), "wb") as other:
        other.write(pcapng(read(capture)))
    os.mkdir(os.path.join(folder, "captures"))
    for name in "day.pcap.gz", "day.pcapng":
        shutil.copy(os.path.join(folder, name), os.path.join(folder, "captures", name))
    with open(os.path.join(folder, "all.yaml"), "w", encoding="ascii") as config:
        config.write("source:\n  interface: eth0\nsinks:\n  - uri: text:-\n")
    shutil.copytree(os.path.join(root, "deploy"), os.path.join(folder, "deploy"))


def namespace_make():
    """An interface eth0 with an exchange behind it, in a namespace. Returns the exchange, or None"""
    if os.geteuid() != 0 or not shutil.which("ip") or subprocess.run(["ip", "netns", "add", SPACE], stderr=subprocess.DEVNULL, check=False).returncode:
        return None
    for words in ("sysctl -qw net.ipv6.conf.all.disable_ipv6=1", "ip link add eth0 type veth peer name far0", "ip address add 10.9.8.1/24 dev far0",
                  "ip link set lo up", "ip link set eth0 up", "ip link set far0 up"):
        subprocess.run(inside(words.split()), check=True)
    return subprocess.Popen(inside([os.path.join(build, "feed-sim"), "--quiet", "--live", "far0", "--seconds", "600", "--rate", "5000", "--no-fix"]),
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def inside(words):
    return ["nsenter", f"--net=/run/netns/{SPACE}", *words]


def delivered(log):
    """Events that the ledger says have left for the sinks; -1 when it does not add up."""
    rows = re.findall(r"^sink +event +(\d+) +(\d+) +\d+ +\d+ +(\w+)", log, re.M)
    return -1 if "DIFFERENCE" in log or not rows else sum(int(r[1]) for r in rows)


def check_output(words, out, folder):
    """Whether what a command wrote is what its sink is for."""
    uri = words[words.index("-o") + 1] if "-o" in words else "text:-"
    if uri == "text:-":
        return out.count("\n") > 100
    if uri == "json:-":
        return out.count("\n") > 100 and all(isinstance(json.loads(line), dict) for line in out.splitlines())
    if uri.startswith("file:"):
        return os.path.getsize(os.path.join(folder, uri[5:])) > 10000
    return True  # the ledger says it


def run_file(words, folder):
    done = subprocess.run([sniffer, *words[1:]], cwd=folder, timeout=60, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    result(done.returncode == 0 and delivered(done.stderr) > 10000 and check_output(words, done.stdout, folder), " ".join(words),
           f"exit status {done.returncode}, {done.stdout[:200]}: {done.stderr[-400:]}")


def works(pid):
    """Whether the program's worker runs: it has started."""
    try:
        return any(open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii").read().startswith("worker-") for tid in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return False


def run_live(words, folder):
    """Until it has taken some packets; then Ctrl-C."""
    with open(os.path.join(folder, "out"), "w+", encoding="utf-8") as out, open(os.path.join(folder, "log"), "w+", encoding="utf-8") as log:
        with subprocess.Popen(inside([sniffer, *words[1:]]), cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=log) as program:
            until = time.monotonic() + 30
            while time.monotonic() < until and program.poll() is None and not works(program.pid):
                time.sleep(.1)
            time.sleep(1.5)
            program.send_signal(signal.SIGINT)
            try:
                status = program.wait(15)
            except subprocess.TimeoutExpired:
                program.kill()
                status = "hangs"
        out.seek(0)
        log.seek(0)
        said = log.read()
        result(status == 0 and delivered(said) > 100 and check_output(words, out.read(), folder), f"{' '.join(words)}, then Ctrl-C", f"exit status {status}: {said[-600:]}")


def run(line, folder, exchange):
    words = shlex.split(line, comments=True)
    text = " ".join(words)
    if "0000:18:00.0" in words or any("broker:" in w for w in words):
        done = subprocess.run([sniffer, *words[1:], "--check"], cwd=folder, timeout=20, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        result(done.returncode == 0 and "sound" in done.stdout, f"{text}: --check takes it", done.stdout)
        print(f"skip - {text}: no such card, no such broker")
    elif "--check" in words:
        done = subprocess.run([sniffer, *words[1:]], cwd=folder, timeout=20, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        result(done.returncode == 0 and done.stdout == "the configuration is sound\n", text, done.stdout)
    elif "-r" in words:
        run_file(words, folder)
    elif not exchange:
        print(f"skip - {text}: no right to make a namespace, or no ip")
    else:
        run_live(words, folder)


def pages():
    for word, says in (("--help", "Use:"), ("--version", "pkt-sniffer "), ("--build-info", "librdkafka"), ("--list-interfaces", " lo"),
                       ("--help=configuration", "# Configuration"), ("--help=example", "source:"), ("--help=man", ".TH PKT-SNIFFER 8")):
        done = subprocess.run([sniffer, word], timeout=20, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        result(done.returncode == 0 and says in done.stdout, f"pkt-sniffer {word}", done.stdout[:200] + done.stderr)


def main():
    if os.geteuid() != 0 and subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.execvp("sudo", ["sudo", "-n", "--preserve-env=PCAP_CORPUS,TESTS_LONG", sys.executable, *sys.argv])
    exchange = namespace_make()
    try:
        with tempfile.TemporaryDirectory(prefix="readme.") as folder:
            folder_make(folder)
            pages()
            lines = [line for line in readme() if line.strip() and not line.startswith("#")]
            ours = [line for line in lines if line.startswith("pkt-sniffer ")]
            for line in lines:
                if line not in ours:
                    print(f"skip - {shlex.join(shlex.split(line, comments=True))}: no command of the program's own")
            for line in dict.fromkeys(ours + list(helps())):
                run(line, folder, exchange)
            result(len(ours) >= 6, f"{len(ours)} command lines of the README")
    finally:
        if exchange:
            exchange.kill()
            exchange.wait()
            subprocess.run(["ip", "netns", "delete", SPACE], check=False)
    return bool(failures)


sys.exit(main())
