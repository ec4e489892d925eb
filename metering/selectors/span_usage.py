"""Usage of many tenants' meters over many spans at once.

One statement over the hourly rollup, one more if spans cut through hours.

What is billed is read here. `usage_of_spans` reads rollups and needs no scan of events; `raw_usage_of_spans` adds up
the events themselves, and so proves the other. Both count live events alone.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from accounts.sql import as_json, fetch_all
from metering.domain.aggregations.description import Aggregation
from metering.domain.periods import end_of_hour, start_of_hour
from metering.selectors.aggregation_sql import collected
from metering.selectors.catalog import meter_rules
from metering.selectors.statements import COLLECTED, METERS, contributions_of, meters_parameter

_NOTHING: Final = Decimal(0)


def whole_hours_of(aggregation: Aggregation) -> str:
    """Return the statement for meters of an aggregation; kinds that add up have the same one."""
    return f"""
SELECT s.position, u.quantity, u.events
FROM jsonb_to_recordset(%(spans)s::jsonb) AS s(position int, tenant_id uuid, meter_id bigint, start_at timestamptz,
    end_at timestamptz)
CROSS JOIN LATERAL (
    SELECT {collected(aggregation.code, quantity="quantity")} AS quantity, sum(events) AS events FROM usage_hour AS h
    WHERE h.tenant_id = s.tenant_id AND h.is_live AND h.meter_id = s.meter_id AND h.hour >= s.start_at
        AND h.hour < s.end_at
) AS u
WHERE u.events IS NOT NULL
"""


# An event's key is a digest of its id, which several tenants may use; with the piece's number behind it, it is one
# row's own.
PIECES = f"""
WITH piece AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(pieces)s::jsonb) AS p(
        n int, tenant_id uuid, start_at timestamptz, end_at timestamptz, known_at timestamptz,
        voids_known_at timestamptz)
),
{METERS},
counted AS MATERIALIZED (
    SELECT p.n, e.key || int4send(p.n) AS key, e.occurred_at, e.received_at, e.type, e.quantity, e.api_key_id,
        e.properties
    FROM piece AS p
    JOIN event AS e ON e.tenant_id = p.tenant_id AND e.is_live AND e.occurred_at >= p.start_at
        AND e.occurred_at < p.end_at
    WHERE (p.known_at IS NULL OR e.received_at < p.known_at) AND NOT EXISTS (
        SELECT FROM event_void AS v WHERE v.tenant_id = e.tenant_id AND v.is_live AND v.key = e.key
            AND (p.voids_known_at IS NULL OR v.voided_at < p.voids_known_at))
        AND e.type IN (SELECT event_type FROM meters)
),
{contributions_of("counted")}
SELECT counted.n, contribution.meter_id, {COLLECTED}, count(*)
FROM contribution JOIN counted USING (key)
GROUP BY 1, 2
"""

PIECE: Final = ("n", "tenant_id", "start_at", "end_at", "known_at", "voids_known_at")

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

    Raw usage alone can tell the past: with `known_at`, only events received before it count, and only voids before
    `voids_known_at`, which is the same moment where it is not given.
    """

    tenant_id: UUID
    meter_id: int
    start: datetime
    end: datetime
    known_at: datetime | None = None
    voids_known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SpanUsage:
    """The usage of a span, in the meter's unit, and how many events it comes from."""

    quantity: Decimal = _NOTHING
    events: int = 0

    def merged(self, other: "SpanUsage", aggregation: Aggregation) -> "SpanUsage":
        """Return the usage of both together, which have no event in common."""
        if _NO_USAGE in (self, other):
            return self if other == _NO_USAGE else other
        return SpanUsage(aggregation.merge(self.quantity, other.quantity), self.events + other.events)


_NO_USAGE: Final = SpanUsage()
_Piece = tuple[int, datetime, datetime]


def usage_of_spans(spans: Sequence[UsageSpan]) -> list[SpanUsage]:
    """Return the usage of each span, in their order: whole hours from the rollup, the rest from the events.

    What does not merge, such as a percentile, comes from the events alone.
    """
    usage = [_NO_USAGE for _ in spans]
    aggregations = {rule.id: rule.aggregation for rule in meter_rules()}
    whole: dict[str, list[dict[str, object]]] = defaultdict(list)
    pieces: list[_Piece] = []
    for position, span in enumerate(spans):
        aggregation = aggregations.get(span.meter_id)
        if aggregation is None:  # not known to this process yet, so it has counted nothing yet
            continue
        hours, rests = _cut(span) if aggregation.is_mergeable else (None, [(span.start, span.end)])
        pieces += [(position, start, end) for start, end in rests]
        if hours is not None:
            row = {"tenant_id": span.tenant_id, "meter_id": span.meter_id, "start_at": hours[0], "end_at": hours[1]}
            whole[whole_hours_of(aggregation)].append({"position": position, **row})
    for statement, rows in whole.items():
        for position, quantity, events in fetch_all(statement, {"spans": as_json(rows)}):
            usage[position] = SpanUsage(quantity, int(events))
    return _with_pieces(usage, spans, pieces)


def raw_usage_of_spans(spans: Sequence[UsageSpan]) -> list[SpanUsage]:
    """Return the usage of each span, in their order, from the events alone."""
    pieces = [(position, span.start, span.end) for position, span in enumerate(spans)]
    return _with_pieces([_NO_USAGE for _ in spans], spans, pieces)


def spans_with_voids_since(spans: Sequence[tuple[UsageSpan, datetime]]) -> set[int]:
    """The positions of those spans of which an event was voided at the given moment or later."""
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
    """Merge in what the events of each piece come to; a piece that several meters share is read once."""
    if not pieces:
        return usage
    numbers: dict[tuple[object, ...], int] = {}
    wanted: dict[tuple[int, int], list[int]] = {}
    for position, start, end in pieces:
        span = spans[position]
        moments = span.known_at, span.voids_known_at or span.known_at
        n = numbers.setdefault((span.tenant_id, start, end, *moments), len(numbers))
        wanted.setdefault((n, span.meter_id), []).append(position)
    asked = [dict(zip(PIECE, (n, *piece), strict=True)) for piece, n in numbers.items()]
    meter_ids = {span.meter_id for span in spans}
    rules = {rule.id: rule for rule in meter_rules() if rule.id in meter_ids}
    parameters = {"pieces": as_json(asked), "meters": meters_parameter(rules.values())}
    for n, meter_id, quantity, events in fetch_all(PIECES, parameters):
        for position in wanted.get((n, meter_id), ()):
            piece = SpanUsage(quantity, int(events))
            usage[position] = usage[position].merged(piece, rules[meter_id].aggregation)
    return usage
