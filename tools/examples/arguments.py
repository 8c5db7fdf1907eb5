"""What every subscriber is told when it is started."""
import argparse
from pathlib import Path

import grpc


def options(description, group, purpose):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--kafka", default="127.0.0.1:9092", help="the brokers")
    parser.add_argument("--kafka-settings", help="file of librdkafka's properties, mode 0600, for TLS and SASL")
    parser.add_argument("--prefix", default="records", help="what the topics' names begin with")
    parser.add_argument("--ledger", default="127.0.0.1:7400", help="the server that opens references")
    parser.add_argument("--ledger-ca", help="its certificate authority; without: on this machine only")
    parser.add_argument("--token-file", required=True, help="the token of this system")
    parser.add_argument("--store", required=True, help="the SQLite file of this system")
    parser.add_argument("--once", action="store_true", help="end when there is no more to do")
    parser.set_defaults(group=group, purpose=purpose)
    return parser.parse_args()


def kafka_properties(given):
    """How the brokers are reached, under librdkafka's names."""
    lines = Path(given.kafka_settings).read_text(encoding="utf-8").splitlines() if given.kafka_settings else []
    named = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {"bootstrap.servers": given.kafka, **named}


def ledger(given):
    """How the ledger is reached, and what each call says of who calls."""
    credentials = (grpc.ssl_channel_credentials(Path(given.ledger_ca).read_bytes()) if given.ledger_ca
                   else grpc.local_channel_credentials())
    token = Path(given.token_file).read_text(encoding="utf-8").strip()
    return grpc.secure_channel(given.ledger, credentials), [("authorization", "Bearer " + token),
                                                            ("purpose", given.purpose)]
