"""Tables that SQL can be asked about: their columns for a reader, and how PostgreSQL computes them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from accounts.domain.scopes import Scope

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


@dataclass(frozen=True, slots=True)
class LakeColumn:
    """A column: `kind` is its type in DuckDB, `source` the expression that PostgreSQL computes it by."""

    name: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table: `source` is what follows FROM in PostgreSQL, with the rows as `t`.

    `tenant` and `is_live` are the expressions of whose rows they are, `starts` and `ends` those of a row's time: a row
    is in a span if it ends after the span's start and starts before its end. `scope` is what a key needs to read it.
    `time` is the column by which the lake keeps its parts: days of events, months of anything else. `own` are columns
    that only the lake has.
    """

    name: str
    columns: tuple[LakeColumn, ...]
    source: str
    starts: str
    ends: str
    time: str
    tenant: str = "t.tenant_id"
    is_live: str = "t.is_live"
    scope: Scope = Scope.USAGE_READ
    is_by_day: bool = False
    own: tuple[LakeColumn, ...] = ()

    @property
    def in_lake(self) -> tuple[LakeColumn, ...]:
        """Return the columns that the lake keeps: whose row it is, then the table's own."""
        return (
            LakeColumn("tenant_id", "VARCHAR", self.tenant),
            LakeColumn("tenant", "VARCHAR", "whose.slug"),
            LakeColumn("is_live", "BOOLEAN", self.is_live),
            *self.own,
            *self.columns,
        )


def tables_named(query: str, tables: Iterable[LakeTable]) -> list[LakeTable]:
    """Return the tables whose names are words of the query, so that only these are read."""
    words = {word.lower() for word in _WORD.findall(query)}
    return [table for table in tables if table.name in words]
