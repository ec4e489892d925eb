"""Threshold alerts: once for each threshold, quota and period, with the mail in the transaction that finds them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounts.models import Tenant
from accounts.notices.models import OutboundMail, OutboxEvent
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.monitoring import (
    LOOK_BACK,
    LOOK_BACK_MAX,
    monitor_thresholds,
    run_monitor,
)
from metering.domain.periods import Period
from metering.services.event_voids import void_counted_event
from metering.services.usage_plans import assign_usage_plan
from tests.metering.alerts.alert_world import (
    NOON,
    OPERATOR,
    TOKENS,
    change_plan,
    crossed,
    customer,
    new_at,
    plan_of,
    quota,
    use,
)
from tests.metering.ledger_world import ledger_of, make_tenant

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LONDON_SPRING = datetime(2026, 3, 29, tzinfo=UTC)  # clocks go forward at 01:00 UTC


# When a threshold is crossed


def test_a_batch_that_jumps_all_three_thresholds_raises_each_once_and_sends_one_mail() -> None:
    acme = customer("acme", quota(1000))
    use(acme, 1300, at=NOON)

    result = monitor_thresholds(as_of=NOON)
    again = monitor_thresholds(as_of=NOON + MINUTE)

    assert (result.tenants, [alert.facts.threshold for alert in result.alerts]) == (1, [80, 95, 100])
    assert (again.tenants, again.alerts) == (1, ())
    assert crossed(acme) == [80, 95, 100]
    [mail] = OutboundMail.objects.all()
    assert mail.subject == "Acme: the quota of tokens is used up"
    assert "1,300 of 1,000 tokens. Usage passed 80 %, 95 % and 100 % of the quota." in mail.text
    assert OutboxEvent.objects.filter(type="usage.threshold_reached").count() == 3


@pytest.mark.parametrize(
    ("quantity", "thresholds"),
    [
        ("799.999999999", []),
        ("800", [80]),
        ("949.999999999", [80]),
        ("950", [80, 95]),
        ("999.999999999", [80, 95]),
        ("1000", [80, 95, 100]),
    ],
)
def test_a_threshold_is_crossed_at_its_exact_share(quantity: str, thresholds: list[int]) -> None:
    acme = customer("acme", quota(1000))
    use(acme, quantity, at=NOON)
    monitor_thresholds(as_of=NOON)
    assert crossed(acme) == thresholds


def test_each_threshold_is_reported_when_it_is_crossed() -> None:
    acme = customer("acme", quota(1000))
    for quantity, found in ((500, []), (300, [80]), (100, []), (50, [95]), (50, [100]), (5000, [])):
        use(acme, quantity, at=NOON)
        assert new_at(NOON) == [("acme", threshold) for threshold in found]
    subjects = list(OutboundMail.objects.order_by("id").values_list("subject", flat=True))
    assert subjects == [
        "Acme: 80 % of the quota of tokens is used",
        "Acme: 95 % of the quota of tokens is used",
        "Acme: the quota of tokens is used up",
    ]


def test_quantities_and_limits_beyond_floating_point_are_compared_exactly() -> None:
    acme = customer("acme", quota("99999999999.999999999"))
    use(acme, "79999999999.999999998", at=NOON)
    assert new_at(NOON) == []
    use(acme, "0.0000000012"[:11], at=NOON)  # 0.000000001, which is short of the share by 0.0000000002
    assert new_at(NOON) == []
    use(acme, "0.000000001", at=NOON)
    assert new_at(NOON) == [("acme", 80)]


def test_usage_larger_than_the_column_stops_no_other_tenants_alerts() -> None:
    # A SUM adds up what clients send as a number, which may be larger than the alert's own column.
    acme, other = customer("acme", quota(1000, meter="api_bytes")), customer("other", quota(10))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO usage_day SELECT %s, true, id, %s, %s, '\\x00', 0, '{}', 1e40, 1 FROM metering_meter WHERE "
            "code = 'api_bytes'",
            [acme.pk, NOON.date(), acme.pk],
        )
    use(other, 8, at=NOON)
    monitor_thresholds(as_of=NOON)
    assert crossed(other) == [80]
    assert ThresholdAlert.objects.filter(tenant=acme, quantity=Decimal(99999999999999999999999999999)).count() == 3


def test_an_alert_states_usage_and_limit() -> None:
    acme = customer("acme", quota(1000), time_zone="Europe/Berlin")
    use(acme, "850.5", at=NOON)
    monitor_thresholds(as_of=NOON)
    alert = ThresholdAlert.objects.get()
    assert (alert.meter.code, alert.quota_period, alert.period_start_on) == (TOKENS, "month", date(2026, 3, 1))
    assert (alert.limit, alert.quantity, alert.occurred_at, alert.agreement_id) == (1000, Decimal("850.5"), NOON, None)
    event = OutboxEvent.objects.get()
    assert event.tenant == acme
    assert event.payload == {
        "id": alert.pk,
        "kind": "threshold",
        "tenant": "acme",
        "subscription": None,
        "meter": TOKENS,
        "unit": "tokens",
        "currency": None,
        "budget": None,
        "api_key": None,
        "subject": None,
        "quota_period": "month",
        "period": {"start": "2026-02-28T23:00:00Z", "end": "2026-03-31T22:00:00Z"},
        "threshold": 80,
        "threshold_quantity": None,
        "limit": "1000",
        "quantity": "850.5",
        "percent": "85.05",
        "pattern": None,
        "window_start": None,
        "window_end": None,
        "expected": None,
        "crosses_on": None,
        "occurred_at": "2026-03-10T12:00:00Z",
    }


def test_a_day_and_a_month_of_one_meter_are_quotas_of_their_own() -> None:
    acme = customer("acme", quota(1000), quota(100, period=Period.DAY))
    use(acme, 90, at=NOON - DAY)
    use(acme, 96, at=NOON)
    monitor_thresholds(as_of=NOON)
    assert set(ThresholdAlert.objects.values_list("quota_period", "period_start_on", "threshold")) == {
        ("day", date(2026, 3, 10), 80),
        ("day", date(2026, 3, 10), 95),
    }
    assert OutboundMail.objects.get().text.startswith("Acme has used 96 % of its quota of tokens for 10 March 2026.")


# What makes a threshold report again


def test_a_new_period_reports_thresholds_again() -> None:
    acme = customer("acme", quota(100), quota(50, period=Period.DAY))
    for day in (NOON, NOON + DAY, NOON + 31 * DAY):
        use(acme, 100, at=day)
        monitor_thresholds(as_of=day)
    starts = ThresholdAlert.objects.filter(threshold=100).order_by("quota_period", "period_start_on")
    assert [(alert.quota_period, str(alert.period_start_on)) for alert in starts] == [
        ("day", "2026-03-10"),
        ("day", "2026-03-11"),
        ("day", "2026-04-10"),
        ("month", "2026-03-01"),
        ("month", "2026-04-01"),
    ]


def test_a_raised_quota_reports_the_thresholds_crossed_under_it() -> None:
    acme = customer("acme", quota(100))
    use(acme, 100, at=NOON)
    assert new_at(NOON) == [("acme", 80), ("acme", 95), ("acme", 100)]
    change_plan(acme, quota(200))
    assert new_at(NOON) == []  # half of the new limit
    use(acme, 60, at=NOON)
    assert new_at(NOON) == [("acme", 80)]


def test_a_lowered_quota_is_reported_at_once() -> None:
    acme = customer("acme", quota(200))
    use(acme, 100, at=NOON)
    assert new_at(NOON) == []
    change_plan(acme, quota(100))
    assert new_at(NOON) == [("acme", 80), ("acme", 95), ("acme", 100)]


def test_a_quota_that_returns_within_a_period_reports_nothing_twice() -> None:
    acme = customer("acme", quota(100))
    use(acme, 85, at=NOON)
    assert new_at(NOON) == [("acme", 80)]
    change_plan(acme, quota(1000))
    change_plan(acme, quota(100))
    assert new_at(NOON) == []


def test_a_void_before_the_check_prevents_an_alert_and_a_later_one_repeats_none() -> None:
    acme = customer("acme", quota(100))
    for number in range(2):
        event_id = use(acme, 90, at=NOON)
        if number == 0:
            void_counted_event(ledger=ledger_of(acme), event_id=event_id, reason="mistake", voided_by="x", as_of=NOON)
            assert new_at(NOON) == []
    assert new_at(NOON) == [("acme", 80)]
    void_counted_event(ledger=ledger_of(acme), event_id=event_id, reason="mistake", voided_by="x", as_of=NOON)
    assert new_at(NOON) == []
    use(acme, 90, at=NOON)
    assert new_at(NOON) == []  # crossed a second time in one period: it was reported before
    assert crossed(acme) == [80]


# In which days


@pytest.mark.parametrize(
    ("zone", "at", "day", "month"),
    [
        ("UTC", "2026-03-31T23:30Z", "2026-03-31", "2026-03-01"),
        ("Europe/Berlin", "2026-03-31T23:30Z", "2026-04-01", "2026-04-01"),
        ("America/New_York", "2026-04-01T03:30Z", "2026-03-31", "2026-03-01"),
        ("Pacific/Kiritimati", "2026-03-31T10:30Z", "2026-04-01", "2026-04-01"),
        ("Europe/London", "2026-03-29T00:30Z", "2026-03-29", "2026-03-01"),
        ("Europe/London", "2026-03-29T23:30Z", "2026-03-30", "2026-03-01"),
        ("Africa/Cairo", "2026-04-23T22:10Z", "2026-04-24", "2026-04-01"),
        ("America/New_York", "2026-11-01T04:00Z", "2026-11-01", "2026-11-01"),
    ],
)
def test_periods_are_those_of_the_tenants_clocks(zone: str, at: str, day: str, month: str) -> None:
    acme = customer("acme", quota(1), quota(1, period=Period.DAY), time_zone=zone)
    moment = datetime.fromisoformat(at)
    use(acme, 1, at=moment)
    monitor_thresholds(as_of=moment)
    starts = (
        ThresholdAlert.objects.filter(threshold=100).order_by("quota_period").values_list("period_start_on", flat=True)
    )
    assert [str(start) for start in starts] == [day, month]


def test_a_day_of_23_hours_counts_all_of_them_and_nothing_else() -> None:
    acme = customer("acme", quota(100, period=Period.DAY), time_zone="Europe/London")
    use(acme, 50, at=LONDON_SPRING - MINUTE)  # the day before
    use(acme, 40, at=LONDON_SPRING)  # its first minute
    use(acme, 40, at=LONDON_SPRING + timedelta(hours=23) - MINUTE)  # its last
    use(acme, 50, at=LONDON_SPRING + timedelta(hours=23))  # the day after
    monitor_thresholds(as_of=LONDON_SPRING + timedelta(hours=23, minutes=5))
    [alert] = ThresholdAlert.objects.all()
    assert (alert.period_start_on, alert.quantity, alert.threshold) == (date(2026, 3, 29), 80, 80)


def test_usage_of_the_last_minutes_of_a_period_is_found_after_its_end() -> None:
    acme = customer("acme", quota(100), time_zone="Europe/Berlin")
    midnight = datetime(2026, 3, 31, 22, tzinfo=UTC)
    use(acme, 100, at=midnight - MINUTE)
    monitor_thresholds(as_of=midnight + LOOK_BACK - MINUTE)
    assert set(ThresholdAlert.objects.values_list("period_start_on", flat=True)) == {date(2026, 3, 1)}
    assert "That month has ended since" in OutboundMail.objects.get().text


def test_a_period_that_ended_longer_ago_is_not_checked() -> None:
    acme = customer("acme", quota(100))
    midnight = datetime(2026, 4, 1, tzinfo=UTC)
    use(acme, 100, at=midnight - MINUTE)
    assert new_at(midnight + LOOK_BACK + MINUTE) == []


def test_thresholds_crossed_while_no_worker_ran_are_found_by_the_next_pass() -> None:
    acme = customer("acme", quota(100), quota(50, period=Period.DAY))
    evening = datetime(2026, 3, 31, 23, 50, tzinfo=UTC)
    run_monitor(started_by="schedule", as_of=evening)
    use(acme, 60, at=evening + MINUTE)
    use(acme, 40, at=evening + DAY)

    run_monitor(started_by="schedule", as_of=evening + 3 * DAY, tenant_ids=[])
    run_monitor(started_by="schedule", as_of=evening + 3 * DAY)

    found = ThresholdAlert.objects.order_by("period_start_on", "threshold")
    assert [(alert.quota_period, str(alert.period_start_on), alert.threshold) for alert in found] == [
        ("day", "2026-03-31", 80),
        ("day", "2026-03-31", 95),
        ("day", "2026-03-31", 100),
        ("day", "2026-04-01", 80),
    ]
    assert OutboundMail.objects.count() == 2


def test_a_pass_after_a_very_long_time_checks_only_some_weeks() -> None:
    acme = customer("acme", quota(50, period=Period.DAY))
    for days in (LOOK_BACK_MAX + DAY, LOOK_BACK_MAX):
        use(acme, 50, at=NOON - days)
    result = monitor_thresholds(as_of=NOON, last_pass_at=NOON - 300 * DAY)
    assert {alert.period.start_on for alert in result.alerts} == {(NOON - LOOK_BACK_MAX).date()}


def test_a_plan_that_begins_at_midnight_does_not_check_the_month_before() -> None:
    acme = customer("acme", quota(100_000))
    midnight = datetime(2026, 4, 1, tzinfo=UTC)
    use(acme, 5000, at=midnight - DAY)
    assign_usage_plan(tenant=acme, usage_plan=plan_of(quota(1000)), actor=OPERATOR, as_of=midnight)
    assert new_at(midnight + MINUTE) == []
    use(acme, 800, at=midnight + MINUTE)
    assert new_at(midnight + MINUTE) == [("acme", 80)]
    assert str(ThresholdAlert.objects.get().period_start_on) == "2026-04-01"


def test_a_pass_of_the_past_sees_no_later_days() -> None:
    acme = customer("acme", quota(100))
    use(acme, 90, at=NOON + DAY)
    assert new_at(NOON) == []
    assert new_at(NOON + DAY) == [("acme", 80)]


# Which tenants and events are not checked


def test_test_events_are_not_counted() -> None:
    acme = customer("acme", quota(100))
    use(acme, 500, at=NOON, is_live=False)
    use(acme, 79, at=NOON)
    assert new_at(NOON) == []


def test_a_quota_of_zero_has_no_threshold_to_cross() -> None:
    acme = customer("acme", quota(0))
    use(acme, 5, at=NOON)
    result = monitor_thresholds(as_of=NOON)
    assert (result.tenants, result.alerts) == (0, ())


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_a_tenant_without_permission_to_use_a_meter_is_not_warned(status: str) -> None:
    acme = customer("acme", quota(100), status=status)
    use(acme, 100, at=NOON)
    assert monitor_thresholds(as_of=NOON).tenants == 0
    Tenant.objects.filter(pk=acme.pk).update(status="active")
    assert len(new_at(NOON)) == 3


def test_alerts_of_one_tenant_do_not_depend_on_another() -> None:
    acme, rival, free = customer("acme", quota(100)), customer("rival", quota(100)), make_tenant("free")
    use(acme, 99, at=NOON)
    use(rival, 10, at=NOON)
    use(free, 1000, at=NOON)
    assert new_at(NOON) == [("acme", 80), ("acme", 95)]
    [mail] = OutboundMail.objects.all()
    assert (mail.tenant, mail.recipients) == (acme, ["owner@acme.example"])
    assert set(OutboxEvent.objects.values_list("tenant__slug", flat=True)) == {"acme"}


def test_a_pass_over_some_tenants_leaves_the_others() -> None:
    acme, rival = customer("acme", quota(100)), customer("rival", quota(100))
    for tenant in (acme, rival):
        use(tenant, 80, at=NOON)
    result = monitor_thresholds(as_of=NOON, tenant_ids=[rival.pk])
    assert (result.tenants, [alert.tenant for alert in result.alerts]) == (1, [rival])
    assert monitor_thresholds(as_of=NOON, tenant_ids=[]).tenants == 0
    assert new_at(NOON) == [("acme", 80)]
