"""The events that meters counted in some spans, each as a leaf, in the order of a bundle of evidence.

They go through a temporary file: one statement reads them in one snapshot, memory stays the same whatever their number,
and no connection waits for a client that reads slowly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO, Final

from accounts.sql import as_json, copy_out, fetch_all
from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Span
from metering.proofs.selectors.leaves import EVENT_CONTENT, hash_of
from metering.selectors.formula_sql import with_formulas
from metering.selectors.statements import IS_COUNTED, METERS, has_value_of, meters_parameter, passes_filters

_ASKED: Final = """
asked AS (
    SELECT * FROM jsonb_to_recordset(%(asked)s::jsonb) AS a(
        position int, meter_id bigint, start_at timestamptz, end_at timestamptz, known_at timestamptz)
)"""
_COUNTED: Final = """
asked AS a JOIN meters AS m ON m.meter_id = a.meter_id
JOIN event AS e ON e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s AND e.occurred_at >= a.start_at
    AND e.occurred_at < a.end_at AND {is_counted}
WHERE {passes} AND {has_value}"""
_NOT_VOID: Final = """NOT EXISTS (
    SELECT FROM event_void AS v WHERE v.tenant_id = e.tenant_id AND v.is_live = e.is_live AND v.key = e.key
        AND v.voided_at < a.known_at)"""
COUNTED_LEAVES: Final = f"""
COPY (
WITH {_ASKED}, {METERS},
counted AS (
    SELECT e.occurred_at, e.key, string_agg(a.position::text, ',' ORDER BY a.position) AS positions
    FROM {_COUNTED} AND e.received_at < a.known_at AND {_NOT_VOID}
    GROUP BY 1, 2
)
SELECT (e.received_at AT TIME ZONE 'UTC')::date, encode({{leaf}}, 'hex'), c.positions, {{content}}
FROM counted AS c JOIN event AS e ON e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s
    AND e.occurred_at = c.occurred_at AND e.key = c.key
ORDER BY 1, 2
) TO STDOUT"""
# The events received around a moment at which usage was read, whether or not that reading saw them.
RECEIVED_AROUND: Final = f"""
WITH {_ASKED}, {METERS}
SELECT e.received_at FROM {_COUNTED} AND {_NOT_VOID} AND e.received_at >= %(since)s AND e.received_at < %(until)s
ORDER BY 1
"""
COUNTS: Final = f"""
WITH {_ASKED}, {METERS}
SELECT a.position, count(*) FROM {_COUNTED} AND e.received_at < a.known_at AND {_NOT_VOID} GROUP BY 1
"""
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
    statement = _filled(COUNTED_LEAVES, rules, content=_CONTENT if has_content else "''")
    return copy_out(statement, _parameters(ledger, spans, rules), to.write)


def counts_of(ledger: Ledger, spans: Sequence[CountedSpan], rules: Sequence[MeterRule]) -> dict[int, int]:
    """Return the number of events of each span that has any, by position."""
    return dict(fetch_all(_filled(COUNTS, rules), _parameters(ledger, spans, rules)))


def received_around(
    ledger: Ledger, span: CountedSpan, rules: Sequence[MeterRule], *, since: datetime, until: datetime
) -> list[datetime]:
    """Return when the events of a span were received that came from `since` on and before `until`, in order."""
    parameters = {**_parameters(ledger, [span], rules), "since": since, "until": until}
    return [received_at for (received_at,) in fetch_all(_filled(RECEIVED_AROUND, rules), parameters)]


def _filled(statement: str, rules: Sequence[MeterRule], *, content: str = "") -> str:
    kinds = list(dict.fromkeys(rule.aggregation for rule in rules))
    filled = statement.format(
        is_counted=IS_COUNTED,
        passes=passes_filters("m.filters"),
        has_value=has_value_of(kinds),
        leaf=hash_of(EVENT_CONTENT),
        content=content,
    )
    return with_formulas(filled, rules)


def _parameters(ledger: Ledger, spans: Sequence[CountedSpan], rules: Sequence[MeterRule]) -> dict[str, object]:
    back = {rule.id: rule.aggregation.reaches_back for rule in rules}
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
    return {
        "asked": as_json(asked),
        "meters": meters_parameter(rules),
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
    }


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
