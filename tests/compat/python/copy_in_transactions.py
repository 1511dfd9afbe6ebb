"""Copies records in transactions with librdkafka until it is killed.

    copy_in_transactions.py BOOTSTRAP FROM TO GROUP ID

Each transaction has the offsets that it read. Prints a line a transaction.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition


def copy(bootstrap, source, target, group, name):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 10_000,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": name,
            "transaction.timeout.ms": 10_000,
        }
    )
    try:
        producer.init_transactions(30)
        consumer.subscribe([source])
        count = 0
        while True:
            messages = [m for m in consumer.consume(40, 0.2) if m.error() is None]
            if not messages:
                continue
            producer.begin_transaction()
            offsets = {}
            for message in messages:
                producer.produce(target, message.value(), partition=message.partition())
                offsets[message.partition()] = message.offset() + 1
            places = [TopicPartition(source, p, offset) for p, offset in offsets.items()]
            producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), 30)
            count += 1
            if count % 7 == 0:
                # Given up after all was written: read again, and not seen twice.
                producer.flush(10)
                producer.abort_transaction(30)
                raise KafkaException("aborted on purpose")
            producer.commit_transaction(30)
            print("copied", len(messages), flush=True)
    finally:
        consumer.close()


if __name__ == "__main__":
    while True:
        try:
            copy(*sys.argv[1:])
        except KafkaException as lost:
            # Whatever it was: begin again from the committed offsets, under a higher epoch.
            print("again", lost, flush=True)
            time.sleep(0.2)
