"""`manage.py reconcile_payments`: compare our books with those of payment providers and name each difference.

Exits with 1 if there is one, or if a provider did not respond. It changes neither side.
"""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts.domain.numbers import counted
from billing.collection.services.reconciling import DAYS, run_reconciliation

DIFFERENCES_SHOWN_MAX = 200


class Command(BaseCommand):
    """Compare payments, refunds, disputes and payouts on both sides."""

    help = "Compare our books with those of payment providers and name each difference; exits with 1 if there is one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the number of days to look back."""
        parser.add_argument("--days", type=int, default=DAYS, help=f"How many days to look back, {DAYS} by default.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Report, and fail if something differs."""
        done = run_reconciliation(started_by="command", as_of=timezone.now(), days=options["days"])
        for line in [*done.lines[:DIFFERENCES_SHOWN_MAX], *done.away]:
            self.stdout.write(line)
        if len(done.lines) > DIFFERENCES_SHOWN_MAX:
            self.stdout.write(f"… and {len(done.lines) - DIFFERENCES_SHOWN_MAX:,} more")
        self.stdout.write(
            f"{counted(done.compared, 'objects')} compared, {counted(done.found, 'differences')},"
            f" {counted(done.closed, 'findings')} closed"
        )
        if done.found or done.away:
            sys.exit(1)
