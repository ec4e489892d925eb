"""A run of invoicing: drafts and finalizes batch by batch until nothing is left; any number may run at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from accounts.domain.job_report import JobReport
from accounts.models import JobRun
from accounts.services.jobs import SaveSummary, run_long_job
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.state import BillingState
from billing.ledger.services.releasing import release_deferred
from billing.models import Invoice, Issuer, Subscription
from billing.selectors.invoicing.computation import Computation, Unbillable, compute_invoices
from billing.selectors.invoicing.due import Due, due_subscriptions, ripe_invoices
from billing.selectors.invoicing.issuing import ready_to_issue
from billing.selectors.invoicing.states import states_at_due, states_of_invoices
from billing.selectors.issuer import issuers_day
from billing.services.invoicing.drafting import BATCH_SIZE, Drafted, draft_batch
from billing.services.invoicing.finalizing import finalize_batch
from billing.services.invoicing.setting_off import set_off_credit
from metering.domain.periods import month_span

INVOICING_JOB: Final = "invoicing"
INVOICING_OF_SOME_JOB: Final = "invoicing of some"
PARKED_KEPT_MAX: Final = 20


@dataclass(slots=True)
class InvoicingRun:
    """What a run has done so far. `invoice_ids` are those that it drafted or finalized, each once, in that order."""

    drafted: int = 0
    finalized: int = 0
    parked: list[Unbillable] = field(default_factory=list)
    invoice_ids: dict[UUID, None] = field(default_factory=dict)

    def add(self, drafted: Drafted, finalized: Drafted) -> None:
        """Count a batch of each."""
        self.drafted += len(drafted.invoice_ids)
        self.finalized += len(finalized.invoice_ids)
        self.parked += [*drafted.parked, *finalized.parked]
        self.invoice_ids |= dict.fromkeys((*drafted.invoice_ids, *finalized.invoice_ids))

    def summary(self) -> dict[str, object]:
        """Return the summary that is stored with the job's run."""
        counts: dict[str, object] = {
            "drafted": self.drafted,
            "finalized": self.finalized,
            "parked": len(self.parked),
        }
        kept = [f"{found.code}: {found.detail}" for found in self.parked[:PARKED_KEPT_MAX]]
        return counts | ({"first": kept} if kept else {})


Progress = Callable[[InvoicingRun], None]


def run_invoicing(*, as_of: datetime, due: Due | None = None, on_progress: Progress | None = None) -> InvoicingRun:
    """Draft what is due and finalize what has waited, until there is neither. Safe to run twice and at once.

    A subscription that is several periods behind gets its invoices one after the other.
    """
    due = due or Due()
    run = InvoicingRun()
    release_deferred(month=issuers_day(as_of).replace(day=1), as_of=as_of)
    while True:
        drafted = draft_batch(as_of=as_of, due=due)
        finalized = finalize_batch(as_of=as_of, due=due)
        run.add(drafted, finalized)
        if drafted.is_empty and finalized.is_empty:
            set_off_credit(as_of=as_of, due=due)
            return run
        if on_progress is not None:
            on_progress(run)


def run_invoicing_job(
    *, started_by: str, as_of: datetime, due: Due | None = None, on_progress: Progress | None = None
) -> tuple[JobRun, InvoicingRun]:
    """Run invoicing, recorded as a run of a job; the admin shows its progress after each batch."""
    done: list[InvoicingRun] = []

    def work(tell: SaveSummary) -> JobReport:
        def progress(run: InvoicingRun) -> None:
            tell(run.summary())
            if on_progress is not None:
                on_progress(run)

        done.append(run_invoicing(as_of=as_of, due=due, on_progress=progress))
        return JobReport(done[0].summary(), needs_attention=bool(done[0].parked))

    # A run for some tenants, or of some months, must not pass for the scheduled look at all.
    name = INVOICING_JOB if due is None or due == Due() else INVOICING_OF_SOME_JOB
    job_run = run_long_job(name=name, started_by=started_by, as_of=as_of, work=work)
    return job_run, done[0]


