"""Row 15: no unpaid amount is given back, and a debt is set off before anything is paid back."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.models import BillingException, Invoice, LineKind, Subscription
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.running import run_invoicing
from billing.services.invoicing.staff_actions import mark_uncollectible
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from billing.verification.services.running import run_verification
from metering.services.voids import void_event
from tests.billing.world import GRACE, STAFF, first_invoice, make_plan, set_issuer, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))
DAY = timedelta(days=1)


def pay(invoice: Invoice, amount_minor: int) -> None:
    record_payment(
        invoice_id=invoice.pk,
        provider="stripe",
        reference=f"of {invoice.number}",
        amount_minor=amount_minor,
        currency="EUR",
        occurred_at=FEBRUARY + DAY,
        as_of=FEBRUARY + DAY,
    )


@pytest.fixture
def subscription() -> Subscription:
    """Subscribe to Team at 99.00 a month since January."""
    set_issuer(country="BE", fee_refund="by_day")
    made = subscribe_tenant(plan=make_plan("team", fee="99"), as_of=JANUARY, backfill_days=35)
    first_invoice(made)
    return made


def shrink_and_end(subscription: Subscription) -> None:
    basic = make_plan("basic", fee="29", usage={})
    change_plan(subscription=subscription, plan_version=basic, when=When.NOW, actor=STAFF, as_of=JANUARY + 5 * DAY)
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=JANUARY + 6 * DAY)
    run_invoicing(as_of=MARCH + 20 * DAY)


def test_nothing_is_given_back_of_a_fee_that_was_given_up(subscription: Subscription) -> None:
    first = Invoice.objects.get(boundary=0)
    mark_uncollectible(invoice_id=first.pk, reason="bankrupt", actor=STAFF, as_of=JANUARY + DAY)
    shrink_and_end(subscription)
    second = Invoice.objects.get(boundary=1)
    shares = second.lines.filter(kind=LineKind.PRORATION, revision=second.revision)
    assert [line.amount_minor for line in shares] == [0, 2432]
    assert (second.total_minor, BillingException.objects.count()) == (2432, 0)
    assert run_verification(started_by="test", as_of=MARCH + 21 * DAY).differences == []


@pytest.mark.parametrize(
    ("paid_minor", "told"),
    [
        (0, "40.00 EUR are set off against INV-2026-000002; nothing is left to pay back."),
        (7_000, "30.00 EUR are set off against INV-2026-000002; 10.00 EUR are left."),
        (10_000, "and no invoice follows."),
    ],
)
def test_what_is_owed_is_set_off_before_anything_is_paid_back(
    subscription: Subscription, paid_minor: int, told: str
) -> None:
    tenant = subscription.tenant
    pay(Invoice.objects.get(boundary=0), 9_900)
    [test] = use(tenant, 40_000, at=JANUARY + DAY)
    use(tenant, 60_000, at=JANUARY + 2 * DAY)
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=JANUARY + 6 * DAY)
    run_invoicing(as_of=FEBRUARY + GRACE)
    if paid_minor:
        pay(Invoice.objects.get(boundary=1), paid_minor)
    void_event(ledger=ledger_of(tenant), event_id=test, reason="a test", voided_by="acme", as_of=FEBRUARY + 2 * DAY)
    run_invoicing(as_of=MARCH + 20 * DAY)
    assert BillingException.objects.get(code="credit_left").detail.replace("\N{NO-BREAK SPACE}", " ").endswith(told)
    [owed] = Invoice.objects.filter(boundary=1)
    due_after = max(10_000 - paid_minor - 4_000, 0)
    assert (owed.status == "paid", owed.amount_due_minor) == (due_after == 0, due_after)
    assert run_verification(started_by="test", as_of=MARCH + 21 * DAY).differences == []
