"""`make bench-quick`, `make bench`: the cost of each call beside a bare view and raw COPY, in one run on one machine.

Prints a table, then one line a row for programs, and writes nothing. Compare figures of one run only: those of
different runs or machines differ.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import django

from config.workbench.embedded_postgres import EmbeddedPostgres
from tests.bench.rig import (
    DATABASE,
    OURS,
    Server,
    postmaster_of,
    production,
    server,
    throw_away_postgres,
    throw_away_redis,
)

WORKERS = 2
QUICK_SECONDS = 1.3
LONG_SECONDS = 3.5
LONG_ROUNDS = 3


@contextmanager
def servers(cluster: EmbeddedPostgres, redis: str) -> Iterator[dict[str, Server]]:
    """Start the bare view, and our server as an adopter runs it: as in production, as superuser, and with Redis."""
    environment = production(cluster, DJANGO_SETTINGS_MODULE="tests.bench.adopter_settings")
    started = {
        "bare": ("tests.bench.bare:application", environment),
        "ours": (OURS, environment),
        "owner": (OURS, environment | {"DATABASE_AS_OWNER": "1"}),
    }
    if redis:
        started["redis"] = (OURS, environment | {"REDIS_URL": redis})
    with ExitStack() as stack, ThreadPoolExecutor() as pool:  # all at once: each imports for seconds

        def start(name: str) -> Server:
            application, variables = started[name]
            return stack.enter_context(server(application, variables, workers=WORKERS))

        yield dict(zip(started, pool.map(start, started), strict=True))


def run(options: argparse.Namespace) -> None:
    """Start everything, measure, and print."""
    with ExitStack() as stack:
        cluster = stack.enter_context(throw_away_postgres())
        redis = stack.enter_context(throw_away_redis())
        os.environ.update(production(cluster))
        django.setup()
        from tests.bench.measuring import Bench  # noqa: PLC0415 - its models need the settings made above
        from tests.bench.subjects import prepare  # noqa: PLC0415 - as above

        subjects = prepare()
        running = stack.enter_context(servers(cluster, redis))
        bench = Bench(
            seconds=options.seconds,
            url=cluster.database_url(DATABASE),
            servers=running,
            postmaster=postmaster_of(cluster),
            subjects=subjects,
            only=options.only,
        )
        for number in range(options.rounds):
            bench.take_round(number)
        if options.ledger:
            bench.take_large_ledger(options.ledger, rounds=options.rounds)
        sys.stdout.write(bench.report())


def main() -> None:
    """Print the machine and the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--long", action="store_true", help="Three rounds, and a ledger of 10 million events.")
    parser.add_argument("--seconds", type=float, help="How long each row is measured.")
    parser.add_argument("--rounds", type=int, help="How often all rows are measured; figures are medians.")
    parser.add_argument("--ledger", type=int, help="Fill a ledger with so many events, and measure batches there too.")
    parser.add_argument("--only", default="", metavar="PREFIX", help="Only rows that begin so, and what they need.")
    options = parser.parse_args()
    long = options.long
    options.seconds = options.seconds or (LONG_SECONDS if long else QUICK_SECONDS)
    options.rounds = options.rounds or (LONG_ROUNDS if long else 1)
    options.ledger = (10_000_000 if long else 0) if options.ledger is None else options.ledger
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is stopped
    started = time.monotonic()
    run(options)
    sys.stdout.write(f"{time.monotonic() - started:.0f} s in all\n")


if __name__ == "__main__":
    main()
