"""Run a named job and record its outcome: the row that the admin shows beside its schedule."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from time import perf_counter
from typing import Final

from accounts.domain.job_report import JobReport
from accounts.domain.masking import mask_secrets
from accounts.models import JobOutcome, JobRun
from accounts.services.discrepancies import record_findings
from accounts.tracing import span

STATE: Final = "state"
WAITING: Final = "waits in the queue"
ERROR: Final = "error"
_ERROR_CHARACTERS_MAX = 500
SaveSummary = Callable[[Mapping[str, object]], None]


def run_job(*, name: str, started_by: str, as_of: datetime, work: Callable[[], JobReport]) -> JobRun:
    """Run `work` and return its row. What `work` raises is recorded and raised again; a killed run stays `running`."""
    return run_long_job(name=name, started_by=started_by, as_of=as_of, work=lambda _: work())


def run_long_job(*, name: str, started_by: str, as_of: datetime, work: Callable[[SaveSummary], JobReport]) -> JobRun:
    """Run work that saves its progress between its transactions: the row shows it while the work runs."""
    return _carry_out(JobRun.objects.create(name=name, started_at=as_of, started_by=started_by), work)


def queue_job(*, name: str, started_by: str, as_of: datetime, summary: Mapping[str, object]) -> JobRun:
    """Return the row of a job that waits in the queue, so that its state is shown from its request on."""
    waiting = {**summary, STATE: WAITING}
    return JobRun.objects.create(name=name, started_at=as_of, started_by=started_by, summary=waiting)


def run_queued_job(*, run: JobRun, as_of: datetime, work: Callable[[], JobReport]) -> JobRun:
    """Run the work of a row from `queue_job`, also again if the first run failed or was killed."""
    run.started_at, run.finished_at, run.outcome = as_of, None, JobOutcome.RUNNING
    run.summary = {name: value for name, value in run.summary.items() if name not in {STATE, ERROR}}
    run.save(update_fields=["started_at", "finished_at", "outcome", "summary"])
    return _carry_out(run, lambda _: work())


def _carry_out(run: JobRun, work: Callable[[SaveSummary], JobReport]) -> JobRun:
    started, known = perf_counter(), dict(run.summary)

    def save_summary(summary: Mapping[str, object]) -> None:
        JobRun.objects.filter(pk=run.pk, outcome=JobOutcome.RUNNING).update(summary=dict(summary))

    try:
        with span(f"job {run.name}", attributes={"countinghouse.job.started_by": run.started_by}):
            report = work(save_summary)
    except BaseException as error:
        # The queue stores the exception's text, too, in its own table.
        error.args = tuple(mask_secrets(part) if isinstance(part, str) else part for part in error.args)
        summary = known | {ERROR: mask_secrets(f"{type(error).__name__}: {error}")[:_ERROR_CHARACTERS_MAX]}
        _finish(run, JobOutcome.FAILED, summary, perf_counter() - started)
        raise
    if report.findings is not None:
        record_findings(findings=report.findings, as_of=run.started_at)
    outcome = JobOutcome.ATTENTION if report.needs_attention else JobOutcome.SUCCEEDED
    return _finish(run, outcome, known | dict(report.summary), perf_counter() - started)


def _finish(run: JobRun, outcome: JobOutcome, summary: dict[str, object], seconds: float) -> JobRun:
    """End the run. Its end is its start plus the seconds that passed, so that time remains an argument."""
    run.outcome = outcome
    run.summary = summary
    run.finished_at = run.started_at + timedelta(seconds=seconds)
    run.save(update_fields=["outcome", "summary", "finished_at"])
    return run
