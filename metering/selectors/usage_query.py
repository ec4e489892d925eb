"""Usage by window, grouped and filtered: each query is one statement over the smallest sufficient table.

Hours without groups come from `usage_hour`, whole days and months from `usage_day`. Usage that neither keeps apart (of
a subject, of an hour of one key, of a span that begins at noon) is summed from the events. All three give the same
numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from accounts.sql import as_json, fetch_all
from metering.domain.aggregations.description import Aggregation
from metering.domain.ledger import NO_KEY, Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Span, local_day, start_of_day
from metering.domain.windows import Window, is_start_of_day, is_start_of_hour, window_starts
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.selectors.aggregation_sql import collected
from metering.selectors.bounded_reads import fetch_in_time
from metering.selectors.catalog import versions_of
from metering.selectors.formula_sql import with_formulas
from metering.selectors.level_sql import level_end, seconds_of
from metering.selectors.retention import deleted_before
from metering.selectors.statements import (
    IS_COUNTED,
    METERS,
    has_value_of,
    measured_of,
    meters_parameter,
    passes_filters,
)

API_KEY: Final = "api_key"
SUBJECT: Final = "subject"
ROWS_MAX: Final = 10_000
_KEYS: Final = {API_KEY: f"coalesce(e.api_key_id, '{NO_KEY}'::uuid)", SUBJECT: "e.subject"}
# The first day of a window that holds a row of `usage_day`.
_DAYS: Final = {
    Window.DAY: "day",
    Window.MONTH: "date_trunc('month', day::timestamp)::date",
    None: "%(start)s::date",
}


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """A query: `filters` maps a name to the values of which one must match; for `api_key` these are ids.

    Without a window the whole span is one. With `kept`, values of `group_by`, the events of every other group come to
    one row more, so that the rows add up as they do without it. `is_ranked`: the greatest quantities come first.

    `until` is when the levels end that are still reported: now, for a window that is not over. With `known_at`,
    usage is as of then: only events received before count, and only voids before, which raw events alone can say.
    """

    meter: MeterRule
    span: Span
    window: Window | None
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    until: datetime | None = None
    kept: Sequence[Sequence[str | None]] | None = None
    is_ranked: bool = False
    known_at: datetime | None = None

    @property
    def names(self) -> frozenset[str]:
        """Return every name that the query groups or filters by."""
        return frozenset(self.group_by) | frozenset(self.filters)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The usage of one group in one window; `group` has a value for each name of the query's `group_by`.

    `is_other`: of all groups together that are not kept; then each value is None.
    """

    window_start: datetime
    group: Mapping[str, str | None]
    quantity: Decimal
    events: int
    is_other: bool = False


def names_kept_apart(meter: MeterRule) -> tuple[str, ...]:
    """Return the names by which the meter's usage can be grouped and filtered."""
    named = dict.fromkeys(name for version in reversed(_versions_of(meter)) for name in version.dimensions)
    return (API_KEY, SUBJECT, *(name for name in named if name not in {API_KEY, SUBJECT}))


def query_usage(*, ledger: Ledger, question: UsageQuestion, rows_max: int = ROWS_MAX) -> list[UsageRow]:
    """Run the query. Rows are ordered by window and group; windows and groups without events are left out.

    Raises `QueryTooLargeError` if there are more than `rows_max` rows or the query takes too long, and
    `EventsDeletedError` if it would need events that are deleted.
    """
    if not question.span.start < question.span.end:
        return []
    rows = _rows_from_smallest_source(ledger, question, rows_max + 1)
    if len(rows) > rows_max:
        raise _too_many(rows_max)
    return rows


def largest_groups(*, ledger: Ledger, question: UsageQuestion, number: int) -> list[tuple[str | None, ...]]:
    """Return the groups with the greatest quantities over the whole span, for `kept`. The first of equal ones is kept.

    Raises what `query_usage` raises, but for too many rows.
    """
    whole = replace(question, window=None, kept=None, is_ranked=True)
    return [tuple(row.group.values()) for row in _rows_from_smallest_source(ledger, whole, number)]


