"""A small world for tests of Stripe: our endpoint, a tenant, a person who clicks, and the fake's deliveries."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from django.test import Client
from django.utils import timezone

from accounts.models import Tenant
from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe.mirror import keep_webhook_endpoint
from billing.collection.gateways.stripe.news import EVENT_TYPES
from billing.collection.gateways.stripe.provider import PROVIDER
from billing.collection.models import InboxEvent, ProviderAgreement, ProviderCustomer, ProviderInvoice
from billing.collection.services.checkout import start_checkout
from billing.collection.services.collecting import collect_due
from billing.collection.services.customers import ensure_customer, keep_card_of_customer
from billing.collection.services.inbox import InboxRun, process_inbox
from billing.models import Invoice, PlanVersion, Subscription
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.subscribing import subscribe
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.world import STAFF, make_plan
from tests.fakestripe import shopper
from tests.fakestripe.fixture import WEBHOOK_SECRET
from tests.metering.ledger_world import make_tenant

ENDPOINT: Final = UUID("0190a0b0-0000-7000-8000-00000000f00d")
PATH: Final = f"/webhooks/stripe/{ENDPOINT}"
OK: Final = 200
STRIPE: Final = Client()  # one for all: each new one loads the middleware again
Json = dict[str, Any]


def now() -> datetime:
    """Return the real time, by which the fake and its clients go."""
    return timezone.now()


def make_endpoint(uuid: UUID = ENDPOINT, secret: str = WEBHOOK_SECRET) -> None:
    keep_webhook_endpoint(
        id_=f"we_{uuid.hex}",
        uuid=uuid,
        url=f"http://testserver/webhooks/stripe/{uuid}",
        secret=secret,
        events=list(EVENT_TYPES),
    )


def make_buyer(slug: str = "acme", **fields: Any) -> Tenant:
    return make_tenant(slug, **({"billing_email": f"bills@{slug}.example"} | fields))


def buy(tenant: Tenant, version: PlanVersion, *, card: str = shopper.GOOD) -> shopper.Seen:
    """Buy by clicking through checkout."""
    url = start_checkout(
        tenant=tenant,
        version=version,
        actor=STAFF,
        success_url="http://testserver/done",
        cancel_url="http://testserver/back",
        as_of=now(),
    )
    return shopper.type_card(url, card)


def give_card(tenant: Tenant, version: PlanVersion, *, card: str = shopper.GOOD) -> shopper.Seen:
    """Subscribe the tenant as staff do, and give a card by clicking through a checkout that charges nothing."""
    subscribe(tenant=tenant, plan_version=version, actor=STAFF, as_of=now())
    return buy(tenant, version, card=card)


def handled(fake: FakeStripe) -> list[Json]:
    """Return the events that our endpoint is subscribed to, in the order in which they happened."""
    return [event for event in fake.events() if event["type"] in EVENT_TYPES]


def deliver(fake: FakeStripe, events: Iterable[Json]) -> None:
    """Deliver each event as Stripe does, through the endpoint."""
    for event in events:
        body, header = fake.signed(event, WEBHOOK_SECRET)
        response = STRIPE.post(PATH, body, content_type="application/json", headers={"Stripe-Signature": header})
        assert response.status_code == OK, response.content


def deliver_and_process(fake: FakeStripe, events: Iterable[Json] | None = None) -> InboxRun:
    """Deliver every event that has not been delivered yet, and do the work that follows."""
    known = set(InboxEvent.objects.values_list("event_id", flat=True))
    fresh = [event for event in handled(fake) if event["id"] not in known]
    deliver(fake, fresh if events is None else events)
    run = process_inbox(as_of=now())
    follow_up(run)
    return run


def follow_up(run: InboxRun) -> None:
    """Run what the worker's task does after the inbox, for the tenants that something changed for."""
    if run.tenant_ids:
        run_invoicing(as_of=now(), due=Due(tenant_ids=run.tenant_ids))
        collect_due(as_of=now(), tenant_ids=run.tenant_ids)


def subscribed(fake: FakeStripe, slug: str = "acme", **plan: Any) -> Subscription:
    """Return a tenant that staff subscribed and that gave a card, and whose first invoice is pushed to Stripe."""
    tenant = make_buyer(slug)
    give_card(tenant, make_plan(**plan))
    deliver_and_process(fake)
    return Subscription.objects.select_related("tenant").get(tenant=tenant)


def due_invoice(tenant: Tenant, *, with_card: str = "") -> Invoice:
    """Return the first invoice of a tenant that staff have subscribed. Its card, if any, is only a label."""
    run_invoicing(as_of=now() + timedelta(hours=2), due=Due(tenant_ids=[tenant.pk]))
    if with_card:
        keep_card_of_customer(customer=ensure_customer(tenant_id=tenant.pk, provider=PROVIDER), card_label=with_card)
    return Invoice.objects.filter(tenant=tenant).latest("drafted_at")


def agreed(subscription: Subscription) -> ProviderAgreement:
    """Return our row of the agreement."""
    return ProviderAgreement.objects.get(subscription=subscription)


def customer_of(tenant: Tenant) -> ProviderCustomer:
    """Return our row of the tenant at Stripe."""
    return ProviderCustomer.objects.get(tenant=tenant)


def named(invoice: Invoice) -> tuple[str, str]:
    """Return which invoice at Stripe collects ours, and the address of its page. Both are empty if none does."""
    row = ProviderInvoice.objects.filter(invoice=invoice).first()
    return ("", "") if row is None else (row.reference, row.payment_url)


def agreement_of(fake: FakeStripe, subscription: Subscription) -> Json:
    """Return what the fake knows of the agreement."""
    return fake.store.objects["subscription"][agreed(subscription).reference]


def collecting(fake: FakeStripe, invoice: Invoice) -> list[Json]:
    """Return the fake's invoices that collect one of ours."""
    return [
        item for item in fake.store.all("invoice") if item["metadata"].get("countinghouse_invoice") == str(invoice.pk)
    ]


def portal_page(url: str) -> str:
    """Return the path of a page of the fake."""
    return urlsplit(url).path


LONG_PAST: Final = datetime(2020, 1, 1, tzinfo=UTC)


def attach(fake: FakeStripe, customer_id: str, card: str) -> None:
    """Attach a card to a customer, to which invoices are charged."""
    method = {
        shopper.GOOD: "pm_card_visa",
        shopper.FAILS_LATER: "pm_card_chargeCustomerFail",
        shopper.CONFIRMED: "pm_card_authenticationRequired",
    }[card]
    client = stripe_api._client("sk_test_countinghouseFakeStripe000", fake.url, "2026-05-27.dahlia")
    attached = client.v1.payment_methods.attach(method, {"customer": customer_id})
    stripe_api.charge_invoices_to(customer_id, payment_method_id=attached.id)
