"""A subscription's life at Stripe, delivered calmly or in a storm, and the rows that it leaves in our tables.

In the calm each event is delivered once, in order, to one worker that is left alone. In the storm each is delivered
twenty times, shuffled among the earlier ones, while workers are started and killed with SIGKILL. The end state is
everything that we keep except ids, numbers and times.
"""

import json
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Tenant
from accounts.notices.models import OutboxEvent
from billing.collection import tasks
from billing.collection.models import InboxEvent, InboxStatus, ProviderAgreement, ProviderInvoice
from billing.collection.services.checkout import open_billing_portal
from billing.collection.services.collecting import collect_due, payment_link
from billing.collection.services.inbox import CLAIMED_FOR, process_inbox
from billing.models import (
    BillingException,
    BillingProfile,
    Invoice,
    Payment,
    PlanVersion,
    Subscription,
    SubscriptionPhase,
)
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.running import run_invoicing
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import OK, PATH, collecting, give_card, handled
from tests.billing.world import STAFF
from tests.fakestripe import shopper
from tests.fakestripe.fixture import WEBHOOK_SECRET
from tests.faults.processes import FORK_SERVER, connect_to

COPIES: Final = 20
COPIES_OF_EARLIER: Final = 3
GIVE_UP_AFTER_SECONDS: Final = 120
# From the moment a worker begins: long enough to reach any step between claiming an event and marking it, and to
# die there.
LIFETIME_SECONDS: Final = (0.02, 1)
KILLED_PER_STEP_MAX: Final = 6
# The first few of each step die while they hold an event, anywhere between calling Stripe and the commit.
KILLED_AT_WORK_PER_STEP: Final = 3
SECONDS_OF_AN_EVENT: Final = 0.08
WAITING: Final = (InboxStatus.PENDING, InboxStatus.FAILED)

STRIPE: Final = Client()  # one for all: each new one loads the middleware again
Step = Callable[[], object]
FORK_SERVER.set_forkserver_preload(["__main__", "tests.faults.processes", "tests.faults.stripe_storm"])


@dataclass
class Life:
    """One tenant's life at Stripe, step by step. Between two steps every event is delivered."""

    fake: Any
    tenant: Tenant
    version: PlanVersion

    def steps(self) -> Iterator[tuple[str, Step]]:
        yield "gives a card that fails later", lambda: give_card(self.tenant, self.version, card=shopper.FAILS_LATER)
        yield (
            "the first invoice is tried",
            lambda: None,
        )  # the step before pushed it
        yield (
            "pays by hand, with a card that is refused",
            lambda: shopper.type_card(self.hosted_page(), shopper.NO_FUNDS),
        )
        yield "pays by hand", lambda: shopper.type_card(self.hosted_page(), shopper.GOOD)
        yield "cancels in Stripe's portal", lambda: self.press("cancel", self.agreement_id())
        yield "takes that back", lambda: self.press("renew", self.agreement_id())
        yield "cancels again", lambda: self.press("cancel", self.agreement_id())
        yield "takes that back, too", lambda: self.press("renew", self.agreement_id())
        yield "is ended in Stripe's dashboard", lambda: self.end(self.agreement_id())

    def happened(self) -> list[Any]:
        """Return the events so far that our webhook is told."""
        return handled(self.fake)

    def named(self, event: Any) -> tuple[str, str]:
        """Return an event's id and its type."""
        return event["id"], event["type"]

    def deliver(self, event: Any) -> None:
        """Deliver an event once."""
        deliver_once(self.fake, event)

    def collected(self, invoice: Invoice) -> list[Any]:
        """Return what the provider has of an invoice."""
        return [(item["status"], item["total"], item["attempt_count"]) for item in collecting(self.fake, invoice)]

    def attempt_of(self, reference: str) -> str:
        """Return what a reference says of its attempt, apart from names that the provider gives at random."""
        return reference.partition("#")[2]

    @property
    def work(self) -> Callable[..., None]:
        """Return the body of a worker."""
        return work

    def hosted_page(self) -> str:
        return payment_link(invoice_id=Invoice.objects.get(tenant=self.tenant).pk, as_of=timezone.now())

    def agreement_id(self) -> str:
        return ProviderAgreement.objects.get(subscription__tenant=self.tenant).reference

    def press(self, button: str, agreement_id: str) -> None:
        url = open_billing_portal(tenant=self.tenant, return_url="http://here/", actor=STAFF, as_of=timezone.now())
        shopper.press(url, button, agreement_id)

    def end(self, agreement_id: str) -> None:
        answer = self.fake.api.respond("DELETE", f"subscriptions/{agreement_id}", "", AUTHORIZED, b"")
        assert answer.status == OK, answer


