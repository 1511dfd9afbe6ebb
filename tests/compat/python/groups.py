"""Groups of real consumers: who joins, leaves and fails, while the broker is killed."""

import os
import subprocess
import threading
import time

from clients import HERE, java, run

PARTITIONS = 6
RECORDS = 1200
# How long members may take to read everything once the last record is there.
PATIENCE_SECONDS = 90


class Member:
    """A process that prints a line for each record that it reads, and then commits it."""

    def __init__(self, command):
        self.seen = []
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.seen.append(line.strip())

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
        self.reader.join(10)

    def kill(self):
        self.process.kill()
        self.process.wait()


def command(context, client, topic, group, protocol):
    arguments = [context.bootstrap, topic, group, protocol]
    if client == "java":
        return java("compat.Member", *arguments)
    if client == "franz-go":
        return [f"{context.options.build}/compat-go", "member", *arguments]
    venv = f"{context.options.build}/venv/bin/python"
    return [venv, os.path.join(HERE, "python", "member.py"), *arguments]


def produce(context, topic, first, count):
    """Values that are all different, over all partitions."""
    produce_lines(context, topic, [str(value) for value in range(first, first + count)])


def produce_lines(context, topic, values):
    """One after the other into the next partition."""
    for partition in range(PARTITIONS):
        lines = "".join(f"{value}\n" for value in values[partition::PARTITIONS]).encode()
        kcat = ["kcat", "-P", "-b", context.bootstrap, "-t", topic, "-p", str(partition)]
        run([*kcat, "-X", "acks=all", "-X", "enable.idempotence=true"], input=lines)


def tool(context, *arguments):
    name = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    return run([*java(name, "--bootstrap-server", context.bootstrap), *arguments]).decode()


def live(context, members, group, read_all=True):
    """Three members come, one is killed and one leaves; the broker is killed too."""
    topic = context.topic(partitions=PARTITIONS)
    wanted = {str(value) for value in range(RECORDS)}
    commands = [command(context, client, topic, group, protocol) for client, protocol in members]
    running = [Member(commands[0])]
    try:
        if not read_all:
            # A share group begins at the end: it must be there before the records.
            wait_for_places(context, group, topic, 0)
        produce(context, topic, 0, RECORDS // 3)
        running.append(Member(commands[1]))
        time.sleep(4)
        running.append(Member(commands[2]))
        time.sleep(4)
        context.broker.restart()
        produce(context, topic, RECORDS // 3, RECORDS // 3)
        time.sleep(4)
        running[1].kill()
        produce(context, topic, 2 * RECORDS // 3, RECORDS // 3)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            seen = {value for member in running for value in list(member.seen)}
            if seen >= wanted:
                break
            time.sleep(0.2)
        seen = [value for member in running for value in list(member.seen)]
        missing = wanted - set(seen)
        assert not missing, f"{members}: {len(missing)} records were not read: {sorted(missing)[:5]}"
        return topic, seen
    finally:
        for member in running:
            if member.process.poll() is None:
                member.stop()


def check_committed(context, group, topic):
    said = tool(context, "--describe", "--group", group)
    rows = [line.split() for line in said.splitlines() if f" {topic} " in line]
    assert len(rows) == PARTITIONS, said
    for row in rows:
        assert row[3] == row[4] and row[5] == "0", f"not all is committed: {row}"


def wait_for_places(context, group, topic, records):
    """Until a share group is done with so many records, and has a place in every partition."""
    name = "org.apache.kafka.tools.consumer.group.ShareGroupCommand"
    describe = ["--bootstrap-server", context.bootstrap, "--describe", "--group", group]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        # There is no such group before its first member.
        done = subprocess.run(java(name, *describe), capture_output=True, text=True, timeout=60)
        rows = [line.split() for line in done.stdout.splitlines() if f" {topic} " in line]
        starts = [int(row[3]) for row in rows if row[3].isdigit()]
        if len(starts) == PARTITIONS and sum(starts) == records:
            return
        assert time.monotonic() < deadline, f"{group} is not at {records}:\n{done.stdout}"


def groups_of_one_client(context):
    """librdkafka, Java and franz-go, each by itself in every protocol that it speaks."""
    for client, protocols in [
        ("librdkafka", ["range", "cooperative-sticky", "consumer"]),
        ("java", ["range", "cooperative-sticky", "consumer"]),
        ("franz-go", ["range", "cooperative-sticky"]),
    ]:
        if client not in [known.name for known in context.clients]:
            continue
        for protocol in protocols:
            group = f"{client}-{protocol}"
            topic, _ = live(context, [(client, protocol)] * 3, group)
            check_committed(context, group, topic)


def groups_of_all_clients(context):
    """Members of different clients in one group, and of both protocols in one."""
    for members in [
        [("java", "range"), ("librdkafka", "range"), ("franz-go", "range")],
        [("java", "range"), ("librdkafka", "consumer"), ("java", "consumer")],
    ]:
        group = "mixed-" + "-".join(client for client, _ in members)
        topic, _ = live(context, members, group)
        check_committed(context, group, topic)


def share_groups(context):
    """Every record is accepted, some after they were given back or their holder was killed."""
    topic, _ = live(context, [("java", "share")] * 3, "shared", read_all=False)
    wait_for_places(context, "shared", topic, RECORDS)


def groups_are_administered(context):
    """Kafka's own tool lists, moves, trims and deletes a group."""
    topic = context.topic(partitions=PARTITIONS)
    produce(context, topic, 0, 60)
    kcat = ["kcat", "-b", context.bootstrap, "-G", "tended", topic, "-e", "-q"]
    said = run([*kcat, "-X", "auto.offset.reset=earliest"])
    assert len(said.split()) == 60, said
    check_committed(context, "tended", topic)
    assert "tended" in tool(context, "--list").split()
    tool(context, "--reset-offsets", "--group", "tended", "--topic", topic, "--to-offset", "3",
         "--execute")
    context.broker.restart()
    said = tool(context, "--describe", "--group", "tended", "--offsets")
    rows = [line.split() for line in said.splitlines() if f" {topic} " in line]
    assert [row[3] for row in rows] == ["3"] * PARTITIONS, said
    tool(context, "--delete-offsets", "--group", "tended", "--topic", f"{topic}:0")
    tool(context, "--delete", "--group", "tended")
    assert "tended" not in tool(context, "--list").split()


ALL = [groups_of_one_client, groups_of_all_clients, share_groups, groups_are_administered]
