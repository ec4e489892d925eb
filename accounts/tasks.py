"""What schedules call. Each runs as a recorded job, and run twice it changes nothing more."""

from functools import partial
from typing import Final

from django.utils import timezone

from accounts.models import JobRun
from accounts.services import clean_up as cleaning
from accounts.services.jobs import run_job

CLEAN_UP_JOB: Final = "clean_up"


def clean_up(started_by: str = "schedule") -> str:
    """Remove what has had its time, and return the outcome."""
    return str(run_clean_up(started_by).outcome)


def run_clean_up(started_by: str) -> JobRun:
    """Remove what has had its time, for a command or the admin."""
    as_of = timezone.now()
    return run_job(name=CLEAN_UP_JOB, started_by=started_by, as_of=as_of, work=partial(cleaning.clean_up, as_of=as_of))
