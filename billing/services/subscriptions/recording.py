"""What every change of a subscription shares: one write that counts its version up, its audit entry and event."""

from collections.abc import Mapping
from datetime import datetime

from accounts.domain.actor import Actor
from accounts.notices.services.outbox import add_to_outbox
from accounts.services.audit import AuditTarget, record_audit
from billing.domain.happenings import SubscriptionHappening
from billing.models import Subscription
from billing.selectors.facts import facts_of_subscription


def update_subscription(
    subscription: Subscription,
    changes: Mapping[str, object],
    happening: type[SubscriptionHappening],
    before: Mapping[str, object],
    *,
    actor: Actor,
    as_of: datetime,
) -> Subscription:
    """Update a locked row with `changes`, count its version up, and tell what has happened."""
    seen = subscription.version
    changed = Subscription.objects.filter(pk=subscription.pk, version=seen).update(version=seen + 1, **changes)
    assert changed == 1, "the row is locked"
    subscription.refresh_from_db()
    announce(subscription, happening, before=before, actor=actor, as_of=as_of)
    return subscription


def described(subscription: Subscription) -> dict[str, object]:
    """Return the row as the audit log says it."""
    pending = subscription.pending_plan_version
    return {
        "status": subscription.status,
        "plan": str(subscription.plan_version),
        "pending_plan": None if pending is None else str(pending),
        "is_cancelled_at_period_end": subscription.is_cancelled_at_period_end,
    }


def announce(
    subscription: Subscription,
    happening: type[SubscriptionHappening],
    *,
    before: Mapping[str, object],
    actor: Actor,
    as_of: datetime,
) -> None:
    """Record what happened in the audit log and in the outbox; the row comes with its plans as they are now."""
    after = described(subscription)
    record_audit(
        actor=actor,
        action=happening.type,
        tenant_id=subscription.tenant_id,
        target=AuditTarget("subscription", subscription.pk, subscription.tenant.slug),
        before=before,
        after=after,
        as_of=as_of,
    )
    add_to_outbox([happening(facts_of_subscription(subscription))], as_of=as_of)
