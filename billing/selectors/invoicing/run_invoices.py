"""What a run of invoicing is reported with: its invoices with their numbers of lines, and whose they are."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from accounts.models import Tenant
from billing.models import Invoice


def invoices_with_line_counts(invoice_ids: Iterable[UUID]) -> QuerySet[Invoice]:
    """Return the invoices with these ids, oldest first, each with `line_count` and its tenant."""
    found: QuerySet[Invoice] = (
        Invoice.objects.filter(pk__in=list(invoice_ids))
        .select_related("tenant")
        .annotate(line_count=Count("lines", filter=Q(lines__revision=F("revision"))))
        .order_by("drafted_at", "pk")
    )
    return found


def slugs_of(tenant_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the slugs of tenants by their ids."""
    return dict(Tenant.objects.filter(pk__in=set(tenant_ids)).values_list("pk", "slug"))
