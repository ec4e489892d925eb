"""A run of invoicing: drafts and finalizes until nothing is left to do, batch by batch, however often and wherever it is started."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from accounts.domain.job_report import JobReport
from accounts.models import JobRun
from accounts.services.jobs import run_job
from billing.domain.invoicing import ComputedInvoice
from billing.selectors.computation import Computation, Unbillable, compute_invoices, states_at_due, states_of_invoices
from billing.selectors.due import Due, due_subscriptions, ripe_invoices
from billing.services.invoicing.drafting import BATCH_SIZE, draft_batch
from billing.services.invoicing.finalizing import finalize_batch

INVOICING_JOB: Final = "invoicing"
NUMBERS_KEPT_MAX: Final = 20


@dataclass(slots=True)
class InvoicingRun:
    """What a run has done so far."""

    drafted: int = 0
    finalized: int = 0
    parked: list[Unbillable] = field(default_factory=list)

    def summary(self) -> dict[str, object]:
        """As it is kept with the job's run."""
        kept = [f"{found.code}: {found.detail}" for found in self.parked[:NUMBERS_KEPT_MAX]]
        return {"drafted": self.drafted, "finalized": self.finalized, "parked": len(self.parked), "first": kept}


Progress = Callable[[InvoicingRun], None]


def run_invoicing(*, as_of: datetime, due: Due | None = None, on_progress: Progress | None = None) -> InvoicingRun:
    """Draft what is due and finalize what has waited, until there is neither. Safe to run twice and at once.

    A subscription that is several periods behind gets its invoices one after the other.
    """
    due = due or Due()
    run = InvoicingRun()
    while True:
        drafted = draft_batch(as_of=as_of, due=due)
        finalized = finalize_batch(as_of=as_of, due=due)
        run.drafted += len(drafted.invoice_ids)
        run.finalized += len(finalized.invoice_ids)
        run.parked += [*drafted.parked, *finalized.parked]
        if drafted.is_empty and finalized.is_empty:
            return run
        if on_progress is not None:
            on_progress(run)


def run_invoicing_job(
    *, started_by: str, as_of: datetime, due: Due | None = None, on_progress: Progress | None = None
) -> tuple[JobRun, InvoicingRun]:
    """The same, recorded as a run of a job that the admin shows."""
    done: list[InvoicingRun] = []

    def work() -> JobReport:
        done.append(run_invoicing(as_of=as_of, due=due, on_progress=on_progress))
        return JobReport(done[0].summary(), needs_attention=bool(done[0].parked))

    job_run = run_job(name=INVOICING_JOB, started_by=started_by, as_of=as_of, work=work)
    return job_run, done[0]


def plan_invoices(*, as_of: datetime, due: Due | None = None) -> list[Computation]:
    """The dry run: what the next pass would draft or finalize, computed by the same code, with nothing written."""
    due = due or Due()
    planned: list[Computation] = []
    subscriptions = list(due_subscriptions(as_of, due))
    for start in range(0, len(subscriptions), BATCH_SIZE):
        planned += compute_invoices(states_at_due(subscriptions[start : start + BATCH_SIZE]))
    invoices = list(ripe_invoices(as_of, due))
    for start in range(0, len(invoices), BATCH_SIZE):
        planned += compute_invoices(states_of_invoices(invoices[start : start + BATCH_SIZE]))
    return planned


def computed_only(planned: list[Computation]) -> list[ComputedInvoice]:
    """Those that can be billed."""
    return [found for found in planned if isinstance(found, ComputedInvoice)]
