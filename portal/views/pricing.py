"""The public price list, and the way from it to a plan."""

from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.domain.reach import within_tenant
from accounts.domain.roles import Capability, Role, has_capability
from accounts.models import Tenant, User
from billing.errors import UnknownPlanError
from billing.models import Issuer
from billing.selectors.catalog.plans import newest_version, plans_for_sale, sold_version
from billing.selectors.catalog.questions import pricing_questions
from billing.selectors.subscriptions.current import current_subscription
from metering.selectors.ledgers import half_of
from portal.access import tenants_shown
from portal.comparison import comparison_of
from portal.estimator import estimator_of, meters_of, usage_of_period
from portal.periods import LAST_BILLING, Calendar
from portal.price_list import PlanOffer, currencies_of, offers_of

USUAL_CURRENCY: Final = "EUR"
# The plan that a visitor without an organisation chose; used once the organisation is created.
PLAN_IN_SESSION: Final = "chosen_plan"


@never_cache
@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    """Render all plans in the requested currency, or the visitor's own."""
    versions = plans_for_sale()
    currencies = currencies_of(versions)
    shown = _shown_to(request)
    tenant = shown[0] if shown else None
    currency = _currency(request.GET.get("currency", ""), tenant, currencies)
    offers = offers_of(versions, currency)
    context: dict[str, object] = {"currency": currency, "tenant": tenant}
    if shown is None:
        context["estimator"] = estimator_of(offers, meters_of(offers), asked=request.GET)
    else:
        context |= _for_customer(request, *shown, offers=offers, currency=currency)
    if request.headers.get("HX-Request"):
        return render(request, "portal/pricing_estimate.html", context)
    context |= {
        "offers": offers,
        "currencies": currencies,
        "comparison": comparison_of(offers),
        "questions": pricing_questions(),
        "issuer": Issuer.objects.get(pk=1),
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


def _for_customer(
    request: HttpRequest, tenant: Tenant, role: Role, *, offers: list[PlanOffer], currency: str
) -> dict[str, object]:
    """Return the estimator for a customer: with their own plan's terms, from the usage of their last period."""
    as_of = timezone.now()
    with within_tenant(tenant.pk), timezone.override(ZoneInfo(tenant.time_zone)):
        subscription = current_subscription(tenant.pk)
        own_version_id = None if subscription is None else subscription.plan_version_id
        compared = list(offers)
        if own_version_id is not None and own_version_id not in {offer.version.id for offer in offers}:
            compared = [*offers_of([sold_version(own_version_id)], currency), *offers]
        meters = meters_of(compared)
        span, own = None, {}
        if has_capability(role, Capability.READ_USAGE):
            span = Calendar(half_of(tenant, is_live=True), subscription, as_of).span(LAST_BILLING)
            own = usage_of_period(tenant.pk, meters, span)
        estimator = estimator_of(compared, meters, asked=request.GET, own=own, own_span=span)
    return {"estimator": estimator, "own_version_id": own_version_id, "zone": tenant.time_zone}


def _tenant_of(request: HttpRequest) -> Tenant | None:
    shown = _shown_to(request)
    return shown[0] if shown else None


def _shown_to(request: HttpRequest) -> tuple[Tenant, Role] | None:
    """Return the visitor's tenant and their role in it; of several, one whose billing they manage."""
    if not isinstance(request.user, User):
        return None
    shown = tenants_shown(request, request.user)
    shown.sort(key=lambda pair: not has_capability(pair[1], Capability.MANAGE_BILLING))
    return shown[0] if shown else None


def _currency(asked: str, tenant: Tenant | None, offered: list[str]) -> str:
    """Return the requested currency if anything is sold in it, else the tenant's, else the default."""
    own = "" if tenant is None else tenant.currency
    wanted = (asked.upper()[:3], own, USUAL_CURRENCY, *offered)
    return next((currency for currency in wanted if currency in offered), USUAL_CURRENCY)
