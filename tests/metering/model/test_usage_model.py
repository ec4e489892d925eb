"""Every usage call, of every kind of meter, says what a list of events says, whatever happened to it in which order."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import cycle
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Tenant
from metering.domain.aggregations.registry import AGGREGATIONS
from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Span, YearMonth, is_known_zone
from metering.domain.windows import Window, window_starts
from metering.models import EventType, Meter, MeterVersion
from metering.selectors.catalog import counting_rules, forget_catalog, meter_rules
from metering.selectors.span_usage import (
    UsageSpan,
    compared_usage_of_spans,
    raw_usage_of_spans,
    usage_of_spans,
)
from metering.selectors.usage import daily_usage, monthly_usage, realtime_usage
from metering.selectors.usage_query import (
    UsageQuestion,
    filled,
    largest_groups,
    names_kept_apart,
    query_usage,
)
from metering.services.ingest import ingest_events
from metering.services.meter_filling import fill_meters
from metering.services.rebuild import rebuild_usage
from metering.services.reconciliation import reconcile
from metering.services.voids import void_event
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_key, make_tenant, parsed
from tests.metering.model.usage import FORMULAS, VERSIONS, Asked, Found, Reported, expected

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 2, 12, 30, tzinfo=UTC)
BORDERS = [START + timedelta(days=9, hours=7, minutes=20), START + timedelta(days=30, hours=23)]
# Clocks changed on 8 March in New York, on 29 March in Berlin and, over midnight, in Beirut.
CHANGING = ["America/New_York", "Europe/Berlin", "Asia/Beirut", "America/St_Johns", "Australia/Lord_Howe"]
ZONES = sorted(zone for zone in available_timezones() if is_known_zone(zone))
zones = st.sampled_from(["UTC", "Asia/Kathmandu", "Pacific/Apia", *CHANGING]) | st.sampled_from(ZONES)

values = st.sampled_from(
    [None, True, "GET", "7", "7.50", "1e3", "", 0, 1, 7, -5, 500, Decimal("0.333333333"), Decimal("7.5"), "é"]
)
moments = st.one_of(
    st.sampled_from([timedelta(), timedelta(hours=1), timedelta(days=30, hours=23), timedelta(days=27, hours=20)]),
    st.timedeltas(timedelta(), timedelta(days=32, hours=12)),
).map(lambda since: START + since)
sent_events = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["call", "call", "job"]),
        "timestamp": moments,
        "quantity": st.sampled_from(["1", "0", "2.5", "0.000000001", "12345678901.123456789"]),
        "subject": st.sampled_from([None, "ann", "bob"]),
        "properties": st.dictionaries(st.sampled_from(["size", "region"]), values, max_size=2),
    }
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(sent_events, min_size=1, max_size=6), st.booleans()),
        st.tuples(st.just("void"), st.integers(0, 30)),
        st.tuples(st.just("again"), st.integers(0, 30)),
        st.tuples(st.just("rebuild")),
        st.tuples(st.just("late")),
        st.tuples(st.just("fill"), st.integers(1, 12)),
    ),
    min_size=1,
    max_size=10,
)


# Each kind by a property and a dimension, and some by the quantity, or the subject, and with a filter.
METERS: list[dict[str, Any]] = [
    *(
        {"code": f"{kind.code}-size", "aggregation": kind.code, "dimensions": ["region"]}
        | ({"value_property": "size"} if kind.takes_property else {})
        for kind in AGGREGATIONS
    ),
    *(
        {"code": f"{code}-own", "aggregation": code, "filters": {"size": ["7", "GET", "true"]}}
        for code in ("sum", "max", "avg", "unique", "p95", "time_weighted")
    ),
    *(
        {"code": f"{kind}-if-{number}", "aggregation": kind, "filters": filters}
        for number, filters in enumerate(
            (
                {"size": {"gt": 0, "lte": "7.5"}},
                {"size": {"not_in": ["7", "GET"], "exists": True}},
                {"size": {"lt": 0}, "region": {"exists": False}},
                {"size": {"gte": "0.333333333"}, "region": {"in": ["7", "é"], "not_in": ["é"]}},
            )
        )
        for kind in ("count", "max")
    ),
    *(
        {"code": f"{kind}-computed", "aggregation": kind, "formula": formula, "dimensions": ["region"]}
        for kind, formula in zip(("sum", "max", "avg", "latest", "p50", "time_weighted"), cycle(FORMULAS), strict=False)
    ),
    *(
        {"code": f"{first['aggregation']}-changed-{n}", **first, "versions": later}
        for n, (first, *later) in enumerate(
            (
                ({"aggregation": "count", "dimensions": ["region"]}, {"aggregation": "sum", "dimensions": ["size"]}),
                (
                    {"aggregation": "sum", "value_property": "size"},
                    {"aggregation": "sum", "formula": next(iter(FORMULAS)), "filters": {"region": {"exists": True}}},
                    {"aggregation": "count", "dimensions": ["region"]},
                ),
                ({"aggregation": "max"}, {"aggregation": "max", "value_property": "size", "dimensions": ["region"]}),
                ({"aggregation": "unique"}, {"aggregation": "unique", "value_property": "size"}),
                ({"aggregation": "p95", "value_property": "size"}, {"aggregation": "p95"}),
                (
                    {"aggregation": "time_weighted", "dimensions": ["region"]},
                    {"aggregation": "time_weighted", "dimensions": ["region"], "value_property": "size"},
                ),
            )
        )
    ),
]
# `make soak ARGS=properties` takes a thousand.
EXAMPLES = settings.default.max_examples if settings.default and settings.default.max_examples > 30 else 20


@dataclass
class Life:
    """A ledger and the list of its events."""

    tenant: Tenant
    ledger: Ledger
    key: UUID
    late: list[dict[str, Any]]
    sent: list[tuple[dict[str, Any], UUID | None]] = field(default_factory=list)
    voided: set[int] = field(default_factory=set)

    def play(self, step: tuple[Any, ...]) -> None:
        """Send, void, send again, rebuild, create the meters that come late, or fill some days of them."""
        match step:
            case ("send", events, has_key):
                numbered = [one | {"id": str(len(self.sent) + n)} for n, one in enumerate(events)]
                key = self.key if has_key else None
                self._ingest(numbered, key)
                self.sent += [(one, key) for one in numbered]
            case ("void", n) if n < len(self.sent) and n not in self.voided:
                void_event(ledger=self.ledger, event_id=str(n), reason="", voided_by="model", as_of=NOW)
                self.voided.add(n)
            case ("again", n) if n < len(self.sent):
                self._ingest([self.sent[n][0]], self.sent[n][1])
            case ("rebuild",):
                rebuild_usage(ledger=self.ledger)
            case ("late",):
                make_meters([terms | {"fill_from": NOW} for terms in self.late])
                self.late = []
            case ("fill", days):
                left = iter(range(days))
                fill_meters(as_of=NOW, on_day=lambda _: None, is_over=lambda: next(left, None) is None)

    @property
    def meters(self) -> list[MeterRule]:
        return [rule for rule in meter_rules() if rule.event_type == "call"]

    def _ingest(self, events: list[dict[str, Any]], key: UUID | None) -> None:
        ingest_events(ledger=self.ledger, events=parsed(events, as_of=NOW), api_key_id=key, as_of=NOW)

    @property
    def reported(self) -> list[Reported]:
        return [
            Reported(
                one["timestamp"], one["type"], Decimal(one["quantity"]), one["subject"],
                str(key) if key else None, one["properties"],
            )
            for n, (one, key) in enumerate(self.sent)
            if n not in self.voided
        ]  # fmt: skip


def make_meters(measured: list[dict[str, Any]]) -> None:
    call, _ = EventType.objects.get_or_create(code="call", defaults={"name": "Call", "created_at": LONG_AGO})
    EventType.objects.get_or_create(code="job", defaults={"name": "Job", "created_at": LONG_AGO})
    fixed = {"event_type": call, "created_at": LONG_AGO, "counts_from": LONG_AGO}
    for terms in measured:
        first = {name: value for name, value in terms.items() if name != "versions"}
        meter = Meter.objects.create(name=terms["code"], **fixed, **first)
        for number, (later, begins_at) in enumerate(zip(terms.get("versions", []), BORDERS, strict=False), start=2):
            MeterVersion.objects.create(meter=meter, number=number, begins_at=begins_at, created_at=LONG_AGO, **later)
    forget_catalog()
    VERSIONS.clear()
    for rule in counting_rules():
        VERSIONS.setdefault(rule.id, []).append(rule)


def local(year: int, month: int, day: int, zone: str) -> datetime:
    return datetime(year, month, day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def spans(zone: str) -> list[Span]:
    return [
        Span(local(2026, 3, 1, zone), local(2026, 4, 1, zone)),
        Span(local(2026, 3, 27, zone), local(2026, 4, 3, zone)),
        Span(START + timedelta(hours=1), START + timedelta(days=31)),
        Span(START + timedelta(minutes=13), START + timedelta(days=30, hours=3, seconds=1)),
    ]


def told(life: Life, question: UsageQuestion) -> Found:
    rows = query_usage(ledger=life.ledger, question=question)
    of_rest = [() if question.kept is None else ("other",) if row.is_other else ("kept",) for row in rows]
    found: Found = {
        (row.window_start, *rest, *row.group.values()): (row.quantity, row.events)
        for row, rest in zip(rows, of_rest, strict=True)
    }
    assert len(found) == len(rows), "a group came twice"
    return found


@pytest.mark.takes_long("every kind, call and window in one model")
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    data=st.data(),
    measured=st.lists(st.sampled_from(METERS), min_size=1, max_size=4, unique_by=lambda one: one["code"]),
    late=st.lists(st.sampled_from(METERS), max_size=2, unique_by=lambda one: one["code"]),
    played=steps,
    zone=zones,
)
def test_every_usage_call_agrees_with_a_list_of_events(
    data: st.DataObject,
    measured: list[dict[str, Any]],
    late: list[dict[str, Any]],
    played: list[tuple[Any, ...]],
    zone: str,
    rolled_back: Callable[[], AbstractContextManager[None]],
) -> None:
    with rolled_back():
        tenant = make_tenant("acme", time_zone=zone)
        make_meters(measured)
        life = Life(tenant, ledger_of(tenant), make_key(tenant)[0].pk, [one for one in late if one not in measured])
        for step in (*played, ("late",)):
            life.play(step)
        assert reconcile(ledgers=[life.ledger]).is_clean
        for meter in life.meters:
            assert_query_agrees(life, meter, zone, data)
        assert_span_calls_agree(life, data.draw(st.sampled_from(spans(zone)), "span"))
        assert_other_calls_agree(life, data.draw(st.sampled_from(life.meters), "meter"), zone)
        while any(not meter.is_filled for meter in life.meters):
            life.play(("fill", 100))
        assert reconcile(ledgers=[life.ledger]).is_clean
        for meter in life.meters if life.meters[len(measured) :] else ():
            assert_query_agrees(life, meter, zone, data)
        assert_span_calls_agree(life, spans(zone)[0])


def assert_query_agrees(life: Life, meter: MeterRule, zone: str, data: st.DataObject) -> None:
    window = data.draw(st.sampled_from([*Window, None]), "window")
    names = names_kept_apart(meter)
    group_by = tuple(data.draw(st.lists(st.sampled_from(names), unique=True, max_size=3), "group_by"))
    filters = data.draw(
        st.sampled_from([{}, {}, {"subject": ["ann"]}, {"api_key": [str(life.key)]}, {"region": ["7", "true"]}]),
        "filters",
    )
    filters = {name: values for name, values in filters.items() if name in names}
    span = data.draw(st.sampled_from(spans(zone)), "span")
    until = data.draw(st.sampled_from([None, NOW, START + timedelta(days=20)]), "until")
    question = UsageQuestion(meter, span, window, group_by, filters, until)
    asked = Asked(meter, span.start, span.end, window, zone, group_by, filters, until)
    rows = expected(life.reported, asked)
    assert told(life, question) == rows
    if group_by:
        assert_largest_groups_agree(life, question, asked, data.draw(st.integers(1, 3), "top"))
    if window is not None:
        assert_filled_agrees(life, question, zone, {key: quantity for key, (quantity, _) in rows.items()})


def assert_largest_groups_agree(life: Life, question: UsageQuestion, asked: Asked, number: int) -> None:
    """Check that no other group is larger, and that the rest's row is computed from the rest's events."""
    kept = largest_groups(ledger=life.ledger, question=question, number=number)
    whole = {key[1:]: quantity for key, (quantity, _) in expected(life.reported, replace(asked, window=None)).items()}
    assert len(kept) == len(set(kept)) == min(number, len(whole))
    least = min((whole[group] for group in kept), default=Decimal(0))
    assert all(quantity <= least for group, quantity in whole.items() if group not in kept)
    assert told(life, replace(question, kept=kept)) == expected(life.reported, replace(asked, kept=kept))


def assert_filled_agrees(
    life: Life, question: UsageQuestion, zone: str, quantities: dict[tuple[object, ...], Decimal]
) -> None:
    """Check that each window of the span has each group once, and that no quantity differs."""
    rows = filled(query_usage(ledger=life.ledger, question=question), question=question, zone=zone)
    assert question.window is not None
    groups = {key[1:] for key in quantities} if question.group_by else {()}
    starts = window_starts(question.window, question.span, zone) if groups else []
    assert list(dict.fromkeys(row.window_start for row in rows)) == list(starts)
    places = [(row.window_start, *row.group.values()) for row in rows]
    assert len(set(places)) == len(places) == len(starts) * len(groups)
    assert {place[1:] for place in places} == (groups if places else set())
    assert [row.quantity for row in rows] == [quantities.get(place, 0) for place in places]


def assert_span_calls_agree(life: Life, span: Span) -> None:
    asked = [UsageSpan(life.tenant.pk, meter.id, span.start, span.end) for meter in life.meters]
    wanted = [whole(life, meter, span) for meter in life.meters]
    compared = compared_usage_of_spans(asked)
    assert all(one.is_proven for one in compared)
    for usage in (usage_of_spans(asked), raw_usage_of_spans(asked), [one.in_rollup for one in compared]):
        assert [(one.quantity, one.events) for one in usage] == wanted


def whole(life: Life, meter: MeterRule, span: Span) -> tuple[Decimal, int]:
    [found] = expected(life.reported, Asked(meter, span.start, span.end)).values() or [(Decimal(0), 0)]
    return found


def assert_other_calls_agree(life: Life, meter: MeterRule, zone: str) -> None:
    month = Span(local(2026, 3, 1, zone), local(2026, 4, 1, zone))
    monthly = monthly_usage(ledger=life.ledger, month=YearMonth(2026, 3), as_of=NOW)
    assert {one.meter: one.quantity for one in monthly.meters if one.meter in {rule.code for rule in life.meters}} == {
        rule.code: whole(life, rule, month)[0] for rule in life.meters
    }
    days = daily_usage(ledger=life.ledger, meter=meter, start=date(2026, 3, 1), end=date(2026, 4, 1), until=NOW)
    by_day = expected(life.reported, Asked(meter, month.start, month.end, Window.DAY, zone))
    assert [(day.quantity, day.events) for day in days] == [
        by_day.get((local(day.date.year, day.date.month, day.date.day, zone),), (0, 0)) for day in days
    ]
    hours = realtime_usage(ledger=life.ledger, meter=meter, as_of=NOW)
    last = Span(hours[0].window_start, hours[-1].window_start + timedelta(hours=1))
    by_hour = expected(life.reported, Asked(meter, last.start, last.end, Window.HOUR, zone, until=NOW))
    assert [hour.quantity for hour in hours] == [by_hour.get((hour.window_start,), (0, 0))[0] for hour in hours]
