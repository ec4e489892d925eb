"""Sign the days that are over: one Merkle tree for each ledger and day of receipt, chained to the day before.

A day is closed `SETTLING` after its end, by the snapshot of one statement. A row that was received within the day but
committed after that snapshot is late: the next day's tree takes it, since its number of rows is then compared. So no
lock stops ingest, and nothing is computed or kept when an event is stored.

Each page of ledgers is one transaction: a killed run leaves whole days, and the next one continues.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from django.db import transaction

from accounts.sql import fetch_all
from metering.proofs.domain.signatures import sign
from metering.proofs.domain.statements import NOTHING_BEFORE, RootStatement
from metering.proofs.domain.trees import BLOCK_LEAVES, hashes_in, root_of
from metering.proofs.models import DayRoot
from metering.proofs.selectors.leaves import (
    GIVEN,
    Half,
    day_bounds,
    first_days,
    leaves_received,
    leaves_stored,
    ledgers_parameter,
    received_on,
)
from metering.proofs.selectors.roots import latest_days, statement_of
from metering.proofs.services.keys import signing_key
from metering.selectors.ledgers import ledgers

SETTLING: Final = timedelta(minutes=15)
LEDGERS_PER_PAGE: Final = 500
BLOCKS_PER_READ: Final = 128
SIGNING_LOCK: Final = 7310468232
_ONE_DAY: Final = timedelta(days=1)
# Late leaves are those that the day before received and has not in its tree; looked for only if `is_late`.
_BEFORE: Final = leaves_received("%(start)s::timestamptz - interval '1 day'", "%(start)s::timestamptz", of="g.is_late")
STORE_BLOCKS: Final = f"""
WITH {GIVEN}, own AS ({leaves_received("%(start)s::timestamptz", "%(end)s::timestamptz")}),
before AS ({_BEFORE}), known AS MATERIALIZED ({leaves_stored("g.is_late AND b.day = %(day)s::date - 1")}),
late AS (
    SELECT b.* FROM before AS b WHERE NOT EXISTS (
        SELECT FROM known AS k WHERE k.tenant_id = b.tenant_id AND k.is_live = b.is_live AND k.leaf = b.leaf)
),
leaves AS MATERIALIZED (
    SELECT tenant_id, is_live, leaf, occurred_at, false AS is_late FROM own
    UNION ALL SELECT tenant_id, is_live, leaf, occurred_at, true FROM late
),
numbered AS (
    SELECT tenant_id, is_live, leaf,
        (row_number() OVER (PARTITION BY tenant_id, is_live ORDER BY leaf) - 1) / {BLOCK_LEAVES} AS number
    FROM leaves
),
stored AS (
    INSERT INTO proofs_leafblock (tenant_id, is_live, day, number, hashes)
    SELECT tenant_id, is_live, %(day)s::date, number, string_agg(leaf, ''::bytea ORDER BY leaf)
    FROM numbered GROUP BY tenant_id, is_live, number
)
SELECT tenant_id, is_live, count(*), count(*) FILTER (WHERE is_late), min(occurred_at)
FROM leaves GROUP BY 1, 2
"""
_BLOCKS: Final = """
SELECT b.tenant_id, b.is_live, b.number, b.hashes FROM proofs_leafblock AS b
WHERE b.day = %(day)s::date AND b.tenant_id = ANY(%(tenant_ids)s)
    AND (b.tenant_id, b.is_live, b.number) > (%(tenant_id)s::uuid, %(is_live)s::boolean, %(number)s::int)
ORDER BY b.tenant_id, b.is_live, b.number LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Signed:
    """The numbers of days and leaves that a run signed; late leaves are among them."""

    days: int = 0
    leaves: int = 0
    late: int = 0

    def __add__(self, other: "Signed") -> "Signed":
        """Return the sum of two runs."""
        return Signed(self.days + other.days, self.leaves + other.leaves, self.late + other.late)


def sign_days(*, as_of: datetime, halves: Sequence[Half] | None = None) -> Signed:
    """Sign each day that is over and not signed yet, of all ledgers or of the named ones, the oldest day first."""
    last = last_day_over(as_of)
    given = [(ledger.tenant_id, ledger.is_live) for ledger in ledgers()] if halves is None else list(halves)
    signed = Signed()
    due = next_days(given, last)
    while due:
        for page in _pages(due):
            day = due[page[0]]
            signed += _sign_page(page, day, as_of)
            due |= dict.fromkeys(page, day + _ONE_DAY)
        due = {half: day for half, day in due.items() if day <= last}
    return signed


def last_day_over(as_of: datetime) -> date:
    """Return the last day of UTC that is over for long enough."""
    return (as_of.astimezone(UTC) - SETTLING).date() - _ONE_DAY


