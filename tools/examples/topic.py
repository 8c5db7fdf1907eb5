"""A work stream's topic on Kafka, as CloudEvents."""
import time

import confluent_kafka
from cloudevents.kafka import KafkaMessage, from_binary

import arguments


def ends_of(consumer, partition):
    deadline = time.monotonic() + 30
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=30)
        except confluent_kafka.KafkaException:  # its leader moves, or a broker is late
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Topic:
    """Reads what is committed of the partitions that the group gives. places() says from where: {partition: offset}."""

    def __init__(self, given, stream, places):
        self.name, self.once, self.places = f"{given.prefix}.{stream}", given.once, places
        self.begun_in_the_midst, self.at_end = {}, set()  # by partition: what was written before is taken on trust
        self.consumer = confluent_kafka.Consumer({
            "group.id": f"{given.prefix}.{given.group}", "isolation.level": "read_committed",
            "enable.auto.commit": False, "enable.partition.eof": True, **arguments.kafka_properties(given)})
        self.consumer.subscribe([self.name], on_assign=self.start_where_the_store_is)

    def start_where_the_store_is(self, consumer, partitions):
        known = self.places()
        for one in partitions:
            one.offset = known.get(one.partition, confluent_kafka.OFFSET_BEGINNING)
            low, high = ends_of(consumer, one)
            if one.partition not in known and low > 0:  # retention has taken what their chains began with
                self.begun_in_the_midst[one.partition] = high
        consumer.assign(partitions)

    def events(self):
        """(CloudEvent, the id of the one before it, its record) of each, for as long as there are any."""
        while not (self.once and self.at_end and len(self.at_end) == len(self.consumer.assignment())):
            if (record := self.consumer.poll(1.0)) is None:
                continue
            self.at_end.discard(record.partition())
            if record.error() and record.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                self.at_end.add(record.partition())
            elif record.error():
                raise confluent_kafka.KafkaException(record.error())
            else:
                message = KafkaMessage(headers=dict(record.headers()), key=record.key(), value=record.value())
                previous = message.headers["records_previous"].decode()
                yield from_binary(message, data_unmarshaller=bytes), previous, record

    def passed(self, record):
        self.consumer.commit(record, asynchronous=True)  # for who watches the lag; the store decides

    def close(self):
        self.consumer.close()  # leaves the group at once
