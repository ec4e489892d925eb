"""Post documents and their payments to the ledger of accounts: a function for each event, in its transaction.

`docs/algorithms/ledger.md`, section L4. Each may be called again for the same event, and posts it once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from billing.domain.booking import IssuedInvoice, LineToBook, booked_document
from billing.ledger.domain.accounts import EntryKind, LedgerAccount
from billing.ledger.domain.entries import (
    Happening,
    Movement,
    TaxSum,
    allocated,
    credited,
    disputed,
    finalized,
    paid,
    recovered,
    recovers,
    refunded,
    rounded,
    set_off,
    taken_back,
    written_off,
)
from billing.ledger.selectors.documents import balance_of_document, movements_of
from billing.ledger.services.posting import post
from billing.models import CreditNote, Invoice, Payment, PaymentDispute, PaymentRefund
from billing.selectors.booking import issued_invoices
from billing.selectors.issuer import issuers_day, issuers_time_zone
from metering.domain.periods import local_day

_RECEIVABLE: Final = LedgerAccount.RECEIVABLE


def book_invoices(issued: Sequence[IssuedInvoice]) -> int:
    """Post invoices that were finalized, in one statement; return how many of them are new to the ledger."""
    return post(
        [
            Happening(
                kind=EntryKind.INVOICE,
                source=str(invoice.id),
                tenant_id=invoice.tenant_id,
                currency=invoice.currency,
                document=invoice.document.number,
                occurred_at=invoice.finalized_at,
                happened_on=invoice.issued_on,
                movements=finalized(invoice.document),
            )
            for invoice in issued
        ]
    )


def book_void(invoice: Invoice, *, as_of: datetime) -> None:
    """Post that an invoice is void: the reverse of what it posted, and of its write-off, if there is one."""
    stood = _stood_on(invoice)
    if stood is None:
        return
    _recover(invoice, source=str(invoice.pk), as_of=as_of)
    moved = taken_back(stood, {_RECEIVABLE: invoice.total_minor}, invoice=_number(invoice))
    _post(invoice, EntryKind.VOID, str(invoice.pk), moved, as_of=as_of)


def book_credit_note(
    note: CreditNote, invoice: Invoice, *, as_of: datetime, rest_to: LedgerAccount = LedgerAccount.REFUND_DUE
) -> None:
    """Post a credit note over the whole invoice.

    What is still open on the invoice is owed no more; the rest goes to `rest_to`: money to pay back, or credit.
    """
    stood = _stood_on(invoice)
    if stood is None:
        return
    _recover(invoice, source=str(note.pk), as_of=as_of)
    open_minor = min(max(_balance(invoice, _RECEIVABLE), 0), invoice.total_minor)
    settled = {_RECEIVABLE: open_minor, rest_to: invoice.total_minor - open_minor}
    moved = taken_back(stood, settled, invoice=_number(invoice))
    _post(invoice, EntryKind.CREDIT_NOTE, str(note.pk), moved, as_of=as_of, document=note.number)


def book_payment(payment: Payment, invoice: Invoice | None, *, allocated_minor: int) -> None:
    """Post money that came, of which `allocated_minor` settles the invoice; the rest is allocated to nothing yet.

    What was written off of the invoice is recovered, as far as the payment is above what is open without it.
    """
    if invoice is not None and allocated_minor:
        _recover_for(allocated_minor, invoice, source=f"payment:{payment.pk}", as_of=payment.occurred_at)
    post([payment_happening(payment, invoice, allocated_minor=allocated_minor, time_zone=issuers_time_zone())])


def payment_happening(payment: Payment, invoice: Invoice | None, *, allocated_minor: int, time_zone: str) -> Happening:
    """Return what the ledger records of a payment."""
    moved = paid(
        invoice="" if invoice is None else _number(invoice),
        amount_minor=payment.amount_minor,
        allocated_minor=allocated_minor,
        provider=payment.provider,
    )
    return Happening(
        kind=EntryKind.PAYMENT,
        source=str(payment.pk),
        tenant_id=payment.tenant_id,
        currency=payment.currency,
        document=payment.reference,
        occurred_at=payment.occurred_at,
        happened_on=local_day(payment.occurred_at, time_zone),
        movements=moved,
    )


def book_write_off(invoice: Invoice, *, source: str, amount_minor: int, as_of: datetime) -> None:
    """Post that what is unpaid of an invoice is written off. `source` names the act."""
    moved = written_off(invoice=_number(invoice), open_minor=amount_minor)
    _post(invoice, EntryKind.WRITE_OFF, source, moved, as_of=as_of)


def book_credit_note_in_part(
    note: CreditNote,
    invoice: Invoice,
    *,
    lines: Sequence[LineToBook],
    taxes: Sequence[TaxSum],
    settled: Mapping[LedgerAccount, int],
    as_of: datetime,
) -> None:
    """Post a credit note over some lines or amounts, given as what it takes back, above 0.

    `settled` says how much of its total lowers what is owed on the invoice (`RECEIVABLE`), becomes credit (`CREDIT`),
    or is to be paid back (`REFUND_DUE`); it comes to the total.
    """
    total_minor = sum(settled.values())
    document = booked_document(number=note.number, due_on=None, lines=lines, taxes=taxes, total_minor=total_minor)
    moved = credited(document, settled, invoice=_number(invoice))
    _recover_for(settled.get(_RECEIVABLE, 0), invoice, source=str(note.pk), as_of=as_of)
    _post(invoice, EntryKind.CREDIT_NOTE, str(note.pk), moved, as_of=as_of, document=note.number)


def book_allocation(invoice: Invoice, *, source: str, amount_minor: int, as_of: datetime) -> None:
    """Post that money that had settled nothing pays this invoice (below 0: no longer). `source` names the act."""
    _recover_for(amount_minor, invoice, source=f"allocation:{source}", as_of=as_of)
    moved = allocated(invoice=_number(invoice), amount_minor=amount_minor)
    _post(invoice, EntryKind.ALLOCATION, source, moved, as_of=as_of)


def book_set_off(invoice: Invoice, *, source: str, amount_minor: int, as_of: datetime) -> None:
    """Post that credit of the customer's pays this invoice. `source` names the act."""
    _recover_for(amount_minor, invoice, source=f"set_off:{source}", as_of=as_of)
    _post(invoice, EntryKind.SET_OFF, source, set_off(invoice=_number(invoice), amount_minor=amount_minor), as_of=as_of)


