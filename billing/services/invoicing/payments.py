"""Payments, as their providers tell of them: each is kept once, and the invoice follows where it is settled.

No money is dropped: what does not settle its invoice (another amount or currency, an invoice that is paid, void or a
draft) is kept as an unmatched payment with an exception that a person resolves.
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
from billing.domain.happenings import InvoicePaid, InvoicePaymentFailed
from billing.domain.money import money_text
from billing.domain.statuses import INVOICE_TRANSITIONS, InvoiceStatus, statuses_before
from billing.errors import InvoiceStatusError
from billing.models import MANUAL_PROVIDER, BillingException, Invoice, Payment, PaymentStatus
from billing.selectors.facts import facts_of_invoice, facts_of_payment
from billing.services.booking import book_payment
from billing.services.invoicing.status import locked_invoice, move_invoice, record_change
from billing.services.subscriptions.standing import refresh_standing

UNMATCHED_PAYMENT: Final = "unmatched_payment"
_ERROR_CHARACTERS_MAX: Final = 200
_REFERENCE_CHARACTERS_MAX: Final = 255
_PAYABLE: Final = statuses_before(INVOICE_TRANSITIONS, InvoiceStatus.PAID)
_SUCCEEDED: Final = frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.UNMATCHED})


@dataclass(frozen=True, slots=True)
class _Told:
    """An attempt to pay, as its provider told it."""

    provider: str
    reference: str
    amount_minor: int
    currency: str
    occurred_at: datetime


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

    It is paid if it is settled, else as it was, with a billing exception.

    A second time with the same provider and reference changes nothing. Raises `NotFoundError`, and `ConflictError`
    where the reference is another invoice's.
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


def record_failed_payment(
    *,
    invoice_id: UUID,
    provider: str,
    reference: str,
    amount_minor: int,
    currency: str,
    error: str,
    occurred_at: datetime,
    as_of: datetime,
) -> Invoice:
    """Keep a failed attempt.

    An invoice that still waits for its payment shows the latest failure, one that was paid does not.

    A second time with the same provider and reference changes nothing. Raises `NotFoundError`, `ConflictError`.
    """
    told = _Told(provider, reference, amount_minor, currency, occurred_at)
    error = error[:_ERROR_CHARACTERS_MAX]
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        if _is_known(invoice, told, {PaymentStatus.FAILED}):
            return invoice
        payment = _keep(invoice, told, PaymentStatus.FAILED, error, as_of)
        is_latest = invoice.payment_failed_at is None or invoice.payment_failed_at <= occurred_at
        if invoice.status in _PAYABLE and is_latest:
            Invoice.objects.filter(pk=invoice.pk).update(payment_failed_at=occurred_at, payment_error=error)
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
    """Keep a transfer that staff saw arrive.

    What does not settle the invoice is refused, so that the person can look again.

    Raises `NotFoundError`, `InvalidFieldsError`, `InvoiceStatusError`, `ConflictError` where the reference was recorded
    before.
    """
    told = _Told(MANUAL_PROVIDER, reference.strip(), amount_minor, currency, occurred_at)
    _check_manual(told, as_of)
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        if _is_known(invoice, told, _SUCCEEDED):
            raise ConflictError("A payment with this reference is on record.")
        if invoice.status not in _PAYABLE:
            raise InvoiceStatusError(f"The invoice is {invoice.status}: it takes no payment.")
        mismatch = _mismatch(invoice, told)
        if mismatch:
            raise InvalidFieldsError(mismatch, field_errors=(FieldError("/amount_minor", "amount_differs", mismatch),))
        _settle(invoice, told, actor, as_of)
    return invoice


def _check_manual(told: _Told, as_of: datetime) -> None:
    refusals = []
    if not 1 <= len(told.reference) <= _REFERENCE_CHARACTERS_MAX or not told.reference.isprintable():
        refusals.append(
            FieldError("/reference", "invalid_reference", f"1 to {_REFERENCE_CHARACTERS_MAX} printable characters.")
        )
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
    """Why the payment does not settle the invoice, or nothing."""
    if invoice.status not in _PAYABLE:
        return f"{_label(invoice)} is {invoice.status}: it takes no payment."
    if (told.amount_minor, told.currency) != (invoice.total_minor, invoice.currency):
        paid = money_text(told.amount_minor, told.currency)
        owed = money_text(invoice.total_minor, invoice.currency)
        return f"{paid} were paid, {owed} are due on {_label(invoice)}."
    return ""


def _settle(invoice: Invoice, told: _Told, actor: Actor, as_of: datetime) -> None:
    payment = _keep(invoice, told, PaymentStatus.SUCCEEDED, "", as_of)
    book_payment(payment, invoice, allocated_minor=payment.amount_minor)
    before = {"status": invoice.status}
    paid = {"paid_at": told.occurred_at, "payment_failed_at": None, "payment_error": ""}
    move_invoice(invoice, InvoiceStatus.PAID, paid)
    after = {"status": invoice.status, "provider": told.provider, "reference": told.reference}
    record_change(invoice, "invoice.paid", actor=actor, before=before, after=after, as_of=as_of)
    add_to_outbox([InvoicePaid(facts_of_invoice(invoice))], as_of=as_of)
    refresh_standing(subscription_id=invoice.subscription_id, as_of=as_of)


def _keep_unmatched(invoice: Invoice, told: _Told, mismatch: str, as_of: datetime) -> None:
    payment = _keep(invoice, told, PaymentStatus.UNMATCHED, mismatch, as_of)
    book_payment(payment, invoice, allocated_minor=0)
    BillingException.objects.create(
        subscription_id=invoice.subscription_id,
        payment=payment,
        code=UNMATCHED_PAYMENT,
        detail=f"{mismatch} Payment {told.reference} by {told.provider}: refund it, or record what it pays for.",
        occurred_at=as_of,
    )


def _keep(invoice: Invoice, told: _Told, status: PaymentStatus, error: str, as_of: datetime) -> Payment:
    """Add the row. Of two that tell of one payment for two invoices at once, one is refused by the constraint."""
    try:
        with transaction.atomic():
            return Payment.objects.create(
                invoice=invoice,
                provider=told.provider,
                reference=told.reference,
                status=status,
                amount_minor=told.amount_minor,
                currency=told.currency,
                error=error[:_ERROR_CHARACTERS_MAX],
                occurred_at=told.occurred_at,
                created_at=as_of,
            )
    except IntegrityError as error_of_database:
        raise ConflictError(f"The payment {told.reference} is on record for another invoice.") from error_of_database


def _label(invoice: Invoice) -> str:
    return invoice.number or "the draft"
