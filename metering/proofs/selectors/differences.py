"""The ledger beside its signed trees: what each signed day has that the ledger has no more, and the other way round."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from accounts.sql import fetch_all
from metering.domain.ledger import Ledger
from metering.proofs.selectors.leaves import GIVEN, leaves_received, leaves_stored, ledgers_parameter

_ONE_DAY: Final = timedelta(days=1)
_FOUND: Final = leaves_received("%(start)s::timestamptz", "%(end)s::timestamptz")
_STORED: Final = leaves_stored("b.day BETWEEN %(first)s::date AND %(last)s::date + 1")
# A late leaf is in the tree of the day after its receipt.
DIFFERENCES: Final = f"""
WITH {GIVEN},
found AS MATERIALIZED (
    SELECT f.leaf, (f.received_at AT TIME ZONE 'UTC')::date AS day, f.name FROM ({_FOUND}) AS f
),
stored AS MATERIALIZED ({_STORED}),
missing AS (
    SELECT s.day, NULL AS name, 1 AS gone FROM stored AS s
    WHERE s.day <= %(last)s::date AND NOT EXISTS (
        SELECT FROM found AS f WHERE f.leaf = s.leaf AND f.day IN (s.day, s.day - 1))
),
extra AS (
    SELECT f.day, f.name, 0 AS gone FROM found AS f
    WHERE f.day >= %(first)s::date AND NOT EXISTS (
        SELECT FROM stored AS s WHERE s.leaf = f.leaf AND s.day IN (f.day, f.day + 1))
)
SELECT day, sum(gone), count(*) - sum(gone), min(name)
FROM (SELECT * FROM missing UNION ALL SELECT * FROM extra) AS d GROUP BY day ORDER BY day
"""
ROWS_OUTSIDE: Final = f"""
WITH {GIVEN}, found AS ({leaves_received("'-infinity'::timestamptz", "%(end)s::timestamptz")}),
ahead AS ({leaves_received("%(ahead)s::timestamptz", "'infinity'::timestamptz")})
SELECT (SELECT count(*) FROM found) + (SELECT count(*) FROM ahead)
"""


@dataclass(frozen=True, slots=True)
class DayDifference:
    """One day of a difference: leaves that are gone, rows that are not in the tree, and the first such row."""

    day: date
    gone: int
    added: int
    example: str | None


def differences_between(ledger: Ledger, first: date, last: date) -> list[DayDifference]:
    """Compare the signed days `first` to `last` with the rows of the ledger, in one statement."""
    parameters: Mapping[str, object] = {
        "ledgers": ledgers_parameter([(ledger.tenant_id, ledger.is_live)]),
        "first": first,
        "last": last,
        "start": datetime.combine(first - _ONE_DAY, time(), UTC),
        "end": datetime.combine(last + _ONE_DAY, time(), UTC),
    }
    return [
        DayDifference(day, int(gone), int(added), name) for day, gone, added, name in fetch_all(DIFFERENCES, parameters)
    ]


def rows_outside(ledger: Ledger, before: date, ahead: datetime) -> int:
    """Return how many rows say that they were received before the chain begins, or later than `ahead`."""
    parameters: Mapping[str, object] = {
        "ledgers": ledgers_parameter([(ledger.tenant_id, ledger.is_live)]),
        "end": datetime.combine(before, time(), UTC),
        "ahead": ahead,
    }
    rows = fetch_all(ROWS_OUTSIDE, parameters)
    return int(rows[0][0])
