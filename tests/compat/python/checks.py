"""What is checked. Each check is a function that raises if the broker is wrong."""

import base64
import hashlib
import os
import random
import re
import time

import admin
import connect
import groups
import streams
import transactions
from clients import java, run
from kills import kills_lose_nothing

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
PARTITIONS = 4
# Records a partition; the last of each partition's values are 1 byte and 1 MiB.
RECORDS = 12
# Records say that they are ten minutes old: older ones would be the prey of retention.
FIRST_MS = int(time.time() * 1000) - 600_000


class Context:
    def __init__(self, options, broker, clients):
        self.options, self.broker, self.clients = options, broker, clients
        self.topics = 0

    @property
    def bootstrap(self):
        return self.broker.bootstrap

    def client(self, name):
        return next(c for c in self.clients if c.name == name)

    def topic(self, *configs, partitions=PARTITIONS):
        """A new topic, made by Apache Kafka's own tool."""
        self.topics += 1
        name = f"compat-{self.topics}"
        tool = java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap)
        create = ["--create", "--topic", name, "--partitions", str(partitions)]
        extra = [word for config in configs for word in ("--config", config)]
        run([*tool, *create, "--replication-factor", "1", *extra])
        return name

    def cases(self, seed, simple=False, large=True):
        """A case file and its lines by partition."""
        rng = random.Random(seed)
        by_partition = {p: [] for p in range(PARTITIONS)}
        for partition, lines in by_partition.items():
            for index in range(RECORDS):
                lines.append(case(rng, partition, index, simple, large))
        path = f"{self.options.build}/cases-{seed}"
        with open(path, "w") as file:
            for index in range(RECORDS):
                for lines in by_partition.values():
                    file.write(lines[index] + "\n")
        return path, by_partition


def text(rng, size):
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=size)).encode()


def encode(value):
    return "-" if value is None else base64.b64encode(value).decode()


def case(rng, partition, index, simple, large):
    """Null and empty keys and values, headers with and without values, 1 byte and 1 MiB."""
    key = [None, text(rng, 10), text(rng, 1)][index % 3]
    value = text(rng, rng.randint(1, 2000))
    if index == 4:
        value = None
        key = key or b"k"
    if index == RECORDS - 2:
        value = b"x"
    if index == RECORDS - 1 and large and partition == 0:
        # Half of it cannot be compressed; under the limit of a batch of 1,048,588 bytes.
        value = text(rng, 512 << 10) + bytes(511 << 10)
    if not simple and index % 4 == 1:
        value = rng.randbytes(500)
    headers = "-"
    if index % 3 == 1:
        pairs = [("trace", text(rng, 8)), ("again", text(rng, 3)), ("again", text(rng, 4))]
        headers = ",".join(f"{k}={encode(v)}" for k, v in pairs)
    timestamp = FIRST_MS + index * 1000
    return "\t".join([str(partition), str(timestamp), encode(key), encode(value), headers])


def without_time(line):
    fields = line.split("\t")
    return "\t".join([fields[0], *fields[2:]])


def expect_lines(client, got, expected, first_offset, timed):
    """`expected` are case lines; what was read has the offset as its second field."""
    assert len(got) == len(expected), f"{client}: {len(got)} records, not {len(expected)}"
    for index, (line, case_line) in enumerate(zip(got, expected)):
        fields = line.split("\t")
        offset = int(fields.pop(1))
        assert offset == first_offset + index, f"{client}: offset {offset} at {index}"
        line = "\t".join(fields)
        same = line == case_line if timed else without_time(line) == without_time(case_line)
        assert same, f"{client}: record {index}\n got {line[:300]}\nwant {case_line[:300]}"


