"""Events of pkt-sniffer in Python, from Kafka, ZeroMQ or a file, with nothing but the descriptor set.

    for batch in zmq_batches("tcp://127.0.0.1:5556", topic="md."):
        for event in batch.events: …

A batch is events.v1.EventBatch, an event events.v1.Event, as proto/ describes them. The descriptor set is
looked for in $DPDK_STOCK_AI_DESCRIPTORS, then where `cmake --install` puts it.
"""
import os
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DESCRIPTORS = ("/usr/local/share/dpdk-stock-ai/events.binpb", "/usr/share/dpdk-stock-ai/events.binpb",
               os.path.join(sys.prefix, "share/dpdk-stock-ai/events.binpb"))


def message_class(name, descriptors=None):
    """The class of a message ("events.v1.EventBatch"), made at run time from the descriptor set."""
    path = descriptors or os.environ.get("DPDK_STOCK_AI_DESCRIPTORS")
    path = path or next((p for p in DESCRIPTORS if os.path.exists(p)), None)
    if path is None:
        raise FileNotFoundError("no events.binpb: set DPDK_STOCK_AI_DESCRIPTORS to the one that the build made "
                                "(build/events.binpb) or that was installed (share/dpdk-stock-ai/events.binpb)")
    pool = descriptor_pool.DescriptorPool()
    with open(path, "rb") as file:
        for proto in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            pool.Add(proto)
    descriptor = pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)  # protobuf before 4.22


def zmq_batches(endpoint, topic="", descriptors=None, idle_s=None):
    """Batches of a `zmq:` sink. topic is a prefix ("md.XNAS.0."). Ends after idle_s seconds without a message, once
    one came. Heartbeats are batches without events."""
    import zmq

    batch = message_class("events.v1.EventBatch", descriptors)
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.set_hwm(0)
    socket.subscribe(topic.encode())
    socket.connect(endpoint)
    timeout_ms = None
    try:
        while socket.poll(timeout_ms):
            yield batch.FromString(socket.recv_multipart()[1])
            timeout_ms = None if idle_s is None else idle_s * 1000
    finally:
        socket.close(0)


def kafka_batches(brokers, topics, descriptors=None, idle_s=None, **config):
    """Batches of a `kafka:` sink in its default mode, from the oldest on; idle_s as in zmq_batches. topics: a
    list; config: of confluent-kafka, with _ for dots."""
    import uuid

    from confluent_kafka import Consumer, KafkaError, KafkaException

    batch = message_class("events.v1.EventBatch", descriptors)
    settings = {"bootstrap.servers": brokers, "group.id": str(uuid.uuid4()), "auto.offset.reset": "earliest",
                "topic.metadata.refresh.interval.ms": 1000}
    settings.update((key.replace("_", "."), value) for key, value in config.items())
    consumer = Consumer(settings)
    consumer.subscribe(topics)
    started = False
    try:
        while True:
            record = consumer.poll(idle_s if started and idle_s is not None else 1)
            if record is None:
                if started and idle_s is not None:
                    return
            elif not record.error():
                started = True
                yield batch.FromString(record.value())
            elif record.error().code() != KafkaError.UNKNOWN_TOPIC_OR_PART:  # that one is not there yet
                raise KafkaException(record.error())
    finally:
        consumer.close()


def file_events(path, descriptors=None):
    """Events of a `file:` sink: each behind its length as a varint."""
    event = message_class("events.v1.Event", descriptors)
    with open(path, "rb") as file:
        while True:
            size = shift = 0
            while True:
                byte = file.read(1)
                if not byte:
                    return
                size |= (byte[0] & 0x7F) << shift
                shift += 7
                if byte[0] < 0x80:
                    break
            yield event.FromString(file.read(size))


class Audit:
    """Counts what did not arrive. Each stream numbers its batches: a hole is a batch that was lost on the way."""

    def __init__(self):
        self.next = {}
        self.missing = 0

    def take(self, batch):
        """Returns how many batches of this stream are missing before this one."""
        key = (batch.source, batch.boot_id, batch.stream)
        gap = max(0, batch.batch_seq - self.next.get(key, batch.batch_seq))
        self.next[key] = batch.batch_seq + bool(batch.events)  # a heartbeat names the batch that comes next
        self.missing += gap
        return gap


def identity(batch, event):
    """What an event is the same by on every host and in every run: to remove duplicates."""
    return (event.venue, event.channel, batch.session, event.seq, event.sub_seq, event.WhichOneof("payload"))
