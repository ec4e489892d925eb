"""A subscription begins: the row, its first phase, and the limits of its plan, in one transaction."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.domain.roles import Capability
from accounts.models import Tenant, TenantStatus
from accounts.services.rights import require_capability
from billing.domain.happenings import SubscriptionCreated
from billing.domain.plan_terms import TRIAL_DAYS_MAX
from billing.domain.prices import PriceKind
from billing.domain.statuses import SubscriptionStatus
from billing.errors import (
    CurrencyNotOfferedError,
    SubscriptionExistsError,
    SubscriptionStatusError,
)
from billing.models import PlanVersion, Price, Subscription, SubscriptionPhase
from billing.selectors.subscriptions.current import may_try
from billing.services.subscriptions.recording import announce
from metering.alerts.services.agreements import set_agreement
from metering.domain.periods import anchored_span, local_day, start_of_day
from metering.services.usage_plans import assign_usage_plan, set_period_anchor


def subscribe(
    *,
    tenant: Tenant,
    plan_version: PlanVersion,
    actor: Actor,
    as_of: datetime,
    trial_days: int | None = None,
) -> Subscription:
    """Subscribe the tenant to a plan; the first period begins with this day in its time zone, or after the trial.

    Without `trial_days`, a tenant that never had a subscription gets the plan's trial. Currency and time zone are fixed
    from then on. Raises `SubscriptionExistsError`, `CurrencyNotOfferedError`, `PermissionMissingError`,
    `SubscriptionStatusError` if the tenant is closed.
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
            require_currency(plan_version, current.currency)
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
                created_at=as_of,
            )
            SubscriptionPhase.objects.create(
                subscription=subscription, plan_version=plan_version, starts_at=as_of, created_at=as_of
            )
            set_agreement(tenant_id=current.pk, agreement_id=subscription.pk)
            set_period_anchor(tenant_id=current.pk, anchor_on=local_day(anchor_at, current.time_zone))
            assign_usage_plan(tenant=current, usage_plan=plan_version.usage_plan, actor=actor, as_of=as_of)
            announce(subscription, SubscriptionCreated, before={}, actor=actor, as_of=as_of)
    except IntegrityError as error:
        if Subscription.objects.of_tenant(tenant.pk).live().exists():
            raise SubscriptionExistsError("The tenant has a subscription: change its plan instead.") from error
        raise
    return subscription


def require_currency(plan_version: PlanVersion, currency: str) -> None:
    """Raise `CurrencyNotOfferedError` unless the version has a fee in the currency."""
    if not Price.objects.filter(plan_version=plan_version, kind=PriceKind.RECURRING, currency=currency).exists():
        raise CurrencyNotOfferedError(f"{plan_version.plan.name} has no prices in {currency}.")
