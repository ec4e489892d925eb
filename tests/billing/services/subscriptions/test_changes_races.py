"""Changes of subscriptions at once, on real connections. Each race has a control that shows that the rig can see it."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from accounts.notices.models import OutboundMail
from accounts.notices.services.mails import NewMail, queue_mails
from billing.models import Invoice, PlanVersion, Subscription, SubscriptionPhase
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.drafting import draft_batch
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan, undo_pending
from billing.services.subscriptions.subscribing import subscribe
from billing.services.subscriptions.trials import announce_trial_ends
from tests.billing.world import MARCH, STAFF, close_month, first_invoice, make_plan, subscribe_tenant
from tests.metering.ledger_world import make_tenant
from tests.races import DONE, at_once

pytestmark = pytest.mark.django_db(transaction=True)

MID_MARCH = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def subscription() -> Subscription:
    made = subscribe_tenant()
    first_invoice(made)
    return Subscription.objects.get(pk=made.pk)


@pytest.fixture
def team() -> PlanVersion:
    return make_plan("team", fee="199")


def test_a_tenant_that_subscribes_eight_times_at_once_has_one_subscription() -> None:
    plan, tenant = make_plan(), make_tenant("acme")
    works = [lambda: subscribe(tenant=tenant, plan_version=plan, actor=STAFF, as_of=MARCH)] * 8
    assert at_once(*works) == sorted([DONE, *["SubscriptionExistsError"] * 7])
    assert (Subscription.objects.count(), SubscriptionPhase.objects.count()) == (1, 1)


def test_control_two_that_check_first_and_then_write_are_stopped_by_the_constraint() -> None:
    # Both find no subscription. The constraint alone refuses the second.
    first = subscribe_tenant()
    Subscription.objects.filter(pk=first.pk).update(status="cancelled", ended_at=MARCH)
    ended = Subscription.objects.filter(pk=first.pk).values().get()
    looked = threading.Barrier(2)

    def careless(number: int) -> None:
        assert not Subscription.objects.of_tenant(first.tenant_id).live().exists()
        looked.wait(timeout=30)
        live = {"id": f"00000000-0000-7000-8000-00000000000{number}", "status": "active", "ended_at": None}
        with transaction.atomic():
            Subscription.objects.create(**(ended | live))

    assert at_once(lambda: careless(1), lambda: careless(2)) == ["IntegrityError", DONE]


def test_of_two_decisions_on_the_same_version_one_is_refused(subscription: Subscription, team: PlanVersion) -> None:
    both = {"subscription": subscription, "actor": STAFF, "as_of": MID_MARCH, "expected_version": subscription.version}
    ends = at_once(
        lambda: change_plan(plan_version=team, when=When.NOW, **both),
        lambda: change_plan(plan_version=team, when=When.PERIOD_END, **both),
        lambda: cancel_subscription(when=When.NOW, **both),
        lambda: cancel_subscription(when=When.PERIOD_END, **both),
    )
    assert ends == sorted([DONE, *["SubscriptionChangedError"] * 3])
    assert Subscription.objects.get(pk=subscription.pk).version == subscription.version + 1


def test_control_without_comparing_versions_both_decide(subscription: Subscription, team: PlanVersion) -> None:
    # The rig sees the race: one that reads, waits and writes overwrites the other's decision.
    read = threading.Barrier(2)

    def careless(**changes: object) -> None:
        seen = Subscription.objects.get(pk=subscription.pk).version
        read.wait(timeout=30)
        Subscription.objects.filter(pk=subscription.pk).update(version=seen + 1, **changes)

    ends = at_once(lambda: careless(plan_version=team), lambda: careless(cancelled_at=MID_MARCH))
    assert ends == [DONE, DONE]
    assert Subscription.objects.get(pk=subscription.pk).version == subscription.version + 1


def test_two_changes_now_take_turns_and_leave_phases_in_order(subscription: Subscription, team: PlanVersion) -> None:
    other = make_plan("other", fee="99")
    change = {"subscription": subscription, "when": When.NOW, "actor": STAFF}
    later = MID_MARCH + timedelta(seconds=1)
    ends = at_once(
        lambda: change_plan(plan_version=team, as_of=MID_MARCH, **change),
        lambda: change_plan(plan_version=other, as_of=later, **change),
    )
    # The second one, if it has the earlier time, tries again with a later one.
    assert ends in ([DONE, DONE], ["SubscriptionChangedError", DONE])
    current = Subscription.objects.get(pk=subscription.pk)
    newest = current.phases.order_by("-starts_at")[0]
    assert newest.plan_version_id == current.plan_version_id
    assert current.phases.count() == current.version - subscription.version + 1


@pytest.mark.parametrize("attempt", range(4))
def test_a_change_at_the_last_moment_is_on_the_invoice_or_refused(
    subscription: Subscription, team: PlanVersion, attempt: int
) -> None:
    last_moment = APRIL - timedelta(milliseconds=1 + attempt)
    ends = at_once(
        lambda: change_plan(
            subscription=subscription, plan_version=team, when=When.NOW, actor=STAFF, as_of=last_moment
        ),
        lambda: draft_batch(as_of=APRIL, due=Due()),
    )
    invoice = close_month(subscription, as_of=APRIL + timedelta(hours=1))
    current = Subscription.objects.get(pk=subscription.pk)
    kinds = [line.kind for line in invoice.lines.filter(revision=invoice.revision).order_by("position")]
    if ends == [DONE, DONE] and current.plan_version_id == team.pk:
        assert kinds == ["usage", "usage", "proration", "proration", "recurring"]
    else:
        assert "SubscriptionChangedError" in ends
        assert kinds == ["usage", "recurring"]
        assert current.phases.count() == 1


def test_a_cancellation_and_its_undoing_at_once_leave_one_of_the_two(subscription: Subscription) -> None:
    both = {"subscription": subscription, "actor": STAFF, "as_of": MID_MARCH}
    cancel_subscription(when=When.PERIOD_END, **both)
    ends = at_once(lambda: undo_pending(**both), lambda: cancel_subscription(when=When.PERIOD_END, **both))
    assert ends == [DONE, DONE]
    current = Subscription.objects.get(pk=subscription.pk)
    assert (current.cancelled_at is None) == (not current.is_cancelled_at_period_end)
    assert not Invoice.objects.filter(boundary=1).exists()


def test_eight_workers_at_once_announce_the_end_of_a_trial_once() -> None:
    trial = subscribe_tenant(plan=make_plan("tried", trial_days=14))
    works = [lambda: announce_trial_ends(as_of=trial.anchor_at - timedelta(days=1))] * 8
    assert at_once(*works) == [DONE] * 8
    assert OutboundMail.objects.filter(kind="trial_end").count() == 1


def test_control_two_workers_that_look_first_and_queue_under_keys_of_their_own_announce_it_twice() -> None:
    trial = subscribe_tenant(plan=make_plan("tried", trial_days=14))
    looked = threading.Barrier(2)

    def careless(number: int) -> None:
        assert not OutboundMail.objects.filter(kind="trial_end").exists()
        looked.wait(timeout=30)
        mail = NewMail(trial.tenant_id, "trial_end", f"trial_end:{number}", ["olga@acme.example"], "It ends", "", "")
        queue_mails([mail], as_of=MARCH)

    assert at_once(lambda: careless(1), lambda: careless(2)) == [DONE, DONE]
    assert OutboundMail.objects.filter(kind="trial_end").count() == 2
