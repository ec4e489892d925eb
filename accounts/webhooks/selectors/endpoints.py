"""Endpoints of a tenant, with what pages and the API show beside them."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from accounts.domain.pages import Page, PageRequest
from accounts.errors import NotFoundError
from accounts.selectors.pages import page_of
from accounts.webhooks.domain.statuses import DeliveryStatus
from accounts.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookSecret


def endpoints_page(*, tenant_id: UUID, request: PageRequest) -> Page[WebhookEndpoint]:
    """Return a page of the tenant's endpoints, newest first."""
    return page_of(endpoints_of_tenant(tenant_id=tenant_id), request, instant_field="created_at", parse_id=UUID)


def endpoints_of_tenant(*, tenant_id: UUID) -> QuerySet[WebhookEndpoint]:
    """Return all endpoints of the tenant, newest first: there are few."""
    return WebhookEndpoint.objects.filter(tenant_id=tenant_id)


def endpoint_of_tenant(*, tenant_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    """Return one of the tenant's endpoints. Raises `NotFoundError`, also for another tenant's."""
    endpoint = endpoints_of_tenant(tenant_id=tenant_id).filter(pk=endpoint_id).first()
    if endpoint is None:
        raise NotFoundError
    return endpoint


def previous_secret_ends_at(*, endpoint_id: UUID, as_of: datetime) -> datetime | None:
    """Return until when the secret before the current one signs too, or None."""
    earlier = WebhookSecret.objects.filter(endpoint_id=endpoint_id, expires_at__gt=as_of)
    return earlier.values_list("expires_at", flat=True).first()


def counts_by_status(*, endpoint_ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
    """Return how many deliveries of each endpoint are pending, succeeded and failed."""
    counts = {status.value: Count("pk", filter=Q(status=status)) for status in DeliveryStatus}
    names = list(counts)
    rows = WebhookDelivery.objects.filter(endpoint_id__in=endpoint_ids).order_by().values("endpoint_id")
    found = {row[0]: row[1:] for row in rows.annotate(**counts).values_list("endpoint_id", *names)}
    nothing = (0,) * len(names)
    return {endpoint_id: dict(zip(names, found.get(endpoint_id, nothing), strict=True)) for endpoint_id in endpoint_ids}
