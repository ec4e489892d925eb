"""Each invariant of the catalogue, usage plans and the debugger's rows holds against writes past the services."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from metering.models import EventType, IngestVerdict, Meter, UsagePlan, UsagePlanQuota

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def refuses(name: str) -> AbstractContextManager[object]:
    return pytest.raises(IntegrityError, match=name)


@pytest.fixture
def meter() -> Meter:
    event_type = EventType.objects.create(code="tokens", name="Tokens", created_at=NOW)
    return Meter.objects.create(code="tokens", name="Tokens", event_type=event_type, counts_from=NOW, created_at=NOW)


@pytest.fixture
def plan() -> UsagePlan:
    return UsagePlan.objects.create(code="starter", name="Starter", created_at=NOW)


@pytest.fixture
def quota(plan: UsagePlan, meter: Meter) -> UsagePlanQuota:
    return UsagePlanQuota.objects.create(usage_plan=plan, meter=meter, limit=Decimal(10))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"aggregation": "median"}, "meter_aggregation_known"),
        ({"aggregation": "count", "value_property": "size"}, "meter_value_only_where_taken"),
    ],
)
def test_a_meter_aggregates_in_a_known_way(meter: Meter, change: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        Meter.objects.filter(pk=meter.pk).update(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"throttle_rate": 1, "throttle_burst": None},
        {"throttle_rate": None, "throttle_burst": 1},
        {"throttle_rate": 0, "throttle_burst": 1},
        {"throttle_rate": 1, "throttle_burst": 0},
    ],
)
def test_a_throttle_is_whole_or_absent(plan: UsagePlan, change: dict[str, object]) -> None:
    with refuses("usage_plan_throttle_whole"), transaction.atomic():
        UsagePlan.objects.filter(pk=plan.pk).update(**change)


def test_one_plan_at_most_is_the_default(plan: UsagePlan) -> None:
    UsagePlan.objects.update(is_default=False)
    UsagePlan.objects.filter(pk=plan.pk).update(is_default=True)
    with refuses("usage_plan_one_default"), transaction.atomic():
        UsagePlan.objects.create(code="second", name="Second", is_default=True, created_at=NOW)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"limit": Decimal(-1)}, "usage_plan_quota_not_negative"),
        ({"period": "week"}, "usage_plan_quota_period_known"),
    ],
)
def test_a_quota_is_a_positive_number_a_period(quota: UsagePlanQuota, change: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        UsagePlanQuota.objects.filter(pk=quota.pk).update(**change)


def test_a_plan_has_one_quota_of_a_meter_in_a_period(quota: UsagePlanQuota) -> None:
    with refuses("usage_plan_quota_once"), transaction.atomic():
        UsagePlanQuota.objects.create(usage_plan=quota.usage_plan, meter=quota.meter, limit=Decimal(20))


def test_an_event_that_was_not_stored_has_a_known_verdict() -> None:
    with refuses("ingest_verdict_known"), transaction.atomic():
        IngestVerdict.objects.create(
            tenant_id=UUID(int=1), is_live=True, received_at=NOW, verdict="lost", code="lost", detail="unknown"
        )
