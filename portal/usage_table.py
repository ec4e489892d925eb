"""Usage as a table of windows and series, computed once for both the table and the chart of the page.

If there are many groups, the largest are shown by name. Of a meter whose quantities add up, the rest is one series, so
that each row still adds up; of any other, totals are those that the caller read, and the rest is counted.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Final
from zoneinfo import ZoneInfo

from accounts.domain.numbers import unit_name
from metering.domain.quantities import EXACT
from metering.domain.windows import Window
from metering.selectors.usage_query import UsageRow
from portal.periods import Border

SERIES_MAX: Final = 7
OTHERS: Final = "All others"
NONE: Final = "(none)"
BETWEEN: Final = " \N{MIDDLE DOT} "
BEFORE: Final = "The period before"
ZERO: Final = Decimal(0)
_LABEL_FORMATS: Final = {Window.HOUR: "%d %b, %H:%M", Window.DAY: "%d %b", Window.MONTH: "%b %Y"}
_TITLE_FORMATS: Final = {Window.HOUR: "%a %d %b %Y, %H:%M", Window.DAY: "%a %d %b %Y", Window.MONTH: "%B %Y"}


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A level across a chart, such as a quota."""

    value: Decimal
    label: str


@dataclass(frozen=True, slots=True)
class UsageTableRow:
    """One window: a quantity for each series, and that of all of them."""

    start: datetime
    label: str
    title: str
    cells: tuple[Decimal, ...]
    total: Decimal


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """The quantities of a meter whose quantities do not add up: of all groups, of each group, and of the whole."""

    by_window: Sequence[UsageRow]
    by_group: Sequence[UsageRow]
    whole: Sequence[UsageRow]


@dataclass(frozen=True, slots=True)
class UsageTable:
    """Windows in order, series by descending total; `more` series are not shown.

    `adds_up`: the series of a window come to its total.
    """

    series: tuple[str, ...]
    rows: tuple[UsageTableRow, ...]
    totals: tuple[Decimal, ...]
    total: Decimal
    more: int = 0
    adds_up: bool = True


def usage_table(
    *,
    usage: Sequence[UsageRow],
    starts: Sequence[datetime],
    window: Window,
    time_zone: str,
    group_by: Sequence[str],
    unit: str,
    names: Mapping[str, str],
    totals: UsageTotals | None = None,
) -> UsageTable:
    """Return the table of `usage`, with a row for each of `starts`.

    `names` maps a group's value to its name. Without `totals` the quantities are added up.
    """

    def series_of(row: UsageRow) -> str:
        return name_of_group(row.group, group_by, names) if group_by else unit

    by_series: dict[str, dict[datetime, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in usage:
        _add(by_series[series_of(row)], row.window_start, row.quantity)
    if totals is None:
        of_series = {name: _sum(quantities.values()) for name, quantities in by_series.items()}
        of_windows, whole = None, _sum(of_series.values())
    else:
        of_series = {series_of(row): row.quantity for row in totals.by_group}
        of_windows = {row.window_start: row.quantity for row in totals.by_window}
        whole = _sum(row.quantity for row in totals.whole)
    shown, more = _largest(by_series, of_series, is_folded=totals is None)
    shown = shown or {unit: {}}
    zone = ZoneInfo(time_zone)
    return UsageTable(
        series=tuple(shown),
        rows=tuple(_row(start, shown, window, zone, of_windows) for start in starts),
        totals=tuple(of_series.get(name, _sum(quantities.values())) for name, quantities in shown.items()),
        total=whole,
        more=more,
        adds_up=totals is None,
    )


def name_of_group(group: Mapping[str, str | None], group_by: Sequence[str], names: Mapping[str, str]) -> str:
    """Return the name of a group; of two values, both."""
    values = (group.get(name) for name in group_by)
    return BETWEEN.join(NONE if value is None else names.get(value, value) for value in values)


def chart_of(
    table: UsageTable,
    *,
    unit: str,
    kind: str = "bar",
    before: Sequence[Decimal] = (),
    lines: Sequence[ChartLine] = (),
    borders: Sequence[Border] = (),
    links: Sequence[str] = (),
) -> dict[str, object]:
    """Return the table for `static/portal/charts.js`; quantities are strings, since JSON's numbers are not exact.

    `before` are the quantities of the span that it is compared with, `links` what a click on each window opens.
    """
    series = [
        {"name": name, "values": [format(row.cells[position], "f") for row in table.rows], "is_forecast": False}
        for position, name in enumerate(table.series)
    ]
    if before:
        series.append({"name": BEFORE, "values": [format(one, "f") for one in before], "is_before": True})
    starts = [row.start for row in table.rows]
    return {
        "kind": kind,
        "labels": [row.label for row in table.rows],
        "unit": unit,
        "unit_of_one": unit_name(unit, 1),
        "is_stacked": table.adds_up and len(table.series) > 1,
        "series": series,
        "limit": None,
        "lines": [{"value": format(line.value, "f"), "label": line.label} for line in lines],
        "borders": [
            {"index": index, "label": border.label}
            for border in borders
            if 0 < (index := sum(1 for start in starts if start < border.at)) < len(starts)
        ],
        "links": list(links),
    }


def running(table: UsageTable) -> UsageTable:
    """Return the table with the sum so far in each window, of a meter whose quantities add up."""
    sums = [ZERO] * len(table.series)
    rows = []
    for row in table.rows:
        sums = [EXACT.add(so_far, cell) for so_far, cell in zip(sums, row.cells, strict=True)]
        rows.append(replace(row, cells=tuple(sums), total=_sum(sums)))
    return replace(table, rows=tuple(rows))


def _sum(quantities: Iterable[Decimal]) -> Decimal:
    return reduce(EXACT.add, quantities, ZERO)


def _add(quantities: dict[datetime, Decimal], start: datetime, quantity: Decimal) -> None:
    quantities[start] = EXACT.add(quantities[start], quantity)


def _largest(
    by_series: Mapping[str, Mapping[datetime, Decimal]], totals: Mapping[str, Decimal], *, is_folded: bool
) -> tuple[dict[str, Mapping[datetime, Decimal]], int]:
    """Return the series with the largest totals, and the number of others, which may be folded under one name."""
    ordered = sorted(by_series, key=lambda name: (-totals[name], name))
    if len(ordered) <= SERIES_MAX:
        return {name: by_series[name] for name in ordered}, 0
    named, rest = ordered[: SERIES_MAX - 1], ordered[SERIES_MAX - 1 :]
    shown = {name: by_series[name] for name in named}
    if not is_folded:
        return shown, len(rest)
    others: dict[datetime, Decimal] = defaultdict(Decimal)
    for name in rest:
        for start, quantity in by_series[name].items():
            _add(others, start, quantity)
    return shown | {OTHERS: others}, 0


def _row(
    start: datetime,
    quantities: Mapping[str, Mapping[datetime, Decimal]],
    window: Window,
    zone: ZoneInfo,
    totals: Mapping[datetime, Decimal] | None,
) -> UsageTableRow:
    cells = tuple(series.get(start, ZERO) for series in quantities.values())
    local = start.astimezone(zone)
    return UsageTableRow(
        start,
        local.strftime(_LABEL_FORMATS[window]),
        local.strftime(_TITLE_FORMATS[window]),
        cells,
        _sum(cells) if totals is None else totals.get(start, ZERO),
    )
