#!/usr/bin/env python3
"""A repairs system: makes a job of each request for a service, and forgets whoever is erased."""
import grpc

from arguments import options
from subscriber import Subscriber

contact = grpc.protos("records/events/v1/contact.proto")
JOBS = "CREATE TABLE IF NOT EXISTS jobs (subject TEXT, kind TEXT, what TEXT, place TEXT, hazards TEXT, mind TEXT);"


def make_job(store, opened):
    raised = contact.ServiceRequestRaised()
    if not opened.event.Unpack(raised):
        return
    request = raised.request
    kind = contact.ServiceRequestKind.Name(request.kind).removeprefix("SERVICE_REQUEST_KIND_").lower()
    hazards = ", ".join(contact.Hazard.Name(one).removeprefix("HAZARD_").lower() for one in request.hazards)
    mind = ", ".join(raised.vulnerabilities)  # what a visit must mind
    store.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?)",
                  (opened.subject, kind, request.description, request.place, hazards, mind))
    print(f"job for {opened.subject[:8]}: {kind}: {request.description}; hazards: {hazards or 'none'}; "
          f"mind: {mind or 'nothing'}", flush=True)


def forget(store, subject):
    done = store.execute("DELETE FROM jobs WHERE subject = ?", (subject,)).rowcount
    print(f"forget {subject[:8]}: {done} jobs", flush=True)


if __name__ == "__main__":
    given = options(__doc__, group="repairs", purpose="service-delivery")
    try:
        Subscriber(given, "repairs.v1", JOBS).run(make_job, forget)
    except KeyboardInterrupt:
        pass
