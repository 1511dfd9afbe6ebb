"""Real clients against the broker: every producer's records are read by every consumer.

    run.py --build DIR --binary PATH [--runtime ring|glommio] [--only NAME …] [--clients NAME …]
           [--rounds KILLS] [--seed N] [--big BYTES] [--kafka]

--only and --clients narrow what runs. --kafka runs the same checks against Apache Kafka, which must
pass them all.
"""

import argparse
import sys
import time
import traceback

import checks
from broker import Corelog, Kafka
from clients import all_clients


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--binary")
    parser.add_argument("--kafka", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--clients", nargs="*", default=[])
    parser.add_argument("--runtime", default=None)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=21092)
    parser.add_argument("--big", type=int, default=64 << 20)
    options = parser.parse_args()
    if options.kafka:
        broker = Kafka(options.build, options.port)
    else:
        extra = ["--runtime", options.runtime] if options.runtime else []
        broker = Corelog(options.build, options.port, options.binary, extra)
    clients = all_clients(options.build)
    if options.clients:
        clients = [client for client in clients if client.name in options.clients]
    known = {check.__name__ for check in checks.ALL}
    if not clients or not known.issuperset(options.only):
        parser.error(f"checks are {', '.join(sorted(known))}")
    context = checks.Context(options, broker, clients)
    broker.start()
    passed = failed = 0
    for check in checks.ALL:
        name = check.__name__
        if options.only and name not in options.only:
            continue
        started = time.monotonic()
        try:
            check(context)
            passed += 1
            print(f"pass {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
            if broker.process.poll() is not None:
                print(f"the broker has ended with {broker.process.returncode}", flush=True)
                time.sleep(5)
                broker.start()
    code = broker.stop()
    if code != 0 and not options.kafka:
        failed += 1
        print(f"FAIL drain: SIGTERM ended the broker with {code}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
