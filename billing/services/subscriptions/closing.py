"""Closing an account for good, as one of its owners asks: subscription, keys and tenant end together, or not at all."""

from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.roles import Capability, Role
from accounts.domain.transitions import TenantStatus
from accounts.errors import PermissionMissingError
from accounts.keys.services.api_keys import revoke_all_keys
from accounts.models import Membership, Tenant
from accounts.notices.services.mails import NewMail, queue_mails
from accounts.services.rights import lock_tenant, require_capability
from accounts.services.tenants import change_tenant_status
from billing.domain.mails import CLOSED
from billing.selectors.subscriptions.current import current_subscription
from billing.services.subscriptions.changes import When, cancel_subscription

CLOSED_BY_OWNER: Final = "Closed by an owner."


@transaction.atomic
def close_account(*, tenant: Tenant, actor: Actor, as_of: datetime) -> Tenant:
    """End the subscription now, with a last invoice for usage until now, revoke every key, and close the tenant.

    All owners are notified by mail. A tenant that is closed already stays as it is. Raises `PermissionMissingError`,
    `SubscriptionChangedError`.
    """
    current = lock_tenant(tenant.pk)
    if actor.kind is not ActorKind.MEMBER:
        raise PermissionMissingError("Only an owner closes an account here.")
    require_capability(actor, tenant.pk, Capability.OWN_TENANT)
    if current.status == TenantStatus.CLOSED:
        return current
    subscription = current_subscription(current.pk)
    if subscription is not None:
        cancel_subscription(subscription=subscription, when=When.NOW, actor=actor, as_of=as_of)
    revoke_all_keys(tenant=current, actor=actor, as_of=as_of)
    _queue_mail(current, actor, as_of)
    return change_tenant_status(
        tenant=current, status=TenantStatus.CLOSED, reason=CLOSED_BY_OWNER, actor=actor, as_of=as_of
    )


def _queue_mail(tenant: Tenant, actor: Actor, as_of: datetime) -> None:
    owners = Membership.objects.filter(tenant=tenant, role=Role.OWNER, user__is_active=True)
    context = {
        "tenant": tenant,
        "actor": actor.label,
        "invoice_years": settings.INVOICE_RETENTION_YEARS,
        "url": f"{settings.PUBLIC_URL}/t/{tenant.slug}/settings/data/",
    }
    mail = NewMail(
        tenant_id=tenant.pk,
        kind=CLOSED.name,
        dedupe_key=f"closed:{tenant.pk}",
        recipients=list(owners.order_by("pk").values_list("user__email", flat=True)),
        subject=f"{tenant.name} is closed",
        text=render_to_string("billing/email/closed.txt", context),
        html=render_to_string("billing/email/closed.html", context),
    )
    queue_mails([mail], as_of=as_of)
