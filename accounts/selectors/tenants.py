"""Tenants: facts for metering, rows for pages, and the tenants of a user.

Facts are kept in each process for less than a second, so a suspension takes effect everywhere within one.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from accounts.domain.pages import Page, PageRequest
from accounts.domain.principal import TenantFacts
from accounts.domain.short_memory import ShortMemory
from accounts.errors import FieldError, InvalidFieldsError, NotFoundError
from accounts.models import Membership, Tenant, User
from accounts.selectors.pages import page_of

_facts_by_slug: ShortMemory[str, TenantFacts] = ShortMemory()


def facts_of(tenant: Tenant) -> TenantFacts:
    """Return the facts about a tenant that metering needs."""
    return TenantFacts(
        id=tenant.id,
        slug=tenant.slug,
        name=tenant.name,
        is_active=tenant.is_active,
        time_zone=tenant.time_zone,
        currency=tenant.currency,
        backfill_days=tenant.backfill_days,
        period_anchor_on=tenant.period_anchor_on,
    )


def tenant_facts(slug: str, as_of: datetime) -> TenantFacts:
    """Return the facts of the tenant with this slug, at most 0.75 s old. Raises `NotFoundError`."""
    known = _facts_by_slug.recall(slug, as_of)
    if known is not None:
        return known
    facts = facts_of(tenant_by_slug(slug))
    _facts_by_slug.keep(slug, facts, as_of)
    return facts


def read_tenants_ahead(slugs: Iterable[str], as_of: datetime) -> None:
    """Read the facts of many tenants by one query, so that `tenant_facts` has them. Unknown slugs are left out."""
    missing = [slug for slug in slugs if _facts_by_slug.recall(slug, as_of) is None]
    for tenant in Tenant.objects.filter(slug__in=missing):
        _facts_by_slug.keep(tenant.slug, facts_of(tenant), as_of)


def forget_tenant(slug: str) -> None:
    """Clear the tenant from this process's cache, so that it sees its own change at once."""
    _facts_by_slug.forget(slug)


def tenant_by_slug(slug: str) -> Tenant:
    """Return the tenant with this slug. Raises `NotFoundError`."""
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise NotFoundError
    return tenant


def tenant_by_id(tenant_id: UUID) -> Tenant:
    """Return the tenant. Raises `NotFoundError`."""
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is None:
        raise NotFoundError
    return tenant


def tenants_page(request: PageRequest) -> Page[Tenant]:
    """Return a page of all tenants, newest first."""
    return page_of(Tenant.objects.all(), request, instant_field="created_at", parse_id=UUID)


def tenants_of_user(user: User) -> list[Membership]:
    """Return the user's memberships with their tenants, by the tenants' names."""
    return list(Membership.objects.filter(user=user).select_related("tenant").order_by("tenant__name", "tenant__slug"))


def tenants_named(slugs: Sequence[str]) -> dict[str, UUID]:
    """Return the ids of the tenants with these slugs. Raises `InvalidFieldsError`, which names each unknown slug."""
    found = dict(Tenant.objects.filter(slug__in=slugs).values_list("slug", "pk"))
    refusals = tuple(
        FieldError(f"/tenants/{position}", "unknown_tenant", "There is no such tenant.")
        for position, slug in enumerate(slugs)
        if slug not in found
    )
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=refusals)
    return found
