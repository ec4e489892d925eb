"""What the demo's staff decide by hand.

A write-off, an invoice of single items, two more for a next invoice, a request that waits, a credit note over a part,
and an invoice issued again.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from accounts.domain.actor import Actor
from accounts.models import Tenant
from billing.desk.models import Approval, WriteOff
from billing.desk.services.items import add_item
from billing.desk.services.writing_invoices import write_invoice
from billing.desk.services.writing_off import write_off_invoice
from billing.domain.invoicing.items import Item
from billing.domain.statuses import InvoiceStatus
from billing.models import CreditNote, CreditTarget, Invoice, InvoiceKind, Issuer, SingleItem
from billing.services.invoicing.crediting import credit_in_part
from billing.services.invoicing.issuer import update_issuer
from billing.services.invoicing.reissuing import reissue_invoice

APPROVAL_ABOVE: Final = Decimal(1000)
WRITTEN_FOR: Final = "northwind-maps"
WAITS_FOR: Final = "harbor-analytics"
CREDITED_IN_PART: Final = "northwind-maps"
CREDITED_MINOR: Final = 2500  # without tax
ISSUED_AGAIN: Final = "harbor-analytics"
BOUNDARY: Final = 3  # which invoice of theirs, counted from the first


def add_acts_of_staff(*, actor: Actor, colleague: Actor, as_of: datetime) -> None:
    """Add each act once; the request lapses after 14 days and is made again by a later run."""
    if not WriteOff.objects.exists():
        for invoice in Invoice.objects.filter(status=InvoiceStatus.UNCOLLECTIBLE):
            write_off_invoice(
                invoice_id=invoice.pk, reason="Nothing is to be had.", actor=actor, as_of=as_of - timedelta(days=1)
            )
    _write_invoice(actor, as_of - timedelta(days=1))
    _add_to_next_invoice(actor, as_of - timedelta(days=1))
    _credit_part(actor, as_of - timedelta(days=2))
    _issue_again(actor, as_of - timedelta(days=2))
    if Issuer.objects.filter(pk=1, approval_above=None).exists() and not Approval.objects.exists():
        update_issuer(changes={"approval_above": APPROVAL_ABOVE}, actor=actor, as_of=as_of)
    _request_invoice(colleague, as_of)


def _write_invoice(actor: Actor, as_of: datetime) -> None:
    tenant = Tenant.objects.filter(slug=WRITTEN_FOR, subscriptions__isnull=False).first()
    if tenant is None or Invoice.objects.filter(tenant=tenant, kind=InvoiceKind.MANUAL).exists():
        return
    day = as_of.date()
    items = [
        Item("Onboarding workshop", Decimal(1), "", Decimal(450), day, day),
        Item("Priority support", Decimal(6), "hours", Decimal("62.50"), day, day + timedelta(days=29)),
    ]
    write_invoice(tenant_id=tenant.pk, items=items, reason="Agreed by mail.", actor=actor, as_of=as_of)


def _add_to_next_invoice(actor: Actor, as_of: datetime) -> None:
    tenant = Tenant.objects.filter(slug=WRITTEN_FOR, subscriptions__due_at__gt=as_of).first()
    if tenant is None or SingleItem.objects.filter(tenant=tenant).exists():
        return
    day = as_of.date()
    for item, reason in (
        (Item("Rush import of map tiles", Decimal(3), "hours", Decimal(90), day, day), "Asked for by phone."),
        (Item("Credit for the outage", Decimal(1), "", Decimal(-40), day, day), "Promised by support."),
    ):
        add_item(tenant_id=tenant.pk, item=item, reason=reason, actor=actor, as_of=as_of)


def _request_invoice(colleague: Actor, as_of: datetime) -> None:
    tenant = Tenant.objects.filter(slug=WAITS_FOR, subscriptions__isnull=False).first()
    if tenant is None or Approval.objects.filter(tenant=tenant, expires_at__gt=as_of).exists():
        return
    day = as_of.date()
    items = [Item("Migration of the archive", Decimal(1), "", Decimal(4200), day, day)]
    write_invoice(tenant_id=tenant.pk, items=items, reason="Offer of the spring.", actor=colleague, as_of=as_of)


def _credit_part(actor: Actor, as_of: datetime) -> None:
    invoice = _paid_invoice(CREDITED_IN_PART)
    if invoice is None or CreditNote.objects.filter(part_of=invoice).exists():
        return
    credit_in_part(
        invoice_id=invoice.pk, amount_minor=CREDITED_MINOR, goes_to=CreditTarget.BALANCE,
        reason="An hour of errors; agreed with the customer.", actor=actor, as_of=as_of,
    )  # fmt: skip


def _issue_again(actor: Actor, as_of: datetime) -> None:
    invoice = _paid_invoice(ISSUED_AGAIN)
    if invoice is not None:
        reissue_invoice(
            invoice_id=invoice.pk, reason="The customer asked for its new legal name.", actor=actor, as_of=as_of
        )


def _paid_invoice(slug: str) -> Invoice | None:
    """Return the invoice of a demo tenant that the act is about; None if it is not paid, or was taken back before."""
    invoices = Invoice.objects.filter(tenant__slug=slug, boundary=BOUNDARY, status=InvoiceStatus.PAID)
    return invoices.filter(credit_note=None, total_minor__gt=CREDITED_MINOR).first()
