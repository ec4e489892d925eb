"""Money kept for customers: it pays their next invoices when these are finalized.

It is what is left of payments without an open exception. Staff decide about payments with one.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef

from accounts.sql import as_json, fetch_all
from billing.domain.settling import shares_for
from billing.models import BillingException, Invoice, Payment, PaymentAllocation, PaymentStatus
from billing.services.booking import book_allocation
from billing.services.invoicing.allocating import add_allocations

KEPT_BY: Final = "invoicing"
_SPEND: Final = """
UPDATE billing_payment AS p SET allocated_minor = p.allocated_minor + s.amount_minor
FROM jsonb_to_recordset(%(spent)s::jsonb) AS s(payment_id bigint, amount_minor bigint) WHERE p.id = s.payment_id
RETURNING p.id
"""
Purse = dict[tuple[UUID, str], list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class PaymentShare:
    """What a payment is to pay of an invoice."""

    payment_id: int
    amount_minor: int


def locked_purses(tenant_ids: Collection[UUID]) -> Purse:
    """Return what is kept for each tenant in each currency, the oldest first, locked until the transaction ends."""
    waits = BillingException.objects.filter(payment=OuterRef("pk"), resolved_at=None)
    kept = (
        Payment.objects.select_for_update(no_key=True, of=("self",))
        .filter(~Exists(waits), tenant__in=tenant_ids, amount_minor__gt=F("allocated_minor") + F("refunded_minor"))
        .exclude(status=PaymentStatus.FAILED)
        .order_by("occurred_at", "pk")
    )
    purses: Purse = defaultdict(list)
    for payment in kept:
        purses[payment.tenant_id, payment.currency].append((payment.pk, payment.unallocated_minor))
    return purses


def take_from(purses: Purse, invoice: Invoice, total_minor: int) -> tuple[PaymentShare, ...]:
    """Return which kept money pays an invoice, and take it out of its purse."""
    purse = purses.get((invoice.tenant_id, invoice.currency), [])
    shares = shares_for(total_minor, purse)
    taken = dict(shares)
    purse[:] = [(payment_id, left - taken.get(payment_id, 0)) for payment_id, left in purse]
    return tuple(PaymentShare(*share) for share in shares)


def spend(invoices: Sequence[tuple[Invoice, Sequence[PaymentShare]]], *, as_of: datetime) -> None:
    """Store and post what was taken from invoices that are posted; their sums changed with their numbers."""
    rows = [
        PaymentAllocation(
            tenant_id=invoice.tenant_id,
            payment_id=share.payment_id,
            invoice=invoice,
            amount_minor=share.amount_minor,
            created_at=as_of,
            created_by=KEPT_BY,
        )
        for invoice, shares in invoices
        for share in shares
    ]
    if not rows:
        return
    add_allocations(rows)
    spent: dict[int, int] = defaultdict(int)
    for row in rows:
        spent[row.payment_id] += row.amount_minor
    sums = [{"payment_id": payment_id, "amount_minor": amount} for payment_id, amount in spent.items()]
    assert len(fetch_all(_SPEND, {"spent": as_json(sums)})) == len(sums), "the payments are locked"
    numbered = Invoice.objects.in_bulk([row.invoice_id for row in rows])
    for row in rows:
        book_allocation(numbered[row.invoice_id], source=str(row.pk), amount_minor=row.amount_minor, as_of=as_of)
