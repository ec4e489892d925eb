"""Twelve months of tenants at Stripe and Paddle on the test clock, with faults between us and the providers.

Calls to a provider time out, lose their reply or fail, before and after their effect. Webhooks come late, twice, in
any order, or never. What must hold afterwards is counted from the fakes' own objects.
"""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from accounts.models import Circuit
from billing.collection.models import InboxEvent, InboxStatus
from billing.collection.services.collecting import collect_due
from billing.collection.services.fetching import run_fetch
from billing.collection.services.inbox import process_inbox
from billing.collection.services.reconciling import reconcile_payments
from billing.dunning.services.running import run_due_steps
from billing.ledger.models import Posting
from billing.models import Invoice, Payment, Subscription
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.standing import refresh_overdue
from billing.verification.services.running import run_verification
from config.workbench.fakepaddle.server import FakePaddle
from config.workbench.fakestripe.server import FakeStripe
from metering.selectors.ledgers import ledgers
from metering.services.partitions import ensure_partitions_around
from metering.services.reconciliation import reconcile
from tests.billing.collection import paddle_world
from tests.billing.collection.stripe_world import (
    attach,
    customer_of,
    deliver,
    deliver_and_process,
    give_card,
    handled,
    make_buyer,
    make_endpoint,
    now,
)
from tests.billing.world import make_plan, use
from tests.fakestripe import shopper

MONTHS: Final = 12
HOPS: Final = (timedelta(hours=1), timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=3))
CALM_ROUNDS_MAX: Final = 12
FAULTS_RATE: Final = 0.12
LOST_FOR_EVER: Final = 0.1
LATE: Final = 0.3


