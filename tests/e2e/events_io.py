"""Events as a consumer sees them that has nothing but the descriptor set: for tests, under Debian's python3."""
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# what a lone event says itself and a batch says once: source, worker, schema_version, session, boot_id, stream,
# event_no, ts_quality
LONE = ("source", "worker", "schema_version", "session", "boot_id", "stream", "event_no", "ts_quality")


class Schema:
    def __init__(self, path):
        files = descriptor_pb2.FileDescriptorSet()
        with open(path, "rb") as f:
            files.ParseFromString(f.read())
        pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            pool.Add(file)
        factory = message_factory.MessageFactory(pool)
        self.Event = factory.GetPrototype(pool.FindMessageTypeByName("events.v1.Event"))
        self.EventBatch = factory.GetPrototype(pool.FindMessageTypeByName("events.v1.EventBatch"))

    def delimited(self, data):
        """The Events of length-delimited bytes."""
        at = 0
        while at < len(data):
            size = shift = 0
            while True:
                byte = data[at]
                at += 1
                size |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            yield self.Event.FromString(data[at:at + size])
            at += size

    def rows(self, data):
        """(stream, number in it, bytes of the row) of each event of an EventBatch."""
        batch = self.EventBatch.FromString(data)
        for i, event in enumerate(batch.events):
            yield batch.stream, batch.first_event + i, event.SerializeToString(deterministic=True)

    @staticmethod
    def row(event):
        """The same of a lone event."""
        where = event.stream, event.event_no
        for name in LONE:
            event.ClearField(name)
        return *where, event.SerializeToString(deterministic=True)
