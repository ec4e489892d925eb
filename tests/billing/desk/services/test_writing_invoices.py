"""Invoices that staff write: tax, number, ledger, document, verification, and a colleague above the limit."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.errors import ConflictError, InvalidFieldsError
from accounts.models import AuditEntry
from billing.desk.errors import ApprovalError
from billing.desk.models import Approval
from billing.desk.services.deciding import approve
from billing.desk.services.writing_invoices import write_invoice
from billing.domain.invoicing.items import Item
from billing.models import Invoice, Subscription, TaxRate
from billing.services.documents.deliveries import invoice_pdf
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.staff_actions import issue_credit_note
from billing.verification.services.running import run_verification
from tests.billing.desk.colleagues import colleague
from tests.billing.ledger.books import balances
from tests.billing.world import MARCH, STAFF, close_month, first_invoice, set_issuer, subscribe_tenant
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
SETUP = Item("Setup", Decimal(1), "", Decimal("250.00"), date(2026, 3, 2), date(2026, 3, 2))
SUPPORT = Item("Support", Decimal("2.5"), "hours", Decimal("99.99"), date(2026, 3, 16), date(2026, 4, 14))


@pytest.fixture
def subscription() -> Subscription:
    """Return a customer in Belgium with 21 %, whose first fee of 49.00 is invoiced."""
    set_issuer(country="BE", legal_name="Meridian", address_line1="Rue 1", city="Brussels", tax_id="BE0403019261")
    TaxRate.objects.get_or_create(country="BE", defaults={"percent": 21})
    made = subscribe_tenant(country="BE", address_line1="Rue 2", city="Ghent", legal_name="Acme")
    first_invoice(made)
    return made


def write(subscription: Subscription, *items: Item, **fields: Any) -> Invoice | Approval:
    facts = {"tenant_id": subscription.tenant_id, "items": items, "reason": "agreed", "actor": STAFF} | fields
    return write_invoice(**({"as_of": MARCH + DAY} | facts))


def test_an_invoice_of_single_items_bears_its_tax_and_number(subscription: Subscription) -> None:
    invoice = write(subscription, SETUP, SUPPORT)
    assert isinstance(invoice, Invoice)
    # 250.00, and 2.5 hours of 99.99 come to 249.975, rounded to 249.98; 21 % of 499.98 is 104.9958.
    assert (invoice.subtotal_minor, invoice.tax_minor, invoice.total_minor) == (49_998, 10_500, 60_498)
    assert (invoice.kind, invoice.boundary, invoice.number, invoice.status) == (
        "manual", None, "INV-2026-000002", "finalized",
    )  # fmt: skip
    lines = [(line.kind, line.amount_minor, line.supplied_on) for line in invoice.lines.order_by("position")]
    assert lines == [("one_off", 25_000, date(2026, 3, 2)), ("one_off", 24_998, date(2026, 4, 14))]
    assert invoice.document.content["period"]["first_day"] == "2026-03-02"
    assert invoice_pdf(invoice=invoice, as_of=MARCH + DAY)
    entry = AuditEntry.objects.get(action="invoice.written")
    assert (entry.target_label, entry.after["reason"]) == (invoice.number, "agreed")
    # Support is of 16 days in March and 14 in April, half of which are not earned yet.
    assert balances()["deferred"] < 0


def test_the_next_invoices_pass_it_over_and_verification_agrees(subscription: Subscription) -> None:
    invoice = write(subscription, SETUP, SUPPORT)
    assert isinstance(invoice, Invoice)
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference="pi_1", amount_minor=60_498, currency="EUR",
        occurred_at=MARCH + 2 * DAY, as_of=MARCH + 2 * DAY,
    )  # fmt: skip
    close_month(subscription)
    assert Invoice.objects.get(boundary=1).subtotal_minor == 4900
    assert run_verification(started_by="test", as_of=MARCH + 40 * DAY).differences == []
    issue_credit_note(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=MARCH + 41 * DAY)
    close_month(subscription)
    assert Invoice.objects.get(boundary=2).subtotal_minor == 4900
    assert run_verification(started_by="test", as_of=MARCH + 80 * DAY).differences == []


def test_above_the_limit_a_colleague_approves_the_amount_that_was_seen(subscription: Subscription) -> None:
    set_issuer(approval_above=Decimal(300))
    assert isinstance(write(subscription, SUPPORT, actor=colleague("bo")), Approval | Invoice)
    waits, changed = (write(subscription, SETUP, item, actor=colleague("bo")) for item in (SUPPORT, SETUP))
    assert isinstance(waits, Approval)
    assert isinstance(changed, Approval)
    assert (waits.kind, waits.amount_minor, waits.invoice_id) == ("manual_invoice", 60_498, None)
    approve(approval_id=waits.pk, actor=colleague("kim"), as_of=MARCH + 2 * DAY)
    assert Invoice.objects.filter(kind="manual").order_by("-pk")[0].total_minor == 60_498
    TaxRate.objects.filter(country="BE").update(percent=25)
    with pytest.raises(ApprovalError, match=r"comes to 625\.00.EUR now"):
        approve(approval_id=changed.pk, actor=colleague("kim"), as_of=MARCH + 2 * DAY)


def test_what_cannot_be_invoiced_is_refused(subscription: Subscription) -> None:
    for items, sentence in (
        ((), "1 to 20 items"),
        ((Item("", Decimal(1), "", Decimal(1), MARCH.date(), MARCH.date()),), "may not be empty"),
        ((Item("x", Decimal(0), "", Decimal(1), MARCH.date(), MARCH.date()),), "nine decimals"),
        ((Item("x", Decimal(1), "", Decimal(-1), MARCH.date(), MARCH.date()),), "twelve decimals"),
        ((Item("x", Decimal(1), "", Decimal(1), MARCH.date(), date(2026, 2, 1)),), "Not before"),
        ((Item("x", Decimal(1), "", Decimal(0), MARCH.date(), MARCH.date()),), "total is 0"),
    ):
        with pytest.raises(InvalidFieldsError, match=sentence):
            write(subscription, *items)
    with pytest.raises(InvalidFieldsError, match="no subscription"):
        write(subscription, SETUP, tenant_id=make_tenant("stranger").pk)
    TaxRate.objects.filter(country="BE").delete()
    with pytest.raises(ConflictError, match="BE"):
        write(subscription, SETUP)
    assert Invoice.objects.count() == 1
