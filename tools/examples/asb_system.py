#!/usr/bin/env python3
"""An ASB system: opens a case for each report and files documents, and forgets whoever is erased."""
import grpc

from arguments import options
from subscriber import Subscriber

asb = grpc.protos("records/events/v1/asb.proto")
contact = grpc.protos("records/events/v1/contact.proto")
CASES = "CREATE TABLE IF NOT EXISTS cases (subject TEXT, kind TEXT, what TEXT, place TEXT, anonymous INTEGER);"


def open_case(store, opened):
    reported, indexed = asb.AsbReported(), contact.AsbDocumentIndexed()
    if opened.event.Unpack(reported):
        report = reported.report
        row = (opened.subject, report.kind or "report", report.description, report.place, reported.anonymous)
    elif opened.event.Unpack(indexed):
        row = (opened.subject, "document", indexed.entry.matter, indexed.entry.content_location, False)
    else:
        return
    store.execute("INSERT INTO cases VALUES (?, ?, ?, ?, ?)", row)
    print(f"case {row[0][:8]}: {row[1]}: {row[2]}{' (anonymous)' if row[4] else ''}", flush=True)


def forget(store, subject):
    done = store.execute("DELETE FROM cases WHERE subject = ?", (subject,)).rowcount
    print(f"forget {subject[:8]}: {done} cases", flush=True)


if __name__ == "__main__":
    given = options(__doc__, group="asb", purpose="asb-casework")
    try:
        Subscriber(given, "asb.v1", CASES).run(open_case, forget)
    except KeyboardInterrupt:
        pass
