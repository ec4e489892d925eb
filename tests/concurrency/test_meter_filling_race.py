"""A meter is filled beside ingest: by the lock of the ledger no event counts twice, and none is lost."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection

from metering.domain.ledger import Ledger
from metering.models import Meter
from metering.services import meter_filling, rebuild
from metering.services.meter_filling import fill_meter, fill_meters
from metering.services.reconciliation import reconcile
from metering.services.voids import void_event
from tests.concurrency.test_ingest_race import await_waiting
from tests.databases import owner_url
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
DAYS = 6


@pytest.fixture
def ledger() -> Ledger:
    """Create a ledger with an event each day, and a meter of them that is not filled."""
    make_meter("calls", "call")
    ledger = ledger_of(make_tenant("acme"))
    send(ledger, [event(f"old-{n}", n) for n in range(DAYS)], as_of=NOW)
    make_meter("sizes", "call", aggregation="sum", formula="size * 2", fill_from=NOW)
    return ledger


def event(id_: str, days_ago: float) -> dict[str, Any]:
    return {"id": id_, "type": "call", "timestamp": NOW - timedelta(days=days_ago), "properties": {"size": 1}}


def count_beside(ledger: Ledger, number: int) -> None:
    """Send events of all days, and void some, from a connection of its own."""
    try:
        for n in range(20):
            id_ = f"new-{number}-{n}"
            send(ledger, [event(id_, n % DAYS)], as_of=NOW)
            if n % 4 == 0:
                void_event(ledger=ledger, event_id=id_, reason="", voided_by="race", as_of=NOW)
        void_event(ledger=ledger, event_id=f"old-{number}", reason="", voided_by="race", as_of=NOW)
    finally:
        connection.close()


def fill_beside(_number: int) -> None:
    try:
        fill_meters(as_of=NOW, on_day=lambda _: None)
    finally:
        connection.close()


def test_two_workers_fill_a_meter_while_events_come_and_are_voided(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as pool:
        racing = [pool.submit(count_beside, ledger, number) for number in range(2)]
        racing += [pool.submit(fill_beside, number) for number in range(2)]
        for one in racing:
            one.result(120)
    fill_meters(as_of=NOW, on_day=lambda _: None)
    assert Meter.objects.get(code="sizes").fill_from is None
    assert reconcile(ledgers=[ledger]).is_clean
    assert total() == 2 * (DAYS - 2 + 2 * 15)


def test_an_event_waits_between_the_clearing_and_the_filling_of_its_day(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fill_with_an_event_between(ledger, monkeypatch, is_locked=True)
    assert reconcile(ledgers=[ledger]).is_clean
    assert total() == 2 * (DAYS + 1)


def test_without_the_lock_the_same_event_counts_twice(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_filling, "lock_ledger", lambda _: None)
    try:
        fill_with_an_event_between(ledger, monkeypatch, is_locked=False)
    except IntegrityError:  # the event's row is in the place of the one that the day is filled with
        return
    assert not reconcile(ledgers=[ledger]).is_clean


def fill_with_an_event_between(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, is_locked: bool) -> bool:
    """Fill the meter, and send an event when its first day was cleared. Return whether it is filled."""
    real = rebuild.fetch_all
    sent: list[Future[None]] = []

    def send_apart() -> None:
        try:
            send(ledger, [event("between", DAYS - 1)], as_of=NOW)
        finally:
            connection.close()

    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(owner_url(), autocommit=True, connect_timeout=10) as observer,
    ):

        def fetch_all(statement: str, parameters: Mapping[str, object]) -> Any:
            if "INSERT INTO usage_hour" in statement and not sent:
                sent.append(pool.submit(send_apart))
                if is_locked:
                    await_waiting(observer, 1)
                else:
                    sent[0].result(60)
            return real(statement, parameters)

        monkeypatch.setattr(rebuild, "fetch_all", fetch_all)
        is_filled = fill_meter(meter=Meter.objects.get(code="sizes"), as_of=NOW, on_day=lambda _: None)
        sent[0].result(60)
    return is_filled


def total() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(quantity)::int FROM usage_day AS u JOIN metering_meter AS m ON m.id = u.meter_id"
            " WHERE m.code = 'sizes'"
        )
        [(found,)] = cursor.fetchall()
    return int(found)
