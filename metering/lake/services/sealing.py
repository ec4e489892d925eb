"""Copy months of the ledger to the lake, part by part, and compare each part by rows, sum and digest.

The ledger is not changed by it. A part whose content is that of the last time is left as it is, so a run that died goes
on at its part, and a month can be brought up to date.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from django.db import transaction
from django.db.models import Sum

from accounts.sql import fetch_all
from metering.domain.retention import month_after
from metering.lake.domain.parts import Part, PartContent, parts_of
from metering.lake.errors import LakeMismatchError
from metering.lake.gateways.iceberg import Lake, lake_of_settings
from metering.lake.models import LakeMonth, LakePart
from metering.lake.selectors.ledger_tables import lake_tables
from metering.lake.selectors.parts import copy_part, ledger_content
from metering.models import EventMonth, MonthStep

LOCK: Final = "SELECT pg_advisory_xact_lock(7310468231)"


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

    Raises `LakeUnavailableError`, and `LakeMismatchError` if what the lake holds is not what the ledger holds.
    """
    parts = parts_of(month, lake_tables())
    with closing(lake_of_settings()) as lake, TemporaryDirectory(prefix="countinghouse-lake-") as folder:
        for number, part in enumerate(parts, start=1):
            row, is_written = _seal_part(lake, part, Path(folder) / "rows.csv", as_of)
            progress(SealedPart(str(part), row.rows, row.bytes, is_written, number, len(parts)))
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
    if EventMonth.objects.filter(month=first, step=MonthStep.DELETED).exists():
        raise LakeMismatchError(f"The raw events of {first:%Y-%m} are only in the lake: nothing was deleted.")
    deleted = 0
    with closing(lake_of_settings()) as lake:
        LakeMonth.objects.filter(month=first).delete()
        for part in parts_of(month, lake_tables()):
            with transaction.atomic():
                fetch_all(LOCK)
                deleted += LakePart.objects.filter(table=part.table.name, starts_on=part.starts_on).delete()[0]
                lake.remove(part)
    return deleted


@transaction.atomic
def _seal_part(lake: Lake, part: Part, file: Path, as_of: datetime) -> tuple[LakePart, bool]:
    fetch_all(LOCK)
    content = ledger_content(part)
    known = LakePart.objects.filter(table=part.table.name, starts_on=part.starts_on).first()
    if known is not None and _content_of(known) == content:
        return known, False
    copy_part(part, file)
    lake.replace(part, file)
    file.unlink()
    stored = lake.content(part)
    if stored != content:
        raise LakeMismatchError(f"{part}: the ledger has {content}, the lake {stored}. Nothing was deleted.")
    files, size = lake.size(part)
    facts = {
        "rows": content.rows, "quantity": content.quantity, "digest": content.digest, "voids": content.voids,
        "files": files, "bytes": size, "sealed_at": as_of,
    }  # fmt: skip
    row, _ = LakePart.objects.update_or_create(table=part.table.name, starts_on=part.starts_on, defaults=facts)
    return row, content.rows > 0


def _content_of(part: LakePart) -> PartContent:
    return PartContent(part.rows, part.quantity, int(part.digest), part.voids)
