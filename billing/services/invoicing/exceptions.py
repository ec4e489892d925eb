"""What could not be billed, or paid back: stored, so that nothing is dropped, and resolved by a person."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Concat

from accounts.domain.actor import Actor
from accounts.errors import ConflictError
from accounts.services.audit import AuditTarget, record_audit
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.plausibility import UNUSUAL_AMOUNT
from billing.domain.money import money_text
from billing.domain.statuses import InvoiceStatus
from billing.models import BillingException, Invoice, Subscription
from billing.selectors.invoicing.computation import Unbillable
from billing.selectors.invoicing.credit import customers_again

CREDIT_LEFT: Final = "credit_left"


def park(unbillable: Unbillable, *, as_of: datetime, invoice_id: UUID | None = None) -> None:
    """Record why a subscription is not billed; invoicing skips the subscription until staff resolve it."""
    seen: dict[str, Any] = {"invoice_id": invoice_id, "amount_minor": unbillable.total_minor}
    _put_on_record(unbillable.state.subscription_id, unbillable.code, unbillable.detail, as_of, **seen)


def report_credit_left(computed: ComputedInvoice, *, number: str, as_of: datetime) -> None:
    """Store what the last invoice of a subscription leaves in the customer's favour, if anything."""
    state, left_minor = computed.state, computed.credit_left_minor
    if not left_minor:
        return
    left = money_text(left_minor, state.currency)
    detail = f"{number} leaves {left} in the customer's favour, tax included, and no invoice follows."
    assert state.subscription_id is not None, "a preview is not stored"
    report_credit(state.subscription_id, detail, left_minor, as_of=as_of)


def report_credit_back(invoice: Invoice, *, as_of: datetime) -> None:
    """Store the credit that an invoice had used, or given back, and that is there again.

    Only if no invoice follows that could take it.

    For a void or credited invoice, whose subscription is locked.
    """
    again_minor = customers_again(invoice)
    if is_followed(invoice.subscription_id) or again_minor <= 0:
        return
    again = money_text(again_minor, invoice.currency)
    detail = (
        f"{invoice.number} had used {again} of credit, or given it back, tax included, which is the customer's again,"
        " and no invoice follows."
    )
    report_credit(invoice.subscription_id, detail, again_minor, as_of=as_of)


def report_more_credit(invoice: Invoice, more_minor: int, *, as_of: datetime) -> None:
    """Store how much more credit a replacement leaves than what it replaces, if no invoice follows that takes it."""
    if more_minor <= 0 or is_followed(invoice.subscription_id):
        return
    detail = (
        f"{invoice.number} leaves {money_text(more_minor, invoice.currency)} more in the customer's favour than what it"
        " replaces, and no invoice follows."
    )
    report_credit(invoice.subscription_id, detail, more_minor, as_of=as_of)


def is_followed(subscription_id: UUID) -> bool:
    """Return whether an invoice is still to come, or waits as a draft, that takes what is left or open."""
    return (
        Subscription.objects.filter(pk=subscription_id, due_at__isnull=False).exists()
        or Invoice.objects.filter(subscription=subscription_id, status=InvoiceStatus.DRAFT).exists()
    )


def report_credit(subscription_id: UUID, why: str, amount_minor: int, *, as_of: datetime) -> None:
    """Store that credit waits to be set off or paid back; an open record is added to."""
    open_ones = BillingException.objects.filter(
        subscription=subscription_id, code=CREDIT_LEFT, payment=None, resolved_at=None
    )
    known_minor = Coalesce(F("amount_minor"), 0) + amount_minor
    if not open_ones.update(detail=Concat(F("detail"), Value(f" {why}")), amount_minor=known_minor):
        _put_on_record(subscription_id, CREDIT_LEFT, why, as_of, amount_minor=amount_minor)


def _put_on_record(subscription_id: UUID | None, code: str, detail: str, as_of: datetime, **seen: Any) -> None:
    """Add the row, where none with this code is open."""
    assert subscription_id is not None, "a preview is not stored"
    exception = BillingException(subscription_id=subscription_id, code=code, detail=detail, occurred_at=as_of, **seen)
    BillingException.objects.bulk_create([exception], ignore_conflicts=True)


@transaction.atomic
def resolve_exception(*, exception: BillingException, resolution: str, actor: Actor, as_of: datetime) -> None:
    """Resolve an exception, so that the subscription is billed again.

    Raises `ConflictError` if it was resolved before, or while money of its payment is left.
    """
    if exception.payment is not None and exception.payment.unallocated_minor:
        raise ConflictError("Part of the payment is still unassigned. Allocate it, refund it, or keep it as credit.")
    open_ones = BillingException.objects.filter(pk=exception.pk, resolved_at=None)
    if open_ones.update(resolved_at=as_of, resolved_by=actor.label, resolution=resolution[:200]) != 1:
        raise ConflictError("This exception is already resolved.")
    record_audit(
        actor=actor,
        action="billing_exception.resolved",
        tenant_id=exception.subscription.tenant_id,
        target=AuditTarget("billing_exception", exception.pk, exception.code),
        after={"resolution": resolution[:200]},
        as_of=as_of,
    )


@transaction.atomic
def approve_amount(*, exception: BillingException, seen_minor: int, reason: str, actor: Actor, as_of: datetime) -> None:
    """Allow the invoice that was parked for its amount to be finalized at exactly `seen_minor`, at no other amount.

    Raises `ConflictError` if the amount has changed, or the exception is resolved.
    """
    waiting = BillingException.objects.filter(
        pk=exception.pk, code=UNUSUAL_AMOUNT, amount_minor=seen_minor, resolved_at=None
    )
    reason = reason[:200]
    if waiting.update(resolved_at=as_of, resolved_by=actor.label, resolution=reason, is_approved=True) != 1:
        raise ConflictError("This amount does not wait for an approval. Reload the exception.")
    record_audit(
        actor=actor,
        action="invoice.amount_approved",
        tenant_id=exception.subscription.tenant_id,
        target=AuditTarget("invoice", exception.invoice_id, str(exception.invoice)),
        after={"total_minor": seen_minor, "reason": reason},
        as_of=as_of,
    )
