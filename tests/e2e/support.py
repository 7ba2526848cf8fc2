"""What the scripts here share: how a result is told, and what the program makes of a file."""
import json
import subprocess
import tempfile

failures = []  # a script's exit status is whether there are any


def result(ok, text, why=""):
    print(("ok - " if ok else "not ok - ") + text + (f": {why}" if why and not ok else ""), flush=True)
    if not ok:
        failures.append(text)


def sniffed(program, source, *options, without=()):
    """(exit status, events by stream without what is of a run and what is not wanted, standard error)"""
    with tempfile.NamedTemporaryFile("r") as out:
        done = subprocess.run([program, "-r", source, "-o", f"json:{out.name}", *options], timeout=100, stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False)
        streams = {}
        for event in map(json.loads, out):
            if event["venue"] == event["source"]:  # what the program says of itself
                continue
            for key in "boot_id", "worker", "ts_publish_ns", *without:
                event.pop(key, None)
            streams.setdefault(event["stream"], []).append(event)
    return done.returncode, streams, done.stderr
