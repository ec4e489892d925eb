"""A subscription in its life: moved to another plan, cancelled, taken back.

Each change locks the row, may be bound to the version that its author saw, and moves the tenant to the plan's limits in
the same transaction. What becomes due is found by invoicing, not done here.
"""

from datetime import datetime
from enum import StrEnum

from django.db import transaction

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.roles import Capability
from accounts.services.rights import require_capability
from billing.domain.happenings import SubscriptionCancelled, SubscriptionUpdated
from billing.domain.plan_terms import is_smaller
from billing.domain.statuses import SubscriptionStatus
from billing.errors import (
    SubscriptionChangedError,
    SubscriptionStatusError,
)
from billing.models import PlanVersion, Subscription, SubscriptionPhase
from billing.selectors.catalog.plans import sold_version
from billing.selectors.policy import fee_refund, may_shrink_now
from billing.services.subscriptions.recording import described, update_subscription
from billing.services.subscriptions.subscribing import require_currency
from metering.alerts.services.agreements import set_agreement
from metering.services.usage_plans import assign_default_usage_plan, assign_usage_plan, set_period_anchor


class When(StrEnum):
    """When a change takes effect."""

    NOW = "now"
    PERIOD_END = "period_end"


def change_plan(
    *,
    subscription: Subscription,
    plan_version: PlanVersion,
    when: When,
    actor: Actor,
    as_of: datetime,
    expected_version: int | None = None,
) -> Subscription:
    """Move to another plan now, with fees prorated by the day on the next invoice, or at the end of the period.

    A change or cancellation that waited is replaced; to ask for its own plan at the end of the period is to stay on it.
    A customer moves to a smaller plan at the end of the period, unless the seller lets them do it at once. Raises
    `SubscriptionStatusError`, `SubscriptionChangedError`, `CurrencyNotOfferedError`, `PermissionMissingError`.
    """
    with transaction.atomic():
        current = _locked(subscription, actor, expected_version)
        require_currency(plan_version, current.currency)
        if when is When.NOW and actor.kind is ActorKind.MEMBER:
            _require_now(current, plan_version)
        _require_settled(current, as_of)
        before = described(current)
        is_on_it = plan_version.pk == current.plan_version_id
        if when is When.PERIOD_END:
            pending = None if is_on_it else plan_version
            if _awaits(current, pending, is_cancelled=False):
                return current
            return update_subscription(
                current,
                {"pending_plan_version": pending, "is_cancelled_at_period_end": False, "cancelled_at": None},
                SubscriptionUpdated,
                before,
                actor=actor,
                as_of=as_of,
            )
        if is_on_it:
            raise SubscriptionStatusError("The subscription is on this plan already.")
        _begin_phase(current, plan_version, as_of)
        assign_usage_plan(tenant=current.tenant, usage_plan=plan_version.usage_plan, actor=actor, as_of=as_of)
        changes = {"plan_version": plan_version, "pending_plan_version": None}
        return update_subscription(
            current,
            {**changes, "is_cancelled_at_period_end": False, "cancelled_at": None},
            SubscriptionUpdated,
            before,
            actor=actor,
            as_of=as_of,
        )


def cancel_subscription(
    *,
    subscription: Subscription,
    when: When,
    actor: Actor,
    as_of: datetime,
    expected_version: int | None = None,
) -> Subscription:
    """End a subscription at the end of its period, or now.

    Now: usage up to now is invoiced; what is given back of the fee is the seller's policy, and is kept with the end.

    To ask for the end of the period a second time changes nothing.

    Raises `SubscriptionStatusError`, `SubscriptionChangedError`, `PermissionMissingError`.
    """
    with transaction.atomic():
        current = _locked(subscription, actor, expected_version)
        _require_settled(current, as_of)
        before = described(current)
        if when is When.PERIOD_END:
            if _awaits(current, None, is_cancelled=True):
                return current
            changes = {"is_cancelled_at_period_end": True, "pending_plan_version": None, "cancelled_at": as_of}
            return update_subscription(current, changes, SubscriptionUpdated, before, actor=actor, as_of=as_of)
        is_trial = current.status == SubscriptionStatus.TRIALING
        ended: dict[str, object] = {
            "status": SubscriptionStatus.CANCELLED,
            "ended_at": as_of,
            "cancelled_at": as_of,
            "due_at": None if is_trial else as_of,
            "period_end": max(as_of, current.period_start),
            "pending_plan_version": None,
            "is_cancelled_at_period_end": False,
            "end_refund": fee_refund(),
        }
        set_agreement(tenant_id=current.tenant_id, agreement_id=None)
        set_period_anchor(tenant_id=current.tenant_id, anchor_on=None)
        assign_default_usage_plan(tenant=current.tenant, actor=actor, as_of=as_of)
        return update_subscription(current, ended, SubscriptionCancelled, before, actor=actor, as_of=as_of)


