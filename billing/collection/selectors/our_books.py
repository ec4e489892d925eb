"""Our books of one provider, to compare with the provider's, in a fixed number of queries."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import CharField, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Coalesce, NullIf

from billing.collection.domain.comparing import OurBooks, OurInvoice, OurPayment, OurReturn
from billing.collection.domain.provider import ReportedClaim
from billing.collection.models import PaymentFinding, ProviderCustomer, ProviderInvoice
from billing.domain.statuses import InvoiceStatus
from billing.ledger.domain.accounts import EntryKind, LedgerAccount
from billing.ledger.models import JournalEntry, Posting
from billing.models import Invoice, Payment, PaymentDispute, PaymentRefund, PaymentStatus, RefundWay

_CAME_IN: Final = (PaymentStatus.SUCCEEDED, PaymentStatus.UNMATCHED)
# Names that collection gives to what is not at the provider yet.
_NOT_THERE: Final = "due:"
_SLACK: Final = timedelta(days=1)


def our_books(
    *, provider: str, since: datetime, claims: Collection[ReportedClaim], references: Collection[str] = ()
) -> OurBooks:
    """Return what we have of a provider since a moment, and whatever its claims or the given references name."""
    named = {claim.reference for claim in claims} | set(references)
    invoice_ids = {claim.invoice_id for claim in claims if claim.invoice_id is not None}
    customers = ProviderCustomer.objects.filter(provider=provider)
    return OurBooks(
        payments={one.reference: one for one in _payments(provider, since, named)},
        invoices=_invoices(provider, invoice_ids),
        refunds={one.reference: one for one in _refunds(provider, since)},
        disputes={one.reference: one for one in _disputes(provider, since)},
        tenants=dict(customers.values_list("reference", "tenant_id")),
    )


def open_findings(provider: str) -> QuerySet[PaymentFinding]:
    """Return the findings of a provider that are not closed, those that staff settled as well."""
    return PaymentFinding.objects.filter(provider=provider, closed_at=None)


def findings_to_settle() -> QuerySet[PaymentFinding]:
    """Return the findings that wait for staff."""
    return PaymentFinding.objects.filter(closed_at=None, settled_at=None)


def _payments(provider: str, since: datetime, named: Collection[str]) -> list[OurPayment]:
    key = Cast(OuterRef("pk"), CharField())
    entry = JournalEntry.objects.filter(kind=EntryKind.PAYMENT, source=key).values("pk")[:1]
    posted = (
        Posting.objects.filter(
            entry__kind=EntryKind.PAYMENT, entry__source=key, account=LedgerAccount.CLEARING, provider=provider
        )
        .order_by()
        .values("entry")
        .annotate(sum=Sum("amount_minor"))
        .values("sum")
    )
    rows = Payment.objects.filter(
        Q(occurred_at__gte=since) | Q(reference__in=named), provider=provider, status__in=_CAME_IN
    ).annotate(entry_id=Subquery(entry), posted_minor=Subquery(posted))
    return [
        OurPayment(
            reference=row.reference,
            tenant_id=row.tenant_id,
            invoice_id=row.invoice_id,
            amount_minor=row.amount_minor,
            currency=row.currency,
            happened_at=row.occurred_at,
            posted_minor=None if row.entry_id is None else row.posted_minor or 0,
        )
        for row in rows
    ]


def _invoices(provider: str, invoice_ids: Collection[UUID]) -> dict[UUID, OurInvoice]:
    """Return the invoices that the provider still is to collect, and those that its claims name."""
    collecting = ProviderInvoice.objects.filter(invoice=OuterRef("pk"), provider=provider).values("reference")[:1]
    wanted = Q(pk__in=invoice_ids) | Q(provider_invoice__provider=provider, status=InvoiceStatus.FINALIZED)
    rows = Invoice.objects.filter(wanted).annotate(named=Coalesce(NullIf(Subquery(collecting), Value("")), Value("")))
    return {
        row.pk: OurInvoice(
            invoice_id=row.pk,
            tenant_id=row.tenant_id,
            number=row.number or "a draft",
            status=row.status,
            due_minor=row.amount_due_minor if row.status == InvoiceStatus.FINALIZED else 0,
            currency=row.currency,
            reference="" if row.named.startswith(_NOT_THERE) else row.named,
        )
        for row in rows
    }


def _refunds(provider: str, since: datetime) -> list[OurReturn]:
    """Return the refunds that have a reference there, also those that failed."""
    rows = PaymentRefund.objects.filter(
        Q(occurred_at__gte=since - _SLACK), payment__provider=provider, way=RefundWay.PROVIDER, reverses=None
    ).annotate(
        named=Coalesce(NullIf("reference", Value("")), "provider_refund__reference", Value("")),
        undone=F("reversed_by"),
    )
    return [
        OurReturn(
            reference=row.named,
            tenant_id=row.tenant_id,
            amount_minor=row.amount_minor,
            currency=row.currency,
            happened_at=row.occurred_at,
            is_undone=row.undone is not None,
        )
        for row in rows
        if row.named
    ]


def _disputes(provider: str, since: datetime) -> list[OurReturn]:
    rows = PaymentDispute.objects.filter(payment__provider=provider, occurred_at__gte=since - _SLACK)
    return [
        OurReturn(
            reference=row.reference,
            tenant_id=row.tenant_id,
            amount_minor=row.amount_minor,
            currency=row.currency,
            happened_at=row.occurred_at,
            phase=row.state,
        )
        for row in rows
    ]
