"""Workers on one month at once, and a late event beside the deletion: a month is deleted once, and no event is lost."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar
from uuid import uuid4

import psycopg
import pytest
from django.db import DatabaseError, connection

from accounts.domain.reach import WayIn, way_in
from metering.domain.events import ParsedEvent
from metering.domain.ledger import Ledger
from metering.models import Event, EventMonth
from metering.services.ingest import ingest_events
from metering.services.retention import delete_sealed_months
from tests.databases import owner_url
from tests.faults.durable import await_that
from tests.metering.ledger_world import parsed
from tests.metering.retention_world import MARCH, THIRD_NIGHT, seal

pytestmark = pytest.mark.django_db(transaction=True)
PARTITION_LOCK = 7310468202
SENT = datetime(2026, 4, 2, tzinfo=UTC)
WORKERS = 3
Outcome = TypeVar("Outcome")
WAITING = """
SELECT count(*) FROM pg_locks
WHERE NOT granted AND locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def observer() -> Iterator[psycopg.Connection]:
    with psycopg.connect(owner_url(), autocommit=True, connect_timeout=10) as observer:
        yield observer


@pytest.fixture
def ledger() -> Ledger:
    """Create one event of March, which is sealed."""
    ledger = Ledger(tenant_id=uuid4(), is_live=True, time_zone="UTC", backfill_days=35)
    ingest_events(ledger=ledger, events=event("a"), api_key_id=None, as_of=SENT)
    seal([ledger])
    return ledger


def event(event_id: str) -> list[ParsedEvent]:
    return parsed([{"id": event_id, "type": "http_request", "timestamp": "2026-03-10T00:00:00Z"}], as_of=SENT)


def apart(work: Callable[[], Outcome]) -> Outcome:
    """Run the work on a connection of its own."""
    try:
        with way_in(WayIn.JOBS):
            return work()
    finally:
        connection.close()


def deleting() -> int:
    return len(delete_sealed_months(as_of=THIRD_NIGHT))


def together(observer: psycopg.Connection, work: Callable[[], Outcome]) -> list["Future[Outcome]"]:
    """Hold the workers at the lock that the test holds, then release it."""
    with ThreadPoolExecutor(WORKERS) as pool:
        with observer.transaction():
            observer.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITION_LOCK])
            sent = [pool.submit(apart, work) for _ in range(WORKERS)]
            await_that(lambda: waiting(observer) >= WORKERS)
        return sent


def waiting(observer: psycopg.Connection) -> int:
    row = observer.execute(WAITING).fetchone()
    assert row is not None
    return int(row[0])


def test_workers_at_once_delete_a_month_once(ledger: Ledger, observer: psycopg.Connection) -> None:
    done = [each.result(60) for each in together(observer, deleting)]
    assert sorted(done) == [0] * (WORKERS - 1) + [1]
    assert EventMonth.objects.filter(step="deleted").count() == 1


def test_control_without_the_check_behind_the_lock_the_second_worker_fails(
    ledger: Ledger, observer: psycopg.Connection
) -> None:
    # The control: the rig brings workers together, so without the second check they collide.
    found = observer.execute("SELECT pg_get_functiondef('ledger_delete_event_partition'::regproc)").fetchone()
    assert found is not None
    blind = str(found[0]).replace("m.month = first AND m.step = 'deleted'", "false")
    assert blind != found[0]
    observer.execute(blind)
    try:
        outcomes = [each.exception(60) for each in together(observer, deleting)]
    finally:
        observer.execute(str(found[0]))
    assert [type(error) for error in outcomes].count(type(None)) == 1
    assert sum(isinstance(error, DatabaseError) for error in outcomes) == WORKERS - 1


def test_an_event_that_slips_into_a_sealed_month_keeps_it(ledger: Ledger, observer: psycopg.Connection) -> None:
    # As if a process did not know of the seal: the content differs from the seal, so nothing is deleted.
    observer.execute(
        "INSERT INTO event SELECT tenant_id, is_live, occurred_at, decode(repeat('00', 16), 'hex'), 'slipped', source,"
        " type, quantity, subject, api_key_id, properties, received_at FROM event WHERE tenant_id = %s",
        [ledger.tenant_id],
    )
    with pytest.raises(DatabaseError, match="not those that were sealed"):
        delete_sealed_months(as_of=THIRD_NIGHT)
    assert Event.objects.filter(tenant_id=ledger.tenant_id).count() == 2
    assert MARCH not in EventMonth.objects.filter(step="deleted").values_list("month", flat=True)
