"""The public price list, and the way from it to a plan."""

from typing import Final
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.domain.roles import Capability, has_capability
from accounts.models import Tenant
from billing.errors import UnknownPlanError
from billing.selectors.catalog.plans import newest_version, plans_for_sale
from portal.access import tenants_shown
from portal.price_list import currencies_of, offers_of

USUAL_CURRENCY: Final = "EUR"
# The plan that a visitor without an organisation chose; used once the organisation is created.
PLAN_IN_SESSION: Final = "chosen_plan"


@never_cache
@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    """Render all plans in the requested currency, or the visitor's own."""
    versions = plans_for_sale()
    currencies = currencies_of(versions)
    tenant = _tenant_of(request)
    currency = _currency(request.GET.get("currency", ""), tenant, currencies)
    context = {
        "offers": offers_of(versions, currency),
        "currency": currency,
        "currencies": currencies,
        "tenant": tenant,
    }
    return render(request, "portal/pricing.html", context)


@never_cache
@require_safe
def pricing_choose(request: HttpRequest, code: str) -> HttpResponse:
    """Redirect to sign-up, to naming an organisation, or to the preview of the chosen plan."""
    try:
        newest_version(code)
    except UnknownPlanError as error:
        raise Http404 from error
    if not request.user.is_authenticated:
        return redirect(f"{reverse('account_signup')}?{urlencode({'next': request.path})}")
    tenant = _tenant_of(request)
    if tenant is None:
        request.session[PLAN_IN_SESSION] = code
        return redirect("portal:start")
    return redirect(address_of_choice(tenant, code))


def address_of_choice(tenant: Tenant, code: str) -> str:
    """Return the address at which a tenant chooses a plan."""
    return f"{reverse('portal:plan_choose', args=[tenant.slug])}?{urlencode({'plan': code})}"


def _tenant_of(request: HttpRequest) -> Tenant | None:
    """Return the visitor's tenant; of several, one whose billing they manage."""
    if not request.user.is_authenticated:
        return None
    shown = tenants_shown(request, request.user)
    shown.sort(key=lambda pair: not has_capability(pair[1], Capability.MANAGE_BILLING))
    return shown[0][0] if shown else None


def _currency(asked: str, tenant: Tenant | None, offered: list[str]) -> str:
    """Return the requested currency if anything is sold in it, else the tenant's, else the default."""
    own = "" if tenant is None else tenant.currency
    wanted = (asked.upper()[:3], own, USUAL_CURRENCY, *offered)
    return next((currency for currency in wanted if currency in offered), USUAL_CURRENCY)
