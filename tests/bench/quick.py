"""`make bench-quick`: the cost of ingest and authorize, beside a bare view and raw COPY, in one run on one machine.

Prints a table and writes nothing. Compare figures of one run only: those of different runs or machines differ.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import django
import psycopg

from tests.bench.load import FORK, Load, Requests, measure, request_bytes
from tests.bench.rig import OURS, production, server, throw_away_postgres, throw_away_redis

CLIENTS = 4
WORKERS = 2
EVENTS_PER_BATCH = 1000
BATCHES_PREPARED = 80
SECONDS = 4.0
PATHS = ("/v1/widgets", "/v1/widgets/{id}", "/v1/orders", "/v1/search")
COPY = (
    "COPY event (tenant_id, is_live, occurred_at, key, id, source, type, quantity, properties, received_at) FROM STDIN"
)
INSERT = """
INSERT INTO event (tenant_id, is_live, occurred_at, key, id, source, type, quantity, properties, received_at)
SELECT %(tenant)s::uuid, true, now(), substring(sha256(convert_to(e.id, 'UTF8')) FROM 1 FOR 16), e.id, '', e.type, 1,
    e.properties, now()
FROM jsonb_to_recordset(%(events)s::jsonb) AS e(id text, type text, properties jsonb)
"""


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    name: str
    rate: float
    unit: str
    p50_ms: float
    p99_ms: float


def event_json(id_: str, number: int) -> str:
    """Return one event of some 180 bytes, as a gateway would send it."""
    return (
        f'{{"id":"{id_}","type":"http_request","subject":"user-{number % 97}","properties":{{"method":"GET",'
        f'"path":"{PATHS[number % 4]}","status":{200 if number % 20 else 404},"response_length":{number % 4096}}}}}'
    )


def batch_json(client: int, batch: int, tag: str) -> str:
    """Return a thousand new events."""
    events = (event_json(f"{tag}-{client}-{batch}-{n}", n) for n in range(EVENTS_PER_BATCH))
    return f"[{','.join(events)}]"


def single_events(key: str, tag: str) -> Requests:
    """Yield requests of one new event each."""

    def requests(client: int) -> Iterator[bytes]:
        number = 0
        while True:
            number += 1
            yield request_bytes("POST", "/api/v1/events", event_json(f"{tag}-{client}-{number}", number).encode(), key)

    return requests


def authorizations(key: str, tag: str) -> Requests:
    """Yield requests that authorize a new event each."""

    def requests(client: int) -> Iterator[bytes]:
        number = 0
        while True:
            number += 1
            body = event_json(f"{tag}-{client}-{number}", number).encode()
            yield request_bytes("POST", "/api/v1/authorize", body, key)

    return requests


def batches(key: str, tag: str) -> Requests:
    """Yield batches built before the clock starts."""

    def requests(client: int) -> Iterator[bytes]:
        bodies = [f'{{"events":{batch_json(client, n, tag)}}}'.encode() for n in range(BATCHES_PREPARED)]
        yield from [request_bytes("POST", "/api/v1/events", body, key) for body in bodies]

    return requests


def same_request(request: bytes) -> Requests:
    """Yield the same request again and again."""

    def requests(_: int) -> Iterator[bytes]:
        while True:
            yield request

    return requests


def copy_rows(connection: psycopg.Connection, tenant: str, client: int, batch: int) -> None:
    """Copy a batch into the ledger's table, without identity, rollups or limits, in one transaction."""
    now = datetime.now(UTC).isoformat()
    rows = "".join(
        f"{tenant}\tt\t{now}\t\\\\x{client:04x}{batch:014x}{n:014x}\tcopy-{client}-{batch}-{n}\t\thttp_request"
        f'\t1\t{{"method":"GET","path":"{PATHS[n % 4]}","status":200,"response_length":{n % 4096}}}\t{now}\n'
        for n in range(EVENTS_PER_BATCH)
    )
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.write(rows)


def insert_rows(connection: psycopg.Connection, tenant: str, client: int, batch: int) -> None:
    """Insert the same batch by one JSON parameter."""
    connection.execute(INSERT, {"tenant": tenant, "events": batch_json(client, batch, "raw")}, prepare=True)


