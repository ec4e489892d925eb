"""The pages of a tenant's plan: its terms, its cost and its cancellation.

Every member sees prices; only members who manage billing change the plan.
"""

from collections.abc import Callable
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts.domain.roles import Capability
from accounts.errors import ConflictError
from billing.collection.errors import PaymentProviderError
from billing.collection.services.checkout import open_billing_portal
from billing.errors import CurrencyNotOfferedError
from billing.models import BillingProfile, Issuer, Subscription
from billing.selectors.catalog.plans import plans_for_sale, sold_version
from billing.selectors.subscriptions.current import as_offered, current_subscription, latest_subscription
from billing.services.subscriptions.changes import When, cancel_subscription, undo_pending
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.plan import CancelPlanForm, UndoForm
from portal.money_ahead import ending, projected_invoice
from portal.online_payment import online_provider, provider_down, send_on
from portal.price_list import PlanOffer, offers_of

WRITES: Final = ("GET", "HEAD", "POST")


@tenant_page("plan")
def plan(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the current plan, and those that are for sale."""
    subscription = latest_subscription(portal.tenant.pk)
    live = subscription if subscription is not None and subscription.is_live else None
    currency = portal.tenant.currency if live is None else live.currency
    may_pay = portal.may[Capability.MANAGE_BILLING]
    own = None if live is None else _own_offer(live)
    provider = online_provider(portal)
    context = {
        "portal": portal,
        "subscription": live,
        "ended": subscription if live is None else None,
        "currency": currency,
        "own": own,
        "offers": offers_of(as_offered(plans_for_sale(), portal.tenant.pk), currency),
        "projected": projected_invoice(live, portal.as_of) if live is not None and may_pay else None,
        "profile": BillingProfile.objects.filter(tenant=portal.tenant).first() if may_pay else None,
        "issuer": Issuer.objects.get(pk=1),
        "provider": provider,
        "is_given_by_us": not provider and (own is None or own.costs_nothing),
        "has_left_checkout": request.GET.get("checkout") == "left",
    }
    with timezone.override(zone_of(portal, live)):
        return render(request, "portal/plan.html", context)


@tenant_page("plan", Capability.MANAGE_BILLING)
def checkout_done(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the page after the provider's checkout, which waits until the provider's message is processed."""
    code = request.GET.get("plan", "")
    subscription = current_subscription(portal.tenant.pk)
    if subscription is None or subscription.plan_version.plan.code != code:
        context = {"portal": portal, "code": code, "provider": online_provider(portal)}
        return HttpResponse(status=204) if request.htmx else render(request, "portal/checkout_done.html", context)
    name = subscription.plan_version.plan.name
    # The notice on every page says so if the first payment failed.
    if not any(invoice.payment_failed_at for invoice in portal.standing.owing):
        messages.success(request, f"Welcome to {name}. Your plan starts now.")
    target = reverse("portal:plan", args=[portal.tenant.slug])
    return HttpResponse(headers={"HX-Redirect": target}) if request.htmx else redirect(target)


@tenant_page("plan", Capability.MANAGE_BILLING, methods=WRITES, recent=("POST",))
def plan_card(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Send the browser to the provider's page for cards and payment details."""
    back = reverse("portal:plan", args=[portal.tenant.slug])
    if request.method == "POST" and online_provider(portal):
        try:
            url = open_billing_portal(
                tenant=portal.tenant, return_url=f"{settings.PUBLIC_URL}{back}", actor=portal.actor, as_of=portal.as_of
            )
        except PaymentProviderError as error:
            return provider_down(request, portal, error, back=back, what="The page for your cards could not be opened.")
        except ConflictError as error:
            messages.error(request, error.detail)
            return redirect(back)
        return send_on(request, portal, url, back=back)
    profile = BillingProfile.objects.filter(tenant=portal.tenant).first()
    context = {"portal": portal, "profile": profile, "provider": online_provider(portal), "back": back}
    return render(request, "portal/plan_card.html", context)


@tenant_page("plan", Capability.MANAGE_BILLING, methods=WRITES, recent=("POST",))
def plan_cancel(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Show the effects of an end now and at the end of the period, or cancel the plan."""
    subscription = current_subscription(portal.tenant.pk)
    if subscription is None:
        return redirect("portal:plan", portal.tenant.slug)
    initial = {"version": subscription.version, "when": When.PERIOD_END.value}
    form = CancelPlanForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        when = form.cleaned_data["when"]
        act = partial(
            cancel_subscription,
            subscription=subscription,
            when=when,
            actor=portal.actor,
            as_of=portal.as_of,
            expected_version=form.cleaned_data["version"],
        )
        return carry_out(request, portal, act, said=_cancelled(subscription, when), is_done=_is_leaving)
    context = {
        "portal": portal,
        "form": form,
        "subscription": subscription,
        "now": ending(subscription, portal.as_of, portal.as_of),
        "later": ending(subscription, None, portal.as_of),
    }
    with timezone.override(zone_of(portal, subscription)):
        return render(request, "portal/plan_cancel.html", context, status=422 if form.errors else 200)


@tenant_page("plan", Capability.MANAGE_BILLING, methods=WRITES)
def plan_undo(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Undo the change or the cancellation that is scheduled for the end of the period."""
    subscription = current_subscription(portal.tenant.pk)
    if subscription is None:
        return redirect("portal:plan", portal.tenant.slug)
    form = UndoForm(request.POST if request.method == "POST" else None, initial={"version": subscription.version})
    if form.is_valid():
        act = partial(
            undo_pending,
            subscription=subscription,
            actor=portal.actor,
            as_of=portal.as_of,
            expected_version=form.cleaned_data["version"],
        )
        said = f"{subscription.plan_version.plan.name} continues as before."
        return carry_out(request, portal, act, said=said, is_done=lambda current: not has_pending(current))
    context = {"portal": portal, "form": form, "subscription": subscription}
    return render(request, "portal/plan_undo.html", context, status=422 if form.errors else 200)


def carry_out(
    request: SignedInRequest,
    portal: Portal,
    act: Callable[[], object],
    *,
    said: str,
    is_done: Callable[[Subscription], bool],
) -> HttpResponse:
    """Perform an action once, show a message, and redirect to the plan.

    If the member pressed the button twice, the message is the same. If another change came first, the message says that
    this one was not done.
    """
    try:
        act()
    except (ConflictError, CurrencyNotOfferedError) as error:
        current = latest_subscription(portal.tenant.pk)
        if current is not None and is_done(current):
            messages.success(request, said)
        else:
            messages.warning(request, error.detail)
    else:
        messages.success(request, said)
    return redirect("portal:plan", portal.tenant.slug)


def zone_of(portal: Portal, subscription: Subscription | None) -> ZoneInfo:
    """Return the time zone of days: a subscription and its invoices keep theirs when the tenant's changes."""
    return ZoneInfo(portal.tenant.time_zone if subscription is None else subscription.time_zone)


def has_pending(subscription: Subscription) -> bool:
    """Return whether a change is scheduled for the end of the period."""
    return subscription.pending_plan_version_id is not None or subscription.is_cancelled_at_period_end


def _is_leaving(subscription: Subscription) -> bool:
    return subscription.is_cancelled_at_period_end or not subscription.is_live


def _cancelled(subscription: Subscription, when: When) -> str:
    name = subscription.plan_version.plan.name
    if when is When.NOW:
        return f"{name} has ended. Usage until now is on your last invoice."
    day = date_format(timezone.localtime(subscription.period_end, ZoneInfo(subscription.time_zone)), "j F Y")
    return f"{name} ends on {day}. Everything works as before until then."


def _own_offer(subscription: Subscription) -> PlanOffer | None:
    """Return the version of the subscription, which may be older than the one for sale."""
    offers = offers_of([sold_version(subscription.plan_version_id)], subscription.currency)
    return offers[0] if offers else None
