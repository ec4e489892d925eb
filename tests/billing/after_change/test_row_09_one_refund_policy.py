"""Row 9: the seller has one policy for giving back fees, whichever way a subscription ends."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from accounts.domain.actor import Actor, ActorKind
from accounts.models import Membership, Tenant, User
from accounts.services.tenants import close_tenant, suspend_tenant
from billing.models import InvoiceLine, LineKind, Subscription
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from billing.services.subscriptions.closing import close_account
from tests.billing.world import GRACE, STAFF, first_invoice, latest_invoice, make_plan, set_issuer, subscribe_tenant

pytestmark = pytest.mark.django_db

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
NOON_OF_THE_2ND = NOVEMBER + timedelta(days=1, hours=12)


@pytest.fixture
def subscription() -> Subscription:
    """Subscribe to a plan of 1,000.00 a month since 1 November."""
    made = subscribe_tenant(plan=make_plan("scale", fee="1000"), as_of=NOVEMBER)
    make_plan("free", fee="0")
    first_invoice(made)
    made.refresh_from_db()
    return made


def cancels(subscription: Subscription) -> None:
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=NOON_OF_THE_2ND)


def takes_free_first(subscription: Subscription) -> None:
    an_hour_before = NOON_OF_THE_2ND - timedelta(hours=1)
    free = make_plan("free", fee="0")
    change_plan(subscription=subscription, plan_version=free, when=When.NOW, actor=STAFF, as_of=an_hour_before)
    cancels(subscription)


def owner_closes(subscription: Subscription) -> None:
    owner = User.objects.create(email="alice@example.com")
    Membership.objects.create(user=owner, tenant=subscription.tenant, role="owner", created_at=NOVEMBER)
    actor = Actor(kind=ActorKind.MEMBER, label=owner.email, user_id=owner.pk)
    close_account(tenant=subscription.tenant, actor=actor, as_of=NOON_OF_THE_2ND)


def operator_closes(subscription: Subscription) -> None:
    close_tenant(tenant=subscription.tenant, reason="fraud", actor=STAFF, as_of=NOON_OF_THE_2ND)


def operator_suspends_and_closes(subscription: Subscription) -> None:
    suspend_tenant(tenant=subscription.tenant, reason="unpaid", actor=STAFF, as_of=NOON_OF_THE_2ND - GRACE)
    operator_closes(subscription)


@pytest.mark.parametrize(("policy", "back_minor"), [("by_day", -96667), ("none", 0)])
@pytest.mark.parametrize(
    "leaves", [cancels, takes_free_first, owner_closes, operator_closes, operator_suspends_and_closes]
)
def test_every_way_out_gives_back_the_same(
    leaves: Callable[[Subscription], None], policy: str, back_minor: int, subscription: Subscription
) -> None:
    set_issuer(fee_refund=policy)
    leaves(subscription)
    # What the seller decides later changes nothing of it.
    set_issuer(fee_refund="none" if policy == "by_day" else "by_day")
    run_invoicing(as_of=NOON_OF_THE_2ND + GRACE)
    invoice = latest_invoice(subscription)
    lines = InvoiceLine.objects.filter(invoice=invoice, revision=invoice.revision, kind=LineKind.PRORATION)
    assert sum(line.amount_minor for line in lines) == back_minor
    subscription.refresh_from_db()
    assert subscription.ended_at == NOON_OF_THE_2ND


def test_waiting_for_a_smaller_plan_before_the_end_gives_nothing_back_either(subscription: Subscription) -> None:
    # With `none`, changing to Free now and ending in the next period is no way around the policy.
    set_issuer(fee_refund="none")
    free = make_plan("free", fee="0")
    change_plan(subscription=subscription, plan_version=free, when=When.NOW, actor=STAFF, as_of=NOON_OF_THE_2ND)
    subscription.refresh_from_db()
    run_invoicing(as_of=subscription.period_end + GRACE)
    lines = InvoiceLine.objects.filter(invoice__subscription=subscription)
    assert not lines.filter(amount_minor__lt=0).exists()
    assert not lines.filter(kind=LineKind.CARRY).exists()


def test_a_closed_tenant_with_a_pending_boundary_ends_with_it(subscription: Subscription) -> None:
    # Closing is not refused because invoicing is behind.
    late = subscription.period_end + timedelta(days=3)
    tenant = Tenant.objects.get(pk=subscription.tenant_id)
    close_tenant(tenant=tenant, reason="fraud", actor=STAFF, as_of=late)
    run_invoicing(as_of=late)
    subscription.refresh_from_db()
    assert subscription.ended_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert latest_invoice(subscription).boundary == 1
