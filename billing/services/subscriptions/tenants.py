"""What billing adds to a tenant: its subscription ends when it is closed, whoever closes it."""

from collections.abc import Collection
from datetime import datetime

from accounts.domain.actor import Actor
from accounts.models import Tenant, TenantStatus
from billing.errors import SubscriptionChangedError
from billing.selectors.subscriptions.current import current_subscription
from billing.services.subscriptions.changes import When, cancel_subscription


class BilledTenant:
    """Billing's part of a tenant, named in `settings.TENANT_PARTS`."""

    def open(self, *, tenant: Tenant, actor: Actor, as_of: datetime) -> None:
        """Add nothing: a tenant begins without a subscription."""

    def follow(self, *, tenant: Tenant, changed: Collection[str], as_of: datetime) -> None:
        """End the subscription of a tenant that was closed, as its cancellation now would.

        If a boundary has come and is not invoiced yet, that is its last: invoicing ends it there.
        """
        if "status" not in changed or tenant.status != TenantStatus.CLOSED:
            return
        subscription = current_subscription(tenant.pk)
        if subscription is None:
            return
        try:
            cancel_subscription(subscription=subscription, when=When.NOW, actor=Actor.system("closing"), as_of=as_of)
        except SubscriptionChangedError:
            return
