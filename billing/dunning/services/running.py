"""Running the steps that are due: each once, whatever crashes and however many workers run at once.

A step that touches only our rows and its outcome are one transaction. A charge is three: the step is marked as running,
the provider is called outside of any transaction, and the outcome is stored. If the process is killed in between, the
step runs again under the same name, and the provider charges that once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import F

from accounts.domain.job_report import JobReport
from accounts.errors import ConflictError
from accounts.models import JobRun
from accounts.services.jobs import run_job
from billing.collection.domain.provider import ReportedPayment
from billing.collection.errors import PaymentProviderError, PaymentRefusedError, ProviderObjectError
from billing.collection.services.charging import charge_again
from billing.domain.statuses import InvoiceStatus
from billing.dunning.domain.schedules import moved_by
from billing.dunning.domain.states import AFTER_PAYMENT, CaseStatus, ServiceStage, StepKind, StepStatus
from billing.dunning.models import DunningCase, DunningPause, DunningStep
from billing.dunning.selectors.cases import INTERRUPTED_AFTER, due_steps
from billing.dunning.services.charges import add_fee, add_interest
from billing.dunning.services.following import ACTOR, move_case, record, set_stage
from billing.dunning.services.mailing import queue_letter
from billing.models import BillingProfile, Invoice, Subscription
from billing.services.invoicing.status import locked_invoice
from billing.services.subscriptions.changes import When, cancel_subscription

DUNNING_JOB: Final = "dunning"
STEPS_PER_RUN: Final = 500
BACK_OFF_FIRST: Final = timedelta(minutes=10)
BACK_OFF_MAX: Final = timedelta(hours=6)
_OUTCOME_CHARACTERS_MAX: Final = 300
_ITEMS: Final = {StepKind.FEE: add_fee, StepKind.INTEREST: add_interest}
_STAGES: Final = {StepKind.SUSPEND: ServiceStage.SUSPENDED, StepKind.CANCEL: ServiceStage.CANCELLED}


class ChargeCall(Protocol):
    """How a card is charged again: `billing.collection.services.charging.charge_again`."""

    def __call__(self, *, invoice_id: UUID, attempt: str, as_of: datetime) -> ReportedPayment:
        """Charge, record the outcome, and return it."""


@dataclass(slots=True)
class Ran:
    """What a run did. `later` are steps whose outcome is unknown or that had to wait; they run again."""

    done: int = 0
    later: list[str] = field(default_factory=list)


def run_due_steps(*, as_of: datetime, limit: int = STEPS_PER_RUN, charge: ChargeCall = charge_again) -> Ran:
    """Run what is due now, at most one step of each case. Any number of workers may run at once."""
    ran = Ran()
    for step_id in due_steps(as_of=as_of, limit=limit):
        try:
            ran.done += run_step(step_id=step_id, as_of=as_of, charge=charge)
        except (PaymentProviderError, ConflictError) as error:
            ran.later.append(f"step {step_id}: {error.detail}")
    return ran


def run_dunning(*, started_by: str, as_of: datetime) -> JobRun:
    """Run what is due as a recorded job, which needs attention if a step has to wait."""

    def work() -> JobReport:
        ran = run_due_steps(as_of=as_of)
        return JobReport({"steps": ran.done, "later": ran.later[:20]}, needs_attention=bool(ran.later))

    return run_job(name=DUNNING_JOB, started_by=started_by, as_of=as_of, work=work)


def run_step(*, step_id: int, as_of: datetime, charge: ChargeCall = charge_again) -> bool:
    """Run one step; return False if another worker did, or if there is nothing to do any more.

    Raises `PaymentProviderError` if the provider does not respond, `ConflictError` if an invoice is just being drafted;
    both leave the step for a later run.
    """
    kind = StepKind(DunningStep.objects.values_list("kind", flat=True).get(pk=step_id))
    if kind in _ITEMS:
        return _run_item(step_id, kind, as_of)
    with transaction.atomic():
        step = _locked_step(step_id, as_of)
        if step is None:
            return False
        if kind is not StepKind.RETRY or _refused_card(step.case):
            _finish(step, _ACTS[kind](step, as_of), as_of)
            return True
        DunningStep.objects.filter(pk=step.pk).update(
            status=StepStatus.RUNNING, started_at=as_of, attempts=F("attempts") + 1
        )
    return _charge(step, charge, as_of)


def _locked_step(step_id: int, as_of: datetime) -> DunningStep | None:
    """Lock invoice, subscription, case and step in the order of a payment, and return the step if it is still due."""
    known = DunningStep.objects.select_related("case").get(pk=step_id).case
    locked_invoice(known.invoice_id)
    Subscription.objects.select_for_update(no_key=True).get(pk=known.subscription_id)
    return _due(step_id, as_of)


def _due(step_id: int, as_of: datetime) -> DunningStep | None:
    """Lock the case and its step, and return the step if it is still to be run."""
    case_id = DunningStep.objects.values_list("case_id", flat=True).get(pk=step_id)
    case = DunningCase.objects.select_for_update(no_key=True).get(pk=case_id)
    step: DunningStep = (
        DunningStep.objects.select_for_update(no_key=True, of=("self",))
        .select_related("case__invoice", "case__schedule", "case__subscription__plan_version__plan")
        .get(pk=step_id)
    )
    is_due = step.status == StepStatus.PLANNED and step.due_at <= as_of
    is_interrupted = (
        step.status == StepStatus.RUNNING
        and step.started_at is not None
        and step.started_at <= as_of - INTERRUPTED_AFTER
    )
    is_wanted = case.status == CaseStatus.OPEN or step.kind in AFTER_PAYMENT
    if not is_wanted and step.status == StepStatus.RUNNING:
        _finish(step, "The invoice was settled meanwhile.", as_of)
        return None
    is_paused = DunningPause.objects.filter(tenant=case.tenant_id, ended_at=None).exists()
    return step if is_wanted and (is_due or is_interrupted) and not is_paused else None


def _finish(step: DunningStep, outcome: str, as_of: datetime) -> None:
    """Store the outcome. If the step was late, the following ones move; after the last one the case is exhausted."""
    DunningStep.objects.filter(pk=step.pk).update(
        status=StepStatus.DONE,
        started_at=step.started_at or as_of,
        done_at=as_of,
        outcome=outcome[:_OUTCOME_CHARACTERS_MAX],
    )
    case = DunningCase.objects.select_related("invoice").get(pk=step.case_id)
    record(case, "dunning.step", {"step": step.kind, "outcome": outcome}, as_of)
    planned = DunningStep.objects.filter(case=case, status=StepStatus.PLANNED)
    later = moved_by(step.due_at, as_of)
    if later:
        planned.update(due_at=F("due_at") + later)
    if case.status == CaseStatus.OPEN and not planned.exists():
        move_case(case, CaseStatus.EXHAUSTED, as_of)


def _mailed(step: DunningStep, as_of: datetime, *, error: str = "", is_card_refused: bool = False) -> str:
    count = queue_letter(step.case, step, as_of=as_of, error=error, is_card_refused=is_card_refused)
    return f"Mailed to {count} recipient{'' if count == 1 else 's'}." if count else "There is no recipient for a mail."


def _notice(step: DunningStep, as_of: datetime) -> str:
    return _mailed(step, as_of, error=step.case.invoice.payment_error, is_card_refused=_refused_card(step.case))


def _reminder(step: DunningStep, as_of: datetime) -> str:
    return _mailed(step, as_of)


def _retry_refused(step: DunningStep, as_of: datetime) -> str:
    return "Not charged: the bank refused this card for good. " + _mailed(step, as_of, is_card_refused=True)


def _change_stage(step: DunningStep, as_of: datetime) -> str:
    set_stage(step.case, _STAGES[StepKind(step.kind)], as_of)
    return _mailed(step, as_of)


def _cancel(step: DunningStep, as_of: datetime) -> str:
    subscription = Subscription.objects.select_related("tenant").get(pk=step.case.subscription_id)
    if not subscription.is_live:
        return "The subscription had ended before."
    cancel_subscription(subscription=subscription, when=When.NOW, actor=ACTOR, as_of=as_of)
    return _change_stage(step, as_of)


_ACTS: Final[dict[StepKind, Callable[[DunningStep, datetime], str]]] = {
    StepKind.NOTICE: _notice,
    StepKind.RETRY: _retry_refused,
    StepKind.REMINDER: _reminder,
    StepKind.WARNING: _reminder,
    StepKind.SUSPEND: _change_stage,
    StepKind.CANCEL: _cancel,
    StepKind.THANKS: _reminder,
}


def _run_item(step_id: int, kind: StepKind, as_of: datetime) -> bool:
    """Add a fee or interest to the next invoice. Its draft is locked before the case, as by staff who add an item."""
    with transaction.atomic():
        case = DunningStep.objects.select_related("case__invoice", "case__schedule").get(pk=step_id).case
        outcome = _ITEMS[kind](case, as_of)
        step = _due(step_id, as_of)
        if step is None:
            transaction.set_rollback(True)  # another worker did it, or it is not wanted any more
            return False
        _finish(step, outcome, as_of)
    return True


def _refused_card(case: DunningCase) -> bool:
    """Return whether the card to be charged is the one that its bank refused for good."""
    card = BillingProfile.objects.filter(pk=case.tenant_id).values_list("card_label", flat=True).first() or ""
    return bool(case.declined_card) and case.declined_card == card


def _charge(step: DunningStep, charge: ChargeCall, as_of: datetime) -> bool:
    """Charge the card outside of a transaction, and store the outcome."""
    try:
        told = charge(invoice_id=step.case.invoice_id, attempt=f"dunning:{step.pk}", as_of=as_of)
    except PaymentProviderError:
        _run_later(step, as_of)
        raise
    except (PaymentRefusedError, ProviderObjectError) as error:
        _end_charge(step, None, error.detail, as_of)
    else:
        _end_charge(step, told, told.error, as_of)
    return True


def _run_later(step: DunningStep, as_of: datetime) -> None:
    """Plan the same attempt again, later each time: its outcome is unknown, so its name stays."""
    wait = min(BACK_OFF_FIRST * 2 ** min(step.attempts, 10), BACK_OFF_MAX)
    DunningStep.objects.filter(pk=step.pk, status=StepStatus.RUNNING).update(
        status=StepStatus.PLANNED, due_at=as_of + wait
    )


@transaction.atomic
def _end_charge(step: DunningStep, told: ReportedPayment | None, error: str, as_of: datetime) -> None:
    locked_invoice(step.case.invoice_id)
    case = DunningCase.objects.select_for_update(no_key=True).get(pk=step.case_id)
    current = DunningStep.objects.select_for_update(no_key=True, of=("self",)).get(pk=step.pk)
    if current.status != StepStatus.RUNNING:
        return  # another worker took it for interrupted, and ended it
    invoice = Invoice.objects.get(pk=case.invoice_id)
    if told is not None and not error:
        _finish(current, "Charged.", as_of)
        return
    if told is not None and told.is_final:
        card = BillingProfile.objects.filter(pk=case.tenant_id).values_list("card_label", flat=True).first() or ""
        DunningCase.objects.filter(pk=case.pk).update(declined_card=card)
    if invoice.status != InvoiceStatus.FINALIZED:
        _finish(current, f"Not charged: the invoice is {invoice.status}.", as_of)
        return
    current.case = step.case
    said = "Declined" if told is not None else "Not charged"
    mailed = _mailed(current, as_of, error=error, is_card_refused=bool(told is not None and told.is_final))
    _finish(current, f"{said}: {error.rstrip('.')}. {mailed}", as_of)
