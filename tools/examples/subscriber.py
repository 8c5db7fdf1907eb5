"""Takes a work stream from Kafka, opens it with the ledger, and keeps what comes of it: one effect for each record.

Offsets, the chain of records and effects lie in one SQLite file and change in one transaction: whatever dies, nothing
is done twice and nothing is left out. A record holds a reference; what it leads to the ledger tells who may know it.
"""
import contextlib
import sqlite3
import sys
from pathlib import Path

import confluent_kafka
import grpc
from cloudevents.kafka import KafkaMessage, from_binary

import arguments

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "proto"))  # compiled when they are first asked for
api, services = grpc.protos_and_services("records/api/v1/ledger_service.proto")
SCHEMA = """CREATE TABLE IF NOT EXISTS offsets (partition INTEGER PRIMARY KEY, next INTEGER);
            CREATE TABLE IF NOT EXISTS heads (id TEXT PRIMARY KEY);"""


class Subscriber:
    def __init__(self, given, stream, schema):
        self.stream, self.topic, self.once = stream, f"{given.prefix}.{stream}", given.once
        self.fresh, self.at_end = set(), set()  # partitions
        self.store = sqlite3.connect(given.store)
        self.store.executescript(SCHEMA + schema)
        self.consumer = confluent_kafka.Consumer({
            "group.id": f"{given.prefix}.{given.group}", "isolation.level": "read_committed",
            "enable.auto.commit": False, "enable.partition.eof": True, **arguments.kafka_properties(given)})
        self.consumer.subscribe([self.topic], on_assign=self.start_where_the_store_is)
        channel, self.who = arguments.ledger(given)
        self.ledger = services.LedgerServiceStub(channel)

    def start_where_the_store_is(self, consumer, partitions):
        known = dict(self.store.execute("SELECT partition, next FROM offsets"))
        self.fresh = {one.partition for one in partitions if one.partition not in known}
        for one in partitions:
            one.offset = known.get(one.partition, confluent_kafka.OFFSET_BEGINNING)
        consumer.assign(partitions)

    def events(self):
        """(CloudEvent, the one before it, its place) of each record, for as long as there are any."""
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

    def run(self, do, forget):
        """Calls do(store, opened) for each event and forget(store, subject) for whoever is erased."""
        with contextlib.closing(self.consumer):  # leaves the group at once
            for event, previous, record in self.events():
                with self.store:  # one transaction
                    if previous and not self.store.execute("DELETE FROM heads WHERE id = ?", (previous,)).rowcount:
                        if record.partition() not in self.fresh:  # else retention may have taken it
                            raise SystemExit(f"{self.topic}: a record is missing before {event['id']}, or comes twice")
                    self.store.execute("INSERT INTO heads VALUES (?)", (event["id"],))
                    self.take(event, do, forget)
                    place = (record.partition(), record.offset() + 1)
                    self.store.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?)", place)
                self.consumer.commit(record, asynchronous=True)  # for who watches the lag; the store decides

    def take(self, event, do, forget):
        if event["type"] == "records.log.v1.Erased":
            return forget(self.store, event["subject"])
        asked = api.UnsealRequest(stream=self.stream, references=[event.data])
        result = self.ledger.Unseal(asked, metadata=self.who, timeout=30).results[0]
        if result.state == api.UNSEAL_STATE_OPENED:
            return do(self.store, result.opened)
        return result.state == api.UNSEAL_STATE_ERASED and forget(self.store, event["subject"])
