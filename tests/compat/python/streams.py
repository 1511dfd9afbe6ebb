"""Kafka Streams with exactly-once: every count of every word comes out once, whatever is killed."""

import collections
import os
import shutil
import time

from clients import java, run
from groups import PARTITIONS, Member, produce_lines
from transactions import committed_lines

WORDS = ["a", "bee", "sea", "dee", "ear", "ef"]
LINES = 1800
PATIENCE_SECONDS = 120


def until(member, condition, what):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert member.process.poll() is None, f"{what}: ended, {member.seen[-3:]}"
        assert time.monotonic() < deadline, f"{what}: {member.seen[-3:]}"
        time.sleep(0.2)


def counted(context, topic):
    """The counts of each word in the order in which they came out."""
    counts = collections.defaultdict(list)
    for line in committed_lines(context, topic):
        word, count = line.split()
        counts[word].append(int(count))
    return counts


def count_words(context, store, kill_application):
    source = context.topic(partitions=PARTITIONS)
    target = context.topic(partitions=1)
    name = f"words-{store}"
    folder = f"{context.options.build}/{name}"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    arguments = [context.bootstrap, source, target, name, folder, store]
    words = [WORDS[n * n % 7 % len(WORDS)] for n in range(LINES)]
    third = LINES // 3

    def some(counts):
        return sum(map(len, counts.values()))

    produce_lines(context, source, words[:third])
    running = [Member(java("compat.WordCount", *arguments))]
    try:
        until(running[-1], lambda: some(counted(context, target)) > 0, "nothing is counted")
        produce_lines(context, source, words[third : 2 * third])
        context.broker.restart()
        if kill_application:
            running[-1].kill()
            # It begins anew from its changelog.
            running.append(Member(java("compat.WordCount", *arguments)))
        until(
            running[-1],
            lambda: some(counted(context, target)) >= 2 * third,
            "not all is counted after a kill",
        )
        produce_lines(context, source, words[2 * third :])
        until(
            running[-1],
            lambda: some(counted(context, target)) >= LINES,
            "not all is counted",
        )
        running[-1].stop()
    finally:
        for member in running:
            if member.process.poll() is None:
                member.kill()
    wanted = {word: list(range(1, n + 1)) for word, n in collections.Counter(words).items()}
    found = counted(context, target)
    for word, counts in wanted.items():
        assert found[word] == counts, f"{word}: {len(found[word])} counts, not {len(counts)}"
    assert found.keys() == wanted.keys(), found.keys()


def streams_count_exactly_once(context):
    """In memory and on RocksDB; the broker is killed, and the application too."""
    count_words(context, "memory", kill_application=True)
    count_words(context, "rocksdb", kill_application=False)


ALL = [streams_count_exactly_once]
