"""Prints all committed records of a topic: key, headers and value. topic_dump.py SETTINGS_FILE TOPIC

Run with the Python of build/tools: kcat of Debian cannot authenticate to brokers of today.
"""
import sys

import confluent_kafka

WAIT_SECONDS = 60


def main(settings, topic):
    with open(settings, encoding="utf-8") as file:
        conf = dict(line.strip().split("=", 1) for line in file if "=" in line)
    consumer = confluent_kafka.Consumer(conf | {"group.id": topic.split(".")[0] + "." + settings.rsplit("/", 1)[1]
                                                .removesuffix(".properties"), "enable.partition.eof": True,
                                                "isolation.level": "read_committed", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, WAIT_SECONDS).topics[topic].partitions
    if not partitions:
        sys.exit(f"{topic}: not authorised, or not there")
    consumer.assign([confluent_kafka.TopicPartition(topic, one, confluent_kafka.OFFSET_BEGINNING)
                     for one in partitions])
    ended = set()
    while len(ended) < len(partitions):
        record = consumer.poll(WAIT_SECONDS)
        if record is None:
            sys.exit(f"{topic}: its end was not reached")
        if record.error():
            if record.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
                sys.exit(str(record.error()))
            ended.add(record.partition())
            continue
        headers = b",".join(name.encode() + b"=" + value for name, value in record.headers())
        sys.stdout.buffer.write((record.key() or b"") + b"|" + headers + b"|" + record.value() + b"\n")
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
