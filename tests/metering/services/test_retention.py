"""Months of raw events are closed, sealed and deleted. Their totals stay, and are still proven."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.errors import NotFoundError
from metering.domain.events import ParsedEvent
from metering.domain.ledger import Ledger
from metering.errors import EventsDeletedError
from metering.models import Event, EventMonth, EventVoid, SealedLedger, SealedRollup, UsageDay, UsageHour
from metering.selectors.ledger_rows import months_with_events
from metering.services.ingest import ingest_events
from metering.services.partitions import ensure_partitions_of, forget_seen_partitions
from metering.services.rebuild import rebuild_usage
from metering.services.reconciliation import reconcile
from metering.services.retention import (
    close_month,
    delete_sealed_months,
    finish_sealing,
    may_be_sealed,
    months_to_go,
    seal_ledgers,
)
from metering.services.voids import void_event
from tests.metering.ledger_world import parsed
from tests.metering.retention_world import APRIL, MARCH, NEXT_NIGHT, NIGHT, THIRD_NIGHT, let_go, seal

pytestmark = pytest.mark.django_db
SENT = datetime(2026, 4, 2, tzinfo=UTC)
Parse = Callable[..., list[ParsedEvent]]


@pytest.fixture
def events() -> Parse:
    return lambda *objects: parsed([{"type": "http_request", **each} for each in objects], as_of=SENT)


@pytest.fixture
def sent(ledger: Ledger, other_ledger: Ledger, events: Parse) -> list[ParsedEvent]:
    """Send two events of March, one of them in the local day that March's end cuts through, and two of April."""
    batch = events(
        {"id": "a", "timestamp": "2026-03-10T11:59:59Z", "properties": {"response_length": 10}},
        {"id": "b", "timestamp": "2026-03-31T23:30:00Z", "properties": {"response_length": 20}},
        {"id": "void", "timestamp": "2026-03-12T00:00:00Z", "properties": {"response_length": 40}},
        {"id": "c", "timestamp": "2026-04-01T00:30:00Z", "properties": {"response_length": 80}},
        {"id": "d", "timestamp": "2026-04-09T00:00:00Z", "properties": {"response_length": 160}},
    )
    for each in (ledger, other_ledger):
        ingest_events(ledger=each, events=batch, api_key_id=None, as_of=SENT)
        void(each, "void", SENT)
    return batch


def void(ledger: Ledger, event_id: str, as_of: datetime) -> None:
    void_event(ledger=ledger, event_id=event_id, reason="", voided_by="Alice", as_of=as_of)


def rollups(ledger: Ledger) -> list[object]:
    mine = {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live}
    hours = UsageHour.objects.filter(**mine).exclude(events=0).order_by("meter_id", "hour", "slot")
    days = UsageDay.objects.filter(**mine).exclude(events=0).order_by("meter_id", "day", "slot")
    return [
        *hours.values_list("meter_id", "hour", "quantity", "events"),
        *days.values_list("meter_id", "day", "quantity", "events"),
    ]


def test_a_month_is_deleted_and_its_totals_stay_and_are_proven(
    ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent]
) -> None:
    before = rollups(ledger)
    let_go([ledger, other_ledger])
    assert sorted(Event.objects.values_list("event_id", flat=True)) == ["c", "c", "d", "d"]
    assert EventVoid.objects.count() == 2, "an invoice to come may have to correct what was voided"
    assert rollups(ledger) == before
    assert reconcile(ledgers=[ledger, other_ledger]).is_clean
    gone = EventMonth.objects.get(month=MARCH, step="deleted")
    assert (gone.at, gone.events, gone.voids) == (THIRD_NIGHT, 6, 2)
    kept = SealedLedger.objects.get(tenant_id=ledger.tenant_id)
    assert (kept.events, kept.voids, kept.days_from) == (3, 1, date(2026, 4, 2)), "Berlin is ahead of UTC"
    of_bytes = SealedRollup.objects.filter(tenant_id=ledger.tenant_id, quantity=30).get()
    assert of_bytes.events == 2
    assert months_with_events(ledger) == [APRIL], "an export has what is there"


