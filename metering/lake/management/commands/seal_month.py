"""`manage.py seal_month 2026-05`: copy a month of the ledger to the lake, compared part by part."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.domain.numbers import counted, number_text
from metering.domain.periods import YearMonth
from metering.lake.errors import LakeMismatchError, LakeUnavailableError
from metering.lake.services.sealing import SealedPart, seal_month


class Command(BaseCommand):
    """The command for operators."""

    help = "Copy a month's events, usage and invoice lines to the lake. Nothing of the ledger is changed or deleted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the months."""
        parser.add_argument("months", nargs="+", metavar="MONTH", help="Such as 2026-05; several are possible.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Copy the months, and print each part that was written."""
        for text in options["months"]:
            month = month_named(text).first_day()
            try:
                sealed = seal_month(month=month, as_of=timezone.now(), progress=self._print)
            except (LakeUnavailableError, LakeMismatchError) as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"{text}: {counted(sealed.events, 'events')} in the lake, equal to the ledger's.")

    def _print(self, part: SealedPart) -> None:
        if part.is_written:
            size = f"{number_text(part.bytes)} bytes"
            self.stdout.write(f"[{part.number}/{part.of}] {part.name}: {counted(part.rows, 'rows')}, {size}")


def month_named(text: str) -> YearMonth:
    """Return the month of a text such as 2026-05. Raises `CommandError`."""
    month = YearMonth.parse(text)
    if month is None:
        raise CommandError(f"{text} is no month such as 2026-05.")
    return month
