"""Transactions of real clients: what they copy is there exactly once, whatever is killed."""

import os
import re
import time

from clients import HERE, java, run
from groups import PARTITIONS, Member, produce

RECORDS = 3000
PATIENCE_SECONDS = 90


def command(context, client, source, target, group, name):
    arguments = [context.bootstrap, source, target, group, name]
    if client == "java":
        return java("compat.Copy", *arguments)
    if client == "franz-go":
        return [f"{context.options.build}/compat-go", "copy", *arguments]
    venv = f"{context.options.build}/venv/bin/python"
    return [venv, os.path.join(HERE, "python", "copy_in_transactions.py"), *arguments]


def committed(context, topic):
    """What a reader of committed records sees from start to end."""
    return [word for line in committed_lines(context, topic) for word in line.split()]


def committed_lines(context, topic):
    kcat = ["kcat", "-C", "-b", context.bootstrap, "-t", topic, "-o", "beginning", "-e", "-q"]
    return run([*kcat, "-X", "isolation.level=read_committed"]).decode().splitlines()


def check_exactly_once(context, target, wanted):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = committed(context, target)
        assert len(seen) == len(set(seen)), f"{len(seen) - len(set(seen))} records are there twice"
        if set(seen) == wanted:
            return
        missing = wanted - set(seen)
        assert time.monotonic() < deadline, f"{len(missing)} are missing: {sorted(missing)[:5]}"
        time.sleep(0.5)


def copy_with(context, client, group):
    """Two copiers of one group; the broker is killed twice, and one copier."""
    source = context.topic(partitions=PARTITIONS)
    target = context.topic(partitions=PARTITIONS)
    wanted = {str(value) for value in range(RECORDS)}
    commands = [command(context, client, source, target, group, f"{group}-{n}") for n in range(2)]
    produce(context, source, 0, RECORDS // 3)
    running = [Member(command) for command in commands]
    try:
        time.sleep(3)
        context.broker.restart()
        produce(context, source, RECORDS // 3, RECORDS // 3)
        time.sleep(1)
        running[0].kill()
        # The same id again: it fences what the killed one has left open.
        running.append(Member(commands[0]))
        produce(context, source, 2 * RECORDS // 3, RECORDS // 3)
        time.sleep(2)
        context.broker.restart()
        check_exactly_once(context, target, wanted)
    finally:
        for member in running:
            if member.process.poll() is None:
                member.kill()
    lines = [line for member in running for line in member.seen]
    copied = sum(line.startswith("copied") for line in lines)
    assert copied > 2, f"{client} copied in {copied} transactions: {lines[-3:]}"


def transactional_copy(context):
    """Consume, transform, produce with each client, under SIGKILL; every record exactly once."""
    for client in ["librdkafka", "java", "franz-go"]:
        if client in [known.name for known in context.clients]:
            copy_with(context, client, f"copy-{client}")


def transactions_are_listed(context):
    """Apache Kafka's own tool lists and describes what is open."""
    topic = context.topic(partitions=1)
    name = "org.apache.kafka.tools.TransactionsCommand"
    tool = java(name, "--bootstrap-server", context.bootstrap)
    source = context.topic(partitions=PARTITIONS)
    produce(context, source, 0, 60)
    copier = Member(command(context, "librdkafka", source, topic, "listed", "listed-id"))
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not copier.seen:
            assert time.monotonic() < deadline, "nothing was copied"
            time.sleep(0.1)
    finally:
        copier.kill()
    said = run([*tool, "list"]).decode()
    assert re.search(r"^listed-id\s", said, re.MULTILINE), said
    said = run([*tool, "describe", "--transactional-id", "listed-id"]).decode()
    assert "listed-id" in said, said


def corelog(context, *arguments):
    said = run([context.options.binary, "txn", *arguments, "-b", context.bootstrap])
    return said.decode()


def transactions_are_ended_from_outside(context):
    """An open transaction is aborted by its id; one that no coordinator knows, in its partition."""
    if context.options.binary is None:
        return
    topic = context.topic(partitions=1)
    code = (
        "import sys; from confluent_kafka import Producer;"
        "p = Producer({'bootstrap.servers': sys.argv[1], 'transactional.id': sys.argv[3],"
        " 'transaction.timeout.ms': 600000});"
        "p.init_transactions(30); p.begin_transaction();"
        "p.produce(sys.argv[2], 'open', partition=0); p.flush(30); print('open', flush=True);"
        "sys.stdin.read()"
    )
    venv = f"{context.options.build}/venv/bin/python"

    def leave_open(name):
        writer = Member([venv, "-c", code, context.bootstrap, topic, name])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not writer.seen:
            assert time.monotonic() < deadline, "no transaction was opened"
            time.sleep(0.1)
        writer.kill()

    def write():
        kcat = ["kcat", "-P", "-b", context.bootstrap, "-t", topic, "-p", "0", "-X", "acks=all"]
        run(kcat, input=b"after\n")

    leave_open("left")
    write()
    assert committed(context, topic) == [], "what is after an open transaction was read"
    assert "Ongoing" in corelog(context, "describe", "left")
    assert "left" not in corelog(context, "list", "--hanging")
    corelog(context, "abort", "left")
    assert committed(context, topic) == ["after"]
    leave_open("lost")
    # Its coordinator forgets it.
    trim = [context.options.binary, "topic", "trim", "__transaction_state", "-o", "end"]
    run([*trim, "-b", context.bootstrap])
    context.broker.restart()
    write()
    assert committed(context, topic) == ["after"], "what is after an open transaction was read"
    assert "lost" not in corelog(context, "list")
    said = corelog(context, "list", "--hanging", "-t", topic)
    assert len(said.splitlines()) == 2 and topic in said, said
    assert "aborted at offset" in corelog(context, "abort", "--hanging")
    assert committed(context, topic) == ["after", "after"]
    assert len(corelog(context, "list", "--hanging").splitlines()) == 1


ALL = [transactional_copy, transactions_are_listed, transactions_are_ended_from_outside]