def test_usage_is_rebuilt_from_the_seam_on(ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent]) -> None:
    let_go([ledger, other_ledger])
    before = rollups(ledger)
    UsageHour.objects.filter(tenant_id=ledger.tenant_id, hour__gte=datetime(2026, 4, 1, tzinfo=UTC)).delete()
    assert rebuild_usage(ledger=ledger).since == datetime(2026, 4, 1, tzinfo=UTC)
    assert rollups(ledger) == before
    assert reconcile(ledgers=[ledger]).is_clean


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "UTC"])
def test_a_new_time_zone_leaves_sealed_days_and_loses_nothing(
    ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent], zone: str
) -> None:
    let_go([ledger, other_ledger])
    moved = replace(ledger, time_zone=zone)
    rebuild_usage(ledger=moved)
    assert reconcile(ledgers=[moved]).is_clean
    days = UsageDay.objects.filter(tenant_id=ledger.tenant_id)
    assert sum(days.values_list("events", flat=True)) == 2 * 4, "four events that count, by two meters"


@pytest.mark.parametrize("rollup", [UsageHour, UsageDay])
@pytest.mark.parametrize("change", [{"quantity": 7}, {"events": 7}])
def test_a_changed_rollup_of_a_deleted_month_is_found(
    ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent],
    rollup: type[UsageHour | UsageDay], change: dict[str, int],
) -> None:  # fmt: skip
    let_go([ledger, other_ledger])
    early = {"hour__lt": SENT.replace(day=1)} if rollup is UsageHour else {"day__lt": date(2026, 4, 1)}
    rollup.objects.filter(tenant_id=ledger.tenant_id, **early).update(**change)
    drifts = reconcile(ledgers=[ledger, other_ledger]).drifts
    assert {(drift.tenant_id, drift.rollup, drift.bucket["month"]) for drift in drifts} == {
        (ledger.tenant_id, "sealed_rollup", "2026-03")
    }


def test_an_invented_row_before_the_seam_is_found(
    ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent]
) -> None:
    let_go([ledger, other_ledger])
    made_up = UsageHour.objects.filter(tenant_id=ledger.tenant_id).latest("hour")
    values = {"meter_id": made_up.meter_id, "is_live": True, "slot": 0, "quantity": Decimal(1), "events": 1}
    UsageHour.objects.create(tenant_id=ledger.tenant_id, hour=datetime(2025, 1, 1, tzinfo=UTC), **values)
    assert [drift.bucket["month"] for drift in reconcile(ledgers=[ledger]).drifts] == ["2025-01"]


@pytest.mark.as_owner
def test_a_lost_identity_is_found(ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent]) -> None:
    let_go([ledger, other_ledger])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM event_identity WHERE tenant_id = %s AND key = %s", [ledger.tenant_id, sent[0].key])
    [drift] = reconcile(ledgers=[ledger]).drifts
    assert (drift.rollup, drift.events_in_ledger, drift.events_in_rollup) == ("event_identity", 3, 2)


@pytest.mark.parametrize("step", ["closed", "deleted"])
def test_late_events_and_voids_of_a_closed_month_are_refused(
    ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent], events: Parse, step: str
) -> None:
    if step == "closed":
        close_month(month=MARCH, as_of=NIGHT)
    else:
        let_go([ledger, other_ledger])
    late = events(
        {"id": "late", "timestamp": "2026-03-10T00:00:00Z"}, {"id": "seam", "timestamp": "2026-04-03T23:00:00Z"},
        {"id": "fine", "timestamp": "2026-04-04T01:00:00Z"},
        {"id": "a", "timestamp": "2026-03-10T11:59:59Z", "properties": {"response_length": 10}},
        {"id": "b", "timestamp": "2026-03-31T23:30:00Z", "properties": {"response_length": 99}},
    )  # fmt: skip
    result = ingest_events(ledger=ledger, events=late, api_key_id=None, as_of=THIRD_NIGHT)
    assert (result.accepted, result.too_late) == ((2,), (0, 1))
    assert (result.duplicates, result.conflicts) == ((3,), (4,)), "an id is counted once for ever"
    for event_id in ("a", "void", "c"):
        with pytest.raises(EventsDeletedError):
            void(ledger, event_id, THIRD_NIGHT)
    with pytest.raises(NotFoundError):
        void(ledger, "never sent", THIRD_NIGHT)
    void(ledger, "d", THIRD_NIGHT)
    only_late = ingest_events(ledger=ledger, events=late[:1], api_key_id=None, as_of=THIRD_NIGHT)
    assert only_late.too_late == (0,)
    if step == "deleted":
        assert reconcile(ledgers=[ledger]).is_clean


