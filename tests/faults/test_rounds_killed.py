"""P1 for rounds: what was acknowledged is stored, counted and in usage, whichever process dies while requests wait.

A real web server with two processes stores single events and authorizations of three tenants that come together.
"""

import http.client
import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import psutil
import psycopg
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.domain.scopes import Scope
from accounts.models import Tenant
from metering.models import Event
from metering.services.limits.comparison import compare_counters
from metering.services.reconciliation import reconcile
from tests.databases import owner_url
from tests.faults.durable import await_that
from tests.metering.ledger_world import ledger_of, make_key, make_tenant
from tests.metering.services.limits.limit_world import put_on_plan, quota_of
from tests.security.web import WebServer, web_server

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.takes_long("it starts a web server with two processes and kills what it can"),
]

SENDERS = 8
QUOTA = 60
CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename <> current_user AND backend_type = 'client backend'
"""


@dataclass
class Sender:
    """Sends its own ids as fast as it is answered, and notes what was said to each."""

    port: int
    secret: str
    path: str
    name: str
    statuses: dict[str, int] = field(default_factory=dict)
    cut_off: int = 0

    def run(self, until: threading.Event) -> None:
        number = 0
        while not until.is_set():
            number += 1
            id_ = f"{self.name}-{number}"
            try:
                self.statuses[id_] = self.ask(id_)
            except (OSError, http.client.HTTPException):
                self.cut_off += 1

    def ask(self, id_: str) -> int:
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("localhost", self.port, timeout=30)) as line:
            line.request("POST", self.path, json.dumps({"id": id_, "type": "http_request"}).encode(), headers)
            answer = line.getresponse()
            answer.read()
            return answer.status

    @property
    def acknowledged(self) -> set[str]:
        return {id_ for id_, status in self.statuses.items() if status in {200, 201}}


@pytest.fixture
def senders(
    process_environment: Mapping[str, str], settings: Settings
) -> Iterator[tuple[WebServer, list[tuple[Tenant, Sender]]]]:
    settings.REDIS_URL = ""  # only in PostgreSQL a limit and its event are one transaction, whoever dies
    tenants = [make_tenant(name) for name in ("free", "limited", "hot")]
    put_on_plan(tenants[1], timezone.now(), quota_of("1000000"), throttle=(100000, 100000))
    put_on_plan(tenants[2], timezone.now(), quota_of(str(QUOTA)))
    paths = ("/api/v1/events", "/api/v1/authorize", "/api/v1/authorize")
    secrets = [make_key(tenant, scopes=[Scope.EVENTS_WRITE])[1] for tenant in tenants]
    with web_server({**process_environment, "REDIS_URL": ""}, workers=2) as server:
        yield (
            server,
            [
                (tenant, Sender(server.port, secret, path, f"{tenant.slug}-{number}"))
                for tenant, secret, path in zip(tenants, secrets, paths, strict=True)
                for number in range(SENDERS // 2)
            ],
        )


def test_what_was_acknowledged_is_counted_whoever_dies(
    senders: tuple[WebServer, list[tuple[Tenant, Sender]]],
) -> None:
    server, sending = senders
    over = threading.Event()
    threads = [threading.Thread(target=sender.run, args=(over,)) for _, sender in sending]
    for thread in threads:
        thread.start()
    await_progress(sending, 150)
    kill_a_worker(server)
    await_progress(sending, 150)
    connection.close()  # not this test's own
    with psycopg.connect(owner_url(), autocommit=True, connect_timeout=10) as observer:
        observer.execute(CUT)
    await_progress(sending, 150)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    over.set()
    for thread in threads:
        thread.join(60)

    said = Counter(status for _, sender in sending for status in sender.statuses.values())
    assert said.keys() <= {200, 201, 429, 503}, said
    as_of = timezone.now()
    for tenant in {tenant for tenant, _ in sending}:
        stored = set(Event.objects.of_ledger(tenant.id, is_live=True).values_list("event_id", flat=True))
        acknowledged = {id_ for one, sender in sending if one == tenant for id_ in sender.acknowledged}
        assert acknowledged <= stored
        assert len(stored) - len(acknowledged) <= sum(sender.cut_off for _, sender in sending) + said[503]
        assert reconcile(ledgers=[ledger_of(tenant)]).is_clean
    hot = next(tenant for tenant, _ in sending if tenant.slug == "hot")
    assert Event.objects.of_ledger(hot.id, is_live=True).count() == QUOTA
    compared = compare_counters(ledgers=[ledger_of(tenant) for tenant, _ in sending], as_of=as_of)
    assert (compared.drifts, compared.counters > 0) == ((), True)


def await_progress(sending: list[tuple[Tenant, Sender]], answers: int) -> None:
    """Wait until so many more requests were answered."""
    before = sum(len(sender.statuses) for _, sender in sending)
    await_that(lambda: sum(len(sender.statuses) for _, sender in sending) >= before + answers)


def kill_a_worker(server: WebServer) -> None:
    """Kill one of the processes that serve, by SIGKILL, and wait until another serves in its place."""
    before = serving(server)
    before[0].kill()
    await_that(lambda: len(set(serving(server)) - {before[0]}) == len(before))


def serving(server: WebServer) -> list[psutil.Process]:
    """Return the processes that have come to open sockets of their own: to the database."""
    workers = psutil.Process(server.process.pid).children(recursive=True)
    return [one for one in workers if one.status() != psutil.STATUS_ZOMBIE and one.num_threads() > 2]
