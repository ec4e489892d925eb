"""Copy months of the ledger to the lake, part by part, and compare each part by rows, sum and digest.

The ledger is not changed by it. A part whose content is that of the last time is left as it is, so a run that died goes
on at its table, and a month can be brought up to date.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Final

from django.db import transaction
from django.db.models import Sum

from accounts.sql import fetch_all
from metering.domain.retention import month_after
from metering.lake.domain.parts import Part, PartContent, parts_of
from metering.lake.errors import LakeMismatchError
from metering.lake.gateways.iceberg import Lake, lake_of_settings
from metering.lake.gateways.part_files import PartStream, WrittenPart
from metering.lake.models import LakeMonth, LakePart
from metering.lake.selectors.ledger_tables import lake_tables
from metering.lake.selectors.parts import copy_part, ledger_content
from metering.models import EventMonth, MonthStep

LOCK: Final = "SELECT pg_advisory_xact_lock(7310468231)"
# Parts that are written at a time: one is read back while the next comes from PostgreSQL.
AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class SealedPart:
    """A part of a month that was dealt with: what it holds, and whether it had to be written."""

    name: str
    rows: int
    bytes: int
    is_written: bool
    number: int
    of: int


def seal_month(*, month: date, as_of: datetime, progress: Callable[[SealedPart], None]) -> LakeMonth:
    """Copy a month to the lake. Safe to run again, and at any moment to be killed.

    Each table's parts get into the lake in one commit, after they were compared. Raises `LakeUnavailableError`, and
    `LakeMismatchError` if what was written is not what the ledger holds; then the lake is as it was.
    """
    require_in_ledger(month.replace(day=1))
    parts = parts_of(month, lake_tables())
    numbers = {part: number for number, part in enumerate(parts, start=1)}

    def report(part: Part, row: LakePart, *, is_written: bool) -> None:
        progress(SealedPart(str(part), row.rows, row.bytes, is_written, numbers[part], len(parts)))

    with closing(lake_of_settings()) as lake:
        for _, of_table in groupby(parts, key=lambda part: part.table.name):
            _seal_parts(lake, list(of_table), as_of, report)
    first = month.replace(day=1)
    of_month = LakePart.objects.filter(starts_on__gte=first, starts_on__lt=month_after(month), table="events")
    total = of_month.aggregate(events=Sum("rows", default=0), voids=Sum("voids", default=0))
    sealed, _ = LakeMonth.objects.update_or_create(month=first, defaults={**total, "sealed_at": as_of})
    return sealed


def unseal_month(*, month: date) -> int:
    """Delete a month from the lake while the ledger holds it, too, and return the number of its parts.

    Raises `LakeMismatchError` if the ledger's events are deleted: the lake's are the only ones then.
    """
    first = month.replace(day=1)
    require_in_ledger(first)
    deleted = 0
    with closing(lake_of_settings()) as lake:
        LakeMonth.objects.filter(month=first).delete()
        for _, of_table in groupby(parts_of(month, lake_tables()), key=lambda part: part.table.name):
            parts = list(of_table)
            with transaction.atomic():
                fetch_all(LOCK)
                days = [part.starts_on for part in parts]
                deleted += LakePart.objects.filter(table=parts[0].table.name, starts_on__in=days).delete()[0]
                lake.remove(parts)
    return deleted


def require_in_ledger(month: date) -> None:
    """Raise `LakeMismatchError` if the raw events of a month are deleted, so that only the lake may have them."""
    if EventMonth.objects.filter(month=month, step=MonthStep.DELETED).exists():
        raise LakeMismatchError(
            f"The raw events of {month:%Y-%m} are only in the lake, if anywhere. Nothing was changed."
        )


@transaction.atomic
def _seal_parts(lake: Lake, parts: Sequence[Part], as_of: datetime, report: Callable[..., None]) -> None:
    """Copy those parts of a table that the lake does not have as the ledger has them now."""
    fetch_all(LOCK)
    table = parts[0].table
    rows = LakePart.objects.filter(table=table.name, starts_on__in=[part.starts_on for part in parts])
    known = {row.starts_on: row for row in rows}
    written: list[WrittenPart] = []
    with ThreadPoolExecutor(AT_ONCE) as executor:
        waiting: deque[PartStream] = deque()
        for part in parts:
            row = known.get(part.starts_on)
            if row is not None and _content_of(row) == ledger_content(part):
                report(part, row, is_written=False)
                continue
            if len(waiting) == AT_ONCE:
                written.append(_equal(waiting.popleft().written()))
            waiting.append(_copied(lake, executor, part))
        written += [_equal(stream.written()) for stream in waiting]
    # Asked after the rows were read: what was deleted meanwhile must not replace the lake's, which is the only copy.
    if table.is_by_day:
        require_in_ledger(parts[0].starts_on)
    lake.commit(written)
    for each in written:
        facts = {
            "rows": each.stored.rows, "quantity": each.stored.quantity, "digest": each.stored.digest,
            "voids": each.stored.voids, "files": len(each.files), "sealed_at": as_of,
            "bytes": sum(file.file_size_in_bytes for file in each.files),
        }  # fmt: skip
        row, _ = LakePart.objects.update_or_create(table=table.name, starts_on=each.part.starts_on, defaults=facts)
        report(each.part, row, is_written=bool(each.files))


def _copied(lake: Lake, executor: Executor, part: Part) -> PartStream:
    """Send the rows of a part to the lake, and return the stream, whose reader may still be writing."""
    stream = lake.stream(executor, part)
    try:
        with closing(stream):
            copy_part(part, stream.write)
    except BrokenPipeError:
        stream.written()  # raises why the reader ended
        raise
    return stream


def _equal(written: WrittenPart) -> WrittenPart:
    if written.stored != written.sent:
        raise LakeMismatchError(
            f"{written.part}: the ledger has {written.sent}, the lake {written.stored}. Nothing was changed or deleted."
        )
    return written


def _content_of(part: LakePart) -> PartContent:
    return PartContent(part.rows, part.quantity, int(part.digest), part.voids)
