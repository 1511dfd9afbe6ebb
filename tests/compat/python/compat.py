"""Produces the records of a case file, or prints a partition's records, with confluent-kafka.

The formats are those of the Java program beside it.
"""

import base64
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition


def decode(field):
    return None if field == "-" else base64.b64decode(field)


def encode(value):
    return "-" if value is None else base64.b64encode(value).decode()


def produce(bootstrap, topic, cases, acks, codec, idempotent):
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": acks,
            "compression.type": codec,
            "enable.idempotence": idempotent,
            "linger.ms": 20,
            "message.max.bytes": 2_000_000,
        }
    )
    failures, count = [], 0

    def delivered(error, _message):
        if error is not None:
            failures.append(str(error))

    with open(cases) as lines:
        for line in lines:
            partition, timestamp, key, value, headers = line.rstrip("\n").split("\t")
            pairs = []
            if headers != "-":
                for header in headers.split(","):
                    name, _, text = header.partition("=")
                    pairs.append((name, decode(text)))
            while True:
                try:
                    producer.produce(
                        topic,
                        value=decode(value),
                        key=decode(key),
                        partition=int(partition),
                        timestamp=int(timestamp),
                        headers=pairs,
                        on_delivery=delivered,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            count += 1
    left = producer.flush(60)
    if left or failures:
        sys.exit(f"{left} left, {len(failures)} failed: {failures[:3]}")
    print("produced", count)


def consume(bootstrap, topic, partition, start, count):
    partition, count = int(partition), int(count)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )
    place = TopicPartition(topic, partition)
    if start == "end":
        print("end", consumer.get_watermark_offsets(place, timeout=20)[1])
        return
    if start == "start":
        place.offset = OFFSET_BEGINNING
    elif start.startswith("@"):
        place.offset = int(start[1:])
        place = consumer.offsets_for_times([place], timeout=20)[0]
    else:
        place.offset = int(start)
    consumer.assign([place])
    deadline = time.monotonic() + 60
    while count > 0 and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        count -= 1
        headers = ",".join(f"{k}={encode(v)}" for k, v in message.headers() or []) or "-"
        print(
            partition,
            message.offset(),
            message.timestamp()[1],
            encode(message.key()),
            encode(message.value()),
            headers,
            sep="\t",
        )
    # Closing would leave a group that was never joined: ending the process is enough.
    sys.stdout.flush()
    if count:
        sys.exit(f"{count} records are missing")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
