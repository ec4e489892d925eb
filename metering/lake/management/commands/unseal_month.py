"""`manage.py unseal_month 2026-05`: delete a month from the lake while the ledger holds it, too."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.domain.numbers import counted
from metering.lake.errors import LakeMismatchError, LakeUnavailableError
from metering.lake.management.commands.seal_month import month_named
from metering.lake.services.sealing import unseal_month


class Command(BaseCommand):
    """The command for operators."""

    help = "Delete a month from the lake. Refused if the ledger's events of it are deleted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the month."""
        parser.add_argument("month", metavar="MONTH", help="Such as 2026-05.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete the month, and print the number of its parts."""
        try:
            parts = unseal_month(month=month_named(options["month"]).first_day())
        except (LakeUnavailableError, LakeMismatchError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{options['month']}: {counted(parts, 'parts')} deleted from the lake.")
