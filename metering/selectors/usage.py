"""Usage for tenants: the month against its limits, by day and by hour.

It is read from the rollups, which contain every acknowledged event; so the numbers are exact and current.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from uuid import UUID

from django.db.models import OuterRef, Subquery

from accounts.errors import NotFoundError
from accounts.models import ApiKey
from accounts.selectors.api_keys import key_ids_named
from accounts.sql import fetch_all
from metering.domain.aggregations.registry import aggregation_named
from metering.domain.forecasting import Forecast, PastDays, counted, forecast_usage
from metering.domain.http_requests import API_REQUESTS
from metering.domain.ledger import NO_KEY, Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import (
    Span,
    YearMonth,
    calendar_days,
    days_between,
    last_24_hours,
    local_day,
    month_span,
    start_of_day,
)
from metering.domain.windows import Window
from metering.errors import AmbiguousApiKeyError, EventsDeletedError, UnknownMeterError
from metering.models import LimitScopes, Meter, QuotaPeriod, UsagePlanQuota
from metering.selectors.aggregation_sql import collected
from metering.selectors.catalog import meter_rules, rules_in_rollups
from metering.selectors.past_days import past_days
from metering.selectors.usage_query import API_KEY, UsageQuestion, query_usage

_PERCENT_STEP: Final = Decimal("0.01")
# The result of GROUPING() for the three sets below, by the columns that a set leaves out.
_BY_KEY, _BY_DAY, _TOTAL = 1, 2, 3


@dataclass(frozen=True, slots=True)
class MeterMonth:
    """A meter's usage in a month against the tenant's monthly quota.

    `forecast` is that of the whole month.
    """

    meter: str
    name: str
    unit: str
    quantity: Decimal
    limit: Decimal | None
    is_limit_hard: bool
    forecast: Forecast

    @property
    def percent(self) -> Decimal | None:
        """Return the used percentage of the limit, to two places; None without a limit, or with a limit of 0."""
        if not self.limit:
            return None
        return (self.quantity * 100 / self.limit).quantize(_PERCENT_STEP, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """One key's usage of the default meter; `api_key_id` is None for events that no key sent."""

    api_key_id: UUID | None
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class MonthlyUsage:
    """A month of the tenant's time zone."""

    period: Span
    meters: tuple[MeterMonth, ...]
    keys: tuple[KeyUsage, ...]
    busiest_day: date | None


@dataclass(frozen=True, slots=True)
class DayUsage:
    """A meter's usage on one day of the tenant's time zone."""

    date: date
    quantity: Decimal
    events: int


@dataclass(frozen=True, slots=True)
class HourUsage:
    """A meter's usage in one hour of UTC."""

    window_start: datetime
    quantity: Decimal


def meter_named(code: str) -> MeterRule:
    """Return the meter's rule. Raises `UnknownMeterError`."""
    for rule in meter_rules():
        if rule.code == code:
            return rule
    raise UnknownMeterError(f"No meter has the code {code[:100]!r}.")


def api_key_id_of(*, tenant_id: UUID, text: str) -> UUID:
    """Return the id of the key that a request names by its id or by its first 12 characters.

    Raises `NotFoundError`, also for another tenant's key, and `AmbiguousApiKeyError` if several keys begin alike.
    A service key belongs to no tenant and is named by its id only.
    """
    found = key_ids_named(tenant_id=tenant_id, name=text) or _service_key_ids(text)
    if not found:
        raise NotFoundError("There is no such API key.")
    if len(found) > 1:
        raise AmbiguousApiKeyError("Several keys begin with these 12 characters. Give the key's id.")
    return found[0]


def _service_key_ids(text: str) -> list[UUID]:
    try:
        key_id = UUID(text)
    except ValueError:
        return []
    return list(ApiKey.objects.filter(id=key_id, tenant=None).values_list("id", flat=True))


def monthly_usage(*, ledger: Ledger, month: YearMonth, as_of: datetime) -> MonthlyUsage:
    """Return every meter's month with limits and forecast, and the default meter's usage by key and busiest day."""
    period = month_span(month, ledger.time_zone)
    totals, keys, days = _month_sums(ledger, month, meter_named(API_REQUESTS).id)
    quantities = totals | _read_from_events(ledger, period, totals, as_of)
    return MonthlyUsage(
        period=period,
        meters=tuple(_meter_months(ledger, quantities, period, as_of)),
        keys=tuple(
            KeyUsage(None if key == NO_KEY else key, keys[key])
            for key in sorted(keys, key=lambda key: (-keys[key], key))
        ),
        busiest_day=min(days, key=lambda day: (-days[day], day), default=None),
    )


