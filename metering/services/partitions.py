"""Partitions of the event table: one a month, created ahead by schedule and on demand for old times.

There is no default partition, so an event without one is refused rather than misplaced.
"""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Final

from django.db import connection

from accounts.sql import fetch_all

MONTHS_AHEAD: Final = 3
# Months whose partition this process has seen. A partition may disappear by a rollback or by an operator; ingest then
# clears this cache.
_seen: set[date] = set()

MAKE = (
    "SELECT month::text, ledger_ensure_event_partition(month) FROM unnest(%(months)s::date[]) AS month ORDER BY month"
)


def ensure_partitions(*, first: date, last: date) -> list[str]:
    """Create the missing partitions from `first`'s month to `last`'s. Returns the months, as 2026-11."""
    return [month[:7] for month, is_new in fetch_all(MAKE, {"months": _months_between(first, last)}) if is_new]


def ensure_partitions_around(*, as_of: datetime, backfill_days: int) -> list[str]:
    """Create the partitions that events may need soon: from the start of the backfill window to some months ahead."""
    return ensure_partitions(
        first=(as_of - timedelta(days=backfill_days)).date(), last=(as_of + timedelta(days=31 * MONTHS_AHEAD)).date()
    )


def ensure_partitions_of(*, days: Collection[date]) -> None:
    """Create the partitions of the months of these days; months seen before cost no query."""
    missing = sorted({day.replace(day=1) for day in days} - _seen)
    if missing:
        made = {date.fromisoformat(month) for month, is_new in fetch_all(MAKE, {"months": missing}) if is_new}
        # A partition created within a transaction may still be rolled back.
        _seen.update(missing if not connection.in_atomic_block else set(missing) - made)


def has_seen_partition(instant: datetime) -> bool:
    """Return whether this process knows that the month of an instant in UTC has its partition."""
    return date(instant.year, instant.month, 1) in _seen


def forget_seen_partitions() -> None:
    """Clear the cache: when a partition is gone, and between tests."""
    _seen.clear()


def _months_between(first: date, last: date) -> list[date]:
    month, end = first.replace(day=1), last.replace(day=1)
    months = []
    while month <= end:
        months.append(month)
        month = (month + timedelta(days=31)).replace(day=1)
    return months
