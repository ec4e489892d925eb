"""The customer's agreement at a provider and our subscription: each follows what changed at the other.

`ProviderAgreement` is what the provider said last. What differs from that at the provider was changed there, and is
applied here; what differs from it here was changed here, and is told to the provider. So neither side undoes the
other's change.
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
from billing.collection.selectors.work import (
    agreements_to_end,
    agreements_to_tell,
    has_live_agreement,
    live_subscription_of,
)
from billing.errors import SubscriptionChangedError
from billing.models import PlanVersion, Subscription
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan, undo_pending
from billing.services.subscriptions.subscribing import subscribe

# Our periods are cut by days of the tenant's zone, a provider's by the second: an end of both within this time is the
# same end.
SAME_END: Final = timedelta(days=3)


@dataclass(slots=True)
class AgreementsTold:
    """What was told to a provider, and what it refused."""

    told: int = 0
    refused: list[str] = field(default_factory=list)


def is_superfluous(*, provider: str, agreement: Agreement, tenant: Tenant) -> bool:
    """Return whether the tenant agreed twice, as in two windows: the subscription keeps its first agreement."""
    if agreement.state is not AgreementState.LIVE:
        return False
    if ProviderAgreement.objects.filter(provider=provider, reference=agreement.reference).exists():
        return False
    live = live_subscription_of(tenant)
    return live is not None and has_live_agreement(live)


@transaction.atomic
def apply_agreement(*, provider: str, agreement: Agreement, tenant: Tenant, as_of: datetime) -> str:
    """Bring our subscription to what the provider says now; returns in a sentence what was done. Safe to repeat.

    Raises the refusals of `billing.services.subscriptions`, and `ProviderObjectError`.
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
    """Subscribe the tenant, or bind the subscription that staff made, or that lost its agreement."""
    version = PlanVersion.objects.select_related("plan", "usage_plan").filter(pk=agreement.plan_version_id or 0).first()
    if version is None:
        raise ProviderObjectError(f"{agreement.reference} names a plan version that there is not.")
    actor = Actor.system(provider)
    live = live_subscription_of(tenant)
    if live is None:
        live, done = subscribe(tenant=tenant, plan_version=version, actor=actor, as_of=as_of), "subscribed to"
    else:
        if has_live_agreement(live):
            raise SubscriptionChangedError("The tenant agreed twice at this very moment.")
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
    """Bring a subscription to the version that was agreed to.

    A change or cancellation that waited is over: who agrees again goes on.
    """
    if live.plan_version_id != version.pk:
        return change_plan(subscription=live, plan_version=version, when=When.NOW, actor=actor, as_of=as_of)
    undo_pending(subscription=live, actor=actor, as_of=as_of)
    live.refresh_from_db()
    return live


def _follow(known: ProviderAgreement, agreement: Agreement, as_of: datetime) -> str:
    """Cancel, or take a cancellation back, where that was done at the provider."""
    if agreement.state is AgreementState.ENDED:
        return "" if known.state == AgreementState.ENDED else _end(known, agreement, as_of)
    if agreement.is_cancelled_at_period_end == known.is_cancelled_at_provider:
        return ""
    if agreement.is_cancelled_at_period_end:
        return _cancel(known, When.PERIOD_END, as_of)
    if not known.subscription.is_cancelled_at_period_end:
        return ""
    undo_pending(subscription=known.subscription, actor=Actor.system(known.provider), as_of=as_of)
    return "cancellation taken back"


def _end(known: ProviderAgreement, agreement: Agreement, as_of: datetime) -> str:
    """End it with its period where it was to last until then, else now."""
    subscription = known.subscription
    is_near = subscription.period_end - as_of <= SAME_END
    lasts = agreement.has_ended_with_period and (subscription.is_cancelled_at_period_end or is_near)
    return _cancel(known, When.PERIOD_END if lasts else When.NOW, as_of)


def _cancel(known: ProviderAgreement, when: When, as_of: datetime) -> str:
    if when is When.PERIOD_END and known.subscription.is_cancelled_at_period_end:
        return ""
    cancel_subscription(subscription=known.subscription, when=when, actor=Actor.system(known.provider), as_of=as_of)
    return "cancelled now" if when is When.NOW else "cancelled with its period"


def tell_agreements(*, provider: PaymentProvider) -> AgreementsTold:
    """Tell a provider what ended, was cancelled or taken back here.

    State is the queue. Raises `PaymentProviderError`.
    """
    done = AgreementsTold()
    for known in list(agreements_to_end(provider=provider.name)):
        _tell(done, provider, known, AgreementEnd.NOW)
    for known in list(agreements_to_tell(provider=provider.name)):
        is_ending = known.subscription.is_cancelled_at_period_end
        _tell(done, provider, known, AgreementEnd.WITH_PERIOD if is_ending else AgreementEnd.TAKEN_BACK)
    return done


def _tell(done: AgreementsTold, provider: PaymentProvider, known: ProviderAgreement, end: AgreementEnd) -> None:
    try:
        agreement = provider.end_agreement(known.reference, end)
    except PaymentRefusedError as error:
        # Ended there in the meantime, most likely: then its event says so.
        done.refused.append(f"{known.reference}: {error.detail}")
        return
    _keep(known, agreement)
    done.told += 1


def _keep(known: ProviderAgreement, agreement: Agreement) -> None:
    """Store what the provider says of this agreement; the subscription may have another by now."""
    ProviderAgreement.objects.filter(pk=known.pk, provider=known.provider, reference=agreement.reference).update(
        state=agreement.state,
        status=agreement.status,
        is_cancelled_at_provider=agreement.is_cancelled_at_period_end,
    )
