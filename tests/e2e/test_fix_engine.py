#!/usr/bin/env python3
"""A scripted FIX session between two ends on an independent engine, over veth, captured and decoded.

What we decode equals what both engines logged, message by message and tag by tag; each gap the script makes is found;
planted passwords are in no output. usage: test_fix_engine.py [BUILD]   needs root (or sudo without a password)
"""
import base64
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, sys.argv[1] if len(sys.argv) > 1 else "build")
SECRETS = ["planted-password-1", "planted-password-2", "planted-raw-data-3"]
REDACTED = {96, 554, 925}  # of the logon
SUDO = [] if os.geteuid() == 0 else ["sudo", "-n"]
failed = 0


def check(good, text, more=""):
    global failed
    failed += not good
    print(("ok - " if good else "not ok - ") + text + ("" if good or not more else ": " + str(more)[:600]))


def root(*command, **options):
    return subprocess.run([*SUDO, *command], check=True, timeout=30, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def fields(raw):
    """A logged message as [tag, value] pairs; there is no data field with a delimiter in this session."""
    return [[int(tag), value] for tag, value in (part.split("=", 1) for part in raw.rstrip("\x01").split("\x01"))]


def redact(message):
    logon = [35, "A"] in message
    return [[tag, {"redacted": len(value)}] if logon and tag in REDACTED else [tag, value] for tag, value in message]


def logged(folder):
    """Messages of an engine's log by sender, in order."""
    out = {}
    (path,) = glob.glob(os.path.join(folder, "FIX*.messages.current.log"))
    with open(path, encoding="latin-1", newline="") as log:
        for line in log.read().split("\n"):
            if line:
                message = fields(line.split(" : ", 1)[1])
                out.setdefault(dict(map(tuple, message))[49], []).append(redact(message))
    return out


def session(folder, names):
    """Runs both ends in namespaces of their own, with tcpdump beside the acceptor."""
    capture = os.path.join(folder, "session.pcap")
    for end in "ai":
        os.mkdir(os.path.join(folder, end))
    for name in names:
        root("ip", "netns", "add", name)
    root("ip", "link", "add", "fe0", "netns", names[0], "type", "veth", "peer", "name", "fe0", "netns", names[1])
    for i, name in enumerate(names):
        root("nsenter", f"--net=/run/netns/{name}", "ip", "addr", "add", f"10.211.0.{i + 1}/24", "dev", "fe0")
        root("nsenter", f"--net=/run/netns/{name}", "ip", "link", "set", "fe0", "up")
    inside = [[*SUDO, "nsenter", f"--net=/run/netns/{name}", "timeout", "60"] for name in names]
    tcpdump = subprocess.Popen([*inside[0], "tcpdump", "-i", "fe0", "-s", "65535", "-B", "65536", "-Z", "root", "-w", capture, "tcp"],
                               stderr=subprocess.PIPE, text=True)
    tcpdump.stderr.readline()  # it listens now
    time.sleep(0.3)
    acceptor = subprocess.Popen([*inside[0], os.path.join(BUILD, "fix_acceptor"), "5001", os.path.join(folder, "a")],
                                stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    initiator = subprocess.run([*inside[1], os.path.join(BUILD, "fix_initiator"), "10.211.0.1", "5001", os.path.join(folder, "i"), *SECRETS],
                               stdout=subprocess.DEVNULL, timeout=60)
    check(acceptor.wait(timeout=60) == 0 and initiator.returncode == 0, "both engines ran their script to its end")
    time.sleep(1.5)  # what the kernel holds back for tcpdump
    root("kill", "-INT", *root("pgrep", "-P", str(tcpdump.pid)).stdout.decode().split())
    said = tcpdump.communicate(timeout=10)[1]
    check("\n0 packets dropped by kernel" in said, "tcpdump dropped nothing", said)
    root("chmod", "-R", "a+rX", folder)
    return capture


def in_our_words(message):
    """A FixMessage in protobuf's JSON as [tag, value] pairs."""
    out = []
    for tag in message["tags"]:
        value = {"redacted": tag.get("length", 0)} if tag.get("redacted") else base64.b64decode(tag.get("value", "")).decode("latin-1")
        out.append([tag["tag"], value])
    return out


def compare(name, ours, client, desk):
    for sender in ("CLIENT", "DESK"):
        mine = [message for message in ours if [49, sender] in message]
        check(mine == client[sender], f"{name}: {len(mine)} messages of {sender} equal the client engine's log",
              next(((a, b) for a, b in zip(mine, client[sender]) if a != b), (len(mine), len(client[sender]))))
        check(mine == desk[sender], f"{name}: and the desk engine's log")


def silent(name, data):
    check(not any(secret.encode() in data for secret in SECRETS), f"{name}: holds no password")
    check(not any(base64.b64encode(secret.encode()) in data for secret in SECRETS), f"{name}: nor in base64")


def main():
    missing = [tool for tool in ("fix_acceptor", "fix_initiator", "fix_dump") if not os.path.exists(os.path.join(BUILD, tool))]
    if missing:
        print(f"skip - FIX engine: {', '.join(missing)} not built (libquickfix-dev)")
        return 0
    if SUDO and subprocess.run([*SUDO, "true"], stderr=subprocess.DEVNULL).returncode:
        print("skip - FIX engine: needs root for namespaces and tcpdump")
        return 0
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    names = [f"fixa{os.getpid()}", f"fixi{os.getpid()}"]
    try:
        capture = session(folder, names)
        client, desk = logged(os.path.join(folder, "i")), logged(os.path.join(folder, "a"))
        with open(capture, "rb") as file:
            wire = file.read()
        check(all(secret.encode() in wire for secret in SECRETS), "the passwords are on the wire")
        check(len(client["CLIENT"]) >= 50 and len(client["DESK"]) >= 90, "the session has some size")
        dumped = subprocess.run([os.path.join(BUILD, "fix_dump"), capture], stdout=subprocess.PIPE, check=True, timeout=60).stdout
        lines = [json.loads(line) for line in dumped.decode("ascii").splitlines()]
        compare("decoder", [[[tag, value] for tag, value in line["tags"]] for line in lines if line.get("event") == "fix"], client, desk)
        silent("decoder", dumped)
        gaps = [(line["venue"], line["first"], line["last"]) for line in lines if line.get("event") == "gap"]
        check(gaps == [("CLIENT-DESK", 48, 52)], "the one gap of the script is found, resends make none", gaps)
        dups = [line for line in lines if line.get("poss_dup")]
        check(len(dups) >= 5 and all(line["flags"] & 4 for line in dups), "resent messages are flagged")
        check(all(line["problems"] == 0 for line in lines if "problems" in line), "no message has a problem")
        check(lines[-1]["bytes_skipped"] == 0 and lines[-1]["messages_in"] == lines[-1]["messages_out"], "nothing was skipped")
        program = os.path.join(BUILD, "pkt-sniffer")
        if not os.path.exists(program):
            print("skip - FIX engine through the program: pkt-sniffer not built")
            return failed > 0
        protobuf = os.path.join(folder, "events.pb")
        done = subprocess.run([program, "-v", "-r", capture, "-o", "json:-", "-o", "file:" + protobuf], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        check(done.returncode == 0, "program: exit status 0", done.stderr.decode(errors="replace"))
        events = [json.loads(line) for line in done.stdout.splitlines()]
        compare("program", [in_our_words(event["fix"]) for event in events if "fix" in event], client, desk)
        text = subprocess.run([program, "-v", "-r", capture, "-o", "text:-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        with open(protobuf, "rb") as file:
            silent("program, json, text, file and log", done.stdout + done.stderr + text.stdout + text.stderr + file.read())
        return failed > 0
    finally:
        for name in names:
            subprocess.run([*SUDO, "ip", "netns", "del", name], stderr=subprocess.DEVNULL)
        subprocess.run([*SUDO, "rm", "-rf", folder])
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
