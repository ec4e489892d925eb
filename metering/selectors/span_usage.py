"""Usage of many tenants' meters over many spans at once.

One statement over the hourly rollup, one more if spans cut through hours, and one more for each kind of meter that the
rollups do not keep.

Billing reads usage here. `usage_of_spans` reads rollups and needs no scan of events; `raw_usage_of_spans` sums the
events themselves, and so proves the other; `compared_usage_of_spans` does both in one snapshot. All count live
events only.

If the events of a span's beginning are sealed (`docs/decisions/0021-retention-of-events.md`), the sealed usage
replaces them, and the parts of hours that the rollups do not have.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import Final
from uuid import UUID

from accounts.sql import as_json, fetch_all
from metering.domain.aggregations.description import Aggregation
from metering.domain.aggregations.registry import AGGREGATIONS, MERGEABLE, SUMMED
from metering.domain.periods import end_of_hour, start_of_hour
from metering.models.retention import FOR_GOOD
from metering.selectors.aggregation_sql import collected, collected_by_meter
from metering.selectors.catalog import meter_rules, versions_of
from metering.selectors.formula_sql import with_formulas
from metering.selectors.level_sql import level_end, seconds_of
from metering.selectors.retention import kept_since, sealed_usage_of
from metering.selectors.statements import (
    IS_COUNTED,
    METERS,
    aggregation_of,
    has_value_of,
    is_summed,
    measured_of,
    meters_parameter,
    passes_filters,
)

_NOTHING: Final = Decimal(0)

PIECE_TABLE = f"""
WITH piece AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(pieces)s::jsonb) AS p(
        n int, tenant_id uuid, start_at timestamptz, end_at timestamptz, known_at timestamptz,
        voids_known_at timestamptz, until timestamptz, is_whole boolean)
),
{METERS}"""

# The events of a piece `p` that are in force.
_EVENTS_OF: Final = """
    SELECT {columns}
    FROM event AS e
    WHERE e.tenant_id = p.tenant_id AND e.is_live AND e.occurred_at >= p.start_at{back} AND e.occurred_at < p.end_at
        AND (p.known_at IS NULL OR e.received_at < p.known_at) AND NOT EXISTS (
            SELECT FROM event_void AS v WHERE v.tenant_id = e.tenant_id AND v.is_live AND v.key = e.key
                AND (p.voids_known_at IS NULL OR v.voided_at < p.voids_known_at))
        AND e.type IN (SELECT event_type FROM meters)
"""
_COUNTED_COLUMNS: Final = "e.occurred_at, e.received_at, e.type, e.quantity, e.properties"


def _sums_of_events(kinds: Sequence[Aggregation], *, more: str = "") -> str:
    """Return the sums of each piece. `OFFSET 0` has each event read, and its voids looked for, once for all meters."""
    collected_events = collected_by_meter(aggregation_of("m.meter_id"), quantity=f"({measured_of(kinds)})", kinds=kinds)
    events = _EVENTS_OF.format(columns=_COUNTED_COLUMNS + more, back="")
    return f"""
SELECT p.n, u.meter_id, false, u.quantity, u.events
FROM piece AS p
CROSS JOIN LATERAL (
    SELECT m.meter_id, {collected_events} AS quantity, count(*) AS events
    FROM ({events} OFFSET 0) AS e JOIN meters AS m ON {IS_COUNTED}
    WHERE {passes_filters("m.filters")} AND {has_value_of(kinds)}
    GROUP BY 1
) AS u
"""


def _sums_of_hours(kinds: Sequence[Aggregation]) -> str:
    collected_hours = collected_by_meter(aggregation_of("h.meter_id"), quantity="h.quantity", kinds=kinds)
    return f"""