def measure_raw(
    url: str, tenant: str, store: Callable[[psycopg.Connection, str, int, int], None], *, seconds: float
) -> Load:
    """Measure as many connections as there are clients, which store batches straight into the table."""
    pipes = [FORK.Pipe(duplex=False) for _ in range(CLIENTS)]

    def client(number: int) -> None:
        latencies: list[int] = []
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            started = now = time.perf_counter_ns()
            while now < started + seconds * 1e9:
                store(connection, tenant, number, len(latencies))
                before, now = now, time.perf_counter_ns()
                latencies.append(now - before)
        pipes[number][1].send((latencies, (now - started) / 1e9))

    processes = [FORK.Process(target=client, args=(number,)) for number in range(CLIENTS)]
    for process in processes:
        process.start()
    results = [receiver.recv() for receiver, _ in pipes]
    for process in processes:
        process.join(3600)
    latencies = sorted(latency for measured, _ in results for latency in measured)
    return Load(answers=len(latencies), seconds=max(elapsed for _, elapsed in results), latencies=latencies)


def line(name: str, load: Load, *, events: int = 0) -> Line:
    unit = "events/s" if events else "requests/s"
    return Line(name, load.rate * (events or 1), unit, load.percentile_ms(50), load.percentile_ms(99))


def run(seconds: float) -> list[Line]:
    """Measure everything, one after the other."""
    lines = []

    def take(name: str, port: int, requests: Requests, *, expected: int = 200, events: int = 0) -> None:
        tell(name)
        load = measure(port, requests, clients=CLIENTS, seconds=seconds, expected=expected)
        lines.append(line(name, load, events=events))

    with ExitStack() as stack:
        cluster = stack.enter_context(throw_away_postgres())
        environment = production(cluster)
        os.environ.update(environment)
        django.setup()
        from tests.bench.subjects import prepare  # noqa: PLC0415 - its models need the settings made above

        subjects = prepare()
        body = event_json("the-same", 1).encode()
        with server("tests.bench.bare:application", environment, workers=WORKERS) as port:
            take("bare Django view, GET", port, same_request(request_bytes("GET", "/django")))
            take("bare DRF view, POST", port, same_request(request_bytes("POST", "/drf", body)))
        with server(OURS, environment, workers=WORKERS) as port:
            take("single event", port, single_events(subjects.free, "single"), expected=201)
            take("authorize, PostgreSQL", port, authorizations(subjects.limited, "authorize"))
            take("batch of 1,000", port, batches(subjects.free, "batch"), events=EVENTS_PER_BATCH)
        redis = stack.enter_context(throw_away_redis())
        if redis:
            with server(OURS, production(cluster, REDIS_URL=redis), workers=WORKERS) as port:
                take("authorize, Redis", port, authorizations(subjects.limited, "redis"))
        tenant, url = str(subjects.tenant_id), environment["DATABASE_URL"]
        for name, store in (("raw INSERT of JSON", insert_rows), ("raw COPY", copy_rows)):
            tell(name)
            lines.append(line(name, measure_raw(url, tenant, store, seconds=seconds), events=EVENTS_PER_BATCH))
    return lines


def tell(name: str) -> None:
    """Print what is measured now, for the person who waits."""
    sys.stderr.write(f"measuring: {name}\n")


def table(lines: list[Line]) -> str:
    """Return the figures, each beside its yardstick's."""
    by_name = {one.name: one for one in lines}
    yardsticks = {"requests/s": by_name["bare DRF view, POST"], "events/s": by_name["raw COPY"]}
    rows = [f"{'':24}{'rate':>12} {'':10}{'p50 ms':>9}{'p99 ms':>9}   of the yardstick"]
    for one in lines:
        yardstick = yardsticks[one.unit]
        rows.append(
            f"{one.name:24}{one.rate:>12,.0f} {one.unit:10}{one.p50_ms:>9.2f}{one.p99_ms:>9.2f}"
            f"   {one.rate / yardstick.rate:.2f} of {yardstick.name}"
        )
    return "\n".join(rows)


def main() -> None:
    """Print the machine and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="How long each line is measured.")
    seconds = parser.parse_args().seconds
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is stopped
    started = time.monotonic()
    lines = run(seconds)
    out = sys.stdout.write
    out(f"{os.cpu_count()} cores for clients, {WORKERS} server processes and PostgreSQL (fsync on) together;")
    out(f" {CLIENTS} clients, {seconds:g} s a line; load average before {os.getloadavg()[2]:.1f}\n\n")
    out(table(lines) + f"\n\n{time.monotonic() - started:.0f} s in all\n")


if __name__ == "__main__":
    main()