def filled(rows: Sequence[UsageRow], *, question: UsageQuestion, zone: str, rows_max: int = ROWS_MAX) -> list[UsageRow]:
    """Return a row for each window of the span and each group that has usage in any of them, 0 if it has none there.

    Raises `QueryTooLargeError`.
    """
    assert question.window is not None, "a query without windows has no gap"
    found = {(row.window_start, row.is_other, tuple(row.group.values())): row for row in rows}
    groups = sorted({(other, values) for _, other, values in found}, key=_place)
    if not question.group_by:
        groups = [(False, ())]
    starts = window_starts(question.window, question.span, zone)
    if len(starts) * len(groups) > rows_max:
        raise _too_many(rows_max)
    return [
        found.get((start, other, values))
        or UsageRow(start, dict(zip(question.group_by, values, strict=True)), Decimal(0), 0, is_other=other)
        for start in starts
        for other, values in groups
    ]


def _place(group: tuple[bool, tuple[str | None, ...]]) -> tuple[bool, list[tuple[bool, str]]]:
    """Return the place of a group: by its values, of which none comes last, and the rest after all."""
    other, values = group
    return other, [(value is None, value or "") for value in values]


def _too_many(rows_max: int) -> QueryTooLargeError:
    return QueryTooLargeError(f"The result has more than {rows_max} rows. Ask for fewer groups or a shorter span.")


def _rows_from_smallest_source(ledger: Ledger, question: UsageQuestion, limit: int) -> list[UsageRow]:
    span, zone = question.span, ledger.time_zone
    if question.meter.aggregation.lasts:
        return _from_levels(ledger, question, limit)
    if not question.meter.is_in_rollups or question.known_at is not None:
        return _from_events(ledger, question, limit)
    if question.window is Window.HOUR:
        if not question.names and is_start_of_hour(span.start) and is_start_of_hour(span.end):
            return _from_hours(ledger, question, limit)
    elif SUBJECT not in question.names and is_start_of_day(span.start, zone) and is_start_of_day(span.end, zone):
        return _from_days(ledger, question, limit)
    return _from_events(ledger, question, limit)


def _from_hours(ledger: Ledger, question: UsageQuestion, limit: int) -> list[UsageRow]:
    rows = fetch_all(
        f"SELECT hour, {_collected(question.meter)}, sum(events) FROM usage_hour"
        " WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND meter_id = %(meter_id)s"
        " AND hour >= %(start)s AND hour < %(end)s"
        " GROUP BY 1 HAVING sum(events) <> 0 ORDER BY 1 LIMIT %(limit)s",
        _scope(ledger, question, limit) | {"start": question.span.start, "end": question.span.end},
    )
    return [_row(question, row) for row in rows]


def _from_days(ledger: Ledger, question: UsageQuestion, limit: int) -> list[UsageRow]:
    zone = ledger.time_zone
    window = _DAYS[question.window]
    groups, conditions, parameters = _name_terms(question, {API_KEY: "api_key_id"}, "dimensions ->> {name}")
    rows = fetch_all(
        f"SELECT {', '.join([window, *groups])}, {_collected(question.meter)}, sum(events) FROM usage_day"
        " WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND meter_id = %(meter_id)s"
        f" AND day >= %(start)s AND day < %(end)s{conditions}"
        f" {_grouped(groups, _ranks(question, _collected(question.meter), 'sum(events)'), 'HAVING sum(events) <> 0')}"
        " LIMIT %(limit)s",
        _scope(ledger, question, limit)
        | parameters
        | {"start": local_day(question.span.start, zone), "end": local_day(question.span.end, zone)},
    )
    return [_row(question, (start_of_day(row[0], zone), *row[1:])) for row in rows]


def _from_events(ledger: Ledger, question: UsageQuestion, limit: int) -> list[UsageRow]:
    """Sum raw events without voided ones. The windows' bounds are passed, so that days are cut in one place only."""
    versions = _versions_of(question.meter)
    kept = "CASE WHEN m.dimensions ? {name} THEN e.properties ->> {name} END"
    groups, conditions, parameters = _name_terms(question, _KEYS, kept)
    window = "(%(starts)s::timestamptz[])[width_bucket(e.occurred_at, %(starts)s::timestamptz[])]"
    quantity = _collected(question.meter, f"({measured_of(_kinds_of(versions))})")
    statement = (
        f"WITH {METERS} SELECT {', '.join([window, *groups])}, {quantity}, count(*)"
        f" FROM {_counted(versions)}{conditions}"
        f" {_grouped(groups, _ranks(question, quantity, 'count(*)'))} LIMIT %(limit)s"
    )
    parameters |= _parameters_of_events(ledger, question, versions, limit)
    return [_row(question, row) for row in fetch_in_time(with_formulas(statement, versions), parameters)]