@dataclass
class MoneyYear:
    """Twelve months. Each third tenant pays through Paddle, and the card of each third one fails for some days."""

    stripe: FakeStripe
    paddle: FakePaddle
    tenants: int
    seed: int = 13
    moment: datetime = field(default_factory=now)
    lost: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def begin(self) -> None:
        """Sell to every tenant, in the calm."""
        make_endpoint()
        plan = make_plan()
        for number in range(self.tenants):
            slug = f"t{number}"
            if number % 3 == 2:
                paddle_world.buy(paddle_world.buyer(slug), plan)
            else:
                give_card(make_buyer(slug), plan)
        for _ in range(2):
            deliver_and_process(self.stripe)
            paddle_world.deliver_and_process(self.paddle)
        assert Subscription.objects.count() == self.tenants

    def live(self, months: int = MONTHS) -> None:
        """Run so many months: usage, invoices, charges, events and dunning, each under faults and then in the calm."""
        for month in range(months):
            ensure_partitions_around(as_of=self.moment + timedelta(days=32), backfill_days=90)
            for subscription in Subscription.objects.select_related("tenant").order_by("pk"):
                use(subscription.tenant, 1000 * (month + 1), at=self.moment + timedelta(days=2))
            self.break_cards(is_broken=month % 4 == 3)
            ends = Subscription.objects.order_by("-period_end").values_list("period_end", flat=True)
            self.go_to(ends[0] + timedelta(hours=1))
            self.storm(seed=self.seed * 1000 + month)
            for hop in HOPS:
                self.go_to(self.moment + hop)
                self.work(is_calm=False)
            self.calm()
            self.break_cards(is_broken=False)
            for _ in range(CALM_ROUNDS_MAX):
                self.go_to(self.moment + timedelta(hours=7))
                self.work(is_calm=True)
                if not self.waiting():
                    break

    def storm(self, *, seed: int) -> None:
        for fake in (self.stripe, self.paddle):
            fake.api.faults.begin_storm(seed=seed, rate=FAULTS_RATE)

    def calm(self) -> None:
        for fake in (self.stripe, self.paddle):
            fake.api.faults.end_storm()

    def go_to(self, moment: datetime) -> None:
        """Move both providers' clocks with ours."""
        seconds = int((moment - self.moment).total_seconds())
        self.moment += timedelta(seconds=seconds)
        self.stripe.control.advance(seconds)
        self.paddle.advance(seconds)

    def work(self, *, is_calm: bool) -> None:
        """Run what the schedules run at this moment. A circuit that opened is closed by the time that passes."""
        Circuit.objects.all().delete()
        run_invoicing(as_of=self.moment)
        collect_due(as_of=self.moment)
        self.deliver(is_calm=is_calm)
        if is_calm:
            run_fetch(started_by="test", as_of=self.moment)
        process_inbox(as_of=self.moment, limit=10_000)
        collect_due(as_of=self.moment)
        refresh_overdue(as_of=self.moment)
        run_due_steps(as_of=self.moment)

    def deliver(self, *, is_calm: bool) -> None:
        """Deliver new events: shuffled, some twice, some later, and of Stripe's some never."""
        known = set(InboxEvent.objects.values_list("event_id", flat=True))
        of_stripe = [event for event in handled(self.stripe) if event["id"] not in known | self.lost]
        of_paddle = [event for event in self.paddle.events() if event["event_id"] not in known]
        self.lost |= {event["id"] for event in of_stripe if not is_calm and self.chance.random() < LOST_FOR_EVER}
        deliver(self.stripe, self._shuffled([one for one in of_stripe if one["id"] not in self.lost], is_calm=is_calm))
        paddle_world.deliver(self._shuffled(of_paddle, is_calm=is_calm))

    def _shuffled(self, events: list[dict[str, Any]], *, is_calm: bool) -> list[dict[str, Any]]:
        sent = [event for event in events if is_calm or self.chance.random() > LATE]
        sent += [event for event in sent if self.chance.random() < LATE]
        self.chance.shuffle(sent)
        return sent

    def break_cards(self, *, is_broken: bool) -> None:
        """Attach to each third tenant at Stripe a card that is declined, or one that pays."""
        for subscription in Subscription.objects.select_related("tenant").order_by("pk"):
            if int(subscription.tenant.slug[1:]) % 3 == 1:
                card = shopper.FAILS_LATER if is_broken else shopper.GOOD
                attach(self.stripe, customer_of(subscription.tenant).reference, card)

    def waiting(self) -> int:
        """Count what is not done yet."""
        unprocessed = InboxEvent.objects.filter(status__in=[InboxStatus.PENDING, InboxStatus.FAILED]).count()
        return Invoice.objects.unpaid().filter(total_minor__gt=0).count() + unprocessed

    def charged(self) -> Counter[str]:
        """Return what the fakes took for each invoice of ours, by their own objects, without Paddle's tax."""
        taken: Counter[str] = Counter()
        invoice_of = {
            payment["payment"]["payment_intent"]: self.stripe.store.get("invoice", payment["invoice"])["metadata"]
            for payment in self.stripe.store.all("invoice_payment")
        }
        for charge in self.stripe.store.all("charge", status="succeeded"):
            ours = invoice_of.get(charge["payment_intent"], {}).get("countinghouse_invoice")
            if ours:
                taken[ours] += charge["amount"]
        for transaction in self.paddle.store.all("transaction", origin="subscription_charge"):
            if transaction["status"] in {"paid", "completed"}:
                ours = json.loads(json.dumps(transaction["items"]))[0]["price"]["custom_data"]["countinghouse_invoice"]
                taken[ours] += int(transaction["details"]["totals"]["subtotal"])
        return taken

    def wrongs(self) -> list[str]:
        """List what is wrong at the end."""
        Circuit.objects.all().delete()
        taken = self.charged()
        owed = {str(invoice.pk): invoice.total_minor for invoice in Invoice.objects.filter(total_minor__gt=0)}
        found = [f"{id_}: charged {taken[id_]}, owed {owed.get(id_)}" for id_ in {*owed, *taken} if
                 taken[id_] != owed.get(id_)]  # fmt: skip
        found += [f"{invoice} is {invoice.status}" for invoice in Invoice.objects.exclude(status="paid")
                  if invoice.total_minor]  # fmt: skip
        paid = Payment.objects.filter(status__in=["succeeded", "unmatched"])
        if sorted(taken.values()) != sorted(paid.values_list("amount_minor", flat=True)):
            found.append("payments on record are not the charges")
        cleared = sum(Posting.objects.filter(account="clearing").values_list("amount_minor", flat=True))
        if cleared != sum(taken.values()):
            found.append(f"the ledger of accounts has {cleared}, the providers {sum(taken.values())}")
        compared = reconcile_payments(as_of=self.moment + timedelta(hours=2), days=420)
        found += [*compared.lines, *compared.away]
        found += [str(one) for one in run_verification(started_by="test", as_of=self.moment).differences]
        found += [str(drift) for drift in reconcile(ledgers=ledgers()).drifts]
        return found
