"""The days that a forecast is computed from: SQL over the rollup and plain Python over the events agree."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from metering.domain.forecasting import PastDays
from metering.domain.periods import start_of_hour
from metering.selectors.past_days import past_days
from metering.selectors.usage import meter_named
from metering.services.voids import void_event
from tests.bench.forecast import past_days_of
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send

pytestmark = pytest.mark.django_db
AS_OF = datetime(2026, 4, 10, 9, 15, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Beirut"])
@pytest.mark.parametrize("first", [70, 20, 0])
def test_days_are_those_of_the_zone_and_cut_at_this_time(zone: str, first: int) -> None:
    make_meter("gigabytes", "call", aggregation="sum")
    make_meter("jobs", "job")
    ledger = ledger_of(make_tenant("acme", time_zone=zone))
    moments = [AS_OF - timedelta(days=first, minutes=5) + timedelta(minutes=n * 437) for n in range(first * 4 + 1)]
    sent = [
        {"id": str(n), "type": "call", "timestamp": at, "quantity": n % 7}
        for n, at in enumerate(at for at in moments if at < AS_OF)
    ]
    send(ledger, sent, as_of=AS_OF)
    void_event(ledger=ledger, event_id="0", reason="", voided_by="test", as_of=AS_OF)
    hours: dict[datetime, Decimal] = defaultdict(Decimal)
    for one in sent[1:]:
        at = one["timestamp"]
        assert isinstance(at, datetime)
        hours[start_of_hour(at)] += Decimal(str(one["quantity"]))
    meters = [meter_named(code).id for code in ("gigabytes", "jobs")]
    found = past_days(ledger=ledger, meter_ids=meters, as_of=AS_OF)
    expected = past_days_of(hours, zone, AS_OF)
    assert found.get(meters[0], PastDays()) == expected
    assert len(expected.days) == {70: 56, 20: 18 if zone == "Australia/Lord_Howe" else 19, 0: 0}[first]
    assert meters[1] not in found
