"""`manage.py sql "SELECT …"`: a question over the rows of all tenants, as a table, CSV or Parquet."""

import os
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
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
from metering.lake.domain.pieces import RowSource
from metering.lake.domain.questions import Range, SqlAnswer, SqlBounds
from metering.lake.errors import LakeUnavailableError
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
        parser.add_argument(
            "--from",
            dest="source",
            choices=[str(source) for source in RowSource],
            default=str(RowSource.BOTH),
            help="Where rows are read. Default both: events of sealed months from the lake, all else from the ledger.",
        )
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
        ask = partial(
            query_as_operator,
            options["query"],
            span=span,
            bounds=bounds,
            threads=os.cpu_count() or 1,
            source=RowSource(options["source"]),
        )
        try:
            answer = self._run(ask, options["format"], options["output"])
        except ProblemError as error:
            raise CommandError(error.detail) from error
        except LakeUnavailableError as error:
            raise CommandError(f"{error} Or read the ledger alone: --from ledger.") from error
        self._report_sources(answer)

    def _run(self, ask: Callable[..., SqlAnswer], form: str, file: str | None) -> SqlAnswer:
        if form == "table" and file is None:
            answer = ask()
            self._print(answer)
            return answer
        if form == "table":
            raise CommandError("A file is written as csv or parquet: add --format.")
        if file is not None:
            answer = ask(output=Output(Path(file).resolve(), form))
            self.stdout.write(f"Written to {file}.")
            return answer
        if form == "parquet":
            raise CommandError("Parquet is not for a terminal: add --output FILE.")
        with TemporaryDirectory(prefix="countinghouse-sql-") as folder:
            output = Output(Path(folder) / "rows.csv", form)
            answer = ask(output=output)
            with output.file.open(encoding="utf-8", newline="") as lines:
                for line in lines:
                    self.stdout.write(line, ending="")
        return answer

    def _report_sources(self, answer: SqlAnswer) -> None:
        """Print to the error stream which months were not read from the ledger, and which could not be read."""
        if answer.from_lake:
            self.stderr.write(f"From the lake: events of {_named(answer.from_lake)}.")
        if answer.gone:
            self.stderr.write(f"Not included, since deleted and not in the lake: events of {_named(answer.gone)}.")

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


def _named(months: Sequence[date]) -> str:
    return ", ".join(f"{month:%Y-%m}" for month in months)
