"""Which requests a round takes: nothing that needs the database to be asked first, and no other store's limits."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from metering.domain.aggregations.extremes import MAX
from metering.domain.meter_rules import MeterRule
from metering.services.partitions import ensure_partitions_of, forget_seen_partitions
from metering.services.rounds import requests
from tests.metering.ledger_world import make_tenant
from tests.metering.services.limits.limit_world import Caller, caller_on_plan, quota_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def is_taken(caller: Caller, *, is_limited: bool, **more: Any) -> bool:
    asked = {"principal": caller.principal, "tenant": caller.tenant, "event": caller.event(NOW, **more), "as_of": NOW}
    return requests.report_for_round(**asked, is_limited=is_limited) is not None


def test_what_a_round_takes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = ""
    free, limited = Caller(make_tenant("free")), caller_on_plan(NOW, [quota_of("5")])
    forget_seen_partitions()
    assert not is_taken(free, is_limited=False), "the partition of the month is not known"
    for _ in range(2):  # one that this transaction created is not remembered: it may be rolled back
        ensure_partitions_of(days=[NOW.date()])
    assert is_taken(free, is_limited=False)
    old = (NOW - timedelta(days=34)).isoformat()
    assert not is_taken(free, is_limited=False, timestamp=old), "its month may be closed"
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert is_taken(free, is_limited=True)
    assert not is_taken(limited, is_limited=False)
    settings.REDIS_URL = ""
    monkeypatch.setattr(requests, "rules_in_rollups_of", lambda _type: (MeterRule(1, "m", "http_request", MAX),))
    assert not is_taken(limited, is_limited=False), "its quantities do not add up"
