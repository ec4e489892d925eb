"""Usage as a table of windows and series, computed once for both the table and the chart of the page.

If there are many groups, the largest are shown by name and the rest as one series, so that each row still adds up.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Final
from zoneinfo import ZoneInfo

from accounts.domain.numbers import unit_name
from metering.domain.windows import Window
from metering.selectors.usage_query import UsageRow

SERIES_MAX: Final = 7
OTHERS: Final = "All others"
NONE: Final = "(none)"
ZERO: Final = Decimal(0)
Merge = Callable[[Decimal, Decimal], Decimal]
_LABEL_FORMATS: Final = {Window.HOUR: "%d %b, %H:%M", Window.DAY: "%d %b", Window.MONTH: "%b %Y"}
_TITLE_FORMATS: Final = {Window.HOUR: "%a %d %b %Y, %H:%M", Window.DAY: "%a %d %b %Y", Window.MONTH: "%B %Y"}


@dataclass(frozen=True, slots=True)
class UsageTableRow:
    """One window: a quantity for each series, and that of all of them."""

    start: datetime
    label: str
    title: str
    cells: tuple[Decimal, ...]
    total: Decimal


@dataclass(frozen=True, slots=True)
class UsageTable:
    """Windows in order, series by descending total."""

    series: tuple[str, ...]
    rows: tuple[UsageTableRow, ...]
    totals: tuple[Decimal, ...]
    total: Decimal


def usage_table(
    *,
    usage: Sequence[UsageRow],
    starts: Sequence[datetime],
    window: Window,
    time_zone: str,
    group_by: str,
    unit: str,
    names: Mapping[str, str],
    merge: Merge,
) -> UsageTable:
    """Return the table of `usage`, with a row for each of `starts`.

    `names` maps a group's value to its name, `merge` is the meter's aggregation.
    """
    by_series: dict[str, dict[datetime, Decimal]] = defaultdict(dict)
    for row in usage:
        value = row.group.get(group_by) if group_by else unit
        series = NONE if value is None else names.get(value, value)
        _merge_into(by_series[series], row.window_start, row.quantity, merge)
    quantities = _largest(by_series, merge) or {unit: {}}
    rows = tuple(_row(start, quantities, window, ZoneInfo(time_zone), merge) for start in starts)
    totals = tuple(_whole((row.cells[position] for row in rows), merge) for position in range(len(quantities)))
    return UsageTable(tuple(quantities), rows, totals, _whole(totals, merge))


def chart_of(table: UsageTable, *, unit: str, kind: str = "bar", limit: Decimal | None = None) -> dict[str, object]:
    """Return the table for `static/portal/charts.js`; quantities are strings, since JSON's numbers are not exact."""
    return {
        "kind": kind,
        "labels": [row.label for row in table.rows],
        "unit": unit,
        "unit_of_one": unit_name(unit, 1),
        "is_stacked": len(table.series) > 1,
        "series": [
            {"name": name, "values": [format(row.cells[position], "f") for row in table.rows], "is_forecast": False}
            for position, name in enumerate(table.series)
        ],
        "limit": None if limit is None else {"value": format(limit, "f"), "label": "Quota"},
    }


def _whole(quantities: Iterable[Decimal], merge: Merge) -> Decimal:
    return reduce(merge, quantities, ZERO)


def _merge_into(quantities: dict[datetime, Decimal], start: datetime, quantity: Decimal, merge: Merge) -> None:
    quantities[start] = merge(quantities[start], quantity) if start in quantities else quantity


def _largest(
    by_series: Mapping[str, Mapping[datetime, Decimal]], merge: Merge
) -> dict[str, Mapping[datetime, Decimal]]:
    """Return the series with the largest totals; the others are merged under one name."""
    ordered = sorted(by_series, key=lambda name: (-_whole(by_series[name].values(), merge), name))
    if len(ordered) <= SERIES_MAX:
        return {name: by_series[name] for name in ordered}
    others: dict[datetime, Decimal] = {}
    for name in ordered[SERIES_MAX - 1 :]:
        for start, quantity in by_series[name].items():
            _merge_into(others, start, quantity, merge)
    return {name: by_series[name] for name in ordered[: SERIES_MAX - 1]} | {OTHERS: others}


def _row(
    start: datetime,
    quantities: Mapping[str, Mapping[datetime, Decimal]],
    window: Window,
    zone: ZoneInfo,
    merge: Merge,
) -> UsageTableRow:
    cells = tuple(series.get(start, ZERO) for series in quantities.values())
    local = start.astimezone(zone)
    return UsageTableRow(
        start,
        local.strftime(_LABEL_FORMATS[window]),
        local.strftime(_TITLE_FORMATS[window]),
        cells,
        _whole(cells, merge),
    )
