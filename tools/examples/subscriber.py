"""Takes a work stream from Kafka, opens it with the ledger, and keeps what comes of it: one effect for each record.

Offsets, the chain of records and effects lie in one SQLite file and change in one transaction: whatever dies, nothing
is done twice and nothing is left out. A record holds a reference; what it leads to the ledger tells who may know it.
"""
import contextlib
import sqlite3
import sys
import time
import uuid
from pathlib import Path

import grpc

import arguments
from topic import Topic

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "proto"))  # compiled when they are first asked for
api, services = grpc.protos_and_services("records/api/v1/ledger_service.proto")
erasure, erasures = grpc.protos_and_services("records/api/v1/erasure_service.proto")
ERASED = "records.log.v1.Erased"
SCHEMA = """CREATE TABLE IF NOT EXISTS offsets (partition INTEGER PRIMARY KEY, next INTEGER);
            CREATE TABLE IF NOT EXISTS heads (id TEXT PRIMARY KEY);"""


class Subscriber:
    def __init__(self, given, stream, schema):
        self.stream = stream
        self.store = sqlite3.connect(given.store)
        self.store.executescript(SCHEMA + schema)
        self.topic = Topic(given, stream, lambda: dict(self.store.execute("SELECT partition, next FROM offsets")))
        channel, self.who = arguments.ledger(given)
        self.ledger, self.erasures = services.LedgerServiceStub(channel), erasures.ErasureServiceStub(channel)

    def run(self, do, forget):
        """Calls do(store, opened) for each event and forget(store, subject) for whoever is erased."""
        with contextlib.closing(self.topic):
            for event, previous, record in self.topic.events():
                if event["type"] == ERASED:
                    self.erase(event, forget)
                with self.store:  # one transaction
                    if previous and not self.store.execute("DELETE FROM heads WHERE id = ?", (previous,)).rowcount:
                        if record.offset() >= self.topic.begun_in_the_midst.get(record.partition(), 0):
                            raise SystemExit(f"{self.topic.name}: one is missing before {event['id']}, or comes twice")
                    self.store.execute("INSERT INTO heads VALUES (?)", (event["id"],))
                    if event["type"] != ERASED:
                        self.take(event, do, forget)
                    place = (record.partition(), record.offset() + 1)
                    self.store.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?)", place)
                self.topic.passed(record)

    def take(self, event, do, forget):
        asked = api.UnsealRequest(stream=self.stream, references=[event.data])
        result = self.ledger.Unseal(asked, metadata=self.who, timeout=30).results[0]
        if result.state == api.UNSEAL_STATE_OPENED:
            do(self.store, result.opened)
        elif result.state == api.UNSEAL_STATE_ERASED:
            forget(self.store, event["subject"])

    def erase(self, event, forget):
        """Dropped for good, then confirmed, then passed: whatever dies in between, all is done again."""
        confirmed = erasure.ConfirmErasureRequest(request_id=str(uuid.uuid5(uuid.NAMESPACE_OID, event["id"])),
                                                  stream=self.stream, reference=event.data)
        while True:
            with self.store:
                forget(self.store, event["subject"])
            try:
                return self.erasures.ConfirmErasure(confirmed, metadata=self.who, timeout=30)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.FAILED_PRECONDITION:  # confirmed before, by hand
                    return None
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
            time.sleep(1)  # until the ledger has closed the record; what came by then is dropped too