def every_client_reads_every_other(context):
    """Every codec and every kind of acks, SIGKILL in between, every byte compared."""
    for seed, producer in enumerate(context.clients):
        simple = producer.name == "kcat"
        topic = context.topic()
        path, by_partition = context.cases(seed, simple, large=True)
        rounds = [("all", "none", True), ("all", "gzip", False), ("1", "snappy", False)]
        rounds += [("1", "lz4", False), ("all", "zstd", True)]
        if simple:
            rounds = rounds[:1] + rounds[4:]
        for acks, codec, idempotent in rounds:
            producer.produce(context.bootstrap, topic, path, acks, codec, idempotent)
        context.broker.restart()
        for consumer in context.clients:
            for partition, lines in by_partition.items():
                want = lines * len(rounds)
                got = consumer.consume(context.bootstrap, topic, partition, "start", len(want))
                who = f"{producer.name} to {consumer.name}"
                expect_lines(who, got, want, 0, timed=not simple)
                end = consumer.consume(context.bootstrap, topic, partition, "end", 0)
                assert end == [f"end {len(want)}"], f"{who}: {end}"


def from_an_offset_and_a_time(context):
    topic = context.topic()
    path, by_partition = context.cases(50, large=False)
    context.client("java").produce(context.bootstrap, topic, path, "all", "lz4", True)
    context.broker.restart()
    for consumer in context.clients:
        lines = by_partition[1]
        # Inside a batch: the whole batch comes back, the client drops what is before.
        got = consumer.consume(context.bootstrap, topic, 1, "5", RECORDS - 5)
        expect_lines(consumer.name, got, lines[5:], 5, timed=True)
        got = consumer.consume(context.bootstrap, topic, 1, f"@{FIRST_MS + 6500}", RECORDS - 7)
        expect_lines(consumer.name, got, lines[7:], 7, timed=True)


def acks_zero(context):
    for producer in context.clients[:3]:
        topic = context.topic()
        path, by_partition = context.cases(60, large=False)
        producer.produce(context.bootstrap, topic, path, "0", "none", False)
        got = producer.consume(context.bootstrap, topic, 0, "start", RECORDS)
        expect_lines(producer.name, got, by_partition[0], 0, timed=True)


def java_tools(context):
    """The verifiable producer and the console consumer with --partition and --offset."""
    topic = context.topic()
    producer = java("org.apache.kafka.tools.VerifiableProducer")
    said = run(
        [*producer, "--bootstrap-server", context.bootstrap, "--topic", topic]
        + ["--max-messages", "1000", "--acks", "-1"]
    ).decode()
    assert said.count('"producer_send_success"') == 1000, said[-500:]
    context.broker.restart()
    seen = []
    for partition in range(PARTITIONS):
        consumer = java("org.apache.kafka.tools.consumer.ConsoleConsumer")
        said = run(
            [*consumer, "--bootstrap-server", context.bootstrap, "--topic", topic]
            + ["--partition", str(partition), "--offset", "earliest", "--timeout-ms", "6000"]
        ).decode()
        seen += [int(line) for line in said.split()]
    assert sorted(seen) == list(range(1000)), f"{len(seen)} of 1000 values"