def _from_levels(ledger: Ledger, question: UsageQuestion, limit: int) -> list[UsageRow]:
    """Sum level times time of raw events. Another key's event ends a level too, so filters are applied afterwards."""
    kind, dimensions, versions = question.meter.aggregation, question.meter.dimensions, _versions_of(question.meter)
    groups, conditions, parameters = _name_terms(question, _KEYS, "e.properties ->> {name}")
    value = f"({measured_of([kind])})"
    series = [f"e.properties ->> %(dimension_{n})s" for n in range(len(dimensions))]
    end = level_end(kind, partition=["e.subject", *series], value=value, ends=["%(end)s", "%(until)s::timestamptz"])
    parts = (
        "generate_series(greatest(width_bucket(e.occurred_at, %(starts)s::timestamptz[]), 1),"
        " width_bucket(greatest(e.ends_at, e.occurred_at), %(starts)s::timestamptz[]))"
    )
    begins = "greatest(e.occurred_at, (%(starts)s::timestamptz[])[w.n], %(start)s)"
    ends = "least(e.ends_at, (%(starts)s::timestamptz[])[w.n + 1])"
    happened = "e.occurred_at >= %(start)s AND w.n = width_bucket(e.occurred_at, %(starts)s::timestamptz[])"
    quantity = collected(kind.code, quantity=seconds_of("e.value", start=begins, end=ends))
    events = f"count(*) FILTER (WHERE {happened})"
    statement = (
        f"WITH {METERS}, level AS MATERIALIZED (SELECT e.*, {value} AS value, {end} AS ends_at"
        f" FROM {_counted(versions)})"
        f" SELECT {', '.join(['(%(starts)s::timestamptz[])[w.n]', *groups])}, {quantity}, {events}"
        f" FROM level AS e CROSS JOIN LATERAL {parts} AS w(n) WHERE true{conditions}"
        f" {_grouped(groups, _ranks(question, quantity, events), f'HAVING {quantity} <> 0 OR {events} <> 0')}"
        " LIMIT %(limit)s"
    )
    parameters |= _parameters_of_events(ledger, question, versions, limit) | {"until": question.until}
    parameters |= {f"dimension_{n}": name for n, name in enumerate(dimensions)}
    return [_row(question, row) for row in fetch_in_time(with_formulas(statement, versions), parameters)]


def _versions_of(meter: MeterRule) -> Sequence[MeterRule]:
    return versions_of({meter.id}) or [meter]


def _kinds_of(versions: Sequence[MeterRule]) -> list[Aggregation]:
    return list(dict.fromkeys(version.aggregation for version in versions))


def _counted(versions: Sequence[MeterRule]) -> str:
    """Return the events `e` that a meter counts, each with its version `m`, apart from what a query asks."""
    return (
        f"event AS e JOIN meters AS m ON {IS_COUNTED}"
        " WHERE e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s AND e.type = %(event_type)s"
        " AND e.occurred_at >= %(since)s AND e.occurred_at < %(end)s"
        " AND (%(known_at)s::timestamptz IS NULL OR e.received_at < %(known_at)s::timestamptz)"
        " AND NOT EXISTS (SELECT FROM event_void AS v"
        " WHERE v.tenant_id = e.tenant_id AND v.is_live = e.is_live AND v.key = e.key"
        " AND (%(known_at)s::timestamptz IS NULL OR v.voided_at < %(known_at)s::timestamptz))"
        f" AND {passes_filters('m.filters')} AND {has_value_of(_kinds_of(versions))}"
    )


