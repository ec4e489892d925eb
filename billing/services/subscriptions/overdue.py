"""The jobs of billing that look at everything once in a while, each recorded with what it found."""

from datetime import datetime
from typing import Final

from accounts.domain.job_report import JobReport
from accounts.models import JobRun
from accounts.services.jobs import run_job
from billing.services.subscriptions.lifecycle import refresh_overdue

OVERDUE_JOB: Final = "overdue"


def run_overdue(*, started_by: str, as_of: datetime) -> JobRun:
    """Set subscriptions past due whose invoices are unpaid too long, and active again where none is."""

    def work() -> JobReport:
        return JobReport({"looked_at": refresh_overdue(as_of=as_of)})

    return run_job(name=OVERDUE_JOB, started_by=started_by, as_of=as_of, work=work)
