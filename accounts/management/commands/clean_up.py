"""`manage.py clean_up`: remove expired responses, sessions and invitations, as the nightly schedule does."""

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.services import clean_up as cleaning
from accounts.services.jobs import run_job


class Command(BaseCommand):
    """The command."""

    help = "Remove expired responses, sessions, invitations and job runs."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the job and print what was removed."""
        as_of = timezone.now()
        work = partial(cleaning.clean_up, as_of=as_of)
        run = run_job(name="clean_up", started_by="manage.py", as_of=as_of, work=work)
        self.stdout.write(", ".join(f"{rows} {name.replace('_', ' ')}" for name, rows in run.summary.items()))
