"""Months whose events set levels of the next one: what was invoiced of either stays when the events are deleted."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from metering.selectors.span_usage import SpanUsage, UsageSpan, compared_usage_of_spans, usage_of_spans
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send
from tests.metering.retention_world import let_go

pytestmark = pytest.mark.django_db

APRIL = datetime(2026, 4, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_the_level_of_a_deleted_month_stays_in_the_invoiced_spans_after_it() -> None:
    fields = {"value_property": "n"}
    storage = make_meter("storage", "disk", aggregation="time_weighted", **fields)
    peak = make_meter("peak", "disk", aggregation="max", **fields)
    average = make_meter("average", "disk", aggregation="avg", **fields)
    acme = make_tenant("acme")
    for number, at in ((4, APRIL - 2 * HOUR), (7, APRIL - HOUR), (6, APRIL + 10 * DAY)):
        event = {"id": str(number), "type": "disk", "timestamp": at, "properties": {"n": number}}
        send(ledger_of(acme), [event], as_of=at)
    spans = [
        UsageSpan(acme.pk, meter.id, start, end)
        for meter in (storage, peak, average)
        for start, end in ((APRIL - DAY, APRIL), (APRIL, APRIL + 20 * DAY), (APRIL - HOUR / 2, APRIL + 11 * DAY))
    ]
    before = usage_of_spans(spans)
    assert before[:2] == [SpanUsage(Decimal(4 + 7), 2), SpanUsage(Decimal(7 * 240 + 6 * 240), 1)]
    assert [int(one.quantity * 2) for one in before[3:]] == [14, 12, 12, 11, 12, 12]

    let_go([ledger_of(acme)], spans=spans)

    assert usage_of_spans(spans) == before
    assert all(one.is_proven for one in compared_usage_of_spans(spans))
