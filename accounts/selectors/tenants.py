"""Tenants as others need them: facts for metering, rows for pages, and who belongs where.

Facts are kept in each process for less than a second, so a suspension is effective everywhere within one.
"""

from collections.abc import Sequence
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
    """Return what metering needs to know of a tenant."""
    return TenantFacts(
        id=tenant.id,
        slug=tenant.slug,
        name=tenant.name,
        is_active=tenant.is_active,
        time_zone=tenant.time_zone,
        currency=tenant.currency,
        backfill_days=tenant.backfill_days,
    )


def tenant_facts(slug: str, as_of: datetime) -> TenantFacts:
    """Return the facts of the tenant with this slug, at most 0.75 s old. Raises `NotFoundError`."""
    known = _facts_by_slug.recall(slug, as_of)
    if known is not None:
        return known
    facts = facts_of(tenant_by_slug(slug))
    _facts_by_slug.keep(slug, facts, as_of)
    return facts


def forget_tenant(slug: str) -> None:
    """Let this process see at once what it has just changed."""
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
    """Return all tenants by pages, the newest first."""
    return page_of(Tenant.objects.all(), request, instant_field="created_at", parse_id=UUID)


def tenants_of_user(user: User) -> list[Membership]:
    """Return the user's memberships with their tenants, by the tenants' names."""
    return list(Membership.objects.filter(user=user).select_related("tenant").order_by("tenant__name", "tenant__slug"))


def tenants_named(slugs: Sequence[str]) -> dict[str, UUID]:
    """Return the ids of the tenants with these slugs. Raises `InvalidFieldsError` that names each which is unknown."""
    found = dict(Tenant.objects.filter(slug__in=slugs).values_list("slug", "pk"))
    refusals = tuple(
        FieldError(f"/tenants/{position}", "unknown_tenant", "There is no such tenant.")
        for position, slug in enumerate(slugs)
        if slug not in found
    )
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=refusals)
    return found