def test_without_a_closed_month_old_events_are_accepted_and_voided(
    ledger: Ledger, sent: list[ParsedEvent], events: Parse
) -> None:
    late = events({"id": "late", "timestamp": "2026-03-10T00:00:00Z"})
    assert ingest_events(ledger=ledger, events=late, api_key_id=None, as_of=THIRD_NIGHT).accepted == (0,)
    void(ledger, "a", THIRD_NIGHT)


def test_a_drift_keeps_a_ledger_from_being_sealed(
    ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent]
) -> None:
    UsageDay.objects.filter(tenant_id=ledger.tenant_id, day=date(2026, 3, 10)).update(quantity=7)
    drifts = seal_ledgers(ledgers=[ledger, other_ledger], month=MARCH, as_of=NEXT_NIGHT)
    assert {drift.tenant_id for drift in drifts} == {ledger.tenant_id}
    assert {row.tenant_id for row in SealedLedger.objects.all()} == {other_ledger.tenant_id}


def test_a_month_that_is_not_sealed_or_differs_from_its_seal_is_not_deleted(
    ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent], events: Parse
) -> None:
    with pytest.raises(DatabaseError, match="are not sealed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT ledger_delete_event_partition('2026-03-01', now())")
    seal([ledger])
    with pytest.raises(DatabaseError, match="not those that were sealed"), transaction.atomic():
        delete_sealed_months(as_of=THIRD_NIGHT)
    assert Event.objects.filter(event_id="a").count() == 2, "nothing went"
    assert EventVoid.objects.count() == 2


def test_each_step_of_a_deletion_waits_for_transactions_from_before_the_last(
    ledger: Ledger, sent: list[ParsedEvent]
) -> None:
    close_month(month=MARCH, as_of=NIGHT)
    assert not may_be_sealed(month=MARCH, as_of=NIGHT + timedelta(minutes=30))
    assert may_be_sealed(month=MARCH, as_of=NEXT_NIGHT)
    assert seal_ledgers(ledgers=[ledger], month=MARCH, as_of=NEXT_NIGHT) == []
    finish_sealing(month=MARCH, as_of=NEXT_NIGHT)
    assert delete_sealed_months(as_of=NEXT_NIGHT) == []


def test_an_interrupted_deletion_is_resumed_at_any_step(
    ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent]
) -> None:
    close_month(month=MARCH, as_of=NIGHT)
    close_month(month=MARCH, as_of=NEXT_NIGHT)
    assert EventMonth.objects.get(month=MARCH).at == NIGHT
    assert seal_ledgers(ledgers=[ledger], month=MARCH, as_of=NEXT_NIGHT) == []
    sealed = list(SealedRollup.objects.order_by("meter_id").values())
    assert reconcile(ledgers=[ledger, other_ledger]).is_clean, "half sealed, the events are the evidence"
    seal([ledger, other_ledger])
    seal([ledger, other_ledger])
    assert list(SealedRollup.objects.filter(tenant_id=ledger.tenant_id).order_by("meter_id").values()) == sealed
    with transaction.atomic():
        assert delete_sealed_months(as_of=THIRD_NIGHT) == [MARCH]
        transaction.set_rollback(True)
    assert Event.objects.filter(event_id="a").exists(), "a crash before the commit leaves everything"
    assert delete_sealed_months(as_of=THIRD_NIGHT) == [MARCH]
    assert delete_sealed_months(as_of=THIRD_NIGHT) == []


def test_a_deleted_month_gets_no_partition_again(ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent]) -> None:
    assert MARCH in months_to_go(first_kept=APRIL)
    let_go([ledger, other_ledger])
    forget_seen_partitions()
    ensure_partitions_of(days=[MARCH, date(2026, 2, 1)])
    assert MARCH not in months_to_go(first_kept=APRIL)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('event_2026_03')")
        assert cursor.fetchone() == (None,)


def test_the_next_month_is_deleted_after_it(ledger: Ledger, other_ledger: Ledger, sent: list[ParsedEvent]) -> None:
    let_go([ledger, other_ledger])
    let_go([ledger, other_ledger], month=APRIL)
    assert not Event.objects.exists()
    assert reconcile(ledgers=[ledger, other_ledger]).is_clean
    UsageDay.objects.filter(tenant_id=ledger.tenant_id, day=date(2026, 4, 1)).update(quantity=7)
    assert not reconcile(ledgers=[ledger]).is_clean