SELECT p.n, u.meter_id, true, u.quantity, u.events
FROM piece AS p
CROSS JOIN LATERAL (
    SELECT h.meter_id, {collected_hours} AS quantity,
        sum(h.events)::bigint AS events
    FROM usage_hour AS h
    WHERE h.tenant_id = p.tenant_id AND h.is_live AND h.hour >= p.start_at AND h.hour < p.end_at
    GROUP BY 1
) AS u
WHERE p.is_whole AND u.meter_id IN (SELECT meter_id FROM meters)
"""


class _Statement(Enum):
    """What to read of pieces of spans. Statements for meters that are added up alone are cheaper than for all kinds."""

    EVENTS = auto()
    HOURS = auto()
    BOTH = auto()

    def sql(self, *, is_summed: bool) -> str:
        """Return the statement for meters that are added up, or for all that the rollups keep."""
        return _STATEMENTS[self, is_summed]


_STATEMENTS: Final = {
    (statement, is_summed): PIECE_TABLE + text
    for is_summed, kinds in ((True, SUMMED), (False, MERGEABLE))
    for statement, text in (
        (_Statement.EVENTS, _sums_of_events(kinds)),
        (_Statement.HOURS, _sums_of_hours(kinds)),
        (_Statement.BOTH, f"{_sums_of_events(kinds)}UNION ALL{_sums_of_hours(kinds)}"),
    )
}


def _sums_of_levels(kind: Aggregation, lasts: timedelta) -> str:
    value = f"({measured_of([kind])})"
    series = (
        "(SELECT jsonb_object_agg(name, e.properties ->> name) FROM jsonb_array_elements_text(m.dimensions) AS name)"
    )
    end = level_end(
        kind, partition=["p.n", "m.meter_id", "e.subject", series], value=value, ends=["p.end_at", "p.until"]
    )
    seconds = seconds_of("e.value", start="greatest(e.occurred_at, e.start_at)", end="e.ends_at")
    back = f" - interval '{lasts.total_seconds() // 3600:.0f} hours'"
    events = _EVENTS_OF.format(columns=_COUNTED_COLUMNS + ", e.subject", back=back)
    return f""",
level AS MATERIALIZED (
    SELECT p.n, p.start_at, e.*, m.meter_id, {value} AS value, {end} AS ends_at
    FROM piece AS p CROSS JOIN LATERAL ({events} OFFSET 0) AS e JOIN meters AS m ON {IS_COUNTED}
    WHERE {passes_filters("m.filters")} AND {has_value_of([kind])}
)
SELECT e.n, e.meter_id, false, {collected(kind.code, quantity=seconds)},
    count(*) FILTER (WHERE e.occurred_at >= e.start_at)
FROM level AS e GROUP BY 1, 2
"""


def _from_events(kind: Aggregation) -> str:
    """Return the statement for a kind that the rollups do not keep."""
    if kind.lasts:
        return PIECE_TABLE + _sums_of_levels(kind, kind.lasts)
    return PIECE_TABLE + _sums_of_events([kind], more=", e.subject")


_FROM_EVENTS: Final = {kind: _from_events(kind) for kind in AGGREGATIONS if not kind.is_mergeable}
PIECE: Final = ("n", "tenant_id", "start_at", "end_at", "known_at", "voids_known_at", "until", "is_whole")

OLD_VOIDS = """
SELECT s.position
FROM jsonb_to_recordset(%(spans)s::jsonb) AS s(position int, tenant_id uuid, start_at timestamptz, end_at timestamptz,
    since timestamptz)
WHERE EXISTS (
    SELECT FROM event_void AS v WHERE v.tenant_id = s.tenant_id AND v.is_live AND v.occurred_at >= s.start_at
        AND v.occurred_at < s.end_at AND v.voided_at >= s.since)
"""


@dataclass(frozen=True, slots=True)
class UsageSpan:
    """A tenant's meter over a half-open span.

    Only raw usage can be read as of the past: with `known_at`, only events received before it count, and only voids
    before `voids_known_at`, which defaults to the same moment. `until` is when the levels end that are still reported,
    of a span that is not over.
    """

    tenant_id: UUID
    meter_id: int
    start: datetime
    end: datetime
    known_at: datetime | None = None
    voids_known_at: datetime | None = None
    until: datetime | None = None

    def begins(self, aggregation: Aggregation) -> datetime:
        """Return the time from which events may count in it."""
        return self.start - aggregation.reaches_back


@dataclass(frozen=True, slots=True)
class SpanUsage:
    """The usage of a span, in the meter's unit, and the number of its events.

    While parts of a span are merged, `quantity` is what the events brought, of which `finished` makes the meter's
    quantity.
    """

    quantity: Decimal = _NOTHING
    events: int = 0

    def merged(self, other: "SpanUsage", aggregation: Aggregation) -> "SpanUsage":
        """Return the usage of both together; they must have no event in common."""
        if _NO_USAGE in (self, other):
            return self if other == _NO_USAGE else other
        return SpanUsage(aggregation.merge(self.quantity, other.quantity), self.events + other.events)

    def finished(self, aggregation: Aggregation | None) -> "SpanUsage":
        """Return the usage with the meter's quantity."""
        if aggregation is None or aggregation.quotient is None:
            return self
        return SpanUsage(aggregation.quantity_of(self.quantity, self.events), self.events)


ReadUsage = Callable[[Sequence[UsageSpan]], Sequence[SpanUsage]]
"""Returns the usage of each span, in their order, as `raw_usage_of_spans` does."""


