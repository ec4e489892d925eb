"""How an agreement at Stripe changes our subscription, whatever both were before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.collection.domain.provider import Agreement, AgreementState
from billing.collection.errors import ProviderObjectError
from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe.objects import text
from billing.collection.gateways.stripe.provider import PROVIDER
from billing.collection.models import ProviderAgreement
from billing.collection.services.agreements import apply_agreement, is_superfluous, push_agreements
from billing.errors import SubscriptionChangedError
from billing.models import Subscription
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.world import STAFF, close_month, first_invoice, make_plan, subscribe_tenant
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
TENTH = MARCH + timedelta(days=9)


def agreed(subscription_id: str = "sub_1", *, version: Any = None, **fields: Any) -> Agreement:
    agreement = Agreement(
        reference=subscription_id,
        customer_reference="cus_1",
        status="active",
        state=AgreementState.LIVE,
        plan_version_id=None if version is None else version.pk,
    )
    return replace(agreement, **fields)


def ended(**fields: Any) -> Agreement:
    return agreed(status="canceled", state=AgreementState.ENDED, **fields)


def said_of(subscription: Subscription) -> ProviderAgreement:
    """Return the latest message of the provider."""
    return ProviderAgreement.objects.get(subscription=subscription)


@pytest.fixture
def bound() -> Subscription:
    """Create a subscription of March with an agreement, its first fee invoiced."""
    tenant, plan = make_tenant("acme"), make_plan()
    apply_agreement(provider="stripe", agreement=agreed(version=plan), tenant=tenant, as_of=MARCH)
    subscription = Subscription.objects.select_related("tenant").get()
    first_invoice(subscription)
    return subscription


def apply(subscription: Subscription, agreement: Agreement, as_of: datetime = TENTH) -> str:
    done = apply_agreement(provider="stripe", agreement=agreement, tenant=subscription.tenant, as_of=as_of)
    subscription.refresh_from_db()
    return done


def test_an_agreement_that_is_not_complete_or_is_over_makes_no_subscription() -> None:
    tenant, plan = make_tenant("acme"), make_plan()
    for state, status in ((AgreementState.NOT_YET, "incomplete"), (AgreementState.ENDED, "canceled")):
        agreement = agreed(version=plan, state=state, status=status)
        assert status in apply_agreement(provider="stripe", agreement=agreement, tenant=tenant, as_of=MARCH)
        assert not is_superfluous(provider="stripe", agreement=agreement, tenant=tenant)
    assert not Subscription.objects.exists()


def test_an_agreement_with_an_unknown_plan_version_needs_a_person() -> None:
    tenant = make_tenant("acme")
    for agreement in (agreed(), agreed(plan_version_id=999)):
        with pytest.raises(ProviderObjectError, match="plan version"):
            apply_agreement(provider="stripe", agreement=agreement, tenant=tenant, as_of=MARCH)


def test_an_agreement_of_another_tenants_subscription_needs_a_person(bound: Subscription) -> None:
    with pytest.raises(ProviderObjectError, match="agreement of acme"):
        apply_agreement(provider="stripe", agreement=agreed(), tenant=make_tenant("rival"), as_of=TENTH)


def test_applying_the_same_agreement_again_changes_nothing(bound: Subscription) -> None:
    version = bound.version
    assert apply(bound, agreed()) == "nothing new"
    assert bound.version == version


def test_a_second_agreement_is_superfluous_and_not_bound(bound: Subscription) -> None:
    second = agreed("sub_2", version=bound.plan_version)
    assert is_superfluous(provider="stripe", agreement=second, tenant=bound.tenant)
    assert not is_superfluous(provider="stripe", agreement=agreed(), tenant=bound.tenant)
    with pytest.raises(SubscriptionChangedError):
        apply(bound, second)


def test_a_cancellation_at_stripe_cancels_here_once(bound: Subscription) -> None:
    leaving = agreed(is_cancelled_at_period_end=True)
    assert apply(bound, leaving) == "cancelled with its period"
    assert bound.is_cancelled_at_period_end
    assert apply(bound, leaving) == "nothing new"
    assert apply(bound, agreed()) == "cancellation undone"
    assert not bound.is_cancelled_at_period_end


def test_a_cancellation_here_is_not_undone_by_an_older_state_of_stripe(bound: Subscription) -> None:
    cancel_subscription(subscription=bound, when=When.PERIOD_END, actor=STAFF, as_of=TENTH)
    assert apply(bound, agreed()) == "nothing new"
    assert bound.is_cancelled_at_period_end


def test_a_cancellation_on_both_sides_is_one_cancellation(bound: Subscription) -> None:
    cancel_subscription(subscription=bound, when=When.PERIOD_END, actor=STAFF, as_of=TENTH)
    version = bound.version
    assert apply(bound, agreed(is_cancelled_at_period_end=True)) == "nothing new"
    assert bound.version == version + 1  # of the cancellation here


def test_a_cancellation_that_is_not_stored_here_is_not_undone_twice(bound: Subscription) -> None:
    ProviderAgreement.objects.update(is_cancelled_at_provider=True)
    assert apply(bound, agreed()) == "nothing new"
    assert not said_of(bound).is_cancelled_at_provider


def test_an_end_at_stripe_before_its_period_ends_ours_now(bound: Subscription) -> None:
    assert apply(bound, ended()) == "cancelled now"
    assert (bound.status, bound.ended_at, said_of(bound).status) == ("cancelled", TENTH, "canceled")
    assert apply(bound, ended()) == "nothing new"


def test_an_end_at_stripe_with_the_period_leaves_ours_until_its_own_boundary(bound: Subscription) -> None:
    leaving = agreed(is_cancelled_at_period_end=True)
    apply(bound, leaving)
    hours_before = bound.period_end - timedelta(hours=9)

    assert apply(bound, ended(has_ended_with_period=True), hours_before) == "nothing new"
    assert bound.is_cancelled_at_period_end
    close_month(bound)
    bound.refresh_from_db()
    assert (bound.status, bound.ended_at) == ("cancelled", bound.period_end)


def test_an_unannounced_end_with_the_period_ends_with_ours_if_that_is_near(
    bound: Subscription,
) -> None:
    near = bound.period_end - timedelta(days=1)
    assert apply(bound, ended(has_ended_with_period=True), near) == "cancelled with its period"


def test_an_end_with_a_period_long_over_ends_ours_now(bound: Subscription) -> None:
    assert apply(bound, ended(has_ended_with_period=True), TENTH) == "cancelled now"


def test_a_new_agreement_continues_a_cancelled_subscription() -> None:
    plan = make_plan()
    subscription = subscribe_tenant(plan=plan)
    first_invoice(subscription)
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=TENTH)

    assert apply(subscription, agreed(version=plan)) == f"bound to {plan}"

    assert not subscription.is_cancelled_at_period_end
    assert (said_of(subscription).reference, said_of(subscription).status) == ("sub_1", "active")


def test_an_ended_agreement_gives_way_to_a_new_one_with_another_plan(bound: Subscription) -> None:
    ProviderAgreement.objects.update(status="canceled", state=AgreementState.ENDED)
    other = make_plan("other", fee="99")
    change_plan(subscription=bound, plan_version=other, when=When.PERIOD_END, actor=STAFF, as_of=TENTH)

    assert apply(bound, agreed("sub_2", version=other)) == f"bound to {other}"

    assert (bound.plan_version, bound.pending_plan_version) == (other, None)


def test_a_subscription_that_ended_here_stays_ended_whatever_stripe_says(bound: Subscription) -> None:
    cancel_subscription(subscription=bound, when=When.NOW, actor=STAFF, as_of=TENTH)
    assert apply(bound, agreed()) == "nothing new"
    assert (bound.status, said_of(bound).status) == ("cancelled", "active")


@pytest.fixture
def at_stripe(bound: Subscription, fake_stripe: FakeStripe) -> Subscription:
    """Create the same with an agreement that the fake knows."""
    customer = stripe_api.create_customer(tenant_id=bound.tenant_id)
    client = stripe_api._client("sk_test_countinghouseFakeStripe000", fake_stripe.url, "2026-05-27.dahlia")
    made = client.v1.subscriptions.create(
        {"customer": text(customer, "id"), "items": [{"price": stripe_api.agreement_price("EUR")}]}
    )
    ProviderAgreement.objects.update(reference=made.id)
    bound.refresh_from_db()
    return bound


def test_an_agreement_that_ended_at_stripe_is_found_to_have_ended(at_stripe: Subscription) -> None:
    stripe_api.end_agreement(said_of(at_stripe).reference)
    cancel_subscription(subscription=at_stripe, when=When.NOW, actor=STAFF, as_of=TENTH)

    assert (push_agreements(provider=PROVIDER).told, push_agreements(provider=PROVIDER).told) == (1, 0)
    at_stripe.refresh_from_db()
    assert said_of(at_stripe).status == "canceled"


def test_a_change_that_stripe_refuses_is_reported(at_stripe: Subscription) -> None:
    stripe_api.end_agreement(said_of(at_stripe).reference)
    cancel_subscription(subscription=at_stripe, when=When.PERIOD_END, actor=STAFF, as_of=TENTH)

    assert len(push_agreements(provider=PROVIDER).refused) == 1


def test_the_prices_in_all_currencies_belong_to_one_product(fake_stripe: FakeStripe) -> None:
    assert stripe_api.agreement_price("EUR") == stripe_api.agreement_price("EUR")
    assert stripe_api.agreement_price("USD") != stripe_api.agreement_price("EUR")
    assert len(fake_stripe.store.all("product")) == 1
    fake_stripe.control.fail("/v1/products", status=400, times=1, message="No.")
    with pytest.raises(stripe_api.PaymentRefusedError):
        stripe_api.agreement_price("GBP")
