"""Webhooks: signed as Stripe signs them, sent after the response, and again until they are accepted."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe

from billing.collection.gateways.stripe.settings import API_VERSION
from config.workbench.fakestripe.deliveries import body_of, signature
from config.workbench.fakestripe.server import FakeStripe
from tests.fakestripe.fixture import WEBHOOK_SECRET


class Receiver(ThreadingHTTPServer):
    """Receives deliveries, and responds as it is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Delivery)
        self.taken: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"

    @property
    def types(self) -> list[str]:
        return [json.loads(body)["type"] for body, _ in self.taken]


class _Delivery(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((body, self.headers["Stripe-Signature"]))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Omit the log."""


@pytest.fixture
def receiver(fake_stripe: FakeStripe) -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake_stripe.deliveries.send_to(server.url, WEBHOOK_SECRET)
    yield server
    server.shutdown()
    thread.join(120)
    server.server_close()


def test_a_webhook_arrives_signed(fake_stripe: FakeStripe, receiver: Receiver) -> None:
    customer = stripe.Customer.create(email="a@x.example")
    assert fake_stripe.deliveries.wait_until_idle()
    [(body, header)] = receiver.taken
    event = stripe.Webhook.construct_event(body, header, WEBHOOK_SECRET)
    assert (event.type, event.data.object.id, event.api_version) == (
        "customer.created",
        customer.id,
        API_VERSION,
    )
    assert stripe.Event.retrieve(event.id).pending_webhooks == 0
    for bad_body, secret in ((body.replace(b"a@x", b"b@x"), WEBHOOK_SECRET), (body, "whsec_other")):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(bad_body, header, secret)


def test_an_old_webhook_signature_is_detected(fake_stripe: FakeStripe) -> None:
    stripe.Customer.create()
    body = body_of(fake_stripe.store, fake_stripe.events()[0])
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        stripe.Webhook.construct_event(body, signature(body, WEBHOOK_SECRET, timestamp=1_000_000_000), WEBHOOK_SECRET)


def test_a_refused_delivery_is_sent_again(fake_stripe: FakeStripe, receiver: Receiver) -> None:
    receiver.answers = [500, 404]
    stripe.Customer.create(email="a@x.example")
    assert fake_stripe.deliveries.wait_until_idle()
    assert [entry["answer"] for entry in fake_stripe.deliveries.log] == [500, 404, 200]


def test_a_redirect_is_no_successful_delivery(fake_stripe: FakeStripe, receiver: Receiver) -> None:
    receiver.answers = [302]
    stripe.Customer.create(email="a@x.example")
    assert fake_stripe.deliveries.wait_until_idle()
    assert [entry["answer"] for entry in fake_stripe.deliveries.log] == [302, 200]


def test_nothing_arrives_after_a_reset(fake_stripe: FakeStripe, receiver: Receiver) -> None:
    receiver.answers = [500] * 100
    stripe.Customer.create(email="a@x.example")
    fake_stripe.control.reset()
    count = len(receiver.taken)
    assert fake_stripe.deliveries.wait_until_idle(0.5)
    stripe.Customer.create(email="b@x.example")
    assert fake_stripe.deliveries.wait_until_idle()
    assert len(receiver.taken) == count


def test_a_failing_delivery_does_not_delay_others(fake_stripe: FakeStripe, receiver: Receiver) -> None:
    receiver.answers = [500]
    stripe.Customer.create(email="a@x.example")
    stripe.Product.create(name="x")
    assert fake_stripe.deliveries.wait_until_idle()
    assert receiver.types == ["customer.created", "product.created", "customer.created"]


def test_an_event_can_be_sent_again_many_times_and_in_any_order(fake_stripe: FakeStripe, receiver: Receiver) -> None:
    fake_stripe.deliveries.set_mode(copies=5, shuffled=True, parallel=True)
    stripe.Customer.create(email="a@x.example")
    assert fake_stripe.deliveries.wait_until_idle()
    assert receiver.types == ["customer.created"] * 5
    fake_stripe.deliveries.set_mode(copies=1)
    fake_stripe.deliveries.enqueue([fake_stripe.events()[0]["id"]])
    assert fake_stripe.deliveries.wait_until_idle()
    assert len(receiver.taken) == 6


def test_deliveries_can_be_held_back(fake_stripe: FakeStripe, receiver: Receiver) -> None:
    fake_stripe.deliveries.set_mode(paused=True)
    stripe.Customer.create(email="a@x.example")
    assert not fake_stripe.deliveries.wait_until_idle(0.2)
    assert not receiver.taken
    fake_stripe.deliveries.set_mode(paused=False)
    assert fake_stripe.deliveries.wait_until_idle()
    assert receiver.types == ["customer.created"]


def test_an_endpoint_created_by_a_call_has_its_own_secret_and_events(
    fake_stripe: FakeStripe, receiver: Receiver
) -> None:
    fake_stripe.deliveries.receivers.clear()
    endpoint = stripe.WebhookEndpoint.create(url=receiver.url, enabled_events=["product.created"])
    assert "secret" not in stripe.WebhookEndpoint.retrieve(endpoint.id)
    stripe.Customer.create()
    stripe.Product.create(name="x")
    assert fake_stripe.deliveries.wait_until_idle()
    [(body, header)] = receiver.taken
    assert stripe.Webhook.construct_event(body, header, endpoint.secret).type == "product.created"
    stripe.WebhookEndpoint.delete(endpoint.id)
    assert not stripe.WebhookEndpoint.list().data


def test_events_are_listed_by_type(fake_stripe: FakeStripe) -> None:
    customer = stripe.Customer.create(email="a@x.example", idempotency_key="k")
    stripe.Customer.modify(customer.id, name="Acme")
    [changed] = stripe.Event.list(type="customer.updated").data
    assert changed.data.previous_attributes.to_dict() == {"name": None}
    assert len(stripe.Event.list(type="customer.*").data) == 2
    assert len(stripe.Event.list(types=["customer.created", "customer.updated"]).data) == 2
    [made] = stripe.Event.list(type="customer.created").data
    assert made.to_dict()["request"]["idempotency_key"] == "k"
    # A change that changes nothing is no event.
    stripe.Customer.modify(customer.id, name="Acme")
    assert len(stripe.Event.list().data) == 2
