"""`manage.py sign_days`: sign each ledger's days that are over, as the nightly job does."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from metering.proofs.services.jobs import run_signing


class Command(BaseCommand):
    """The command that signs days."""

    help = "Sign each ledger's days that are over and not signed yet. Safe to run at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        """Sign, and print what was signed."""
        run = run_signing(started_by="command", as_of=timezone.now())
        self.stdout.write(f"{run.summary['days']} days signed with {run.summary['leaves']} events and voids")