def count_waiting(*, as_of: datetime, due: Due | None = None) -> int:
    """Return how many steps a run begins with: boundaries to draft, and drafts to finalize.

    Steps that follow from these are not counted.
    """
    due = due or Due()
    return due_subscriptions(as_of, due).count() + ripe_invoices(as_of, due).count()


def plan_invoices(*, as_of: datetime, due: Due | None = None) -> list[Computation]:
    """Compute what a run would draft or finalize, by the same code, and write nothing (the dry run).

    A subscription that is several periods behind has an invoice for each.
    """
    due = due or Due()
    grace = timedelta(minutes=Issuer.objects.values_list("grace_minutes", flat=True).get(pk=1))
    plan = _Plan(as_of, due, grace)
    ripe = list(ripe_invoices(as_of, due))
    for start in range(0, len(ripe), BATCH_SIZE):
        plan.finalize(ripe[start : start + BATCH_SIZE])
    subscriptions = list(due_subscriptions(as_of, due))
    for start in range(0, len(subscriptions), BATCH_SIZE):
        plan.draft(subscriptions[start : start + BATCH_SIZE])
    return [found for found in plan.planned if isinstance(found, Unbillable) or found.lines]


def computed_only(planned: Sequence[Computation]) -> list[ComputedInvoice]:
    """Return those that can be billed."""
    return [found for found in planned if isinstance(found, ComputedInvoice)]


@dataclass(slots=True)
class _Plan:
    """What a run at `as_of` would do, as far as it is known."""

    as_of: datetime
    due: Due
    grace: timedelta
    planned: list[Computation] = field(default_factory=list)

    def finalize(self, drafts: Sequence[Invoice]) -> None:
        """Add what would become of drafts whose grace is over, and of what follows them."""
        computed = compute_invoices(states_of_invoices(drafts), is_final=lambda _: True)
        computed = ready_to_issue(computed, as_of=self.as_of)
        behind = [draft.subscription for draft in drafts if _is_due(draft.subscription.due_at, self.as_of)]
        next_states = {state.subscription_id: state for state in states_at_due(behind)}
        self.planned += computed
        self._follow(computed, next_states)

    def draft(self, subscriptions: Sequence[Subscription]) -> None:
        """Add the invoices of due boundaries, and of those that follow them."""
        self._follow(self._add(states_at_due(subscriptions)), None)

    def _follow(self, computed: Sequence[Computation], next_states: dict[UUID | None, BillingState] | None) -> None:
        """Add what a run would go on to do once these are finalized.

        `next_states` are those that are known; others follow from the state.
        """
        while True:
            following = []
            for before in computed_only(computed):
                if next_states is not None:
                    state = next_states.get(before.state.subscription_id)
                else:
                    state = before.state.following if self._is_ripe(before.state) else None
                if state is not None and _is_meant(state, self.as_of, self.due):
                    following.append((before, state))
            if not following:
                return
            computed = self._add([state for _, state in following], [invoice for invoice, _ in following])
            next_states = None

    def _add(
        self, states: Sequence[BillingState], following: Sequence[ComputedInvoice] | None = None
    ) -> list[Computation]:
        """Compute what a run would draft, and check what it would finalize at once as finalizing does."""
        computed = compute_invoices(states, following=following, is_final=self._is_ripe)
        known = computed_only(self.planned)
        computed = ready_to_issue(computed, as_of=self.as_of, before=known, is_final=self._is_ripe)
        self.planned += computed
        return computed

    def _is_ripe(self, state: BillingState) -> bool:
        return state.closes_at + (self.grace if state.boundary else timedelta()) <= self.as_of


def _is_due(due_at: datetime | None, as_of: datetime) -> bool:
    return due_at is not None and due_at <= as_of


def _is_meant(state: BillingState, as_of: datetime, due: Due) -> bool:
    is_in_month = due.month is None or state.closes_at <= month_span(due.month, state.time_zone).end
    return state.closes_at <= as_of and is_in_month
