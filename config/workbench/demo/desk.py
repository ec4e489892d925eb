"""What the demo's staff decide by hand: a write-off, an invoice of single items, and a request that waits."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from accounts.domain.actor import Actor
from accounts.models import Tenant
from billing.desk.domain.items import Item
from billing.desk.models import Approval, WriteOff
from billing.desk.services.writing_invoices import write_invoice
from billing.desk.services.writing_off import write_off_invoice
from billing.domain.statuses import InvoiceStatus
from billing.models import Invoice, InvoiceKind, Issuer
from billing.services.invoicing.issuer import update_issuer

APPROVAL_ABOVE: Final = Decimal(1000)
WRITTEN_FOR: Final = "northwind-maps"
WAITS_FOR: Final = "harbor-analytics"


def add_acts_of_staff(*, actor: Actor, colleague: Actor, as_of: datetime) -> None:
    """Add each act once; the request lapses after 14 days and is made again by a later run."""
    if not WriteOff.objects.exists():
        for invoice in Invoice.objects.filter(status=InvoiceStatus.UNCOLLECTIBLE):
            write_off_invoice(
                invoice_id=invoice.pk, reason="Nothing is to be had.", actor=actor, as_of=as_of - timedelta(days=1)
            )
    _write_invoice(actor, as_of - timedelta(days=1))
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


def _request_invoice(colleague: Actor, as_of: datetime) -> None:
    tenant = Tenant.objects.filter(slug=WAITS_FOR, subscriptions__isnull=False).first()
    if tenant is None or Approval.objects.filter(tenant=tenant, expires_at__gt=as_of).exists():
        return
    day = as_of.date()
    items = [Item("Migration of the archive", Decimal(1), "", Decimal(4200), day, day)]
    write_invoice(tenant_id=tenant.pk, items=items, reason="Offer of the spring.", actor=colleague, as_of=as_of)