@dataclass(frozen=True, slots=True)
class ComparedUsage:
    """The usage of a span by the rollup and by the events alone, in one snapshot.

    `is_sealed`: for its beginning, sealed usage replaces the events.
    """

    in_rollup: SpanUsage
    in_ledger: SpanUsage
    is_sealed: bool = False

    @property
    def evidence(self) -> str:
        """Return the evidence for the rollup, in words."""
        if self.is_sealed:
            return "the sealed usage of deleted events, and the events themselves"
        return "the events themselves"

    @property
    def is_proven(self) -> bool:
        """Return whether both are equal."""
        return self.in_rollup == self.in_ledger


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the span at `position`; whole hours are in the rollup too."""

    position: int
    start: datetime
    end: datetime
    is_whole: bool = False


_NO_USAGE: Final = SpanUsage()


def usage_of_spans(spans: Sequence[UsageSpan]) -> list[SpanUsage]:
    """Return the usage of each span, in their order: whole hours from the rollup, the rest from the events.

    Kinds that do not merge, such as a percentile, and meters that are being filled are read from the events alone.
    """
    aggregations = {rule.id: rule.aggregation for rule in meter_rules()}
    in_rollups = {rule.id for rule in meter_rules() if rule.is_in_rollups}
    kept = kept_since()
    sealed = _sealed([span if _needs_events(span, aggregations, kept) else None for span in spans], aggregations, kept)
    usage = [sealed.get(position, _NO_USAGE) for position in range(len(spans))]
    whole: list[_Piece] = []
    pieces: list[_Piece] = []
    for position, span in enumerate(spans):
        aggregation = aggregations.get(span.meter_id)
        rest = _behind(span, kept, aggregation) if position in sealed else span
        if aggregation is None or rest is None:  # not known to this process yet, so it has no usage yet
            continue
        hours, rests = _cut(rest) if span.meter_id in in_rollups else (None, [(rest.start, rest.end)])
        pieces += [_Piece(position, start, end) for start, end in rests]
        if hours is not None:
            whole.append(_Piece(position, *hours, is_whole=True))
    for piece, _, found in _usage_of_pieces(_Statement.HOURS, spans, whole):
        usage[piece.position] = usage[piece.position].merged(found, aggregations[spans[piece.position].meter_id])
    return _finished(_with_pieces(usage, spans, pieces), spans, aggregations)


def raw_usage_of_spans(spans: Sequence[UsageSpan]) -> list[SpanUsage]:
    """Return the usage of each span, in their order, from the events alone."""
    return _finished(brought_to_spans(spans), spans, {rule.id: rule.aggregation for rule in meter_rules()})


def brought_to_spans(spans: Sequence[UsageSpan]) -> list[SpanUsage]:
    """Return what the events alone brought to each span, in their order: it merges with that of other spans."""
    aggregations = {rule.id: rule.aggregation for rule in meter_rules()}
    kept = kept_since()
    sealed = _sealed(spans, aggregations, kept)
    rests = [_behind(span, kept, aggregations.get(span.meter_id)) for span in spans]
    pieces = [_Piece(position, rest.start, rest.end) for position, rest in enumerate(rests) if rest is not None]
    return _with_pieces([sealed.get(position, _NO_USAGE) for position in range(len(spans))], spans, pieces)


class RawUsage:
    """The usage of spans from the events alone, each read once: for several checks of the same tenants."""

    def __init__(self) -> None:
        self._known: dict[UsageSpan, SpanUsage] = {}

    def read(self, spans: Sequence[UsageSpan]) -> list[SpanUsage]:
        """Return the usage of each span, in their order."""
        unknown = [span for span in dict.fromkeys(spans) if span not in self._known]
        if unknown:
            self._known |= dict(zip(unknown, raw_usage_of_spans(unknown), strict=True))
        return [self._known[span] for span in spans]


def compared_usage_of_spans(spans: Sequence[UsageSpan]) -> list[ComparedUsage]:
    """Return the usage of each span, in their order, by the rollup and by the events alone.

    One statement reads both, so an event that arrives meanwhile is in both or in none.
    """
    aggregations = {rule.id: rule.aggregation for rule in meter_rules()}
    in_rollups = {rule.id for rule in meter_rules() if rule.is_in_rollups}
    kept = kept_since()
    sealed = _sealed(spans, aggregations, kept)
    pieces: list[_Piece] = []
    for position, span in enumerate(spans):
        aggregation = aggregations.get(span.meter_id)
        rest = _behind(span, kept, aggregation)
        if aggregation is None or rest is None:  # as in `usage_of_spans`
            continue
        hours, rests = _cut(rest) if span.meter_id in in_rollups else (None, [(rest.start, rest.end)])
        pieces += [_Piece(position, *part) for part in rests]
        if hours is not None:
            pieces.append(_Piece(position, *hours, is_whole=True))
    before = _rollups_of_sealed(spans, sealed, aggregations, kept)
    in_rollup = [before.get(position, _NO_USAGE) for position in range(len(spans))]
    in_ledger = [sealed.get(position, _NO_USAGE) for position in range(len(spans))]
    for piece, is_rollup, found in _usage_of_pieces(_Statement.BOTH, spans, pieces):
        aggregation = aggregations[spans[piece.position].meter_id]
        if is_rollup or not piece.is_whole:
            in_rollup[piece.position] = in_rollup[piece.position].merged(found, aggregation)
        if not is_rollup:
            in_ledger[piece.position] = in_ledger[piece.position].merged(found, aggregation)
    in_rollup, in_ledger = (_finished(usage, spans, aggregations) for usage in (in_rollup, in_ledger))
    return [
        ComparedUsage(*both, is_sealed=position in sealed)
        for position, both in enumerate(zip(in_rollup, in_ledger, strict=True))
    ]


def sealed_part(span: UsageSpan, kept: datetime, aggregation: Aggregation) -> UsageSpan:
    """Return the sealed part of a span if events are kept since `kept`; kinds that do not merge are sealed whole."""
    return replace(span, end=min(span.end, kept)) if aggregation.is_mergeable else span


def _behind(span: UsageSpan, kept: datetime | None, aggregation: Aggregation | None) -> UsageSpan | None:
    """Return the part of a span whose events are kept; None if there is none."""
    if kept is None or aggregation is None or span.begins(aggregation) >= kept:
        return span
    if span.end <= kept or not aggregation.is_mergeable:
        return None
    return replace(span, start=kept)


def _needs_events(span: UsageSpan, aggregations: Mapping[int, Aggregation], kept: datetime | None) -> bool:
    """Return whether the rollups lack a part of the sealed part of a span: parts of hours, or all of it."""
    aggregation = aggregations.get(span.meter_id)
    if kept is None or aggregation is None or span.begins(aggregation) >= kept:
        return False
    return not aggregation.is_mergeable or any(start < kept for start, _ in _cut(span)[1])


def _sealed(
    spans: Sequence[UsageSpan | None], aggregations: Mapping[int, Aggregation], kept: datetime | None
) -> dict[int, SpanUsage]:
    """Return the sealed usage of each span that begins before `kept`, by position.

    A span that was never invoiced has no sealed usage: only the whole hours of its rollups are known.
    """
    if kept is None:
        return {}
    parts = {
        position: sealed_part(span, kept, aggregations[span.meter_id])
        for position, span in enumerate(spans)
        if span is not None and span.meter_id in aggregations and span.begins(aggregations[span.meter_id]) < kept
    }
    asked: list[Mapping[str, object]] = [
        {
            "position": position, "tenant_id": part.tenant_id, "meter_id": part.meter_id, "start_at": part.start,
            "end_at": part.end, "known_at": part.known_at or FOR_GOOD,
            "voids_at": part.voids_known_at or part.known_at or FOR_GOOD,
        }
        for position, part in parts.items()
    ]  # fmt: skip
    found = {position: SpanUsage(*answer) for position, answer in sealed_usage_of(asked).items()}
    return _hours_of({position: part for position, part in parts.items() if position not in found}) | found


def _rollups_of_sealed(
    spans: Sequence[UsageSpan],
    sealed: Mapping[int, SpanUsage],
    aggregations: Mapping[int, Aggregation],
    kept: datetime | None,
) -> dict[int, SpanUsage]:
    """Return the usage of the sealed parts by the rollups, or the sealed usage if the rollups lack a part."""
    if kept is None:
        return {}
    parts = {
        position: sealed_part(spans[position], kept, aggregations[spans[position].meter_id])
        for position in sealed
        if not _needs_events(spans[position], aggregations, kept)
    }
    return dict(sealed) | _hours_of(parts)


def _hours_of(parts: Mapping[int, UsageSpan]) -> dict[int, SpanUsage]:
    """Return the whole hours of each span by the rollups."""
    cut = {position: _cut(part)[0] for position, part in parts.items()}
    pieces = [_Piece(position, *hours, is_whole=True) for position, hours in cut.items() if hours is not None]
    usage = dict.fromkeys(parts, _NO_USAGE)
    for piece, _, found in _usage_of_pieces(_Statement.HOURS, parts, pieces):
        usage[piece.position] = found
    return usage


def spans_with_voids_since(spans: Sequence[tuple[UsageSpan, datetime]]) -> set[int]:
    """Return the positions of the spans with an event that was voided at the given moment or later."""
    if not spans:
        return set()
    asked = [
        {"position": n, "tenant_id": span.tenant_id, "start_at": span.start, "end_at": span.end, "since": since}
        for n, (span, since) in enumerate(spans)
    ]
    return {position for (position,) in fetch_all(OLD_VOIDS, {"spans": as_json(asked)})}


def _cut(span: UsageSpan) -> tuple[tuple[datetime, datetime] | None, Sequence[tuple[datetime, datetime]]]:
    """Cut a span into its whole hours of UTC, if there are any, and the pieces of hours at its ends."""
    return _cut_at(span.start, span.end)


@lru_cache(maxsize=1024)  # the spans of a batch are nearly all of one period
def _cut_at(
    start: datetime, end: datetime
) -> tuple[tuple[datetime, datetime] | None, tuple[tuple[datetime, datetime], ...]]:
    first, last = end_of_hour(start), start_of_hour(end)
    if first > last:
        return None, ((start, end),)
    ends = ((start, first), (last, end))
    return (first, last) if first < last else None, tuple(part for part in ends if part[0] < part[1])


def _with_pieces(usage: list[SpanUsage], spans: Sequence[UsageSpan], pieces: Sequence[_Piece]) -> list[SpanUsage]:
    """Merge the usage of each piece's events into that of its span."""
    aggregations = {rule.id: rule.aggregation for rule in meter_rules()}
    for piece, _, found in _usage_of_pieces(_Statement.EVENTS, spans, pieces):
        usage[piece.position] = usage[piece.position].merged(found, aggregations[spans[piece.position].meter_id])
    return usage


