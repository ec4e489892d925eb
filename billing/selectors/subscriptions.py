"""Subscriptions as they are now."""

from uuid import UUID

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
