"""What invoicing has to do at a moment: boundaries that have come, and drafts whose grace is over."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import Discrepancy
from billing.domain.statuses import InvoiceStatus
from billing.models import BillingException, Invoice, Subscription
from billing.querysets import end_of_month
from metering.domain.periods import YearMonth


@dataclass(frozen=True, slots=True)
class Due:
    """Which boundaries are meant: all, or those of some tenants, or those up to and with the end of a month."""

    tenant_ids: Collection[UUID] | None = None
    month: YearMonth | None = None


def waits_for_a_person(subscription: str, tenant: str) -> Q:
    """Return the condition that nothing is billed until a person has looked, by the names of the two columns.

    The subscription has an open exception, or a check found the tenant's books in disorder.
    """
    parked = BillingException.objects.filter(subscription=OuterRef(subscription), payment=None, resolved_at=None)
    doubted = Discrepancy.objects.open().filter(tenant=OuterRef(tenant), is_holding=True)
    return Q(Exists(parked)) | Q(Exists(doubted))


def due_subscriptions(as_of: datetime, due: Due) -> QuerySet[Subscription]:
    """Return the subscriptions with a boundary to be invoiced.

    Its instant has come, its last invoice is no draft, and no person has to look first.
    """
    # As a list, which is hashed: PostgreSQL expects few drafts, and compared each of a run's with each subscription.
    drafted = Invoice.objects.filter(status=InvoiceStatus.DRAFT).values("subscription")
    found = Subscription.objects.filter(~Q(pk__in=drafted), ~waits_for_a_person("pk", "tenant"), due_at__lte=as_of)
    if due.tenant_ids is not None:
        found = found.filter(tenant__in=due.tenant_ids)
    if due.month is not None:
        found = found.filter(due_at__lte=end_of_month(due.month, F("time_zone")))
    return found.order_by("due_at", "pk")


def ripe_invoices(as_of: datetime, due: Due) -> QuerySet[Invoice]:
    """Return the drafts whose grace is over, without those that wait for staff."""
    held = waits_for_a_person("subscription", "tenant")
    found = Invoice.objects.filter(~held, status=InvoiceStatus.DRAFT, finalize_after__lte=as_of)
    if due.tenant_ids is not None:
        found = found.filter(tenant__in=due.tenant_ids)
    if due.month is not None:
        end = end_of_month(due.month, F("subscription__time_zone"))
        found = found.filter(Q(boundary=0, period_start__lte=end) | Q(boundary__gt=0, period_end__lte=end))
    return found.select_related("subscription", "tenant").order_by("finalize_after", "pk")
