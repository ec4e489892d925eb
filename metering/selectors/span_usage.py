"""Usage of many tenants' meters over many spans at once.

One statement over the hourly rollup, one more if spans cut through hours.

Billing reads usage here. `usage_of_spans` reads rollups and needs no scan of events; `raw_usage_of_spans` sums the
events themselves, and so proves the other; `compared_usage_of_spans` does both in one snapshot. All count live
events only.

If the events of a span's beginning are sealed (`docs/decisions/0021-retention-of-events.md`), the sealed usage
replaces them, and the parts of hours that the rollups do not have.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from accounts.sql import as_json, fetch_all
from metering.domain.aggregations.description import Aggregation
from metering.domain.periods import end_of_hour, start_of_hour
from metering.models.retention import FOR_GOOD
from metering.selectors.aggregation_sql import collected_by_meter
from metering.selectors.catalog import meter_rules
from metering.selectors.retention import kept_since, sealed_usage_of
from metering.selectors.statements import (
    IS_COUNTED,
    MEASURED,
    METERS,
    aggregation_of,
    meters_parameter,
    passes_filters,
)

_NOTHING: Final = Decimal(0)

PIECE_TABLE = f"""
WITH piece AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(pieces)s::jsonb) AS p(
        n int, tenant_id uuid, start_at timestamptz, end_at timestamptz, known_at timestamptz,
        voids_known_at timestamptz, is_whole boolean)
),
{METERS}"""

# Each event is read once, and its voids are looked for once, whatever the number of meters that count it.
COUNTED = """,
counted AS MATERIALIZED (
    SELECT p.n, e.received_at, e.type, e.quantity, e.properties
    FROM piece AS p
    JOIN event AS e ON e.tenant_id = p.tenant_id AND e.is_live AND e.occurred_at >= p.start_at
        AND e.occurred_at < p.end_at
    WHERE (p.known_at IS NULL OR e.received_at < p.known_at) AND NOT EXISTS (
        SELECT FROM event_void AS v WHERE v.tenant_id = e.tenant_id AND v.is_live AND v.key = e.key
            AND (p.voids_known_at IS NULL OR v.voided_at < p.voids_known_at))
        AND e.type IN (SELECT event_type FROM meters)
)"""

SUMS_OF_EVENTS = f"""
SELECT e.n, m.meter_id, false, {collected_by_meter(aggregation_of("m.meter_id"), quantity=f"({MEASURED})")}, count(*)
FROM counted AS e JOIN meters AS m ON {IS_COUNTED}
WHERE {passes_filters("m.filters")}
GROUP BY 1, 2
"""

SUMS_OF_HOURS = f"""
SELECT p.n, u.meter_id, true, u.quantity, u.events
FROM piece AS p
CROSS JOIN LATERAL (
    SELECT h.meter_id, {collected_by_meter(aggregation_of("h.meter_id"), quantity="h.quantity")} AS quantity,
        sum(h.events)::bigint AS events
    FROM usage_hour AS h
    WHERE h.tenant_id = p.tenant_id AND h.is_live AND h.hour >= p.start_at AND h.hour < p.end_at
    GROUP BY 1
) AS u
WHERE p.is_whole AND u.meter_id IN (SELECT meter_id FROM meters)
"""

PIECES = f"{PIECE_TABLE}{COUNTED}{SUMS_OF_EVENTS}"
COMPARED_PIECES = f"{PIECE_TABLE}{COUNTED}{SUMS_OF_EVENTS}UNION ALL{SUMS_OF_HOURS}"
HOURS_OF_PIECES = f"{PIECE_TABLE}{SUMS_OF_HOURS}"
PIECE: Final = ("n", "tenant_id", "start_at", "end_at", "known_at", "voids_known_at", "is_whole")

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
    before `voids_known_at`, which defaults to the same moment.
    """

    tenant_id: UUID
    meter_id: int
    start: datetime
    end: datetime
    known_at: datetime | None = None
    voids_known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SpanUsage:
    """The usage of a span, in the meter's unit, and the number of its events."""

    quantity: Decimal = _NOTHING
    events: int = 0

    def merged(self, other: "SpanUsage", aggregation: Aggregation) -> "SpanUsage":
        """Return the usage of both together; they must have no event in common."""
        if _NO_USAGE in (self, other):
            return self if other == _NO_USAGE else other
        return SpanUsage(aggregation.merge(self.quantity, other.quantity), self.events + other.events)


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

    Kinds that do not merge, such as a percentile, are read from the events alone.
    """
    aggregations = {rule.id: rule.aggregation for rule in meter_rules()}
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
        hours, rests = _cut(rest) if aggregation.is_mergeable else (None, [(rest.start, rest.end)])
        pieces += [_Piece(position, start, end) for start, end in rests]
        if hours is not None:
            whole.append(_Piece(position, *hours, is_whole=True))
    for piece, _, found in _usage_of_pieces(HOURS_OF_PIECES, spans, whole):
        aggregation = aggregations[spans[piece.position].meter_id]
        usage[piece.position] = usage[piece.position].merged(found, aggregation)
    return _with_pieces(usage, spans, pieces)


def raw_usage_of_spans(spans: Sequence[UsageSpan]) -> list[SpanUsage]:
    """Return the usage of each span, in their order, from the events alone."""
    aggregations = {rule.id: rule.aggregation for rule in meter_rules()}
    kept = kept_since()
    sealed = _sealed(spans, aggregations, kept)
    rests = [_behind(span, kept, aggregations.get(span.meter_id)) for span in spans]
    pieces = [_Piece(position, rest.start, rest.end) for position, rest in enumerate(rests) if rest is not None]
    return _with_pieces([sealed.get(position, _NO_USAGE) for position in range(len(spans))], spans, pieces)


def compared_usage_of_spans(spans: Sequence[UsageSpan]) -> list[ComparedUsage]:
    """Return the usage of each span, in their order, by the rollup and by the events alone.

    One statement reads both, so an event that arrives meanwhile is in both or in none.
    """
    aggregations = {rule.id: rule.aggregation for rule in meter_rules()}
    kept = kept_since()
    sealed = _sealed(spans, aggregations, kept)
    pieces: list[_Piece] = []
    for position, span in enumerate(spans):
        aggregation = aggregations.get(span.meter_id)
        rest = _behind(span, kept, aggregation)
        if aggregation is None or rest is None:  # as in `usage_of_spans`
            continue
        hours, rests = _cut(rest) if aggregation.is_mergeable else (None, [(rest.start, rest.end)])
        pieces += [_Piece(position, *part) for part in rests]
        if hours is not None:
            pieces.append(_Piece(position, *hours, is_whole=True))
    before = _rollups_of_sealed(spans, sealed, aggregations, kept)
    in_rollup = [before.get(position, _NO_USAGE) for position in range(len(spans))]
    in_ledger = [sealed.get(position, _NO_USAGE) for position in range(len(spans))]
    for piece, is_rollup, found in _usage_of_pieces(COMPARED_PIECES, spans, pieces):
        aggregation = aggregations[spans[piece.position].meter_id]
        if is_rollup or not piece.is_whole:
            in_rollup[piece.position] = in_rollup[piece.position].merged(found, aggregation)
        if not is_rollup:
            in_ledger[piece.position] = in_ledger[piece.position].merged(found, aggregation)
    return [
        ComparedUsage(*both, is_sealed=position in sealed)
        for position, both in enumerate(zip(in_rollup, in_ledger, strict=True))
    ]


def sealed_part(span: UsageSpan, kept: datetime, aggregation: Aggregation) -> UsageSpan:
    """Return the sealed part of a span if events are kept since `kept`; kinds that do not merge are sealed whole."""
    return replace(span, end=min(span.end, kept)) if aggregation.is_mergeable else span


def _behind(span: UsageSpan, kept: datetime | None, aggregation: Aggregation | None) -> UsageSpan | None:
    """Return the part of a span whose events are kept; None if there is none."""
    if kept is None or span.start >= kept:
        return span
    if span.end <= kept or aggregation is None or not aggregation.is_mergeable:
        return None
    return replace(span, start=kept)


def _needs_events(span: UsageSpan, aggregations: Mapping[int, Aggregation], kept: datetime | None) -> bool:
    """Return whether the rollups lack a part of the sealed part of a span: parts of hours, or all of it."""
    aggregation = aggregations.get(span.meter_id)
    if kept is None or aggregation is None or span.start >= kept:
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
        if span is not None and span.start < kept and span.meter_id in aggregations
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
    for piece, _, found in _usage_of_pieces(HOURS_OF_PIECES, parts, pieces):
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


def _cut(span: UsageSpan) -> tuple[tuple[datetime, datetime] | None, list[tuple[datetime, datetime]]]:
    """Cut a span into its whole hours of UTC, if there are any, and the pieces of hours at its ends."""
    first, last = end_of_hour(span.start), start_of_hour(span.end)
    if first > last:
        return None, [(span.start, span.end)]
    ends = [(span.start, first), (last, span.end)]
    return (first, last) if first < last else None, [(start, end) for start, end in ends if start < end]


def _with_pieces(usage: list[SpanUsage], spans: Sequence[UsageSpan], pieces: Sequence[_Piece]) -> list[SpanUsage]:
    """Merge the usage of each piece's events into that of its span."""
    aggregations = {rule.id: rule.aggregation for rule in meter_rules()}
    for piece, _, found in _usage_of_pieces(PIECES, spans, pieces):
        aggregation = aggregations[spans[piece.position].meter_id]
        usage[piece.position] = usage[piece.position].merged(found, aggregation)
    return usage


