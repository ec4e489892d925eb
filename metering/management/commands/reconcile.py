"""`manage.py reconcile`: compare the ledger with every rollup, print each drift, and exit with 1 if there is one."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from metering.selectors.ledgers import ledgers
from metering.services.nightly import run_reconciliation

DRIFTS_SHOWN_MAX = 50


class Command(BaseCommand):
    """The command that compares usage with the ledger."""

    help = "Compare the ledger with its rollups and print each drift. Exits with 1 if there is one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--tenant`, which limits the comparison to the named tenants."""
        parser.add_argument(
            "--tenant", action="append", metavar="SLUG", help="Only this tenant; may be given several times."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, print each drift, and fail if there is one."""
        slugs = options["tenant"]
        if slugs and len({ledger.tenant_id for ledger in ledgers(slugs=slugs)}) != len(set(slugs)):
            raise CommandError("At least one of these tenants does not exist.")
        found = run_reconciliation(slugs=slugs, started_by="command", as_of=timezone.now())
        for drift in found.drifts[:DRIFTS_SHOWN_MAX]:
            self.stdout.write(f"drift: {drift}")
        if len(found.drifts) > DRIFTS_SHOWN_MAX:
            self.stdout.write(f"… and {len(found.drifts) - DRIFTS_SHOWN_MAX} more")
        self.stdout.write(f"{found.ledgers} ledgers compared, {len(found.drifts)} drifts")
        if not found.is_clean:
            sys.exit(1)
