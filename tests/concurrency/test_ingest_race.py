"""P2, P3, P5: ingest beside ingest, beside a rebuild, and void beside void, by real processes and threads.

If a test could pass by luck, it brings the racers to the same point by a lock that it holds itself. Each race that a
part of ours prevents has a control without that part.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.domain.scopes import Scope
from accounts.sql import fetch_all
from metering.domain.ledger import IngestResult, Ledger
from metering.errors import AlreadyVoidedError
from metering.models import Event, EventVoid
from metering.selectors.catalog import meter_rules
from metering.selectors.formula_sql import with_formulas
from metering.selectors.ledger_totals import seam_parameters
from metering.selectors.retention import seam_of
from metering.selectors.statements import meters_parameter
from metering.services import voids
from metering.services.ingest import ingest_events
from metering.services.ledger_lock import lock_ledger
from metering.services.partitions import ensure_partitions_of
from metering.services.rebuild import CLEAR, FILL, rebuild_usage
from metering.services.reconciliation import reconcile
from metering.services.voids import void_event
from tests.contract import closed_document
from tests.databases import owner_url
from tests.faults.books import wrongs
from tests.faults.durable import await_that
from tests.faults.processes import Work, finish, parse, read_journals, senders
from tests.faults.verdicts import ids, journals_in
from tests.metering.ledger_world import ledger_of, make_key, make_tenant, send

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.takes_long("many senders at once")]

SENDERS = 6
RACERS = 8
Outcome = TypeVar("Outcome")
NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
PARTITION_LOCK = 7310468202
# Of pg_locks alone: within a transaction pg_stat_activity always shows what it showed first.
WAITING = """
SELECT count(*) FROM pg_locks
WHERE NOT granted AND locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(tenant_id=uuid4(), is_live=True, time_zone="UTC", backfill_days=35)


@pytest.fixture
def observer(ledger: Ledger) -> Iterator[psycopg.Connection]:
    """Open a connection that takes part in nothing."""
    with psycopg.connect(owner_url(), autocommit=True, connect_timeout=10) as observer:
        yield observer


def test_overlapping_batches_in_different_orders_count_each_event_once(
    ledger: Ledger, observer: psycopg.Connection, tmp_path: Path
) -> None:
    work = Work(owner_url(), ledger, journals_in(tmp_path), events=1500, events_per_batch=150)

    with senders(work, SENDERS) as processes:
        finish(processes)

    journals = read_journals(work.journals)
    assert [journal.unanswered for journal in journals] == [0] * SENDERS, "a deadlock or a time-out reached a client"
    accepted = [id_ for journal in journals for id_ in journal.accepted]
    assert sorted(accepted) == sorted(ids(1500))
    assert all(set(journal.acknowledged) == ids(1500) for journal in journals)
    assert wrongs(observer, ledger, expected=ids(1500), acknowledged=accepted) == []
    assert reconcile(ledgers=[ledger]).is_clean


def test_the_same_senders_without_the_claim_of_identities_count_events_again(
    ledger: Ledger, observer: psycopg.Connection, tmp_path: Path
) -> None:
    url = owner_url()
    work = Work(url, ledger, journals_in(tmp_path), events=200, claims_identity=False)

    with senders(work, 2) as processes:
        finish(processes)

    assert any("more than once" in said for said in wrongs(observer, ledger, expected=ids(200), acknowledged=()))
    assert not reconcile(ledgers=[ledger]).is_clean


def test_one_id_with_two_contents_at_once_is_stored_once_and_refused_once(
    ledger: Ledger, observer: psycopg.Connection
) -> None:
    with racing() as start, holding(observer, ledger.lock_key):
        sent = [start(ingest_one, ledger, size) for size in range(RACERS)]
        await_waiting(observer, RACERS)
    outcomes = [future.result(120) for future in sent]

    accepted = [size for size, outcome in enumerate(outcomes) if outcome.accepted]
    assert len(accepted) == 1
    assert sum(len(outcome.conflicts) for outcome in outcomes) == RACERS - 1
    assert total(observer, ledger, "api_bytes") == accepted[0]
    assert reconcile(ledgers=[ledger]).is_clean


