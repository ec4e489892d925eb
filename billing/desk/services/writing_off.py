"""Write-offs: what stays unpaid of an invoice is given up in the books. `docs/algorithms/ledger.md`, section L4.

It may still be paid: what comes in after all is recovered, in the transaction of the payment.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from billing.desk.domain.approvals import ApprovalKind
from billing.desk.errors import ApprovalError
from billing.desk.models import Approval, WriteOff
from billing.desk.selectors.limits import needs_approval
from billing.desk.services.requesting import Wanted, request_approval
from billing.domain.money import money_text
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError
from billing.models import Invoice
from billing.selectors.issuer import issuers_day
from billing.selectors.write_offs import unwritten_minor
from billing.services.booking import book_write_off
from billing.services.invoicing.status import checked_reason, locked_invoice, move_invoice, record_change
from billing.services.subscriptions.standing import refresh_standing


def write_off_invoice(*, invoice_id: UUID, reason: str, actor: Actor, as_of: datetime) -> WriteOff | Approval:
    """Write off what is unpaid of an invoice, or request it if the amount needs a colleague.

    The invoice is uncollectible, or overdue. Raises `NotFoundError`, `InvalidFieldsError`, `InvoiceStatusError`,
    `ApprovalError`.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        open_minor = _writable(invoice, as_of)
        if needs_approval(open_minor, invoice.currency, as_of=as_of):
            wanted = Wanted(
                ApprovalKind.WRITE_OFF, invoice.tenant_id, open_minor, invoice.currency, reason, invoice=invoice
            )
            return request_approval(wanted, actor=actor, as_of=as_of)
        return _write_off(invoice, open_minor, reason, approval=None, actor=actor, as_of=as_of)


def write_off_approved(approval: Approval, *, actor: Actor, as_of: datetime) -> WriteOff:
    """Write off what a locked request asks for.

    Raises `ApprovalError` if another amount is unpaid now, `InvoiceStatusError`.
    """
    assert approval.invoice_id is not None, "a write-off is of an invoice"
    invoice = locked_invoice(approval.invoice_id)
    open_minor = _writable(invoice, as_of)
    if open_minor != approval.amount_minor:
        unpaid = money_text(open_minor, invoice.currency)
        raise ApprovalError(f"{unpaid} of {invoice.number} are unpaid now: ask for that.")
    return _write_off(invoice, open_minor, approval.reason, approval=approval, actor=actor, as_of=as_of)


def _writable(invoice: Invoice, as_of: datetime) -> int:
    """Return what can be written off, above 0. Raises `InvoiceStatusError`."""
    if invoice.status not in {InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE}:
        raise InvoiceStatusError(f"The invoice is {invoice.status}: there is nothing to write off.")
    assert invoice.due_on is not None, "it is finalized"
    if invoice.status == InvoiceStatus.FINALIZED and invoice.due_on >= issuers_day(as_of):
        raise InvoiceStatusError(f"It is due on {invoice.due_on}: what is not overdue is not written off.")
    open_minor = unwritten_minor(invoice)
    if open_minor <= 0:
        raise InvoiceStatusError("The unpaid amount is already written off.")
    return open_minor


def _write_off(
    invoice: Invoice, amount_minor: int, reason: str, *, approval: Approval | None, actor: Actor, as_of: datetime
) -> WriteOff:
    row = WriteOff.objects.create(
        id=uuid7(as_of),
        tenant_id=invoice.tenant_id,
        invoice=invoice,
        amount_minor=amount_minor,
        currency=invoice.currency,
        reason=reason,
        approval=approval,
        created_at=as_of,
        created_by=actor.label[:254],
    )
    before = {"status": invoice.status}
    if invoice.status == InvoiceStatus.FINALIZED:
        move_invoice(invoice, InvoiceStatus.UNCOLLECTIBLE, {"uncollectible_at": as_of})
        refresh_standing(subscription_id=invoice.subscription_id, as_of=as_of)
    book_write_off(invoice, source=str(row.pk), amount_minor=amount_minor, as_of=as_of)
    after = {"status": invoice.status, "written_off_minor": amount_minor, "reason": reason}
    record_change(invoice, "invoice.written_off", actor=actor, before=before, after=after, as_of=as_of)
    return row
