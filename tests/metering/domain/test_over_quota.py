"""Which hard quotas a report is watched against, and when one is exceeded."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from metering.domain.aggregations.count import COUNT
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent
from metering.domain.ledger import TENANT_SCOPE, Ledger
from metering.domain.limit_policy import LimitPolicy, Quota, current_counters
from metering.domain.meter_rules import MeterRule
from metering.domain.over_quota import OverQuota, exceeded, watched_claim
from metering.domain.periods import Period

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
YESTERDAY = "2026-03-09T12:00:00Z"
LEDGER = Ledger(TENANT_SCOPE, is_live=True, time_zone="UTC", backfill_days=35)
RULES = (MeterRule(1, "calls", "call", COUNT), MeterRule(2, "bytes", "download", COUNT))
CALLS = Quota("calls", TENANT_SCOPE, 1, "calls", Period.DAY, Decimal(5), is_hard=True)
BYTES = replace(CALLS, name="bytes", meter_id=2)
POLICY = LimitPolicy(LEDGER, quotas=(CALLS, replace(CALLS, name="soft", is_hard=False), BYTES))


def watched(*events: ParsedEvent) -> list[str]:
    claim = watched_claim(POLICY, current_counters(POLICY, NOW), RULES, events, NOW)
    assert not claim.throttles
    assert claim.cost == 0
    return [counter.quota.name for counter in claim.counters]


def event(event_type: str, **more: Any) -> ParsedEvent:
    rules = IngestRules(NOW - timedelta(days=9), NOW, frozenset({"call", "download"}))
    made = parse_event({"id": "e", "type": event_type, **more}, 0, NOW, rules)
    assert isinstance(made, ParsedEvent), made
    return made


def test_only_hard_quotas_of_meters_and_periods_that_count_an_event_are_watched() -> None:
    assert watched(event("call")) == ["calls"]
    assert watched(event("call"), event("download")) == ["calls", "bytes"]
    assert watched(event("call", timestamp=YESTERDAY)) == []
    assert watched(event("call", timestamp=YESTERDAY), event("call")) == ["calls"]
    assert watched() == []


def test_a_quota_is_exceeded_beyond_its_limit() -> None:
    claim = watched_claim(POLICY, current_counters(POLICY, NOW), RULES, [event("call")], NOW)
    assert exceeded(claim, [Decimal(5)], "acme") == ()
    end = datetime(2026, 3, 11, tzinfo=UTC)
    assert exceeded(claim, [Decimal("5.1")], "acme") == (OverQuota("calls", Decimal(5), Decimal("5.1"), end, "acme"),)
