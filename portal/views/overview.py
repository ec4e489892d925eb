"""A tenant's overview: the month against its limits, by day, and the last 24 hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import render

from accounts.domain.numbers import unit_name
from accounts.domain.roles import Capability
from accounts.selectors.directory import KeyLabel, key_labels
from metering.domain.http_requests import API_REQUESTS
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Quota
from metering.domain.periods import Period, YearMonth, is_in_reach, local_day, span_of
from metering.selectors.limits import tenant_limits, used_of
from metering.selectors.usage import (
    DayUsage,
    HourUsage,
    KeyUsage,
    MeterMonth,
    daily_usage,
    meter_named,
    monthly_usage,
    realtime_usage,
)
from portal.access import Portal, SignedInRequest, tenant_page
from portal.money_ahead import MoneyAhead, money_ahead

_WARN_PERCENT: Final = 80
_FULL_PERCENT: Final = 100
_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class MeterBar:
    """A meter's month as a bar: whole percents of its limit, and its level of warning."""

    usage: MeterMonth
    percent: int
    forecast_percent: int
    level: str

    @property
    def is_refused(self) -> bool:
        """Return whether requests are refused now: a hard quota is used up."""
        return self.usage.is_limit_hard and self.usage.limit is not None and self.usage.quantity >= self.usage.limit

    @classmethod
    def of(cls, usage: MeterMonth) -> "MeterBar":
        """Return the bar of a meter; its percents are 0 if it has no limit."""
        share = usage.percent or Decimal(0)
        used = int(share.to_integral_value(ROUND_CEILING if share < 1 else ROUND_FLOOR))
        projected = int(usage.forecast * _HUNDRED / usage.limit) if usage.limit else 0
        level = "danger" if used >= _FULL_PERCENT else "warn" if max(used, projected) >= _WARN_PERCENT else ""
        return cls(usage, min(used, _FULL_PERCENT), min(projected, _FULL_PERCENT), level)


@dataclass(frozen=True, slots=True)
class DayBar:
    """Today's usage of a daily quota."""

    meter: MeterMonth
    quota: Quota
    used: Decimal
    percent: int
    level: str

    @classmethod
    def of(cls, meter: MeterMonth, quota: Quota, used: Decimal) -> "DayBar":
        """Return the bar of a daily quota; a quota of 0 is always full."""
        percent = min(int(used * _HUNDRED / quota.limit), _FULL_PERCENT) if quota.limit else _FULL_PERCENT
        return cls(
            meter,
            quota,
            used,
            percent,
            "danger" if percent >= _FULL_PERCENT else "warn" if percent >= _WARN_PERCENT else "",
        )


@dataclass(frozen=True, slots=True)
class KeyBar:
    """The usage of one key, and its share of the busiest key's."""

    label: str
    quantity: Decimal
    percent: int


