"""`manage.py sql "SELECT …"`: a question over the rows of all tenants, as a table, CSV or Parquet."""

import os
from datetime import datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from accounts.domain.numbers import number_text
from accounts.errors import ProblemError
from metering.domain.instants import InvalidInstantError, read_instant
from metering.lake.domain.questions import Range, SqlAnswer, SqlBounds
from metering.lake.gateways.sandbox import Output
from metering.lake.services.querying import query_as_operator

ROWS_SHOWN_MAX: Final = 1000
TABLE_WIDTH: Final = 160
FORMATS: Final = ("table", "csv", "parquet")


class Command(BaseCommand):
    """The command for operators: it reads, and can change nothing."""

    help = (
        "Run one SELECT (DuckDB) over events, usage_hour, usage_day and invoice_lines of all tenants."
        " Nothing can be changed by it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the query, the format, and the bounds."""
        parser.add_argument("query", help="One SELECT. Each table has the columns tenant and is_live, too.")
        parser.add_argument("--format", choices=FORMATS, default="table")
        parser.add_argument("--output", metavar="FILE", help="The file to write; needed for parquet.")
        parser.add_argument("--start", metavar="TIME", help="Only rows from this day or time on are read.")
        parser.add_argument("--end", metavar="TIME", help="Only rows from before this day or time are read.")
        parser.add_argument("--memory", type=int, default=1024, metavar="MIB", help="Memory; default 1024.")
        parser.add_argument("--seconds", type=int, default=300, help="After which the query is ended; default 300.")
        parser.add_argument("--rows-read", type=int, default=20_000_000, help="Of a table; default 20,000,000.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the answer, or write it to a file."""
        span = Range(_instant(options["start"]), _instant(options["end"]))
        bounds = SqlBounds(
            rows_read_max=options["rows_read"],
            bytes_read_max=64 * 2**30,
            rows_max=ROWS_SHOWN_MAX,
            bytes_max=16 * 2**20,
            memory_mib=options["memory"],
            seconds=options["seconds"],
            spill_mib=16 * 1024,
        )
        try:
            self._run(options["query"], options["format"], options["output"], span, bounds)
        except ProblemError as error:
            raise CommandError(error.detail) from error

    def _run(self, query: str, form: str, file: str | None, span: Range, bounds: SqlBounds) -> None:
        threads = os.cpu_count() or 1
        if form == "table" and file is None:
            self._print(query_as_operator(query, span=span, bounds=bounds, threads=threads))
        elif form == "table":
            raise CommandError("A file is written as csv or parquet: add --format.")
        elif file is not None:
            output = Output(Path(file).resolve(), form)
            query_as_operator(query, span=span, bounds=bounds, output=output, threads=threads)
            self.stdout.write(f"Written to {file}.")
        elif form == "parquet":
            raise CommandError("Parquet is not for a terminal: add --output FILE.")
        else:
            with TemporaryDirectory(prefix="countinghouse-sql-") as folder:
                output = Output(Path(folder) / "rows.csv", form)
                query_as_operator(query, span=span, bounds=bounds, output=output, threads=threads)
                with output.file.open(encoding="utf-8", newline="") as lines:
                    for line in lines:
                        self.stdout.write(line, ending="")

    def _print(self, answer: SqlAnswer) -> None:
        table = Table(*(column.name for column in answer.columns))
        for row in answer.rows:
            table.add_row(*("" if value is None else str(value) for value in row))
        text = StringIO()
        Console(file=text, markup=False, width=TABLE_WIDTH).print(table)
        self.stdout.write(text.getvalue(), ending="")
        shown = f"{number_text(len(answer.rows))} rows"
        more = ". There are more: --format csv writes all" if answer.is_truncated else ""
        self.stdout.write(f"{'The first ' if answer.is_truncated else ''}{shown}{more}.")


def _instant(text: str | None) -> datetime | None:
    """Return a time, or the start of a day of UTC."""
    if text is None:
        return None
    try:
        return read_instant(text if "T" in text else f"{text}T00:00:00Z")
    except InvalidInstantError as error:
        raise CommandError(f"{text} is no day such as 2026-11-01, and no time such as 2026-11-01T09:30:00Z.") from error
