"""The places where keys were found."""

from uuid import UUID

from django.db.models import QuerySet

from accounts.models import KeyLeak

PLACES_SHOWN_MAX = 50


def leaks_of_key(*, tenant_id: UUID, key_id: UUID) -> QuerySet[KeyLeak]:
    """Return the newest places where one of the tenant's keys was found."""
    found: QuerySet[KeyLeak] = KeyLeak.objects.filter(tenant_id=tenant_id, api_key_id=key_id)
    return found.order_by("-reported_at", "-id")[:PLACES_SHOWN_MAX]
