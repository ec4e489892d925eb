"""Deliveries with their attempts, for lists and pages."""

from typing import Final
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from accounts.domain.pages import Page, PageRequest
from accounts.errors import NotFoundError
from accounts.selectors.pages import page_of
from accounts.webhooks.models import WebhookAttempt, WebhookDelivery

# A delivery that was replayed again and again still shows its newest attempts.
ATTEMPTS_SHOWN: Final = 50
READ_WITH_IT: Final = "newest_attempts"


def deliveries_matching(
    *, tenant_id: UUID, endpoint_id: UUID | None = None, status: str = "", event_type: str = ""
) -> QuerySet[WebhookDelivery]:
    """Return the tenant's deliveries, newest first, those of an endpoint, a status or a type if it is given."""
    found = WebhookDelivery.objects.filter(tenant_id=tenant_id)
    if endpoint_id is not None:
        found = found.filter(endpoint_id=endpoint_id)
    if status:
        found = found.filter(status=status)
    if event_type:
        found = found.filter(event_type=event_type)
    return found.select_related("endpoint", "event").prefetch_related(
        Prefetch("attempts", _newest()[:ATTEMPTS_SHOWN], to_attr=READ_WITH_IT)
    )


def deliveries_page(
    *, tenant_id: UUID, request: PageRequest, endpoint_id: UUID | None = None, status: str = ""
) -> Page[WebhookDelivery]:
    """Return a page of the tenant's deliveries with their attempts, newest first."""
    found = deliveries_matching(tenant_id=tenant_id, endpoint_id=endpoint_id, status=status)
    return page_of(found, request, instant_field="created_at", parse_id=UUID)


def delivery_of_tenant(*, tenant_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """Return one of the tenant's deliveries. Raises `NotFoundError`, also for another tenant's."""
    delivery = deliveries_matching(tenant_id=tenant_id).filter(pk=delivery_id).first()
    if delivery is None:
        raise NotFoundError
    return delivery


def attempts_of(delivery: WebhookDelivery) -> list[WebhookAttempt]:
    """Return the newest attempts of a delivery, the oldest of them first. They may have been read with it."""
    found: list[WebhookAttempt] | None = getattr(delivery, READ_WITH_IT, None)
    if found is None:
        found = list(_newest().filter(delivery=delivery)[:ATTEMPTS_SHOWN])
    return found[::-1]


def _newest() -> QuerySet[WebhookAttempt]:
    return WebhookAttempt.objects.order_by("-at", "-pk")