def test_the_first_events_of_a_month_may_arrive_in_many_processes_at_once(observer: psycopg.Connection) -> None:
    month = date(2031, 5, 1)
    with racing() as start, holding(observer, PARTITION_LOCK):
        made = [start(make_partition, month) for _ in range(RACERS)]
        # Each has seen that there is no such partition. One process remembers for all, so some may not even look.
        await_waiting(observer, 2)
    for future in made:
        future.result(120)

    assert observer.execute("SELECT to_regclass('event_2031_05') IS NOT NULL").fetchone() == (True,)


def test_usage_rebuilt_again_and_again_beside_ingest_stays_exact(
    ledger: Ledger, observer: psycopg.Connection, tmp_path: Path
) -> None:
    work = Work(owner_url(), ledger, journals_in(tmp_path), events=1500, events_per_batch=25)
    rebuilds_beside_ingest = 0

    with senders(work, 3) as processes:
        while any(process.is_alive() for process in processes):
            rebuild_usage(ledger=ledger)
            rebuilds_beside_ingest += any(process.is_alive() for process in processes)
        finish(processes)

    assert rebuilds_beside_ingest >= 3
    acknowledged = [id_ for journal in read_journals(work.journals) for id_ in journal.acknowledged]
    assert wrongs(observer, ledger, expected=ids(1500), acknowledged=acknowledged) == []
    assert reconcile(ledgers=[ledger]).is_clean


def test_a_rebuild_holds_ingest_back_between_clearing_and_filling(ledger: Ledger, observer: psycopg.Connection) -> None:
    with racing() as start, transaction.atomic():
        lock_ledger(ledger)
        clear(ledger)
        sent = start(ingest_one, ledger)
        await_waiting(observer, 1)
        fill(ledger)
    assert sent.result(120).accepted

    assert reconcile(ledgers=[ledger]).is_clean


def test_the_same_rebuild_without_the_lock_counts_an_event_twice(ledger: Ledger) -> None:
    with racing() as start, transaction.atomic():
        clear(ledger)
        assert start(ingest_one, ledger, 7, 0).result(120).accepted
        fill(ledger)

    drifts = reconcile(ledgers=[ledger]).drifts
    assert {drift.rollup for drift in drifts} == {"usage_hour", "usage_day"}


def test_of_many_voids_at_once_one_takes_the_quantity_back(ledger: Ledger, observer: psycopg.Connection) -> None:
    outcomes = void_at_once(ledger, observer)

    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, AlreadyVoidedError) for outcome in outcomes) == RACERS - 1
    assert (total(observer, ledger, "api_requests"), total(observer, ledger, "api_bytes")) == (0, 0)
    assert reconcile(ledgers=[ledger]).is_clean


