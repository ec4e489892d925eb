"""`python -m tests.bench.webhooks`: how fast one sender drains a backlog of webhooks to a receiver on this machine.

On a PostgreSQL of its own with `fsync` on. The receiver is a process of a few lines; each endpoint is a path of it.
With `--hanging`, so many more endpoints accept a connection and never respond. Prints a line and writes nothing.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import django
import psycopg
from django.utils import timezone

from accounts.domain.reach import WayIn, let_process_reach
from tests.bench.rig import CHECKOUT, await_listener, free_port, production, throw_away_postgres

LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
RESPONSE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
ENDPOINTS_OF_TENANT: Final = 50


class Sink(asyncio.Protocol):
    """Takes requests and responds 200, or never if their path says so."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self.buffer, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self.buffer) < whole:
                return
            hangs, self.buffer = self.buffer.startswith(b"POST /hang"), self.buffer[whole:]
            if not hangs:
                self.transport.write(RESPONSE)  # type: ignore[attr-defined] # a transport of a socket


async def receive(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


@contextmanager
def receiver() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.webhooks", "--receive", str(port)], cwd=CHECKOUT)
    try:
        await_listener(port)
        yield port
    finally:
        process.kill()
        process.wait(60)


def prepare(port: int, *, endpoints: int, events: int, hanging: int) -> None:
    """Create tenants of fifty endpoints, and the same events for each."""
    from accounts.at_rest import ENDPOINT_SECRET, seal_text  # noqa: PLC0415 - its models need the settings that measure makes
    from accounts.domain.identifiers import uuid7  # noqa: PLC0415
    from accounts.models import Tenant  # noqa: PLC0415
    from accounts.notices.services.outbox import add_to_outbox  # noqa: PLC0415
    from accounts.webhooks.domain.signing import generate_secret  # noqa: PLC0415
    from accounts.webhooks.models import WebhookEndpoint, WebhookSecret  # noqa: PLC0415
    from tests.accounts.webhooks.world import Happening  # noqa: PLC0415

    as_of = timezone.now() - timedelta(seconds=10)
    total = endpoints + hanging
    sealed = seal_text(generate_secret(), purpose=ENDPOINT_SECRET)
    tenants = Tenant.objects.bulk_create(
        Tenant(id=uuid7(as_of), slug=f"bench-{number}", name="Bench", created_at=as_of)
        for number in range(-(-total // ENDPOINTS_OF_TENANT))
    )
    rows = WebhookEndpoint.objects.bulk_create(
        WebhookEndpoint(
            id=uuid7(as_of),
            tenant=tenants[number // ENDPOINTS_OF_TENANT],
            url=f"http://127.0.0.1:{port}/{'hang' if number < hanging else 'in'}/{number}",
            created_at=as_of,
        )
        for number in range(total)
    )
    WebhookSecret.objects.bulk_create(
        WebhookSecret(tenant_id=row.tenant_id, endpoint=row, sealed=sealed, created_at=as_of) for row in rows
    )
    for _ in range(events):
        add_to_outbox([Happening(tenant.pk) for tenant in tenants], as_of=as_of)  # type: ignore[misc]


def measure(*, endpoints: int, events: int, hanging: int) -> str:
    with throw_away_postgres() as cluster, receiver() as port:
        environment = production(cluster)
        command = [sys.executable, str(CHECKOUT / "manage.py"), "prepare"]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=600)
        os.environ.update(environment)
        django.setup()
        let_process_reach(WayIn.JOBS)
        prepare(port, endpoints=endpoints, events=events, hanging=hanging)
        return drain(cluster.database_url("countinghouse"), wanted=endpoints * events, hanging=hanging)


def drain(database_url: str, *, wanted: int, hanging: int) -> str:
    from accounts.domain.public_addresses import read_networks  # noqa: PLC0415
    from accounts.gateways.outbound import Outbound  # noqa: PLC0415
    from accounts.webhooks.services.sending import Sender  # noqa: PLC0415

    async def run() -> tuple[float, int, int]:
        async with Outbound(allowed=read_networks(["127.0.0.0/8"])) as outbound:
            sender = Sender(outbound, timezone.now)
            started, ended = time.perf_counter(), []

            def is_over() -> bool:
                if sender.recorded.succeeded >= wanted:
                    ended.append(time.perf_counter())
                return bool(ended)

            await sender.run(is_over)  # it then waits for what hangs
            return ended[0] - started, sender.recorded.succeeded, sender.recorded.failed

    cpu = time.process_time()
    seconds, succeeded, failed = asyncio.run(run())
    cpu = time.process_time() - cpu
    with psycopg.connect(database_url, connect_timeout=10, options="-c countinghouse.way=jobs") as connection:
        [(attempts,)] = connection.execute("SELECT count(*) FROM webhooks_webhookattempt").fetchall()
    return (
        f"{succeeded:,} delivered and recorded in {seconds:.1f} s: {succeeded / seconds:,.0f} a second;"
        f" {cpu:.1f} s of CPU in the sender; {failed} failed, {hanging} endpoints hang; {attempts:,} attempts stored;"
        f" {os.cpu_count()} cores for sender, receiver and PostgreSQL, load average {os.getloadavg()[0]:.1f}\n"
    )


def main() -> None:
    """Print the rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=10)
    parser.add_argument("--hanging", type=int, default=0)
    parser.add_argument("--receive", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        asyncio.run(receive(options.receive))
        return
    sys.stdout.write(measure(endpoints=options.endpoints, events=options.events, hanging=options.hanging))


if __name__ == "__main__":
    main()