@tenant_page("overview")
def overview(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render usage against quota, the projection for the month, and charts by day and by hour."""
    ledger = portal.ledger(is_live=True)
    today = local_day(portal.as_of, portal.tenant.time_zone)
    month = _month(request.GET.get("month", ""), YearMonth.of(today))
    usage = monthly_usage(ledger=ledger, month=month, as_of=portal.as_of)
    shown = next((meter for meter in usage.meters if meter.meter == request.GET.get("meter")), None)
    main = shown or next(meter for meter in usage.meters if meter.meter == API_REQUESTS)
    rule = meter_named(main.meter)
    days = daily_usage(ledger=ledger, meter=rule, start=month.first_day(), end=month.plus(1).first_day())
    is_current = month == YearMonth.of(today)
    hours = realtime_usage(ledger=ledger, meter=rule, as_of=portal.as_of) if is_current else []
    context = {
        "portal": portal,
        "ahead": _money_ahead(portal) if is_current else None,
        "limits": tenant_limits(portal.tenant.pk),
        "day_bars": _day_bars(portal, usage.meters) if is_current else [],
        "month": month.first_day(),
        "previous_month": month.plus(-1),
        "next_first_day": month.plus(1).first_day(),
        "next_month": month.plus(1) if month < YearMonth.of(today) else None,
        "is_current": is_current,
        "bars": sorted(
            (MeterBar.of(meter) for meter in usage.meters),
            key=lambda bar: (bar.usage.limit is None, bar.usage.meter != API_REQUESTS, bar.usage.meter),
        ),
        "main": main,
        "today": next((day for day in days if day.date == today), None),
        "busiest_day": usage.busiest_day,
        "days": [day for day in days if day.date <= today],
        "days_chart": _days_chart(days, main),
        "hours": _local_hours(hours, ledger),
        "hours_chart": _hours_chart(hours, main, ledger),
        "keys": _key_bars(usage.keys, key_labels(tenant_id=portal.tenant.pk)),
        "is_empty": is_current and not any(meter.quantity for meter in usage.meters),
    }
    return render(request, "portal/overview.html", context)


def _money_ahead(portal: Portal) -> MoneyAhead | None:
    """Return the cost of the current period, for members who manage billing."""
    subscription = portal.standing.subscription
    if subscription is None or not portal.may[Capability.MANAGE_BILLING]:
        return None
    return money_ahead(subscription, portal.as_of)


def _month(text: str, current: YearMonth) -> YearMonth:
    """Return the requested month, or the current one if that is not a month or is in the future."""
    month = YearMonth.parse(text)
    return month if month is not None and month <= current and is_in_reach(month.plus(-1).first_day()) else current


def _day_bars(portal: Portal, meters: Sequence[MeterMonth]) -> list[DayBar]:
    """Return today's usage against the daily quotas."""
    quotas = [quota for quota in tenant_limits(portal.tenant.pk).quotas if quota.period is Period.DAY]
    if not quotas:
        return []
    today = span_of(Period.DAY, portal.as_of, portal.tenant.time_zone)
    counters = [CounterKey(quota.scope_id, quota.meter_id, today.start, today.end) for quota in quotas]
    used = used_of(portal.ledger(is_live=True), counters)
    by_code = {meter.meter: meter for meter in meters}
    return [DayBar.of(by_code[quota.meter_code], quota, used[key]) for quota, key in zip(quotas, counters, strict=True)]


def _days_chart(days: Sequence[DayUsage], meter: MeterMonth) -> dict[str, object]:
    series = {"name": meter.name, "values": [format(day.quantity, "f") for day in days], "is_forecast": False}
    labels = [day.date.strftime("%d %b") for day in days]
    return {
        "kind": "bar",
        "labels": labels,
        "unit": meter.unit,
        "unit_of_one": unit_name(meter.unit, 1),
        "is_stacked": False,
        "series": [series],
        "limit": None,
    }


def _local_hours(hours: Sequence[HourUsage], ledger: Ledger) -> list[tuple[str, Decimal]]:
    zone = ZoneInfo(ledger.time_zone)
    return [(hour.window_start.astimezone(zone).strftime("%a %H:%M"), hour.quantity) for hour in hours]


def _hours_chart(hours: Sequence[HourUsage], meter: MeterMonth, ledger: Ledger) -> dict[str, object]:
    local = _local_hours(hours, ledger)
    series = {"name": meter.name, "values": [format(quantity, "f") for _, quantity in local], "is_forecast": False}
    labels = [label for label, _ in local]
    return {
        "kind": "line",
        "labels": labels,
        "unit": meter.unit,
        "unit_of_one": unit_name(meter.unit, 1),
        "is_stacked": False,
        "series": [series],
        "limit": None,
    }


def _key_bars(keys: Sequence[KeyUsage], labels: Mapping[UUID, KeyLabel]) -> list[KeyBar]:
    largest = max((key.quantity for key in keys), default=Decimal(0))
    return [
        KeyBar(
            label=str(labels.get(key.api_key_id, key.api_key_id)) if key.api_key_id else "Imported, without a key",
            quantity=key.quantity,
            percent=int(key.quantity * _HUNDRED / largest) if largest else 0,
        )
        for key in keys[:6]
    ]
