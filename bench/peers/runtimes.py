"""Both runtimes, parked and spinning, with and without `latency = low`, each by both protocols.

The broker has one core for its shard, the generator the other: a core that spins would otherwise
take its time from the generator. All take turns, A B C A B C; a broker is started for each turn.
"""

import itertools
import json
import os
import sys
import time

from brokers import BothProtocols
from matrix import bench, parser_of
from report import median

BROKER_CORE, GENERATOR_CORE = "0", "1"
WORKLOADS = {
    "steady": ["--rate", "2000", "--size", "1024", "--mode", "both"],
    "single": ["--rate", "max", "--size", "1024", "--mode", "produce",
               "--connections", "16", "--in-flight", "16"],
}
DRIVERS = ["kafka", "native"]


class Configured(BothProtocols):
    """One of the eight."""

    def __init__(self, options, runtime, waits, latency):
        super().__init__(options)
        self.configured = (runtime, waits, latency)

    def command(self):
        runtime, waits, latency = self.configured
        more = ["--spin"] if waits == "spinning" else []
        cores = f"{BROKER_CORE}-{BROKER_CORE}"
        return self.serve(cores, "--runtime", runtime, "-s", f"latency={latency}", *more)


def measure(broker, driver, workload, options):
    """One run; None if the benchmark failed. With the cores' worth of time that the broker took."""
    begin, before = time.monotonic(), broker.cpu_seconds()
    row = bench(
        [
            "taskset", "-c", GENERATOR_CORE, options.binary, "bench", "run", "--driver", driver,
            "--bootstrap", broker.address(driver), "--topic", f"{workload}-{driver}",
            "--duration", f"{options.seconds}s", "--warmup", "1s", *WORKLOADS[workload],
        ],
        os.path.join(options.build, "runtimes-run"),
    )
    cores = (broker.cpu_seconds() - before) / (time.monotonic() - begin)
    return row and {**row, "cores": cores}


def turn(configured, options):
    """Starts, measures and stops one broker."""
    broker = Configured(options, *configured)
    broker.start()
    try:
        for workload, driver in itertools.product(WORKLOADS, DRIVERS):
            row = measure(broker, driver, workload, options)
            if row is not None:
                yield {"configured": configured, "workload": workload, "driver": driver, **row}
    finally:
        broker.stop()


def cell(rows, keys, form):
    values = [median(rows, key) for key in keys]
    return " / ".join("–" if value is None else form.format(value) for value in values)


def table(rows, workload, driver):
    lines = {
        "steady": "| | publish p50 / p99 µs | end to end p50 / p99 µs | cores | runs, not valid |",
        "single": "| | records/s | publish p50 / p99 µs | cores | runs, not valid |",
    }
    lines = [lines[workload], "|---|---|---|---|---|"]
    chosen = [row for row in rows if (row["workload"], row["driver"]) == (workload, driver)]
    for configured in dict.fromkeys(tuple(row["configured"]) for row in chosen):
        own = [row for row in chosen if tuple(row["configured"]) == configured]
        wrong = sum(not row["valid"] for row in own)
        latencies = cell(own, ["p50", "p99"], "{:,.0f}")
        middle = {
            "steady": f"{latencies} | {cell(own, ['end p50', 'end p99'], '{:,.0f}')}",
            "single": f"{cell(own, ['rate'], '{:,.0f}')} | {latencies}",
        }[workload]
        name = "{}, {}, latency {}".format(*configured)
        lines.append(f"| {name} | {middle} | {cell(own, ['cores'], '{:.2f}')} | {len(own)}, {wrong} |")
    return "\n".join(lines)


def main():
    parser = parser_of(__doc__, 3, 5, 25600, "two")
    options = parser.parse_args()
    every = list(itertools.product(["ring", "glommio"], ["parked", "spinning"], ["normal", "low"]))
    rows = []
    for round_, configured in itertools.product(range(options.rounds), every):
        print(f"round {round_ + 1}: {', '.join(configured)}", file=sys.stderr)
        try:
            rows += turn(configured, options)
        except RuntimeError as error:
            print(f"  left out: {error}", file=sys.stderr)
        # After each turn, so that an end by Ctrl-C keeps what there is.
        with open(os.path.join(options.build, "runtimes.json"), "w") as file:
            json.dump(rows, file, indent=1)
    for workload, driver in itertools.product(WORKLOADS, DRIVERS):
        print(f"### {workload}, by the {driver} driver\n\n{table(rows, workload, driver)}\n")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
