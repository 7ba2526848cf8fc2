"""What the program makes of a file, and how it differs from what it must be."""
import os
import subprocess

from events_io import Schema


class Program:
    def __init__(self, build, scratch):
        self.sniffer, self.out = os.path.join(build, "pkt-sniffer"), os.path.join(scratch, "events")
        self.schema = Schema(os.path.join(build, "events.binpb"))

    def events(self, path, *options):
        """(market events, ledger) of a run. What a lone event says of its run is checked and taken off."""
        done = subprocess.run([self.sniffer, "-r", path, "-o", "file:" + self.out, *options], timeout=60, check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"exit status {done.returncode}: {done.stderr}")
        with open(self.out, "rb") as file:
            events = list(self.schema.delimited(file.read()))
        runs = {(e.source, e.schema_version, e.boot_id) for e in events}
        if len(runs) != 1 or not all(next(iter(runs))) or {e.schema_version for e in events} != {1000}:
            raise RuntimeError(f"source, schema_version and boot_id are not one: {runs}")
        ledgers = [e.ledger for e in events if e.WhichOneof("payload") == "ledger"]
        events = [e for e in events if e.WhichOneof("payload") not in ("ledger", "latency")]
        if len(ledgers) != 1:
            raise RuntimeError(f"{len(ledgers)} ledger reports")
        if [e.event_no for e in events] != list(range(1, len(events) + 1)) or len({e.stream for e in events}) > 1:
            raise RuntimeError("events are not numbered 1, 2, 3 … in one stream")
        for event in events:
            for name in ("source", "schema_version", "boot_id", "stream", "event_no"):
                event.ClearField(name)
        return events, {stage.stage: stage for stage in ledgers[0].stages}

    def wanted(self, expected):
        return [self.schema.Event(**event) for event in expected]


def flat(message, path=""):
    """(path, value) of every field that is set, presence included."""
    for field, value in message.ListFields():
        name = path + field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from ((f"{name}[{key}]", text) for key, text in value.items())
        elif field.label == field.LABEL_REPEATED:
            for i, part in enumerate(value):
                if field.message_type:
                    yield f"{name}[{i}]", "there"
                    yield from flat(part, f"{name}[{i}].")
                else:
                    yield f"{name}[{i}]", part
        elif field.message_type:
            yield name, "there"
            yield from flat(value, name + ".")
        elif field.enum_type:
            known = field.enum_type.values_by_number.get(value)
            yield name, known.name if known else value
        else:
            yield name, value


def difference(got, want):
    """The fields in which two events differ, in words; "" = equal."""
    if got == want:
        return ""
    ours, theirs = dict(flat(got)), dict(flat(want))
    return ", ".join(f"{name}: {ours.get(name, 'absent')!r} instead of {theirs.get(name, 'absent')!r}"
                     for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name))


def differences(got, want, most=3):
    """The first few events that differ, in words."""
    found = []
    for i, (ours, theirs) in enumerate(zip(got, want)):
        text = difference(ours, theirs)
        if text:
            found.append(f"event {i + 1} (seq {theirs.seq}, {theirs.WhichOneof('payload')}): {text}")
            if len(found) == most:
                break
    if len(got) != len(want):
        found.append(f"{len(got)} events instead of {len(want)}")
    return found
