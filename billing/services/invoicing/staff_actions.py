"""What staff do with a finalized invoice.

The invoice itself never changes: its status does, and a credit note is a document.

`docs/invoices.md` says when to void and when to credit.
"""

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.notices.services.outbox import add_to_outbox
from billing.domain.documents import credit_note_content, digest_of_content
from billing.domain.happenings import CreditNoteIssued, InvoiceVoided
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError
from billing.models import CreditNote, Invoice, Issuer
from billing.selectors.facts import facts_of_credit_note, facts_of_invoice
from billing.selectors.invoicing.invoices import was_mailed
from billing.services.booking import book_credit_note, book_void
from billing.services.documents.deliveries import invoice_pdf, queue_invoice_mail
from billing.services.invoicing.allocating import Act, release
from billing.services.invoicing.exceptions import report_credit_back
from billing.services.invoicing.numbering import take_credit_numbers
from billing.services.invoicing.status import checked_reason, lock_draft, locked_invoice, move_invoice, record_change
from billing.services.subscriptions.standing import refresh_standing
from metering.domain.periods import local_day

CREDITABLE = frozenset({InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.PAID})


def void_invoice(*, invoice_id: UUID, reason: str, actor: Actor, as_of: datetime) -> Invoice:
    """Declare an unpaid invoice void that was never sent: it is no longer owed, and its number stays taken.

    An invoice that was mailed can only be amended by a document (Directive 2006/112, article 219). Raises
    `NotFoundError`, `InvalidFieldsError`, `InvoiceStatusError`.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        lock_draft(invoice.subscription_id)
        if was_mailed(invoice):
            raise InvoiceStatusError("The invoice was mailed to the customer. Issue a credit note instead.")
        declare_void(invoice, reason, actor, as_of)
        book_void(invoice, as_of=as_of)
        report_credit_back(invoice, as_of=as_of)
    return invoice


def mark_uncollectible(*, invoice_id: UUID, reason: str, actor: Actor, as_of: datetime) -> Invoice:
    """Mark an invoice uncollectible: it is still owed, may be paid, and no longer makes the subscription past due.

    Raises `NotFoundError`, `InvalidFieldsError`, `InvoiceStatusError`.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        before = {"status": invoice.status}
        move_invoice(invoice, InvoiceStatus.UNCOLLECTIBLE, {"uncollectible_at": as_of})
        after = {"status": invoice.status, "reason": reason}
        record_change(invoice, "invoice.marked_uncollectible", actor=actor, before=before, after=after, as_of=as_of)
        refresh_standing(subscription_id=invoice.subscription_id, as_of=as_of)
    return invoice


