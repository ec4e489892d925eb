"""Usage of a month, day and hour, compared with the sums of the events that were sent."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.domain.api_key import KeyKind
from accounts.errors import NotFoundError
from accounts.models import Tenant
from metering.domain.periods import YearMonth
from metering.errors import AmbiguousApiKeyError, UnknownMeterError
from metering.models import Meter, QuotaPeriod, UsagePlan, UsagePlanAssignment, UsagePlanQuota
from metering.selectors.usage import api_key_id_of, daily_usage, meter_named, monthly_usage, realtime_usage
from metering.services.voids import void_event
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_key, make_tenant, send

pytestmark = pytest.mark.django_db

# Half-hour offsets, and zones whose clocks change in March or April of 2026.
ZONES = [
    "UTC",
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "America/St_Johns",
]
START = datetime(2026, 3, 1, tzinfo=UTC)
AS_OF = datetime(2026, 4, 20, 12, 34, tzinfo=UTC)
MARCH = YearMonth(2026, 3)

instants = st.timedeltas(timedelta(days=-2), timedelta(days=40)).map(lambda since: START + since)


def requests(instants: list[datetime]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(n),
            "type": "http_request",
            "timestamp": at,
            "properties": {"response_length": n * 7, "status": 200 + n % 3},
        }
        for n, at in enumerate(instants)
    ]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(zone=st.sampled_from(ZONES), times=st.lists(instants, min_size=1, max_size=30))
def test_days_and_months_are_those_of_the_tenants_calendar(
    zone: str, times: list[datetime], rolled_back: Callable[[], Any]
) -> None:
    with rolled_back():
        ledger = ledger_of(make_tenant("acme", time_zone=zone))
        send(ledger, requests(times), as_of=AS_OF)
        days = [at.astimezone(ZoneInfo(zone)).date() for at in times]
        rows = daily_usage(
            ledger=ledger, meter=meter_named("api_requests"), start=date(2026, 2, 20), end=date(2026, 4, 20)
        )
        assert [row.date for row in rows] == [date(2026, 2, 20) + timedelta(days=n) for n in range(59)]
        assert {row.date: row.events for row in rows if row.events} == {day: days.count(day) for day in set(days)}
        assert all(row.quantity == row.events for row in rows)
        month = monthly_usage(ledger=ledger, month=MARCH, as_of=AS_OF)
        in_march = [n for n, day in enumerate(days) if (day.year, day.month) == MARCH]
        quantities = {meter.meter: meter.quantity for meter in month.meters}
        assert quantities == {"api_requests": len(in_march), "api_bytes": sum(n * 7 for n in in_march)}
        counts = {days[n]: sum(days[n] == days[m] for m in in_march) for n in in_march}
        assert month.busiest_day == min(counts, key=lambda day: (-counts[day], day), default=None)
        assert month.period.start.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == datetime(2026, 3, 1)  # noqa: DTZ001 - wall clock
        assert all(meter.forecast.quantity == meter.quantity for meter in month.meters), "the month is over"


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(ages=st.lists(st.timedeltas(timedelta(0), timedelta(hours=26)), max_size=20))
def test_the_last_24_hours_are_the_same_with_and_without_a_key(
    ages: list[timedelta], rolled_back: Callable[[], Any]
) -> None:
    with rolled_back():
        tenant = make_tenant("acme", time_zone="Asia/Kolkata")
        key = make_key(tenant)[0].id
        times = [AS_OF - age for age in ages]
        send(ledger_of(tenant), requests(times), as_of=AS_OF, api_key_id=key)
        meter = meter_named("api_bytes")
        hours = realtime_usage(ledger=ledger_of(tenant), meter=meter, as_of=AS_OF)
        running = AS_OF.replace(minute=0, second=0, microsecond=0)
        assert [hour.window_start for hour in hours] == [running - timedelta(hours=23 - n) for n in range(24)]
        for hour in hours:
            inside = [
                n * 7 for n, at in enumerate(times) if hour.window_start <= at < hour.window_start + timedelta(hours=1)
            ]
            assert hour.quantity == sum(inside)
        assert realtime_usage(ledger=ledger_of(tenant), meter=meter, as_of=AS_OF, api_key_id=key) == hours
        nothing = realtime_usage(ledger=ledger_of(tenant), meter=meter, as_of=AS_OF, api_key_id=uuid4())
        assert [hour.quantity for hour in nothing] == [0] * 24


def test_usage_of_a_month_is_by_key_and_without_voided_events() -> None:
    tenant = make_tenant("acme")
    ledger, key = ledger_of(tenant), make_key(tenant)[0].id
    only_voided = make_key(tenant)[0].id
    send(ledger, requests([START, START + timedelta(days=1)]), as_of=AS_OF, api_key_id=key)
    send(ledger, [{"id": "imported", "type": "http_request", "timestamp": START}], as_of=AS_OF)
    send(
        ledger,
        [{"id": "wrong", "type": "http_request", "timestamp": START + timedelta(days=9)}],
        as_of=AS_OF,
        api_key_id=only_voided,
    )
    void_event(ledger=ledger, event_id="wrong", reason="wrong", voided_by="test", as_of=AS_OF)
    month = monthly_usage(ledger=ledger, month=MARCH, as_of=AS_OF)
    assert [(one.api_key_id, one.quantity) for one in month.keys] == [(key, 2), (None, 1)]
    assert month.busiest_day == START.date()
    assert (
        sum(one.quantity for one in month.keys)
        == {meter.meter: meter.quantity for meter in month.meters}["api_requests"]
    )
    [first, *_] = daily_usage(
        ledger=ledger, meter=meter_named("api_requests"), start=START.date(), end=date(2026, 3, 2), api_key_id=key
    )
    assert (first.quantity, first.events) == (1, 1)


def assign_plan(tenant: Tenant, **limits: tuple[str, int, bool]) -> None:
    plan = UsagePlan.objects.create(code="trial", name="Trial", created_at=LONG_AGO)
    for code, (period, limit, is_hard) in limits.items():
        UsagePlanQuota.objects.create(
            usage_plan=plan, meter=Meter.objects.get(code=code), period=period, limit=Decimal(limit), is_hard=is_hard
        )
    UsagePlanAssignment.objects.create(tenant=tenant, usage_plan=plan, assigned_at=LONG_AGO)


def test_usage_of_the_running_month_has_its_monthly_quota_and_a_projection() -> None:
    tenant = make_tenant("acme")
    assign_plan(tenant, api_requests=(QuotaPeriod.MONTH, 80, True), api_bytes=(QuotaPeriod.DAY, 1, True))
    as_of = START + timedelta(days=10, hours=8)  # a third of March
    send(ledger_of(tenant), requests([START + timedelta(days=number) for number in range(10)]), as_of=as_of)
    in_bytes, in_requests = monthly_usage(ledger=ledger_of(tenant), month=MARCH, as_of=as_of).meters
    assert (in_requests.quantity, in_requests.limit, in_requests.percent, in_requests.forecast.quantity) == (
        10,
        80,
        Decimal("12.50"),
        30,
    )
    assert in_requests.is_limit_hard
    assert (in_bytes.limit, in_bytes.percent) == (None, None), "a quota by day says nothing of a month"


def test_a_limit_of_zero_has_no_percentage() -> None:
    tenant = make_tenant("acme")
    assign_plan(tenant, api_requests=(QuotaPeriod.MONTH, 0, False))
    month = monthly_usage(ledger=ledger_of(tenant), month=MARCH, as_of=AS_OF)
    assert [(meter.limit, meter.percent) for meter in month.meters] == [(None, None), (0, None)]
    assert (month.keys, month.busiest_day) == ((), None)


def test_usage_of_a_month_takes_two_statements(django_assert_max_num_queries: Any) -> None:
    ledger = ledger_of(make_tenant("acme"))
    # The meters and their limits; the sums go beside Django's cursor. A catalogue older than a second takes three more.
    with django_assert_max_num_queries(4):
        monthly_usage(ledger=ledger, month=MARCH, as_of=AS_OF)


def test_only_the_tenant_sees_its_usage() -> None:
    acme, globex = make_tenant("acme"), make_tenant("globex")
    send(ledger_of(acme), requests([AS_OF]), as_of=AS_OF)
    for ledger in (ledger_of(globex), ledger_of(acme, is_live=False)):
        meter = meter_named("api_requests")
        assert not any(
            row.events for row in daily_usage(ledger=ledger, meter=meter, start=AS_OF.date(), end=date(2026, 4, 22))
        )
        assert not any(hour.quantity for hour in realtime_usage(ledger=ledger, meter=meter, as_of=AS_OF))
        assert monthly_usage(ledger=ledger, month=YearMonth(2026, 4), as_of=AS_OF).keys == ()


def test_a_key_is_named_by_its_id_or_by_an_unambiguous_prefix() -> None:
    acme, globex = make_tenant("acme"), make_tenant("globex")
    first, foreign, service = make_key(acme)[0], make_key(globex)[0], make_key(None, kind=KeyKind.SERVICE)[0]
    assert api_key_id_of(tenant_id=acme.id, text=str(first.id)) == first.id
    assert api_key_id_of(tenant_id=acme.id, text=first.prefix) == first.id
    assert api_key_id_of(tenant_id=acme.id, text=str(service.id)) == service.id
    for stranger in (str(foreign.id), str(uuid4()), "ch_live_", ""):
        with pytest.raises(NotFoundError):
            api_key_id_of(tenant_id=acme.id, text=stranger)
    make_key(acme, prefix=first.prefix)
    with pytest.raises(AmbiguousApiKeyError):
        api_key_id_of(tenant_id=acme.id, text=first.prefix)
    assert api_key_id_of(tenant_id=acme.id, text=str(first.id)) == first.id


def test_an_unknown_meter_is_refused_by_name() -> None:
    with pytest.raises(UnknownMeterError, match="nonesuch"):
        meter_named("nonesuch")
