"""Events that never arrived are fetched, each once, from the end of the last run."""

from datetime import timedelta

import pytest

from accounts.models import JobRun
from billing.collection.gateways.stripe.news import EVENT_TYPES
from billing.collection.models import InboxEvent
from billing.collection.services.fetching import run_fetch
from billing.collection.services.inbox import process_inbox
from billing.models import Invoice
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import deliver, follow_up, give_card, handled, make_buyer, make_endpoint, now
from tests.billing.world import make_plan

pytestmark = pytest.mark.django_db
LATER = timedelta(minutes=20)


def fetched(at: timedelta = LATER) -> JobRun:
    return run_fetch(started_by="test", as_of=now() + at)


def test_a_life_whose_webhooks_never_arrived_is_caught_up(fake_stripe: FakeStripe) -> None:
    make_endpoint()
    tenant = make_buyer()
    give_card(tenant, make_plan())

    for round_ in range(3):
        assert fetched(LATER * (round_ + 1)).outcome == ("attention" if round_ < 2 else "succeeded")
        follow_up(process_inbox(as_of=now() + LATER * 4))

    assert Invoice.objects.get(tenant=tenant).status == "paid"
    assert InboxEvent.objects.count() == len(handled(fake_stripe))
    assert set(InboxEvent.objects.values_list("deliveries", flat=True)) == {0}
    deliver(fake_stripe, handled(fake_stripe))
    assert InboxEvent.objects.count() == len(handled(fake_stripe)), "one that comes late is the same event"


def test_a_run_continues_from_the_end_of_the_last_one_and_an_interrupted_one_is_done_again(
    fake_stripe: FakeStripe,
) -> None:
    make_endpoint()
    give_card(make_buyer(), make_plan())
    fake_stripe.control.fail("/v1/events", status=500, times=9)
    assert fetched().summary["away"] != []
    fake_stripe.api.faults.reset()
    assert fetched().summary["missed"] == len(handled(fake_stripe))
    fake_stripe.api.requests.clear()
    assert fetched(timedelta(hours=2)).summary["missed"] == 0
    asked = [request["parameters"] for request in fake_stripe.api.requests]
    assert len(asked) == 1, "from there on"
    assert set(asked[0]["types"]) == set(EVENT_TYPES)