def administration(context):
    """Apache Kafka's own tools: describe, configure, add partitions, delete records, delete."""
    topic = context.topic("retention.ms=3600000")
    at = ["--bootstrap-server", context.bootstrap]
    topics = java("org.apache.kafka.tools.TopicCommand", *at)
    configs = java("kafka.admin.ConfigCommand", *at, "--entity-type", "topics")
    said = run([*topics, "--describe", "--topic", topic]).decode()
    assert "PartitionCount: 4" in said and "retention.ms=3600000" in said, said
    alter = ["--alter", "--entity-name", topic, "--add-config", "segment.bytes=1048576"]
    run([*configs, *alter])
    said = run([*configs, "--describe", "--entity-name", topic, "--all"]).decode()
    assert "segment.bytes=1048576" in said and "cleanup.policy=delete" in said, said
    run([*topics, "--alter", "--topic", topic, "--partitions", "6"])
    said = run([*topics, "--describe", "--topic", topic]).decode()
    assert "PartitionCount: 6" in said, said
    path, _ = context.cases(70, large=False)
    context.client("java").produce(context.bootstrap, topic, path, "all", "none", True)
    plan = f"{context.options.build}/delete.json"
    with open(plan, "w") as file:
        file.write(
            '{"version":1,"partitions":[{"topic":"%s","partition":0,"offset":5}]}' % topic
        )
    run([*java("org.apache.kafka.tools.DeleteRecordsCommand", *at), "--offset-json-file", plan])
    if not context.options.kafka:
        # Apache Kafka forgets a log start that it has not flushed yet; ours is committed.
        context.broker.restart()
    offsets = java("org.apache.kafka.tools.GetOffsetShell", *at, "--topic", topic)
    said = run([*offsets, "--time", "-2"]).decode()
    assert f"{topic}:0:5" in said and f"{topic}:1:0" in said, said
    said = run([*offsets, "--time", "-3"]).decode()
    assert f"{topic}:0:{RECORDS - 1}" in said, said
    said = run(java("org.apache.kafka.tools.LogDirsCommand", *at, "--describe")).decode()
    assert topic in said, said
    run([*topics, "--delete", "--topic", topic])
    assert topic not in run([*topics, "--list"]).decode().split()


def segments_are_kafkas(context):
    """Apache Kafka's dump tool reads a sealed segment of ours, and finds every record."""
    if context.options.kafka:
        return
    topic = context.topic("segment.bytes=1048576", partitions=1)
    perf = java("org.apache.kafka.tools.ProducerPerformance", "--topic", topic)
    size = ["--num-records", "4000", "--record-size", "1000", "--throughput", "-1"]
    run([*perf, *size, "--producer-props", f"bootstrap.servers={context.bootstrap}", "acks=all"])
    context.broker.stop()
    found = []
    for folder, _, files in os.walk(f"{context.broker.dir}/topics"):
        found += [os.path.join(folder, f) for f in files if f.endswith(".log")]
    context.broker.start()
    dump = java("kafka.tools.DumpLogSegments", "--deep-iteration", "--files")
    sealed = [p for p in sorted(found, key=os.path.getsize) if 0 < os.path.getsize(p)]
    records = 0
    for path in sealed:
        said = run([*dump, path]).decode()
        assert "isvalid: false" not in said, said[-2000:]
        records = max(records, len(re.findall(r"^\| offset", said, re.M)))
    assert records > 500, f"{records} records in the fullest of {len(sealed)} segments"


def big_topics_cross(context):
    """A topic by Java and one by librdkafka, read by each other's consumer after SIGKILL."""
    size, record = context.options.big, 16 << 10
    count = size // record
    build = context.options.build
    path = f"{build}/big"
    lines = []
    rng = random.Random(90)
    with open(path, "w") as file:
        for index in range(count):
            value = encode(rng.randbytes(record))
            file.write(f"0\t{FIRST_MS + index}\t-\t{value}\t-\n")
            lines.append(hashlib.sha256(value.encode()).digest())
    pairs = [("java", "librdkafka"), ("librdkafka", "java")]
    for writer, reader in pairs:
        topic = context.topic(partitions=1)
        context.client(writer).produce(context.bootstrap, topic, path, "all", "none", True)
        context.broker.restart()
        got = context.client(reader).consume(context.bootstrap, topic, 0, "start", count)
        hashes = [hashlib.sha256(line.split("\t")[4].encode()).digest() for line in got]
        assert hashes == lines, f"{writer} to {reader}: {len(got)} of {count} records agree not"
    os.remove(path)


ALL = [
    every_client_reads_every_other,
    from_an_offset_and_a_time,
    acks_zero,
    java_tools,
    administration,
    segments_are_kafkas,
    big_topics_cross,
    kills_lose_nothing,
    *groups.ALL,
    *transactions.ALL,
    *admin.ALL,
    *streams.ALL,
    *connect.ALL,
]
