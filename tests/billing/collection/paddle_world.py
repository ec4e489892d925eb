"""A small world for tests of Paddle: a tenant whom Paddle sells to, a person who clicks, and the fake's deliveries."""

import json
from collections.abc import Iterable
from typing import Any, Final

from django.test import Client

from accounts.models import Tenant
from billing.collection.models import InboxEvent, ProviderAgreement
from billing.collection.services.checkout import start_checkout
from billing.collection.services.choosing import choose_provider
from billing.collection.services.inbox import InboxRun, process_inbox
from billing.models import PlanVersion, Subscription
from config.workbench.fakepaddle.server import FakePaddle, signature
from tests.billing.collection.stripe_world import follow_up, make_buyer, now
from tests.billing.world import STAFF, make_plan
from tests.fakepaddle.fixture import WEBHOOK_SECRET
from tests.fakestripe import shopper

PATH: Final = "/webhooks/paddle"
OK: Final = 200
PADDLE: Final = Client()  # one for all: each new one loads the middleware again
Json = dict[str, Any]


def buyer(slug: str = "acme", **fields: Any) -> Tenant:
    """Return a tenant for whom staff chose Paddle."""
    tenant = make_buyer(slug, **fields)
    choose_provider(tenant=tenant, provider="paddle", actor=STAFF, as_of=now())
    return tenant


def buy(tenant: Tenant, version: PlanVersion, *, card: str = shopper.GOOD) -> shopper.Seen:
    """Buy by clicking through Paddle's checkout."""
    url = start_checkout(
        tenant=tenant,
        version=version,
        actor=STAFF,
        success_url="http://testserver/done",
        cancel_url="http://testserver/back",
        as_of=now(),
    )
    return shopper.type_card(url, card)


def post(body: bytes, *, header: str | None = None, secret: str = WEBHOOK_SECRET, path: str = PATH) -> Any:
    """Deliver a body as Paddle does, signed with the secret unless a header is given."""
    signed = signature(body, secret, timestamp=int(now().timestamp())) if header is None else header
    return PADDLE.post(path, body, content_type="application/json", headers={"Paddle-Signature": signed})


def deliver(events: Iterable[Json]) -> None:
    """Deliver each event through the webhook."""
    for event in events:
        response = post(json.dumps(event).encode())
        assert response.status_code == OK, response.content


def deliver_and_process(fake: FakePaddle, events: Iterable[Json] | None = None) -> InboxRun:
    """Deliver every event that has not been delivered yet, and do the work that follows."""
    known = set(InboxEvent.objects.values_list("event_id", flat=True))
    fresh = [event for event in fake.events() if event["event_id"] not in known]
    deliver(fresh if events is None else events)
    run = process_inbox(as_of=now())
    follow_up(run)
    return run


def subscribed(fake: FakePaddle, slug: str = "acme", *, card: str = shopper.GOOD, **plan: Any) -> Subscription:
    """Return a tenant that went through checkout, and whose first statement is finalized and charged by Paddle."""
    tenant = buyer(slug)
    buy(tenant, make_plan(**plan), card=card)
    deliver_and_process(fake)
    return Subscription.objects.select_related("tenant").get(tenant=tenant)


def agreed(subscription: Subscription) -> ProviderAgreement:
    """Return our row of the agreement."""
    return ProviderAgreement.objects.get(subscription=subscription)


def charges(fake: FakePaddle) -> list[Json]:
    """Return the charges on subscriptions."""
    return fake.store.all("transaction", origin="subscription_charge")
