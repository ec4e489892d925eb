"""Reconciliation with providers: a clean world has no findings, and each planted drift is found with both sides."""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from accounts.errors import ConflictError
from accounts.models import AuditEntry, JobRun
from billing.collection.domain.comparing import FindingCode
from billing.collection.models import PaymentFinding, ProviderInvoice
from billing.collection.services.reconciling import reconcile_payments, run_reconciliation, settle_finding
from billing.models import Invoice, Payment, PaymentRefund
from config.workbench.fakepaddle.server import FakePaddle
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection import paddle_world
from tests.billing.collection.services.test_refunds import at_stripe, intent_of
from tests.billing.collection.stripe_world import collecting, deliver_and_process, make_endpoint, now, subscribed
from tests.billing.world import STAFF

pytestmark = pytest.mark.django_db
Drift = Callable[[FakeStripe, Invoice], object]


def later() -> datetime:
    """Return a time at which nothing is under way any more."""
    return now() + timedelta(hours=2)


def found() -> list[tuple[str, str]]:
    """Reconcile, and return the kind of object and the code of each open finding."""
    done = reconcile_payments(as_of=later())
    assert done.away == []
    rows = PaymentFinding.objects.filter(closed_at=None).order_by("code", "subject")
    return [(row.subject.split()[0], row.code) for row in rows]


@pytest.fixture
def paid(fake_stripe: FakeStripe) -> Invoice:
    """Return an invoice over 49.00 that Stripe has collected, one of which a part went back and is disputed."""
    make_endpoint()
    tenant = subscribed(fake_stripe).tenant
    deliver_and_process(fake_stripe)
    at_stripe(fake_stripe, amount=1000)
    fake_stripe.control.dispute(intent_of(fake_stripe), "warning_needs_response")
    deliver_and_process(fake_stripe)
    fake_stripe.control.pay_out()
    return Invoice.objects.get(tenant=tenant)


def change(kind: str, **fields: Any) -> Drift:
    """Return the drift that changes the fake's latest object of a kind past our API."""
    return lambda fake, _invoice: fake.store.update(fake.store.all(kind)[-1], **fields)


def forget(kind: str) -> Drift:
    """Return the drift that removes the fake's latest object of a kind."""
    return lambda fake, _invoice: fake.store.remove(kind, fake.store.all(kind)[-1]["id"])


def double(kind: str, **fields: Any) -> Drift:
    """Return the drift that adds a second object like the fake's latest one."""
    return lambda fake, _invoice: fake.store.put(
        kind, {**fake.store.all(kind)[-1], "id": fake.store.new_id(kind), **fields}
    )


def unposted(_fake: FakeStripe, invoice: Invoice) -> None:
    """Add a payment past the services, so that neither Stripe nor the ledger of accounts has it."""
    Payment.objects.create(
        tenant=invoice.tenant, invoice=invoice, provider="stripe", reference="in_none", status="succeeded",
        amount_minor=5, currency="EUR", occurred_at=now(), created_at=now(),
    )  # fmt: skip


def of_our_checkout(fake: FakeStripe, invoice: Invoice) -> None:
    """Add the charge of a checkout of ours, whose event never came."""
    metadata = {"countinghouse_tenant": str(invoice.tenant_id)}
    double("charge", payment_intent="pi_new", metadata=metadata)(fake, invoice)


DRIFTS: dict[str, tuple[Drift, tuple[str, str]]] = {
    "a payment that we lack": (of_our_checkout, ("payment", "missing_here")),
    "a payment past the ledger of accounts": (unposted, ("payment", "ledger")),
    "a payment that Stripe lacks": (forget("invoice"), ("payment", "missing_there")),
    "another amount": (change("invoice", total=4800), ("payment", "amount")),
    "another currency": (change("invoice", currency="usd"), ("payment", "currency")),
    "not paid there": (change("invoice", status="open"), ("payment", "state")),
    "void there": (change("invoice", status="void"), ("payment", "state")),
    "charged twice": (double("charge"), ("payment", "twice")),
    "two invoices": (double("invoice", status="open"), ("payment", "twice")),
    "a high fee": (lambda fake, _: fake.store.update(fake.store.all("balance_transaction", type="charge")[0], fee=900),
                   ("payment", "fee")),
    "a refund that we lack": (double("refund", amount=7), ("refund", "missing_here")),
    "a refund that Stripe lacks": (forget("refund"), ("refund", "missing_there")),
    "a refund over less": (change("refund", amount=900), ("refund", "amount")),
    "a refund that failed": (change("refund", status="failed"), ("refund", "state")),
    "a dispute that we lack": (double("dispute"), ("dispute", "missing_here")),
    "a dispute that Stripe lacks": (forget("dispute"), ("dispute", "missing_there")),
    "a dispute in another state": (change("dispute", status="lost"), ("dispute", "state")),
    "a payout of less": (change("payout", amount=1), ("payout", "payout")),
    "a payout that failed": (change("payout", status="failed", failure_message="closed"), ("payout", "payout")),
}  # fmt: skip


def test_a_clean_world_has_no_findings(fake_stripe: FakeStripe, paid: Invoice) -> None:
    assert PaymentRefund.objects.exists()
    assert found() == []
    before = len(fake_stripe.api.requests)
    run_reconciliation(started_by="test", as_of=later())
    assert {request["method"] for request in fake_stripe.api.requests[before:]} == {"GET"}, "it changes nothing there"
    [run] = JobRun.objects.filter(name="payments")
    assert (run.outcome, run.summary["compared"], run.summary["found"]) == ("succeeded", 4, 0)


