"""Which subscriptions are past due, which are active again, and what is allowed meanwhile."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from billing.domain.statuses import SUBSCRIPTION_TRANSITIONS, SubscriptionStatus
from billing.models import Invoice, PlanVersion, Subscription
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from billing.services.subscriptions.standing import refresh_overdue, refresh_standing
from tests.billing.services.subscriptions.lives import fresh, told
from tests.billing.world import MARCH, STAFF, close_month, subscribe_tenant

pytestmark = pytest.mark.django_db

MID_MARCH = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
LAST_LOOK_AFTER = timedelta(days=400 + 1)  # the tenants' window, and a day


# Standing


def owe(subscription: Subscription, **changes: object) -> None:
    invoices = Invoice.objects.filter(subscription=subscription, status="finalized")
    assert invoices.update(**(changes or {"payment_failed_at": MID_MARCH}))


def test_a_subscription_with_an_overdue_invoice_is_past_due_until_it_is_paid(subscription: Subscription) -> None:
    invoice = Invoice.objects.get(subscription=subscription)
    assert invoice.due_on is not None
    due = datetime.combine(invoice.due_on, datetime.min.time(), UTC)
    for as_of, status in ((due, "active"), (due + timedelta(days=1), "past_due")):
        refresh_standing(subscription_id=subscription.pk, as_of=as_of)
        assert fresh(subscription).status == status
    owe(subscription, status="paid", paid_at=due, amount_paid_minor=F("total_minor"))
    for _ in range(2):
        refresh_standing(subscription_id=subscription.pk, as_of=due + timedelta(days=1))
        assert fresh(subscription).status == SubscriptionStatus.ACTIVE
    assert told(subscription) == ["subscription.created", "subscription.updated", "subscription.updated"]


def test_a_failed_payment_makes_the_subscription_past_due_at_once(subscription: Subscription) -> None:
    owe(subscription)
    refresh_standing(subscription_id=subscription.pk, as_of=MID_MARCH)
    assert fresh(subscription).status == SubscriptionStatus.PAST_DUE


@pytest.mark.parametrize(
    "change", [{"status": "void", "voided_at": MID_MARCH, "void_reason": "Ours."}, {"status": "uncollectible"}]
)
def test_an_invoice_no_longer_to_be_paid_is_not_owed(subscription: Subscription, change: dict[str, object]) -> None:
    owe(subscription)
    refresh_standing(subscription_id=subscription.pk, as_of=MID_MARCH)
    owe(subscription, **change)
    refresh_standing(subscription_id=subscription.pk, as_of=MID_MARCH)
    assert fresh(subscription).status == SubscriptionStatus.ACTIVE


def test_a_past_due_subscription_continues_and_may_be_changed_and_ended(
    subscription: Subscription, team: PlanVersion
) -> None:
    owe(subscription)
    refresh_standing(subscription_id=subscription.pk, as_of=MID_MARCH)
    both = {"subscription": subscription, "actor": STAFF, "as_of": MID_MARCH}
    assert change_plan(plan_version=team, when=When.NOW, **both).status == SubscriptionStatus.PAST_DUE
    close_month(subscription)
    assert fresh(subscription).status == SubscriptionStatus.PAST_DUE
    left = cancel_subscription(**(both | {"as_of": APRIL + timedelta(days=2)}), when=When.NOW)
    assert left.status == SubscriptionStatus.CANCELLED


@pytest.mark.parametrize("status", list(SubscriptionStatus))
def test_standing_changes_only_along_the_table_of_transitions(
    subscription: Subscription, status: SubscriptionStatus
) -> None:
    ended = {"ended_at": MID_MARCH} if status is SubscriptionStatus.CANCELLED else {}
    Subscription.objects.filter(pk=subscription.pk).update(status=status, **ended)
    refresh_standing(subscription_id=subscription.pk, as_of=MARCH)
    in_good_standing = SubscriptionStatus(fresh(subscription).status)
    assert in_good_standing is (SubscriptionStatus.ACTIVE if status is SubscriptionStatus.PAST_DUE else status)
    owe(subscription)
    refresh_standing(subscription_id=subscription.pk, as_of=MARCH)
    allowed = SubscriptionStatus.PAST_DUE in SUBSCRIPTION_TRANSITIONS[in_good_standing]
    assert fresh(subscription).status == (SubscriptionStatus.PAST_DUE if allowed else in_good_standing)


def test_the_daily_check_updates_past_due_subscriptions(subscription: Subscription, pro: PlanVersion) -> None:
    good = subscribe_tenant("globex", plan=pro)
    as_of = MARCH + timedelta(days=40)
    assert refresh_overdue(as_of=MARCH) == 0
    assert refresh_overdue(as_of=as_of) == 1
    assert [fresh(one).status for one in (subscription, good)] == ["past_due", "active"]
    owe(subscription, status="paid", paid_at=as_of, amount_paid_minor=F("total_minor"))
    assert refresh_overdue(as_of=as_of) == 1
    assert fresh(subscription).status == SubscriptionStatus.ACTIVE
    assert refresh_overdue(as_of=as_of) == 0
