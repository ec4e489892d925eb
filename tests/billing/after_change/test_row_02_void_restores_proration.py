"""Row 2: an amount that a downgrade gave back, on a void or credited invoice, is the customer's, with its tax."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.domain.prices import PerUnit
from billing.models import BillingException, Invoice, LineKind, Subscription, TaxRate
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.running import run_invoicing
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from billing.verification.services.running import run_verification
from tests.billing.world import GRACE, STAFF, first_invoice, make_plan, set_issuer, subscribe_tenant, use

pytestmark = pytest.mark.django_db

NOVEMBER, DECEMBER, JANUARY, FEBRUARY = (
    datetime(2026 + month // 13, month % 13 + month // 13, 1, tzinfo=UTC) for month in (11, 12, 13, 14)
)
DAY = timedelta(days=1)


def pay(invoice: Invoice, *, as_of: datetime) -> None:
    record_payment(
        invoice_id=invoice.pk,
        provider="stripe",
        reference=f"of {invoice.number}",
        amount_minor=invoice.total_minor,
        currency=invoice.currency,
        occurred_at=as_of,
        as_of=as_of,
    )


def downgraded(*, is_paid: bool = True) -> Subscription:
    """Subscribe for 1,000.00 a month, 1,210.00 with tax. After a day change to a plan of 0.00 with usage at 0.01."""
    TaxRate.objects.update_or_create(country="BE", defaults={"name": "VAT", "percent": Decimal(21)})
    set_issuer(country="BE")
    big = make_plan("big", fee="1000")
    made = subscribe_tenant(plan=big, as_of=NOVEMBER, country="BE", backfill_days=35)
    first = first_invoice(made)
    if is_paid:
        pay(first, as_of=NOVEMBER + GRACE)
    small = make_plan("small", fee="0", usage={"calls": PerUnit(Decimal("0.01"))})
    change_plan(subscription=made, plan_version=small, when=When.NOW, actor=STAFF, as_of=NOVEMBER + DAY)
    use(made.tenant, 200_000, at=NOVEMBER + 2 * DAY)
    run_invoicing(as_of=DECEMBER + GRACE)
    return made


def shares(boundary: int) -> list[tuple[str, int, str]]:
    invoice = Invoice.objects.get(boundary=boundary)
    lines = invoice.lines.filter(kind=LineKind.PRORATION, revision=invoice.revision).exclude(amount_minor=0)
    return [(line.description, line.amount_minor, f"{line.tax_percent.normalize()}") for line in lines]


@pytest.mark.parametrize("takes_back", [void_invoice, issue_credit_note])
def test_the_credit_of_a_downgrade_comes_again(takes_back: Callable[..., object]) -> None:
    downgraded()
    december = Invoice.objects.get(boundary=1)
    assert (december.subtotal_minor, december.total_minor) == (200_000 - 96_667, 125_033)
    takes_back(invoice_id=december.pk, reason="wrong address", actor=STAFF, as_of=DECEMBER + DAY)
    run_invoicing(as_of=JANUARY + GRACE)
    assert shares(2) == [("Unused time on Big (29 of 30 days), from INV-2026-000002", -96_667, "21")]
    january = Invoice.objects.get(boundary=2)
    assert (january.total_minor, january.carried_minor) == (0, 116_967)
    run_invoicing(as_of=FEBRUARY + GRACE)
    assert shares(3) == []
    assert run_verification(started_by="test", as_of=FEBRUARY + DAY).differences == []


def test_it_comes_again_as_often_as_it_is_taken_away() -> None:
    subscription = downgraded()
    for month, boundary in ((DECEMBER, 1), (JANUARY, 2)):
        void_invoice(
            invoice_id=Invoice.objects.get(boundary=boundary).pk, reason="wrong", actor=STAFF, as_of=month + DAY
        )
        use(subscription.tenant, 200_000, at=month + 2 * DAY)
        run_invoicing(as_of=(month + 32 * DAY).replace(day=1) + GRACE)
        assert [amount for _, amount, _ in shares(boundary + 1)] == [-96_667]
    assert run_verification(started_by="test", as_of=FEBRUARY + DAY).differences == []


def test_what_was_given_back_of_a_fee_that_is_credited_later_is_charged() -> None:
    downgraded()
    first = Invoice.objects.get(boundary=0)
    issue_credit_note(invoice_id=first.pk, reason="not delivered", actor=STAFF, as_of=DECEMBER + DAY)
    run_invoicing(as_of=JANUARY + GRACE)
    assert shares(2) == [("Unused time on Big (29 of 30 days), from INV-2026-000002", 96_667, "21")]
    assert run_verification(started_by="test", as_of=JANUARY + DAY).differences == []


def test_with_no_invoice_to_follow_it_is_told_with_its_tax() -> None:
    subscription = downgraded()
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=DECEMBER + 2 * DAY)
    run_invoicing(as_of=DECEMBER + 60 * DAY)
    december = Invoice.objects.get(boundary=1)
    void_invoice(invoice_id=december.pk, reason="wrong", actor=STAFF, as_of=DECEMBER + 61 * DAY)
    assert "1,169.67" in BillingException.objects.get().detail


def test_nothing_is_given_back_of_a_fee_that_was_given_up_until_it_is_paid() -> None:
    TaxRate.objects.create(country="BE", name="VAT", percent=Decimal(21))
    set_issuer(country="BE")
    made = subscribe_tenant(plan=make_plan("big", fee="1000"), as_of=NOVEMBER, country="BE")
    first = first_invoice(made)
    mark_uncollectible(invoice_id=first.pk, reason="bankrupt", actor=STAFF, as_of=NOVEMBER + timedelta(hours=2))
    small = make_plan("small", fee="0")
    change_plan(subscription=made, plan_version=small, when=When.NOW, actor=STAFF, as_of=NOVEMBER + DAY)
    run_invoicing(as_of=DECEMBER + GRACE)
    assert (shares(1), Invoice.objects.get(boundary=1).total_minor) == ([], 0)
    pay(first, as_of=DECEMBER + DAY)
    run_invoicing(as_of=JANUARY + GRACE)
    assert shares(2) == [("Unused time on Big (29 of 30 days), from INV-2026-000002", -96_667, "21")]
    assert run_verification(started_by="test", as_of=JANUARY + DAY).differences == []
