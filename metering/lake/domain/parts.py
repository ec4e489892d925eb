"""Parts of the lake's tables: a day of events, a month of anything else, and what shows that two copies are one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from metering.domain.retention import month_after
from metering.lake.domain.tables import LakeColumn, LakeTable

# A tenant may get another slug, so this column is no part of what is compared.
NOT_COMPARED = "tenant"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a table: the rows whose time is from `starts_on` on, and before `ends_on`, in UTC."""

    table: LakeTable
    starts_on: date
    ends_on: date

    @property
    def first(self) -> str:
        """Return the first value of the table's time, as Iceberg reads it."""
        return self._written(self.starts_on)

    @property
    def last(self) -> str:
        """Return the value of the table's time behind the last one."""
        return self._written(self.ends_on)

    def _written(self, day: date) -> str:
        kind = next(column.kind for column in self.table.columns if column.name == self.table.time)
        return day.isoformat() if kind == "DATE" else f"{day.isoformat()}T00:00:00+00:00"

    def __str__(self) -> str:
        return f"{self.table.name} {self.starts_on:{'%Y-%m-%d' if self.table.is_by_day else '%Y-%m'}}"


@dataclass(frozen=True, slots=True)
class PartContent:
    """What two copies of a part have in common: rows, the sum of their quantities and of their digests, and voids."""

    rows: int = 0
    quantity: Decimal = Decimal(0)
    digest: int = 0
    voids: int = 0

    def __str__(self) -> str:
        return f"{self.rows} rows, sum {self.quantity:f}, digest {self.digest}"


def parts_of(month: date, tables: Iterable[LakeTable]) -> list[Part]:
    """Return the parts of a month: a part for each day of a table by day, else one."""
    first, end = month.replace(day=1), month_after(month)
    days = [first + timedelta(days=number) for number in range((end - first).days)]
    parts: list[Part] = []
    for table in tables:
        if table.is_by_day:
            parts += [Part(table, day, day + timedelta(days=1)) for day in days]
        else:
            parts.append(Part(table, first, end))
    return parts


def compared(table: LakeTable) -> list[LakeColumn]:
    """Return the columns whose values are compared."""
    return [column for column in table.in_lake if column.name != NOT_COMPARED]


def void_column(table: LakeTable) -> str:
    """Return the column that is set if a row is voided, else NULL as an expression of SQL."""
    return "voided_at" if any(column.name == "voided_at" for column in table.columns) else "NULL"


def places_of(column: LakeColumn) -> int | None:
    """Return the digits after the point of a decimal column, else None."""
    if not column.kind.startswith("DECIMAL"):
        return None
    return int(column.kind.removesuffix(")").partition(",")[2])
