"""Each invariant of the catalogue, usage plans and the debugger's rows holds against writes past the services."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from metering.models import (
    EventType,
    IngestVerdict,
    Meter,
    MeterFill,
    MeterVersion,
    Reservation,
    UsagePlan,
    UsagePlanQuota,
    UsagePlanThrottle,
)

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
        ({"aggregation": "unique", "formula": "size"}, "meter_formula_only_where_taken"),
        ({"aggregation": "sum", "formula": "size", "value_property": "size"}, "meter_formula_or_property"),
    ],
)
def test_a_meter_aggregates_in_a_known_way(meter: Meter, change: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        Meter.objects.filter(pk=meter.pk).update(**change)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"aggregation": "median"}, "meterversion_aggregation_known"),
        ({"aggregation": "count", "value_property": "size"}, "meterversion_value_only_where_taken"),
        ({"aggregation": "unique", "formula": "size"}, "meterversion_formula_only_where_taken"),
        ({"aggregation": "sum", "formula": "a", "value_property": "a"}, "meterversion_formula_or_property"),
        ({"number": 1}, "meterversion_is_a_later_one"),
        ({"begins_at": NOW + timedelta(days=1)}, "meterversion_number_once"),
        ({"number": 3}, "meterversion_begins_once"),
    ],
)
def test_a_version_is_a_later_one_and_aggregates_in_a_known_way(
    meter: Meter, change: dict[str, object], name: str
) -> None:
    fields = {"meter": meter, "number": 2, "begins_at": NOW, "created_at": NOW}
    MeterVersion.objects.create(**fields)
    with refuses(name), transaction.atomic():
        MeterVersion.objects.create(**(fields | change))


def test_a_meter_is_filled_once_in_a_ledger_and_within_its_days(meter: Meter) -> None:
    day = NOW.date()
    fields = {"meter": meter, "tenant_id": UUID(int=1), "first_day": day, "next_day": day, "end_day": day}
    MeterFill.objects.create(is_live=True, **fields)
    with refuses("meter_fill_once"), transaction.atomic():
        MeterFill.objects.create(is_live=True, **fields)
    with refuses("meter_fill_within_its_days"), transaction.atomic():
        MeterFill.objects.create(is_live=False, **(fields | {"next_day": day + timedelta(days=1)}))


def test_a_version_is_never_changed(meter: Meter) -> None:
    version = MeterVersion.objects.create(meter=meter, number=2, begins_at=NOW, created_at=NOW)
    with refuses("a version of a meter is never changed"), transaction.atomic():
        MeterVersion.objects.filter(pk=version.pk).update(aggregation="sum")


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
        ({"period": "year"}, "usage_plan_quota_period_known"),
        ({"scope": "key"}, "usage_plan_quota_scope_known"),
    ],
)
def test_a_quota_is_a_positive_number_a_period(quota: UsagePlanQuota, change: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        UsagePlanQuota.objects.filter(pk=quota.pk).update(**change)


def test_a_plan_has_one_quota_of_a_meter_in_a_period(quota: UsagePlanQuota) -> None:
    with refuses("usage_plan_quota_once"), transaction.atomic():
        UsagePlanQuota.objects.create(usage_plan=quota.usage_plan, meter=quota.meter, limit=Decimal(20))


def test_a_throttle_is_of_subjects_or_of_a_type_and_allows_requests(quota: UsagePlanQuota) -> None:
    throttles = UsagePlanThrottle.objects
    throttles.create(usage_plan=quota.usage_plan, scope="subject", rate=1, burst=1)
    cases = {
        "usage_plan_throttle_once": {"scope": "subject", "rate": 2, "burst": 2},
        "usage_plan_throttle_scope_known": {"scope": "key", "rate": 1, "burst": 1},
        "usage_plan_throttle_not_of_all": {"scope": "tenant", "rate": 1, "burst": 1},
        "usage_plan_throttle_allows": {
            "scope": "tenant", "event_type": quota.meter.event_type, "rate": 0, "burst": 1,
        },
    }  # fmt: skip
    for name, fields in cases.items():
        with refuses(name), transaction.atomic():
            throttles.create(usage_plan=quota.usage_plan, **fields)


def test_an_event_that_was_not_stored_has_a_known_verdict() -> None:
    with refuses("ingest_verdict_known"), transaction.atomic():
        IngestVerdict.objects.create(
            tenant_id=UUID(int=1), is_live=True, received_at=NOW, verdict="lost", code="lost", detail="unknown"
        )


@pytest.fixture
def reservation() -> Reservation:
    return Reservation.objects.create(
        id=UUID(int=2),
        tenant_id=UUID(int=1),
        is_live=True,
        api_key_id=UUID(int=3),
        state="held",
        key=b"k" * 16,
        content_hash=b"h" * 32,
        event_id="e",
        type="http_request",
        quantity=Decimal(1),
        properties="{}",
        holds="[]",
        is_holding=True,
        created_at=NOW,
        expires_at=NOW + timedelta(seconds=1),
    )


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"state": "lost", "ended_at": NOW}, "reservation_state_known"),
        ({"state": "released"}, "reservation_ended_when_not_held"),
        ({"ended_at": NOW}, "reservation_ended_when_not_held"),
        ({"is_holding": False}, "reservation_ended_when_not_held"),
        ({"state": "committed", "ended_at": NOW}, "reservation_committed_with_quantity"),
        ({"committed_quantity": Decimal(1)}, "reservation_committed_with_quantity"),
        ({"expires_at": NOW}, "reservation_expires_after_creation"),
    ],
)
def test_a_reservation_is_held_or_ended(reservation: Reservation, change: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        Reservation.objects.filter(pk=reservation.pk).update(**change)


def test_one_reservation_at_most_is_held_for_an_event(reservation: Reservation) -> None:
    reservation.pk = UUID(int=4)
    with refuses("reservation_once_held_for_an_event"), transaction.atomic():
        reservation.save(force_insert=True)
    Reservation.objects.update(state="released", ended_at=NOW)
    reservation.save(force_insert=True)
