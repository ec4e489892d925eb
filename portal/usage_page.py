"""The tables of the page of usage: the parts of a period by group, and its windows, the newest first, with their links.

A window leads to its shorter windows, and an hour to its events.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from urllib.parse import urlencode

from django.http import QueryDict

from accounts.domain.numbers import counted, shortened
from billing.domain.money import EXACT, rate_text, to_major
from billing.domain.usage_cost import included_units
from metering.domain.limit_policy import Quota
from metering.domain.periods import Period, local_day
from metering.domain.windows import Window
from portal.forms.usage import UsageRequest
from portal.periods import BILLING, CUSTOM, LAST_BILLING, LAST_MONTH, THIS_MONTH, Border
from portal.usage_reading import Costs, ReadUsage, sum_of
from portal.usage_table import ChartLine, UsageTable, UsageTableRow, name_of_group

PARTS_MAX: Final = 100
_ZERO: Final = Decimal(0)
_HUNDRED: Final = Decimal(100)
_TENTH: Final = Decimal("0.1")
_DAY: Final = timedelta(days=1)
_LOTS: Final = (1, 1_000, 1_000_000, 1_000_000_000)
_READABLE_FROM: Final = Decimal("0.01")
_SHORTER: Final = {Window.MONTH: Window.DAY, Window.DAY: Window.HOUR}
# The periods of quotas whose usage is what a period of the page sums up.
_QUOTA_PERIODS: Final = {
    BILLING: Period.BILLING,
    LAST_BILLING: Period.BILLING,
    THIS_MONTH: Period.MONTH,
    LAST_MONTH: Period.MONTH,
}


@dataclass(frozen=True, slots=True)
class Delta:
    """The change from the period before: in percent, None from nothing; and its direction."""

    percent: Decimal | None
    is_up: bool
    is_same: bool

    @classmethod
    def of(cls, now: Decimal, before: Decimal) -> "Delta":
        """Return the change from one quantity to another."""
        percent = None
        if before:
            percent = EXACT.divide(abs(now - before) * _HUNDRED, abs(before)).quantize(_TENTH, ROUND_HALF_UP)
        return cls(percent, now > before, now == before)


@dataclass(frozen=True, slots=True)
class GroupPart:
    """One group of a period: its quantity, share, amount and average price, and the change from the period before."""

    name: str
    quantity: Decimal
    share: Decimal | None
    amount_minor: int | None
    price: str
    before: Decimal | None
    delta: Delta | None


@dataclass(frozen=True, slots=True)
class ShownWindow:
    """A row of the table of windows: the address of its details, its cost, and the quantity of the period before."""

    row: UsageTableRow
    url: str
    amount_minor: int | None
    before: Decimal | None
    border: str


def parts_of(wanted: UsageRequest, read: ReadUsage, names: Mapping[str, str], unit: str) -> tuple[list[GroupPart], int]:
    """Return the largest groups of a request, and how many are left out."""
    quantities: dict[tuple[str | None, ...], Decimal] = defaultdict(Decimal)
    amounts: dict[tuple[str | None, ...], int] = defaultdict(int)
    has_amounts = read.costs is not None and read.totals is None and not read.costs.problem
    source = read.rows if read.totals is None else read.totals.by_group
    for number, row in enumerate(source):
        group = tuple(row.group.values())
        quantities[group] = EXACT.add(quantities[group], row.quantity)
        if has_amounts and read.costs is not None:
            amounts[group] += read.costs.amounts_minor[number]
    whole = sum_of(list(quantities.values())) if read.totals is None else _ZERO
    ordered = sorted(quantities, key=lambda group: (-quantities[group], [value or "" for value in group]))
    before = read.before_by_group
    parts = []
    for group in ordered[:PARTS_MAX]:
        quantity, amount = quantities[group], amounts[group] if has_amounts else None
        earlier = None if before is None else before.get(group, _ZERO)
        parts.append(
            GroupPart(
                name=name_of_group(dict(zip(wanted.group_by, group, strict=True)), wanted.group_by, names),
                quantity=quantity,
                share=share_of(quantity, whole),
                amount_minor=amount,
                price=average_price(read.costs, quantity, amount, unit),
                before=earlier,
                delta=None if earlier is None else Delta.of(quantity, earlier),
            )
        )
    return parts, max(len(ordered) - PARTS_MAX, 0)


def share_of(quantity: Decimal, whole: Decimal) -> Decimal | None:
    """Return the percentage of the whole, to one place; None of nothing."""
    return EXACT.divide(quantity * _HUNDRED, whole).quantize(_TENTH, ROUND_HALF_UP) if whole > 0 else None


def average_price(costs: Costs | None, quantity: Decimal, amount_minor: int | None, unit: str) -> str:
    """Return what a unit cost on average, for as many units as make it readable; empty if it is not known."""
    if costs is None or amount_minor is None or quantity <= 0:
        return ""
    each = EXACT.divide(to_major(amount_minor, costs.currency), quantity)
    lot = next((lot for lot in _LOTS if each * lot >= _READABLE_FROM), _LOTS[-1]) if each else 1
    return f"{rate_text(shortened(EXACT.multiply(each, Decimal(lot))), costs.currency)} per {counted(lot, unit)}"


def windows_of(
    wanted: UsageRequest, table: UsageTable, read: ReadUsage, *, borders: Sequence[Border], query: QueryDict, zone: str,
    events_url: str,
) -> list[ShownWindow]:  # fmt: skip
    """Return a row for each window, the newest first."""
    amounts: dict[datetime, int] = defaultdict(int)
    has_amounts = read.costs is not None and read.totals is None and not read.costs.problem
    if has_amounts and read.costs is not None:
        for row, minor in zip(read.rows, read.costs.amounts_minor, strict=True):
            amounts[row.window_start] += minor
    marks = _marks(table.rows, borders)
    shown = [
        ShownWindow(
            row,
            window_url(wanted, row.start, query=query, zone=zone, events_url=events_url),
            amounts[row.start] if has_amounts else None,
            read.before[number] if number < len(read.before) else None,
            marks.get(row.start, ""),
        )
        for number, row in enumerate(table.rows)
    ]
    return shown[::-1]


def window_url(wanted: UsageRequest, start: datetime, *, query: QueryDict, zone: str, events_url: str) -> str:
    """Return the address of the windows within a window, or of the events of an hour."""
    shorter = _SHORTER.get(wanted.window)
    if shorter is None:
        end = start + timedelta(hours=1)
        asked = {"type": wanted.meter.event_type, "start": _instant(start), "end": _instant(end)}
        if not wanted.is_live:
            asked["ledger"] = "test"
        return f"{events_url}?{urlencode(asked)}"
    first = local_day(max(start, wanted.span.start), zone)
    last = first if shorter is Window.HOUR else local_day(wanted.span.end - timedelta(microseconds=1), zone)
    if wanted.window is Window.MONTH:
        next_month = (first.replace(day=1) + 32 * _DAY).replace(day=1)
        last = min(last, next_month - _DAY)
    kept = query.copy()
    for name in ("page", "invoice", "line"):
        kept.pop(name, None)
    kept["meter"], kept["period"], kept["window"] = wanted.meter.code, CUSTOM, shorter.value
    kept["start"], kept["end"] = first.isoformat(), last.isoformat()
    return f"?{kept.urlencode()}"


def lines_of_chart(wanted: UsageRequest, read: ReadUsage, quotas: Iterable[Quota]) -> list[ChartLine]:
    """Return the included units and the quotas that the sum of the period is compared with."""
    lines = [ChartLine(included, "Included") for included in included_of(read)]
    period = _QUOTA_PERIODS.get(wanted.period)
    lines += [
        ChartLine(quota.limit, "Quota")
        for quota in quotas
        if quota.meter_code == wanted.meter.code and quota.period is period and not quota.is_of_each_subject
    ]
    return lines


def included_of(read: ReadUsage) -> list[Decimal]:
    """Return the units that the price of the period includes, if the whole span has one."""
    prices = {one.price.id: one.price for one in (read.costs.priced if read.costs else ()) if one.price is not None}
    if len(prices) != 1:
        return []
    [price] = prices.values()
    included = included_units(price)
    return [] if included is None else [included]


def _marks(rows: Sequence[UsageTableRow], borders: Sequence[Border]) -> dict[datetime, str]:
    """Return the border that falls into each window, by the window's start."""
    marks = {}
    for border in borders:
        begun = [row.start for row in rows if row.start <= border.at]
        if begun:
            marks[begun[-1]] = border.label
    return marks


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
