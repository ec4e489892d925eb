"""Subscriptions as they are now."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from billing.domain.plan_terms import SoldVersion
from billing.models import Subscription


def current_subscription(tenant_id: UUID) -> Subscription | None:
    """The tenant's live subscription, with its plan; None where it has none."""
    return (
        Subscription.objects.of_tenant(tenant_id)
        .live()
        .select_related("plan_version__plan", "pending_plan_version__plan", "tenant")
        .first()
    )


def latest_subscription(tenant_id: UUID) -> Subscription | None:
    """The live subscription, or else the one that ended last."""
    return (
        Subscription.objects.of_tenant(tenant_id)
        .select_related("plan_version__plan", "pending_plan_version__plan", "tenant")
        .order_by("-created_at", "-pk")
        .first()
    )


def as_offered(versions: Iterable[SoldVersion], tenant_id: UUID) -> list[SoldVersion]:
    """The versions as this tenant would get them, without a trial that it cannot have again."""
    if may_try(tenant_id):
        return list(versions)
    return [replace(version, trial_days=0) for version in versions]


def may_try(tenant_id: UUID) -> bool:
    """Whether a plan's trial is for this tenant: it is had once, so who ever subscribed has had it."""
    return not Subscription.objects.of_tenant(tenant_id).exists()
