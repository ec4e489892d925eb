"""The demonstration's deliveries: signed as the provider signs, and received like any other."""

import pytest
from pytest_django import Settings

from billing.collection.models import InboxEvent
from billing.collection.services.samples import receive_samples
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import ENDPOINT, make_endpoint, now

pytestmark = pytest.mark.django_db


def test_samples_are_received_once_and_record_what_became_of_them(fake_stripe: FakeStripe, settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_UUID = str(ENDPOINT)
    make_endpoint()

    for _ in range(2):
        receive_samples(as_of=now())

    assert list(InboxEvent.objects.order_by("event_id").values_list("event_id", "status", "deliveries")) == [
        ("evt_demo_1", "ignored", 1),
        ("evt_demo_2", "ignored", 1),
        ("evt_demo_3", "ignored", 1),
    ]


def test_without_an_endpoint_or_a_secret_there_are_no_samples(fake_stripe: FakeStripe, settings: Settings) -> None:
    receive_samples(as_of=now())
    settings.STRIPE_WEBHOOK_SECRET = ""
    receive_samples(as_of=now())
    assert not InboxEvent.objects.exists()
