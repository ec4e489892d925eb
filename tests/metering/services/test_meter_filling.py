"""A meter that counts events from before its creation: filled day by day, exact beside ingest and after each kill."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.domain.actor import Actor
from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry, Tenant
from metering.domain.ledger import Ledger
from metering.domain.meter_terms import COUNTS_AFTER, MeterTerms
from metering.domain.periods import Span, YearMonth
from metering.domain.windows import Window
from metering.models import Meter, MeterFill, UsageDay
from metering.selectors.catalog import meter_rules
from metering.selectors.meter_fills import FillProgress, progress_of
from metering.selectors.span_usage import UsageSpan, compared_usage_of_spans, usage_of_spans
from metering.selectors.usage import monthly_usage
from metering.selectors.usage_query import UsageQuestion, query_usage
from metering.services import meter_filling
from metering.services.meter_filling import FilledDay, fill_meter, fill_meters, request_fill, run_meter_filling
from metering.services.meters import create_meter, update_meter
from metering.services.reconciliation import reconcile
from metering.services.retention import close_month, may_be_sealed
from metering.services.voids import void_event
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
LONG_BEFORE = NOW - timedelta(days=300)
OPERATOR = Actor.system("operator")
BYTES = MeterTerms("sizes", "Sizes", "bytes", "call", "sum", formula="size * 2", dimensions=("region",))
MARCH = Span(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Tenant:
    make_meter("calls", "call")
    return make_tenant("acme", time_zone="Asia/Kathmandu")


def call(number: int, days_ago: float, size: int = 1, **more: Any) -> dict[str, Any]:
    at = NOW - timedelta(days=days_ago)
    return {"id": str(number), "type": "call", "timestamp": at, "properties": {"size": size}} | more


def create(**terms: Any) -> Meter:
    return create_meter(terms=replace(BYTES, **terms), actor=OPERATOR, as_of=NOW, counts_from=LONG_BEFORE)


def quantities(ledger: Ledger) -> list[Decimal]:
    """Return the usage of March by every call that reads it."""
    rule = next(one for one in meter_rules() if one.code == "sizes")
    spans = [UsageSpan(ledger.tenant_id, rule.id, *MARCH)]
    assert all(one.is_proven for one in compared_usage_of_spans(spans))
    month = monthly_usage(ledger=ledger, month=YearMonth(2026, 3), as_of=NOW)
    days = query_usage(ledger=ledger, question=UsageQuestion(rule, MARCH, Window.DAY))
    return [
        usage_of_spans(spans)[0].quantity,
        next(one.quantity for one in month.meters if one.meter == "sizes"),
        sum((row.quantity for row in days), Decimal(0)),
    ]


def kept(meter: Meter) -> Decimal:
    return sum(UsageDay.objects.filter(meter_id=meter.pk).values_list("quantity", flat=True), Decimal(0))


def test_usage_is_exact_at_once_while_filled_and_afterwards(acme: Tenant) -> None:
    """Count before creation, after it, late, voided before and after its day was filled: each event once."""
    ledger = ledger_of(acme)
    send(ledger, [call(n, n / 2) for n in range(12)], as_of=NOW - COUNTS_AFTER)
    meter = create()
    assert (meter.counts_from, meter.fill_from) == (LONG_BEFORE, NOW + COUNTS_AFTER)
    assert quantities(ledger) == [24, 24, 24]
    assert fill_meters(as_of=NOW, on_day=lambda _: None) == []
    later = NOW + COUNTS_AFTER
    send(ledger, [call(20, 1, 100), call(21, 5, 1000)], as_of=later)
    void_event(ledger=ledger, event_id="0", reason="", voided_by="test", as_of=later)
    assert quantities(ledger) == [2222, 2222, 2222]
    seen: list[date] = []

    def meanwhile(done: FilledDay) -> None:
        assert quantities(ledger) == [sum_now(), *[sum_now()] * 2]
        seen.append(done.day)
        if len(seen) == 3:
            send(ledger, [call(30, 5.5, 10_000), call(31, 0.25, 10_000)], as_of=later)
            for number in ("11", "1"):
                void_event(ledger=ledger, event_id=number, reason="", voided_by="test", as_of=later)

    def sum_now() -> int:
        return 2222 if len(seen) < 3 else 42218

    assert reconcile(ledgers=[ledger]).is_clean
    assert fill_meters(as_of=later, on_day=meanwhile) == [meter]
    assert seen == [date(2026, 3, 5) + timedelta(days=n) for n in range(6)]
    meter.refresh_from_db()
    assert (meter.fill_from, MeterFill.objects.count(), kept(meter)) == (None, 0, 42218)
    assert quantities(ledger) == [42218] * 3
    assert reconcile(ledgers=[ledger]).is_clean
    assert AuditEntry.objects.filter(action="meter.filled").count() == 1
    assert fill_meters(as_of=later, on_day=lambda _: None) == []


def test_a_run_that_is_cut_off_goes_on_where_it_was(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    send(ledger_of(acme), [call(n, n) for n in range(5)], as_of=NOW)
    send(ledger_of(acme, is_live=False), [call(n, n) for n in range(3)], as_of=NOW)
    meter, later = create(), NOW + COUNTS_AFTER
    days: list[str] = []
    assert progress_of([meter.pk]) == {meter.pk: FillProgress()}
    real = meter_filling.rebuild_day

    def killed(**given: Any) -> None:
        real(**given)
        if len(days) in {2, 6}:
            days.append("killed")
            raise KeyboardInterrupt

    monkeypatch.setattr(meter_filling, "rebuild_day", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fill_meters(as_of=later, on_day=lambda done: days.append(str(done.day)))
    assert str(progress_of([meter.pk])[meter.pk]) == "5 of 8 days are filled"
    assert not fill_meter(meter=meter, as_of=later, on_day=lambda _: None, is_over=lambda: True)
    run = run_meter_filling(started_by="test", as_of=later)
    assert (run.summary, kept(meter)) == ({"days": 3, "filled": ["sizes"]}, 16)
    assert progress_of([meter.pk]) == {}


def test_a_meter_is_filled_again_when_that_is_asked_for(acme: Tenant) -> None:
    ledger = ledger_of(acme)
    meter = create_meter(terms=BYTES, actor=OPERATOR, as_of=NOW)
    later = NOW + COUNTS_AFTER
    send(ledger, [call(n, 1) for n in range(3)], as_of=later)
    UsageDay.objects.filter(meter_id=meter.pk).update(quantity=7)
    assert not reconcile(ledgers=[ledger]).is_clean
    for _ in range(2):
        meter = request_fill(meter=meter, actor=OPERATOR, as_of=later)
    assert AuditEntry.objects.filter(action="meter.fill_requested").count() == 1
    assert quantities(ledger) == [6, 6, 6]
    assert fill_meters(as_of=later, on_day=lambda _: None) == [meter]
    assert (kept(meter), reconcile(ledgers=[ledger]).is_clean) == (6, True)


def test_kinds_that_are_read_from_events_need_no_filling(acme: Tenant) -> None:
    send(ledger_of(acme), [call(n, n, size=n) for n in range(5)], as_of=NOW)
    assert create(aggregation="latest", formula="size + 1").fill_from is None
    assert quantities(ledger_of(acme))[0] == 1


def test_a_meter_that_does_not_count_yet_may_be_moved_to_the_past(acme: Tenant) -> None:
    meter = create_meter(terms=BYTES, actor=OPERATOR, as_of=NOW)
    soon = NOW + timedelta(seconds=3)
    moved = update_meter(meter=meter, terms=BYTES, actor=OPERATOR, as_of=soon, counts_from=LONG_BEFORE)
    assert (moved.counts_from, moved.fill_from) == (LONG_BEFORE, soon + COUNTS_AFTER)


def test_no_month_is_sealed_while_a_meter_is_filled_and_deleted_events_are_not_counted(acme: Tenant) -> None:
    month = date(2025, 1, 1)
    close_month(month=month, as_of=NOW - timedelta(days=9))
    assert may_be_sealed(month=month, as_of=NOW)
    create()
    assert not may_be_sealed(month=month, as_of=NOW)


def test_a_meter_cannot_count_events_that_are_deleted(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metering.services.meters.kept_since", lambda: NOW - timedelta(days=100))
    with pytest.raises(InvalidFieldsError) as refused:
        create()
    assert [error.pointer for error in refused.value.field_errors] == ["/counts_from"]
