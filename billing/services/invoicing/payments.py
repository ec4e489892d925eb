"""Payments as their providers report them: each is stored once, and the invoice's status changes once it is paid.

No money is dropped. Less than is due pays a part. What is over, and what pays nothing of its invoice (another currency,
an invoice that is paid, void or a draft), belongs to the customer. It waits with an exception until staff allocate it,
refund it, or keep it as credit.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.errors import ConflictError, FieldError, InvalidFieldsError
from accounts.notices.services.outbox import add_to_outbox
from billing.domain.happenings import InvoicePaymentFailed
from billing.domain.money import money_text
from billing.errors import InvoiceStatusError
from billing.models import MANUAL_PROVIDER, Invoice, Payment, PaymentStatus, Subscription
from billing.selectors.facts import facts_of_invoice, facts_of_payment
from billing.services.booking import book_payment
from billing.services.invoicing.allocating import (
    PAYABLE,
    Act,
    record_payment_change,
    report_money_left,
    settle,
)
from billing.services.invoicing.status import locked_invoice
from billing.services.subscriptions.standing import refresh_standing

_ERROR_CHARACTERS_MAX: Final = 200
_DECLINE_CODE_CHARACTERS_MAX: Final = 60
_REFERENCE_CHARACTERS_MAX: Final = 255
_SUCCEEDED: Final = frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.UNMATCHED})


@dataclass(frozen=True, slots=True)
class _Told:
    """An attempt to pay, as its provider told it."""

    provider: str
    reference: str
    amount_minor: int
    currency: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Declined:
    """Why an attempt failed: the message, the provider's code, and whether the same card would fail again."""

    message: str
    code: str = ""
    is_final: bool = False


def record_payment(
    *,
    invoice_id: UUID,
    provider: str,
    reference: str,
    amount_minor: int,
    currency: str,
    occurred_at: datetime,
    as_of: datetime,
) -> Invoice:
    """Store a payment that succeeded, and return its invoice.

    The invoice is paid once nothing is due. What pays nothing of it waits with a billing exception.

    A second call with the same provider and reference changes nothing. Raises `NotFoundError`, and `ConflictError`
    if the reference belongs to another invoice.
    """
    told = _Told(provider, reference, amount_minor, currency, occurred_at)
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        if not _is_known(invoice, told, _SUCCEEDED):
            mismatch = _mismatch(invoice, told)
            if mismatch:
                _keep_unmatched(invoice, told, mismatch, as_of)
            else:
                _settle(invoice, told, Actor.system(provider), as_of)
    return invoice


def record_payment_in_advance(
    *,
    tenant_id: UUID,
    provider: str,
    reference: str,
    amount_minor: int,
    currency: str,
    occurred_at: datetime,
    as_of: datetime,
    waits_because: str = "",
) -> Payment:
    """Store what a customer paid before its invoice exists; the next invoice takes it when it is finalized.

    If it `waits_because` of something, it waits for staff instead. A second call with the same provider and reference
    changes nothing. Raises `ConflictError` if the reference belongs to another customer.
    """
    told = _Told(provider, reference, amount_minor, currency, occurred_at)
    with transaction.atomic():
        known = Payment.objects.filter(provider=provider, reference=reference, status__in=_SUCCEEDED).first()
        if known is not None:
            if known.tenant_id != tenant_id:
                raise ConflictError(f"The payment {reference} is on record for another customer.")
            return known
        payment = _keep_of(tenant_id, None, told, PaymentStatus.SUCCEEDED, error="", as_of=as_of)
        book_payment(payment, None, allocated_minor=0)
        if waits_because:
            report_money_left(payment, waits_because, as_of=as_of)
        kept = {"amount_minor": amount_minor, "currency": currency}
        record_payment_change(payment, "payment.recorded", Act(Actor.system(provider), as_of), kept)
    return payment


