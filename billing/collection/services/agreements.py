"""The customer's agreement at a provider and our subscription: each follows changes of the other.

`ProviderAgreement` is the provider's last known state. If the provider's current state differs from it, the change was
made there, and is applied here; if our subscription differs from it, the change was made here, and is sent to the
provider. So neither side undoes the other's change.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.models import Tenant
from billing.collection.domain.provider import Agreement, AgreementEnd, AgreementState, PaymentProvider
from billing.collection.errors import PaymentRefusedError, ProviderObjectError
from billing.collection.models import ProviderAgreement
from billing.collection.selectors.providers import merchant_named
from billing.collection.selectors.work import (
    agreements_to_end,
    agreements_to_push,
    has_live_agreement,
    live_subscription_of,
)
from billing.errors import SubscriptionChangedError
from billing.models import PlanVersion, Subscription
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan, undo_pending
from billing.services.subscriptions.profiles import keep_merchant
from billing.services.subscriptions.subscribing import subscribe

# Our periods end with days of the tenant's zone, a provider's to the second: ends of both within this time are the
# same end.
SAME_END: Final = timedelta(days=3)


@dataclass(slots=True)
class PushedAgreements:
    """The result of a push to a provider: the agreements changed, and those that it refused."""

    told: int = 0
    refused: list[str] = field(default_factory=list)


def is_superfluous(*, provider: str, agreement: Agreement, tenant: Tenant) -> bool:
    """Return whether the tenant agreed twice, as in two browser windows: the subscription keeps its first agreement."""
    if agreement.state is not AgreementState.LIVE:
        return False
    if ProviderAgreement.objects.filter(provider=provider, reference=agreement.reference).exists():
        return False
    live = live_subscription_of(tenant)
    return live is not None and has_live_agreement(live)


@transaction.atomic
def apply_agreement(*, provider: str, agreement: Agreement, tenant: Tenant, as_of: datetime) -> str:
    """Apply the provider's current state to our subscription; return what was done as a sentence. Safe to repeat.

    Raises the errors of `billing.services.subscriptions`, and `ProviderObjectError`.
    """
    known = (
        ProviderAgreement.objects.select_related("subscription__tenant", "subscription__plan_version__plan")
        .filter(provider=provider, reference=agreement.reference)
        .first()
    )
    done = ""
    if known is None:
        if agreement.state is not AgreementState.LIVE:
            return f"nothing: the agreement is {agreement.status} and no subscription of ours"
        known, done = _begin(provider, agreement, tenant, as_of)
    subscription = known.subscription
    if subscription.tenant_id != tenant.pk:
        raise ProviderObjectError(
            f"{agreement.reference} is an agreement of {subscription.tenant.slug}, not of {tenant.slug}."
        )
    if subscription.is_live:
        done = ", ".join(part for part in (done, _follow(known, agreement, as_of)) if part)
    _keep(known, agreement)
    return done or "nothing new"


def _begin(provider: str, agreement: Agreement, tenant: Tenant, as_of: datetime) -> tuple[ProviderAgreement, str]:
    """Subscribe the tenant, or bind the subscription that staff created, or that lost its agreement."""
    version = PlanVersion.objects.select_related("plan", "usage_plan").filter(pk=agreement.plan_version_id or 0).first()
    if version is None:
        raise ProviderObjectError(f"{agreement.reference} names a plan version that does not exist.")
    actor = Actor.system(provider)
    # Before the first document: it says who sells.
    keep_merchant(tenant_id=tenant.pk, merchant=merchant_named(provider))
    live = live_subscription_of(tenant)
    if live is None:
        live, done = subscribe(tenant=tenant, plan_version=version, actor=actor, as_of=as_of), "subscribed to"
    else:
        if has_live_agreement(live):
            raise SubscriptionChangedError("The tenant agreed twice at the same moment.")
        live, done = _taken_on(live, version, actor, as_of), "bound to"
    bound = {
        "provider": provider,
        "reference": agreement.reference,
        "state": AgreementState.LIVE,
        "status": "",
        "is_cancelled_at_provider": False,
    }
    known, _ = ProviderAgreement.objects.update_or_create(subscription=live, defaults=bound)
    return known, f"{done} {version}"


def _taken_on(live: Subscription, version: PlanVersion, actor: Actor, as_of: datetime) -> Subscription:
    """Move a subscription to the version that was agreed to.

    A scheduled change or cancellation is removed: the customer has agreed again.
    """
    if live.plan_version_id != version.pk:
        return change_plan(subscription=live, plan_version=version, when=When.NOW, actor=actor, as_of=as_of)
    undo_pending(subscription=live, actor=actor, as_of=as_of)
    live.refresh_from_db()
    return live


def _follow(known: ProviderAgreement, agreement: Agreement, as_of: datetime) -> str:
    """Cancel, or undo a cancellation, if that was done at the provider."""
    if agreement.state is AgreementState.ENDED:
        return "" if known.state == AgreementState.ENDED else _end(known, agreement, as_of)
    if agreement.is_cancelled_at_period_end == known.is_cancelled_at_provider:
        return ""
    if agreement.is_cancelled_at_period_end:
        return _cancel(known, When.PERIOD_END, as_of)
    if not known.subscription.is_cancelled_at_period_end:
        return ""
    undo_pending(subscription=known.subscription, actor=Actor.system(known.provider), as_of=as_of)
    return "cancellation undone"


def _end(known: ProviderAgreement, agreement: Agreement, as_of: datetime) -> str:
    """End the subscription with its period if it was to last until then, else now."""
    subscription = known.subscription
    is_near = subscription.period_end - as_of <= SAME_END
    lasts = agreement.has_ended_with_period and (subscription.is_cancelled_at_period_end or is_near)
    return _cancel(known, When.PERIOD_END if lasts else When.NOW, as_of)


def _cancel(known: ProviderAgreement, when: When, as_of: datetime) -> str:
    if when is When.PERIOD_END and known.subscription.is_cancelled_at_period_end:
        return ""
    cancel_subscription(subscription=known.subscription, when=when, actor=Actor.system(known.provider), as_of=as_of)
    return "cancelled now" if when is When.NOW else "cancelled with its period"


def push_agreements(*, provider: PaymentProvider) -> PushedAgreements:
    """Send a provider the agreements that ended, were cancelled or continued here.

    State is the queue. Raises `PaymentProviderError`.
    """
    done = PushedAgreements()
    for known in list(agreements_to_end(provider=provider.name)):
        _push_end(done, provider, known, AgreementEnd.NOW)
    for known in list(agreements_to_push(provider=provider.name)):
        is_ending = known.subscription.is_cancelled_at_period_end
        _push_end(done, provider, known, AgreementEnd.WITH_PERIOD if is_ending else AgreementEnd.TAKEN_BACK)
    return done


def _push_end(done: PushedAgreements, provider: PaymentProvider, known: ProviderAgreement, end: AgreementEnd) -> None:
    try:
        agreement = provider.end_agreement(known.reference, end)
    except PaymentRefusedError as error:
        # It has probably ended there since: then an event says so.
        done.refused.append(f"{known.reference}: {error.detail}")
        return
    _keep(known, agreement)
    done.told += 1


def _keep(known: ProviderAgreement, agreement: Agreement) -> None:
    """Store the provider's state of this agreement; the subscription may have another one by now."""
    ProviderAgreement.objects.filter(pk=known.pk, provider=known.provider, reference=agreement.reference).update(
        state=agreement.state,
        status=agreement.status,
        is_cancelled_at_provider=agreement.is_cancelled_at_period_end,
    )
