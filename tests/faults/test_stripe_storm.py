"""Each webhook of a life delivered twenty times, shuffled, to workers that are killed: the end is the same."""

import random
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.collection.services import inbox as stripe_inbox
from billing.collection.services import news
from billing.models import Payment
from billing.services.invoicing.payments import record_failed_payment
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import handled, make_buyer, make_endpoint
from tests.billing.world import make_plan
from tests.fakestripe import shopper
from tests.faults.stripe_storm import Life, Storm, end_state, live_calmly, short_state, tell

pytestmark = pytest.mark.django_db

LISTED = {
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
}


@pytest.fixture
def calm(fake_stripe: FakeStripe) -> Life:
    make_endpoint()
    return Life(fake_stripe, make_buyer("calm"), make_plan())


@pytest.mark.takes_long("hundreds of deliveries through workers that die and come back")
@pytest.mark.django_db(transaction=True)
def test_a_storm_of_deliveries_and_dying_workers_ends_as_a_calm_life(
    fake_stripe: FakeStripe, calm: Life, process_environment: dict[str, str]
) -> None:
    told_calmly = live_calmly(calm)
    storm = Storm(process_environment["DATABASE_URL"], random.Random(20))
    stormy = Life(fake_stripe, make_buyer("storm"), calm.version)
    fake_stripe.api.latency_seconds = 0.01  # so that a worker can die while it waits

    told_in_storm = storm.live(stormy)

    print(f"{storm.deliveries} deliveries, {storm.killed} workers killed, {storm.killed_at_work} with an event in hand")
    assert set(told_calmly) >= LISTED
    assert sorted(told_in_storm) == sorted(told_calmly)
    assert storm.killed_at_work >= 5, storm
    assert end_state(stormy) == end_state(calm)


@pytest.mark.takes_long("it delivers thousands of events")
def test_control_an_effect_that_came_twice_is_detected(
    fake_stripe: FakeStripe, calm: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_calmly(calm, steps=2)
    forgetful = Life(fake_stripe, make_buyer("forgetful"), calm.version)
    # An inbox that does not remember what it has done, and a handler that does not name what it records.
    remembered = "DO UPDATE SET deliveries"
    assert remembered in stripe_inbox.STORE
    forgets = (
        "DO UPDATE SET status = 'pending', processed_at = NULL, next_attempt_at = excluded.next_attempt_at, deliveries"
    )
    monkeypatch.setattr(stripe_inbox, "STORE", stripe_inbox.STORE.replace(remembered, forgets))

    def record_nameless(*, reference: str, **told: Any) -> object:
        return record_failed_payment(reference=f"{reference}#{uuid4()}", **told)

    monkeypatch.setattr(news, "record_failed_payment", record_nameless)

    live_calmly(forgetful, steps=2, copies=3)

    assert end_state(forgetful) != end_state(calm)
    assert Payment.objects.filter(invoice__tenant=forgetful.tenant).count() == 3


@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(order=st.randoms(use_true_random=False), gaps=st.lists(st.booleans(), min_size=6, max_size=6))
@pytest.mark.takes_long("it delivers thousands of events")
def test_any_delivered_events_lead_to_the_same_end(
    fake_stripe: FakeStripe, calm: Life, order: random.Random, gaps: list[bool]
) -> None:
    life = Life(fake_stripe, make_buyer(f"any-{uuid4().hex[:12]}"), calm.version)
    before = {event["id"] for event in handled(fake_stripe)}

    def so_far() -> list[Any]:
        return [event for event in handled(fake_stripe) if event["id"] not in before]

    steps = [step for _, step in life.steps()]
    steps[0]()
    tell(fake_stripe, so_far())  # from here on there is a subscription, and an invoice that Stripe collects
    url, agreement = life.hosted_page(), life.agreement_id()
    at_stripe: tuple[Callable[[], object], ...] = (
        lambda: shopper.type_card(url, shopper.NO_FUNDS),
        lambda: shopper.type_card(url, shopper.GOOD),
        lambda: life.press("cancel", agreement),
        lambda: life.press("renew", agreement),
        lambda: life.press("cancel", agreement),
        lambda: life.end(agreement),
    )
    for is_silent, step in zip(gaps, at_stripe, strict=True):
        step()
        if not is_silent:
            some = [event for event in so_far() if order.random() < 0.5]
            order.shuffle(some)
            tell(fake_stripe, some)
    everything = so_far()
    order.shuffle(everything)
    tell(fake_stripe, everything)

    assert short_state(life) == {
        "subscription": ("cancelled", "canceled", False),
        "invoices": [("paid", 4900)],
        "payments": [("failed", ""), ("failed", ""), ("succeeded", "")],
        "waiting": [],
    }
