"""The days of many keys at once."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from metering.domain.http_requests import API_REQUESTS
from metering.selectors.usage import daily_usage, meter_named
from metering.selectors.usage_of_keys import daily_usage_of_keys
from tests.metering.ledger_world import ledger_of, make_key, make_tenant, send

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
START, END = date(2026, 3, 8), date(2026, 3, 11)


@pytest.mark.django_db
def test_each_keys_days_are_those_of_the_query_for_one_key_and_never_another_tenants() -> None:
    tenant, other = make_tenant("acme"), make_tenant("rival")
    keys = [make_key(tenant)[0].pk for _ in range(2)]
    for number, key_id in enumerate(keys, 1):
        events = [
            {"id": f"{number}-{days}", "type": "http_request", "timestamp": (NOW - timedelta(days=days)).isoformat()}
            for days in range(number + 2)
        ]
        send(ledger_of(tenant), events, as_of=NOW, api_key_id=key_id)
    send(ledger_of(other), [{"id": "x", "type": "http_request"}], as_of=NOW, api_key_id=keys[0])
    meter = meter_named(API_REQUESTS)

    found = daily_usage_of_keys(tenant_id=tenant.pk, api_key_ids=[*keys, uuid4()], meter=meter, start=START, end=END)

    assert set(found) == set(keys)
    for key_id in keys:
        days = daily_usage(ledger=ledger_of(tenant), meter=meter, start=START, end=END, api_key_id=key_id)
        assert found[key_id] == {day.date: day.quantity for day in days if day.quantity}
