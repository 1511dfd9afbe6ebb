"""Every administrative call that is served, by Apache Kafka's own admin client, and its command-line tools."""

import json
import os
import re
import subprocess

from clients import HERE, java, run

NOT_SERVED = [
    "DescribeAcls",
    "DescribeDelegationToken",
    "AlterClientQuotas",
    "UpdateFeatures",
    "UnregisterBroker",
]
COMMANDS = "org.apache.kafka.tools"


def admin_client_calls(context):
    """The answers are checked there; what is not advertised is refused by the client itself."""
    said = run(java("compat.Administer", context.bootstrap)).decode()
    assert "administered" in said, said
    assert f"not served: [{', '.join(NOT_SERVED)}]" in said, said


def tools(commands):
    """Runs each in one process of Java; what each has printed."""
    lines = "".join("\t".join(words) + "\n" for words in commands).encode()
    process = subprocess.run(java("compat.Tools"), input=lines, capture_output=True, timeout=240)
    assert process.returncode == 0, process.stderr[-2000:]
    rest, said = process.stdout, []
    while rest:
        head, _, rest = rest.partition(b"\n")
        code, size = map(int, head.split())
        said.append((code, rest[:size].decode()))
        rest = rest[size:]
    assert len(said) == len(commands), process.stderr[-2000:]
    return said


def librdkafka_administers(context):
    """The calls of librdkafka's admin client, and their errors."""
    venv = f"{context.options.build}/venv/bin/python"
    program = os.path.join(HERE, "python", "administer.py")
    said = run([venv, program, context.bootstrap]).decode()
    assert said == "administered\n", said


def plan(context, name, entry):
    """A file that says what is to be done with a partition."""
    path = f"{context.options.build}/{name}.json"
    with open(path, "w") as file:
        json.dump({"version": 1, "partitions": [entry]}, file)
    return path


def changing_tools(context):
    """What writes: a load, a verified consumer and producer, a trim, a reassignment to where it is."""
    topic, count = context.topic(partitions=1), "2000"
    server = ["--bootstrap-server", context.bootstrap]
    here = {"topic": topic, "partition": 0}
    trim = plan(context, "trim", {**here, "offset": 7})
    size = ["--num-records", count, "--record-size", "100", "--throughput", "-1"]
    reassign = f"{COMMANDS}.reassign.ReassignPartitionsCommand"
    node = re.search(rb"broker (\d+) at", run(["kcat", "-L", "-b", context.bootstrap]))[1]
    place = plan(context, "reassign", {**here, "replicas": [int(node)]})
    file = ["--reassignment-json-file", place]
    cases = [
        ([f"{COMMANDS}.ProducerPerformance", "--topic", topic, *size, "--producer-props",
          f"bootstrap.servers={context.bootstrap}"], rf"{count} records sent"),
        ([f"{COMMANDS}.VerifiableConsumer", *server, "--topic", topic, "--group-id", "verified",
          "--max-messages", count], r"shutdown_complete"),
        ([f"{COMMANDS}.consumer.group.ConsumerGroupCommand", *server, "--describe", "--group",
          "verified"], rf"verified +{re.escape(topic)} +0 +{count} +{count} +0 "),
        ([f"{COMMANDS}.GroupsCommand", *server, "--list"], r"verified +Classic"),
        ([f"{COMMANDS}.VerifiableProducer", *server, "--topic", topic, "--max-messages", "50"],
         r"startup_complete"),
        ([f"{COMMANDS}.DeleteRecordsCommand", *server, "--offset-json-file", trim],
         r"low_watermark: 7"),
        ([f"{COMMANDS}.GetOffsetShell", *server, "--topic", topic, "--time", "-2"],
         rf"{re.escape(topic)}:0:7"),
        ([f"{COMMANDS}.TransactionsCommand", *server, "describe-producers", "--topic", topic,
          "--partition", "0"], r"ProducerId"),
        ([reassign, *server, "--execute", *file], r"Successfully started"),
        ([reassign, *server, "--verify", *file], r"is completed"),
        (["kafka.admin.ConfigCommand", *server, "--describe", "--entity-type", "topics"],
         rf"topic {re.escape(topic)}"),
        (["kafka.admin.ConfigCommand", *server, "--describe", "--entity-type", "users"], r""),
    ]
    for (words, wanted), (code, said) in zip(cases, tools([words for words, _ in cases])):
        assert code == 0, f"{words}: exit {code}\n{said[-2000:]}"
        assert re.search(wanted, said), f"{words}:\n{said[-2000:]}"


def command_line_tools(context):
    """What each prints about a topic of 3 partitions with 5 records."""
    topic = context.topic(partitions=3)
    for _ in range(5):
        run(["kcat", "-P", "-b", context.bootstrap, "-t", topic, "-p", "0"], input=b"v\n")
    server = ["--bootstrap-server", context.bootstrap]
    cases = [
        (f"{COMMANDS}.TopicCommand", ["--describe", "--topic", topic], r"PartitionCount: 3"),
        (f"{COMMANDS}.GetOffsetShell", ["--topic", topic], rf"{re.escape(topic)}:0:5"),
        (f"{COMMANDS}.ClusterTool", ["cluster-id"], r"Cluster ID: \S{22}"),
        (f"{COMMANDS}.BrokerApiVersionsCommand", [], r"Produce\(0\): 0 to 13"),
        (f"{COMMANDS}.FeatureCommand", ["describe"], r"transaction\.version.*FinalizedVersionLevel: 2"),
        (f"{COMMANDS}.LogDirsCommand", ["--describe", "--topic-list", topic], rf"{re.escape(topic)}-0"),
        (f"{COMMANDS}.MetadataQuorumCommand", ["describe", "--status"], r"LeaderId:\s+\d+"),
        (f"{COMMANDS}.consumer.group.ConsumerGroupCommand", ["--list"], r""),
        (f"{COMMANDS}.consumer.group.ShareGroupCommand", ["--list"], r""),
        (f"{COMMANDS}.TransactionsCommand", ["list"], r"TransactionalId"),
        (f"{COMMANDS}.LeaderElectionCommand",
         ["--election-type", "preferred", "--topic", topic, "--partition", "0"], r"Valid replica already elected"),
        (f"{COMMANDS}.reassign.ReassignPartitionsCommand", ["--list"], r"No partition reassignments"),
    ]
    commands = []
    for main, arguments, _ in cases:
        # This one wants its options in front of the word.
        is_split = main.endswith((".TransactionsCommand", ".MetadataQuorumCommand", ".FeatureCommand"))
        commands.append([main, *server, *arguments] if is_split else [main, *arguments, *server])
    for (main, _, wanted), (code, said) in zip(cases, tools(commands)):
        assert code == 0, f"{main}: exit {code}\n{said[-2000:]}"
        assert re.search(wanted, said), f"{main}:\n{said[-2000:]}"


ALL = [admin_client_calls, librdkafka_administers, command_line_tools, changing_tools]
