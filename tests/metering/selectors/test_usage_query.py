"""Every result of a usage query is compared with a recomputation in plain Python from the events that were sent."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Span
from metering.domain.windows import Window
from metering.errors import QueryTooLargeError
from metering.selectors.catalog import meter_rules
from metering.selectors.usage_query import UsageQuestion, UsageRow, names_kept_apart, query_usage
from metering.services.voids import void_event
from tests.metering.ledger_world import Sent, contribution_of, ledger_of, make_key, make_meter, make_tenant, send

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, tzinfo=UTC)
AS_OF = datetime(2026, 4, 20, 12, tzinfo=UTC)
ZONES = [
    "UTC",
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
]

texts = st.sampled_from(["GET", "POST", "", "ÄÖ", "a'b", "%s"])
values = st.one_of(
    texts, st.none(), st.booleans(), st.integers(-5, 500), st.decimals("-9", "9", places=3, allow_nan=False)
)
events = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["call", "job"]),
            "timestamp": st.timedeltas(timedelta(), timedelta(days=44)).map(lambda since: START + since),
            "quantity": st.decimals("0", "50", places=2, allow_nan=False),
            "subject": st.sampled_from([None, "ann", "bob"]),
            "properties": st.dictionaries(st.sampled_from(["method", "size", "region"]), values, max_size=3),
        }
    ),
    min_size=1,
    max_size=25,
)


def meters() -> list[MeterRule]:
    return [
        make_meter("calls", "call", dimensions=["method"]),
        make_meter("sizes", "call", aggregation="sum", value_property="size", dimensions=["method", "region"]),
        make_meter("quantities", "call", aggregation="sum", filters={"method": ["GET", "true", "7"]}),
        make_meter("jobs", "job"),
    ]


def window_of(at: datetime, window: Window, zone: str) -> datetime:
    if window is Window.HOUR:
        return at.replace(minute=0, second=0, microsecond=0)
    local = at.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (local if window is Window.DAY else local.replace(day=1)).astimezone(UTC)


def text_of(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else f"{value:f}" if isinstance(value, Decimal) else str(value)


def recomputed(
    sent: Sequence[Sent], question: UsageQuestion, zone: str
) -> dict[tuple[object, ...], tuple[Decimal, int]]:
    sums: dict[tuple[object, ...], tuple[Decimal, int]] = defaultdict(lambda: (Decimal(0), 0))
    for one in sent:
        contribution = contribution_of(one, question.meter)
        if contribution is None or not question.span.contains(one.event.occurred_at):
            continue
        own: dict[str, str | None] = {
            name: text_of(one.event.properties.get(name)) for name in question.meter.dimensions
        }
        own |= {"subject": one.event.subject, "api_key": str(one.api_key_id) if one.api_key_id else None}
        if any(own[name] not in accepted for name, accepted in question.filters.items()):
            continue
        at = window_of(one.event.occurred_at, question.window, zone)
        bucket = (at, *(own[name] for name in question.group_by))
        quantity, count = sums[bucket]
        sums[bucket] = quantity + contribution.quantity, count + 1
    return dict(sums)


def answered(rows: Sequence[UsageRow]) -> dict[tuple[object, ...], tuple[Decimal, int]]:
    found: dict[tuple[object, ...], tuple[Decimal, int]] = {
        (row.window_start, *row.group.values()): (row.quantity, row.events) for row in rows
    }
    assert len(found) == len(rows), "a group came twice"
    return found


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data(), sent_events=events, zone=st.sampled_from(ZONES))
@pytest.mark.takes_long("it asks hundreds of questions")
def test_every_usage_query_returns_what_python_computes(
    data: st.DataObject, sent_events: list[dict[str, Any]], zone: str, rolled_back: Callable[[], Any]
) -> None:
    with rolled_back():
        ledger, sent, keys = world(zone, sent_events, data)
        for meter in meters_from_catalog():
            names = names_kept_apart(meter)
            group_by = tuple(data.draw(st.lists(st.sampled_from(names), unique=True, max_size=3), "group_by"))
            filters = data.draw(filters_over(names, keys), "filters")
            window = data.draw(st.sampled_from(list(Window)), "window")
            span = data.draw(st.sampled_from(spans(zone)), "span")
            question = UsageQuestion(meter=meter, span=span, window=window, group_by=group_by, filters=filters)
            assert answered(query_usage(ledger=ledger, question=question)) == recomputed(sent, question, zone)


def world(zone: str, sent_events: list[dict[str, Any]], data: st.DataObject) -> tuple[Ledger, list[Sent], list[str]]:
    meters()
    tenant = make_tenant("acme", time_zone=zone)
    keys = [make_key(tenant)[0].id for _ in range(2)]
    ledger = ledger_of(tenant)
    numbered = [event | {"id": str(number)} for number, event in enumerate(sent_events)]
    half = len(numbered) // 2
    sent = send(ledger, numbered[:half], as_of=AS_OF, api_key_id=keys[0])
    sent += send(ledger, numbered[half:], as_of=AS_OF, api_key_id=data.draw(st.sampled_from([None, keys[1]]), "key"))
    voided = data.draw(st.sets(st.sampled_from(range(len(numbered))), max_size=3), "voided")
    for number in voided:
        void_event(ledger=ledger, event_id=str(number), reason="wrong", voided_by="test", as_of=AS_OF)
    return ledger, [one for one in sent if int(one.event.id) not in voided], [str(key) for key in keys]


def meters_from_catalog() -> list[MeterRule]:
    from_catalog = {rule.code: rule for rule in meter_rules()}
    return [from_catalog[code] for code in ("calls", "sizes", "quantities")]


def filters_over(names: Sequence[str], keys: Sequence[str]) -> st.SearchStrategy[dict[str, list[str]]]:
    choices = {
        "api_key": st.sampled_from(keys),
        "subject": st.sampled_from(["ann", "bob", "unknown"]),
    }
    return st.dictionaries(st.sampled_from(names), st.none(), max_size=2).flatmap(
        lambda chosen: st.fixed_dictionaries(
            {
                name: st.lists(
                    choices.get(name, st.sampled_from(["GET", "true", "7", "a'b", ""])), min_size=1, max_size=2
                )
                for name in chosen
            }
        )
    )


def spans(zone: str) -> list[Span]:
    def local(year: int, month: int, day: int) -> datetime:
        return datetime(year, month, day, tzinfo=ZoneInfo(zone)).astimezone(UTC)

    return [
        Span(local(2026, 3, 1), local(2026, 4, 1)),
        Span(local(2026, 3, 28), local(2026, 4, 7)),
        Span(local(2026, 2, 1), local(2026, 5, 1)),
        Span(START + timedelta(hours=7, minutes=13), START + timedelta(days=20, hours=3)),
        Span(START, START + timedelta(days=45)),
        Span(START, START),
    ]


def test_a_result_that_is_too_long_is_refused_with_a_message() -> None:
    meter = make_meter("calls", "call", dimensions=["method"])
    ledger = ledger_of(make_tenant("acme"))
    send(
        ledger,
        [{"id": str(n), "type": "call", "timestamp": START, "properties": {"method": str(n)}} for n in range(5)],
        as_of=AS_OF,
    )
    question = UsageQuestion(meter, Span(START, START + timedelta(days=1)), Window.DAY, group_by=("method",))
    assert len(query_usage(ledger=ledger, question=question, rows_max=5)) == 5
    with pytest.raises(QueryTooLargeError, match="more than 4 rows"):
        query_usage(ledger=ledger, question=question, rows_max=4)


def test_events_from_before_a_meter_began_are_counted_by_no_source() -> None:
    meter = make_meter("late", "call", counts_from=AS_OF)
    ledger = ledger_of(make_tenant("acme"))
    send(ledger, [{"id": "early", "type": "call", "timestamp": START}], as_of=AS_OF - timedelta(seconds=1))
    send(ledger, [{"id": "in time", "type": "call", "timestamp": START}], as_of=AS_OF)
    for span in (Span(START, START + timedelta(days=1)), Span(START, START + timedelta(minutes=1))):
        [row] = query_usage(ledger=ledger, question=UsageQuestion(meter, span, Window.DAY))
        assert row.quantity == 1


def test_another_tenant_and_the_other_half_of_the_ledger_see_no_usage() -> None:
    meter = make_meter("calls", "call")
    acme = make_tenant("acme")
    send(ledger_of(acme), [{"id": "1", "type": "call", "timestamp": START, "subject": "ann"}], as_of=AS_OF)
    for ledger in (ledger_of(make_tenant("other")), ledger_of(acme, is_live=False)):
        for window in Window:
            for group_by in ((), ("subject",)):
                question = UsageQuestion(meter, Span(START, START + timedelta(days=1)), window, group_by)
                assert query_usage(ledger=ledger, question=question) == []
