"""One-table, chainable filters of the billing app."""

from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import F, Func, Value

from billing.domain.statuses import LIVE_STATUSES, InvoiceStatus
from metering.domain.periods import YearMonth


def end_of_month(month: YearMonth, time_zone: F) -> Func:
    """Return the instant at which a month ends in the time zone that a column names."""
    first_of_next = Value(month.plus(1).first_day().isoformat())
    return Func(
        time_zone, first_of_next, template="timezone(%(expressions)s::timestamp)", output_field=models.DateTimeField()
    )


class SubscriptionQuerySet(models.QuerySet[Any]):
    """Subscriptions."""

    def of_tenant(self, tenant_id: UUID) -> "SubscriptionQuerySet":
        """Return the tenant's subscriptions, including those that ended."""
        return self.filter(tenant_id=tenant_id)

    def live(self) -> "SubscriptionQuerySet":
        """Return the subscriptions that have not ended."""
        return self.filter(status__in=LIVE_STATUSES)


class InvoiceQuerySet(models.QuerySet[Any]):
    """Invoices."""

    def of_tenant(self, tenant_id: UUID) -> "InvoiceQuerySet":
        """Return the tenant's invoices."""
        return self.filter(tenant_id=tenant_id)

    def issued(self) -> "InvoiceQuerySet":
        """Return the invoices that have a number: those that customers see."""
        return self.exclude(status=InvoiceStatus.DRAFT)

    def unpaid(self) -> "InvoiceQuerySet":
        """Return the invoices that wait for payment, without those on hold."""
        return self.filter(status=InvoiceStatus.FINALIZED, hold=None)
