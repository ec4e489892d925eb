"""Usage as CSV (RFC 4180) that is safe to open in a spreadsheet.

A spreadsheet computes a cell whose text begins like a formula, and callers of our customers can send such texts. So an
apostrophe is put before them, as OWASP recommends. A number is no formula, so it stays a number, also below zero.

With `?bom=1` the file begins with a byte order mark, by which Excel knows that it is UTF-8.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from itertools import chain
from typing import Any, Final, Protocol

from rest_framework.renderers import BaseRenderer

from accounts.domain.plain import plain_decimal, plain_instant
from accounts.domain.texts import without_formula

BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}".encode()
Table = tuple[Sequence[str], Iterable[Sequence[object]]]


class HasCsvTable(Protocol):
    """A view that can return its data as a table, with a byte order mark before it if its request asks for one."""

    has_bom: bool

    def csv_table(self, data: Any) -> Table:
        """Return the names of the columns, and the rows."""


class CsvRenderer(BaseRenderer):
    """Renders the data of a view that `HasCsvTable`."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the table as bytes, with a header row."""
        assert renderer_context is not None, "DRF gives the context"
        view: HasCsvTable = renderer_context["view"]
        columns, rows = view.csv_table(data)
        return write_csv(columns, rows, has_bom=view.has_bom)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], *, has_bom: bool = False) -> bytes:
    """Return the table as UTF-8 CSV with CRLF line ends, after a byte order mark if asked."""
    return (BOM if has_bom else b"") + csv_lines(chain([columns], rows))


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Return some lines of a table."""
    text = StringIO()
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def cell(value: object) -> str:
    """Return the text of a cell: numbers and times as in JSON, empty for None, never a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, datetime):
        return plain_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    return without_formula(str(value))
