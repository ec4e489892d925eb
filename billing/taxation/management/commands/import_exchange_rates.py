"""Import the exchange rates of the European Central Bank from a file, CSV or XML; safe to run again."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.errors import ProblemError
from billing.taxation.domain.bank_files import RatesFileError, parse_rates
from billing.taxation.services.exchange_rates import add_exchange_rates

BYTES_MAX = 50_000_000


class Command(BaseCommand):
    """`manage.py import_exchange_rates eurofxref-hist.csv`."""

    help = "Import exchange rates of the European Central Bank (eurofxref, CSV or XML)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file."""
        parser.add_argument("file", type=Path, help="eurofxref.csv, eurofxref-hist.csv or eurofxref-daily.xml")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the whole file, then add the new rates."""
        path: Path = options["file"]
        try:
            if path.stat().st_size > BYTES_MAX:
                raise CommandError(f"{path} is larger than {BYTES_MAX} bytes.")
            rates = parse_rates(path.read_text("utf-8"))
            done = add_exchange_rates(rates=rates, actor=Actor.system("import"), as_of=timezone.now())
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path} cannot be read: {error}") from error
        except RatesFileError as error:
            raise CommandError(str(error)) from error
        except ProblemError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"{done.added} rates added, {done.known} known.")
