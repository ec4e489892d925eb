"""`manage.py seed_demo`: a dozen tenants with half a year of usage that ends now. Run again, it adds the time since."""

from time import perf_counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.workbench.demo.operations import queue_proofs
from config.workbench.demo.steps import seed_demo
from metering.proofs.services.jobs import run_signing
from metering.services.partitions import ensure_partitions_around

HISTORY_DAYS = 190


class Command(BaseCommand):
    """Fill an empty installation with something to look at."""

    help = "Create demo tenants with six months of usage, and their logins."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the seed and `--force`. The same seed gives the same usage."""
        parser.add_argument("--seed", default="countinghouse", help="The seed of the made-up usage.")
        parser.add_argument("--force", action="store_true", help="Also outside of the development profile.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the data, and print what was added."""
        if settings.PROFILE != "development" and not options["force"]:
            raise CommandError("Demo data is for the development profile. Use --force to create it here anyway.")
        started = perf_counter()
        as_of = timezone.now()
        ensure_partitions_around(as_of=as_of, backfill_days=HISTORY_DAYS)
        added = seed_demo(seed=options["seed"], as_of=as_of, credentials_file=settings.DEMO_FILE)
        run_signing(started_by="the demo", as_of=as_of)
        queue_proofs()
        if options["verbosity"]:
            for slug, events in added.items():
                self.stdout.write(f"{slug}: {events} events")
            seconds = perf_counter() - started
            self.stdout.write(
                f"{sum(added.values())} events in {seconds:.1f} s; logins and keys are in {settings.DEMO_FILE}"
            )
