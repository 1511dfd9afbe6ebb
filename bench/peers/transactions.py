"""Transactions of ten partitions by Kafka's own Java client, on corelog and on Apache Kafka.

All brokers run from begin to end, so that Java's compiling is behind them after the first round, and
are measured in turns, A B C A B C. One transaction at a time: begin, a record of 1 KiB to each
partition, commit.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

from brokers import Corelog, Kafka

TOPIC = "transactions"
# What is compared: the class, and the durability that it is started with.
BROKERS = [(Corelog, "disk"), (Kafka, "memory"), (Kafka, "disk")]
HERE = os.path.dirname(os.path.abspath(__file__))


def percentile(sorted_values, part):
    """The smallest value that so large a part of all does not exceed."""
    return sorted_values[max(0, -(-len(sorted_values) * part // 100) - 1)]


def start(options):
    """All brokers, each with ports and a folder of its own, and the topic in each."""
    started = []
    try:
        for at, (kind, durability) in enumerate(BROKERS):
            build = os.path.join(options.build, f"transactions-{at}")
            os.makedirs(build, exist_ok=True)
            own = argparse.Namespace(**{**vars(options), "build": build, "port": options.port + 2 * at})
            broker = kind(own, durability)
            broker.start()
            started.append(broker)
            subprocess.run(
                [options.binary, "topic", "create", TOPIC, "-p", str(options.partitions),
                 "--bootstrap", f"127.0.0.1:{broker.port}"],
                check=True, capture_output=True,
            )
    except BaseException:
        stop(started)
        raise
    return started


def stop(brokers):
    for broker in brokers:
        broker.stop()


def measure(broker, options):
    """What each transaction of one turn took, in µs, sorted."""
    done = subprocess.run(
        [
            "java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
            f"{options.build}/classes:{options.jars}/*", "Transactions",
            f"127.0.0.1:{broker.port}", TOPIC, str(options.partitions),
            str(options.warm_up), str(options.seconds), str(options.pause_ms),
        ],
        capture_output=True, text=True,
    )
    if done.returncode:
        raise RuntimeError(f"the client failed on {broker.name}: {done.stderr.strip()[-2000:]}")
    return sorted(int(line) for line in done.stdout.split())


def line(name, turns):
    """A row of the table: all transactions of all turns, and the scatter of the turns' medians."""
    every = sorted(us for turn in turns for us in turn)
    medians = [statistics.median_low(turn) for turn in turns]
    cells = [len(every), percentile(every, 50), percentile(every, 99), every[-1]]
    said = " | ".join(f"{cell:,}" for cell in cells)
    return f"| {name} | {said} | {min(medians):,} to {max(medians):,} |"


def table(turns):
    lines = ["| | transactions | p50 µs | p99 µs | max µs | p50 of the turns |", "|---|---|---|---|---|---|"]
    return "\n".join(lines + [line(name, own) for name, own in turns.items()])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--jars", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds of each turn, not counted")
    parser.add_argument("--seconds", type=float, default=2.5, help="measured in each turn")
    parser.add_argument("--partitions", type=int, default=10, help="of each transaction")
    parser.add_argument("--pause-ms", type=int, default=0, help="between two transactions")
    parser.add_argument("--port", type=int, default=25500, help="and the five after it")
    options = parser.parse_args()
    subprocess.run(
        ["javac", "-cp", f"{options.jars}/*", "-d", os.path.join(options.build, "classes"),
         os.path.join(HERE, "Transactions.java")],
        check=True,
    )
    brokers = start(options)
    turns = {f"{broker.name}, {broker.durability}": [] for broker in brokers}
    try:
        for round_ in range(options.rounds):
            for broker in brokers:
                print(f"round {round_ + 1}: {broker.name}, {broker.durability}", file=sys.stderr)
                turns[f"{broker.name}, {broker.durability}"].append(measure(broker, options))
                # After each turn, so that an end by Ctrl-C keeps what there is.
                with open(os.path.join(options.build, "transactions.json"), "w") as file:
                    json.dump(turns, file)
    finally:
        stop(brokers)
    print(table(turns))
    return 0


if __name__ == "__main__":
    sys.exit(main())
