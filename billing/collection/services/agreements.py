"""The customer's agreement at Stripe and our subscription: each follows what changed at the other.

`is_cancelled_at_stripe` and `stripe_status` are what Stripe said last. What differs from that at Stripe was changed there, and is applied
here; what differs from it here was changed here, and is told to Stripe. So neither side undoes the other's change.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from accounts.domain.actor import Actor
from accounts.models import Tenant
from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe.objects import ENDED_AT_STRIPE, Agreement, AgreementState, Json, read_agreement
from billing.collection.selectors.work import (
    agreements_to_end,
    agreements_to_tell,
    has_live_agreement,
    live_subscription_of,
)
from billing.errors import PaymentRefusedError, StripeObjectError, SubscriptionChangedError
from billing.models import PlanVersion, Subscription
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan, undo_pending
from billing.services.subscriptions.subscribing import subscribe

STRIPE: Final = Actor.system("stripe")
# Our periods are cut by days of the tenant's zone, Stripe's by the second: an end of both within this time is the same end.
SAME_END: Final = timedelta(days=3)


@dataclass(slots=True)
class AgreementsTold:
    """What was told to Stripe, and what it refused."""

    told: int = 0
    refused: list[str] = field(default_factory=list)


def is_superfluous(agreement: Agreement, tenant: Tenant) -> bool:
    """Whether the tenant agreed twice, as in two windows: the subscription keeps its first agreement."""
    if agreement.state is not AgreementState.LIVE:
        return False
    if Subscription.objects.filter(stripe_subscription_id=agreement.id).exists():
        return False
    live = live_subscription_of(tenant)
    return live is not None and has_live_agreement(live)


def apply_agreement(*, agreement: Agreement, tenant: Tenant, as_of: datetime) -> str:
    """Bring our subscription to what Stripe says now; answers in a sentence what was done. Safe to repeat.

    Raises the refusals of `billing.services.subscriptions.changes`, and `StripeObjectError`.
    """
    current = (
        Subscription.objects.select_related("tenant", "plan_version__plan")
        .filter(stripe_subscription_id=agreement.id)
        .first()
    )
    if current is None:
        if agreement.state is not AgreementState.LIVE:
            return f"nothing: the agreement is {agreement.status} and no subscription of ours"
        current, done = _begin(agreement, tenant, as_of)
    else:
        done = ""
    if current.tenant_id != tenant.pk:
        raise StripeObjectError(f"{agreement.id} is an agreement of {current.tenant.slug}, not of {tenant.slug}.")
    if current.is_live:
        done = ", ".join(part for part in (done, _follow(current, agreement, as_of)) if part)
    Subscription.objects.filter(pk=current.pk).update(
        stripe_status=agreement.status, is_cancelled_at_stripe=agreement.is_cancelled_at_period_end
    )
    return done or "nothing new"


def _begin(agreement: Agreement, tenant: Tenant, as_of: datetime) -> tuple[Subscription, str]:
    """Subscribe the tenant, or bind the subscription that staff made, or that lost its agreement."""
    version = PlanVersion.objects.select_related("plan", "usage_plan").filter(pk=agreement.plan_version_id or 0).first()
    if version is None:
        raise StripeObjectError(f"{agreement.id} names a plan version that there is not.")
    live = live_subscription_of(tenant)
    if live is None:
        made = subscribe(
            tenant=tenant, plan_version=version, actor=STRIPE, as_of=as_of, stripe_subscription_id=agreement.id
        )
        return made, f"subscribed to {version}"
    if has_live_agreement(live):
        raise SubscriptionChangedError("The tenant agreed twice at this very moment.")
    if live.plan_version_id != version.pk:
        live = change_plan(subscription=live, plan_version=version, when=When.NOW, actor=STRIPE, as_of=as_of)
    else:
        undo_pending(subscription=live, actor=STRIPE, as_of=as_of)  # who agrees anew goes on
    bound = {"stripe_subscription_id": agreement.id, "stripe_status": "", "is_cancelled_at_stripe": False}
    Subscription.objects.filter(pk=live.pk).update(**bound)
    live.refresh_from_db()
    return live, f"bound to {version}"


def _follow(current: Subscription, agreement: Agreement, as_of: datetime) -> str:
    """Cancel, or take a cancellation back, where that was done at Stripe."""
    if agreement.state is AgreementState.ENDED:
        return "" if current.stripe_status in ENDED_AT_STRIPE else _end(current, agreement, as_of)
    if agreement.is_cancelled_at_period_end == current.is_cancelled_at_stripe:
        return ""
    if agreement.is_cancelled_at_period_end:
        return _cancel(current, When.PERIOD_END, as_of)
    if not current.is_cancelled_at_period_end:
        return ""
    undo_pending(subscription=current, actor=STRIPE, as_of=as_of)
    return "cancellation taken back"


def _end(current: Subscription, agreement: Agreement, as_of: datetime) -> str:
    """End it with its period where it was to last until then, else now."""
    is_near = current.period_end - as_of <= SAME_END
    lasts = agreement.has_ended_with_period and (current.is_cancelled_at_period_end or is_near)
    return _cancel(current, When.PERIOD_END if lasts else When.NOW, as_of)


def _cancel(current: Subscription, when: When, as_of: datetime) -> str:
    if when is When.PERIOD_END and current.is_cancelled_at_period_end:
        return ""
    cancel_subscription(subscription=current, when=when, actor=STRIPE, as_of=as_of)
    return "cancelled now" if when is When.NOW else "cancelled with its period"


def tell_agreements() -> AgreementsTold:
    """Tell Stripe what ended, was cancelled or taken back here. State is the queue. Raises `PaymentProviderError`."""
    done = AgreementsTold()
    for subscription in list(agreements_to_end()):
        _tell(done, subscription, partial(stripe_api.end_agreement, subscription.stripe_subscription_id))
    for subscription in list(agreements_to_tell()):
        is_ending = subscription.is_cancelled_at_period_end
        tell = partial(stripe_api.end_agreement_with_period, subscription.stripe_subscription_id, is_ending=is_ending)
        _tell(done, subscription, tell)
    return done


def _tell(done: AgreementsTold, subscription: Subscription, tell: Callable[[], Json]) -> None:
    try:
        described = tell()
    except PaymentRefusedError as error:
        # Ended there in the meantime, most likely: then its event says so.
        done.refused.append(f"{subscription.stripe_subscription_id}: {error.detail}")
        return
    agreement = read_agreement(described)
    Subscription.objects.filter(pk=subscription.pk, stripe_subscription_id=agreement.id).update(
        stripe_status=agreement.status, is_cancelled_at_stripe=agreement.is_cancelled_at_period_end
    )
    done.told += 1
