"""python3 -m unittest discover -s bench/peers -p '*_test.py'"""

import argparse
import io
import json
import os
import tempfile
import unittest

import floors
import matrix
import report
import spread
import transactions
from brokers import nats_rate


def row(broker, round_, **figures):
    return {"broker": broker, "durability": "disk", "workload": "single", "round": round_, **figures}


class Peers(unittest.TestCase):
    def test_rate_of_nats(self):
        said = "noise\nPub stats: 107,123 msgs/sec ~ 102.16 MB/sec\n"
        self.assertEqual(nats_rate(said), 107123)

    def test_percentiles_without_samples_stay_empty(self):
        result = {
            "rate_per_s": 10.0, "bytes_per_s": 10240.0, "valid": False, "reasons": ["late"], "durability": {},
            "publish_latency_us": {"p50": 5.0, "p99": None, "p99_9": None},
            "end_to_end_latency_us": None,
        }
        made = matrix.of_result(result)
        self.assertEqual((made["p50"], made["p99"], made["end p99"]), (5.0, None, None))

    def test_tables_have_medians_and_say_what_is_not_valid(self):
        rows = [row("a", n, rate=rate, valid=n != 0) for n, rate in enumerate([1, 900, 1100])]
        rows.append(row("b", 0, rate=2000))
        with tempfile.TemporaryDirectory() as out:
            report.write(rows, argparse.Namespace(out=out, build=out))
            with open(os.path.join(out, "peers.md")) as file:
                text = file.read()
            with open(os.path.join(out, "peers.json")) as file:
                self.assertEqual(json.load(file), rows)
            with open(os.path.join(out, "peers-single-disk-rate.svg")) as file:
                plot = file.read()
        self.assertRegex(text, r"\| a \| 900 \|.*\| 3, 1 \|")
        self.assertRegex(text, r"\| b \| 2,000 \|.*\| 1, 0 \|")
        self.assertIn('width="380.0"', plot)
        self.assertIn('width="171.0"', plot)

    def test_a_line_beside_the_floors_is_medians_of_its_rounds(self):
        rows = [{"what": "one kafka", "p50": p50, "bytes": 2.5e6, "valid": p50 < 9} for p50 in (4, 5, 90)]
        file = io.StringIO()
        floors.write(rows, file)
        self.assertIn("| one kafka | 5.00 | – | – | – | – | – | 2.50 | 3, 1 |", file.getvalue())

    def test_a_spread_is_told_by_medians_and_by_each_round(self):
        rates = {1: [200, 100, 400], 1000: [150, 90, 100]}
        rows = [
            {"batch": 10, "partitions": partitions, "rate": rate, "valid": rate != 90}
            for partitions, all_ in rates.items() for rate in all_
        ]
        file = io.StringIO()
        spread.write(rows, file)
        self.assertIn("| 10 | 200 | 100 | **0.50** | 0.75, 0.90, 0.25 | 1 |", file.getvalue())

    def test_percentiles_of_transactions_are_of_all_turns(self):
        hundred = list(range(1, 101))
        self.assertEqual([transactions.percentile(hundred, part) for part in (50, 99)], [50, 99])
        self.assertEqual(transactions.percentile([7], 99), 7)
        made = transactions.line("a, disk", [[1, 2, 3], [10, 20, 3000]])
        self.assertEqual(made, "| a, disk | 6 | 3 | 3,000 | 3,000 | 2 to 20 |")


if __name__ == "__main__":
    unittest.main()
