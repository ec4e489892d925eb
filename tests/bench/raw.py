"""The yardstick of batches: two connections that COPY ready rows into the table of events, and nothing else."""

import multiprocessing
import time
from uuid import UUID

import psycopg

from tests.bench.load import Load
from tests.bench.requests import EVENTS_PER_BATCH, PATHS

STREAMS = 2
FORK = multiprocessing.get_context("fork")
PATIENCE_SECONDS = 120
COPY = (
    "COPY event (tenant_id, is_live, occurred_at, key, id, source, type, quantity, subject, properties, received_at)"
    " FROM STDIN"
)
# Replaced in each batch, by as many digits.
_BATCH = b"#" * 14


def copy_rows(url: str, tenant: UUID, *, seconds: float) -> Load:
    """Measure COPY of a thousand rows a transaction, without identity, rollups or limits, in two streams."""
    barrier = FORK.Barrier(STREAMS)
    pipes = [FORK.Pipe(duplex=False) for _ in range(STREAMS)]
    stamp = time.time_ns() // 1000 % 16**7

    def stream(number: int) -> None:
        rows = _rows(tenant, stamp * STREAMS + number)
        latencies: list[float] = []
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            barrier.wait(PATIENCE_SECONDS)
            started = now = time.perf_counter()
            while now < started + seconds:
                with connection.cursor() as cursor, cursor.copy(COPY) as copy:
                    copy.write(rows.replace(_BATCH, b"%014x" % len(latencies)))
                before, now = now, time.perf_counter()
                latencies.append(now - before)
        pipes[number][1].send((latencies, now - started))

    processes = [FORK.Process(target=stream, args=(number,)) for number in range(STREAMS)]
    for process in processes:
        process.start()
    results = [receiver.recv() for receiver, _ in pipes]
    for process in processes:
        process.join(PATIENCE_SECONDS)
    latencies = sorted(latency for measured, _ in results for latency in measured)
    return Load(
        responses=len(latencies),
        seconds=max(elapsed for _, elapsed in results),
        p50_ms=latencies[len(latencies) // 2] * 1000,
        p99_ms=latencies[len(latencies) * 99 // 100] * 1000,
        client_us=0,
        statuses={0: len(latencies)},
    )


def _rows(tenant: UUID, stream: int) -> bytes:
    """Return a batch in COPY's text format, its own number left open."""
    now = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime())
    return "".join(
        f"{tenant}\tt\t{now}\t\\\\x{stream:014x}{'#' * 14}{n:04x}\tcopy-{stream}-{'#' * 14}-{n}\t\thttp_request\t1"
        f'\tuser-{n % 97}\t{{"method":"GET","path":"{PATHS[n % 4]}","status":200,"response_length":{n % 4096}}}'
        f"\t{now}\n"
        for n in range(EVENTS_PER_BATCH)
    ).encode()
