"""SIGKILL at any moment: what kcat was told is stored is there once, in order.

Fault model: the broker's process ends between any two instructions, while it serves or while it
starts; the kernel and the disk live on. Property: kcat with acks=all and idempotence, which outlives
the broker and retries, has every line acknowledged in the end; each line is then read exactly once,
in the order in which it was given, at offsets without a gap, after this kill and all later ones.
"""

import random
import subprocess
import threading
import time

from clients import run

PARTITIONS = 4
LINES_MAX = 500


class Writer:
    """A kcat that is given numbered lines for one partition until it is told to stop."""

    def __init__(self, bootstrap, topic, partition, name, seed):
        self.rng = random.Random(f"{seed} {partition}")
        self.name, self.lines = name, []
        self.stopped = threading.Event()
        settings = ["acks=all", "enable.idempotence=true", "reconnect.backoff.max.ms=200"]
        command = ["kcat", "-P", "-E", "-b", bootstrap, "-t", topic, "-p", str(partition)]
        command += [word for setting in settings for word in ("-X", setting)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stderr=pipe)
        self.thread = threading.Thread(target=self.feed)
        self.thread.start()

    def feed(self):
        try:
            while len(self.lines) < LINES_MAX and not self.stopped.is_set():
                for _ in range(self.rng.randint(1, 8)):
                    padding = "x" * self.rng.randint(0, 300)
                    line = f"{self.name} line {len(self.lines)} {padding}"
                    self.lines.append(line.encode())
                    self.process.stdin.write(self.lines[-1] + b"\n")
                self.process.stdin.flush()
                # A pace, so that the kill falls between records and not behind them.
                time.sleep(self.rng.uniform(0.001, 0.01))
        except BrokenPipeError:
            # kcat has ended; its exit code and what it said are looked at in `finish`.
            return

    def abandon(self):
        """Ends what `finish` has not: a round has failed."""
        self.stopped.set()
        self.process.kill()
        self.thread.join()

    def finish(self):
        """The lines, all of them acknowledged."""
        self.stopped.set()
        self.thread.join()
        _, said = self.process.communicate(timeout=120)
        said = said.decode(errors="replace")
        failed = self.process.returncode != 0 or "Delivery failed" in said
        assert not failed, f"kcat ended with {self.process.returncode}:\n{said[-2000:]}"
        return self.lines


def kill_and_start(broker, rng):
    """One kill while serving; every third time another one while starting."""
    time.sleep(rng.uniform(0.05, 0.8))
    broker.kill()
    if rng.randrange(3) == 0:
        broker.spawn()
        time.sleep(rng.uniform(0, 0.3))
        broker.kill()
    broker.start()
    time.sleep(rng.uniform(0, 0.2))


def read_all(bootstrap, topic):
    """Offsets and lines by partition."""
    command = ["kcat", "-C", "-b", bootstrap, "-t", topic, "-e", "-q", "-o", "beginning"]
    found = {partition: [] for partition in range(PARTITIONS)}
    for row in run([*command, "-f", "%p %o %s\n"]).splitlines():
        partition, offset, line = row.split(b" ", 2)
        found[int(partition)].append((int(offset), line))
    return found


def compare(name, partition, found, expected):
    where = f"{name}, partition {partition}"
    lines = [line for _, line in found]
    if lines != expected:
        lost = len(set(expected) - set(lines))
        twice = len(lines) - len(set(lines))
        pairs = enumerate(zip(lines, expected))
        first = next((i for i, (got, want) in pairs if got != want), min(len(lines), len(expected)))
        raise AssertionError(
            f"{where}: {len(expected)} acknowledged, {len(lines)} found, {lost} lost, {twice} twice;"
            f" first difference at {first}:\n got {lines[first : first + 2]}\n"
            f"want {expected[first : first + 2]}"
        )
    offsets = [offset for offset, _ in found]
    assert offsets == list(range(len(offsets))), f"{where}: offsets have a gap"


def kills_lose_nothing(context):
    """--rounds kills under four kcats; everything is read again after each."""
    seed = context.options.seed
    rng = random.Random(seed)
    topic = context.topic(partitions=PARTITIONS)
    expected = {partition: [] for partition in range(PARTITIONS)}
    for number in range(context.options.rounds):
        name = f"seed {seed}, round {number}"
        writers = [
            Writer(context.bootstrap, topic, partition, f"round {number}", f"{seed} {number}")
            for partition in range(PARTITIONS)
        ]
        try:
            kill_and_start(context.broker, rng)
            for partition, writer in enumerate(writers):
                expected[partition] += writer.finish()
        finally:
            for writer in writers:
                writer.abandon()
        found = read_all(context.bootstrap, topic)
        for partition in range(PARTITIONS):
            compare(name, partition, found[partition], expected[partition])
        if number % 10 == 9:
            total = sum(map(len, expected.values()))
            print(f"     {number + 1} kills, {total} records, none lost or twice", flush=True)