def record_failed_payment(
    *,
    invoice_id: UUID,
    provider: str,
    reference: str,
    amount_minor: int,
    currency: str,
    error: str | Declined,
    occurred_at: datetime,
    as_of: datetime,
) -> Invoice:
    """Keep a failed attempt.

    An invoice that still waits for its payment shows the latest failure, one that was paid does not.

    A second time with the same provider and reference changes nothing. Raises `NotFoundError`, `ConflictError`.
    """
    told = _Told(provider, reference, amount_minor, currency, occurred_at)
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        if _is_known(invoice, told, {PaymentStatus.FAILED}):
            return invoice
        payment = _keep(invoice, told, PaymentStatus.FAILED, error, as_of)
        is_latest = invoice.payment_failed_at is None or invoice.payment_failed_at <= occurred_at
        if invoice.status in PAYABLE and is_latest:
            Invoice.objects.filter(pk=invoice.pk).update(payment_failed_at=occurred_at, payment_error=payment.error)
            invoice.refresh_from_db(fields=["payment_failed_at", "payment_error"])
        failed = InvoicePaymentFailed(facts_of_invoice(invoice), facts_of_payment(payment))
        add_to_outbox([failed], as_of=as_of)
        refresh_standing(subscription_id=invoice.subscription_id, as_of=as_of)
    return invoice


def record_manual_payment(
    *,
    invoice_id: UUID,
    reference: str,
    amount_minor: int,
    currency: str,
    occurred_at: datetime,
    actor: Actor,
    as_of: datetime,
) -> Invoice:
    """Store a transfer that staff saw arrive: all that is due, a part, or more.

    Another currency is refused, so that staff can look again.

    Raises `NotFoundError`, `InvalidFieldsError`, `InvoiceStatusError`, `ConflictError` if the reference was recorded
    before.
    """
    told = _Told(MANUAL_PROVIDER, reference.strip(), amount_minor, currency, occurred_at)
    _check_manual(told, as_of)
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        if _is_known(invoice, told, _SUCCEEDED):
            raise ConflictError("A payment with this reference was already recorded.")
        if invoice.status not in PAYABLE:
            raise InvoiceStatusError(f"The invoice is {invoice.status}: it takes no payment.")
        mismatch = _mismatch(invoice, told)
        if mismatch:
            raise InvalidFieldsError(mismatch, field_errors=(FieldError("/currency", "currency_differs", mismatch),))
        _settle(invoice, told, actor, as_of)
    return invoice


def record_unassigned_payment(
    *,
    tenant_id: UUID,
    reference: str,
    amount_minor: int,
    currency: str,
    occurred_at: datetime,
    actor: Actor,
    as_of: datetime,
) -> Payment:
    """Store a customer's transfer that names no invoice; it waits until staff say what it is for.

    Raises `InvalidFieldsError`, also if the customer never had a subscription, `ConflictError` if the reference was
    recorded before.
    """
    told = _Told(MANUAL_PROVIDER, reference.strip(), amount_minor, currency, occurred_at)
    _check_manual(told, as_of)
    with transaction.atomic():
        if not Subscription.objects.of_tenant(tenant_id).exists():
            raise InvalidFieldsError("This customer has never had a subscription. Check who sent the payment.")
        if Payment.objects.filter(provider=told.provider, reference=told.reference).exists():
            raise ConflictError("A payment with this reference was already recorded.")
        payment = _keep_of(tenant_id, None, told, PaymentStatus.UNMATCHED, error="", as_of=as_of)
        book_payment(payment, None, allocated_minor=0)
        report_money_left(payment, "It names no invoice.", as_of=as_of)
        kept = {"amount_minor": amount_minor, "currency": currency}
        record_payment_change(payment, "payment.recorded", Act(actor, as_of), kept)
    return payment


