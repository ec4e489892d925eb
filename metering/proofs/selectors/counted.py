"""The events that meters counted in some spans, each as a leaf, in the order of a bundle of evidence.

They go through a temporary file: one statement reads them in one snapshot, memory stays the same whatever their number,
and no connection waits for a client that reads slowly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO, Final

from accounts.sql import as_json, copy_out
from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Span
from metering.proofs.selectors.leaves import EVENT_CONTENT, hash_of
from metering.selectors.formula_sql import with_formulas
from metering.selectors.statements import IS_COUNTED, METERS, has_value_of, meters_parameter, passes_filters

COUNTED_LEAVES: Final = """
COPY (
WITH asked AS (
    SELECT * FROM jsonb_to_recordset(%(asked)s::jsonb) AS a(
        position int, meter_id bigint, start_at timestamptz, end_at timestamptz, known_at timestamptz)
), {meters},
counted AS (
    SELECT e.occurred_at, e.key, string_agg(a.position::text, ',' ORDER BY a.position) AS positions
    FROM asked AS a JOIN meters AS m ON m.meter_id = a.meter_id
    JOIN event AS e ON e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s AND e.occurred_at >= a.start_at
        AND e.occurred_at < a.end_at AND e.received_at < a.known_at AND {is_counted}
    WHERE {passes} AND {has_value} AND NOT EXISTS (
        SELECT FROM event_void AS v WHERE v.tenant_id = e.tenant_id AND v.is_live = e.is_live AND v.key = e.key
            AND v.voided_at < a.known_at)
    GROUP BY 1, 2
)
SELECT (e.received_at AT TIME ZONE 'UTC')::date, encode({leaf}, 'hex'), c.positions, {content}
FROM counted AS c JOIN event AS e ON e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s
    AND e.occurred_at = c.occurred_at AND e.key = c.key
ORDER BY 1, 2
) TO STDOUT"""
_CONTENT: Final = f"encode(convert_to({EVENT_CONTENT}, 'UTF8'), 'hex')"


@dataclass(frozen=True, slots=True)
class CountedSpan:
    """A meter's span as known at a moment, by the number under which its events are found again."""

    position: int
    meter_id: int
    span: Span
    known_at: datetime


@dataclass(frozen=True, slots=True)
class CountedLeaf:
    """An event: the day of its receipt, its leaf, the spans that count it, and its content if that was asked for."""

    day: date
    leaf: bytes
    positions: tuple[int, ...]
    content: str | None


def copy_counted_leaves(
    ledger: Ledger, spans: Sequence[CountedSpan], rules: Sequence[MeterRule], *, has_content: bool, to: BinaryIO
) -> int:
    """Write the events of these spans to a file, by their days of receipt and leaves, and return their number.

    `rules` are all versions of the meters. A level that an event reported before a span may last until it, so such
    events are among them.
    """
    kinds = list(dict.fromkeys(rule.aggregation for rule in rules))
    back = {rule.id: rule.aggregation.reaches_back for rule in rules}
    statement = COUNTED_LEAVES.format(
        meters=METERS,
        is_counted=IS_COUNTED,
        passes=passes_filters("m.filters"),
        has_value=has_value_of(kinds),
        leaf=hash_of(EVENT_CONTENT),
        content=_CONTENT if has_content else "''",
    )
    asked = [
        {
            "position": one.position,
            "meter_id": one.meter_id,
            "start_at": one.span.start - back[one.meter_id],
            "end_at": one.span.end,
            "known_at": one.known_at,
        }
        for one in spans
    ]
    parameters = {
        "asked": as_json(asked),
        "meters": meters_parameter(rules),
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
    }
    return copy_out(with_formulas(statement, rules), parameters, to.write)


def read_counted_leaves(file: BinaryIO) -> Iterator[CountedLeaf]:
    """Yield the events of such a file from its beginning."""
    file.seek(0)
    for line in file:
        day, leaf, positions, content = line.decode("ascii").rstrip("\n").split("\t")
        yield CountedLeaf(
            date.fromisoformat(day),
            bytes.fromhex(leaf),
            tuple(map(int, positions.split(","))),
            bytes.fromhex(content).decode() if content else None,
        )
