"""What a payment pays for: added row by row, taken back by a row of its own, never edited.

The invoice is locked before the payment. The sums on both rows change in the transaction of the row, and the database
refuses more than is due and more than came in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, Sum

from accounts.domain.actor import Actor
from accounts.errors import FieldError, InvalidFieldsError, NotFoundError
from accounts.notices.services.outbox import add_to_outbox
from accounts.services.audit import AuditTarget, record_audit
from billing.domain.happenings import InvoicePaid
from billing.domain.money import money_text
from billing.domain.statuses import INVOICE_TRANSITIONS, InvoiceStatus, statuses_before
from billing.errors import InvoiceStatusError
from billing.models import (
    BillingException,
    CreditSetOff,
    Invoice,
    Payment,
    PaymentAllocation,
    PaymentStatus,
    Subscription,
)
from billing.selectors.facts import facts_of_invoice
from billing.services.booking import book_allocation, book_set_off
from billing.services.invoicing.exceptions import report_credit
from billing.services.invoicing.status import checked_reason, locked_invoice, move_invoice, record_change
from billing.services.subscriptions.standing import refresh_standing

UNMATCHED_PAYMENT: Final = "unmatched_payment"
PAYABLE: Final = statuses_before(INVOICE_TRANSITIONS, InvoiceStatus.PAID)
_KEPT: Final = "Kept as the customer's credit: the next invoice takes it."
_SPENT: Final = "All of it is allocated or refunded."


@dataclass(frozen=True, slots=True)
class Act:
    """Who does it, when, and why."""

    actor: Actor
    as_of: datetime
    reason: str = ""


def locked_payment(payment_id: int) -> Payment:
    """Return the payment, locked until the transaction ends. Raises `NotFoundError`."""
    payment = (
        Payment.objects.select_for_update(no_key=True, of=("self",))
        .select_related("tenant")
        .filter(pk=payment_id)
        .exclude(status=PaymentStatus.FAILED)
        .first()
    )
    if payment is None:
        raise NotFoundError("There is no such payment.")
    return payment


def allocate_payment(
    *, payment_id: int, invoice_id: UUID, amount_minor: int, reason: str, actor: Actor, as_of: datetime
) -> Invoice:
    """Pay a customer's invoice, in whole or in part, with money that is the customer's.

    Raises `NotFoundError`, also for another customer's invoice, `InvalidFieldsError` if the money or what is due is
    less, `InvoiceStatusError` if nothing is to be paid.
    """
    act = Act(actor, as_of, checked_reason(reason))
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        payment = locked_payment(payment_id)
        if payment.tenant_id != invoice.tenant_id:
            raise NotFoundError("The customer who paid has no such invoice.")
        if invoice.status not in PAYABLE:
            raise InvoiceStatusError(f"The invoice is {invoice.status}: it takes no payment.")
        _check_amount(payment, invoice, amount_minor)
        row = settle(invoice, payment, amount_minor, act, paid_at=as_of)
        book_allocation(invoice, source=str(row.pk), amount_minor=amount_minor, as_of=as_of)
        close_spent(payment, act)
    return invoice


def take_back_allocation(*, payment_id: int, invoice_id: UUID, reason: str, actor: Actor, as_of: datetime) -> Payment:
    """Take a payment's money back from an invoice, which is owed again; the money then waits for staff.

    Raises `NotFoundError` if the payment pays nothing of it.
    """
    act = Act(actor, as_of, checked_reason(reason))
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        payment = locked_payment(payment_id)
        freed_minor = release(invoice, act, payments=[payment])
        if not freed_minor:
            raise NotFoundError("The payment pays nothing of this invoice.")
        owe_again(invoice, freed_minor, act)
        refresh_standing(subscription_id=invoice.subscription_id, as_of=as_of)
    return payment


def keep_as_credit(*, payment_id: int, actor: Actor, as_of: datetime) -> Payment:
    """Keep what is left of a payment for the customer's next invoices: they take it when they are finalized.

    Raises `NotFoundError`, `InvalidFieldsError` if nothing is left.
    """
    with transaction.atomic():
        payment = locked_payment(payment_id)
        if not payment.unallocated_minor:
            raise InvalidFieldsError("The whole payment is already assigned or refunded.")
        _resolve(payment, _KEPT, actor, as_of)
        kept = {"kept_minor": payment.unallocated_minor}
        record_payment_change(payment, "payment.kept_as_credit", Act(actor, as_of), kept)
    return payment


def settle(invoice: Invoice, payment: Payment, amount_minor: int, act: Act, *, paid_at: datetime) -> PaymentAllocation:
    """Pay some of an invoice with a payment; both are locked. The invoice is paid once nothing is due."""
    row = _allocation(invoice, payment, amount_minor, act)
    add_allocations([row])
    Payment.objects.filter(pk=payment.pk).update(allocated_minor=F("allocated_minor") + amount_minor)
    payment.refresh_from_db(fields=["allocated_minor"])
    said = {"provider": payment.provider, "reference": payment.reference}
    settle_some(invoice, amount_minor, act, paid_at=paid_at, said=said)
    return row


def settle_some(
    invoice: Invoice, amount_minor: int, act: Act, *, paid_at: datetime, said: Mapping[str, object]
) -> None:
    """Add to what pays a locked invoice, which is paid once nothing is due; `said` is for the audit log."""
    before = {"status": invoice.status, "amount_paid_minor": invoice.amount_paid_minor}
    paid_minor = invoice.amount_paid_minor + amount_minor
    if amount_minor == invoice.amount_due_minor:
        paid = {"paid_at": paid_at, "payment_failed_at": None, "payment_error": "", "amount_paid_minor": paid_minor}
        move_invoice(invoice, InvoiceStatus.PAID, paid)
        add_to_outbox([InvoicePaid(facts_of_invoice(invoice), act.as_of)], as_of=act.as_of)
    else:
        Invoice.objects.filter(pk=invoice.pk).update(amount_paid_minor=paid_minor)
        invoice.refresh_from_db(fields=["amount_paid_minor"])
    after = {
        "status": invoice.status,
        "amount_paid_minor": invoice.amount_paid_minor,
        **said,
        **({"reason": act.reason} if act.reason else {}),
    }
    action = "invoice.paid" if invoice.status == InvoiceStatus.PAID else "invoice.partly_paid"
    record_change(invoice, action, actor=act.actor, before=before, after=after, as_of=act.as_of)
    refresh_standing(subscription_id=invoice.subscription_id, as_of=act.as_of)


def owe_again(invoice: Invoice, freed_minor: int, act: Act) -> None:
    """Lower what is paid of a locked invoice by money that was freed."""
    before = {"status": invoice.status, "amount_paid_minor": invoice.amount_paid_minor}
    changes: dict[str, object] = {"amount_paid_minor": invoice.amount_paid_minor - freed_minor}
    if invoice.status == InvoiceStatus.PAID:
        move_invoice(invoice, InvoiceStatus.FINALIZED, {**changes, "paid_at": None})
    else:
        Invoice.objects.filter(pk=invoice.pk).update(**changes)
        invoice.refresh_from_db(fields=["amount_paid_minor"])
    after = {"status": invoice.status, "amount_paid_minor": invoice.amount_paid_minor, "reason": act.reason}
    record_change(invoice, "invoice.unpaid_again", actor=act.actor, before=before, after=after, as_of=act.as_of)


def release(
    invoice: Invoice, act: Act, *, payments: Iterable[Payment] | None = None, amount_minor: int | None = None
) -> int:
    """Free money that pays a locked invoice, the latest first, and return how much.

    Of these payments, or of all; at most `amount_minor`, or all of it. Each payment waits for a person then. Without
    `payments` credit that was set off is freed after them. The caller changes the invoice's sum.
    """
    standing = PaymentAllocation.objects.filter(invoice=invoice, reverses=None)
    if payments is not None:
        standing = standing.filter(payment__in=[payment.pk for payment in payments])
    wanted = invoice.amount_paid_minor if amount_minor is None else amount_minor
    freed, rows = 0, []
    for given in standing.annotate(taken=Sum("reversals__amount_minor")).order_by("-created_at", "-pk"):
        share = min(wanted - freed, given.amount_minor + (given.taken or 0))
        if share > 0:
            rows.append((given, share))
            freed += share
    for given, share in rows:
        _free(invoice, given, share, act)
    if payments is None:
        freed += _free_set_offs(invoice, wanted - freed, act)
    return freed


def _free_set_offs(invoice: Invoice, wanted_minor: int, act: Act) -> int:
    """Take back credit that was set off against a locked invoice, the latest first, and return how much."""
    freed = 0
    standing = CreditSetOff.objects.filter(invoice=invoice, reverses=None).select_related("exception")
    for given in standing.annotate(taken=Sum("reversals__amount_minor")).order_by("-created_at", "-pk"):
        share = min(wanted_minor - freed, given.amount_minor + (given.taken or 0))
        if share > 0:
            row = CreditSetOff.objects.create(
                tenant_id=invoice.tenant_id, exception=given.exception, invoice=invoice, amount_minor=-share,
                reverses=given, created_at=act.as_of,
            )  # fmt: skip
            book_set_off(invoice, source=str(row.pk), amount_minor=-share, as_of=act.as_of)
            why = f"{money_text(share, invoice.currency)} of credit no longer pay {invoice.number}."
            report_credit(given.exception.subscription_id, why, share, as_of=act.as_of)
            freed += share
    return freed


def _free(invoice: Invoice, given: PaymentAllocation, amount_minor: int, act: Act) -> None:
    payment = locked_payment(given.payment_id)
    row = _allocation(invoice, payment, -amount_minor, act)
    row.reverses = given
    add_allocations([row])
    book_allocation(invoice, source=str(row.pk), amount_minor=-amount_minor, as_of=act.as_of)
    Payment.objects.filter(pk=payment.pk).update(allocated_minor=F("allocated_minor") - amount_minor)
    payment.refresh_from_db(fields=["allocated_minor"])
    freed = money_text(amount_minor, payment.currency)
    why = f" ({act.reason})" if act.reason else ""
    report_money_left(payment, f"{freed} no longer pay {invoice.number}{why}.", as_of=act.as_of)
    taken = {"invoice": invoice.number, "amount_minor": -amount_minor, "reason": act.reason}
    record_payment_change(payment, "payment.taken_back", act, taken)


def keep_freed(payment_ids: Iterable[int], act: Act) -> None:
    """Keep what is left of payments for the customer's next invoices, as `keep_as_credit` does for one."""
    for payment_id in payment_ids:
        payment = locked_payment(payment_id)
        if payment.unallocated_minor:
            _resolve(payment, _KEPT, act.actor, act.as_of)


