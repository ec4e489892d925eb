"""Closing an account: subscription, keys and tenant end together."""

from datetime import timedelta

import pytest

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.api_key import KeyKind
from accounts.domain.roles import Role
from accounts.errors import PermissionMissingError
from accounts.models import ApiKey, AuditEntry, Membership, Tenant, User
from accounts.notices.models import OutboundMail, OutboxEvent
from billing.errors import SubscriptionChangedError
from billing.models import Subscription
from billing.services.subscriptions.closing import close_account
from tests.billing.world import MARCH, close_month, first_invoice, set_issuer, subscribe_tenant, use
from tests.metering.ledger_world import make_key

NOON = MARCH + timedelta(days=9, hours=12)


@pytest.fixture
def subscription(db: None) -> Subscription:
    set_issuer(fee_refund="none")
    subscription = subscribe_tenant()
    first_invoice(subscription)
    make_key(subscription.tenant, kind=KeyKind.LIVE)
    subscription.refresh_from_db()
    return subscription


def person(tenant: Tenant, role: Role, name: str) -> Actor:
    user = User.objects.create_user(f"{name}@example.com")
    Membership.objects.create(tenant=tenant, user=user, role=role, created_at=MARCH)
    return Actor.member(user_id=user.pk, label=user.email, role=role)


def test_closing_ends_everything_at_once_and_the_last_invoice_has_the_usage_until_then(
    subscription: Subscription,
) -> None:
    tenant = subscription.tenant
    owner = person(tenant, Role.OWNER, "alice")
    person(tenant, Role.OWNER, "olga")
    person(tenant, Role.ADMIN, "bob")
    use(tenant, 1000, at=NOON - timedelta(hours=1))

    close_account(tenant=tenant, actor=owner, as_of=NOON)

    tenant.refresh_from_db()
    subscription.refresh_from_db()
    assert (tenant.status, subscription.status, subscription.ended_at) == ("closed", "cancelled", NOON)
    assert not ApiKey.objects.filter(tenant=tenant, revoked_at=None).exists()
    assert AuditEntry.objects.get(tenant=tenant, action="tenant.closed").actor_label == "alice@example.com"
    told = set(OutboxEvent.objects.filter(tenant=tenant).values_list("type", flat=True))
    assert {"subscription.cancelled", "api_key.revoked"} <= told
    closings = [mail.recipients for mail in OutboundMail.objects.filter(kind="closed").order_by("pk")]
    assert closings == [["alice@example.com"], ["olga@example.com"]]
    invoice = close_month(subscription, as_of=NOON + timedelta(hours=2))
    assert (invoice.status, invoice.subtotal_minor) == ("finalized", 100)

    close_account(tenant=tenant, actor=owner, as_of=NOON)
    assert AuditEntry.objects.filter(tenant=tenant, action="tenant.closed").count() == 1


def test_only_an_owner_closes_the_account(subscription: Subscription) -> None:
    tenant = subscription.tenant
    owner = person(tenant, Role.OWNER, "alice")
    viewing = Actor(ActorKind.STAFF, "staff as alice", user_id=owner.user_id, role=Role.OWNER)
    for actor in (person(tenant, Role.ADMIN, "bob"), viewing, Actor.system()):
        with pytest.raises(PermissionMissingError):
            close_account(tenant=tenant, actor=actor, as_of=NOON)
    tenant.refresh_from_db()
    assert tenant.status == "active"


def test_no_account_is_closed_while_a_period_is_invoiced(subscription: Subscription) -> None:
    owner = person(subscription.tenant, Role.OWNER, "alice")
    with pytest.raises(SubscriptionChangedError):
        close_account(tenant=subscription.tenant, actor=owner, as_of=subscription.period_end)
    assert ApiKey.objects.filter(tenant=subscription.tenant, revoked_at=None).exists()