def _month_sums(
    ledger: Ledger, month: YearMonth, meter_id: int
) -> tuple[dict[int, Decimal], dict[UUID, Decimal], dict[date, Decimal]]:
    """Return the month's quantities by meter, and one meter's by key and by day.

    Reads the rollup once for each way to merge it.
    """
    meters: dict[str, list[int]] = defaultdict(list)
    kinds = {rule.id: rule.aggregation for rule in rules_in_rollups()}
    for rule in rules_in_rollups():
        meters[collected(rule.aggregation.code, quantity="quantity")].append(rule.id)
    rows = [
        (*place, kinds[place[1]].quantity_of(quantity, int(events)))
        for expression, meter_ids in meters.items()
        for *place, quantity, events in fetch_all(
            f"SELECT grouping(api_key_id, day), meter_id, api_key_id, day, {expression}, sum(events) FROM usage_day"
            " WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND meter_id = ANY(%(meters)s)"
            " AND day >= %(start)s AND day < %(end)s"
            " GROUP BY GROUPING SETS ((meter_id), (meter_id, api_key_id), (meter_id, day))"
            " HAVING sum(events) <> 0 AND (grouping(api_key_id, day) = 3 OR meter_id = %(meter_id)s)",
            {
                "tenant_id": ledger.tenant_id,
                "is_live": ledger.is_live,
                "meters": meter_ids,
                "meter_id": meter_id,
                "start": month.first_day(),
                "end": month.plus(1).first_day(),
            },
        )
    ]
    return (
        {meter: quantity for kind, meter, _, _, quantity in rows if kind == _TOTAL},
        {key: quantity for kind, _, key, _, quantity in rows if kind == _BY_KEY},
        {day: quantity for kind, _, _, day, quantity in rows if kind == _BY_DAY},
    )


def _read_from_events(
    ledger: Ledger, period: Span, counted: Collection[int], as_of: datetime
) -> dict[int, Decimal | None]:
    """Return the month's quantities, by meter id, of the meters that the rollups do not keep.

    `counted` are the meters that counted anything: types of which they say that no event came are not looked for. After
    the month's events were deleted there are none to read: None.
    """
    quantities: dict[int, Decimal | None] = {}
    for rule in meter_rules():
        if rule.is_in_rollups or _has_no_events(rule, counted):
            continue
        try:
            rows = query_usage(ledger=ledger, question=UsageQuestion(rule, period, Window.MONTH, until=as_of))
        except EventsDeletedError:
            quantities[rule.id] = None
        else:
            quantities.update((rule.id, row.quantity) for row in rows)
    return quantities


def _has_no_events(rule: MeterRule, counted: Collection[int]) -> bool:
    """Return whether a meter of all events of this type, at least as old, counted none."""
    return any(
        other.event_type == rule.event_type
        and not other.filters
        and not rule.aggregation.lasts
        and not other.aggregation.needs_value
        and other.is_filled
        and other.counts_from <= rule.counts_from
        and other.id not in counted
        for other in rules_in_rollups()
    )


def _meter_months(
    ledger: Ledger, quantities: Mapping[int, Decimal | None], period: Span, as_of: datetime
) -> list[MeterMonth]:
    """Return each meter's month. A meter whose quantity is None is left out."""
    quotas = UsagePlanQuota.objects.filter(
        meter=OuterRef("pk"),
        period=QuotaPeriod.MONTH,
        scope=LimitScopes.TENANT,
        usage_plan__assignments__tenant_id=ledger.tenant_id,
    )
    meters = Meter.objects.order_by("code").values_list(
        "pk",
        "code",
        "name",
        "unit",
        "aggregation",
        Subquery(quotas.values("limit")[:1]),
        Subquery(quotas.values("is_hard")[:1]),
    )
    pks = [rule.id for rule in rules_in_rollups() if rule.aggregation.is_divisible]
    past = past_days(ledger=ledger, meter_ids=pks, as_of=as_of) if period.contains(as_of) else {}
    weekdays = [day.weekday() for day in days_between(as_of, period.end, ledger.time_zone)]
    months = []
    for pk, code, name, unit, aggregation, limit, is_hard in meters:
        quantity = quantities.get(pk, Decimal(0))
        if quantity is None:
            continue
        ahead = counted(quantity)
        if aggregation_named(aggregation).is_divisible:
            days = past.get(pk, PastDays())
            ahead = forecast_usage(quantity, span=period, as_of=as_of, past=days, weekdays_ahead=weekdays)
        months.append(MeterMonth(code, name, unit, quantity, limit, bool(is_hard), ahead))
    return months


def daily_usage(
    *,
    ledger: Ledger,
    meter: MeterRule,
    start: date,
    end: date,
    until: datetime | None = None,
    api_key_id: UUID | None = None,
) -> list[DayUsage]:
    """Return the meter's usage on each day from `start` to `end`, which is excluded, days without usage included.

    `until` is when the levels end that are still reported.
    """
    question = UsageQuestion(
        meter=meter,
        span=Span(start_of_day(start, ledger.time_zone), start_of_day(end, ledger.time_zone)),
        window=Window.DAY,
        filters=_of_key(api_key_id),
        until=until,
    )
    rows = query_usage(ledger=ledger, question=question)
    used = {local_day(row.window_start, ledger.time_zone): row for row in rows}
    return [
        DayUsage(day, used[day].quantity, used[day].events) if day in used else DayUsage(day, Decimal(0), 0)
        for day in calendar_days(start, end)
    ]


def _of_key(api_key_id: UUID | None) -> dict[str, list[str]]:
    return {} if api_key_id is None else {API_KEY: [str(api_key_id)]}


def realtime_usage(
    *, ledger: Ledger, meter: MeterRule, as_of: datetime, api_key_id: UUID | None = None
) -> list[HourUsage]:
    """Return the meter's usage in each of the last 24 hours of UTC, the current one last."""
    hours = last_24_hours(as_of)
    question = UsageQuestion(
        meter=meter,
        span=Span(hours[0].start, hours[-1].end),
        window=Window.HOUR,
        filters=_of_key(api_key_id),
        until=as_of,
    )
    used = {row.window_start: row.quantity for row in query_usage(ledger=ledger, question=question)}
    return [HourUsage(hour.start, used.get(hour.start, Decimal(0))) for hour in hours]
