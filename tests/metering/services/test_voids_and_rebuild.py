"""Counted usage can be voided, deleted and computed again, and a drift is found wherever it is planted."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection

from accounts.errors import NotFoundError
from metering.domain.events import ParsedEvent
from metering.domain.ledger import NO_KEY, CounterKey, Ledger
from metering.domain.meter_rules import MeterRule
from metering.errors import AlreadyVoidedError
from metering.models import Event, EventType, EventVoid, Meter, UsageDay, UsageHour
from metering.selectors.catalog import forget_catalog, meter_rules
from metering.services.ingest import ingest_events
from metering.services.rebuild import rebuild_usage
from metering.services.reconciliation import reconcile
from metering.services.voids import void_event

pytestmark = pytest.mark.django_db
KEY = UUID("01956f00-0000-7000-8000-0000000000cc")


@pytest.fixture
def stored(
    ledger: Ledger, other_ledger: Ledger, events: Callable[..., list[ParsedEvent]], now: datetime
) -> list[ParsedEvent]:
    sent = events(
        {"id": "a", "timestamp": "2026-03-10T11:59:59.999999Z", "properties": {"response_length": 10, "status": 200}},
        {"id": "b", "timestamp": "2026-03-10T12:00:00Z", "properties": {"response_length": 20, "status": 404}},
        {"id": "c", "timestamp": "2026-02-28T23:30:00Z", "properties": {"response_length": "30.5"}},
    )
    for each in (ledger, other_ledger):
        ingest_events(ledger=each, events=sent, api_key_id=KEY, as_of=now)
    return sent


def rollups(ledger: Ledger) -> list[object]:
    mine = {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live}
    hours = (
        UsageHour.objects.filter(**mine)
        .order_by("meter_id", "hour")
        .values_list("meter_id", "hour", "quantity", "events")
    )
    days = UsageDay.objects.filter(**mine).order_by("meter_id", "day", "dimension_key")
    return [*hours, *days.values_list("meter_id", "day", "api_key_id", "dimensions", "quantity", "events")]


def void(ledger: Ledger, event_id: str, now: datetime, **options: object) -> None:
    void_event(ledger=ledger, event_id=event_id, reason="sent twice", voided_by="Alice", as_of=now, **options)  # type: ignore[arg-type]


def test_a_void_takes_the_quantity_back_and_keeps_the_event(
    ledger: Ledger, stored: list[ParsedEvent], now: datetime
) -> None:
    counter = CounterKey(
        NO_KEY,
        Meter.objects.get(code="api_bytes").pk,
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 4, 1, tzinfo=UTC),
    )
    void(ledger, "b", now, counters=[counter])
    hour = UsageHour.objects.get(
        tenant_id=ledger.tenant_id, meter_id=counter.meter_id, hour=datetime(2026, 3, 10, 12, tzinfo=UTC)
    )
    assert (hour.quantity, hour.events) == (0, 0)
    assert Event.objects.filter(tenant_id=ledger.tenant_id).count() == 3
    assert EventVoid.objects.values_list("reason", "voided_by").get() == ("sent twice", "Alice")
    with connection.cursor() as cursor:
        cursor.execute("SELECT used FROM limit_counter")
        assert cursor.fetchall() == [(Decimal(-20),)]
    assert reconcile(ledgers=[ledger]).is_clean


def test_a_second_void_is_refused_and_changes_nothing(ledger: Ledger, stored: list[ParsedEvent], now: datetime) -> None:
    void(ledger, "b", now)
    before = rollups(ledger)
    with pytest.raises(AlreadyVoidedError):
        void(ledger, "b", now)
    assert rollups(ledger) == before


def test_only_an_event_of_the_ledger_can_be_voided(ledger: Ledger, stored: list[ParsedEvent], now: datetime) -> None:
    test_half = Ledger(ledger.tenant_id, is_live=False, time_zone="UTC", backfill_days=35)
    for each, event_id in ((ledger, "nothing"), (test_half, "a")):
        with pytest.raises(NotFoundError):
            void(each, event_id, now)


def test_the_id_of_a_voided_event_stays_taken(ledger: Ledger, stored: list[ParsedEvent], now: datetime) -> None:
    void(ledger, "a", now)
    assert ingest_events(ledger=ledger, events=stored[:1], api_key_id=KEY, as_of=now).duplicates == (0,)


def test_a_meter_that_does_not_add_up_is_recomputed_for_the_day_of_the_void(
    ledger: Ledger, events: Callable[..., list[ParsedEvent]], now: datetime
) -> None:
    http_request = EventType.objects.get(code="http_request")
    rule = {"event_type": http_request, "value_property": "n", "created_at": now, "counts_from": now}
    Meter.objects.bulk_create(Meter(code=kind, name=kind, aggregation=kind, **rule) for kind in ("max", "min"))
    forget_catalog()
    at = "2026-03-10T12:00:00Z"
    sent = events(*({"id": str(n), "timestamp": at, "properties": {"n": n}} for n in (5, 70, 3)), {"id": "no number"})
    ingest_events(ledger=ledger, events=sent, api_key_id=KEY, as_of=now)

    def extremes() -> list[tuple[Decimal, int]]:
        hours = UsageHour.objects.filter(tenant_id=ledger.tenant_id, meter_id__in=[rule.id for rule in extreme_rules()])
        return list(hours.order_by("-meter_id").values_list("quantity", "events"))

    assert sorted(extremes()) == [(3, 3), (70, 3)]
    void(ledger, "70", now)
    assert sorted(extremes()) == [(3, 2), (5, 2)]
    with pytest.raises(AlreadyVoidedError):
        void(ledger, "70", now)
    after_void = rollups(ledger)
    assert reconcile(ledgers=[ledger]).is_clean
    rebuild_usage(ledger=ledger)
    assert reconcile(ledgers=[ledger]).is_clean
    UsageHour.objects.filter(events=0).delete()
    assert len(after_void) >= len(rollups(ledger))
    void(ledger, "no number", now)
    void(ledger, "5", now)
    void(ledger, "3", now)
    assert extremes() == []


def extreme_rules() -> list[MeterRule]:
    return [rule for rule in meter_rules() if not rule.aggregation.is_summed]


def test_usage_can_be_deleted_and_computed_again(
    ledger: Ledger, other_ledger: Ledger, stored: list[ParsedEvent], now: datetime
) -> None:
    void(ledger, "a", now)
    UsageHour.objects.filter(events=0).delete()
    UsageDay.objects.filter(events=0).delete()
    before, untouched = rollups(ledger), rollups(other_ledger)
    UsageHour.objects.filter(tenant_id=ledger.tenant_id).delete()
    UsageDay.objects.filter(tenant_id=ledger.tenant_id).update(quantity=99)
    rebuild_usage(ledger=ledger)
    assert rollups(ledger) == before
    assert rollups(other_ledger) == untouched


def test_rebuilding_cuts_days_in_the_present_zone(ledger: Ledger, stored: list[ParsedEvent]) -> None:
    # 23:30 UTC on 28 February is 1 March in Berlin and 28 February in New York.
    moved = Ledger(ledger.tenant_id, is_live=True, time_zone="America/New_York", backfill_days=35)
    assert not reconcile(ledgers=[moved]).is_clean
    rebuild_usage(ledger=moved)
    assert reconcile(ledgers=[moved]).is_clean
    assert UsageDay.objects.filter(tenant_id=ledger.tenant_id, day="2026-02-28").exists()


@pytest.mark.as_owner
@pytest.mark.parametrize(
    ("damage", "rollup"),
    [
        ("UPDATE usage_hour SET quantity = quantity + 1 WHERE hour = '2026-03-10 12:00Z'", "usage_hour"),
        ("UPDATE usage_day SET events = events - 1 WHERE day = '2026-03-01'", "usage_day"),
        ("DELETE FROM usage_hour WHERE hour = '2026-03-10 11:00Z'", "usage_hour"),
        ("UPDATE usage_day SET dimension_key = '\\x00' WHERE day = '2026-03-01'", "usage_day"),
        (
            (
                "INSERT INTO usage_hour SELECT tenant_id, is_live, meter_id, hour, 40, 5, 5 FROM usage_hour WHERE "
                "slot < "
                "40"
            ),
            "usage_hour",
        ),
    ],
)
def test_a_planted_drift_is_named(ledger: Ledger, stored: list[ParsedEvent], damage: str, rollup: str) -> None:
    assert reconcile(ledgers=[ledger]).is_clean
    with connection.cursor() as cursor:
        cursor.execute(damage)
    found = reconcile(ledgers=[ledger])
    assert {drift.rollup for drift in found.drifts} == {rollup}
    assert "meter" in str(found.drifts[0])


@pytest.mark.as_owner
@pytest.mark.parametrize("table", ["event", "event_identity"])
def test_a_lost_row_of_the_ledger_is_named(ledger: Ledger, stored: list[ParsedEvent], table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE tenant_id = %s AND key = %s", [ledger.tenant_id, stored[0].key])
    assert "event_identity" in {drift.rollup for drift in reconcile(ledgers=[ledger]).drifts}
