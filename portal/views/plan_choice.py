"""The pages for choosing a plan: a preview of the invoice first, then the change or the checkout."""

from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from accounts.domain.roles import Capability
from accounts.errors import ConflictError
from accounts.models import Tenant
from billing.collection.errors import PaymentProviderError
from billing.collection.selectors.providers import charges_at_checkout
from billing.collection.selectors.work import has_live_agreement
from billing.collection.services.checkout import start_checkout
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import PRORATION
from billing.domain.plan_terms import SoldVersion, is_smaller
from billing.domain.proration import FeeRefund
from billing.dunning.selectors.cases import plan_may_change
from billing.errors import CurrencyNotOfferedError, UnbillableError, UnknownPlanError
from billing.models import Issuer, PlanVersion, Subscription
from billing.selectors.catalog.plans import newest_version, sold_version
from billing.selectors.invoicing.preview import preview_first_invoice, preview_next_invoice
from billing.selectors.policy import fee_refund, may_shrink_now
from billing.selectors.subscriptions.current import as_offered, current_subscription
from billing.selectors.taxes import tax_table_of
from billing.services.subscriptions.changes import When, change_plan
from billing.services.subscriptions.subscribing import subscribe
from metering.selectors.plan_fit import used_up_quotas
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.particulars import ParticularsForm
from portal.forms.plan import ChangeForm, OrderForm, WhenForm
from portal.invoice_lines import lines_ahead
from portal.online_payment import online_merchant, online_provider, provider_down, send_on
from portal.particulars import LOOK, asked_particulars, keep_particulars, lacks_address, tax_problem, tenant_as_typed
from portal.price_list import costs_nothing, offers_of
from portal.views.plan import WRITES, carry_out, zone_of

NEW_TERMS = "The plan's terms have changed, so nothing was done. These are the current terms."