def book_rounding(invoice: Invoice, *, source: str, amount_minor: int, as_of: datetime) -> None:
    """Post that a small rest of an invoice is let be (below 0: it was paid too much). `source` names the act."""
    _recover_for(amount_minor, invoice, source=f"rounding:{source}", as_of=as_of)
    _post(
        invoice, EntryKind.ROUNDING, source, rounded(invoice=_number(invoice), amount_minor=amount_minor), as_of=as_of
    )


def book_dispute(dispute: PaymentDispute, *, is_over: bool, as_of: datetime) -> None:
    """Post that the bank took the money of a disputed payment, or that the dispute is over."""
    payment = dispute.payment
    amount_minor = -dispute.amount_minor if is_over else dispute.amount_minor
    happening = Happening(
        kind=EntryKind.DISPUTE,
        source=f"{dispute.pk}:over" if is_over else str(dispute.pk),
        tenant_id=dispute.tenant_id,
        currency=dispute.currency,
        document=payment.reference,
        occurred_at=as_of,
        happened_on=local_day(as_of, issuers_time_zone()),
        movements=disputed(amount_minor=amount_minor, provider=payment.provider),
    )
    post([happening])


def book_refund(refund: PaymentRefund) -> None:
    """Post money of a payment that went back: it had paid for nothing."""
    payment = refund.payment
    moved = refunded(amount_minor=refund.amount_minor, provider=payment.provider, out_of=LedgerAccount.UNALLOCATED)
    happening = Happening(
        kind=EntryKind.REFUND,
        source=str(refund.pk),
        tenant_id=refund.tenant_id,
        currency=refund.currency,
        document=payment.reference,
        occurred_at=refund.occurred_at,
        happened_on=local_day(refund.occurred_at, issuers_time_zone()),
        movements=moved,
    )
    post([happening])


def _recover_for(amount_minor: int, invoice: Invoice, *, source: str, as_of: datetime) -> None:
    """Post that money or credit takes back some of a write-off."""
    open_minor, lost_minor = _balance(invoice, _RECEIVABLE), _balance(invoice, LedgerAccount.WRITE_OFF)
    back_minor = recovers(amount_minor, open_minor=open_minor, written_off_minor=lost_minor)
    _post_recovery(invoice, back_minor, source=source, as_of=as_of)


def _recover(invoice: Invoice, *, source: str, as_of: datetime) -> None:
    """Post that all of a write-off is taken back, if there is one."""
    _post_recovery(invoice, _balance(invoice, LedgerAccount.WRITE_OFF), source=source, as_of=as_of)


def _post_recovery(invoice: Invoice, back_minor: int, *, source: str, as_of: datetime) -> None:
    if back_minor:
        moved = recovered(invoice=_number(invoice), written_off_minor=back_minor)
        _post(invoice, EntryKind.RECOVERY, source, moved, as_of=as_of)


def _stood_on(invoice: Invoice) -> tuple[Movement, ...] | None:
    """Return what the invoice posted, which is made up for if it did not yet; None if it does not come out even."""
    source = str(invoice.pk)
    stood = movements_of(EntryKind.INVOICE, source)
    if not stood and invoice.total_minor:
        [issued] = issued_invoices([invoice])
        if not issued.is_sound:
            return None
        book_invoices([issued])
        stood = movements_of(EntryKind.INVOICE, source)
    return stood


def _balance(invoice: Invoice, account: LedgerAccount) -> int:
    return balance_of_document(tenant_id=invoice.tenant_id, document=_number(invoice), account=account)


def _number(invoice: Invoice) -> str:
    return invoice.number or str(invoice.pk)


def _post(
    invoice: Invoice,
    kind: EntryKind,
    source: str,
    movements: Sequence[Movement],
    *,
    as_of: datetime,
    document: str = "",
) -> None:
    happening = Happening(
        kind=kind,
        source=source,
        tenant_id=invoice.tenant_id,
        currency=invoice.currency,
        document=document or _number(invoice),
        occurred_at=as_of,
        happened_on=issuers_day(as_of),
        movements=tuple(movements),
    )
    post([happening])
