"""Row 1: a correction on a document that is void or credited comes again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from billing.models import Invoice, LineKind
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.running import run_invoicing
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.verification.services.running import run_verification
from metering.services.voids import void_event
from tests.billing.world import GRACE, STAFF, close_month, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of

pytestmark = pytest.mark.django_db

MARCH, APRIL, MAY, JUNE = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5, 6))
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


def adjusted(boundary: int) -> list[int]:
    lines = Invoice.objects.get(boundary=boundary).lines.filter(kind=LineKind.ADJUSTMENT)
    return [line.amount_minor for line in lines if line.revision == line.invoice.revision]


def corrected(*, is_paid: bool = True) -> tuple[Invoice, Callable[[datetime], None]]:
    """Create usage of March of 145.00, of which 50.00 turn out to be a test. The correction is on April's invoice."""
    subscription = subscribe_tenant(plan=make_plan(fee="99"), as_of=MARCH, backfill_days=60)
    tenant = subscription.tenant
    first_invoice(subscription)
    [test] = use(tenant, 50_000, at=MARCH + DAY)
    [rest] = use(tenant, 95_000, at=MARCH + 2 * DAY)
    close_month(subscription, as_of=APRIL + GRACE)
    march = Invoice.objects.get(boundary=1)
    assert march.subtotal_minor == 14_500 + 9_900
    if is_paid:
        pay(march, as_of=APRIL + GRACE)

    def void(event: str, at: datetime) -> None:
        void_event(ledger=ledger_of(tenant), event_id=event, reason="a test", voided_by="acme", as_of=at)

    void(test, APRIL + DAY)
    run_invoicing(as_of=MAY + GRACE)
    april = Invoice.objects.get(boundary=2)
    assert adjusted(2) == [-5000]
    return april, lambda at: void(rest, at)


@pytest.mark.parametrize("takes_back", [void_invoice, issue_credit_note])
def test_all_145_come_back(takes_back: Callable[..., object]) -> None:
    april, void_the_rest = corrected()
    takes_back(invoice_id=april.pk, reason="wrong address", actor=STAFF, as_of=MAY + DAY)
    void_the_rest(MAY + 2 * DAY)
    run_invoicing(as_of=JUNE + GRACE)
    assert adjusted(3) == [-14_500]
    assert run_verification(started_by="test", as_of=JUNE + DAY).differences == []


def test_the_correction_alone_comes_again() -> None:
    april, _ = corrected()
    void_invoice(invoice_id=april.pk, reason="wrong address", actor=STAFF, as_of=MAY + DAY)
    run_invoicing(as_of=JUNE + GRACE)
    assert adjusted(3) == [-5000]
    june = Invoice.objects.get(boundary=3)
    void_invoice(invoice_id=june.pk, reason="wrong again", actor=STAFF, as_of=JUNE + DAY)
    run_invoicing(as_of=datetime(2026, 7, 1, tzinfo=UTC) + GRACE)
    assert adjusted(4) == [-5000]
    assert run_verification(started_by="test", as_of=JUNE + 40 * DAY).differences == []


def test_what_was_given_back_of_an_invoice_that_is_void_later_is_charged() -> None:
    corrected(is_paid=False)
    march = Invoice.objects.get(boundary=1)
    void_invoice(invoice_id=march.pk, reason="wrong address", actor=STAFF, as_of=MAY + DAY)
    run_invoicing(as_of=JUNE + GRACE)
    # The customer does not pay the 145.00, so 50.00 of them are not given back.
    assert adjusted(3) == [5000]
    assert run_verification(started_by="test", as_of=JUNE + DAY).differences == []


def test_nothing_is_given_back_of_what_was_given_up_until_it_is_paid() -> None:
    _, void_the_rest = corrected(is_paid=False)
    march = Invoice.objects.get(boundary=1)
    mark_uncollectible(invoice_id=march.pk, reason="bankrupt", actor=STAFF, as_of=MAY + DAY)
    void_the_rest(MAY + 2 * DAY)
    run_invoicing(as_of=JUNE + GRACE)
    assert adjusted(3) == [0]
    pay(march, as_of=JUNE + DAY)
    run_invoicing(as_of=datetime(2026, 7, 1, tzinfo=UTC) + GRACE)
    assert adjusted(4) == [-9500]
    assert run_verification(started_by="test", as_of=JUNE + 40 * DAY).differences == []
