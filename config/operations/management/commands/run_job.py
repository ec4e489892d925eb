"""`manage.py run_job NAME`: run a planned job now, in this process, as its schedule would."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.module_loading import import_string

from accounts.models import JobOutcome
from config.operations.schedules import PLANNED_JOBS, latest_runs, planned_job


class Command(BaseCommand):
    """The command, for operators and for installations with their own scheduler."""

    help = "Run a planned job now. Exits with 1 if it found something that needs attention."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=[job.name for job in PLANNED_JOBS])

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the job, and print its record."""
        job = planned_job(options["name"])
        assert job is not None, "argparse let a planned name through"
        import_string(job.task)("command")
        run = latest_runs()[job.name]
        facts = ", ".join(f"{name} {value}" for name, value in run.summary.items())
        self.stdout.write(f"{job.name}: {run.get_outcome_display().lower()} ({facts})")
        if run.outcome != JobOutcome.SUCCEEDED:
            sys.exit(1)
