"""Every administrative call that is served, by Apache Kafka's own admin client, and its command-line tools."""

import re
import subprocess

from clients import java, run

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


ALL = [admin_client_calls, command_line_tools]
