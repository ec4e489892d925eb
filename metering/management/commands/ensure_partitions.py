"""`manage.py ensure_partitions`: create the event table's partitions, as the daily job does, or for named months."""

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from metering.domain.periods import YearMonth
from metering.services.nightly import run_partitions
from metering.services.partitions import ensure_partitions


class Command(BaseCommand):
    """Creates partitions ahead: events of a month without a partition are refused."""

    help = "Create missing partitions of the event table."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--first` and `--last`; both months are included."""
        parser.add_argument(
            "--first", metavar="2026-01", help="The first month. By default all months that events may need soon."
        )
        parser.add_argument("--last", metavar="2026-12", help="The last month. By default only the first one.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the partitions, and print which."""
        if options["last"] and not options["first"]:
            raise CommandError("--last needs --first.")
        if options["first"]:
            first = _month(options["first"])
            made = ensure_partitions(first=first, last=_month(options["last"] or options["first"]))
        else:
            made = run_partitions(started_by="command", as_of=timezone.now()).summary["made"]
        self.stdout.write(f"partitions created: {', '.join(made) or 'none'}")


def _month(text: str) -> date:
    month = YearMonth.parse(text)
    if month is None:
        raise CommandError(f"{text!r} is not a month such as 2026-01.")
    return month.first_day()