def add_allocations(rows: Iterable[PaymentAllocation]) -> None:
    """Add rows of history; the caller changes the sums of payments and invoices in the same transaction."""
    PaymentAllocation.objects.bulk_create(rows)


def report_money_left(payment: Payment, why: str, *, as_of: datetime) -> None:
    """Record that money of a payment waits for staff; an open record gets the new reason."""
    left = money_text(payment.unallocated_minor, payment.currency)
    detail = (
        f"{why} Payment {payment.reference} by {payment.provider} has {left} left: allocate it, refund it, or keep it"
        " as the customer's credit."
    )
    open_ones = BillingException.objects.filter(payment=payment, resolved_at=None)
    if open_ones.update(detail=detail, amount_minor=payment.unallocated_minor):
        return
    BillingException.objects.create(
        subscription_id=subscription_of_payment(payment),
        payment=payment,
        code=UNMATCHED_PAYMENT,
        detail=detail,
        amount_minor=payment.unallocated_minor,
        occurred_at=as_of,
    )


def close_spent(payment: Payment, act: Act) -> None:
    """Take a payment off the list of exceptions once nothing of it is left, else say how much is."""
    if payment.unallocated_minor:
        BillingException.objects.filter(payment=payment, resolved_at=None).update(
            amount_minor=payment.unallocated_minor
        )
    else:
        _resolve(payment, _SPENT, act.actor, act.as_of)


