"""What a broker reaches beside the floors of its machine: floor and broker take turns.

Everything is flushed. Each round measures the floors, then starts a broker with a fresh folder for
each of its ways, and measures: one record in flight, 1 MiB batches, a consumer at the end of the log,
and the reading of what is cold, alone and beside a producer.
"""

import json
import os
import subprocess
import sys

from brokers import BothProtocols
from matrix import bench, parser_of
from report import median

DRIVERS = ["kafka", "native"]
WAYS = ["normal", "low"]
SIZE = 1024
WORKLOADS = {
    "one": ["--rate", "max", "--size", str(SIZE), "--connections", "1", "--in-flight", "1",
            "--mode", "produce"],
    "tail": ["--rate", "10000", "--size", str(SIZE), "--mode", "both"],
    "bulk": ["--rate", "max", "--size", "1048000", "--connections", "1", "--in-flight", "32",
             "--mode", "produce"],
}
# So fast beside the reading of what is cold.
BESIDE = ["--rate", "2000", "--size", str(SIZE)]
COLD = "cold"
FILL = ["--rate", "max", "--size", str(SIZE), "--batch", "100", "--connections", "4", "--in-flight", "8",
        "--mode", "produce"]


class Measured(BothProtocols):
    def __init__(self, options, latency):
        super().__init__(options)
        self.latency = latency

    def command(self):
        return self.serve("2", "-s", f"latency={self.latency}")


def run(broker, driver, topic, arguments, seconds, options):
    command = [
        options.binary, "bench", "run", "--driver", driver, "--bootstrap", broker.address(driver),
        "--topic", topic, "--duration", f"{seconds}s", "--warmup", "1s", *arguments,
    ]
    return bench(command, os.path.join(options.build, "floors-run"))


def floors(options):
    """Of this minute: what, the median, the 99th and the 99.9th percentile in µs, bytes a second."""
    command = [options.binary, "bench", "floor", "--dir", options.build, "--format", "json"]
    lines = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["lines"]
    for line in lines:
        time = line["time_us"]
        yield {
            "what": line["what"], "p50": time["p50"], "p99": time["p99"], "p99.9": time["p99_9"],
            "bytes": line["bytes_per_s"],
        }


def turn(latency, options):
    """Starts, measures and stops one broker."""
    broker = Measured(options, latency)
    broker.start()
    try:
        for workload, arguments in WORKLOADS.items():
            for driver in DRIVERS:
                row = run(broker, driver, f"{workload}-{driver}", arguments, options.seconds, options)
                yield f"{workload} {driver} {latency}", row
        if latency != WAYS[0]:
            return
        for _ in range(options.fill_seconds):
            run(broker, "kafka", COLD, FILL, 1, options)
        for driver in DRIVERS:
            yield f"cold {driver}", run(
                broker, driver, COLD, ["--rate", "max", "--mode", "consume"], 600, options)
        for driver in DRIVERS:
            yield f"alone {driver}", run(
                broker, driver, "beside", [*BESIDE, "--mode", "produce"], options.seconds, options)
            yield f"beside {driver}", run(
                broker, driver, COLD, [*BESIDE, "--mode", "catch-up"], options.seconds, options)
    finally:
        broker.stop()


def form(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def write(rows, file):
    """A line for each thing: medians over the rounds."""
    keys = ["p50", "p99", "p99.9", "end p50", "end p99", "end p99.9", "bytes"]
    print("| | p50 µs | p99 | p99.9 | end to end p50 | p99 | p99.9 | MB/s | rounds, not valid |", file=file)
    print("|---|---|---|---|---|---|---|---|---|", file=file)
    for what in dict.fromkeys(row["what"] for row in rows):
        mine = [row for row in rows if row["what"] == what]
        values = [median(mine, key) for key in keys]
        values[-1] = values[-1] and values[-1] / 1e6
        invalid = sum(not row.get("valid", True) for row in mine)
        cells = [form(value) for value in values] + [f"{len(mine)}, {invalid}"]
        print("| " + " | ".join([what, *cells]) + " |", file=file)


def main():
    parser = parser_of(__doc__, 3, 5, 25600, "two")
    parser.add_argument("--fill-seconds", type=int, default=6, help="so long the cold topic is filled")
    options = parser.parse_args()
    os.makedirs(options.build, exist_ok=True)
    rows = []
    for round_ in range(options.rounds):
        print(f"round {round_ + 1}", file=sys.stderr)
        rows += floors(options)
        for latency in WAYS:
            for what, row in turn(latency, options):
                if row is not None:
                    rows.append({"what": what, **row})
        with open(os.path.join(options.build, "floors.json"), "w") as file:
            json.dump(rows, file)
    write(rows, sys.stdout)
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
