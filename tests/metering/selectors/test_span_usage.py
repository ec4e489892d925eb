"""Usage over spans: rollup and events give the same sums, wherever a span begins and ends."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Tenant
from metering.domain.meter_rules import MeterRule
from metering.selectors.catalog import meter_rules
from metering.selectors.span_usage import (
    RawUsage,
    SpanUsage,
    UsageSpan,
    raw_usage_of_spans,
    spans_with_voids_since,
    usage_of_spans,
)
from metering.services.voids import void_event
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LATER = NOON + timedelta(days=3)


@pytest.fixture
def calls() -> MeterRule:
    return make_meter("calls", "http_request", aggregation="count")


@pytest.fixture
def tokens() -> MeterRule:
    return make_meter("tokens", "http_request", aggregation="sum", value_property="tokens")


@pytest.fixture
def acme() -> Tenant:
    return make_tenant("acme")


def event(id_: str, at: datetime, **properties: object) -> dict[str, Any]:
    return {"id": id_, "type": "http_request", "timestamp": at.isoformat(), "properties": properties}


def span(tenant: Tenant, meter: MeterRule, start: datetime, end: datetime, **more: datetime) -> UsageSpan:
    return UsageSpan(tenant.pk, meter.id, start, end, **more)


def both(spans: Sequence[UsageSpan]) -> list[SpanUsage]:
    """Return usage by rollup and by events. Fail if they differ."""
    usage = usage_of_spans(spans)
    assert usage == raw_usage_of_spans(spans)
    return usage


def test_a_span_is_half_open_to_the_microsecond(acme: Tenant, calls: MeterRule) -> None:
    tick = timedelta(microseconds=1)
    moments = [NOON - tick, NOON, NOON + tick, NOON + HOUR - tick, NOON + HOUR]
    send(ledger_of(acme), [event(str(n), at) for n, at in enumerate(moments)], as_of=LATER)
    for start, end, expected in (
        (NOON, NOON + HOUR, 3),
        (NOON - tick, NOON + HOUR + tick, 5),
        (NOON + tick, NOON + HOUR - tick, 1),
        (NOON, NOON, 0),
        (NOON + tick, NOON + 2 * tick, 1),
        (NOON - HOUR, NOON + 2 * HOUR, 5),
    ):
        assert both([span(acme, calls, start, end)]) == [SpanUsage(Decimal(expected), expected)], (start, end)


def test_several_tenants_with_the_same_event_ids_are_kept_apart(calls: MeterRule, tokens: MeterRule) -> None:
    tenants = [make_tenant(slug) for slug in ("acme", "globex", "initech")]
    for number, tenant in enumerate(tenants, start=1):
        send(ledger_of(tenant), [event("same", NOON + MINUTE, tokens=10 * number)], as_of=LATER)
    cut = [span(tenant, meter, NOON + MINUTE, NOON + 2 * MINUTE) for tenant in tenants for meter in (calls, tokens)]
    assert [int(usage.quantity) for usage in both(cut)] == [1, 10, 1, 20, 1, 30]


def test_test_events_and_voided_ones_do_not_count(acme: Tenant, tokens: MeterRule) -> None:
    send(ledger_of(acme), [event(str(n), NOON + n * MINUTE, tokens=n) for n in range(1, 5)], as_of=LATER)
    send(ledger_of(acme, is_live=False), [event("5", NOON + 5 * MINUTE, tokens=500)], as_of=LATER)
    void_event(ledger=ledger_of(acme), event_id="3", reason="", voided_by="test", as_of=LATER)
    spans = [span(acme, tokens, NOON, NOON + HOUR), span(acme, tokens, NOON + 2 * MINUTE, NOON + 4 * MINUTE)]
    assert both(spans) == [SpanUsage(Decimal(7), 3), SpanUsage(Decimal(2), 1)]


def test_past_usage_is_computed_from_when_events_and_voids_came_in(acme: Tenant, calls: MeterRule) -> None:
    for n in range(3):
        send(ledger_of(acme), [event(str(n), NOON)], as_of=LATER + n * HOUR)
    void_event(ledger=ledger_of(acme), event_id="0", reason="", voided_by="test", as_of=LATER + 2 * HOUR)

    def known(**moments: datetime) -> int:
        return raw_usage_of_spans([span(acme, calls, NOON, NOON + HOUR, **moments)])[0].events

    assert known() == 2
    assert known(known_at=LATER) == 0
    assert known(known_at=LATER + MINUTE) == 1
    assert known(known_at=LATER + 2 * HOUR) == 2
    assert known(known_at=LATER + 3 * HOUR) == 2
    assert known(known_at=LATER + 3 * HOUR, voids_known_at=LATER) == 3
    assert known(known_at=LATER + MINUTE, voids_known_at=LATER + 3 * HOUR) == 0


def test_sums_are_exact_however_many_digits_they_have(acme: Tenant, tokens: MeterRule) -> None:
    small, large = Decimal("0.000000000000000000000000000001"), Decimal(12345678901234567890)
    send(ledger_of(acme), [event("a", NOON, tokens=large), event("b", NOON + HOUR + MINUTE, tokens=small)], as_of=LATER)
    [usage] = both([span(acme, tokens, NOON, NOON + HOUR + 2 * MINUTE)])
    assert usage.quantity == Decimal("12345678901234567890.000000000000000000000000000001")


def test_no_spans_return_nothing_and_a_meter_without_usage_is_empty(acme: Tenant, calls: MeterRule) -> None:
    assert both([]) == []
    assert usage_of_spans([UsageSpan(acme.pk, calls.id + 1, NOON, NOON + HOUR)]) == [SpanUsage()]
    assert spans_with_voids_since([]) == set()


def test_several_checks_read_a_span_once(acme: Tenant, calls: MeterRule, tokens: MeterRule) -> None:
    send(ledger_of(acme), [event("1", NOON, tokens=5)], as_of=LATER)
    first, second = (span(acme, meter, NOON, NOON + HOUR) for meter in (calls, tokens))
    usage, later = RawUsage(), RawUsage()
    assert usage.read([first, first]) == [SpanUsage(Decimal(1), 1)] * 2
    send(ledger_of(acme), [event("2", NOON, tokens=6)], as_of=LATER)

    assert usage.read([second, first]) == [SpanUsage(Decimal(11), 2), SpanUsage(Decimal(1), 1)]
    assert later.read([first]) == [SpanUsage(Decimal(2), 2)]


def test_spans_with_later_voids_are_found(acme: Tenant, calls: MeterRule) -> None:
    send(ledger_of(acme), [event("early", NOON), event("late", NOON + HOUR)], as_of=LATER)
    void_event(ledger=ledger_of(acme), event_id="late", reason="", voided_by="test", as_of=LATER + HOUR)
    early, late = span(acme, calls, NOON, NOON + HOUR), span(acme, calls, NOON + HOUR, NOON + 2 * HOUR)
    assert spans_with_voids_since([(early, LATER), (late, LATER), (late, LATER + 2 * HOUR)]) == {1}


def test_two_statements_are_enough_for_any_number_of_spans(
    calls: MeterRule, tokens: MeterRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = [make_tenant(f"tenant-{n}") for n in range(5)]
    spans = [
        span(tenant, meter, NOON + MINUTE, NOON + 9 * HOUR + MINUTE) for tenant in tenants for meter in (calls, tokens)
    ]
    meter_rules()  # which the process then remembers
    statements: list[str] = []
    execute = psycopg.RawCursor.execute

    def noted(cursor: Any, statement: Any, *arguments: Any, **named: Any) -> Any:
        statements.append(statement)
        return execute(cursor, statement, *arguments, **named)

    monkeypatch.setattr(psycopg.RawCursor, "execute", noted)
    assert usage_of_spans(spans) == [SpanUsage()] * 10
    assert len(statements) == 2


moments = st.integers(min_value=0, max_value=4 * 3600).map(lambda seconds: NOON + timedelta(seconds=seconds))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    reported=st.lists(st.tuples(moments, st.integers(0, 9), st.booleans()), max_size=12),
    asked=st.lists(st.tuples(moments, moments), min_size=1, max_size=6),
)
def test_rollup_and_events_agree_with_counting_by_hand(
    db: None, reported: list[tuple[datetime, int, bool]], asked: list[tuple[datetime, datetime]]
) -> None:
    tag = make_tenant(f"t-{Tenant.objects.count()}")
    meter = make_meter(f"m{Tenant.objects.count()}", "http_request", aggregation="sum", value_property="tokens")
    ledger = ledger_of(tag)
    send(ledger, [event(str(n), at, tokens=tokens) for n, (at, tokens, _) in enumerate(reported)], as_of=LATER)
    for n, (_, _, is_voided) in enumerate(reported):
        if is_voided:
            void_event(ledger=ledger, event_id=str(n), reason="", voided_by="test", as_of=LATER)
    spans = [span(tag, meter, min(one, other), max(one, other)) for one, other in asked]
    expected = [
        [tokens for at, tokens, is_voided in reported if not is_voided and one.start <= at < one.end] for one in spans
    ]
    assert both(spans) == [SpanUsage(Decimal(sum(tokens)), len(tokens)) for tokens in expected]