AUTHORIZED: Final = {"authorization": "Bearer sk_test_countinghouseFakeStripe000"}


def live_calmly(life: Life, *, steps: int | None = None, copies: int = 1) -> list[str]:
    """Deliver each event once, in order. Return what was delivered."""
    told: list[str] = []
    seen = {life.named(event)[0] for event in life.happened()}
    for _, step in list(life.steps())[:steps]:
        step()
        fresh = [event for event in life.happened() if life.named(event)[0] not in seen]
        seen |= {life.named(event)[0] for event in fresh}
        told += [life.named(event)[1] for event in fresh]
        for event in fresh * copies:
            life.deliver(event)
            process(timezone.now())
        settle(life)
    return told


def tell(fake: FakeStripe, events: Iterable[Any]) -> None:
    """Deliver the new events, and process what came in."""
    for event in events:
        deliver_once(fake, event)
        process(timezone.now())


@dataclass
class Storm:
    """The figures of a storm: deliveries, workers that died, and those of them that held an event."""

    database_url: str
    order: random.Random
    deliveries: int = 0
    killed: int = 0
    killed_at_work: int = 0
    as_of: datetime = field(default_factory=timezone.now)

    def live(self, life: Life) -> list[str]:
        """Deliver every event of the same life twenty times in any order, to workers that die.

        Return what was delivered.
        """
        seen = {life.named(event)[0] for event in life.happened()}
        earlier: list[Any] = []
        told: list[str] = []
        for _, step in life.steps():
            step()
            fresh = [event for event in life.happened() if life.named(event)[0] not in seen]
            seen |= {life.named(event)[0] for event in fresh}
            told += [life.named(event)[1] for event in fresh]
            copies = fresh * COPIES + earlier * COPIES_OF_EARLIER
            self.order.shuffle(copies)
            self._tell(life, copies)
            earlier += fresh
            settle(life)
        return told

    def _tell(self, life: Life, copies: list[Any]) -> None:
        """Deliver while workers come and go. The last ones are left alone until no event waits."""
        waiting = iter(copies)
        deadline = time.monotonic() + GIVE_UP_AFTER_SECONDS
        is_told = False
        killed_before = self.killed
        worker = self._worker(life)
        while not is_told or left():
            assert time.monotonic() < deadline, left()
            event = next(waiting, None)
            is_told = event is None
            if event is not None:
                life.deliver(event)
                self.deliveries += 1
            else:
                time.sleep(0.005)
            if worker.is_over():
                worker = self._worker(life)
            elif self.killed - killed_before < KILLED_AT_WORK_PER_STEP and self._has_in_hand():
                time.sleep(self.order.uniform(0, SECONDS_OF_AN_EVENT))
                self._kill(worker)
            elif time.monotonic() > worker.dies_at and self.killed - killed_before < KILLED_PER_STEP_MAX:
                self._kill(worker)
        worker.process.kill()
        worker.process.join(120)

    def _worker(self, life: Life) -> "Worker":
        """Start a worker whose clock is past every claim of those before it."""
        self.as_of += CLAIMED_FOR + timedelta(seconds=1)
        has_begun = FORK_SERVER.Event()
        process = FORK_SERVER.Process(target=life.work, args=(self.database_url, life.fake.url, self.as_of, has_begun))
        process.start()
        assert has_begun.wait(GIVE_UP_AFTER_SECONDS)
        return Worker(process, time.monotonic() + self.order.uniform(*LIFETIME_SECONDS))

    def _kill(self, worker: "Worker") -> None:
        worker.process.kill()
        worker.process.join(120)
        self.killed += 1
        self.killed_at_work += self._has_in_hand()

    def _has_in_hand(self) -> bool:
        """Return whether the latest worker has claimed an event that it has not finished."""
        claimed = InboxEvent.objects.filter(status__in=WAITING, attempts__gt=0)
        return claimed.filter(next_attempt_at=self.as_of + CLAIMED_FOR).exists()


