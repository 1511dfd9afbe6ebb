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
    kcat = ["kcat", "-C", "-b", context.bootstrap, "-t", topic, "-o", "beginning", "-e", "-q"]
    return run([*kcat, "-X", "isolation.level=read_committed"]).decode().split()


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


ALL = [transactional_copy, transactions_are_listed]