def record_payment_change(payment: Payment, action: str, act: Act, after: Mapping[str, object]) -> None:
    """Add the audit entry of a payment's change."""
    record_audit(
        actor=act.actor,
        action=action,
        tenant_id=payment.tenant_id,
        target=AuditTarget("payment", payment.pk, payment.reference),
        after=after,
        as_of=act.as_of,
    )


def _allocation(invoice: Invoice, payment: Payment, amount_minor: int, act: Act) -> PaymentAllocation:
    return PaymentAllocation(
        tenant_id=invoice.tenant_id,
        payment=payment,
        invoice=invoice,
        amount_minor=amount_minor,
        reason=act.reason,
        created_at=act.as_of,
        created_by=act.actor.label[:254],
    )


def _check_amount(payment: Payment, invoice: Invoice, amount_minor: int) -> None:
    left_minor, due_minor = payment.unallocated_minor, invoice.amount_due_minor
    if payment.currency != invoice.currency:
        problem = f"{payment.currency} were paid, {invoice.number} is in {invoice.currency}."
    elif amount_minor < 1:
        problem = "More than nothing."
    elif amount_minor > left_minor:
        problem = f"{money_text(left_minor, payment.currency)} are left of the payment."
    elif amount_minor > due_minor:
        problem = f"{money_text(due_minor, invoice.currency)} are due on {invoice.number}."
    else:
        return
    raise InvalidFieldsError(problem, field_errors=(FieldError("/amount_minor", "invalid_amount", problem),))


def _resolve(payment: Payment, resolution: str, actor: Actor, as_of: datetime) -> None:
    BillingException.objects.filter(payment=payment, resolved_at=None).update(
        resolved_at=as_of, resolved_by=actor.label, resolution=resolution
    )


def subscription_of_payment(payment: Payment) -> UUID:
    """Return the subscription that the money came for, or the customer's latest one."""
    of_customer = Q(tenant_id=payment.tenant_id)
    if payment.invoice_id is not None:
        of_customer &= Q(invoices=payment.invoice_id)
    found: UUID = Subscription.objects.filter(of_customer).order_by("-created_at").values_list("pk", flat=True)[0]
    return found
