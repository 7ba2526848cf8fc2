#!/usr/bin/python3
"""demo_consumer: a consumer of pkt-sniffer's events that knows nothing but the descriptor set.

    demo_consumer.py --descriptors events.binpb --zmq tcp://127.0.0.1:5556
    demo_consumer.py --descriptors events.binpb --kafka 127.0.0.1:9092 --topics demo.md,demo.fix

Prints a sample of the events as they come and a line of rates each second; at the end, what it saw, what is
missing by batch sequence, and the last ledger the program sent.
"""
import argparse
import collections
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients", "python"))
from dpdk_stock_ai import Audit, kafka_batches, zmq_batches  # noqa: E402


def describe(event):
    """One line of what happened."""
    kind = event.WhichOneof("payload")
    payload = getattr(event, kind)
    text = f"{event.venue}/{event.channel} {event.seq:>9} {event.symbol:<8} {kind}"
    if kind == "fix":
        return f"{text} {payload.msg_type} #{payload.msg_seq_num} {payload.cl_ord_id} {payload.text}"
    for name in ("price_e9", "size", "side", "action", "aggressor"):
        field = payload.DESCRIPTOR.fields_by_name.get(name)
        if field is None or not getattr(payload, name):
            continue
        value = getattr(payload, name)
        if name == "price_e9":
            text += f" price={value / 1e9:.4f}"
        elif field.enum_type:
            text += " " + field.enum_type.values_by_number[value].name.lower()
        else:
            text += f" {name}={value}"
    return text


def feed_message(event, kind):
    """Whether a message of a feed made this event, and not the program itself."""
    return kind not in ("fix", "gap") and not (kind == "system" and "SESSION" in code_name(event.system))


def code_name(system):
    return system.DESCRIPTOR.fields_by_name["code"].enum_type.values_by_number[system.code].name


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--descriptors", required=True, help="the installed events.binpb")
    options.add_argument("--zmq", help="endpoint of pkt-sniffer's zmq sink")
    options.add_argument("--kafka", help="brokers")
    options.add_argument("--topics", default="md,fix,ops")
    options.add_argument("--samples", type=int, default=3, help="events printed a second")
    options.add_argument("--idle", type=float, default=5, help="end after so many seconds without events")
    args = options.parse_args()

    if args.zmq:
        name, batches = "zmq", zmq_batches(args.zmq, descriptors=args.descriptors, idle_s=args.idle)
    else:
        name, batches = "kafka", kafka_batches(args.kafka, args.topics.split(","), descriptors=args.descriptors,
                                               idle_s=args.idle)
    counts, audit, ledger = collections.Counter(), Audit(), None
    messages, sequence = 0, {}  # of feeds: a message may make several events, under one sequence number
    second, taken, size, samples, before, last = time.monotonic(), 0, 0, 0, 0, None

    for batch in batches:
        now = time.monotonic()
        audit.take(batch)
        if batch.events:
            taken += 1
            size += batch.ByteSize()
            last = now
        elif last and now - last > args.idle:  # heartbeats alone
            break
        for event in batch.events:
            kind = event.WhichOneof("payload")
            counts[kind] += 1
            if kind in ("ledger", "latency"):
                ledger = event.ledger if kind == "ledger" else ledger
                continue
            if feed_message(event, kind) and sequence.get((batch.stream, batch.session)) != event.seq:
                sequence[batch.stream, batch.session] = event.seq
                messages += 1
            if samples < args.samples or (kind == "fix" and samples < 2 * args.samples):
                samples += 1
                print(f"  {name}: {describe(event)}")
        if now - second >= 1:
            total = sum(counts.values())
            print(f"{name}: {(total - before) / (now - second):,.0f} events/s, {taken:,} batches, "
                  f"{size / 1e6:.1f} MB so far", flush=True)
            second, samples, before = now, 0, total
    print(f"{name}: {sum(counts.values()):,} events in {taken:,} batches, {audit.missing} batches missing: " +
          ", ".join(f"{kind} {n:,}" for kind, n in counts.most_common()))
    print(f"{name}: {messages} feed messages, {counts['fix']} FIX messages")
    if ledger:
        for stage in ledger.stages:
            if stage.stage in ("capture", "message", "fix", "event"):
                dropped = sum(d.count for d in stage.dropped)
                print(f"{name}: ledger in the stream: {stage.stage:<8} {stage.entered:>10,} {stage.unit}s in, "
                      f"{stage.left:,} out, {dropped:,} dropped, {stage.held:,} held")
    return 0 if counts and audit.missing == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
