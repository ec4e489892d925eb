"""The state of a subscription, and the events that were sent about it."""

from accounts.notices.models import OutboxEvent
from billing.models import Subscription


def fresh(subscription: Subscription) -> Subscription:
    return Subscription.objects.select_related("plan_version", "tenant").get(pk=subscription.pk)


def told(subscription: Subscription) -> list[str]:
    events = OutboxEvent.objects.filter(tenant_id=subscription.tenant_id, type__startswith="subscription.")
    return list(events.order_by("occurred_at", "id").values_list("type", flat=True))
