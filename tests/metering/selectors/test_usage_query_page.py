"""The worked example of docs/algorithms/metering.md is what the usage calls return."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from metering.domain.aggregations.registry import AGGREGATIONS
from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Span
from metering.domain.windows import Window
from metering.selectors.usage_query import UsageQuestion, query_usage
from metering.services.voids import void_event
from tests.algorithm_pages import rows_below
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send

pytestmark = pytest.mark.django_db

DAY = date(2026, 11, 12)
NINE = datetime(2026, 11, 12, 9, tzinfo=UTC)
NOON = NINE + timedelta(hours=3)
HOUR = timedelta(hours=1)
COLUMNS = ("kind", "09:00 to 10:00", "10:00 to 11:00", "09:00 to 11:00", "after `g`", "without `f`")


def event(id_: str, at: str, size: str, subject: str) -> dict[str, Any]:
    properties = {"size": Decimal(size)} if size else {}
    moment = datetime.combine(DAY, time.fromisoformat(at), UTC)
    return {"id": id_, "type": "call", "timestamp": moment, "subject": subject, "properties": properties}


def quantities(ledger: Ledger, *spans: Span) -> dict[str, list[Decimal]]:
    """Return the quantity of each kind in each span."""
    return {
        kind.code: [
            row.quantity
            for span in spans
            for row in query_usage(ledger=ledger, question=UsageQuestion(METERS[kind.code], span, None))
        ]
        for kind in AGGREGATIONS
    }


METERS: dict[str, Any] = {}


def test_the_example_is_what_usage_calls_return() -> None:
    for kind in AGGREGATIONS:
        measured = {"value_property": "size"} if kind.takes_property else {}
        METERS[kind.code] = make_meter(kind.code, "call", aggregation=kind.code, **measured)
    ledger = ledger_of(make_tenant("acme"))
    send(ledger, [event(*row) for row in rows_below("metering", "id", "occurred at", "size", "subject")], as_of=NOON)
    both = Span(NINE, NINE + 2 * HOUR)
    first = quantities(ledger, Span(NINE, NINE + HOUR), Span(NINE + HOUR, NINE + 2 * HOUR), both)
    send(ledger, [event("g", "09:50:00", "50", "ann")], as_of=NOON)
    late = quantities(ledger, both)
    void_event(ledger=ledger, event_id="f", reason="", voided_by="test", as_of=NOON)
    voided = quantities(ledger, both)
    rows = {kind: [Decimal(cell) for cell in cells] for kind, *cells in rows_below("metering", *COLUMNS)}
    found = {kind: [*first[kind], *late[kind], *voided[kind]] for kind in rows}
    assert found == rows
    assert set(rows) >= {kind.code for kind in AGGREGATIONS if not kind.lasts} - {"p75", "p90", "p99", "p999"}


def test_the_levels_of_two_disks_are_what_usage_calls_return() -> None:
    fields = {"aggregation": "time_weighted", "value_property": "gb"}
    meters = [
        make_meter("by_subject", "disk", **fields),
        make_meter("by_dimension", "disk", dimensions=["disk"], **fields),
    ]
    ledger = ledger_of(make_tenant("acme"))

    def report(id_: str, at: str, gb: str, disk: str) -> None:
        moment = datetime.combine(DAY, time.fromisoformat(at), UTC)
        properties = {"gb": int(gb), "disk": disk}
        send(
            ledger,
            [{"id": id_, "type": "disk", "timestamp": moment, "subject": disk, "properties": properties}],
            as_of=NOON,
        )

    def column(meter: MeterRule) -> list[Decimal]:
        """Return the quantity of each window of the table."""
        return [
            next((row.quantity for row in query_usage(ledger=ledger, question=question)), Decimal(0))
            for question in (UsageQuestion(meter, span, None) for span in spans)
        ]

    windows = rows_below("metering", "window", "quantity", "after `e`", "without `c`")
    spans = [
        Span(*(datetime.combine(DAY, time.fromisoformat(at), UTC) for at in window.split(" to ")))
        for window, *_ in windows
    ]
    for row in rows_below("metering", "id", "occurred at", "gb", "disk"):
        report(*row)
    columns = [[column(meter)] for meter in meters]
    report("e", "09:30:00", "20", "one")
    for found, meter in zip(columns, meters, strict=True):
        found.append(column(meter))
    void_event(ledger=ledger, event_id="c", reason="", voided_by="test", as_of=NOON)
    for found, meter in zip(columns, meters, strict=True):
        found.append(column(meter))
    expected = [[Decimal(row[n]) for row in windows] for n in (1, 2, 3)]
    assert columns == [expected, expected]


def test_the_page_names_each_kind_and_where_it_is_read_from() -> None:
    rows = rows_below("metering", "kind", "code", "quantity", "quantities of windows", "read from")
    named = {code.strip("` "): source for _, codes, _, _, source in rows for code in codes.split()}
    assert named == {kind.code: "rollups" if kind.is_mergeable else "events" for kind in AGGREGATIONS}


def test_hours_of_kinds_that_merge_are_read_from_rollups() -> None:
    meter = make_meter("peak", "call", aggregation="max", value_property="size")
    ledger = ledger_of(make_tenant("acme"))
    send(ledger, [event("a", "09:00:00", "10", "ann"), event("b", "10:00:00", "7", "bob")], as_of=NOON)
    question = UsageQuestion(meter, Span(NINE, NINE + 2 * HOUR), Window.HOUR)
    assert [row.quantity for row in query_usage(ledger=ledger, question=question)] == [10, 7]
