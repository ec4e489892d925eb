"""The mail before a trial ends: once for each trial, in time, to those who want it, with what follows."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from pytest_django import Settings

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.models import Membership, Tenant, User
from accounts.notices.models import OutboundMail
from accounts.notices.services.preferences import set_member_mails
from billing.domain.mails import TRIAL_END
from billing.models import PlanVersion, Subscription
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan, undo_pending
from billing.services.subscriptions.profiles import keep_card
from billing.services.subscriptions.trials import announce_trial_ends, run_trials
from tests.billing.services.subscriptions.lives import fresh
from tests.billing.world import MARCH, STAFF, make_plan, subscribe_tenant
from tests.metering.ledger_world import LONG_AGO

pytestmark = pytest.mark.django_db

ENDS_AT = datetime(2026, 3, 15, tzinfo=UTC)
IN_TIME = ENDS_AT - timedelta(days=3)
BILLS = "bills@acme.example"


@pytest.fixture
def tried() -> PlanVersion:
    return make_plan("tried", fee="49", trial_days=14)


@pytest.fixture
def trial(tried: PlanVersion) -> Subscription:
    """Try a plan since 1 March, for 14 days."""
    made = subscribe_tenant(plan=tried)
    assert (made.status, made.anchor_at) == ("trialing", ENDS_AT)
    return fresh(made)


def mails() -> list[OutboundMail]:
    return list(OutboundMail.objects.filter(kind="trial_end"))


def join(tenant: Tenant, email: str, role: Role) -> Membership:
    user = User.objects.create_user(email, None)
    return Membership.objects.create(tenant=tenant, user=user, role=role, created_at=LONG_AGO)


def test_a_trial_is_announced_three_days_before_its_end_and_once(trial: Subscription) -> None:
    assert announce_trial_ends(as_of=IN_TIME - timedelta(seconds=1)) == 0
    assert [announce_trial_ends(as_of=IN_TIME + timedelta(hours=hour)) for hour in range(3)] == [1, 0, 0]
    [mail] = mails()
    assert (mail.recipients, mail.subject) == ([BILLS], "The trial of Acme ends on 15 March 2026")
    for told in (mail.text, mail.html):
        assert "49\xa0EUR" in told
        assert "15 March 2026" in told
        assert "/t/acme/plan/" in told
        assert "sent to you by mail" in told
    assert announce_trial_ends(as_of=ENDS_AT) == 0


def test_a_rolled_back_run_announces_nothing_and_the_next_one_does(trial: Subscription) -> None:
    with transaction.atomic():
        assert announce_trial_ends(as_of=IN_TIME) == 1
        transaction.set_rollback(True)
    assert mails() == []
    assert run_trials(started_by="test", as_of=IN_TIME).summary == {"announced": 1}
    assert len(mails()) == 1


def test_the_lead_time_is_a_setting(trial: Subscription, settings: Settings) -> None:
    settings.TRIAL_NOTICE_DAYS = 7
    assert announce_trial_ends(as_of=ENDS_AT - timedelta(days=7)) == 1


def test_a_subscription_without_a_trial_is_not_announced() -> None:
    subscribe_tenant(plan=make_plan("paid"))
    assert announce_trial_ends(as_of=MARCH + timedelta(days=29)) == 0


def test_a_cancelled_trial_is_announced_only_after_the_customer_takes_that_back(trial: Subscription) -> None:
    cancel_subscription(subscription=trial, when=When.PERIOD_END, actor=STAFF, as_of=MARCH)
    assert announce_trial_ends(as_of=IN_TIME) == 0
    undo_pending(subscription=fresh(trial), actor=STAFF, as_of=IN_TIME)
    assert announce_trial_ends(as_of=IN_TIME) == 1


def test_the_mail_names_the_plan_and_the_card_that_follow(trial: Subscription) -> None:
    change_plan(
        subscription=trial, plan_version=make_plan("big", fee="199"), when=When.PERIOD_END, actor=STAFF, as_of=MARCH
    )
    keep_card(tenant_id=trial.tenant_id, card_label="Visa ending in 4242")
    announce_trial_ends(as_of=IN_TIME)
    [mail] = mails()
    assert "From that day on Big costs 199\xa0EUR a month" in mail.text
    assert "charged to your Visa ending in 4242" in mail.text


def test_owners_get_it_unless_they_chose_otherwise_and_developers_do_not(trial: Subscription) -> None:
    owner = join(trial.tenant, "olga@acme.example", Role.OWNER)
    join(trial.tenant, "adam@acme.example", Role.ADMIN)
    join(trial.tenant, "dora@acme.example", Role.DEVELOPER)
    actor = Actor.member(user_id=owner.user_id, label=owner.user.email)
    set_member_mails(membership=owner, wishes={TRIAL_END: False}, actor=actor, as_of=MARCH)
    announce_trial_ends(as_of=IN_TIME)
    assert sorted(mail.recipients for mail in mails()) == [["adam@acme.example"], [BILLS]]


def test_a_trial_that_nobody_wants_to_hear_of_is_announced_once_somebody_does(trial: Subscription) -> None:
    Tenant.objects.update(billing_email="")
    assert announce_trial_ends(as_of=IN_TIME) == 0
    join(trial.tenant, "olga@acme.example", Role.OWNER)
    assert announce_trial_ends(as_of=IN_TIME) == 1