def next_days(halves: Sequence[Half], last: date) -> dict[Half, date]:
    """Return the day to sign next of each ledger that has one up to `last`. A chain begins with the first event."""
    latest = latest_days(halves)
    begin = first_days([half for half in halves if latest.get(half) is None])
    days = {half: day + _ONE_DAY for half, day in latest.items() if day is not None} | dict(begin)
    return {half: day for half, day in days.items() if day <= last}


def _pages(due: Mapping[Half, date]) -> Iterator[list[Half]]:
    """Yield ledgers whose next day is the same, some hundreds at a time, the oldest day first."""
    for _, same in groupby(sorted(due, key=lambda half: (due[half], half)), key=lambda half: due[half]):
        halves = list(same)
        for start in range(0, len(halves), LEDGERS_PER_PAGE):
            yield halves[start : start + LEDGERS_PER_PAGE]


@transaction.atomic
def _sign_page(page: Sequence[Half], day: date, as_of: datetime) -> Signed:
    """Build and sign one day of some ledgers. Those that another worker has signed meanwhile are left out."""
    fetch_all("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": SIGNING_LOCK})
    key_id, private = signing_key(as_of=as_of)
    latest = latest_days(page)
    halves = [half for half in page if latest[half] is None or latest[half] == day - _ONE_DAY]
    if not halves:
        return Signed()
    before = _rows_of(halves, day - _ONE_DAY)
    stored = _store_blocks(halves, day, _with_late(halves, day, before))
    roots = _block_roots(halves, day)
    rows = []
    for half in halves:
        leaves, late, oldest_at = stored.get(half, (0, 0, None))
        block_roots = roots.get(half, [])
        statement = RootStatement(
            tenant_id=half[0],
            is_live=half[1],
            day=day,
            leaves=leaves,
            late=late,
            oldest_at=oldest_at,
            root=root_of(block_roots),
            previous=statement_of(before[half]).digest if half in before else NOTHING_BEFORE,
            key_id=key_id,
            signed_at=as_of,
        )
        rows.append(_row_of(statement, block_roots, sign(private, statement.text)))
    DayRoot.objects.bulk_create(rows)
    return Signed(len(rows), sum(row.leaves for row in rows), sum(row.late for row in rows))


def _rows_of(halves: Sequence[Half], day: date) -> dict[Half, DayRoot]:
    rows = DayRoot.objects.filter(day=day, tenant_id__in={tenant_id for tenant_id, _ in halves})
    return {(row.tenant_id, row.is_live): row for row in rows if (row.tenant_id, row.is_live) in set(halves)}


def _with_late(halves: Sequence[Half], day: date, before: Mapping[Half, DayRoot]) -> list[Half]:
    """Return the ledgers of which more rows are of the day before now than its tree has."""
    received = received_on(day - _ONE_DAY, [half for half in halves if half in before])
    return [half for half, count in received.items() if count > before[half].leaves - before[half].late]


def _store_blocks(
    halves: Sequence[Half], day: date, late: Sequence[Half]
) -> dict[Half, tuple[int, int, datetime | None]]:
    """Store the leaves of a day. Return the numbers of leaves and of late ones, and the earliest time of an event."""
    parameters: dict[str, Any] = {"ledgers": ledgers_parameter(halves, late), "day": day, **day_bounds(day)}
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in fetch_all(STORE_BLOCKS, parameters)}


def _block_roots(halves: Sequence[Half], day: date) -> dict[Half, list[bytes]]:
    """Return the root of each block of a day, reading some blocks at a time."""
    found: dict[Half, list[bytes]] = {}
    asked = set(halves)
    parameters: dict[str, Any] = {
        "day": day,
        "tenant_ids": sorted({tenant_id for tenant_id, _ in halves}),
        "tenant_id": "00000000-0000-0000-0000-000000000000",
        "is_live": False,
        "number": -1,
        "most": BLOCKS_PER_READ,
    }
    while True:
        rows = fetch_all(_BLOCKS, parameters)
        for tenant_id, is_live, _, hashes in rows:
            if (tenant_id, is_live) in asked:
                found.setdefault((tenant_id, is_live), []).append(root_of(hashes_in(bytes(hashes))))
        if len(rows) < BLOCKS_PER_READ:
            return found
        tenant_id, is_live, number, _ = rows[-1]
        parameters |= {"tenant_id": tenant_id, "is_live": is_live, "number": number}


def _row_of(statement: RootStatement, block_roots: Sequence[bytes], signature: bytes) -> DayRoot:
    return DayRoot(
        tenant_id=statement.tenant_id,
        is_live=statement.is_live,
        day=statement.day,
        leaves=statement.leaves,
        late=statement.late,
        oldest_at=statement.oldest_at,
        root=statement.root,
        block_roots=b"".join(block_roots),
        previous=statement.previous,
        key_id=statement.key_id,
        signature=signature,
        signed_at=statement.signed_at,
    )