def _usage_of_pieces(
    statement: str, spans: Sequence[UsageSpan] | Mapping[int, UsageSpan], pieces: Sequence[_Piece]
) -> Iterator[tuple[_Piece, bool, SpanUsage]]:
    """Yield the usage of each piece, and whether it is the rollup's.

    A piece that several meters share is read once.
    """
    if not pieces:
        return
    numbers: dict[tuple[object, ...], int] = {}
    wanted: dict[tuple[int, int], list[_Piece]] = {}
    for piece in pieces:
        span = spans[piece.position]
        moments = span.known_at, span.voids_known_at or span.known_at
        n = numbers.setdefault((span.tenant_id, piece.start, piece.end, *moments, piece.is_whole), len(numbers))
        wanted.setdefault((n, span.meter_id), []).append(piece)
    asked = [dict(zip(PIECE, (n, *key), strict=True)) for key, n in numbers.items()]
    meter_ids = {meter_id for _, meter_id in wanted}
    rules = [rule for rule in meter_rules() if rule.id in meter_ids]
    rows = fetch_all(statement, {"pieces": as_json(asked), "meters": meters_parameter(rules)})
    for n, meter_id, is_rollup, quantity, events in rows:
        for piece in wanted.get((n, meter_id), ()):
            yield piece, is_rollup, SpanUsage(quantity, int(events))
