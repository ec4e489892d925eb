"""The addresses from which a key was used, and its refused requests by reason."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Max, QuerySet, Sum

from accounts.models import ApiKey, KeyAddress, KeyRefusal


@dataclass(frozen=True, slots=True)
class RefusedRequests:
    """The refused requests of one reason."""

    code: str
    requests: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class LabelsInUse:
    """Every environment and tag of a tenant's keys, in the order of the alphabet."""

    environments: tuple[str, ...]
    tags: tuple[str, ...]


def addresses_of_key(*, tenant_id: UUID, key_id: UUID) -> QuerySet[KeyAddress]:
    """Return the addresses from which one of the tenant's keys was used, the last used first."""
    found: QuerySet[KeyAddress] = KeyAddress.objects.filter(tenant_id=tenant_id, api_key_id=key_id)
    return found.order_by("-last_used_at", "-id")


def refusals_of_key(*, tenant_id: UUID, key_id: UUID, since: date) -> list[RefusedRequests]:
    """Return the refused requests of one of the tenant's keys from a day of UTC on, the most frequent reason first."""
    found = KeyRefusal.objects.filter(tenant_id=tenant_id, api_key_id=key_id, day__gte=since)
    sums = found.values_list("code").annotate(total=Sum("requests"), latest=Max("last_at"))
    return [RefusedRequests(*row) for row in sums.order_by("-total", "code")]


def refused_by_key(*, tenant_id: UUID, key_ids: Collection[UUID], since: date) -> dict[UUID, int]:
    """Return how many requests with each of these keys of a tenant were refused from a day of UTC on, if any were."""
    found = KeyRefusal.objects.filter(tenant_id=tenant_id, api_key_id__in=list(key_ids), day__gte=since)
    return dict(found.order_by().values_list("api_key_id").annotate(total=Sum("requests")))


def last_addresses(*, tenant_id: UUID, key_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the address from which each of these keys of a tenant was used last, if one is recorded."""
    found = KeyAddress.objects.filter(tenant_id=tenant_id, api_key_id__in=list(key_ids))
    newest = found.order_by("api_key_id", "-last_used_at", "-id").distinct("api_key_id")
    return dict(newest.values_list("api_key_id", "address"))


def refusals_by_day(*, tenant_id: UUID, first: date, last: date, codes: Collection[str]) -> dict[tuple[date, str], int]:
    """Return how many requests with the tenant's keys were refused for these reasons, by day of UTC and reason."""
    found = KeyRefusal.objects.filter(tenant_id=tenant_id, day__gte=first, day__lte=last, code__in=list(codes))
    sums = found.order_by().values_list("day", "code").annotate(total=Sum("requests"))
    return {(day, code): requests for day, code, requests in sums}


def labels_in_use(*, tenant_id: UUID) -> LabelsInUse:
    """Return the labels by which the tenant's keys can be filtered."""
    rows = list(ApiKey.objects.of_tenant(tenant_id).order_by().values_list("environment", "tags").distinct())
    environments = {environment for environment, _ in rows} - {""}
    return LabelsInUse(tuple(sorted(environments)), tuple(sorted({tag for _, tags in rows for tag in tags})))
