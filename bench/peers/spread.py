"""What 1,000 partitions get of one partition's rate: the same client, the same bytes, all flushed.

50 connections with 16 requests in flight, a batch a request. Only the number of partitions differs,
and each pair of runs follows at once. A broker with a fresh folder is started for each round.
"""

import json
import os
import sys

from brokers import Corelog
from matrix import bench, parser_of
from report import median

SIZE = 1000
BATCHES = [1, 10, 100]
PARTITIONS = [1, 1000]
LOAD = ["--rate", "max", "--connections", "50", "--in-flight", "16", "--mode", "produce"]


def turn(options):
    """Starts, measures and stops one broker."""
    broker = Corelog(options, "disk")
    broker.start()
    try:
        for records in BATCHES:
            pair = []
            for partitions in PARTITIONS:
                command = [
                    options.binary, "bench", "run", "--bootstrap", f"127.0.0.1:{broker.port}",
                    "--topic", f"spread-{partitions}", "--partitions", str(partitions),
                    "--size", str(SIZE), "--batch", str(records),
                    "--duration", f"{options.seconds}s", "--warmup", "1s", *LOAD,
                ]
                row = bench(command, os.path.join(options.build, "spread-run"))
                if row is not None:
                    pair.append({"batch": records, "partitions": partitions, **row})
            # Half of one would be set beside a run of another round.
            if len(pair) == len(PARTITIONS):
                yield from pair
    finally:
        broker.stop()


def write(rows, file):
    """A line for each size of batch: rates, and the share of each round."""
    print("| records of a batch | one partition, records/s | 1,000 partitions | of it | each round | not valid |", file=file)
    print("|---|---|---|---|---|---|", file=file)
    for batch in BATCHES:
        one, many = (
            [row for row in rows if (row["batch"], row["partitions"]) == (batch, count)]
            for count in PARTITIONS
        )
        if not one or not many:
            continue
        rates = [median(half, "rate") for half in (one, many)]
        shares = [f"{spread['rate'] / whole['rate']:.2f}" for whole, spread in zip(one, many)]
        invalid = sum(not row["valid"] for row in one + many)
        cells = [batch, *(f"{rate:,.0f}" for rate in rates), f"**{rates[1] / rates[0]:.2f}**"]
        print("| " + " | ".join(map(str, [*cells, ", ".join(shares), invalid])) + " |", file=file)


def main():
    parser = parser_of(__doc__, 5, 4, 25600, "one")
    options = parser.parse_args()
    os.makedirs(options.build, exist_ok=True)
    rows = []
    for round_ in range(options.rounds):
        print(f"round {round_ + 1}", file=sys.stderr)
        rows += turn(options)
        with open(os.path.join(options.build, "spread.json"), "w") as file:
            json.dump(rows, file, indent=1)
    write(rows, sys.stdout)
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
