"""Runs every broker in turn, round after round, and writes tables and plots in Markdown and SVG."""

import argparse
import json
import os
import shutil
import subprocess
import sys

import report
from brokers import all_of

# Each over the Kafka protocol by `corelog bench run`: name, records a second, arguments.
WORKLOADS = {
    "steady": ["--rate", "4000", "--size", "1000", "--mode", "both"],
    "batches": ["--rate", "max", "--size", "1000", "--batch", "100", "--mode", "produce",
                "--connections", "4", "--in-flight", "8"],
    "single": ["--rate", "max", "--size", "1000", "--mode", "produce",
               "--connections", "50", "--in-flight", "16"],
}


def measure(broker, workload, options, round_):
    """One run against a broker that is up; None if the benchmark failed."""
    out = os.path.join(options.build, "runs", f"{broker.name}-{broker.durability}-{workload}-{round_}")
    return bench(
        [
            options.binary, "bench", "run", "--bootstrap", f"127.0.0.1:{broker.port}",
            "--topic", workload, "--duration", f"{options.seconds}s", "--warmup", "3s",
            *WORKLOADS[workload],
        ],
        out,
    )


def bench(command, out):
    """The result of a `corelog bench run` that leaves it in a folder; None if it failed."""
    shutil.rmtree(out, ignore_errors=True)
    done = subprocess.run([*command, "--out", out], capture_output=True, text=True)
    path = os.path.join(out, "result.json")
    if not os.path.exists(path):
        print(f"  {' '.join(command)} failed: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    with open(path) as file:
        return of_result(json.load(file))


def of_result(result):
    latency = result["publish_latency_us"] or {}
    end = result["end_to_end_latency_us"] or {}
    return {
        "rate": result["rate_per_s"], "valid": result["valid"], "reasons": result["reasons"],
        "p50": latency.get("p50"), "p99": latency.get("p99"), "p99.9": latency.get("p99_9"),
        "end p50": end.get("p50"), "end p99": end.get("p99"), "end p99.9": end.get("p99_9"),
        "bytes": result["bytes_per_s"], "reported": result["durability"],
    }


def cell(broker, options, round_):
    """Starts, measures and stops one broker; a row for each workload."""
    broker.start()
    rows = []
    try:
        idle = broker.rss_mib()
        for workload in WORKLOADS if broker.kafka else ["single"]:
            before = broker.cpu_seconds()
            if broker.kafka:
                row = measure(broker, workload, options, round_)
                # CPU is counted over the warm-up as well, and so are its records.
                records = row and row["rate"] * (options.seconds + 3)
            else:
                row = broker.measure(options.seconds)
                records = row["records"]
            if row is None:
                continue
            cpu = broker.cpu_seconds() - before
            row.update(
                broker=broker.name, durability=broker.durability, workload=workload, round=round_,
                start_ms=broker.start_ms, idle_mib=idle, rss_mib=broker.rss_mib(),
                cpu_s_per_million=cpu / max(records, 1) * 1e6,
            )
            rows.append(row)
    finally:
        broker.stop()
    return rows


def parser_of(description, rounds, seconds, port, more_ports):
    """With what every comparison takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=int, default=seconds, help="measured in each run")
    parser.add_argument("--port", type=int, default=port, help=f"and the {more_ports} after it")
    return parser


def main():
    parser = parser_of(__doc__, 5, 10, 25400, "one")
    parser.add_argument("--jars", required=True)
    parser.add_argument("--only", nargs="*", help="corelog kafka redis nats")
    parser.add_argument("--durability", nargs="*", default=["memory", "disk"])
    parser.add_argument("--out", help="folder of the report; the build folder if not given")
    options = parser.parse_args()
    rows = []
    for round_ in range(options.rounds):
        for durability in options.durability:
            for kind in all_of(options):
                broker = kind(options, durability)
                print(f"round {round_ + 1}: {broker.name}, {durability}", file=sys.stderr)
                try:
                    rows += cell(broker, options, round_)
                except (RuntimeError, subprocess.CalledProcessError) as error:
                    print(f"  left out: {error}", file=sys.stderr)
                # After each cell, so that an end by Ctrl-C keeps what there is.
                report.write(rows, options)
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
