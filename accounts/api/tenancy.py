"""The tenant of a request: the key's own, or the one that a service key names."""

from collections.abc import Iterable
from typing import Final

from django.utils import timezone
from rest_framework.request import Request

from accounts.api.authentication import principal_of
from accounts.domain.principal import TenantFacts
from accounts.domain.reach import Reach, WayIn, reach_from_now_on, way_in
from accounts.domain.slugs import SLUG_CHARACTERS_MAX
from accounts.errors import FieldError, InvalidFieldsError, NotFoundError, SubscriptionInactiveError
from accounts.selectors.tenants import read_tenants_ahead, tenant_facts

HEADER: Final = "X-Tenant"


def tenant_of(request: Request, named: str | None = None) -> TenantFacts:
    """Return the key's tenant; for a service key the one in `named`, the query's `tenant`, or the header `X-Tenant`.

    Raises 422 `tenant_missing` if a service key names none, 404 if the tenant is unknown.
    """
    principal = principal_of(request)
    if principal.tenant is not None:
        return principal.tenant
    slug = named or request.query_params.get("tenant") or request.headers.get(HEADER)
    if not slug:
        missing = FieldError(
            "/tenant", "tenant_missing", f"A service key names the tenant: in the field tenant, or in {HEADER}."
        )
        raise InvalidFieldsError(missing.detail, field_errors=(missing,), code=missing.code)
    if not _may_be_slug(slug):
        raise NotFoundError("No such tenant.")
    with way_in(WayIn.SIGN_IN):
        facts = tenant_facts(slug, timezone.now())
    reach_from_now_on(Reach(facts.id))
    return facts


def read_tenants_of_service(slugs: Iterable[str]) -> None:
    """Read the tenants that one call of a service key names at once, so that `tenant_of` sends no query for each."""
    with way_in(WayIn.SIGN_IN):
        read_tenants_ahead([slug for slug in slugs if _may_be_slug(slug)], timezone.now())


def _may_be_slug(text: str) -> bool:
    return len(text) <= SLUG_CHARACTERS_MAX and text.isascii() and text.isprintable()


def live_tenant_of(request: Request, named: str | None = None) -> TenantFacts:
    """Return the tenant, for calls about money and quotas, which count only live usage. Raises 404 for a test key."""
    if not principal_of(request).is_live:
        raise NotFoundError("Not available to a test key: only live usage counts here. Use a live key.")
    return tenant_of(request, named)


def require_active(tenant: TenantFacts) -> None:
    """Raise 402 if the tenant is suspended or closed."""
    if not tenant.is_active:
        raise SubscriptionInactiveError("The tenant is suspended or closed.")
