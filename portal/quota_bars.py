"""Usage against the quotas of a tenant's usage plan, as bars with the forecast of the month."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from metering.domain.http_requests import API_REQUESTS
from metering.domain.ledger import TENANT_SCOPE
from metering.domain.limit_policy import Quota, counter_key
from metering.domain.periods import Period, Span, local_day, span_of
from metering.selectors.catalog import meter_rules
from metering.selectors.limits import tenant_limits, used_of
from metering.selectors.reservations import held_by_counter
from metering.selectors.usage import MeterMonth
from portal.access import Portal

_WARN_PERCENT: Final = 80
_FULL_PERCENT: Final = 100
_HUNDRED: Final = Decimal(100)
_ZERO: Final = Decimal(0)
Held = dict[tuple[str, Span], Decimal]
"""What reservations hold of a meter's quota in a period."""


@dataclass(frozen=True, slots=True)
class MeterBar:
    """A meter's month as a bar: whole percents of its limit, and its level of warning."""

    usage: MeterMonth
    percent: int
    forecast_percent: int
    level: str
    held: Decimal = _ZERO

    @property
    def is_refused(self) -> bool:
        """Return whether requests are refused now: a hard quota is used up."""
        return self.usage.is_limit_hard and self.usage.limit is not None and self.usage.quantity >= self.usage.limit

    @classmethod
    def of(cls, usage: MeterMonth, held: Decimal) -> "MeterBar":
        """Return the bar of a meter; its percents are 0 if it has no limit. `held` is what reservations hold of it."""
        share = usage.percent or Decimal(0)
        used = int(share.to_integral_value(ROUND_CEILING if share < 1 else ROUND_FLOOR))
        projected = int(usage.forecast.quantity * _HUNDRED / usage.limit) if usage.limit else 0
        level = "danger" if used >= _FULL_PERCENT else "warn" if max(used, projected) >= _WARN_PERCENT else ""
        return cls(usage, min(used, _FULL_PERCENT), min(projected, _FULL_PERCENT), level, held)


@dataclass(frozen=True, slots=True)
class PeriodBar:
    """The usage of a quota whose period is not the calendar month, in its current period."""

    meter: MeterMonth
    quota: Quota
    used: Decimal
    percent: int
    level: str
    held: Decimal
    next_first_day: date

    @classmethod
    def of(cls, meter: MeterMonth, quota: Quota, used: Decimal, held: Decimal, next_first_day: date) -> "PeriodBar":
        """Return the bar of a quota; a quota of 0 is always full."""
        percent = min(int(used * _HUNDRED / quota.limit), _FULL_PERCENT) if quota.limit else _FULL_PERCENT
        return cls(
            meter,
            quota,
            used,
            percent,
            "danger" if percent >= _FULL_PERCENT else "warn" if percent >= _WARN_PERCENT else "",
            held,
            next_first_day,
        )


def held_of(portal: Portal) -> Held:
    """Return what reservations hold of the tenant's quotas now."""
    codes = {rule.id: rule.code for rule in meter_rules()}
    held = held_by_counter(portal.ledger(is_live=True), TENANT_SCOPE, portal.as_of)
    return {(codes.get(meter_id, ""), Span(start, end)): amount for (meter_id, start, end), amount in held.items()}


def month_bars(portal: Portal, meters: Sequence[MeterMonth], held: Held) -> list[MeterBar]:
    """Return the bars of this month: those with a quota first, and of these API requests."""
    month = span_of(Period.MONTH, portal.as_of, portal.tenant.time_zone)
    return sorted(
        (MeterBar.of(meter, held.get((meter.meter, month), _ZERO)) for meter in meters),
        key=lambda bar: (bar.usage.limit is None, bar.usage.meter != API_REQUESTS, bar.usage.meter),
    )


def quota_bars(portal: Portal, meters: Sequence[MeterMonth], held: Held) -> list[PeriodBar]:
    """Return usage against the quotas by day, by week and by billing period."""
    zone = portal.tenant.time_zone
    of_tenant = [quota for quota in tenant_limits(portal.tenant.pk).quotas if not quota.is_of_each_subject]
    quotas = [quota for quota in of_tenant if quota.period is not Period.MONTH]
    if not quotas:
        return []
    counters = [counter_key(quota, portal.as_of, zone) for quota in quotas]
    used = used_of(portal.ledger(is_live=True), dict.fromkeys(counters))
    by_code = {meter.meter: meter for meter in meters}
    return [
        PeriodBar.of(
            by_code[quota.meter_code],
            quota,
            used[key],
            held.get((quota.meter_code, Span(key.period_start, key.period_end)), _ZERO),
            local_day(key.period_end, zone),
        )
        for quota, key in zip(quotas, counters, strict=True)
    ]
