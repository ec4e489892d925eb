"""What a tenant's every page says of its money: the subscription, and which invoices wait for their payment too long.

Two queries.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q, Subquery

from billing.domain.statuses import SubscriptionStatus
from billing.models import Invoice, Issuer, Subscription
from billing.selectors.subscriptions.current import current_subscription
from metering.domain.periods import local_day

INVOICES_MAX: Final = 100
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TenantStanding:
    """`owing` are the invoices that are overdue or whose payment failed, the oldest first."""

    subscription: Subscription | None
    owing: tuple[Invoice, ...]

    @property
    def is_past_due(self) -> bool:
        """Return whether a payment is overdue or failed, or the subscription is past due."""
        status = None if self.subscription is None else self.subscription.status
        return bool(self.owing) or status == SubscriptionStatus.PAST_DUE

    @property
    def is_trialing(self) -> bool:
        """Return whether the subscription is in its trial."""
        return self.subscription is not None and self.subscription.status == SubscriptionStatus.TRIALING


def standing_of(*, tenant_id: UUID, as_of: datetime) -> TenantStanding:
    """Return a tenant's standing. An invoice is overdue from the day after its due date, in the issuer's time zone."""
    subscription = current_subscription(tenant_id)
    unpaid = (
        Invoice.objects.of_tenant(tenant_id)
        .unpaid()
        .filter(Q(due_on__lte=as_of.date() + _DAY) | Q(payment_failed_at__isnull=False))
        .annotate(issuer_zone=Subquery(Issuer.objects.filter(pk=1).values("time_zone")))
        .order_by("due_on", "number")[:INVOICES_MAX]
    )
    owing = tuple(
        invoice
        for invoice in unpaid
        if invoice.payment_failed_at is not None or invoice.due_on < local_day(as_of, invoice.issuer_zone)
    )
    return TenantStanding(subscription, owing)