@pytest.mark.takes_long("a world with every drift")
def test_each_planted_drift_is_found_once_with_both_sides(fake_stripe: FakeStripe, paid: Invoice) -> None:
    clean = deepcopy(fake_stripe.store.objects)
    for name, (drift, expected) in DRIFTS.items():
        fake_stripe.store.objects = deepcopy(clean)
        with transaction.atomic():
            drift(fake_stripe, paid)
            assert expected in found(), name
            first = set(PaymentFinding.objects.values_list("pk", flat=True))
            found()
            assert set(PaymentFinding.objects.values_list("pk", flat=True)) == first, f"{name}: found again as new"
            row = PaymentFinding.objects.get(code=expected[1], subject__startswith=expected[0])
            assert row.ours, name
            assert row.theirs, name
            assert row.suggestion.endswith("."), name
            transaction.set_rollback(True)
    fake_stripe.store.objects = clean
    assert {code for _, (_, code) in DRIFTS.values()} | {"usage"} == set(FindingCode), "each kind is planted"


def test_a_payment_that_comes_later_closes_its_finding_with_a_reason(fake_stripe: FakeStripe) -> None:
    make_endpoint()
    subscription = subscribed(fake_stripe)
    assert found() == [("payment", "missing_here")]
    [row] = PaymentFinding.objects.all()
    assert (row.tenant_id, row.ours, row.theirs[:9]) == (subscription.tenant_id, "nothing", "49.00\xa0EUR")

    deliver_and_process(fake_stripe)

    assert found() == []
    row.refresh_from_db()
    assert row.closed_because == "Both sides agree: the check no longer finds it."


def test_what_is_owed_is_compared_too(fake_stripe: FakeStripe) -> None:
    make_endpoint()
    subscription = subscribed(fake_stripe)
    invoice = Invoice.objects.get(subscription=subscription)
    [there] = collecting(fake_stripe, invoice)
    fake_stripe.store.update(there, status="open", amount_due=4800)
    assert found() == [("payment", "amount")]
    fake_stripe.store.update(there, amount_due=4900, currency="usd")
    assert found() == [("payment", "currency")]
    fake_stripe.store.update(there, currency="eur", status="void")
    assert found() == [("payment", "state")]
    fake_stripe.store.update(there, status="draft")
    assert found() == []
    ProviderInvoice.objects.update(reference="in_unknown")
    fake_stripe.store.update(there, status="open")
    assert found() == [("payment", "missing_here"), ("payment", "missing_there")]


def test_staff_settle_a_finding_and_a_change_opens_it_again(fake_stripe: FakeStripe, paid: Invoice) -> None:
    change("payout", amount=1)(fake_stripe, paid)
    found()
    [row] = PaymentFinding.objects.all()
    settle_finding(finding=row, settlement="Asked Stripe: ticket 7.", actor=STAFF, as_of=now())
    entry = AuditEntry.objects.get(action="payment_finding.settled")
    assert entry.after == {"settlement": "Asked Stripe: ticket 7."}
    with pytest.raises(ConflictError):
        settle_finding(finding=row, settlement="Again.", actor=STAFF, as_of=now())

    assert run_reconciliation(started_by="test", as_of=later()).waiting == 0
    row.refresh_from_db()
    assert row.settlement == "Asked Stripe: ticket 7."

    change("payout", amount=2)(fake_stripe, paid)
    assert run_reconciliation(started_by="test", as_of=later()).waiting == 1
    row.refresh_from_db()
    assert (row.settled_at, row.settlement) == (None, "")


def test_a_provider_that_is_away_keeps_its_findings(fake_stripe: FakeStripe, paid: Invoice) -> None:
    change("payout", amount=1)(fake_stripe, paid)
    assert found() == [("payout", "payout")]
    change("payout", amount=3900)(fake_stripe, paid)
    fake_stripe.control.fail("/v1/disputes", status=500, times=9)
    done = reconcile_payments(as_of=later())
    assert len(done.away) == 1
    assert PaymentFinding.objects.get().closed_at is None


def test_what_happened_just_now_or_long_ago_is_not_asked_about(fake_stripe: FakeStripe) -> None:
    make_endpoint()
    subscribed(fake_stripe)
    assert reconcile_payments(as_of=now()).found == 0, "its event is on the way"
    assert found() == [("payment", "missing_here")]
    reconcile_payments(as_of=later() + timedelta(days=400))
    assert PaymentFinding.objects.get().closed_at is None, "what is found stays until it is gone"


def test_the_command_names_each_difference_and_fails(
    fake_stripe: FakeStripe, paid: Invoice, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("reconcile_payments")
    assert "0 differences" in capsys.readouterr().out
    with fake_stripe.store.lock:
        fake_stripe.store.update(
            fake_stripe.store.all("payout")[-1], amount=1, arrival_date=fake_stripe.store.now() - 7200
        )
    with pytest.raises(SystemExit):
        call_command("reconcile_payments", days=3)
    assert "stripe payout payout po_" in capsys.readouterr().out


def test_paddle_is_reconciled_without_tax(fake_paddle: FakePaddle) -> None:
    subscription = paddle_world.subscribed(fake_paddle)
    paddle_world.deliver_and_process(fake_paddle)
    invoice = Invoice.objects.get(subscription=subscription)
    assert invoice.status == "paid"
    assert found() == []

    [charge] = paddle_world.charges(fake_paddle)
    fake_paddle.act("chargeback", charge["id"])
    assert found() == [("dispute", "missing_here")]
    paddle_world.deliver_and_process(fake_paddle)
    assert found() == []
    fake_paddle.store.update(charge, status="canceled")
    assert found() == [("payment", "state")]
    fake_paddle.store.remove("transaction", charge["id"])
    assert ("payment", "missing_there") in found()
