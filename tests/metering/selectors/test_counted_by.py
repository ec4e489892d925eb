"""Which meters count an event: those to which ingest adds it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from metering.domain.contribution import contributions
from metering.selectors.catalog import counting_rules
from metering.selectors.counted_by import meters_counting
from metering.selectors.events import event_by_id
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "properties", [{}, {"status": 200}, {"status": "500", "size": 7}, {"size": "x"}, {"size": Decimal("6.5")}]
)
def test_the_meters_of_an_event_are_those_that_it_contributes_to(properties: dict[str, Any]) -> None:
    make_meter("ok", "http_request", filters={"status": ["200"]})
    make_meter("size", "http_request", aggregation="sum", value_property="size")
    make_meter("big", "http_request", aggregation="max", value_property="size", filters={"size": {"gt": 6}})
    make_meter("statuses", "http_request", aggregation="unique", value_property="status")
    ledger = ledger_of(make_tenant("acme"))
    [sent] = send(ledger, [{"id": "e", "type": "http_request", "properties": properties}], as_of=NOW)
    event = event_by_id(ledger=ledger, event_id="e")
    assert event is not None

    expected = {found.meter_id for found in contributions(sent.event, counting_rules())}

    assert meters_counting(ledger=ledger, event=event) == sorted(expected)
    assert expected, "requests are counted in any case"
