"""Usage by window, grouped and filtered: each query is one statement over the smallest sufficient table.

Hours without groups come from `usage_hour`, whole days and months from `usage_day`. Usage that neither keeps apart (of
a subject, of an hour of one key, of a span that begins at noon) is summed from the events. All three give the same
numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from accounts.sql import as_json, fetch_all
from metering.domain.contribution import MeterRule
from metering.domain.ledger import NO_KEY, Ledger
from metering.domain.periods import Span, local_day, start_of_day
from metering.domain.windows import Window, is_start_of_day, is_start_of_hour, window_starts
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.selectors.aggregation_sql import collected, measured
from metering.selectors.bounded_reads import fetch_in_time
from metering.selectors.retention import deleted_before
from metering.selectors.statements import passes_filters

API_KEY: Final = "api_key"
SUBJECT: Final = "subject"
ROWS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """A query: `filters` maps a name to the values of which one must match; for `api_key` these are ids."""

    meter: MeterRule
    span: Span
    window: Window
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """Return every name that the query groups or filters by."""
        return frozenset(self.group_by) | frozenset(self.filters)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The usage of one group in one window; `group` has a value for each name of the query's `group_by`."""

    window_start: datetime
    group: Mapping[str, str | None]
    quantity: Decimal
    events: int


def names_kept_apart(meter: MeterRule) -> tuple[str, ...]:
    """Return the names by which the meter's usage can be grouped and filtered."""
    return (API_KEY, SUBJECT, *(name for name in meter.dimensions if name not in {API_KEY, SUBJECT}))


def query_usage(*, ledger: Ledger, question: UsageQuestion, rows_max: int = ROWS_MAX) -> list[UsageRow]:
    """Run the query. Rows are ordered by window and group; windows and groups without events are left out.

    Raises `QueryTooLargeError` if there are more than `rows_max` rows or the query takes too long, and
    `EventsDeletedError` if it would need events that are deleted.
    """
    if not question.span.start < question.span.end:
        return []
    rows = _rows_from_smallest_source(ledger, question, rows_max + 1)
    if len(rows) > rows_max:
        raise QueryTooLargeError(f"The result has more than {rows_max} rows. Ask for fewer groups or a shorter span.")
    return rows


def _rows_from_smallest_source(ledger: Ledger, question: UsageQuestion, limit: int) -> list[UsageRow]:
    span, zone = question.span, ledger.time_zone
    if not question.meter.aggregation.is_mergeable:
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
    return [UsageRow(hour, {}, quantity, int(events)) for hour, quantity, events in rows]


def _from_days(ledger: Ledger, question: UsageQuestion, limit: int) -> list[UsageRow]:
    zone = ledger.time_zone
    window = "day" if question.window is Window.DAY else "date_trunc('month', day::timestamp)::date"
    groups, conditions, parameters = _name_terms(question, {API_KEY: "api_key_id"}, "dimensions")
    rows = fetch_all(
        f"SELECT {', '.join([window, *groups])}, {_collected(question.meter)}, sum(events) FROM usage_day"
        " WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND meter_id = %(meter_id)s"
        f" AND day >= %(start)s AND day < %(end)s{conditions} {_grouped(groups, 'HAVING sum(events) <> 0')} LIMIT "
        f"%(limit)s",
        _scope(ledger, question, limit)
        | parameters
        | {"start": local_day(question.span.start, zone), "end": local_day(question.span.end, zone)},
    )
    return [_row(question, (start_of_day(row[0], zone), *row[1:])) for row in rows]


def _from_events(ledger: Ledger, question: UsageQuestion, limit: int) -> list[UsageRow]:
    """Sum raw events without voided ones. The windows' bounds are passed, so that days are cut in one place only."""
    _refuse_deleted(question.span)
    meter = question.meter
    starts = window_starts(question.window, question.span, ledger.time_zone)
    keys = {API_KEY: f"coalesce(e.api_key_id, '{NO_KEY}'::uuid)", SUBJECT: "e.subject"}
    groups, conditions, parameters = _name_terms(question, keys, "e.properties")
    window = "(%(starts)s::timestamptz[])[width_bucket(e.occurred_at, %(starts)s::timestamptz[])]"
    quantity = measured(meter.aggregation.code, value_property="%(value_property)s::text")
    statement = (
        f"SELECT {', '.join([window, *groups])}, {_collected(meter, quantity)}, count(*) FROM event AS e"
        " WHERE e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s AND e.type = %(event_type)s"
        " AND e.occurred_at >= %(start)s AND e.occurred_at < %(end)s AND e.received_at >= %(counts_from)s"
        " AND NOT EXISTS (SELECT FROM event_void AS v"
        " WHERE v.tenant_id = e.tenant_id AND v.is_live = e.is_live AND v.key = e.key)"
        f" AND {passes_filters('%(rule_filters)s::jsonb')}{conditions} {_grouped(groups)} LIMIT %(limit)s"
    )
    parameters |= _scope(ledger, question, limit) | {
        "event_type": meter.event_type,
        "value_property": meter.value_property,
        "counts_from": meter.counts_from,
        "rule_filters": as_json(meter.filters),
        "starts": list(starts),
        "start": question.span.start,
        "end": question.span.end,
    }
    return [_row(question, row) for row in fetch_in_time(statement, parameters)]


def _refuse_deleted(span: Span) -> None:
    deleted = deleted_before()
    if deleted is not None and span.start < deleted[0]:
        raise EventsDeletedError(
            f"This query needs raw events, and those before {deleted[0]:%-d %B %Y} were deleted on"
            f" {deleted[1]:%-d %B %Y}. Ask for a later span, or for whole hours or days without this detail."
        )


def _collected(meter: MeterRule, quantity: str = "quantity") -> str:
    return collected(meter.aggregation.code, quantity=quantity)


def _name_terms(
    question: UsageQuestion, columns: Mapping[str, str], json_column: str
) -> tuple[list[str], str, dict[str, object]]:
    """Return the expressions of the groups, the conditions of the filters, and the parameters of both."""
    parameters: dict[str, object] = {}
    groups = []
    for n, name in enumerate(question.group_by):
        groups.append(columns.get(name) or f"{json_column} ->> %(group_{n})s")
        if name not in columns:
            parameters[f"group_{n}"] = name
    conditions = ""
    for n, (name, values) in enumerate(question.filters.items()):
        conditions += f" AND {columns.get(name) or f'{json_column} ->> %(filter_{n})s'} = ANY(%(values_{n})s)"
        parameters[f"values_{n}"] = [UUID(value) for value in values] if name == API_KEY else list(values)
        if name not in columns:
            parameters[f"filter_{n}"] = name
    return groups, conditions, parameters


def _grouped(groups: Sequence[str], having: str = "") -> str:
    """Group and order by the window and every group.

    `having` leaves out rollups whose events were all voided.
    """
    ordinals = ", ".join(str(n) for n in range(1, len(groups) + 2))
    return f"GROUP BY {ordinals} {having} ORDER BY {ordinals}"


def _scope(ledger: Ledger, question: UsageQuestion, limit: int) -> dict[str, object]:
    return {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "meter_id": question.meter.id,
        "limit": limit,
    }


def _row(question: UsageQuestion, row: Sequence[Any]) -> UsageRow:
    window_start, *values, quantity, events = row
    group = dict(zip(question.group_by, values, strict=True))
    if API_KEY in group:
        group[API_KEY] = None if group[API_KEY] == NO_KEY else str(group[API_KEY])
    return UsageRow(window_start, group, quantity, int(events))