def _parameters_of_events(
    ledger: Ledger, question: UsageQuestion, versions: Sequence[MeterRule], limit: int
) -> dict[str, object]:
    """Return the parameters of a query that reads events. Raises `EventsDeletedError` if some are deleted."""
    meter, span = question.meter, question.span
    since = span.start - meter.aggregation.reaches_back
    _refuse_deleted(since)
    starts = [span.start] if question.window is None else window_starts(question.window, span, ledger.time_zone)
    return _scope(ledger, question, limit) | {
        "event_type": meter.event_type,
        "meters": meters_parameter(versions),
        "starts": list(starts),
        "since": since,
        "start": span.start,
        "end": span.end,
        "known_at": question.known_at,
    }


def _refuse_deleted(since: datetime) -> None:
    deleted = deleted_before()
    if deleted is not None and since < deleted[0]:
        raise EventsDeletedError(
            f"This query needs raw events, and those before {deleted[0]:%-d %B %Y} were deleted on"
            f" {deleted[1]:%-d %B %Y}. Ask for a later span, or for whole hours or days without this detail."
        )


def _collected(meter: MeterRule, quantity: str = "quantity") -> str:
    return collected(meter.aggregation.code, quantity=quantity)


def _name_terms(
    question: UsageQuestion, columns: Mapping[str, str], text: str
) -> tuple[list[str], str, dict[str, object]]:
    """Return the expressions of the groups, the conditions of the filters, and the parameters of both.

    `text` is the expression of what the meter keeps apart under a `{name}`.
    """
    parameters: dict[str, object] = {}
    groups = []
    for n, name in enumerate(question.group_by):
        groups.append(columns.get(name) or text.format(name=f"%(group_{n})s"))
        if name not in columns:
            parameters[f"group_{n}"] = name
    if question.kept is not None:
        parameters["kept"] = as_json([_as_stored(question, values) for values in question.kept])
        texts = ", ".join(f"({group})::text" for group in groups)
        other = f"jsonb_build_array({texts}) NOT IN (SELECT jsonb_array_elements(%(kept)s::jsonb))"
        groups = [other, *(f"CASE WHEN {other} THEN NULL ELSE {group} END" for group in groups)]
    conditions = ""
    for n, (name, values) in enumerate(question.filters.items()):
        conditions += f" AND {columns.get(name) or text.format(name=f'%(filter_{n})s')} = ANY(%(values_{n})s)"
        parameters[f"values_{n}"] = [UUID(value) for value in values] if name == API_KEY else list(values)
        if name not in columns:
            parameters[f"filter_{n}"] = name
    return groups, conditions, parameters


def _as_stored(question: UsageQuestion, values: Sequence[str | None]) -> list[str | None]:
    """Return the values of a group as statements compare them: no key has an id of its own."""
    pairs = zip(question.group_by, values, strict=True)
    return [str(NO_KEY) if name == API_KEY and value is None else value for name, value in pairs]


def _ranks(question: UsageQuestion, quantity: str, events: str) -> str:
    """Return the expression by which groups are ordered first, descending; empty if by their values only."""
    if not question.is_ranked:
        return ""
    kind = question.meter.aggregation
    is_average = kind.quotient is not None and kind.lasts is None
    return f"{quantity} / {events} DESC, " if is_average else f"{quantity} DESC, "


def _grouped(groups: Sequence[str], ranks: str, having: str = "") -> str:
    """Group and order by the window and every group.

    `having` leaves out rollups whose events were all voided.
    """
    ordinals = ", ".join(str(n) for n in range(1, len(groups) + 2))
    return f"GROUP BY {ordinals} {having} ORDER BY {ranks}{ordinals}"


def _scope(ledger: Ledger, question: UsageQuestion, limit: int) -> dict[str, object]:
    return {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "meter_id": question.meter.id,
        "limit": limit,
    }


def _row(question: UsageQuestion, row: Sequence[Any]) -> UsageRow:
    window_start, *values, quantity, events = row
    is_other = bool(values.pop(0)) if question.kept is not None else False
    group = dict(zip(question.group_by, values, strict=True))
    if group.get(API_KEY) is not None:
        group[API_KEY] = None if group[API_KEY] == NO_KEY else str(group[API_KEY])
    exact = question.meter.aggregation.quantity_of(quantity, int(events))
    return UsageRow(window_start, group, exact, int(events), is_other)