def _finished(
    usage: Sequence[SpanUsage], spans: Sequence[UsageSpan], aggregations: Mapping[int, Aggregation]
) -> list[SpanUsage]:
    """Return the usage of each span with the meter's quantity."""
    return [found.finished(aggregations.get(span.meter_id)) for found, span in zip(usage, spans, strict=True)]


def _usage_of_pieces(
    statement: _Statement, spans: Sequence[UsageSpan] | Mapping[int, UsageSpan], pieces: Sequence[_Piece]
) -> Iterator[tuple[_Piece, bool, SpanUsage]]:
    """Yield the usage of each piece, and whether it is the rollup's.

    A piece that several meters share is read once, and once more for each kind that the rollups do not keep.
    """
    rules = {rule.id: rule for rule in meter_rules()}
    merging: list[_Piece] = []
    others: dict[Aggregation, list[_Piece]] = {}
    for piece in pieces:
        rule = rules.get(spans[piece.position].meter_id)  # one that this process does not know yet has no usage yet
        if rule is not None and rule.aggregation.is_mergeable:
            merging.append(piece)
        elif rule is not None and statement is not _Statement.HOURS:
            others.setdefault(rule.aggregation, []).append(piece)
    if merging:
        fed = {spans[piece.position].meter_id for piece in merging}
        sql = statement.sql(is_summed=is_summed(rule for rule in rules.values() if rule.id in fed))
        yield from _rows_of_pieces(sql, spans, merging)
    for kind, some in others.items():
        yield from _rows_of_pieces(_FROM_EVENTS[kind], spans, some)


def _rows_of_pieces(
    sql: str, spans: Sequence[UsageSpan] | Mapping[int, UsageSpan], pieces: Sequence[_Piece]
) -> Iterator[tuple[_Piece, bool, SpanUsage]]:
    """Yield the usage of each piece by this statement, and whether it is the rollup's."""
    numbers: dict[tuple[object, ...], int] = {}
    wanted: dict[tuple[int, int], list[_Piece]] = {}
    for piece in pieces:
        span = spans[piece.position]
        moments = span.known_at, span.voids_known_at or span.known_at, span.until
        n = numbers.setdefault((span.tenant_id, piece.start, piece.end, *moments, piece.is_whole), len(numbers))
        wanted.setdefault((n, span.meter_id), []).append(piece)
    asked = [dict(zip(PIECE, (n, *key), strict=True)) for key, n in numbers.items()]
    rules = versions_of({meter_id for _, meter_id in wanted})
    rows = fetch_all(with_formulas(sql, rules), {"pieces": as_json(asked), "meters": meters_parameter(rules)})
    for n, meter_id, is_rollup, quantity, events in rows:
        for piece in wanted.get((n, meter_id), ()):
            yield piece, is_rollup, SpanUsage(quantity, int(events))
