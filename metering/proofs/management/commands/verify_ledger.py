"""`manage.py verify_ledger`: compare every ledger with its signed days, and exit with 1 if one differs."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from metering.proofs.services.jobs import run_ledger_proof
from metering.selectors.ledgers import ledgers


class Command(BaseCommand):
    """The command that verifies ledgers."""

    help = "Compare ledgers with their signed days and print each day that breaks. Exits with 1 if there is one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--tenant`, which limits it to the named tenants."""
        parser.add_argument("--tenant", action="append", metavar="SLUG", help="Only this tenant; may be repeated.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, print each day that breaks, and fail if there is one."""
        slugs = options["tenant"]
        if slugs and len({ledger.tenant_id for ledger in ledgers(slugs=slugs)}) != len(set(slugs)):
            raise CommandError("At least one of these tenants does not exist.")
        found = run_ledger_proof(slugs=slugs, started_by="command", as_of=timezone.now())
        for one in found.breaks:
            self.stdout.write(f"broken: {one}")
        counted = f"{found.ledgers} ledgers, {found.days} signed days, {found.leaves} events and voids"
        self.stdout.write(f"{counted} verified, {len(found.breaks)} breaks")
        if found.breaks:
            sys.exit(1)