def undo_pending(
    *, subscription: Subscription, actor: Actor, as_of: datetime, expected_version: int | None = None
) -> Subscription:
    """Take back the change or the cancellation that waits for the end of the period; without one nothing happens.

    Raises `SubscriptionStatusError`, `SubscriptionChangedError`, `PermissionMissingError`.
    """
    with transaction.atomic():
        current = _locked(subscription, actor, expected_version)
        if _awaits(current, None, is_cancelled=False):
            return current
        _require_settled(current, as_of)
        changes = {"pending_plan_version": None, "is_cancelled_at_period_end": False, "cancelled_at": None}
        return update_subscription(current, changes, SubscriptionUpdated, described(current), actor=actor, as_of=as_of)


def _locked(subscription: Subscription, actor: Actor, expected_version: int | None) -> Subscription:
    """Lock and return the row, if the actor may change it and saw its current version.

    It is locked alone and read with its plans afterwards: a join that was made before the wait does not fit a row whose
    plan was changed meanwhile, and PostgreSQL would leave it out.
    """
    Subscription.objects.select_for_update().get(pk=subscription.pk)
    current: Subscription = Subscription.objects.select_related(
        "tenant", "plan_version__plan", "pending_plan_version__plan"
    ).get(pk=subscription.pk)
    require_capability(actor, current.tenant_id, Capability.MANAGE_BILLING)
    if expected_version is not None and current.version != expected_version:
        raise SubscriptionChangedError("The subscription was changed meanwhile: look again, then decide.")
    if current.status == SubscriptionStatus.CANCELLED:
        raise SubscriptionStatusError("The subscription has ended.")
    return current


def _require_settled(subscription: Subscription, as_of: datetime) -> None:
    """Check that no boundary waits to be invoiced.

    A change that waited for the boundary takes effect there; a change that comes now does not.

    A caller who decided before a boundary that was invoiced meanwhile has to decide again: they saw the period before.
    """
    is_due = subscription.due_at is not None and subscription.due_at <= as_of
    if is_due or as_of < subscription.period_start:
        raise SubscriptionChangedError("Its period is just being invoiced: try again in a minute.")


def _awaits(subscription: Subscription, plan_version: PlanVersion | None, *, is_cancelled: bool) -> bool:
    """Return whether exactly this change waits for the end of the period."""
    pending_id = None if plan_version is None else plan_version.pk
    return (subscription.pending_plan_version_id, subscription.is_cancelled_at_period_end) == (pending_id, is_cancelled)


def _begin_phase(subscription: Subscription, plan_version: PlanVersion, as_of: datetime) -> None:
    latest = subscription.phases.order_by("-starts_at").values_list("starts_at", flat=True).first()
    if latest is not None and latest >= as_of:
        raise SubscriptionChangedError("The plan was changed at this very moment: try again.")
    SubscriptionPhase.objects.create(
        subscription=subscription,
        plan_version=plan_version,
        starts_at=as_of,
        fee_refund=fee_refund(),
        created_at=as_of,
    )


def _require_now(subscription: Subscription, plan_version: PlanVersion) -> None:
    """Check that the customer may move to this plan before the period ends. Raises `SubscriptionStatusError`."""
    wanted, current = sold_version(plan_version.pk), sold_version(subscription.plan_version_id)
    if is_smaller(wanted, current, subscription.currency) and not may_shrink_now():
        raise SubscriptionStatusError("A smaller plan begins with the next period.")
