"""A subscription's life: made, moved to another plan, cancelled, taken back; and whether it is in good standing.

Each change locks the row, may be bound to the version that its author saw, and moves the tenant to the plan's limits in the
same transaction. What becomes due is found by invoicing, not done here.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.domain.roles import Capability
from accounts.models import Tenant, TenantStatus
from accounts.services.audit import record_audit
from accounts.services.rights import require_capability
from billing.domain.plan_terms import TRIAL_DAYS_MAX
from billing.domain.prices import PriceKind
from billing.domain.statuses import SUBSCRIPTION_TRANSITIONS, InvoiceStatus, SubscriptionStatus, statuses_before
from billing.errors import (
    CurrencyNotOfferedError,
    SubscriptionChangedError,
    SubscriptionExistsError,
    SubscriptionStatusError,
)
from billing.models import Invoice, Issuer, PlanVersion, Price, Subscription, SubscriptionPhase
from billing.selectors.subscriptions.current import may_try
from billing.services.outbox import Happening, add_to_outbox
from metering.domain.periods import anchored_span, local_day, start_of_day
from metering.services.usage_plans import assign_default_usage_plan, assign_usage_plan


class When(StrEnum):
    """When a change takes effect."""

    NOW = "now"
    PERIOD_END = "period_end"


def subscribe(
    *,
    tenant: Tenant,
    plan_version: PlanVersion,
    actor: Actor,
    as_of: datetime,
    trial_days: int | None = None,
    stripe_subscription_id: str = "",
) -> Subscription:
    """Put the tenant on a plan from now on; the first period begins with this day of its time zone, or after the trial.

    Without `trial_days`, who never had a subscription gets the plan's trial. Currency and time zone are fixed with it.
    Raises `SubscriptionExistsError`, `CurrencyNotOfferedError`, `PermissionMissingError`, `SubscriptionStatusError` where the
    tenant is closed.
    """
    try:
        with transaction.atomic():
            # Not against foreign keys: drafting holds a subscription and points to its tenant.
            current = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
            own_days = plan_version.trial_days if may_try(current.pk) else 0
            days = own_days if trial_days is None else trial_days
            assert 0 <= days <= TRIAL_DAYS_MAX, "a trial of a number of days that a version may have"
            anchor_at = start_of_day(local_day(as_of, current.time_zone) + timedelta(days=days), current.time_zone)
            require_capability(actor, tenant.pk, Capability.MANAGE_BILLING)
            if current.status == TenantStatus.CLOSED:
                raise SubscriptionStatusError("The tenant is closed.")
            _require_currency(plan_version, current.currency)
            subscription = Subscription.objects.create(
                id=uuid7(as_of),
                tenant=current,
                plan_version=plan_version,
                status=SubscriptionStatus.TRIALING if days else SubscriptionStatus.ACTIVE,
                currency=current.currency,
                time_zone=current.time_zone,
                started_at=as_of,
                anchor_at=anchor_at,
                due_at=anchor_at,
                period_start=min(as_of, anchor_at),
                period_end=anchor_at if days else anchored_span(anchor_at, 0, current.time_zone).end,
                stripe_subscription_id=stripe_subscription_id,
                created_at=as_of,
            )
            SubscriptionPhase.objects.create(
                subscription=subscription, plan_version=plan_version, starts_at=as_of, created_at=as_of
            )
            assign_usage_plan(tenant=current, usage_plan=plan_version.usage_plan, actor=actor, as_of=as_of)
            _tell(subscription, "subscription.created", before={}, actor=actor, as_of=as_of)
    except IntegrityError as error:
        if Subscription.objects.of_tenant(tenant.pk).live().exists():
            raise SubscriptionExistsError("The tenant has a subscription: change its plan instead.") from error
        raise
    return subscription


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
    Raises `SubscriptionStatusError`, `SubscriptionChangedError`, `CurrencyNotOfferedError`, `PermissionMissingError`.
    """
    with transaction.atomic():
        current = _locked(subscription, actor, expected_version)
        _require_currency(plan_version, current.currency)
        _require_settled(current, as_of)
        before = _described(current)
        is_on_it = plan_version.pk == current.plan_version_id
        if when is When.PERIOD_END:
            pending = None if is_on_it else plan_version
            if _awaits(current, pending, is_cancelled=False):
                return current
            return _update(
                current,
                {"pending_plan_version": pending, "is_cancelled_at_period_end": False, "cancelled_at": None},
                "subscription.updated",
                before,
                actor=actor,
                as_of=as_of,
            )
        if is_on_it:
            raise SubscriptionStatusError("The subscription is on this plan already.")
        _begin_phase(current, plan_version, as_of)
        assign_usage_plan(tenant=current.tenant, usage_plan=plan_version.usage_plan, actor=actor, as_of=as_of)
        changes = {"plan_version": plan_version, "pending_plan_version": None}
        return _update(
            current,
            {**changes, "is_cancelled_at_period_end": False, "cancelled_at": None},
            "subscription.updated",
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
    """End a subscription at the end of its period, or now: then usage up to now is invoiced, and the fee that was paid stays paid.

    To ask for the end of the period a second time changes nothing.

    Raises `SubscriptionStatusError`, `SubscriptionChangedError`, `PermissionMissingError`.
    """
    with transaction.atomic():
        current = _locked(subscription, actor, expected_version)
        _require_settled(current, as_of)
        before = _described(current)
        if when is When.PERIOD_END:
            if _awaits(current, None, is_cancelled=True):
                return current
            changes = {"is_cancelled_at_period_end": True, "pending_plan_version": None, "cancelled_at": as_of}
            return _update(current, changes, "subscription.updated", before, actor=actor, as_of=as_of)
        is_trial = current.status == SubscriptionStatus.TRIALING
        ended: dict[str, object] = {
            "status": SubscriptionStatus.CANCELLED,
            "ended_at": as_of,
            "cancelled_at": as_of,
            "due_at": None if is_trial else as_of,
            "period_end": max(as_of, current.period_start),
            "pending_plan_version": None,
            "is_cancelled_at_period_end": False,
        }
        assign_default_usage_plan(tenant=current.tenant, actor=actor, as_of=as_of)
        return _update(current, ended, "subscription.cancelled", before, actor=actor, as_of=as_of)


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
        return _update(current, changes, "subscription.updated", _described(current), actor=actor, as_of=as_of)


def refresh_standing(*, subscription_id: UUID, as_of: datetime) -> None:
    """Past due while an invoice is overdue or its payment failed, active again once none is. Safe to repeat."""
    with transaction.atomic():
        current = Subscription.objects.select_for_update().get(pk=subscription_id)
        today = local_day(as_of, Issuer.objects.values_list("time_zone", flat=True).get(pk=1))
        owing = Invoice.objects.filter(
            Q(due_on__lt=today) | Q(payment_failed_at__isnull=False),
            subscription=current,
            status=InvoiceStatus.FINALIZED,
        )
        status = SubscriptionStatus.PAST_DUE if owing.exists() else SubscriptionStatus.ACTIVE
        if current.status == status or current.status not in statuses_before(SUBSCRIPTION_TRANSITIONS, status):
            return
        if status is SubscriptionStatus.ACTIVE and current.status != SubscriptionStatus.PAST_DUE:
            return
        _update(
            current,
            {"status": status},
            "subscription.updated",
            _described(current),
            actor=Actor.system("payments"),
            as_of=as_of,
        )


def refresh_overdue(*, as_of: datetime) -> int:
    """Look at every subscription with an invoice that is unpaid, or that was past due; answers how many were looked at."""
    unpaid = Invoice.objects.filter(status=InvoiceStatus.FINALIZED, due_on__lt=as_of.date() + timedelta(days=1))
    due = Q(status=SubscriptionStatus.PAST_DUE) | Q(
        status=SubscriptionStatus.ACTIVE, pk__in=unpaid.values("subscription")
    )
    ids = list(Subscription.objects.filter(due).values_list("pk", flat=True))
    for subscription_id in ids:
        refresh_standing(subscription_id=subscription_id, as_of=as_of)
    return len(ids)


def _locked(subscription: Subscription, actor: Actor, expected_version: int | None) -> Subscription:
    """The row, locked, if its author may change it and saw it as it is.

    It is locked alone and read with its plans afterwards: a join that was made before the wait does not fit a row whose plan
    was changed meanwhile, and PostgreSQL would leave it out.
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
    """A boundary that has come is invoiced first, so that what waited for it takes effect there, and what comes now does not.

    Whoever decided before a boundary that was invoiced meanwhile decides anew, too: they saw the period before.
    """
    is_due = subscription.due_at is not None and subscription.due_at <= as_of
    if is_due or as_of < subscription.period_start:
        raise SubscriptionChangedError("Its period is just being invoiced: try again in a minute.")


def _awaits(subscription: Subscription, plan_version: PlanVersion | None, *, is_cancelled: bool) -> bool:
    """Whether exactly this waits for the end of the period."""
    pending_id = None if plan_version is None else plan_version.pk
    return (subscription.pending_plan_version_id, subscription.is_cancelled_at_period_end) == (pending_id, is_cancelled)


def _require_currency(plan_version: PlanVersion, currency: str) -> None:
    if not Price.objects.filter(plan_version=plan_version, kind=PriceKind.RECURRING, currency=currency).exists():
        raise CurrencyNotOfferedError(f"{plan_version.plan.name} has no prices in {currency}.")


def _begin_phase(subscription: Subscription, plan_version: PlanVersion, as_of: datetime) -> None:
    latest = subscription.phases.order_by("-starts_at").values_list("starts_at", flat=True).first()
    if latest is not None and latest >= as_of:
        raise SubscriptionChangedError("The plan was changed at this very moment: try again.")
    SubscriptionPhase.objects.create(
        subscription=subscription, plan_version=plan_version, starts_at=as_of, created_at=as_of
    )


def _update(
    subscription: Subscription,
    changes: Mapping[str, object],
    event: str,
    before: Mapping[str, object],
    *,
    actor: Actor,
    as_of: datetime,
) -> Subscription:
    seen = subscription.version
    changed = Subscription.objects.filter(pk=subscription.pk, version=seen).update(version=seen + 1, **changes)
    assert changed == 1, "the row is locked"
    subscription.refresh_from_db()
    _tell(subscription, event, before=before, actor=actor, as_of=as_of)
    return subscription


def _described(subscription: Subscription) -> dict[str, object]:
    pending = subscription.pending_plan_version
    return {
        "status": subscription.status,
        "plan": str(subscription.plan_version),
        "pending_plan": None if pending is None else str(pending),
        "is_cancelled_at_period_end": subscription.is_cancelled_at_period_end,
    }


def _tell(
    subscription: Subscription, event: str, *, before: Mapping[str, object], actor: Actor, as_of: datetime
) -> None:
    """Into the audit log, and into the outbox."""
    after = _described(subscription)
    record_audit(
        actor=actor,
        action=event,
        tenant_id=subscription.tenant_id,
        target_kind="subscription",
        target_id=subscription.pk,
        target_label=subscription.tenant.slug,
        before=before,
        after=after,
        as_of=as_of,
    )
    key = f"{event}:{subscription.pk}:{subscription.version}"
    add_to_outbox(
        [Happening(subscription.tenant_id, event, key, {"subscription": subscription.pk, **after})], as_of=as_of
    )
