"""`manage.py ensure_schedules`: create the schedules of planned jobs, and the partitions that events need now."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from config.operations.schedules import PLANNED_JOBS, ensure_schedules
from metering.services.nightly import run_partitions


class Command(BaseCommand):
    """The command. It is safe to run at each start, also on several machines at once."""

    help = "Create or correct the schedules of all planned jobs, and create partitions ahead."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what changed."""
        as_of = timezone.now()
        changed = ensure_schedules(as_of=as_of)
        made = run_partitions(started_by="start", as_of=as_of).summary["made"]
        if options["verbosity"]:
            self.stdout.write(f"{len(PLANNED_JOBS)} schedules, changed: {', '.join(changed) or 'none'}")
            self.stdout.write(f"partitions created: {', '.join(made) or 'none'}")