def issue_credit_note(*, invoice_id: UUID, reason: str, actor: Actor, as_of: datetime) -> CreditNote:
    """Issue a credit note that takes a whole invoice back.

    An unpaid invoice becomes void; a paid one stays paid.

    Raises `NotFoundError`, `InvalidFieldsError`, `InvoiceStatusError`, also if there is a credit note already.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        lock_draft(invoice.subscription_id)
        _require_creditable(invoice)
        issuer = Issuer.objects.get(pk=1)
        issued_on = local_day(as_of, issuer.time_zone)
        # Everything that may wait comes before: the series stays locked until the end of the transaction.
        [number] = take_credit_numbers([invoice], issuer=issuer, issued_on=issued_on)
        note = credit_in_full(invoice, number, issued_on=issued_on, act=Act(actor, as_of, reason))
        report_credit_back(invoice, as_of=as_of)
    return note


def credit_in_full(invoice: Invoice, number: str, *, issued_on: date, act: Act, replaced_by: str = "") -> CreditNote:
    """Take a locked invoice back by a credit note with this number; `replaced_by` is the one that takes its place."""
    note = _add_note(invoice, number, act.reason, issued_on=issued_on, act=act, replaced_by=replaced_by)
    release(invoice, replace(act, reason=f"Credited by {number}"))
    Invoice.objects.filter(pk=invoice.pk).update(amount_paid_minor=0, credited_minor=F("total_minor"))
    invoice.refresh_from_db(fields=["amount_paid_minor", "credited_minor"])
    if invoice.status != InvoiceStatus.PAID:
        declare_void(invoice, f"Credited by {number}", act.actor, act.as_of)
    book_credit_note(note, invoice, as_of=act.as_of)
    return note


def _require_creditable(invoice: Invoice) -> None:
    if CreditNote.objects.filter(invoice=invoice).exists():
        raise InvoiceStatusError("There is a credit note for this invoice.")
    if invoice.credited_minor:
        raise InvoiceStatusError("Part of the invoice was credited. Credit the rest in part, too.")
    if invoice.status not in CREDITABLE:
        raise InvoiceStatusError(f"The invoice is {invoice.status}: there is nothing to take back.")
    if invoice.total_minor == 0:
        raise InvoiceStatusError("This invoice charged nothing, so there is nothing to credit.")


def _add_note(invoice: Invoice, number: str, reason: str, *, issued_on: date, act: Act, replaced_by: str) -> CreditNote:
    content = credit_note_content(
        invoice.document.content, number=number, issued_on=issued_on, reason=reason, replaced_by=replaced_by
    )
    note = CreditNote.objects.create(
        id=uuid7(act.as_of),
        tenant_id=invoice.tenant_id,
        invoice=invoice,
        number=number,
        currency=invoice.currency,
        subtotal_minor=invoice.subtotal_minor,
        tax_minor=invoice.tax_minor,
        carried_minor=invoice.carried_minor,
        total_minor=invoice.total_minor,
        reason=reason,
        issued_on=issued_on,
        issued_at=act.as_of,
        issued_by=act.actor.label[:254],
        content=content,
        content_digest=digest_of_content(content),
    )
    after = {"credit_note": number, "reason": reason}
    record_change(invoice, "credit_note.issued", actor=act.actor, after=after, as_of=act.as_of)
    add_to_outbox([CreditNoteIssued(facts_of_credit_note(note))], as_of=act.as_of)
    return note


def declare_void(invoice: Invoice, reason: str, actor: Actor, as_of: datetime) -> None:
    """Void a locked invoice that has no payments, and write it to the outbox. Raises `InvoiceStatusError`."""
    if invoice.credited_minor and not CreditNote.objects.filter(invoice=invoice).exists():
        raise InvoiceStatusError("Part of the invoice was credited. Credit the rest in part, too.")
    if invoice.amount_paid_minor:
        raise InvoiceStatusError(
            "Part of the invoice is paid. Issue a credit note, or remove the payment from it first."
        )
    before = {"status": invoice.status}
    move_invoice(invoice, InvoiceStatus.VOID, {"voided_at": as_of, "void_reason": reason})
    after = {"status": invoice.status, "reason": reason}
    record_change(invoice, "invoice.voided", actor=actor, before=before, after=after, as_of=as_of)
    add_to_outbox([InvoiceVoided(facts_of_invoice(invoice))], as_of=as_of)
    refresh_standing(subscription_id=invoice.subscription_id, as_of=as_of)


def resend_invoice(*, invoice_id: UUID, actor: Actor, as_of: datetime) -> Invoice:
    """Mail an issued invoice once more, to those who would get it now. Raises `NotFoundError`, `InvoiceStatusError`."""
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        if invoice.status in {InvoiceStatus.DRAFT, InvoiceStatus.VOID}:
            raise InvoiceStatusError(f"The invoice is {invoice.status}: it is not sent.")
        invoice_pdf(invoice=invoice, as_of=as_of)
        key = f"document:{invoice.number}:again:{as_of.isoformat()}"
        recipients = queue_invoice_mail(invoice=invoice, dedupe_key=key, as_of=as_of)
        if not recipients:
            raise InvoiceStatusError(
                "There is no recipient: the tenant has neither an address for bills nor a member who wants invoices."
            )
        record_change(invoice, "invoice.resent", actor=actor, after={"recipients": recipients}, as_of=as_of)
    return invoice