def _check_manual(told: _Told, as_of: datetime) -> None:
    refusals = []
    if not 1 <= len(told.reference) <= _REFERENCE_CHARACTERS_MAX or not told.reference.isprintable():
        refusals.append(
            FieldError("/reference", "invalid_reference", f"1 to {_REFERENCE_CHARACTERS_MAX} printable characters.")
        )
    if told.amount_minor < 1:
        refusals.append(FieldError("/amount_minor", "invalid_amount", "More than nothing."))
    if told.occurred_at > as_of:
        refusals.append(FieldError("/occurred_at", "in_future", "This has not happened yet."))
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=tuple(refusals))


def _is_known(invoice: Invoice, told: _Told, statuses: Collection[str]) -> bool:
    known = Payment.objects.filter(provider=told.provider, reference=told.reference, status__in=statuses)
    invoices = set(known.values_list("invoice_id", flat=True))
    if invoices - {invoice.pk}:
        raise ConflictError(f"The payment {told.reference} is on record for another invoice.")
    return bool(invoices)


def _mismatch(invoice: Invoice, told: _Told) -> str:
    """Return why the payment pays nothing of the invoice, or an empty text."""
    if invoice.status not in PAYABLE:
        return f"{_label(invoice)} is {invoice.status}: it takes no payment."
    if told.currency != invoice.currency:
        paid = money_text(told.amount_minor, told.currency)
        owed = money_text(invoice.amount_due_minor, invoice.currency)
        return f"{paid} were paid, {owed} are due on {_label(invoice)}."
    return ""


def _settle(invoice: Invoice, told: _Told, actor: Actor, as_of: datetime) -> None:
    """Pay what is due, or some of it; what is over waits for a person."""
    act = Act(actor, as_of)
    payment = _keep(invoice, told, PaymentStatus.SUCCEEDED, "", as_of)
    due_minor = invoice.amount_due_minor
    pays_minor = min(due_minor, told.amount_minor)
    book_payment(payment, invoice, allocated_minor=pays_minor)
    if pays_minor:
        settle(invoice, payment, pays_minor, act, paid_at=told.occurred_at)
    if payment.unallocated_minor:
        paid, owed = money_text(told.amount_minor, told.currency), money_text(due_minor, told.currency)
        report_money_left(payment, f"{paid} were paid, {owed} were due on {_label(invoice)}.", as_of=as_of)


def _keep_unmatched(invoice: Invoice, told: _Told, mismatch: str, as_of: datetime) -> None:
    payment = _keep(invoice, told, PaymentStatus.UNMATCHED, mismatch, as_of)
    book_payment(payment, invoice, allocated_minor=0)
    report_money_left(payment, mismatch, as_of=as_of)


def _keep(invoice: Invoice, told: _Told, status: PaymentStatus, error: str | Declined, as_of: datetime) -> Payment:
    return _keep_of(invoice.tenant_id, invoice, told, status, error=error, as_of=as_of)


def _keep_of(
    tenant_id: UUID,
    invoice: Invoice | None,
    told: _Told,
    status: PaymentStatus,
    *,
    error: str | Declined,
    as_of: datetime,
) -> Payment:
    """Add the row. Of two that tell of one payment for two invoices at once, one is refused by the constraint."""
    said = Declined(error) if isinstance(error, str) else error
    try:
        with transaction.atomic():
            return Payment.objects.create(
                tenant_id=tenant_id,
                invoice=invoice,
                provider=told.provider,
                reference=told.reference,
                status=status,
                amount_minor=told.amount_minor,
                currency=told.currency,
                error=said.message[:_ERROR_CHARACTERS_MAX],
                decline_code=said.code[:_DECLINE_CODE_CHARACTERS_MAX],
                is_final=said.is_final,
                occurred_at=told.occurred_at,
                created_at=as_of,
            )
    except IntegrityError as error_of_database:
        raise ConflictError(f"The payment {told.reference} is on record for another invoice.") from error_of_database


def _label(invoice: Invoice) -> str:
    return invoice.number or "the draft"
