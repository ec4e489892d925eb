"""Subscriptions as they are now."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from billing.domain.plan_terms import SoldVersion
from billing.models import Subscription


def current_subscription(tenant_id: UUID) -> Subscription | None:
    """Return the tenant's live subscription, with its plan; None if it has none."""
    return (
        Subscription.objects.of_tenant(tenant_id)
        .live()
        .select_related("plan_version__plan", "pending_plan_version__plan", "tenant")
        .first()
    )


def latest_subscription(tenant_id: UUID) -> Subscription | None:
    """Return the live subscription, or else the one that ended last."""
    return (
        Subscription.objects.of_tenant(tenant_id)
        .select_related("plan_version__plan", "pending_plan_version__plan", "tenant")
        .order_by("-created_at", "-pk")
        .first()
    )


def as_offered(versions: Iterable[SoldVersion], tenant_id: UUID) -> list[SoldVersion]:
    """Return the versions as this tenant would get them, without a trial that it cannot have again."""
    if may_try(tenant_id):
        return list(versions)
    return [replace(version, trial_days=0) for version in versions]


def may_try(tenant_id: UUID) -> bool:
    """Return whether this tenant gets a plan's trial: only a tenant that never subscribed does."""
    return not Subscription.objects.of_tenant(tenant_id).exists()
