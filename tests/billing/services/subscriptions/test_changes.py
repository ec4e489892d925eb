"""A subscription's life: how each step changes plan, limits, phases and the next invoice, and what is refused."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.domain.actor import Actor
from accounts.domain.roles import Capability, Role, has_capability
from accounts.errors import PermissionMissingError
from accounts.models import AuditEntry, Membership, Tenant, User
from billing.domain.statuses import SubscriptionStatus
from billing.errors import (
    CurrencyNotOfferedError,
    SubscriptionChangedError,
    SubscriptionExistsError,
    SubscriptionStatusError,
)
from billing.models import Invoice, PlanVersion, Subscription
from billing.selectors.catalog.plans import sold_version
from billing.selectors.invoicing.preview import preview_first_invoice
from billing.selectors.subscriptions.current import as_offered, current_subscription, latest_subscription
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan, undo_pending
from billing.services.subscriptions.subscribing import subscribe
from metering.domain.periods import Period, local_day, span_of
from metering.domain.usage_plan_terms import UsagePlanTerms
from metering.models import UsagePlanAssignment
from metering.services.usage_plans import create_usage_plan
from tests.billing.services.subscriptions.lives import fresh, told
from tests.billing.world import MARCH, STAFF, close_month, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db

MID_MARCH = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
LAST_LOOK_AFTER = timedelta(days=400 + 1)  # the tenants' window, and a day


def usage_plan_of(tenant: Tenant) -> str:
    return UsagePlanAssignment.objects.get(tenant=tenant).usage_plan.code


def lines_of(invoice: Invoice) -> list[tuple[str, int]]:
    lines = invoice.lines.filter(revision=invoice.revision).order_by("position")
    return list(lines.values_list("kind", "amount_minor"))


# Subscribing


def test_a_subscription_begins_with_this_day_of_the_tenants_zone(pro: PlanVersion) -> None:
    as_of = datetime(2026, 3, 10, 20, tzinfo=UTC)
    made = subscribe_tenant(plan=pro, as_of=as_of, time_zone="Asia/Kolkata")  # there the 11th has begun, at 18:30 UTC
    assert made.status == SubscriptionStatus.ACTIVE
    assert made.anchor_at == made.due_at == made.period_start == datetime(2026, 3, 10, 18, 30, tzinfo=UTC)
    assert made.period_end == datetime(2026, 4, 10, 18, 30, tzinfo=UTC)
    assert (made.currency, made.time_zone, made.next_boundary, made.version) == ("EUR", "Asia/Kolkata", 0, 0)
    assert [phase.starts_at for phase in made.phases.all()] == [as_of]


def test_subscribing_moves_the_tenant_to_the_plans_limits_and_sends_an_event(subscription: Subscription) -> None:
    assert usage_plan_of(subscription.tenant) == "pro"
    assert told(subscription) == ["subscription.created"]
    entry = AuditEntry.objects.get(action="subscription.created")
    assert (entry.tenant_id, entry.target_id) == (subscription.tenant_id, str(subscription.pk))


def test_quotas_of_billing_periods_follow_the_subscription(pro: PlanVersion) -> None:
    as_of = datetime(2026, 1, 30, 20, tzinfo=UTC)
    made = subscribe_tenant(plan=pro, as_of=as_of, time_zone="Asia/Kolkata")
    made.tenant.refresh_from_db()
    assert made.tenant.period_anchor_on == date(2026, 1, 31)
    assert span_of(Period.BILLING, as_of, "Asia/Kolkata", date(2026, 1, 31)) == (made.period_start, made.period_end)


def test_a_trial_costs_nothing_until_it_ends(pro: PlanVersion) -> None:
    trial = make_plan("trial", trial_days=14)
    made = subscribe_tenant(plan=trial, as_of=MARCH + timedelta(hours=9))
    assert (made.status, made.anchor_at) == (SubscriptionStatus.TRIALING, MARCH + timedelta(days=14))
    assert (made.period_start, made.period_end) == (MARCH + timedelta(hours=9), made.anchor_at)
    use(made.tenant, at=MARCH + timedelta(days=3), count=9)
    invoice = close_month(made, as_of=made.anchor_at)
    assert lines_of(invoice) == [("recurring", 4900)]
    assert fresh(made).status == SubscriptionStatus.ACTIVE
    use(made.tenant, 10000, at=MARCH + timedelta(days=20))
    assert lines_of(close_month(made)) == [("usage", 1000), ("recurring", 4900)]


def test_a_tenant_gets_one_trial(pro: PlanVersion) -> None:
    tenant = make_tenant("again", currency="EUR")
    tried = make_plan("tried", trial_days=14)
    first = subscribe(tenant=tenant, plan_version=tried, actor=STAFF, as_of=MARCH)
    cancel_subscription(subscription=first, when=When.NOW, actor=STAFF, as_of=MARCH + timedelta(days=3))
    back_at = MARCH + timedelta(days=4)
    assert [version.trial_days for version in as_offered([sold_version(tried.pk)], tenant.pk)] == [0]
    preview = preview_first_invoice(tenant=tenant, version=sold_version(tried.pk), as_of=back_at)
    second = subscribe(tenant=tenant, plan_version=tried, actor=STAFF, as_of=back_at)
    assert (second.status, second.anchor_at) == (SubscriptionStatus.ACTIVE, preview.state.anchor_at)


def test_staff_may_give_another_trial_than_the_plans(pro: PlanVersion) -> None:
    made = subscribe(tenant=make_tenant("acme"), plan_version=pro, actor=STAFF, as_of=MARCH, trial_days=30)
    assert made.anchor_at == MARCH + timedelta(days=30)
    with pytest.raises(AssertionError):
        subscribe(tenant=make_tenant("globex"), plan_version=pro, actor=STAFF, as_of=MARCH, trial_days=-1)


def test_a_tenant_has_one_live_subscription_and_may_come_back(subscription: Subscription, team: PlanVersion) -> None:
    with pytest.raises(SubscriptionExistsError):
        subscribe(tenant=subscription.tenant, plan_version=team, actor=STAFF, as_of=MID_MARCH)
    assert usage_plan_of(subscription.tenant) == "pro"
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=MID_MARCH)
    again = subscribe(tenant=subscription.tenant, plan_version=team, actor=STAFF, as_of=MID_MARCH)
    assert current_subscription(subscription.tenant_id) == latest_subscription(subscription.tenant_id) == again


def test_a_plan_is_sold_only_in_the_currencies_of_its_prices(team: PlanVersion) -> None:
    tenant = make_tenant("acme", currency="USD")
    with pytest.raises(CurrencyNotOfferedError):
        subscribe(tenant=tenant, plan_version=team, actor=STAFF, as_of=MARCH)
    assert not Subscription.objects.exists()
    assert not UsagePlanAssignment.objects.filter(tenant=tenant).exists()


def test_a_closed_tenant_cannot_subscribe(pro: PlanVersion) -> None:
    with pytest.raises(SubscriptionStatusError):
        subscribe(tenant=make_tenant("acme", status="closed"), plan_version=pro, actor=STAFF, as_of=MARCH)


def test_currency_and_time_zone_of_a_subscription_never_change(subscription: Subscription, team: PlanVersion) -> None:
    Tenant.objects.filter(pk=subscription.tenant_id).update(currency="USD", time_zone="Asia/Tokyo")
    changed = change_plan(subscription=subscription, plan_version=team, when=When.NOW, actor=STAFF, as_of=MID_MARCH)
    assert (changed.currency, changed.time_zone, changed.period_end) == ("EUR", "UTC", APRIL)


# Changing the plan


def test_a_change_now_moves_plan_limits_and_fees(subscription: Subscription, team: PlanVersion) -> None:
    tenant = subscription.tenant
    use(tenant, 10000, at=MARCH + timedelta(days=2))
    changed = change_plan(subscription=subscription, plan_version=team, when=When.NOW, actor=STAFF, as_of=MID_MARCH)
    assert (changed.plan_version, changed.version) == (team, subscription.version + 1)
    assert list(changed.phases.values_list("starts_at", flat=True)) == [MARCH, MID_MARCH]
    assert usage_plan_of(tenant) == "team"
    use(tenant, 20000, at=MID_MARCH)
    expected = [("usage", 1000), ("usage", 2000), ("proration", -2529), ("proration", 10271), ("recurring", 19900)]
    assert lines_of(close_month(changed)) == expected


def test_a_change_at_the_end_of_the_period_waits_for_it(subscription: Subscription, team: PlanVersion) -> None:
    changed = change_plan(
        subscription=subscription, plan_version=team, when=When.PERIOD_END, actor=STAFF, as_of=MID_MARCH
    )
    assert (changed.plan_version, changed.pending_plan_version) == (subscription.plan_version, team)
    assert usage_plan_of(subscription.tenant) == "pro"
    invoice = close_month(changed, as_of=APRIL + timedelta(days=3))  # the worker is three days late
    assert lines_of(invoice) == [("usage", 0), ("recurring", 19900)]
    moved = fresh(changed)
    assert (moved.plan_version, moved.pending_plan_version, moved.period_start) == (team, None, APRIL)
    assert [phase.starts_at for phase in moved.phases.all()] == [MARCH, APRIL]
    assert usage_plan_of(subscription.tenant) == "team"


def test_a_new_decision_replaces_the_pending_change(subscription: Subscription, team: PlanVersion) -> None:
    pro = subscription.plan_version
    both = {"subscription": subscription, "actor": STAFF, "as_of": MID_MARCH}
    cancel_subscription(when=When.PERIOD_END, **both)
    changed = change_plan(plan_version=team, when=When.PERIOD_END, **both)
    assert (changed.pending_plan_version, changed.is_cancelled_at_period_end, changed.cancelled_at) == (
        team,
        False,
        None,
    )
    cancelled = cancel_subscription(when=When.PERIOD_END, **both)
    assert (cancelled.pending_plan_version, cancelled.is_cancelled_at_period_end) == (None, True)
    stays = change_plan(plan_version=pro, when=When.PERIOD_END, **both)
    assert (stays.pending_plan_version, stays.is_cancelled_at_period_end) == (None, False)
    now = change_plan(plan_version=team, when=When.NOW, **both)
    assert (now.plan_version, now.pending_plan_version, now.is_cancelled_at_period_end) == (team, None, False)


def test_a_change_now_undoes_the_pending_cancellation(subscription: Subscription, team: PlanVersion) -> None:
    both = {"subscription": subscription, "actor": STAFF, "as_of": MID_MARCH}
    cancel_subscription(when=When.PERIOD_END, **both)
    changed = change_plan(plan_version=team, when=When.NOW, **both)
    assert (changed.is_cancelled_at_period_end, changed.cancelled_at) == (False, None)
    close_month(changed)
    assert fresh(changed).is_live


def test_changing_to_the_present_plan_is_refused(subscription: Subscription) -> None:
    with pytest.raises(SubscriptionStatusError):
        change_plan(
            subscription=subscription,
            plan_version=subscription.plan_version,
            when=When.NOW,
            actor=STAFF,
            as_of=MID_MARCH,
        )


def test_a_newer_version_of_the_same_plan_is_a_change(subscription: Subscription) -> None:
    newer = make_plan("pro", fee="59")
    assert make_plan("pro", fee="69").number == 3
    close_month(subscription)
    assert fresh(subscription).plan_version == subscription.plan_version
    as_of = APRIL + timedelta(days=5)
    changed = change_plan(subscription=subscription, plan_version=newer, when=When.PERIOD_END, actor=STAFF, as_of=as_of)
    assert lines_of(close_month(changed))[-1] == ("recurring", 5900)


def test_a_second_change_at_one_instant_is_refused(subscription: Subscription, team: PlanVersion) -> None:
    pro = subscription.plan_version
    both = {"subscription": subscription, "when": When.NOW, "actor": STAFF}
    change_plan(plan_version=team, as_of=MID_MARCH, **both)
    for as_of in (MID_MARCH, MID_MARCH - timedelta(seconds=1)):
        with pytest.raises(SubscriptionChangedError):
            change_plan(plan_version=pro, as_of=as_of, **both)
    change_plan(plan_version=pro, as_of=MID_MARCH + timedelta(microseconds=1), **both)


def test_a_change_during_the_trial_costs_nothing(team: PlanVersion) -> None:
    made = subscribe_tenant(plan=make_plan("trial", trial_days=14))
    as_of = MARCH + timedelta(days=2)
    changed = change_plan(subscription=made, plan_version=team, when=When.NOW, actor=STAFF, as_of=as_of)
    assert (changed.status, usage_plan_of(made.tenant)) == (SubscriptionStatus.TRIALING, "team")
    assert lines_of(close_month(changed, as_of=made.anchor_at)) == [("recurring", 19900)]
    assert "proration" not in {kind for kind, _ in lines_of(close_month(changed))}


def test_a_plan_without_prices_in_the_subscriptions_currency_is_refused(team: PlanVersion, pro: PlanVersion) -> None:
    made = subscribe_tenant("globex", plan=pro, currency="USD")
    first_invoice(made)
    for when in When:
        with pytest.raises(CurrencyNotOfferedError):
            change_plan(subscription=made, plan_version=team, when=when, actor=STAFF, as_of=MID_MARCH)


# Ending it


def test_a_subscription_that_is_cancelled_now_owes_what_was_used(subscription: Subscription) -> None:
    use(subscription.tenant, 500000, at=MARCH + timedelta(days=2))
    assert Tenant.objects.get(pk=subscription.tenant_id).period_anchor_on == MARCH.date()
    ended = cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=MID_MARCH)
    assert Tenant.objects.get(pk=subscription.tenant_id).period_anchor_on is None
    assert (ended.status, ended.ended_at, ended.period_end) == (SubscriptionStatus.CANCELLED, MID_MARCH, MID_MARCH)
    use(subscription.tenant, 500000, at=MID_MARCH + timedelta(hours=1))
    invoice = close_month(ended, as_of=MID_MARCH + timedelta(hours=1))
    assert lines_of(invoice) == [("usage", 50000), ("proration", -2529)]
    assert (fresh(ended).due_at, invoice.period_end) == (MID_MARCH + LAST_LOOK_AFTER, MID_MARCH)
    assert told(ended)[-1] == "subscription.cancelled"


def test_a_subscription_cancelled_at_the_end_of_its_period_continues_until_then(
    subscription: Subscription,
) -> None:
    waiting = cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=MID_MARCH)
    assert (waiting.status, waiting.cancelled_at) == (SubscriptionStatus.ACTIVE, MID_MARCH)
    invoice = close_month(waiting, as_of=APRIL + timedelta(days=3))  # the worker is three days late
    assert lines_of(invoice) == [("usage", 0)]
    ended = fresh(waiting)
    assert (ended.status, ended.ended_at, ended.due_at) == (
        SubscriptionStatus.CANCELLED,
        APRIL,
        APRIL + LAST_LOOK_AFTER,
    )
    assert told(ended)[-1] == "subscription.cancelled"


@pytest.mark.parametrize("when", list(When))
def test_a_tenant_that_leaves_gets_the_default_limits_again(subscription: Subscription, when: When) -> None:
    create_usage_plan(code="free", terms=UsagePlanTerms(name="Free", is_default=True), actor=STAFF, as_of=MARCH)
    left = cancel_subscription(subscription=subscription, when=when, actor=STAFF, as_of=MID_MARCH)
    close_month(left, as_of=APRIL + timedelta(hours=1))
    assert usage_plan_of(subscription.tenant) == "free"


@pytest.mark.parametrize("when", list(When))
def test_a_trial_that_is_cancelled_is_never_billed(when: When) -> None:
    made = subscribe_tenant(plan=make_plan("trial", trial_days=14))
    use(made.tenant, 500000, at=MARCH + timedelta(days=2))
    left = cancel_subscription(subscription=made, when=when, actor=STAFF, as_of=MARCH + timedelta(days=5))
    run_invoicing(as_of=left.anchor_at)
    assert fresh(left).status == SubscriptionStatus.CANCELLED
    assert not Invoice.objects.filter(total_minor__gt=0).exists()


def test_a_repeated_decision_changes_nothing(subscription: Subscription, team: PlanVersion) -> None:
    both = {"subscription": subscription, "when": When.PERIOD_END, "actor": STAFF}
    first = cancel_subscription(as_of=MID_MARCH, **both)
    again = cancel_subscription(as_of=MID_MARCH + timedelta(hours=1), **both)
    assert (again.version, again.cancelled_at) == (first.version, MID_MARCH)
    first = change_plan(plan_version=team, as_of=MID_MARCH, **both)
    assert change_plan(plan_version=team, as_of=MID_MARCH, **both).version == first.version
    assert told(subscription) == ["subscription.created", "subscription.updated", "subscription.updated"]


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_pending_change_can_be_undone(subscription: Subscription, team: PlanVersion, is_cancelled: bool) -> None:
    both = {"subscription": subscription, "actor": STAFF, "as_of": MID_MARCH}
    if is_cancelled:
        cancel_subscription(when=When.PERIOD_END, **both)
    else:
        change_plan(plan_version=team, when=When.PERIOD_END, **both)
    undone = undo_pending(**both)
    assert (undone.pending_plan_version, undone.is_cancelled_at_period_end, undone.cancelled_at) == (None, False, None)
    assert undo_pending(**both).version == undone.version
    assert lines_of(close_month(undone)) == [("usage", 0), ("recurring", 4900)]


# What is refused


def test_a_decision_on_an_older_state_is_refused(subscription: Subscription, team: PlanVersion) -> None:
    seen = subscription.version
    both = {"subscription": subscription, "actor": STAFF, "as_of": MID_MARCH, "expected_version": seen}
    change_plan(plan_version=team, when=When.PERIOD_END, **both)
    with pytest.raises(SubscriptionChangedError):
        change_plan(plan_version=team, when=When.NOW, **both)
    with pytest.raises(SubscriptionChangedError):
        cancel_subscription(when=When.NOW, **both)
    with pytest.raises(SubscriptionChangedError):
        undo_pending(**both)
    assert undo_pending(**(both | {"expected_version": seen + 1})).version == seen + 2


def test_an_ended_subscription_stays_ended(subscription: Subscription, team: PlanVersion) -> None:
    both = {"subscription": subscription, "actor": STAFF, "as_of": MID_MARCH}
    cancel_subscription(when=When.NOW, **both)
    for when in When:
        with pytest.raises(SubscriptionStatusError):
            cancel_subscription(when=when, **both)
        with pytest.raises(SubscriptionStatusError):
            change_plan(plan_version=team, when=when, **both)
    with pytest.raises(SubscriptionStatusError):
        undo_pending(**both)


@pytest.mark.parametrize("as_of", [APRIL, APRIL + timedelta(hours=9)])
def test_a_boundary_that_has_come_is_invoiced_before_anything_else(
    subscription: Subscription, team: PlanVersion, as_of: datetime
) -> None:
    # Otherwise a change requested in April could take effect at its beginning, or not, depending on the worker's speed.
    waiting = change_plan(
        subscription=subscription, plan_version=team, when=When.PERIOD_END, actor=STAFF, as_of=MID_MARCH
    )
    both = {"subscription": waiting, "actor": STAFF, "as_of": as_of}
    for when in When:
        with pytest.raises(SubscriptionChangedError):
            cancel_subscription(when=when, **both)
        with pytest.raises(SubscriptionChangedError):
            change_plan(plan_version=subscription.plan_version, when=when, **both)
    with pytest.raises(SubscriptionChangedError):
        undo_pending(**both)
    close_month(waiting, as_of=as_of + timedelta(hours=1))
    later = as_of + timedelta(hours=2)
    left = cancel_subscription(subscription=waiting, when=When.PERIOD_END, actor=STAFF, as_of=later)
    assert (left.plan_version, left.period_end) == (team, datetime(2026, 5, 1, tzinfo=UTC))


def test_a_decision_from_before_a_boundary_is_refused_once_it_is_invoiced(
    subscription: Subscription, team: PlanVersion
) -> None:
    close_month(subscription)
    late = APRIL - timedelta(milliseconds=1)
    with pytest.raises(SubscriptionChangedError):
        change_plan(subscription=subscription, plan_version=team, when=When.NOW, actor=STAFF, as_of=late)


@pytest.mark.parametrize("role", list(Role))
def test_only_members_who_manage_billing_change_a_subscription(
    subscription: Subscription, team: PlanVersion, role: Role
) -> None:
    user = User.objects.create(email=f"{role}@example.com")
    Membership.objects.create(tenant=subscription.tenant, user=user, role=role, created_at=MARCH)
    # What the actor was when the page was opened does not count: the role is read again.
    actor = Actor.member(user_id=user.pk, label=user.email, role=Role.OWNER)
    both = {"subscription": subscription, "actor": actor, "as_of": MID_MARCH}
    if has_capability(role, Capability.MANAGE_BILLING):
        change_plan(plan_version=team, when=When.PERIOD_END, **both)
        undo_pending(**both)
        cancel_subscription(when=When.NOW, **both)
        subscribe(tenant=subscription.tenant, plan_version=team, actor=actor, as_of=MID_MARCH)
        return
    with pytest.raises(PermissionMissingError):
        change_plan(plan_version=team, when=When.PERIOD_END, **both)
    with pytest.raises(PermissionMissingError):
        undo_pending(**both)
    with pytest.raises(PermissionMissingError):
        cancel_subscription(when=When.NOW, **both)
    with pytest.raises(PermissionMissingError):
        subscribe(tenant=subscription.tenant, plan_version=team, actor=actor, as_of=MID_MARCH)
    assert fresh(subscription).version == subscription.version


def test_a_member_of_another_tenant_cannot_change_a_subscription(subscription: Subscription) -> None:
    user = User.objects.create(email="stranger@example.com")
    Membership.objects.create(tenant=make_tenant("globex"), user=user, role=Role.OWNER, created_at=MARCH)
    actor = Actor.member(user_id=user.pk, label=user.email, role=Role.OWNER)
    with pytest.raises(PermissionMissingError):
        cancel_subscription(subscription=subscription, when=When.NOW, actor=actor, as_of=MID_MARCH)


# Anchors


@pytest.mark.parametrize(
    ("zone", "as_of", "boundaries"),
    [
        ("UTC", "2026-01-31T10:00Z",
         ["2026-01-31T00:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z", "2026-04-30T00:00Z"]),
        ("UTC", "2028-02-29T10:00Z",
         ["2028-02-29T00:00Z", "2028-03-29T00:00Z", "2028-04-29T00:00Z", "2028-05-29T00:00Z"]),
        ("Europe/Berlin", "2026-02-15T10:00Z",
         ["2026-02-14T23:00Z", "2026-03-14T23:00Z", "2026-04-14T22:00Z", "2026-05-14T22:00Z"]),
        ("Asia/Kolkata", "2026-01-30T18:29Z",
         ["2026-01-29T18:30Z", "2026-02-27T18:30Z", "2026-03-29T18:30Z", "2026-04-29T18:30Z"]),
        ("America/St_Johns", "2026-02-28T12:00Z",
         ["2026-02-28T03:30Z", "2026-03-28T02:30Z", "2026-04-28T02:30Z", "2026-05-28T02:30Z"]),
        ("Africa/Cairo", "2026-04-24T08:00Z",
         ["2026-04-23T22:00Z", "2026-05-23T21:00Z", "2026-06-23T21:00Z", "2026-07-23T21:00Z"]),
    ],
)  # fmt: skip
def test_boundaries_keep_the_anchors_day(pro: PlanVersion, zone: str, as_of: str, boundaries: list[str]) -> None:
    made = subscribe_tenant(plan=pro, as_of=datetime.fromisoformat(as_of), time_zone=zone)
    starts = []
    for _ in boundaries:
        close_month(made, as_of=made.due_at + timedelta(hours=1) if made.due_at else None)
        made = fresh(made)
        starts.append(made.period_start)
    assert starts == [datetime.fromisoformat(boundary) for boundary in boundaries]


@settings(max_examples=30)
@given(
    as_of=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - naive by its signature
    zone=st.sampled_from(
        ["UTC", "Europe/Berlin", "Asia/Kolkata", "Pacific/Chatham", "America/St_Johns", "Africa/Cairo"]
    ),
    trial_days=st.integers(0, 40),
)
def test_periods_begin_with_a_day_of_the_zone_and_tile(as_of: datetime, zone: str, trial_days: int) -> None:
    with transaction.atomic():
        made = subscribe_tenant(plan=make_plan(trial_days=trial_days), as_of=as_of, time_zone=zone)
        transaction.set_rollback(True)
    assert local_day(made.anchor_at, zone) == local_day(as_of, zone) + timedelta(days=trial_days)
    assert local_day(made.anchor_at - timedelta(microseconds=1), zone) < local_day(made.anchor_at, zone)
    assert made.period_start <= as_of < made.period_end
    assert made.due_at == (made.period_end if trial_days else made.period_start)
