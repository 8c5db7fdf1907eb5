"""What every subscriber is told when it is started."""
import argparse


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
