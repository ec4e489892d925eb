"""Opening and closing cases as invoices become owed and settled: the part of a subscription's standing.

Called in the transaction that changes what is owed, so a payment restores the service in its own transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from accounts.domain.actor import Actor
from accounts.domain.transitions import TenantStatus
from accounts.models import Tenant
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.tenants import reactivate_tenant, suspend_tenant
from billing.domain.statuses import InvoiceStatus
from billing.dunning.domain.schedules import plan_steps
from billing.dunning.domain.states import (
    CASE_TRANSITIONS,
    CaseKind,
    CaseStatus,
    ServiceStage,
    StepKind,
    StepStatus,
)
from billing.dunning.models import DunningCase, DunningStep
from billing.dunning.selectors.schedules import may_use, schedule_of_plan
from billing.models import BillingProfile, Invoice, Payment, PaymentStatus, Subscription
from billing.selectors.issuer import issuers_day, issuers_time_zone

ACTOR: Final = Actor.system("dunning")
SUSPENDED_BECAUSE: Final = "Unpaid invoice"


class DunnedStanding:
    """The part that `settings.STANDING_PARTS` names."""

    def follow(self, *, subscription: Subscription, owing: Sequence[Invoice], as_of: datetime) -> None:
        """Open a case for each invoice that is owed, and close the cases of those that are not any more."""
        open_ones = DunningCase.objects.filter(subscription=subscription, closed_at=None).select_for_update(
            no_key=True, of=("self",)
        )
        known = {case.invoice_id: case for case in open_ones.order_by("pk")}
        owed = {invoice.pk for invoice in owing}
        for case in known.values():
            if case.invoice_id not in owed:
                _close(case, as_of)
        for invoice in owing:
            # A merchant of record follows up its own invoices, of which ours are statements.
            if invoice.pk not in known and not invoice.merchant_of_record:
                _open(subscription, invoice, as_of)


def _open(subscription: Subscription, invoice: Invoice, as_of: datetime) -> None:
    card = BillingProfile.objects.filter(pk=invoice.tenant_id).values_list("card_label", flat=True).first() or ""
    is_charge = invoice.payment_failed_at is not None and bool(card)
    if not is_charge and invoice.due_on is not None and invoice.due_on >= issuers_day(as_of):
        return  # the customer mistyped a card on the payment page, and has time until the due date
    schedule = schedule_of_plan(subscription.plan_version.plan_id)
    case = DunningCase.objects.create(
        tenant_id=invoice.tenant_id,
        subscription=subscription,
        invoice=invoice,
        schedule=schedule,
        kind=CaseKind.CHARGE if is_charge else CaseKind.TRANSFER,
        declined_card=card if is_charge and _was_refused_for_good(invoice) else "",
        opened_at=as_of,
    )
    steps = plan_steps(
        schedule.terms, CaseKind(case.kind), opened_at=as_of, time_zone=issuers_time_zone(),
        ends_service=subscription.is_live,
    )  # fmt: skip
    DunningStep.objects.bulk_create(
        DunningStep(case=case, position=position, kind=step.kind, due_at=step.due_at)
        for position, step in enumerate(steps, start=1)
    )
    record(case, "dunning.opened", {"schedule": schedule.name, "steps": len(steps)}, as_of)
    suspend_if_needed(case, as_of)


def _was_refused_for_good(invoice: Invoice) -> bool:
    """Return whether the bank said at the latest attempt that the same card would fail again."""
    attempts = Payment.objects.filter(invoice=invoice, status=PaymentStatus.FAILED)
    return bool(attempts.order_by("-occurred_at", "-pk").values_list("is_final", flat=True).first())


def _close(case: DunningCase, as_of: datetime) -> None:
    """Close a case whose invoice is settled. What was planned is skipped, and what follows a payment is planned."""
    invoice = Invoice.objects.get(pk=case.invoice_id)
    is_paid = invoice.status == InvoiceStatus.PAID
    move_case(case, CaseStatus.RECOVERED if is_paid else CaseStatus.CLOSED, as_of)
    said = "The invoice was paid." if is_paid else f"The invoice is {invoice.status}."
    if invoice.status == InvoiceStatus.FINALIZED:
        said = "The invoice is on hold: its payment is disputed."
    was_told = case.steps.filter(status=StepStatus.DONE).exclude(kind=StepKind.FEE).exists()
    case.steps.filter(status=StepStatus.PLANNED).update(status=StepStatus.SKIPPED, done_at=as_of, outcome=said)
    if is_paid:
        _plan_after_payment(case, as_of, was_told=was_told)
    record(case, "dunning.closed", {"because": said}, as_of)
    if invoice.status != InvoiceStatus.UNCOLLECTIBLE:
        _restore(case, as_of)


def _plan_after_payment(case: DunningCase, as_of: datetime, *, was_told: bool) -> None:
    kinds = []
    if case.schedule.interest_percent is not None:
        kinds.append(StepKind.INTEREST)
    if was_told:
        kinds.append(StepKind.THANKS)
    last = case.steps.order_by("-position").values_list("position", flat=True).first() or 0
    DunningStep.objects.bulk_create(
        DunningStep(case=case, position=last + number, kind=kind, due_at=as_of)
        for number, kind in enumerate(kinds, start=1)
    )


def move_case(case: DunningCase, status: CaseStatus, as_of: datetime) -> None:
    """Change the status of a locked case along its transitions."""
    assert status in CASE_TRANSITIONS[CaseStatus(case.status)], f"{case.status} does not become {status}"
    case.status = status
    case.closed_at = None if status is CaseStatus.EXHAUSTED else as_of
    case.save(update_fields=["status", "closed_at"])


def set_stage(case: DunningCase, stage: ServiceStage, as_of: datetime) -> None:
    """Change the stage of a locked case, and what the customer may do with it."""
    before = case.stage
    DunningCase.objects.filter(pk=case.pk).update(stage=stage)
    case.stage = stage
    record(case, f"dunning.{stage}", {"before": before}, as_of)
    suspend_if_needed(case, as_of)


def suspend_if_needed(case: DunningCase, as_of: datetime) -> None:
    """Suspend the tenant if its schedule says so for the stage. One that staff suspended stays as it is."""
    if may_use(case.schedule, case.stage):
        return
    tenant = Tenant.objects.get(pk=case.tenant_id)
    if tenant.status != TenantStatus.ACTIVE:
        return
    reason = f"{SUSPENDED_BECAUSE} {case.invoice.number}."
    suspend_tenant(tenant=tenant, reason=reason, actor=ACTOR, as_of=as_of)
    DunningCase.objects.filter(pk=case.pk).update(has_suspended=True)
    case.has_suspended = True


def _restore(case: DunningCase, as_of: datetime) -> None:
    """Resume the service that the case suspended, unless another unpaid case of the tenant keeps it suspended."""
    if not case.has_suspended:
        return
    others = DunningCase.objects.filter(tenant=case.tenant_id, closed_at=None).select_related("schedule")
    keeps = next((other for other in others.order_by("pk") if not may_use(other.schedule, other.stage)), None)
    if keeps is not None:
        DunningCase.objects.filter(pk=keeps.pk).update(has_suspended=True)
        return
    tenant = Tenant.objects.get(pk=case.tenant_id)
    if tenant.status == TenantStatus.SUSPENDED and tenant.status_reason.startswith(SUSPENDED_BECAUSE):
        reactivate_tenant(tenant=tenant, actor=ACTOR, as_of=as_of)


def record(case: DunningCase, action: str, after: dict[str, object], as_of: datetime, actor: Actor = ACTOR) -> None:
    """Write the audit entry of a change of a case."""
    record_audit(
        actor=actor,
        action=action,
        tenant_id=case.tenant_id,
        target=AuditTarget("dunning_case", case.pk, str(case.invoice)),
        after=after,
        as_of=as_of,
    )
