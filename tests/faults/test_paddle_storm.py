"""Each webhook of a life at Paddle delivered twenty times, shuffled, to workers that die: the end is the same."""

import random

import pytest

from config.workbench.fakepaddle.server import FakePaddle
from tests.billing.collection.paddle_world import buyer
from tests.billing.world import make_plan
from tests.faults.paddle_storm import PaddleLife
from tests.faults.stripe_storm import Storm, end_state, live_calmly

pytestmark = pytest.mark.django_db

LISTED = {
    "subscription.created",
    "subscription.activated",
    "subscription.updated",
    "subscription.past_due",
    "subscription.paused",
    "subscription.resumed",
    "subscription.canceled",
    "transaction.payment_failed",
    "transaction.updated",
    "transaction.completed",
    "customer.updated",
}


@pytest.mark.takes_long("hundreds of deliveries through workers that die and come back")
@pytest.mark.django_db(transaction=True)
def test_a_storm_of_deliveries_and_dying_workers_ends_as_a_calm_life(
    fake_paddle: FakePaddle, process_environment: dict[str, str]
) -> None:
    calm = PaddleLife(fake_paddle, buyer("calm"), make_plan())
    told_calmly = live_calmly(calm)
    storm = Storm(process_environment["DATABASE_URL"], random.Random(20))
    stormy = PaddleLife(fake_paddle, buyer("storm"), calm.version)
    fake_paddle.api.latency_seconds = 0.01  # so that a worker can die while it waits

    told_in_storm = storm.live(stormy)

    print(f"{storm.deliveries} deliveries, {storm.killed} workers killed, {storm.killed_at_work} with an event in hand")
    assert set(told_calmly) >= LISTED
    assert set(told_in_storm) >= LISTED
    assert storm.killed_at_work >= 5, storm
    assert end_state(stormy) == end_state(calm)
