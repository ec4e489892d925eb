"""A subscription ends when its tenant is closed, and with no other change of a tenant."""

from datetime import timedelta

import pytest

from accounts.services.tenants import close_tenant, reactivate_tenant, suspend_tenant, update_tenant
from billing.models import Subscription
from billing.selectors.subscriptions.current import current_subscription
from tests.billing.world import MARCH, STAFF, first_invoice, subscribe_tenant
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db

LATER = MARCH + timedelta(days=3)


@pytest.fixture
def subscription() -> Subscription:
    made = subscribe_tenant()
    first_invoice(made)
    return made


def test_closing_a_tenant_ends_its_subscription_at_that_instant(subscription: Subscription) -> None:
    close_tenant(tenant=subscription.tenant, reason="gone", actor=STAFF, as_of=LATER)
    subscription.refresh_from_db()
    assert (subscription.ended_at, subscription.end_refund) == (LATER, "by_day")


def test_a_tenant_without_a_subscription_is_closed_as_well() -> None:
    tenant = make_tenant("acme")
    close_tenant(tenant=tenant, reason="gone", actor=STAFF, as_of=LATER)
    assert (tenant.status, current_subscription(tenant.pk)) == ("closed", None)


def test_a_tenant_that_is_suspended_or_changed_keeps_its_subscription(subscription: Subscription) -> None:
    tenant = subscription.tenant
    suspend_tenant(tenant=tenant, reason="unpaid", actor=STAFF, as_of=LATER)
    reactivate_tenant(tenant=tenant, actor=STAFF, as_of=LATER)
    update_tenant(tenant=tenant, changes={"name": "Acme"}, actor=STAFF, as_of=LATER)
    subscription.refresh_from_db()
    assert subscription.is_live


def test_closing_a_tenant_waits_for_no_worker(subscription: Subscription) -> None:
    # If a boundary has passed and is not invoiced, it is the last: see `states_at_due`.
    late = MARCH + timedelta(days=40)
    close_tenant(tenant=subscription.tenant, reason="gone", actor=STAFF, as_of=late)
    subscription.refresh_from_db()
    assert (subscription.tenant.status, subscription.is_live) == ("closed", True)
