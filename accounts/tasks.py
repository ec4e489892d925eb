"""Scheduled tasks of accounts. Each runs as a recorded job, and running it twice changes nothing more."""

from functools import partial
from typing import Final

from django.utils import timezone

from accounts.models import JobRun
from accounts.services import clean_up as cleaning
from accounts.services.jobs import run_job
from accounts.services.viewing import end_viewings_left

CLEAN_UP_JOB: Final = "clean_up"
VIEWINGS_JOB: Final = "viewings"


def clean_up(started_by: str = "schedule") -> str:
    """Delete expired rows, and return the outcome."""
    return str(run_clean_up(started_by).outcome)


def run_clean_up(started_by: str) -> JobRun:
    """Delete expired rows, for a command or the admin."""
    as_of = timezone.now()
    return run_job(name=CLEAN_UP_JOB, started_by=started_by, as_of=as_of, work=partial(cleaning.clean_up, as_of=as_of))


def end_viewings(started_by: str = "schedule") -> str:
    """Record the end of each viewing as a customer whose time ran out."""
    as_of = timezone.now()
    work = partial(end_viewings_left, as_of=as_of)
    return str(run_job(name=VIEWINGS_JOB, started_by=started_by, as_of=as_of, work=work).outcome)