def test_the_same_voids_without_their_claim_take_it_back_again_and_again(
    ledger: Ledger, observer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaken_void(monkeypatch)

    void_at_once(ledger, observer)

    assert total(observer, ledger, "api_requests") == 1 - RACERS
    assert not reconcile(ledgers=[ledger]).is_clean


def test_of_many_amendments_at_once_one_wins_and_the_others_get_409(observer: psycopg.Connection) -> None:
    ledger, answers = amend_at_once(observer)

    assert sorted(answers) == [(200, None), *[(409, "already_voided")] * (RACERS - 1)]
    stored = Event.objects.of_ledger(ledger.tenant_id, is_live=True)
    assert stored.count() == 2, "a loser's replacement was stored"
    assert EventVoid.objects.get().replaced_by == stored.exclude(event_id="e").get().event_id
    assert total(observer, ledger, "api_requests") == 1
    assert reconcile(ledgers=[ledger]).is_clean


def test_the_same_amendments_without_the_claim_of_the_void_all_win(
    observer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaken_void(monkeypatch)

    ledger, answers = amend_at_once(observer)

    assert answers == [(200, None)] * RACERS
    assert Event.objects.of_ledger(ledger.tenant_id, is_live=True).count() == 1 + RACERS
    assert not reconcile(ledgers=[ledger]).is_clean


# The racers


@contextmanager
def racing() -> Iterator["Start"]:
    """Start threads, each with a connection of its own that is closed when it has done its part."""
    with ThreadPoolExecutor(RACERS) as pool:
        yield Start(pool)


class Start:
    """Starts a racer."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool

    def __call__(self, part: Callable[..., Outcome], *arguments: object) -> "Future[Outcome]":
        return self.pool.submit(apart, part, *arguments)


def apart(part: Callable[..., Outcome], *arguments: object) -> Outcome:
    try:
        return part(*arguments)
    finally:
        connection.close()


@contextmanager
def holding(observer: psycopg.Connection, lock_key: int) -> Iterator[None]:
    """Hold the advisory lock until the block ends."""
    with observer.transaction():
        observer.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key])
        yield


def await_waiting(observer: psycopg.Connection, count: int) -> None:
    """Wait until so many statements wait for an advisory lock."""

    def waiting() -> int:
        row = observer.execute(WAITING).fetchone()
        assert row is not None
        return int(row[0])

    await_that(lambda: waiting() >= count)


def ingest_one(ledger: Ledger, response_length: int = 7, slot_taken: int | None = None) -> IngestResult:
    """Send one event; over a connection that does not write into the slot named."""
    while slot_taken is not None and fetch_all("SELECT pg_backend_pid() %% 4", {})[0][0] == slot_taken:
        connection.close()
    body: dict[str, object] = {"id": "e", "type": "http_request", "properties": {"response_length": response_length}}
    return ingest_events(ledger=ledger, events=parse([body], NOW), api_key_id=None, as_of=NOW)


def void_at_once(ledger: Ledger, observer: psycopg.Connection) -> list[BaseException | None]:
    ingest_one(ledger)
    with racing() as start, holding(observer, ledger.lock_key):
        voided = [start(void_the_one, ledger, number) for number in range(RACERS)]
        await_waiting(observer, RACERS)
    return [future.exception() for future in voided]


def amend_at_once(observer: psycopg.Connection) -> tuple[Ledger, list[tuple[int, str | None]]]:
    """Amend one event by as many requests as there are racers. Return what each was answered."""
    closed_document()  # it checks each answer, and two threads cannot generate it at once
    tenant = make_tenant("acme")
    _, secret = make_key(tenant, scopes=[Scope.EVENTS_WRITE])
    ledger = ledger_of(tenant)
    send(ledger, [{"id": "e", "type": "http_request"}], as_of=timezone.now())
    with racing() as start, holding(observer, ledger.lock_key):
        asked = [start(amend_the_one, secret, number) for number in range(RACERS)]
        await_waiting(observer, RACERS)
    return ledger, [future.result(120) for future in asked]


def amend_the_one(secret: str, number: int) -> tuple[int, str | None]:
    body = {"reason": "wrong size", "replacement": {"id": f"e-{number}", "properties": {"response_length": number}}}
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).post(
        "/api/v1/events/e/void", body, content_type="application/json"
    )
    return answer.status_code, answer.json().get("code")


def weaken_void(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a void without its row, which is what only one of them can add."""
    weakened, replaced = re.subn(
        r"\nvoided AS \(.*?\n\),", "\nvoided AS (SELECT key FROM found),", voids.VOID, flags=re.DOTALL
    )
    assert replaced == 1
    monkeypatch.setattr(voids, "VOID", weakened)


def make_partition(month: date) -> None:
    ensure_partitions_of(days={month})


def void_the_one(ledger: Ledger, number: int) -> None:
    void_event(ledger=ledger, event_id="e", reason="sent in error", voided_by=f"racer {number}", as_of=NOW)


def clear(ledger: Ledger) -> None:
    for statement in CLEAR:
        fetch_all(statement, rebuild_parameters(ledger))


def fill(ledger: Ledger) -> None:
    fetch_all(with_formulas(FILL, meter_rules()), rebuild_parameters(ledger))


def rebuild_parameters(ledger: Ledger) -> dict[str, object]:
    return {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "time_zone": ledger.time_zone,
        "meters": meters_parameter(meter_rules()),
        **seam_parameters(seam_of(ledger)),
    }


def total(observer: psycopg.Connection, ledger: Ledger, meter: str) -> int:
    row = observer.execute(
        "SELECT coalesce(sum(quantity), 0) FROM usage_hour AS u JOIN metering_meter AS m ON m.id = u.meter_id"
        " WHERE u.tenant_id = %s AND m.code = %s",
        [ledger.tenant_id, meter],
    ).fetchone()
    assert row is not None
    return int(row[0])