@dataclass
class Worker:
    """A process, and when it is to die."""

    process: Any
    dies_at: float

    def is_over(self) -> bool:
        return not self.process.is_alive()


def left() -> list[tuple[str, str, str]]:
    """Return the events that still wait to be processed."""
    return list(InboxEvent.objects.filter(status__in=WAITING).values_list("type", "status", "error"))


def work(database_url: str, stripe_url: str, as_of: datetime, has_begun: Any) -> None:
    """Process what is due, until killed or until no event is left. This is the body of a worker."""
    connect_to(database_url)
    connection.ensure_connection()
    settings.STRIPE_SECRET_KEY = settings.STRIPE_TEST_SECRET_KEY = "sk_test_countinghouseFakeStripe000"
    settings.STRIPE_LIVE_MODE = False
    settings.STRIPE_API_HOST = stripe_url
    has_begun.set()
    process(as_of)
    os._exit(0)


def process(as_of: datetime) -> None:
    """Process the inbox and then what is due because of it, as the worker's task does."""
    tasks.invoice_and_collect(process_inbox(as_of=as_of).tenant_ids, as_of)


def deliver_once(fake: FakeStripe, event: Any) -> None:
    body, header = fake.signed(event, WEBHOOK_SECRET)
    response = STRIPE.post(PATH, body, content_type="application/json", headers={"Stripe-Signature": header})
    assert response.status_code == OK, response.content


def settle(life: Life) -> None:
    """Run what the schedules would run by the end of the day."""
    moment = timezone.now() + timedelta(hours=20)
    run_invoicing(as_of=moment, due=Due(tenant_ids=[life.tenant.pk]))
    collect_due(as_of=moment)


def end_state(life: Life) -> str:
    """Return everything that was kept about the tenant, without ids, numbers and times, as a text to compare."""
    tenant = life.tenant
    invoices = list(Invoice.objects.filter(tenant=tenant).order_by("boundary"))
    exceptions = BillingException.objects.filter(subscription__tenant=tenant)
    collected = set(ProviderInvoice.objects.filter(invoice__in=invoices).values_list("invoice_id", flat=True))
    state: dict[str, Any] = {
        "subscriptions": list(
            Subscription.objects.filter(tenant=tenant).values_list(
                "status", "plan_version__number", "version", "is_cancelled_at_period_end", "provider_agreement__status",
                "provider_agreement__is_cancelled_at_provider",
            )
        ),
        "phases": SubscriptionPhase.objects.filter(subscription__tenant=tenant).count(),
        "card": BillingProfile.objects.get(tenant=tenant).card_label,
        "invoices": [
            (invoice.boundary, invoice.status, invoice.total_minor, invoice.payment_error, invoice.pk in collected)
            for invoice in invoices
        ],
        "at the provider": [life.collected(invoice) for invoice in invoices],
        "payments": sorted(
            (payment.status, payment.amount_minor, payment.error, life.attempt_of(payment.reference))
            for payment in Payment.objects.filter(invoice__tenant=tenant)
        ),
        "exceptions": sorted(exceptions.values_list("code", flat=True)),
        "told": sorted(OutboxEvent.objects.filter(tenant=tenant).values_list("type", flat=True)),
        "audit": sorted(
            f"{entry.action} {entry.before} {without_names(entry.after)}"
            for entry in AuditEntry.objects.filter(tenant_id=tenant.pk)
        ),
    }  # fmt: skip
    return json.dumps(state, indent=1, default=str)


def without_names(after: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an entry, without the names that Stripe and our counters gave."""
    return {name: value for name, value in after.items() if name not in {"reference", "number", "slug", "name"}}


def short_state(life: Life) -> dict[str, Any]:
    """Return the end of a life, without the way to it."""
    subscription = Subscription.objects.get(tenant=life.tenant)
    payments = Payment.objects.filter(invoice__tenant=life.tenant)
    invoices = Invoice.objects.filter(tenant=life.tenant, total_minor__gt=0)
    return {
        "subscription": (
            subscription.status,
            ProviderAgreement.objects.get(subscription=subscription).status,
            subscription.is_cancelled_at_period_end,
        ),
        "invoices": list(invoices.values_list("status", "total_minor")),
        "payments": sorted((payment.status, payment.reference.partition("#")[2]) for payment in payments),
        "waiting": left(),
    }
