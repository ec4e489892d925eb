"""The staff's view of all tenants: an event counts once for all its meters, in each tenant's own calendar."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from metering.models import Meter, UsagePlan, UsagePlanAssignment, UsagePlanQuota
from metering.selectors.operations import (
    QuotaUse,
    events_by_hour,
    partition_days_ahead,
    quota_uses,
    refusals_since,
    usage_totals,
)
from metering.services.partitions import ensure_partitions
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_meter, make_tenant, send

pytestmark = pytest.mark.django_db
AS_OF = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
HOUR = datetime(2026, 3, 1, 2, tzinfo=UTC)


def event(event_id: str, at: datetime, kind: str = "http_request", **fields: object) -> dict[str, object]:
    return {"id": event_id, "type": kind, "timestamp": at.isoformat(), **fields}


def make_plan(code: str, **limits: int) -> UsagePlan:
    plan = UsagePlan.objects.create(code=code, name=code.title(), created_at=LONG_AGO)
    meter = Meter.objects.get(code="api_requests")
    for period, limit in limits.items():
        UsagePlanQuota.objects.create(usage_plan=plan, meter=meter, period=period, limit=limit)
    return plan


def test_an_event_that_several_meters_see_is_one_event() -> None:
    make_meter("only_errors", "http_request", filters={"status": ["500"]})
    make_meter("tokens_used", "tokens", aggregation="sum")
    alice, bob = make_tenant("alice"), make_tenant("bob")
    send(ledger_of(alice), [event("a", AS_OF), event("b", AS_OF), event("t", AS_OF, "tokens", quantity=9)], as_of=AS_OF)
    send(ledger_of(bob), [event("a", AS_OF - timedelta(hours=1))], as_of=AS_OF)
    send(ledger_of(bob, is_live=False), [event("test", AS_OF)], as_of=AS_OF)
    assert events_by_hour(start=HOUR - timedelta(hours=3), end=HOUR + timedelta(hours=1)) == {
        HOUR: 3,
        HOUR - timedelta(hours=1): 1,
    }
    assert events_by_hour(start=HOUR, end=HOUR) == {}


def test_totals_have_those_of_the_span_before_beside_them() -> None:
    alice = make_tenant("alice")
    events = [event("a", AS_OF), event("b", AS_OF - timedelta(days=1)), event("c", AS_OF - timedelta(days=1))]
    send(ledger_of(alice), events, as_of=AS_OF)
    end = HOUR + timedelta(hours=1)
    totals = {total.code: total for total in usage_totals(start=end - timedelta(days=1), end=end)}
    assert (totals["api_requests"].quantity, totals["api_requests"].quantity_before) == (1, 2)
    assert totals["api_bytes"].quantity == 0


def test_a_quotas_period_is_that_of_the_tenants_own_calendar() -> None:
    plan = make_plan("small", month=10, day=4)
    west = make_tenant("west", time_zone="America/Los_Angeles")  # still the last day of February there
    east = make_tenant("east", time_zone="Asia/Tokyo")
    for tenant in (west, east):
        UsagePlanAssignment.objects.create(tenant=tenant, usage_plan=plan, assigned_at=LONG_AGO)
        send(ledger_of(tenant), [event("now", AS_OF), event("before", AS_OF - timedelta(days=2))], as_of=AS_OF)
    uses = {(use.tenant_id, use.period): use.used for found in quota_uses(as_of=AS_OF).values() for use in found}
    assert uses == {(west.pk, "month"): 2, (west.pk, "day"): 1, (east.pk, "month"): 1, (east.pk, "day"): 1}
    assert set(quota_uses(as_of=AS_OF, tenant_ids=[west.pk])) == {west.pk}


def test_a_closed_tenant_and_one_without_a_plan_have_no_quota() -> None:
    closed = make_tenant("closed", status="closed")
    UsagePlanAssignment.objects.create(tenant=closed, usage_plan=make_plan("small", month=10), assigned_at=LONG_AGO)
    make_tenant("free")
    assert quota_uses(as_of=AS_OF) == {}


@pytest.mark.parametrize(
    ("used", "limit", "percent"), [("1", "3", "33.3"), ("5", "4", "125.0"), ("0", "4", "0.0"), ("1", "0", "100")]
)
def test_percent_has_one_place_and_a_limit_of_zero_is_full(used: str, limit: str, percent: str) -> None:
    tenant = make_tenant("alice")
    use = QuotaUse(tenant.pk, "m", "M", "requests", "month", Decimal(limit), is_hard=True, used=Decimal(used))
    assert use.percent == Decimal(percent)


def test_partitions_ahead_are_counted_in_days() -> None:
    ensure_partitions(first=datetime(2061, 1, 1, tzinfo=UTC).date(), last=datetime(2061, 2, 1, tzinfo=UTC).date())
    assert partition_days_ahead(as_of=datetime(2061, 2, 27, 23, tzinfo=UTC)) == 2
    assert partition_days_ahead(as_of=datetime(2061, 3, 3, tzinfo=UTC)) == -2


def test_the_refusal_rate_is_zero_without_requests() -> None:
    assert refusals_since(AS_OF) == {}
