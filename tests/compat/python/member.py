"""A member of a group, through librdkafka, until SIGTERM: member.py BOOTSTRAP TOPIC GROUP PROTOCOL.

Prints a line a record, before its offset is committed. PROTOCOL is consumer, or the assignor of the
classic protocol.
"""

import signal
import sys

from confluent_kafka import Consumer, KafkaException


def main(bootstrap, topic, group, protocol):
    config = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    if protocol == "consumer":
        config["group.protocol"] = "consumer"
    else:
        config["partition.assignment.strategy"] = protocol
        config["session.timeout.ms"] = 10_000
    consumer = Consumer(config)
    consumer.subscribe([topic])
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    while not stopped:
        message = consumer.poll(0.2)
        if message is None or message.error():
            continue
        print(message.value().decode(), flush=True)
        try:
            consumer.commit(message, asynchronous=False)
        except KafkaException:
            # The partition is another member's now, which reads the record again.
            continue
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
