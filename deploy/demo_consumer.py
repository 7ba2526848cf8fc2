#!/usr/bin/python3
"""demo_consumer: a consumer of pkt-sniffer's events that knows nothing but the descriptor set.

    demo_consumer.py --descriptors events.binpb --zmq tcp://127.0.0.1:5556
    demo_consumer.py --descriptors events.binpb --kafka 127.0.0.1:9092 --topics demo.md,demo.fix

Prints a sample of the events as they come and a line of rates each second; at the end, what it saw, what is
missing by batch sequence, and the last ledger the program sent.
"""
import argparse
import collections
import sys
import time

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def message_class(path, name):
    """The class of a message, made from a descriptor set at run time."""
    pool = descriptor_pool.DescriptorPool()
    with open(path, "rb") as file:
        for proto in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            pool.Add(proto)
    descriptor = pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def from_zmq(endpoint):
    """Payloads of batches as they come; None about ten times a second."""
    import zmq

    socket = zmq.Context().socket(zmq.SUB)
    socket.set_hwm(0)
    socket.subscribe(b"")
    socket.connect(endpoint)
    while True:
        if socket.poll(100):
            yield socket.recv_multipart()[1]
        else:
            yield None


def from_kafka(brokers, topics):
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"demo-{time.time_ns()}",
                         "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 500})
    consumer.subscribe(topics)
    while True:
        record = consumer.poll(0.1)
        yield record.value() if record and not record.error() else None


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


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--descriptors", required=True, help="the installed events.binpb")
    options.add_argument("--zmq", help="endpoint of pkt-sniffer's zmq sink")
    options.add_argument("--kafka", help="brokers")
    options.add_argument("--topics", default="md,fix,ops")
    options.add_argument("--samples", type=int, default=3, help="events printed a second")
    options.add_argument("--idle", type=float, default=3, help="end after so many seconds without events")
    args = options.parse_args()

    batch_class = message_class(args.descriptors, "events.v1.EventBatch")
    source = from_zmq(args.zmq) if args.zmq else from_kafka(args.kafka, args.topics.split(","))
    name = "zmq" if args.zmq else "kafka"
    counts, expected, missing, ledger = collections.Counter(), {}, 0, None
    second, batches, size, samples, last = time.monotonic(), 0, 0, 0, None
    before = 0

    for payload in source:
        now = time.monotonic()
        if payload:
            batch = batch_class.FromString(payload)
            if batch.events:
                if last is None:
                    second = now
                last = now
                key = (batch.boot_id, batch.stream)
                missing += batch.batch_seq - expected.get(key, batch.batch_seq)
                expected[key] = batch.batch_seq + 1
            batches += 1
            size += len(payload)
            for event in batch.events:
                kind = event.WhichOneof("payload")
                counts[kind] += 1
                if kind == "ledger":
                    ledger = event.ledger
                elif samples < args.samples or (kind == "fix" and samples < 2 * args.samples):
                    samples += 1
                    print(f"  {name}: {describe(event)}")
        if last and now - second >= 1:
            total = sum(counts.values())
            print(f"{name}: {(total - before) / (now - second):,.0f} events/s, {batches} batches, "
                  f"{size / 1e6:.1f} MB so far", flush=True)
            second, samples, before = now, 0, total
        if last and now - last > args.idle:
            break
    print(f"{name}: {sum(counts.values()):,} events in {batches:,} batches, {missing} batches missing: " +
          ", ".join(f"{kind} {n:,}" for kind, n in counts.most_common()))
    if ledger:
        for stage in ledger.stages:
            if stage.stage in ("capture", "message", "fix", "event"):
                dropped = sum(d.count for d in stage.dropped)
                print(f"{name}: ledger in the stream: {stage.stage:<8} {stage.entered:>10,} {stage.unit}s in, "
                      f"{stage.left:,} out, {dropped:,} dropped, {stage.held:,} held")
    return 0 if missing == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