@tenant_page("plan", Capability.MANAGE_BILLING, methods=WRITES, recent=("POST",))
def plan_choose(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Show one plan with a preview of the invoice, or change, subscribe, or open the checkout."""
    code = request.POST.get("plan") or request.GET.get("plan")
    if not code:
        return redirect("portal:plan", portal.tenant.slug)
    try:
        row = newest_version(code)
    except UnknownPlanError as error:
        raise Http404 from error
    if not plan_may_change(portal.tenant.pk):
        messages.warning(request, "Pay your overdue invoices first. Then you can change your plan.")
        return redirect("portal:plan", portal.tenant.slug)
    subscription = current_subscription(portal.tenant.pk)
    if subscription is None:
        return _order(request, portal, row)
    return _change(request, portal, row, subscription)


def _change(request: SignedInRequest, portal: Portal, row: PlanVersion, subscription: Subscription) -> HttpResponse:
    version = sold_version(row.pk)
    needs_card = _needs_card(version, subscription)
    is_asked = not costs_nothing(version, subscription.currency) and (
        bool(online_provider(portal)) if needs_card else lacks_address(portal.tenant)
    )
    particulars = asked_particulars(request, portal) if is_asked else None
    if request.method == "POST":
        form = ChangeForm(request.POST)
        if not form.is_valid() or form.cleaned_data["plan_version"] != row.pk:
            messages.warning(request, NEW_TERMS)
            return redirect(_address(portal, row))
        if _may_go_on(request, portal, particulars):
            return _changed(request, portal, row, subscription, form)
    is_down = is_smaller(version, sold_version(subscription.plan_version_id), subscription.currency)
    may_now = not is_down or may_shrink_now()
    wanted = WhenForm(request.POST or request.GET)
    when = wanted.cleaned_data["when"] if wanted.is_valid() else When.PERIOD_END if is_down else When.NOW
    when = when if may_now else When.PERIOD_END
    at = portal.as_of if when is When.NOW else None
    typed, wrong = tenant_as_typed(request, portal)
    taxes = tax_table_of(typed, merchant=online_merchant(portal) if needs_card else None) if is_asked else None
    shown, problem = _previewed(
        partial(preview_next_invoice, subscription=subscription, version=version, at=at, taxes=taxes),
    )
    now, _ = _previewed(partial(preview_next_invoice, subscription=subscription))
    context = {
        "subscription": subscription,
        "form": WhenForm(initial={"when": when.value}),
        "confirmation": ChangeForm(
            initial={"when": when.value, "plan_version": row.pk, "version": subscription.version}
        ),
        "when": when.value,
        "is_smaller": is_down,
        "credit_now_minor": _credit_if_now(portal, subscription, version) if is_down and may_now else 0,
        "may_now": may_now,
        "gives_fees_back": fee_refund() is FeeRefund.BY_DAY,
        "is_same": row.pk == subscription.plan_version_id,
        "is_same_plan": row.plan_id == subscription.plan_version.plan_id,
        "now": now,
        "needs_card": needs_card,
        "particulars": particulars,
        "used_up": used_up_quotas(
            usage_plan_id=version.usage_plan_id,
            ledger=portal.ledger(is_live=True),
            at=portal.as_of if when is When.NOW else subscription.period_end,
        ),
    }
    return _page(request, portal, version, subscription, context | _preview(shown, problem, typed, wrong))


def _changed(
    request: SignedInRequest, portal: Portal, row: PlanVersion, subscription: Subscription, form: ChangeForm
) -> HttpResponse:
    when, name = form.cleaned_data["when"], row.plan.name
    if _needs_card(sold_version(row.pk), subscription):
        return _checkout(request, portal, row)
    act = partial(
        change_plan,
        subscription=subscription,
        plan_version=row,
        when=when,
        actor=portal.actor,
        as_of=portal.as_of,
        expected_version=form.cleaned_data["version"],
    )
    if when is When.NOW:
        said = f"You are on {name} now."
        return carry_out(request, portal, act, said=said, is_done=lambda current: current.plan_version_id == row.pk)
    said = f"You move to {name} at the end of the period."
    return carry_out(request, portal, act, said=said, is_done=lambda current: current.pending_plan_version_id == row.pk)


def _order(request: SignedInRequest, portal: Portal, row: PlanVersion) -> HttpResponse:
    """Render or place the order of a first plan. A plan that can never cost anything begins at once, without a card."""
    [version] = as_offered([sold_version(row.pk)], portal.tenant.pk)
    is_free = costs_nothing(version, portal.tenant.currency)
    particulars = asked_particulars(request, portal) if not is_free and online_provider(portal) else None
    if request.method == "POST":
        form = OrderForm(request.POST)
        if not form.is_valid() or form.cleaned_data["plan_version"] != row.pk:
            messages.warning(request, NEW_TERMS)
            return redirect(_address(portal, row))
        if is_free:
            act = partial(subscribe, tenant=portal.tenant, plan_version=row, actor=portal.actor, as_of=portal.as_of)
            said = f"You are on {row.plan.name} now."
            return carry_out(request, portal, act, said=said, is_done=lambda current: current.plan_version_id == row.pk)
        if _may_go_on(request, portal, particulars):
            return _checkout(request, portal, row)
    typed, wrong = tenant_as_typed(request, portal)
    taxes = None if particulars is None else tax_table_of(typed, merchant=online_merchant(portal))
    shown, problem = _previewed(
        partial(preview_first_invoice, tenant=portal.tenant, version=version, as_of=portal.as_of, taxes=taxes)
    )
    context = {
        "confirmation": OrderForm(initial={"plan_version": row.pk}),
        "charges_at_checkout": charges_at_checkout(portal.tenant.pk),
        "is_free": is_free,
        "particulars": particulars,
    }
    return _page(request, portal, version, None, context | _preview(shown, problem, typed, wrong))


def _may_go_on(request: SignedInRequest, portal: Portal, particulars: ParticularsForm | None) -> bool:
    """Return whether the order can continue: the billed party was not asked for, or is stored now."""
    return particulars is None or (LOOK not in request.POST and keep_particulars(portal, particulars))


def _checkout(request: SignedInRequest, portal: Portal, row: PlanVersion) -> HttpResponse:
    """Send the browser to the provider's checkout, if online payment is set up."""
    back = _address(portal, row)
    if not online_provider(portal):
        messages.error(request, "Online payment is not set up here. Contact us to get this plan.")
        return redirect(back)
    done = reverse("portal:checkout_done", args=[portal.tenant.slug])
    left = reverse("portal:plan", args=[portal.tenant.slug])
    try:
        url = start_checkout(
            tenant=portal.tenant,
            version=row,
            actor=portal.actor,
            success_url=f"{settings.PUBLIC_URL}{done}?{urlencode({'plan': row.plan.code})}",
            cancel_url=f"{settings.PUBLIC_URL}{left}?checkout=left",
            as_of=portal.as_of,
        )
    except PaymentProviderError as error:
        return provider_down(request, portal, error, back=back, what="The checkout could not be opened.")
    except (ConflictError, CurrencyNotOfferedError) as error:
        messages.error(request, error.detail)
        return redirect("portal:plan", portal.tenant.slug)
    return send_on(request, portal, url, back=back)


def _page(
    request: SignedInRequest,
    portal: Portal,
    version: SoldVersion,
    subscription: Subscription | None,
    context: dict[str, object],
) -> HttpResponse:
    currency = portal.tenant.currency if subscription is None else subscription.currency
    offers = offers_of([version], currency)
    context |= {
        "portal": portal,
        "offer": offers[0] if offers else None,
        "version": version,
        "currency": currency,
        "provider": online_provider(portal),
        "issuer": Issuer.objects.get(pk=1),
    }
    template = "portal/plan_order.html" if subscription is None else "portal/plan_change.html"
    particulars = context.get("particulars")
    if particulars and request.htmx:
        template = "portal/order_due.html"
    is_refused = isinstance(particulars, ParticularsForm) and bool(particulars.errors)
    with timezone.override(zone_of(portal, subscription)):
        return render(request, template, context, status=422 if is_refused else 200)


def _previewed(compute: Callable[[], ComputedInvoice]) -> tuple[ComputedInvoice | None, str]:
    """Return the invoice, or the reason why there is none."""
    try:
        return compute(), ""
    except (CurrencyNotOfferedError, UnbillableError) as error:
        return None, error.detail


def _preview(shown: ComputedInvoice | None, problem: str, typed: Tenant, wrong: str) -> dict[str, object]:
    return {
        "invoice": shown,
        "lines": [] if shown is None else lines_ahead(shown),
        "problem": problem,
        "wrong": wrong,
        "credit_minor": 0 if shown is None else _credit_minor(shown),
        "tax_problem": "" if shown is None else tax_problem(shown, typed),
    }


def _credit_if_now(portal: Portal, subscription: Subscription, version: SoldVersion) -> int:
    """Return what a change at once gives back of the fee, before tax; 0 if that cannot be computed now."""
    shown, _ = _previewed(
        partial(preview_next_invoice, subscription=subscription, version=version, at=portal.as_of),
    )
    return 0 if shown is None else _credit_minor(shown)


def _credit_minor(shown: ComputedInvoice) -> int:
    """Return what a change gives back of the fee that was paid in advance, before tax."""
    given_back = [line.amount_minor for line in shown.lines if line.kind == PRORATION and line.amount_minor < 0]
    return -sum(given_back)


def _needs_card(version: SoldVersion, subscription: Subscription) -> bool:
    """Return whether a change from a free plan needs the checkout.

    A tenant that has paid before, by card or transfer, keeps that way of paying.
    """
    if costs_nothing(version, subscription.currency):
        return False
    if not costs_nothing(sold_version(subscription.plan_version_id), subscription.currency):
        return False
    return not has_live_agreement(subscription)


def _address(portal: Portal, row: PlanVersion) -> str:
    return f"{reverse('portal:plan_choose', args=[portal.tenant.slug])}?{urlencode({'plan': row.plan.code})}"
